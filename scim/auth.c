/* Three ways to a Databricks token, and what a refusal means. Secrets and tokens are read again for each token request.
 * Source: databricks-api.md 5.2 (M2M), 5.3 (token exchange). */
#include "base/ban.h"

#include "scim/auth.h"

#include "base/buf.h"
#include "base/form.h"
#include "scim/decode.h"
#include "scim/discover.h"

struct scim_auth {
    struct scim_auth_opts opts;
    char *token_url; /* the documented place */
    struct scim_discover discover;
};

int
scim_auth_new(const struct scim_auth_opts *opts, struct scim_auth **ret, struct kb_error *err)
{
    KB_CLEANUP(scim_auth) struct scim_auth *auth = calloc(1, sizeof(*auth));
    if (!auth)
        return kb_fail(err, KB_E_NOMEM, "out of memory for logging in to Databricks");
    auth->opts = *opts;
    auth->discover = (struct scim_discover){.host = opts->host, .account_id = opts->account_id};
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
    scim_discover_done(&auth->discover);
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
    const struct scim_discover *d = &auth->discover;
    bool looking = d->step == SCIM_AT_HOST || d->step == SCIM_AT_SERVER;
    const char *url = looking ? d->ask : d->step == SCIM_AT_FOUND ? d->found : auth->token_url;
    ret->url = copy(url, strlen(url));
    if (!ret->url)
        return no_memory(err);
    if (looking)
        return 0; /* a GET, and nothing of ours in it */
    return auth->opts.method == SCIM_AUTH_M2M ? build_m2m(auth, ret, err)
                                              : build_exchange(auth, subject, ret, err);
}

/* What the refused token says of itself: the policy must say the same, letter for letter. */
static void
add_claim(const struct scim_auth *auth, const char *name, const char *none, struct kb_buf *ret)
{
    const struct kb_http_peer *peer = auth->opts.subject_file ? NULL : auth->opts.subject_peer;
    KB_CLEANUP(kb_free) char *claim = peer ? scim_decode_claim(kb_http_peer_token_payload(peer), name) : NULL;
    KB_CLEANUP(kb_free) char *cut = claim ? kb_strndup(claim, strnlen(claim, 200)) : NULL;
    if (!peer)
        return;
    kb_buf_addf(ret, "; this token's %s is ", name);
    if (cut)
        kb_buf_add_visible(ret, cut);
    else
        kb_buf_adds(ret, none);
}

/* The five usual refusals of a token exchange (databricks-api.md 5.3). */
static void
cure_exchange(const struct scim_auth *auth, const char *said, struct kb_buf *ret)
{
    const struct kb_http_peer *peer = auth->opts.subject_file ? NULL : auth->opts.subject_peer;
    KB_CLEANUP(kb_free) char *sub = peer ? scim_decode_claim(kb_http_peer_token_payload(peer), "sub") : NULL;
    if (peer && !sub) {
        kb_buf_adds(ret,
                    "the token has no sub: turn \"Always use lightweight access token\" off for the client "
                    "in Keycloak");
    } else if (strstr(said, "issuer")) {
        kb_buf_adds(ret,
                    "the federation policy's issuer must be exactly the realm's URL, as the token says it");
        add_claim(auth, "iss", "missing", ret);
    } else if (strstr(said, "audience")) {
        kb_buf_adds(ret, "give the Keycloak client an audience mapper with one of the policy's audiences");
        add_claim(auth, "aud", "missing", ret);
    } else if (strstr(said, "subject") && !strstr(said, "expired")) {
        kb_buf_adds(ret, "the policy's subject must be the id of the client's service account");
        add_claim(auth, "sub", "missing: lightweight access tokens?", ret);
    } else if (strstr(said, "expired")) {
        kb_buf_adds(ret,
                    peer ? "the token had expired when it arrived; are both clocks right, and does it live "
                           "for a minute at least?"
                         : "the token in token_file has expired; is it renewed?");
    } else if (strstr(said, "client_id")) {
        kb_buf_adds(ret, "client_id belongs to a service principal's policy and must be absent with an "
                         "account-wide one");
    } else {
        kb_buf_adds(ret, "does the federation policy fit the token's issuer, audience and subject, and are "
                         "lightweight access tokens off?");
    }
}

static void
cure(const struct scim_auth *auth, int status, const char *said, struct kb_buf *ret)
{
    if (status == 404)
        kb_buf_adds(ret, "is the host right, and at account level the account_id?");
    else if (status == 429 || strstr(said, "hrottled"))
        kb_buf_adds(ret, "the token endpoint is throttled; try later");
    else if (auth->opts.method == SCIM_AUTH_FEDERATION)
        cure_exchange(auth, said, ret);
    else
        kb_buf_adds(ret, "check client_id (the applicationId) and the secret; a secret has an expiry date");
}

static void
explain(void *userdata, int status, const char *body, struct kb_error *err)
{
    const struct scim_auth *auth = userdata;
    KB_CLEANUP(kb_free) char *said = body ? scim_decode_error(body, strlen(body)) : NULL;
    KB_CLEANUP(kb_buf) struct kb_buf shown = KB_BUF_INIT(4096);
    KB_CLEANUP(kb_buf) struct kb_buf advice = KB_BUF_INIT(4096);
    KB_CLEANUP(kb_free) char *cut = said ? kb_strndup(said, strnlen(said, 200)) : NULL;
    kb_buf_add_visible(&shown, cut ? cut : "no reason given");
    cure(auth, status, said ? said : "", &advice);
    (void) kb_fail(err, KB_E_AUTH, "Databricks refused a token (HTTP %d: %s); %s", status, kb_buf_str(&shown),
                   kb_buf_str(&advice));
    err->status = status;
}

static bool
elsewhere(void *userdata, int status, const char *body)
{
    struct scim_auth *auth = userdata;
    struct kb_error refusal = {0};
    if (status != 404)
        return false;
    explain(auth, status, body, &refusal);
    return scim_discover_begin(&auth->discover, &refusal);
}

static int
learn(void *userdata, int status, const char *body, struct kb_error *err)
{
    struct scim_auth *auth = userdata;
    return scim_discover_learn(&auth->discover, auth->token_url, status, body, err);
}

void
scim_auth_authority(struct scim_auth *auth, struct kb_http_authority *ret)
{
    *ret = (struct kb_http_authority){
        .build = build,
        .explain = explain,
        .elsewhere = elsewhere,
        .learn = learn,
        .subject_peer = auth->opts.method == SCIM_AUTH_FEDERATION && !auth->opts.subject_file
                            ? auth->opts.subject_peer
                            : NULL,
        .userdata = auth,
    };
}
