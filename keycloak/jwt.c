#include "base/ban.h"

#include "keycloak/jwt.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define LIFE_S 50 /* Keycloak counts at most 60 s from iat */
#define ES256_HALF 32

KB_DEFINE_CLEANUP(pkey, EVP_PKEY *, EVP_PKEY_free)
KB_DEFINE_CLEANUP(md_ctx, EVP_MD_CTX *, EVP_MD_CTX_free)
KB_DEFINE_CLEANUP(ecdsa_sig, ECDSA_SIG *, ECDSA_SIG_free)
KB_DEFINE_CLEANUP(bio, BIO *, BIO_free_all)

static void
add_base64url(struct kb_buf *b, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; i < size; i += 3) {
        size_t n = size - i < 3 ? size - i : 3;
        unsigned v = (unsigned) bytes[i] << 16 | (n > 1 ? (unsigned) bytes[i + 1] << 8 : 0) |
                     (n > 2 ? (unsigned) bytes[i + 2] : 0);
        for (size_t k = 0; k <= n; k++)
            kb_buf_addc(b, digits[v >> (18 - 6 * k) & 63]);
    }
}

/* Never asks a terminal for a password. */
static int
no_password(char *buf, int size, int writing, void *userdata)
{
    (void) buf;
    (void) size;
    (void) writing;
    (void) userdata;
    return -1;
}

static int
read_key(const char *file, EVP_PKEY **ret, const char **ret_alg, struct kb_error *err)
{
    KB_CLEANUP(kb_secret) struct kb_secret *pem = NULL;
    const struct kb_secret_source source = {.file = file};
    size_t size;

    if (kb_secret_read(&source, &pem, err) < 0)
        return kb_fail_prefix(err, "keycloak.key_file");
    const char *bytes = kb_secret_bytes(pem, &size);
    KB_CLEANUP(bio) BIO *bio = BIO_new_mem_buf(bytes, (int) size);
    KB_CLEANUP(pkey) EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    char curve[32] = "";
    ERR_clear_error();
    if (!key)
        return kb_fail(err, KB_E_CONFIG,
                       "keycloak.key_file: %s is not a private key in PEM form without a password", file);
    if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) >= 2048)
        *ret_alg = "RS256";
    else if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL) == 1 &&
             strcmp(curve, "prime256v1") == 0)
        *ret_alg = "ES256";
    else
        return kb_fail(
            err, KB_E_CONFIG,
            "keycloak.key_file: %s: an RSA key of 2048 bits or more, or an EC key on P-256 is wanted", file);
    *ret = kb_steal(&key);
    return 0;
}

/* DER to the fixed form of RFC 7518 section 3.4: r and s, 32 bytes each. */
static bool
flatten(const unsigned char *der, size_t der_size, unsigned char ret[2 * ES256_HALF])
{
    const unsigned char *at = der;
    KB_CLEANUP(ecdsa_sig) ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long) der_size);

    return sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, ES256_HALF) == ES256_HALF &&
           BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + ES256_HALF, ES256_HALF) == ES256_HALF;
}

static bool
add_signature(struct kb_buf *token, EVP_PKEY *key, bool ec)
{
    unsigned char sig[1024], flat[2 * ES256_HALF];
    size_t size = sizeof(sig);
    KB_CLEANUP(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!ctx || EVP_PKEY_get_size(key) > (int) sizeof(sig) ||
        EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(ctx, sig, &size, (const unsigned char *) token->data, token->len) != 1)
        return false;
    if (ec && !flatten(sig, size, flat))
        return false;
    kb_buf_addc(token, '.');
    add_base64url(token, ec ? flat : sig, ec ? sizeof(flat) : size);
    return true;
}

int
kc_jwt_make(const char *key_file, const char *client_id, const char *audience, char **ret,
            struct kb_error *err)
{
    KB_CLEANUP(pkey) EVP_PKEY *key = NULL;
    KB_CLEANUP(kb_buf) struct kb_buf claims = KB_BUF_INIT(16 * 1024);
    KB_CLEANUP(kb_buf) struct kb_buf token = KB_BUF_INIT(32 * 1024);
    char head[64], jti[KB_UUID_SIZE];
    const char *alg = "";
    long long now = kb_wall_s();

    if (read_key(key_file, &key, &alg, err) < 0)
        return -(int) err->code;
    kb_uuid7(jti);
    kb_buf_adds(&claims, "{\"iss\":");
    kb_buf_add_json(&claims, client_id);
    kb_buf_adds(&claims, ",\"sub\":");
    kb_buf_add_json(&claims, client_id);
    kb_buf_adds(&claims, ",\"aud\":");
    kb_buf_add_json(&claims, audience);
    kb_buf_addf(&claims, ",\"jti\":\"%s\",\"iat\":%lld,\"exp\":%lld}", jti, now, now + LIFE_S);
    (void) snprintf(head, sizeof(head), "{\"alg\":\"%s\",\"typ\":\"JWT\"}", alg);
    if (claims.failed)
        return kb_fail(err, KB_E_CONFIG, "keycloak.client_id or keycloak.url: not fit for an assertion");
    add_base64url(&token, (const unsigned char *) head, strlen(head));
    kb_buf_addc(&token, '.');
    add_base64url(&token, (const unsigned char *) claims.data, claims.len);
    if (token.failed || !add_signature(&token, key, alg[0] == 'E') || token.failed) {
        ERR_clear_error();
        return kb_fail(err, KB_E_NOMEM, "keycloak.key_file: the assertion could not be signed");
    }
    *ret = kb_buf_steal(&token);
    return 0;
}
