/* tests/sim/jwt.c: JSON Web Tokens, ours signed with a key that lives as long as this process, and what comes in the
 * Authorization header; see kc.h. */
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

bool
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
