/* tests/unit/support/certs.h: keys and certificates made on the spot, so that no file of the project ever
 * expires. Owns: cert_free. Failures end the program. */
#ifndef KB_TESTS_UNIT_SUPPORT_CERTS_H
#define KB_TESTS_UNIT_SUPPORT_CERTS_H

#include <stdbool.h>

struct cert {
    char *pem;        /* the certificate */
    char *key_pem;    /* its private key */
    char *locked_pem; /* the same, encrypted */
    void *x509, *key;
};

struct cert_spec {
    const char *name;       /* common name */
    const char *san;        /* "IP:127.0.0.1", "DNS:sso.example"; NULL: none */
    int from_days, to_days; /* from now */
    bool ca;
};

struct cert cert_make(const struct cert_spec *spec, const struct cert *issuer /* NULL: self-signed */);
void cert_free(struct cert *c);

#endif
