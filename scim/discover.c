/* Two documents lead to the token endpoint: the host's own description names its authorization server, and that
 * names the endpoint. A host without the first is asked at the classic place of the second. */
#include "base/ban.h"

#include "scim/discover.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "scim/decode.h"

static const char SERVER_DOCUMENT[] = "/.well-known/oauth-authorization-server";

static int
no_place(const struct scim_discover *d, struct kb_error *err, const char *why)
{
    (void) kb_fail(err, KB_E_AUTH, "%s (looked for another token endpoint: %s)", d->refusal.msg, why);
    err->status = d->refusal.status;
    return -(int) err->code;
}

/* The same scheme, name and port, as the configuration spells them, and a plain path. */
static bool
same_origin(const char *host, const char *url)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:%{}[]";
    const char *name = strstr(host, "://");
    if (!name || url[strspn(url, plain)])
        return false;
    size_t len = (size_t) (name - host) + 3 + strcspn(name + 3, "/?#");
    KB_CLEANUP(kb_free) char *ours = kb_strndup(host, len);
    KB_CLEANUP(kb_free) char *theirs = kb_strndup(url, strnlen(url, len));
    return ours && theirs && !kb_ascii_casecmp(ours, theirs) && url[len] == '/';
}

static int
ask_next(struct scim_discover *d, enum scim_discover_step step, struct kb_buf *url, struct kb_error *err)
{
    free(d->ask);
    d->ask = url->failed ? NULL : kb_buf_steal(url);
    d->step = step;
    return d->ask ? 0 : no_place(d, err, "out of memory");
}

bool
scim_discover_begin(struct scim_discover *d, const struct kb_error *refusal)
{
    KB_CLEANUP(kb_buf) struct kb_buf url = KB_BUF_INIT(8192);
    struct kb_error err = {0};
    if (d->step != SCIM_AT_FIXED)
        return false;
    d->refusal = *refusal;
    kb_buf_adds(&url, d->host);
    kb_buf_adds(&url, "/.well-known/databricks-config");
    return ask_next(d, SCIM_AT_HOST, &url, &err) >= 0;
}

/* "{account_id}" stands in the endpoint of hosts that serve many accounts. */
static void
add_endpoint(const char *endpoint, const char *account_id, struct kb_buf *ret)
{
    static const char place[] = "{account_id}";
    const char *at = strstr(endpoint, place);
    if (!at || !*account_id) {
        kb_buf_adds(ret, endpoint);
        return;
    }
    kb_buf_add(ret, endpoint, (size_t) (at - endpoint));
    kb_buf_add_segment(ret, account_id);
    kb_buf_adds(ret, at + sizeof(place) - 1);
}

static int
learn_host(struct scim_discover *d, int status, const char *body, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf url = KB_BUF_INIT(8192);
    KB_CLEANUP(kb_free) char *endpoint = status == 200 ? scim_decode_claim(body, "oidc_endpoint") : NULL;
    KB_CLEANUP(kb_free) char *account = status == 200 ? scim_decode_claim(body, "account_id") : NULL;
    if (endpoint && !same_origin(d->host, endpoint))
        return no_place(d, err, "the host names another one, which is not asked");
    if (endpoint) {
        add_endpoint(endpoint, *d->account_id ? d->account_id : account ? account : "", &url);
    } else {
        kb_buf_adds(&url, d->host);
        kb_buf_adds(&url, "/oidc");
        if (*d->account_id) {
            kb_buf_adds(&url, "/accounts/");
            kb_buf_add_segment(&url, d->account_id);
        }
    }
    kb_buf_adds(&url, SERVER_DOCUMENT);
    return ask_next(d, SCIM_AT_SERVER, &url, err);
}

static int
learn_server(struct scim_discover *d, const char *fixed, int status, const char *body, struct kb_error *err)
{
    KB_CLEANUP(kb_free) char *endpoint = status == 200 ? scim_decode_claim(body, "token_endpoint") : NULL;
    if (!endpoint)
        return no_place(d, err, "no document of the host names one");
    if (!same_origin(d->host, endpoint))
        return no_place(d, err, "the host names another one, which is not asked");
    if (!strcmp(endpoint, fixed))
        return no_place(d, err, "it is the same");
    d->found = kb_steal(&endpoint);
    d->step = SCIM_AT_FOUND;
    return 0;
}

int
scim_discover_learn(struct scim_discover *d, const char *fixed, int status, const char *body,
                    struct kb_error *err)
{
    return d->step == SCIM_AT_HOST ? learn_host(d, status, body, err)
                                   : learn_server(d, fixed, status, body, err);
}

void
scim_discover_done(struct scim_discover *d)
{
    free(d->ask);
    free(d->found);
}
