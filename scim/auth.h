/* scim/auth.h: how keybricks logs in to a target.
 *
 * Owns:   scim_auth belongs to the caller (scim_auth_free) and must outlive the peer; option strings are
 * borrowed. Source: databricks-api.md section 5 (token endpoints, M2M, RFC 8693 exchange).
 */
#ifndef KB_SCIM_AUTH_H
#define KB_SCIM_AUTH_H

#include "base/http.h"

enum scim_auth_method { SCIM_AUTH_M2M, SCIM_AUTH_FEDERATION, SCIM_AUTH_TOKEN };

struct scim_auth_opts {
    const char *host, *account_id; /* account_id "" at workspace level */
    bool account;                  /* account token endpoint */
    const char *client_id;         /* M2M; optional with federation */
    enum scim_auth_method method;
    struct kb_secret_source secret;    /* M2M; TOKEN uses secret.file = token_file */
    const char *subject_file;          /* federation with a projected token, or NULL: the source's token */
    struct kb_http_peer *subject_peer; /* federation with Keycloak's token */
};

struct scim_auth; /* owned: scim_auth_free */
int scim_auth_new(const struct scim_auth_opts *opts, struct scim_auth **ret, struct kb_error *err);
void scim_auth_free(struct scim_auth *auth);
KB_DEFINE_CLEANUP(scim_auth, struct scim_auth *, scim_auth_free)
void scim_auth_authority(struct scim_auth *auth, struct kb_http_authority *ret);

#endif
