#include "support/certs.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(x)                                               \
    do {                                                      \
        if (!(x)) {                                           \
            (void) fprintf(stderr, "certs: %s failed\n", #x); \
            abort();                                          \
        }                                                     \
    } while (0)

static char *
text_of(BIO *bio)
{
    char *bytes = NULL;
    long size = BIO_get_mem_data(bio, &bytes);
    MUST(size > 0);
    char *ret = strndup(bytes, (size_t) size);
    MUST(ret);
    (void) BIO_free(bio);
    return ret;
}

static void
extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    MUST(extension);
    MUST(X509_add_ext(x, extension, -1));
    X509_EXTENSION_free(extension);
}

struct cert
cert_make(const struct cert_spec *spec, const struct cert *issuer)
{
    static long serial = 1;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new(), *by = issuer ? issuer->x509 : x;
    MUST(key && x);
    MUST(X509_set_version(x, 2));
    MUST(ASN1_INTEGER_set(X509_get_serialNumber(x), serial++));
    MUST(X509_gmtime_adj(X509_getm_notBefore(x), spec->from_days * 86400L));
    MUST(X509_gmtime_adj(X509_getm_notAfter(x), spec->to_days * 86400L));
    MUST(X509_set_pubkey(x, key));
    X509_NAME *name = X509_get_subject_name(x);
    MUST(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *) spec->name, -1, -1, 0));
    MUST(X509_set_issuer_name(x, X509_get_subject_name(by)));
    extend(x, by, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (spec->san)
        extend(x, by, NID_subject_alt_name, spec->san);
    MUST(X509_sign(x, issuer ? issuer->key : key, EVP_sha256()));

    BIO *cert_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());
    MUST(cert_bio && key_bio && PEM_write_bio_X509(cert_bio, x));
    MUST(PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL));
    char password[] = "locked";
    BIO *locked_bio = BIO_new(BIO_s_mem());
    MUST(locked_bio && PEM_write_bio_PrivateKey(locked_bio, key, EVP_aes_256_cbc(), NULL, 0, NULL, password));
    return (struct cert){.pem = text_of(cert_bio),
                         .key_pem = text_of(key_bio),
                         .locked_pem = text_of(locked_bio),
                         .x509 = x,
                         .key = key};
}

void
cert_free(struct cert *c)
{
    free(c->pem);
    free(c->key_pem);
    free(c->locked_pem);
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
    *c = (struct cert){0};
}
