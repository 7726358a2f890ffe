/* tests/sim/jwt.c: JSON Web Tokens: ours are signed with a key that lives as long as this process; see kc.h.
 */
#include "tests/sim/kc.h"

#include "tests/sim/control.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <pthread.h>
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

static char *
mac(const char *text, size_t n)
{
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    pthread_once(&key_once, make_key);
    HMAC(EVP_sha256(), key, sizeof key, (const unsigned char *) text, n, out, &len);
    return b64_encode(out, len, true);
}

char *
jwt_sign(const char *payload)
{
    static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"keybricks-sim\"}";
    char *h = b64_encode(head, sizeof head - 1, true), *p = b64_encode(payload, strlen(payload), true);
    char *text = xfmt("%s.%s", h, p);
    char *sig = mac(text, strlen(text));
    char *token = xfmt("%s.%s", text, sig);
    free(h), free(p), free(text), free(sig);
    return token;
}

static bool
parts(const char *token, size_t *head, size_t *payload)
{
    const char *a = strchr(token, '.'), *b = a == NULL ? NULL : strchr(a + 1, '.');
    if (b == NULL || strchr(b + 1, '.') != NULL)
        return false;
    *head = (size_t) (a - token);
    *payload = (size_t) (b - a - 1);
    return true;
}

char *
jwt_payload(const char *token)
{
    size_t h, p, n;
    return parts(token, &h, &p) ? (char *) b64_decode(token + h + 1, p, &n) : NULL;
}

bool
jwt_ours(const char *token)
{
    size_t h, p;
    if (!parts(token, &h, &p))
        return false;
    char *sig = mac(token, h + 1 + p);
    bool same = strcmp(sig, token + h + p + 2) == 0;
    free(sig);
    return same;
}

/* ES256 signatures are r||s (RFC 7518 3.4); OpenSSL wants DER. */
static unsigned char *
to_der(const unsigned char *sig, size_t n, size_t *len)
{
    ECDSA_SIG *s = ECDSA_SIG_new();
    unsigned char *der = NULL;
    BIGNUM *a = BN_bin2bn(sig, (int) n / 2, NULL), *b = BN_bin2bn(sig + n / 2, (int) n / 2, NULL);
    if (s != NULL && a != NULL && b != NULL && ECDSA_SIG_set0(s, a, b) == 1) {
        int k = i2d_ECDSA_SIG(s, &der);
        *len = k < 0 ? 0 : (size_t) k;
    }
    ECDSA_SIG_free(s);
    return der;
}

bool
jwt_signed_by(const char *token, const char *pubkey)
{
    size_t h, p, n = 0, hn = 0;
    if (!parts(token, &h, &p))
        return false;
    char *head = (char *) b64_decode(token, h, &hn);
    bool ec = head != NULL && strstr(head, "\"ES256\"") != NULL,
         rsa = head != NULL && strstr(head, "\"RS256\"") != NULL;
    free(head);
    unsigned char *sig = b64_decode(token + h + p + 2, strlen(token + h + p + 2), &n);
    BIO *bio = BIO_new_mem_buf(pubkey, -1);
    EVP_PKEY *pk = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = false;
    if (sig != NULL && pk != NULL && ctx != NULL && (ec || rsa) &&
        EVP_PKEY_get_base_id(pk) == (ec ? EVP_PKEY_EC : EVP_PKEY_RSA)) {
        unsigned char *der = ec ? to_der(sig, n, &n) : NULL;
        ok = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pk) == 1 &&
             EVP_DigestVerify(ctx, ec ? der : sig, n, (const unsigned char *) token, h + 1 + p) == 1;
        OPENSSL_free(der);
    }
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pk);
    BIO_free(bio);
    free(sig);
    return ok;
}
