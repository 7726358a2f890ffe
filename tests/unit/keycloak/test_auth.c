/* keycloak/auth: what goes to the token endpoint, what a refusal means, which rights are too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "keycloak/auth.h"
#include "keycloak/jwt.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/kb-auth-XXXXXX";

static const char *
file_of(const char *name, const char *content, mode_t mode)
{
    static char path[4][256];
    static unsigned next;
    char *ret = path[next++ % 4];
    FILE *f;

    (void) snprintf(ret, sizeof(path[0]), "%s/%s", dir, name);
    f = fopen(ret, "w");
    assert_non_null(f);
    assert_true(fputs(content, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(ret, mode), 0);
    return ret;
}

static int
setup(void **state)
{
    (void) state;
    return mkdtemp(dir) ? 0 : -1;
}

static int
teardown(void **state)
{
    static const char *const names[] = {"secret", "token", "key", "open"};
    char path[256];

    (void) state;
    for (size_t i = 0; i < KB_LEN(names); i++) {
        (void) snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void) unlink(path);
    }
    return rmdir(dir);
}

static struct kc_auth_opts
options(enum kc_auth_method method)
{
    return (struct kc_auth_opts){.base_url = "https://sso.acme.example/auth",
                                 .realm = "My Realm",
                                 .client_id = "key:bricks",
                                 .scope = "",
                                 .method = method};
}

static void
request_free(struct kb_http_token_request *r)
{
    free(r->url);
    free(r->form);
    free(r->basic_user);
    free(r->basic_password);
    *r = (struct kb_http_token_request){0};
}

static int
build(const struct kc_auth_opts *opts, struct kb_http_token_request *ret, struct kb_error *err)
{
    struct kc_auth *auth = NULL;
    struct kb_http_authority authority;
    int r;

    *ret = (struct kb_http_token_request){0};
    *err = (struct kb_error){0};
    assert_int_equal(kc_auth_new(opts, &auth, err), 0);
    kc_auth_authority(auth, &authority);
    r = authority.build(authority.userdata, NULL, ret, err);
    kc_auth_free(auth);
    return r;
}

static void
test_basic_and_post(void **state)
{
    struct kc_auth_opts opts = options(KC_CLIENT_SECRET_BASIC);
    struct kb_http_token_request r;
    struct kb_error err;

    (void) state;
    opts.secret.file = file_of("secret", "a:b%/+ &=\xC3\xA4~\n", 0600);
    assert_int_equal(build(&opts, &r, &err), 0);
    assert_string_equal(r.url,
                        "https://sso.acme.example/auth/realms/My%20Realm/protocol/openid-connect/token");
    assert_string_equal(r.form, "grant_type=client_credentials");
    assert_string_equal(r.basic_user, "key%3Abricks");
    assert_string_equal(r.basic_password, "a%3Ab%25%2F%2B%20%26%3D%C3%A4~");
    request_free(&r);

    /* Read again: a rotated secret counts from the next request on. */
    opts.secret.file = file_of("secret", "new", 0600);
    opts.scope = "kc-admin-api x";
    opts.method = KC_CLIENT_SECRET_POST;
    assert_int_equal(build(&opts, &r, &err), 0);
    assert_string_equal(r.form, "grant_type=client_credentials&scope=kc-admin-api%20x&client_id=key%3Abricks"
                                "&client_secret=new");
    assert_null(r.basic_user);
    assert_null(r.basic_password);
    request_free(&r);
}

static void
test_tls_and_federated(void **state)
{
    struct kc_auth_opts opts = options(KC_TLS_CLIENT);
    struct kb_http_token_request r;
    struct kb_error err;

    (void) state;
    assert_int_equal(build(&opts, &r, &err), 0);
    assert_string_equal(r.form, "grant_type=client_credentials&client_id=key%3Abricks");
    assert_null(r.basic_user);
    request_free(&r);

    opts.method = KC_FEDERATED_JWT;
    opts.token_file = file_of("token", "ey.J+.x\n", 0600);
    assert_int_equal(build(&opts, &r, &err), 0);
    assert_string_equal(r.form,
                        "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
                        "client-assertion-type%3Ajwt-bearer&client_assertion=ey.J%2B.x");
    assert_null(r.basic_user); /* and no client_id: keycloak-api.md 4.2 */
    request_free(&r);
}

static void
test_unreadable(void **state)
{
    struct kc_auth_opts opts = options(KC_CLIENT_SECRET_BASIC);
    struct kb_http_token_request r;
    struct kb_error err;

    (void) state;
    opts.secret.file = file_of("open", "secret", 0644);
    assert_int_equal(build(&opts, &r, &err), -KB_E_CONFIG);
    assert_null(strstr(err.msg, "secret\n"));
    request_free(&r);
    opts.secret.file = "/nonexistent/secret";
    assert_int_equal(build(&opts, &r, &err), -KB_E_CONFIG);
    assert_non_null(strstr(err.msg, "/nonexistent/secret"));
    request_free(&r);
    opts.method = KC_FEDERATED_JWT;
    opts.token_file = "/nonexistent/token";
    assert_int_equal(build(&opts, &r, &err), -KB_E_CONFIG);
    assert_non_null(strstr(err.msg, "token_file"));
    request_free(&r);
    opts.method = KC_PRIVATE_KEY_JWT;
    opts.key_file = "/nonexistent/key";
    assert_int_equal(build(&opts, &r, &err), -KB_E_CONFIG);
    assert_non_null(strstr(err.msg, "key_file"));
    request_free(&r);
}

/* ---- private_key_jwt ---- */

static EVP_PKEY *
make_key(const char *kind)
{
    EVP_PKEY *key = strcmp(kind, "P-256") == 0   ? EVP_EC_gen("P-256")
                    : strcmp(kind, "P-384") == 0 ? EVP_EC_gen("P-384")
                    : strcmp(kind, "1024") == 0  ? EVP_RSA_gen(1024)
                                                 : EVP_RSA_gen(2048);

    assert_non_null(key);
    return key;
}

static const char *
write_key(EVP_PKEY *key, const char *password)
{
    char pem[8192] = "";
    BIO *bio = BIO_new(BIO_s_mem());

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, password ? EVP_aes_256_cbc() : NULL, NULL, 0,
                                                   NULL, password ? (char *) (uintptr_t) password : NULL),
                     1);
    assert_true(BIO_read(bio, pem, sizeof(pem) - 1) > 0);
    BIO_free(bio);
    return file_of("key", pem, 0600);
}

static size_t
unbase64url(const char *s, size_t len, unsigned char *ret)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned bits = 0, held = 0;
    size_t size = 0;

    for (size_t i = 0; i < len; i++) {
        const char *at = strchr(digits, s[i]);
        assert_non_null(at);
        held = held << 6 | (unsigned) (at - digits);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            ret[size++] = (unsigned char) (held >> bits);
        }
    }
    return size;
}

static bool
verify(EVP_PKEY *key, const char *token, bool ec)
{
    const char *dot = strrchr(token, '.');
    unsigned char sig[1024], der[256], *at = der;
    size_t size = unbase64url(dot + 1, strlen(dot + 1), sig);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const unsigned char *use = sig;
    bool ok;

    if (ec) {
        ECDSA_SIG *parts = ECDSA_SIG_new();
        assert_int_equal(size, 64);
        assert_int_equal(ECDSA_SIG_set0(parts, BN_bin2bn(sig, 32, NULL), BN_bin2bn(sig + 32, 32, NULL)), 1);
        size = (size_t) i2d_ECDSA_SIG(parts, &at);
        ECDSA_SIG_free(parts);
        use = der;
    }
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
    ok = EVP_DigestVerify(ctx, use, size, (const unsigned char *) token, (size_t) (dot - token)) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static int64_t
fixed_ms(void *userdata)
{
    (void) userdata;
    return 1764000000000;
}

static void
test_assertion(void **state)
{
    static const char *const kinds[] = {"P-256", "2048"};
    const struct kb_clock clock = {.mono_ms = fixed_ms, .wall_ms = fixed_ms};

    (void) state;
    kb_clock_set(&clock);
    for (size_t i = 0; i < KB_LEN(kinds); i++) {
        EVP_PKEY *key = make_key(kinds[i]);
        const char *file = write_key(key, NULL);
        char *token = NULL, *again = NULL;
        char claims[1024], head[128];
        struct kb_error err = {0};
        for (int round = 0; round < 8; round++) { /* r or s with a leading zero comes up, too */
            free(token);
            assert_int_equal(kc_jwt_make(file, "key\"bricks", "https://x/realms/y", &token, &err), 0);
            assert_true(verify(key, token, i == 0));
        }
        const char *first = strchr(token, '.'), *second = strrchr(token, '.');
        head[unbase64url(token, (size_t) (first - token), (unsigned char *) head)] = '\0';
        claims[unbase64url(first + 1, (size_t) (second - first - 1), (unsigned char *) claims)] = '\0';
        assert_string_equal(head, i == 0 ? "{\"alg\":\"ES256\",\"typ\":\"JWT\"}"
                                         : "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
        assert_ptr_equal(strstr(claims, "{\"iss\":\"key\\\"bricks\",\"sub\":\"key\\\"bricks\","
                                        "\"aud\":\"https://x/realms/y\",\"jti\":\""),
                         claims);
        assert_non_null(strstr(claims, "\",\"iat\":1764000000,\"exp\":1764000050}"));
        assert_int_equal(kc_jwt_make(file, "key\"bricks", "https://x/realms/y", &again, &err), 0);
        assert_string_not_equal(token, again); /* jti is used once */
        free(token);
        free(again);
        EVP_PKEY_free(key);
    }
    kb_clock_set(NULL);
}

static void
test_assertion_in_form(void **state)
{
    struct kc_auth_opts opts = options(KC_PRIVATE_KEY_JWT);
    EVP_PKEY *key = make_key("P-256");
    struct kb_http_token_request r;
    struct kb_error err;
    char claims[1024];

    (void) state;
    opts.key_file = write_key(key, NULL);
    assert_int_equal(build(&opts, &r, &err), 0);
    const char *token = strstr(r.form, "&client_assertion=");
    assert_non_null(token);
    token += strlen("&client_assertion=");
    assert_true(verify(key, token, true));
    const char *first = strchr(token, '.'), *second = strrchr(token, '.');
    claims[unbase64url(first + 1, (size_t) (second - first - 1), (unsigned char *) claims)] = '\0';
    assert_non_null(strstr(claims, "\"aud\":\"https://sso.acme.example/auth/realms/My%20Realm\""));
    request_free(&r);
    EVP_PKEY_free(key);
}

static void
test_bad_keys(void **state)
{
    static const char *const kinds[] = {"P-384", "1024"};
    struct kb_error err = {0};
    char *token = NULL;

    (void) state;
    for (size_t i = 0; i < KB_LEN(kinds); i++) {
        EVP_PKEY *key = make_key(kinds[i]);
        assert_int_equal(kc_jwt_make(write_key(key, NULL), "c", "a", &token, &err), -KB_E_CONFIG);
        assert_non_null(strstr(err.msg, "2048 bits or more"));
        EVP_PKEY_free(key);
    }
    EVP_PKEY *key = make_key("P-256");
    assert_int_equal(kc_jwt_make(write_key(key, "pass"), "c", "a", &token, &err), -KB_E_CONFIG);
    assert_non_null(strstr(err.msg, "without a password"));
    EVP_PKEY_free(key);
    assert_int_equal(kc_jwt_make(file_of("key", "-----BEGIN NONSENSE-----\n", 0600), "c", "a", &token, &err),
                     -KB_E_CONFIG);
    assert_null(token);
}

/* ---- refusals: keycloak-verified.md section 4 ---- */

static const struct {
    int status;
    enum kc_auth_method method;
    const char *body, *want;
} refusals[] = {
    {401, KC_CLIENT_SECRET_BASIC,
     "{\"error\":\"unauthorized_client\",\"error_description\":\"Invalid client or Invalid client "
     "credentials\"}",
     "the secret is wrong"},
    {401, KC_TLS_CLIENT,
     "{\"error\":\"unauthorized_client\",\"error_description\":\"Invalid client or Invalid client "
     "credentials\"}",
     "the certificate is not the one"},
    {401, KC_CLIENT_SECRET_BASIC,
     "{\"error\":\"invalid_client\",\"error_description\":\"Invalid client or Invalid client credentials\"}",
     "check keycloak.client_id"},
    {401, KC_CLIENT_SECRET_BASIC,
     "{\"error\":\"unauthorized_client\",\"error_description\":\"Public client not allowed to retrieve "
     "service "
     "account\"}",
     "Client authentication"},
    {401, KC_CLIENT_SECRET_BASIC,
     "{\"error\":\"unauthorized_client\",\"error_description\":\"Client not enabled to retrieve service "
     "account\"}",
     "Service accounts roles"},
    {401, KC_CLIENT_SECRET_BASIC,
     "{\"error\":\"invalid_request\",\"error_description\":\"User 'service-account-dbx-sync' disabled\"}",
     "enable this user"},
    {400, KC_CLIENT_SECRET_BASIC,
     "{\"error\":\"invalid_scope\",\"error_description\":\"Invalid scopes: kc-admin-api\"}", "26.8.1"},
    {400, KC_CLIENT_SECRET_BASIC, "{\"error\":\"invalid_scope\",\"error_description\":\"Invalid scopes: x\"}",
     "keycloak.scope"},
    {400, KC_PRIVATE_KEY_JWT,
     "{\"error\":\"invalid_client\",\"error_description\":\"Client authentication with signed JWT failed: "
     "Signature "
     "on JWT token failed validation\"}",
     "under Keys"},
    {400, KC_PRIVATE_KEY_JWT,
     "{\"error\":\"invalid_client\",\"error_description\":\"Token was issued too far in the past to be used "
     "now\"}",
     "clock is behind"},
    {400, KC_PRIVATE_KEY_JWT,
     "{\"error\":\"invalid_client\",\"error_description\":\"Token was issued in the future\"}",
     "clock is ahead"},
    {400, KC_FEDERATED_JWT, "{\"error\":\"invalid_client\"}", "jwt.credential.sub"},
    {404, KC_CLIENT_SECRET_BASIC, "{\"error\":\"Realm does not exist\"}", "keycloak.realm"},
    {404, KC_CLIENT_SECRET_BASIC, "{\"error\":\"HTTP 404 Not Found\"}", "no token endpoint"},
    {404, KC_CLIENT_SECRET_BASIC, "{\"error\":\"Unable to find matching target resource method\"}", "/auth"},
    {400, KC_CLIENT_SECRET_BASIC,
     "{\"error\":\"invalid_client\",\"error_description\":\"Parameter client_assertion_type is missing\"}",
     "does not log in by secret"},
    {404, KC_CLIENT_SECRET_BASIC, "<html>nothing here</html>", "/auth"},
    {503, KC_CLIENT_SECRET_BASIC, "", "not Keycloak's own answer"},
    {400, KC_CLIENT_SECRET_BASIC, "{\"error\":7}", "the token was refused"},
    {400, KC_CLIENT_SECRET_BASIC, "{\"error\":\"x\\u001b[2J\\ny\"}", "the token was refused"},
};

static void
test_refusals(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(refusals); i++) {
        struct kc_auth_opts opts = options(refusals[i].method);
        struct kc_auth *auth = NULL;
        struct kb_http_authority authority;
        struct kb_error err = {0};
        assert_int_equal(kc_auth_new(&opts, &auth, &err), 0);
        kc_auth_authority(auth, &authority);
        authority.explain(authority.userdata, refusals[i].status, refusals[i].body, &err);
        if (!strstr(err.msg, refusals[i].want) || err.code != KB_E_AUTH || err.status != refusals[i].status)
            fail_msg("%s: %s", refusals[i].body, err.msg);
        for (const char *at = err.msg; *at; at++)
            assert_true((unsigned char) *at >= ' ');
        kc_auth_free(auth);
    }
}

static const struct {
    const char *payload, *want;
} rights[] = {
    {"{\"resource_access\":{\"realm-management\":{\"roles\":[\"view-users\",\"query-groups\",\"view-realm\"]}"
     "}}",
     NULL},
    {"{\"resource_access\":{\"realm-management\":{\"roles\":[\"view-users\",\"manage-users\",\"realm-admin\","
     "\"manage-users\"]}}}",
     "manage-users, realm-admin"},
    {"{\"resource_access\":{\"acme-realm\":{\"roles\":[\"impersonation\",\"create-client\"]}}}",
     "create-client, impersonation"},
    {"{\"resource_access\":{\"portal\":{\"roles\":[\"manage-users\"]}}}", NULL},
    {"{\"resource_access\":{\"account\":{\"roles\":[\"manage-account\"]}}}", NULL},
    {"{\"iss\":\"https://x/realms/master\",\"realm_access\":{\"roles\":[\"admin\",\"offline_access\"]}}",
     "admin"},
    {"{\"iss\":\"https://x/realms/acme\",\"realm_access\":{\"roles\":[\"admin\"]}}", NULL},
    {"{\"resource_access\":{\"realm-management\":{\"roles\":[7,null,\"manage-\\u001b\"]}}}", "manage-\\x1B"},
    {"{\"resource_access\":{\"realm-management\":null}}", NULL},
    {"{\"resource_access\":{\"realm-management\":{\"roles\":\"manage-users\"}}}", NULL},
    {"{\"resource_access\":[]}", NULL},
    {"{}", NULL},
    {"[]", NULL},
    {"", NULL},
    {"nonsense", NULL},
};

static void
test_rights(void **state)
{
    (void) state;
    assert_null(kc_auth_excess_rights(NULL));
    for (size_t i = 0; i < KB_LEN(rights); i++) {
        char *got = kc_auth_excess_rights(rights[i].payload);
        if ((got == NULL) != (rights[i].want == NULL) || (got && strcmp(got, rights[i].want) != 0))
            fail_msg("%s: %s", rights[i].payload, got ? got : "none");
        free(got);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basic_and_post),    cmocka_unit_test(test_tls_and_federated),
        cmocka_unit_test(test_unreadable),        cmocka_unit_test(test_assertion),
        cmocka_unit_test(test_assertion_in_form), cmocka_unit_test(test_bad_keys),
        cmocka_unit_test(test_refusals),          cmocka_unit_test(test_rights),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
