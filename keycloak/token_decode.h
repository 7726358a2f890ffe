/* keycloak/token_decode.h: what the token endpoint and a token's payload say.
 *
 * Owns:   strings returned are the caller's. Source: keycloak-api.md 4.1, 4.3; keycloak-verified.md
 * section 4.
 */
#ifndef KB_KEYCLOAK_TOKEN_DECODE_H
#define KB_KEYCLOAK_TOKEN_DECODE_H

#include <stdbool.h>

/* Roles of realm-management (or of a realm's client in master) that can write, comma-separated and sorted;
 * NULL: none, or the payload cannot be read. Caller frees. */
char *kc_token_excess(const char *payload);

/* The token names this role of realm-management: a hint, since Keycloak checks the account and not the token.
 */
bool kc_token_names(const char *payload, const char *role);

#endif
