/* base/http_decode.h: the JSON of a token endpoint, and the claims of a JWT for display.
 *
 * Owns:    what comes back through a pointer is the caller's.
 * Errors:  KB_E_PROTOCOL without any byte of the answer in the message; KB_E_NOMEM.
 * Units:   seconds. Source: RFC 6749 section 5.1; RFC 7519 section 3; reliability F22.
 */
#ifndef KB_BASE_HTTP_DECODE_H
#define KB_BASE_HTTP_DECODE_H

#include "base/error.h"
#include "base/secret.h"

#include <stddef.h>
#include <stdint.h>

#define KB_HTTP_TOKEN_LIFE_MAX_S 3600
#define KB_HTTP_TOKEN_LIFE_UNKNOWN_S 60 /* expires_in is missing or no number; 401 mends a wrong guess */

/* *ret_life_s is in 1..KB_HTTP_TOKEN_LIFE_MAX_S whatever the server said. */
int kb_http_decode_token(const char *body, size_t size, struct kb_secret **ret_token, int64_t *ret_life_s,
                         struct kb_error *err);

/* Only bytes that may stand in an Authorization header: RFC 6750 section 2.1, b64token. */
bool kb_http_token_spelling(const char *token, size_t size);

/* The decoded second part of "x.y.z", not verified; NULL when the token is no JWT (or out of memory). */
char *kb_http_decode_jwt_payload(const char *token, size_t size);

#endif
