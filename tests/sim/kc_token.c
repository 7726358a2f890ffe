/* tests/sim/kc_token.c: token endpoint, introspection, and the check of bearer tokens (rules S1-S4, S23). */
#include "tests/sim/control.h"
#include "tests/sim/kc.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void
oauth_error(struct req *r, int status, const char *error, const char *description)
{
    answer(r, status, "application/json", "{\"error\":\"%s\",\"error_description\":\"%s\"}", error,
           description);
}

/* The issuer follows the host of the request (S23): no fixed hostname is set. Source: keycloak-api.md
 * section 4.5 */
char *
kc_issuer(struct req *r)
{
    const char *host = req_header(r, "Host");
    bool tls = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_PROTOCOL) != NULL;
    return xfmt("%s://%s%s/realms/%s", tls ? "https" : "http", host != NULL ? host : "", W.base, W.realm);
}

static const char *
member(json_object *o, const char *key)
{
    const char *s = json_text(o, key);
    return s != NULL ? s : "";
}

static bool
seen_before(const char *jti)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char *used[4096];
    static int n;
    pthread_mutex_lock(&lock);
    bool seen = false;
    for (int i = 0; i < n && i < 4096; i++)
        seen = seen || strcmp(used[i], jti) == 0;
    if (!seen) {
        str_set(&used[n % 4096], jti);
        n++;
    }
    pthread_mutex_unlock(&lock);
    return seen;
}

/* Rule S3. Source: keycloak-verified.md section 4: age from iat at most 60 s, 15 s of skew on iat, none on
 * exp. */
static const char *
assertion_fault(struct req *r, const char *jwt, json_object *o, int *status)
{
    char *iss = kc_issuer(r);
    char *endpoint = xfmt("%s/protocol/openid-connect/token", iss);
    const char *bad = NULL;
    json_object *aud = NULL, *exp = NULL, *iat = NULL;
    int64_t now = clock_unix_ms() / 1000;
    *status = 400;
    const char *a = "";
    if (json_object_object_get_ex(o, "aud", &aud) && json_object_is_type(aud, json_type_array))
        a = json_object_array_length(aud) == 1 ? json_object_get_string(json_object_array_get_idx(aud, 0))
                                               : NULL;
    else if (aud != NULL)
        a = json_object_get_string(aud);
    if (strcmp(member(o, "iss"), W.kc_client) != 0 || strcmp(member(o, "sub"), W.kc_client) != 0) {
        *status = 401;
        bad = "Invalid client or Invalid client credentials";
    } else if (!jwt_signed_by(jwt, W.kc_pubkey))
        bad = "Client authentication with signed JWT failed: Signature on JWT token failed validation";
    else if (a == NULL)
        bad = "Multiple audiences not allowed";
    else if (strcmp(a, iss) != 0 && strcmp(a, endpoint) != 0)
        bad = "Invalid token audience";
    else if (member(o, "jti")[0] == '\0')
        bad = "Token jti claim is required";
    else if (!json_object_object_get_ex(o, "exp", &exp))
        bad = "Token exp claim is required";
    else if (json_object_get_int64(exp) <= now)
        bad = "Token is not active";
    else if (json_object_object_get_ex(o, "iat", &iat) && json_object_get_int64(iat) > now + 15)
        bad = "Token was issued in the future";
    else if (iat != NULL && json_object_get_int64(iat) < now - 60)
        bad = "Token was issued too far in the past to be used now";
    else if (seen_before(member(o, "jti")))
        bad = "Token reuse detected";
    free(iss);
    free(endpoint);
    return bad;
}

static bool
assertion_ok(struct req *r, const char *form)
{
    char *type = query_get(form, "client_assertion_type"), *jwt = query_get(form, "client_assertion");
    bool ok = false;
    if (type == NULL)
        oauth_error(r, 400, "invalid_client", "Parameter client_assertion_type is missing");
    else if (strcmp(type, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") != 0 || jwt == NULL)
        oauth_error(r, 400, "invalid_client",
                    "Parameter client_assertion_type has unexpected value or client_assertion is missing");
    else {
        char *payload = jwt_payload(jwt);
        json_object *o = payload == NULL ? NULL : json_parse(payload);
        int status = 401;
        const char *bad =
            o == NULL ? "Invalid client or Invalid client credentials" : assertion_fault(r, jwt, o, &status);
        if (bad != NULL)
            oauth_error(r, status, "invalid_client", bad);
        ok = bad == NULL;
        json_object_put(o);
        free(payload);
    }
    free(type);
    free(jwt);
    return ok;
}

/* Basic credentials are form-encoded before base64 (RFC 6749 2.3.1); raw special characters end in 400. */
static bool
basic(struct req *r, char **id, char **secret)
{
    const char *h = req_header(r, "Authorization");
    if (h == NULL || strncmp(h, "Basic ", 6) != 0)
        return true;
    size_t n = 0;
    char *pair = (char *) b64_decode(h + 6, strlen(h + 6), &n);
    char *colon = pair == NULL ? NULL : strchr(pair, ':');
    if (colon != NULL) {
        *id = pct_decode(pair, (size_t) (colon - pair), true);
        *secret = pct_decode(colon + 1, strlen(colon + 1), true);
    }
    free(pair);
    if (*id != NULL && *secret != NULL)
        return true;
    oauth_error(r, 400, "unauthorized_client", "Unexpected error when authenticating client");
    return false;
}

static bool
client_ok(struct req *r, const char *form)
{
    char *id = NULL, *secret = NULL;
    bool ok = false;
    if (!basic(r, &id, &secret))
        goto out;
    char *fid = query_get(form, "client_id"), *fsecret = query_get(form, "client_secret");
    if (fid != NULL) { /* the form wins: keycloak-api.md section 4.2 */
        free(id);
        id = fid;
    }
    if (fsecret != NULL) {
        free(secret);
        secret = fsecret;
    }
    bool asserted = query_count(form, "client_assertion") > 0;
    if (id == NULL && !asserted)
        oauth_error(r, 401, "invalid_client", "Invalid client or Invalid client credentials");
    else if (!W.client_enabled || (id != NULL && client_find(id) < 0))
        oauth_error(r, 401, "invalid_client", "Invalid client or Invalid client credentials");
    else if (id != NULL && strcmp(id, W.kc_client) != 0)
        oauth_error(r, 401, "unauthorized_client", "Public client not allowed to retrieve service account");
    else if (W.kc_pubkey != NULL || asserted) {
        if (W.kc_pubkey == NULL)
            oauth_error(r, 401, "unauthorized_client", "Invalid client or Invalid client credentials");
        else
            ok = assertion_ok(r, form);
    } else if (secret == NULL || (strcmp(secret, W.kc_secret) != 0 &&
                                  (W.kc_rotated == NULL || strcmp(secret, W.kc_rotated) != 0)))
        oauth_error(r, 401, "unauthorized_client", "Invalid client or Invalid client credentials");
    else
        ok = true;
out:
    free(id);
    free(secret);
    return ok;
}

static bool
form_ok(struct req *r, const char *form)
{
    for (size_t at = 0; form[at] != '\0'; at += strcspn(form + at, "&"), at += form[at] == '&') {
        char *name = xsub(form + at, strcspn(form + at, "=&"));
        int n = query_count(form, name);
        free(name);
        if (n > 1) {
            oauth_error(r, 400, "invalid_request", "duplicated parameter");
            return false;
        }
    }
    char *grant = query_get(form, "grant_type");
    bool ok = false;
    if (grant == NULL)
        oauth_error(r, 400, "invalid_request", "Missing form parameter: grant_type");
    else if (strcmp(grant, "client_credentials") != 0)
        oauth_error(r, 400, "unsupported_grant_type", "Unsupported grant_type");
    else
        ok = true;
    free(grant);
    return ok;
}

static void
grant_token(struct req *r, const char *scope)
{
    int c = client_find(W.kc_client);
    int account = c < 0 ? -1 : W.clients[c].account;
    char *iss = kc_issuer(r);
    int64_t now = clock_unix_ms();
    struct buf p = {0};
    buf_f(&p, "{\"exp\":%lld,\"iat\":%lld,\"xms\":%lld,\"jti\":\"trrtcc:%lld\",\"iss\":",
          (long long) (now / 1000 + knobs.token_life_s), (long long) (now / 1000),
          (long long) (now + (int64_t) knobs.token_life_s * 1000), (long long) now);
    buf_json(&p, iss);
    if (!knobs.token_lightweight) {
        buf_lit(&p, ",\"aud\":");
        buf_json(&p, knobs.token_aud);
        buf_key(&p, "sub", account < 0 ? "" : W.users[account].id);
    }
    buf_lit(&p, ",\"typ\":\"Bearer\"");
    buf_key(&p, "azp", W.kc_client);
    buf_key(&p, "client_id", W.kc_client);
    buf_key(&p, "scope", scope);
    buf_lit(&p, "}");
    char *token = jwt_sign(p.p);
    answer(r, 200, "application/json",
           "{\"access_token\":\"%s\",\"expires_in\":%d,\"refresh_expires_in\":0,\"token_type\":\"Bearer\","
           "\"not-before-policy\":%lld,\"scope\":\"%s\"}",
           token, knobs.token_life_s, (long long) W.not_before, scope);
    free(token);
    free(iss);
    buf_free(&p);
}

void
kc_token(struct req *r)
{
    r->kind = "token";
    if (!req_is(r, "POST")) {
        kc_error(r, 405, "HTTP 405 Method Not Allowed");
        return;
    }
    const char *form = r->body.p != NULL ? r->body.p : "";
    if (!form_ok(r, form) || !client_ok(r, form))
        return;
    if (!W.account_enabled) {
        oauth_error(r, 401, "invalid_request", "User 'service-account-keybricks' disabled");
        return;
    }
    char *scope = query_get(form, "scope");
    if (scope != NULL && scope[0] != '\0' && !(knobs.kc_admin_api && strcmp(scope, "kc-admin-api") == 0)) {
        char *text = xfmt("Invalid scopes: %s", scope); /* S4: older servers do not know kc-admin-api */
        oauth_error(r, 400, "invalid_scope", text);
        free(text);
    } else
        grant_token(r, scope != NULL && scope[0] != '\0' ? "email profile kc-admin-api" : "email profile");
    free(scope);
}

/* keycloak-verified.md section 4: neither the token's own client nor another is in aud, so it is never
 * active. */
void
kc_introspect(struct req *r)
{
    r->kind = "introspect";
    answer(r, 200, "application/json", "{\"active\":false}");
}

/* S2, S4, S23, S24: a token counts as long as it is unexpired, from this host, not before the realm's
 * notBefore, and its client and account are enabled; the present rights, not the token's, decide later. */
bool
kc_token_valid(struct req *r)
{
    const char *h = req_header(r, "Authorization");
    if (h == NULL || strncmp(h, "Bearer ", 7) != 0 || !jwt_ours(h + 7))
        return false;
    char *payload = jwt_payload(h + 7);
    json_object *o = payload == NULL ? NULL : json_parse(payload);
    char *iss = kc_issuer(r);
    bool ok = o != NULL && json_int(o, "xms", 0) > clock_unix_ms() && strcmp(member(o, "iss"), iss) == 0 &&
              json_int(o, "iat", 0) >= W.not_before && W.client_enabled && W.account_enabled &&
              (!knobs.kc_admin_api || strstr(member(o, "scope"), "kc-admin-api") != NULL);
    free(iss);
    json_object_put(o);
    free(payload);
    return ok;
}
