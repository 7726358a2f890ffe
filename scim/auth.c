/* Three ways to a Databricks token, and what a refusal means. Secrets and tokens are read again for each token request.
 * Source: databricks-api.md 5.2 (M2M), 5.3 (token exchange). */
#include "base/ban.h"

#include "scim/auth.h"

#include "base/buf.h"
#include "base/form.h"
#include "scim/decode.h"

struct scim_auth {
    struct scim_auth_opts opts;
    char *token_url;
};

int
scim_auth_new(const struct scim_auth_opts *opts, struct scim_auth **ret, struct kb_error *err)
{
    KB_CLEANUP(scim_auth) struct scim_auth *auth = calloc(1, sizeof(*auth));
    if (!auth)
        return kb_fail(err, KB_E_NOMEM, "out of memory for logging in to Databricks");
    auth->opts = *opts;
    KB_CLEANUP(kb_buf) struct kb_buf url = KB_BUF_INIT(8192);
    kb_buf_adds(&url, opts->host);
    kb_buf_adds(&url, "/oidc");
    if (opts->account) {
        kb_buf_adds(&url, "/accounts/");
        kb_buf_add_segment(&url, opts->account_id);
    }
    kb_buf_adds(&url, "/v1/token");
    auth->token_url = kb_buf_steal(&url);
    if (!auth->token_url)
        return kb_fail(err, KB_E_NOMEM, "out of memory for logging in to Databricks");
    *ret = kb_steal(&auth);
    return 0;
}

void
scim_auth_free(struct scim_auth *auth)
{
    if (!auth)
        return;
    free(auth->token_url);
    free(auth);
}

static int
no_memory(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "out of memory for a token request");
}

static char *
copy(const char *s, size_t len)
{
    return kb_strndup(s, len);
}

static int
build_m2m(const struct scim_auth *auth, struct kb_http_token_request *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_secret) struct kb_secret *secret = NULL;
    size_t size;
    if (kb_secret_read(&auth->opts.secret, &secret, err) < 0)
        return kb_fail_prefix(err, "the OAuth secret of Databricks");
    const char *bytes = kb_secret_bytes(secret, &size);
    ret->form = copy("grant_type=client_credentials&scope=all-apis", 44);
    ret->basic_user = copy(auth->opts.client_id, strlen(auth->opts.client_id));
    ret->basic_password = copy(bytes, size);
    return ret->form && ret->basic_user && ret->basic_password ? 0 : no_memory(err);
}

static int
build_token(const struct scim_auth *auth, struct kb_http_token_request *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_secret) struct kb_secret *secret = NULL;
    size_t size;
    if (kb_secret_read(&auth->opts.secret, &secret, err) < 0)
        return kb_fail_prefix(err, "the token of Databricks");
    const char *bytes = kb_secret_bytes(secret, &size);
    ret->static_token = copy(bytes, size);
    return ret->static_token ? 0 : no_memory(err);
}

static int
build_exchange(const struct scim_auth *auth, const struct kb_secret *subject,
               struct kb_http_token_request *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_secret) struct kb_secret *file = NULL;
    const struct kb_secret_source source = {.file = auth->opts.subject_file};
    if (auth->opts.subject_file && kb_secret_read(&source, &file, err) < 0)
        return kb_fail_prefix(err, "the subject token for Databricks");
    size_t size = 0;
    const char *bytes = file      ? kb_secret_bytes(file, &size)
                        : subject ? kb_secret_bytes(subject, &size)
                                  : NULL;
    if (!bytes)
        return kb_fail(err, KB_E_BUG, "token exchange without a subject token");
    char *token = kb_form_encode(bytes, size);
    char *client = auth->opts.client_id && *auth->opts.client_id
                       ? kb_form_encode(auth->opts.client_id, strlen(auth->opts.client_id))
                       : NULL;
    bool want_client = auth->opts.client_id && *auth->opts.client_id;
    if (token && (client || !want_client))
        ret->form = kb_asprintf("grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Atoken-exchange"
                                "&subject_token_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Atoken-type%%3Ajwt&"
                                "scope=all-apis%s%s&subject_token=%s",
                                client ? "&client_id=" : "", client ? client : "", token);
    kb_form_wipe(&token);
    free(client);
    return ret->form ? 0 : no_memory(err);
}

static int
build(void *userdata, const struct kb_secret *subject, struct kb_http_token_request *ret,
      struct kb_error *err)
{
    const struct scim_auth *auth = userdata;
    if (auth->opts.method == SCIM_AUTH_TOKEN)
        return build_token(auth, ret, err);
    ret->url = copy(auth->token_url, strlen(auth->token_url));
    if (!ret->url)
        return no_memory(err);
    return auth->opts.method == SCIM_AUTH_M2M ? build_m2m(auth, ret, err)
                                              : build_exchange(auth, subject, ret, err);
}

/* The usual refusals, and what to do about them. */
static const char *
cure(const struct scim_auth *auth, int status, const char *said)
{
    bool exchange = auth->opts.method == SCIM_AUTH_FEDERATION;
    if (status == 404)
        return "is the host right, and at account level the account_id?";
    if (status == 429 || strstr(said, "hrottled"))
        return "the token endpoint is throttled; try later";
    if (exchange && strstr(said, "issuer"))
        return "the federation policy's issuer must be exactly the realm's URL";
    if (exchange && strstr(said, "audience"))
        return "give the Keycloak client an audience mapper with the policy's audience";
    if (exchange && strstr(said, "subject"))
        return "the policy's subject must be the service account's user id (claim sub)";
    if (exchange && strstr(said, "expired"))
        return "the subject token has expired; is the clock right?";
    if (exchange)
        return "does the federation policy fit the token's issuer, audience and subject, and are lightweight "
               "access tokens off?";
    return "check client_id (the applicationId) and the secret; a secret has an expiry date";
}

static void
explain(void *userdata, int status, const char *body, struct kb_error *err)
{
    const struct scim_auth *auth = userdata;
    KB_CLEANUP(kb_free) char *said = body ? scim_decode_error(body, strlen(body)) : NULL;
    KB_CLEANUP(kb_buf) struct kb_buf shown = KB_BUF_INIT(4096);
    KB_CLEANUP(kb_free) char *cut = said ? kb_strndup(said, strnlen(said, 200)) : NULL;
    kb_buf_add_visible(&shown, cut ? cut : "no reason given");
    (void) kb_fail(err, KB_E_AUTH, "Databricks refused a token (HTTP %d: %s); %s", status, kb_buf_str(&shown),
                   cure(auth, status, said ? said : ""));
    err->status = status;
}

void
scim_auth_authority(struct scim_auth *auth, struct kb_http_authority *ret)
{
    *ret = (struct kb_http_authority){
        .build = build,
        .explain = explain,
        .subject_peer = auth->opts.method == SCIM_AUTH_FEDERATION && !auth->opts.subject_file
                            ? auth->opts.subject_peer
                            : NULL,
        .userdata = auth,
    };
}
