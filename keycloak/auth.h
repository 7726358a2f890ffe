/* keycloak/auth.h: how keybricks logs in to the realm: the authority of the source's peer.
 *
 * Owns:   kc_auth belongs to the caller (kc_auth_free) and must outlive the peer; option strings are
 * borrowed. Source: keycloak-api.md 4.1, 4.2; keycloak-verified.md section 4 (Basic values are form-encoded
 * first).
 */
#ifndef KB_KEYCLOAK_AUTH_H
#define KB_KEYCLOAK_AUTH_H

#include "base/http.h"

enum kc_auth_method {
    KC_CLIENT_SECRET_BASIC,
    KC_CLIENT_SECRET_POST,
    KC_PRIVATE_KEY_JWT,
    KC_TLS_CLIENT,
    KC_FEDERATED_JWT
};

struct kc_auth_opts {
    const char *base_url, *realm, *client_id, *scope; /* scope "" none */
    enum kc_auth_method method;
    struct kb_secret_source secret; /* read at each token request */
    const char *key_file;           /* private_key_jwt */
    const char *token_file;         /* kubernetes */
};

struct kc_auth; /* owned: kc_auth_free */
int kc_auth_new(const struct kc_auth_opts *opts, struct kc_auth **ret, struct kb_error *err);
void kc_auth_free(struct kc_auth *auth);
KB_DEFINE_CLEANUP(kc_auth, struct kc_auth *, kc_auth_free)
void kc_auth_authority(struct kc_auth *auth, struct kb_http_authority *ret);

/* Rights in a token's payload, for display and warnings only: NULL, or what is too much ("manage-users,
 * realm-admin"). Caller frees. */
char *kc_auth_excess_rights(const char *token_payload);

#endif
