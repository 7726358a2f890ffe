/* keycloak/jwt.h: the assertion by which a client with a key logs in (private_key_jwt).
 *
 * Why:    one JWT of six claims; libjwt would bring a second JSON library (c-anchors section 5). Owns:   *ret
 * is the caller's; it is a credential for a minute and is wiped by whoever frees it. Errors: KB_E_CONFIG for
 * the key file, with the cure. Source: RFC 7515, 7518 section 3.3 and 3.4, 7523; keycloak-api.md 4.2;
 * keycloak-verified.md section 4 (one audience, jti, age at most 60 s, no kid: the key is found by its
 * algorithm).
 */
#ifndef KB_KEYCLOAK_JWT_H
#define KB_KEYCLOAK_JWT_H

#include "base/error.h"

/* RS256 for RSA keys of at least 2048 bits, ES256 for P-256. A fresh one each time: Keycloak refuses a second
 * use. */
int kc_jwt_make(const char *key_file, const char *client_id, const char *audience, char **ret,
                struct kb_error *err);

#endif
