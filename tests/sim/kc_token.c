/* tests/sim/kc_token.c: JSON Web Tokens, ours signed with a key that lives as long as this process; what comes in the
 * Authorization header; the token endpoint of Keycloak and the check of its bearers (rules S1-S4, S23, S24). */
#include "tests/sim/kc.h"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

static unsigned char key[32];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void
make_key(void)
{
    if (RAND_bytes(key, sizeof key) != 1)
        abort();
}

static const char *
mac(const char *text, size_t n)
{
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    pthread_once(&key_once, make_key);
    HMAC(EVP_sha256(), key, sizeof key, (const unsigned char *) text, n, out, &len);
    return b64url(out, len);
}

const char *
jwt_sign(const char *payload)
{
    const char *head = tf("{'alg':'HS256','typ':'JWT','kid':'keybricks-sim'}");
    const char *text = tf("%s.%s", b64url(head, strlen(head)), b64url(payload, strlen(payload)));
    return tf("%s.%s", text, mac(text, strlen(text)));
}

/* The second and third part, or false. */
static bool
parts(const char *token, const char **payload, const char **sig)
{
    const char *a = strchr(token, '.'), *b = a == NULL ? NULL : strchr(a + 1, '.');
    if (b == NULL || strchr(b + 1, '.') != NULL)
        return false;
    *payload = a + 1;
    *sig = b + 1;
    return true;
}

json_object *
jwt_payload(const char *token)
{
    const char *p = NULL, *sig = NULL;
    int n = 0;
    const char *text = parts(token, &p, &sig) ? b64_decode(p, (size_t) (sig - 1 - p), &n) : NULL;
    return text == NULL ? NULL : json_parse(text);
}

bool
jwt_ours(const char *token)
{
    const char *p = NULL, *sig = NULL;
    return parts(token, &p, &sig) && strcmp(mac(token, (size_t) (sig - 1 - token)), sig) == 0;
}

/* ES256 signatures are r||s (RFC 7518 3.4); OpenSSL wants DER. */
static unsigned char *
to_der(const unsigned char *sig, int n, int *len)
{
    ECDSA_SIG *s = ECDSA_SIG_new();
    unsigned char *der = NULL;
    BIGNUM *a = BN_bin2bn(sig, n / 2, NULL), *b = BN_bin2bn(sig + n / 2, n / 2, NULL);
    if (s != NULL && a != NULL && b != NULL && ECDSA_SIG_set0(s, a, b) == 1)
        *len = i2d_ECDSA_SIG(s, &der);
    ECDSA_SIG_free(s);
    return der;
}

static bool
jwt_signed_by(const char *token, const char *pubkey)
{
    const char *p = NULL, *third = NULL;
    int n = 0;
    if (!parts(token, &p, &third))
        return false;
    const char *head = b64_decode(token, (size_t) (p - 1 - token), &n);
    bool ec = head != NULL && strstr(head, "\"ES256\"") != NULL,
         rsa = head != NULL && strstr(head, "\"RS256\"") != NULL;
    unsigned char *sig = (unsigned char *) b64_decode(third, strlen(third), &n);
    BIO *bio = BIO_new_mem_buf(pubkey, -1);
    EVP_PKEY *pk = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = false;
    if (sig != NULL && pk != NULL && ctx != NULL && (ec || rsa) &&
        EVP_PKEY_get_base_id(pk) == (ec ? EVP_PKEY_EC : EVP_PKEY_RSA)) {
        unsigned char *der = ec ? to_der(sig, n, &n) : NULL;
        ok = n > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pk) == 1 &&
             EVP_DigestVerify(ctx, ec ? der : sig, (size_t) n, (const unsigned char *) token,
                              (size_t) (third - 1 - token)) == 1;
        OPENSSL_free(der);
    }
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pk);
    BIO_free(bio);
    return ok;
}

const char *
bearer(struct req *r)
{
    const char *h = req_header(r, "Authorization");
    return begins(h, "Bearer ") ? h + 7 : NULL;
}

bool
basic_auth(struct req *r, const char **id, const char **secret)
{
    const char *h = req_header(r, "Authorization");
    int n = 0;
    if (!begins(h, "Basic "))
        return true;
    const char *pair = b64_decode(h + 6, strlen(h + 6), &n), *colon = pair == NULL ? NULL : strchr(pair, ':');
    if (colon == NULL)
        return false;
    *id = pct_decode(pair, (size_t) (colon - pair), true);
    *secret = pct_decode(colon + 1, strlen(colon + 1), true);
    return *id != NULL && *secret != NULL;
}

/* ---- Keycloak ---- */

static const char bad_client[] = "Invalid client or Invalid client credentials";

/* The issuer follows the host of the request (S23): no fixed hostname is set. Source: keycloak-api.md section 4.5 */
const char *
kc_issuer(struct req *r)
{
    return tf("%s%s/realms/%s", req_host(r), W.base, W.realm);
}

static bool
seen_before(const char *jti)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const char *used[4096];
    static int n;
    pthread_mutex_lock(&lock);
    bool seen = false;
    for (int i = 0; i < n && i < 4096; i++)
        seen = seen || strcmp(used[i], jti) == 0;
    if (!seen)
        used[n++ % 4096] = keep(jti);
    pthread_mutex_unlock(&lock);
    return seen;
}

/* Rule S3. Source: keycloak-verified.md section 4: age from iat at most 60 s, 15 s of skew on iat, none on exp. */
static const char *
assertion_fault(struct req *r, const char *jwt, json_object *o, int *status)
{
    const char *iss = kc_issuer(r), *jti = json_text(o, "jti");
    json_object *aud = json_get(o, "aud");
    int64_t now = clock_unix_ms() / 1000, iat = json_int(o, "iat", now);
    const char *a = json_len(aud) == 1 ? json_str(json_at(aud, 0)) : json_str(aud);
    if (!same(json_text(o, "iss"), W.kc_client) || !same(json_text(o, "sub"), W.kc_client)) {
        *status = 401;
        return bad_client;
    }
    if (!jwt_signed_by(jwt, W.kc_pubkey))
        return "Client authentication with signed JWT failed: Signature on JWT token failed validation";
    if (json_is(aud, json_type_array) && json_len(aud) != 1)
        return "Multiple audiences not allowed";
    if (strcmp(a, iss) != 0 && strcmp(a, tf("%s/protocol/openid-connect/token", iss)) != 0)
        return "Invalid token audience";
    if (jti == NULL || jti[0] == '\0')
        return "Token jti claim is required";
    if (json_get(o, "exp") == NULL)
        return "Token exp claim is required";
    if (json_int(o, "exp", 0) <= now)
        return "Token is not active";
    if (iat > now + 15)
        return "Token was issued in the future";
    if (iat < now - 60)
        return "Token was issued too far in the past to be used now";
    return seen_before(jti) ? "Token reuse detected" : NULL;
}

static bool
assertion_ok(struct req *r, const char *form)
{
    const char *type = query_get(form, "client_assertion_type"), *jwt = query_get(form, "client_assertion");
    const char *bad = NULL;
    int status = 400;
    if (type == NULL)
        bad = "Parameter client_assertion_type is missing";
    else if (strcmp(type, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") != 0 || jwt == NULL)
        bad = "Parameter client_assertion_type has unexpected value or client_assertion is missing";
    else {
        json_object *o = jwt_payload(jwt);
        status = o == NULL ? 401 : 400;
        bad = o == NULL ? bad_client : assertion_fault(r, jwt, o, &status);
    }
    if (bad != NULL)
        oauth_error(r, status, "invalid_client", bad);
    return bad == NULL;
}

static bool
client_ok(struct req *r, const char *form)
{
    const char *id = NULL, *secret = NULL, *fid = query_get(form, "client_id"),
               *fsecret = query_get(form, "client_secret");
    if (!basic_auth(r, &id, &secret)) { /* raw special characters end here */
        oauth_error(r, 400, "unauthorized_client", "Unexpected error when authenticating client");
        return false;
    }
    id = fid != NULL ? fid : id; /* the form wins: keycloak-api.md section 4.2 */
    secret = fsecret != NULL ? fsecret : secret;
    bool asserted = query_get(form, "client_assertion") != NULL;
    if ((id == NULL && !asserted) || !W.client_enabled || (id != NULL && client_find(id) == NULL))
        oauth_error(r, 401, "invalid_client", bad_client);
    else if (id != NULL && strcmp(id, W.kc_client) != 0)
        oauth_error(r, 401, "unauthorized_client", "Public client not allowed to retrieve service account");
    else if (W.kc_pubkey != NULL)
        return assertion_ok(r, form);
    else if (asserted || (!same(secret, W.kc_secret) && !same(secret, W.kc_rotated)))
        oauth_error(r, 401, "unauthorized_client", bad_client);
    else
        return true;
    return false;
}

static bool
form_ok(struct req *r, const char *form)
{
    const char *grant = query_get(form, "grant_type"), *error = "invalid_request", *bad = NULL;
    for (const char *p = form; *p != '\0'; p += strcspn(p, "&"), p += *p == '&')
        if (query_nth(form, tsub(p, strcspn(p, "=&")), 1) != NULL)
            bad = "duplicated parameter";
    if (bad == NULL && grant == NULL)
        bad = "Missing form parameter: grant_type";
    else if (bad == NULL && strcmp(grant, "client_credentials") != 0) {
        bool password = strcmp(grant, "password") == 0;
        error = password ? "unauthorized_client" : "unsupported_grant_type";
        bad = password ? "Client not allowed for direct access grants" : "Unsupported grant_type";
    }
    if (bad != NULL)
        oauth_error(r, 400, error, bad);
    return bad == NULL;
}

/* xms: our own claim, the end of its life in ms. */
static void
grant_token(struct req *r, const char *scope)
{
    int64_t now = clock_unix_ms();
    const char *who = "";
    if (!knobs.token_lightweight)
        who = tf("'aud':%q,'sub':%q,", knobs.token_aud, account() == NULL ? "" : account()->id);
    const char *payload =
        tf("{'exp':%l,'iat':%l,'xms':%l,'jti':'trrtcc:%l','iss':%q,%s'typ':'Bearer','azp':%q,'client_id':%q,"
           "'scope':%q}",
           now / 1000 + knobs.token_life_s, now / 1000, now + (int64_t) knobs.token_life_s * 1000, now,
           kc_issuer(r), who, W.kc_client, W.kc_client, scope);
    answer(r, 200, "application/json",
           "{'access_token':%q,'expires_in':%d,'refresh_expires_in':0,'token_type':'Bearer',"
           "'not-before-policy':%l,'scope':%q}",
           jwt_sign(payload), knobs.token_life_s, W.not_before, scope);
}

void
kc_token(struct req *r)
{
    const char *form = r->body.p, *scope = query_get(form, "scope");
    bool asks = scope != NULL && scope[0] != '\0';
    r->kind = "token";
    if (!req_is(r, "POST"))
        kc_error(r, 405, "HTTP 405 Method Not Allowed");
    else if (!form_ok(r, form) || !client_ok(r, form))
        return;
    else if (!W.account_enabled)
        oauth_error(r, 401, "invalid_request", "User 'service-account-keybricks' disabled");
    else if (asks && !(knobs.kc_admin_api &&
                       strcmp(scope, "kc-admin-api") == 0)) /* S4: older servers do not know it */
        oauth_error(r, 400, "invalid_scope", tf("Invalid scopes: %s", scope));
    else
        grant_token(r, asks ? "email profile kc-admin-api" : "email profile");
}

/* S2, S4, S23, S24: a token counts as long as it is unexpired, from this host, not before the realm's notBefore, and its
 * client and account are enabled; the present rights, not the token's, decide later. */
bool
kc_token_valid(struct req *r)
{
    const char *t = bearer(r);
    json_object *o = t == NULL || !jwt_ours(t) ? NULL : jwt_payload(t);
    return o != NULL && json_int(o, "xms", 0) > clock_unix_ms() && same(json_text(o, "iss"), kc_issuer(r)) &&
           json_int(o, "iat", 0) >= W.not_before && W.client_enabled && W.account_enabled &&
           (!knobs.kc_admin_api || has_infix(json_text(o, "scope"), "kc-admin-api"));
}
