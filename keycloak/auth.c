/* Logging in by client_credentials, in five ways, and what a refusal means.
 *
 * Secrets, keys and tokens are read again for each token request, so that a rotation needs no restart; they
 * live in buffers of exact size, which the loop wipes. Source: keycloak-api.md 4.1 to 4.5;
 * keycloak-verified.md section 4. */
#include "base/ban.h"

#include "keycloak/auth.h"

#include "base/buf.h"
#include "base/form.h"
#include "base/str.h"
#include "keycloak/decode.h"
#include "keycloak/jwt.h"
#include "keycloak/token_decode.h"

static const char assertion_type[] =
    "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    "&client_assertion=";

struct kc_auth {
    char *token_url, *issuer;
    char *client_id; /* form-encoded */
    char *scope;     /* "" or "&scope=…" */
    struct kc_auth_opts opts;
};

void
kc_auth_free(struct kc_auth *auth)
{
    if (!auth)
        return;
    free(auth->token_url);
    free(auth->issuer);
    free(auth->client_id);
    free(auth->scope);
    free(auth);
}

int
kc_auth_new(const struct kc_auth_opts *opts, struct kc_auth **ret, struct kb_error *err)
{
    KB_CLEANUP(kc_auth) struct kc_auth *auth = calloc(1, sizeof(*auth));
    KB_CLEANUP(kb_buf) struct kb_buf issuer = KB_BUF_INIT(8192);

    if (!auth)
        return kb_fail(err, KB_E_NOMEM, "out of memory for logging in to Keycloak");
    auth->opts = *opts;
    kb_buf_adds(&issuer, opts->base_url);
    kb_buf_adds(&issuer, "/realms/");
    kb_buf_add_segment(&issuer, opts->realm);
    auth->token_url = kb_asprintf("%s/protocol/openid-connect/token", kb_buf_str(&issuer));
    auth->client_id = kb_form_encode(opts->client_id, strlen(opts->client_id));
    KB_CLEANUP(kb_free)
    char *scope = kb_form_encode(opts->scope ? opts->scope : "", strlen(opts->scope ? opts->scope : ""));
    auth->scope = scope ? kb_asprintf("%s%s", *scope ? "&scope=" : "", scope) : NULL;
    auth->issuer = kb_buf_steal(&issuer);
    if (!auth->token_url || !auth->client_id || !auth->scope || !auth->issuer)
        return kb_fail(err, KB_E_NOMEM, "out of memory for logging in to Keycloak");
    *ret = kb_steal(&auth);
    return 0;
}

/* ---- the token request ---- */

static int
no_memory(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "out of memory for a token request");
}

/* The form that all methods share, with `more` behind it. */
static int
set_form(const struct kc_auth *auth, const char *more, struct kb_http_token_request *ret,
         struct kb_error *err)
{
    ret->form = kb_asprintf("grant_type=client_credentials%s%s", auth->scope, more);
    return ret->form ? 0 : no_memory(err);
}

static int
build_secret(const struct kc_auth *auth, struct kb_http_token_request *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_secret) struct kb_secret *secret = NULL;
    char *encoded, *more;
    size_t size;
    int r;

    if (kb_secret_read(&auth->opts.secret, &secret, err) < 0)
        return kb_fail_prefix(err, "the secret of keycloak");
    const char *bytes = kb_secret_bytes(secret, &size);
    encoded = kb_form_encode(bytes, size);
    if (!encoded)
        return no_memory(err);
    if (auth->opts.method == KC_CLIENT_SECRET_BASIC) {
        ret->basic_user = kb_strndup(auth->client_id, strlen(auth->client_id));
        ret->basic_password = encoded;
        return ret->basic_user ? set_form(auth, "", ret, err) : no_memory(err);
    }
    more = kb_asprintf("&client_id=%s&client_secret=%s", auth->client_id, encoded);
    kb_form_wipe(&encoded);
    r = more ? set_form(auth, more, ret, err) : no_memory(err);
    kb_form_wipe(&more);
    return r;
}

/* The client_id is in the assertion; with a federated one it may be unknown here, and older servers want it
 * left out (keycloak-api.md 4.2). */
static int
build_assertion(const struct kc_auth *auth, const char *assertion, size_t size,
                struct kb_http_token_request *ret, struct kb_error *err)
{
    char *encoded = kb_form_encode(assertion, size);
    char *more = encoded ? kb_asprintf("%s%s", assertion_type, encoded) : NULL;
    int r = more ? set_form(auth, more, ret, err) : no_memory(err);

    kb_form_wipe(&encoded);
    kb_form_wipe(&more);
    return r;
}

static int
build_federated(const struct kc_auth *auth, struct kb_http_token_request *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_secret) struct kb_secret *token = NULL;
    const struct kb_secret_source source = {.file = auth->opts.token_file};
    size_t size;

    if (kb_secret_read(&source, &token, err) < 0)
        return kb_fail_prefix(err, "keycloak.token_file");
    const char *bytes = kb_secret_bytes(token, &size);
    return build_assertion(auth, bytes, size, ret, err);
}

static int
build_signed(const struct kc_auth *auth, struct kb_http_token_request *ret, struct kb_error *err)
{
    char *assertion = NULL;
    int r = kc_jwt_make(auth->opts.key_file, auth->opts.client_id, auth->issuer, &assertion, err);

    if (r >= 0)
        r = build_assertion(auth, assertion, strlen(assertion), ret, err);
    kb_form_wipe(&assertion);
    return r;
}

static int
build_tls(const struct kc_auth *auth, struct kb_http_token_request *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_free) char *more = kb_asprintf("&client_id=%s", auth->client_id);

    return more ? set_form(auth, more, ret, err) : no_memory(err);
}

static int
build(void *userdata, const struct kb_secret *subject, struct kb_http_token_request *ret,
      struct kb_error *err)
{
    const struct kc_auth *auth = userdata;

    (void) subject;
    ret->url = kb_strndup(auth->token_url, strlen(auth->token_url));
    if (!ret->url)
        return no_memory(err);
    switch (auth->opts.method) {
    case KC_CLIENT_SECRET_BASIC:
    case KC_CLIENT_SECRET_POST:
        return build_secret(auth, ret, err);
    case KC_PRIVATE_KEY_JWT:
        return build_signed(auth, ret, err);
    case KC_TLS_CLIENT:
        return build_tls(auth, ret, err);
    case KC_FEDERATED_JWT:
        return build_federated(auth, ret, err);
    }
    return kb_fail(err, KB_E_BUG, "unknown way to log in to Keycloak");
}

/* ---- refusals ---- */

static const char *
wrong_key(const struct kc_auth *auth)
{
    switch (auth->opts.method) {
    case KC_CLIENT_SECRET_BASIC:
    case KC_CLIENT_SECRET_POST:
        return "the secret is wrong (or the client does not log in by secret): compare it with the client's "
               "Credentials tab; a regenerated secret must be written to the secret file";
    case KC_PRIVATE_KEY_JWT:
        return "the key is not the one the client has under Keys, or the client's authenticator is not "
               "\"Signed "
               "JWT\"";
    case KC_TLS_CLIENT:
        return "the certificate is not the one the client expects (its \"Subject DN\"), or its authenticator "
               "is "
               "not \"X509 Certificate\"";
    case KC_FEDERATED_JWT:
        return "the token in token_file fits no client: check the client's jwt.credential.issuer and "
               "jwt.credential.sub, and that the token's audience is the realm's issuer URL";
    }
    return "";
}

/* A cause and its cure. First match wins; error or text NULL: any. Texts of 26.7.4. */
struct cause {
    int status;                      /* 0: any */
    const char *error, *text, *cure; /* "%k": what is wrong with the key, by method */
};

static const struct cause causes[] = {
    {404, "Realm does not exist", NULL,
     "this realm does not exist there: check keycloak.url and keycloak.realm"},
    {0, "invalid_scope", "kc-admin-api",
     "this server does not know the client scope kc-admin-api, or the client does not have it: up to 26.8.1 "
     "leave keycloak.scope empty, from 26.8.2 on assign the scope to the client"},
    {0, "invalid_scope", NULL, "the client does not have the scope in keycloak.scope"},
    {0, "unauthorized_client", "Public client",
     "the client is public: switch on \"Client authentication\" and \"Service accounts roles\""},
    {0, "unauthorized_client", "service account", "switch on \"Service accounts roles\" at the client"},
    {0, "unauthorized_client", "Unexpected error when authenticating client",
     "Keycloak could not read the client id and secret"},
    {0, "invalid_request", "disabled", "the client's service account is disabled: enable this user"},
    {0, "invalid_client", "Invalid client or Invalid client credentials",
     "no client of this id, or it is disabled: check keycloak.client_id and that the client is enabled"},
    {0, "unauthorized_client", "Invalid client or Invalid client credentials", "%k"},
    {0, "invalid_client", "too far in the past", "this machine's clock is behind"},
    {0, "invalid_client", "in the future", "this machine's clock is ahead"},
    {0, "invalid_client", "not active", "this machine's clock is behind, or the token has expired"},
    {0, "invalid_client", "client_assertion_type is missing",
     "the client does not log in by secret: set keycloak.auth to how it does (private_key_jwt for \"Signed "
     "JWT\"), "
     "or change its authenticator to \"Client Id and Secret\""},
    {0, "invalid_client", NULL, "%k"},
    {0, "unauthorized_client", NULL, "%k"},
    {404, NULL, NULL,
     "there is no token endpoint: check keycloak.url (servers before 17 want /auth behind it, later ones do "
     "not)"},
};

static bool
has_text(const char *haystack, const char *needle)
{
    size_t len = strlen(needle);

    for (; *haystack; haystack++) {
        size_t i = 0;
        while (i < len && kb_ascii_lower(haystack[i]) == kb_ascii_lower(needle[i]))
            i++;
        if (i == len)
            return true;
    }
    return false;
}

static const struct cause *
find_cause(int status, const struct kc_refusal *refusal)
{
    for (size_t i = 0; i < KB_LEN(causes); i++) {
        const struct cause *c = &causes[i];
        if (c->status && c->status != status)
            continue;
        if ((!c->error || strcmp(c->error, refusal->error) == 0) &&
            (!c->text || has_text(refusal->description, c->text)))
            return c;
    }
    return NULL;
}

static void
explain(void *userdata, int status, const char *body, struct kb_error *err)
{
    const struct kc_auth *auth = userdata;
    struct kc_refusal refusal;
    const struct cause *cause = NULL;
    const char *cure;

    if (!kc_decode_refusal(body, strlen(body), &refusal)) {
        (void) kb_fail(
            err, KB_E_AUTH,
            "keycloak: %s: %d, and not Keycloak's own answer: check keycloak.url (servers before 17 "
            "want /auth behind it) and what stands between",
            auth->token_url, status);
        err->status = status;
        return;
    }
    cause = find_cause(status, &refusal);
    if (!cause)
        cure = "the token was refused";
    else
        cure = strcmp(cause->cure, "%k") == 0 ? wrong_key(auth) : cause->cure;
    (void) kb_fail(err, KB_E_AUTH, "keycloak: realm \"%.60s\", client \"%.60s\": %s (%d %.60s%s%.100s)",
                   auth->opts.realm, auth->opts.client_id, cure, status, refusal.error,
                   refusal.description[0] ? ": " : "", refusal.description);
    err->status = status;
}

void
kc_auth_authority(struct kc_auth *auth, struct kb_http_authority *ret)
{
    *ret = (struct kb_http_authority){.build = build, .explain = explain, .userdata = auth};
}

char *
kc_auth_excess_rights(const char *token_payload)
{
    return token_payload ? kc_token_excess(token_payload) : NULL;
}
