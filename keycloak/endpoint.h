/* keycloak/endpoint.h: paths of the admin API, made of escaped segments.
 *
 * Why:    a role may be named "a/b", "..", "x?y" or "100%"; only this file turns names into URLs. Owns:   the
 * buffer is the caller's. Errors: false: the name cannot stand in a path at all ("", ".", "..": Keycloak
 * answers 400 missingNormalization in every spelling), or the buffer failed. Source: keycloak-api.md 2.3;
 * keycloak-verified.md section 3.
 */
#ifndef KB_KEYCLOAK_ENDPOINT_H
#define KB_KEYCLOAK_ENDPOINT_H

#include "base/buf.h"

#define KC_TARGET_SIZE \
    ((size_t) 64 * 1024) /* the longest name takes 12 KiB: when this fails, memory is out */

/* Segments after /admin/realms/{realm}; `query` is a literal of ours without '?', or NULL. */
struct kc_endpoint {
    const char *segments[6]; /* NULL-terminated when shorter */
    const char *query;
};

bool kc_endpoint_build(struct kb_buf *ret, const char *realm, const struct kc_endpoint *endpoint)
    __attribute__((warn_unused_result));

/* Appends "&key=value" ("?key=value" when the target has no query yet); the value is escaped. */
void kc_endpoint_param(struct kb_buf *b, const char *key, const char *value);

/* One term of the attribute query q=KEY:VALUE, unescaped, both quoted where needed. False: it cannot be
 * written so that every version reads it the same way; Keycloak drops a query that it cannot parse and lists
 * everybody. */
bool kc_endpoint_query_term(struct kb_buf *ret, const char *key, const char *value)
    __attribute__((warn_unused_result));

#endif
