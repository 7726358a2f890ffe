/* tests/sim/kc.h: what the files of the Keycloak half share.
 *
 * Why:       kc.c routes, checks rights and writes rows; the others answer what needs more than that.
 * Threads:   everything here runs with world_lock held for reading.
 * Source:    keycloak-api.md, keycloak-verified.md (which wins).
 */
#ifndef SIM_KC_H
#define SIM_KC_H

#include "tests/sim/control.h"
#include "tests/sim/http.h"
#include "tests/sim/world.h"

#define KC_JSON "application/json;charset=UTF-8"

/* How a row looks. PLAIN: a group as in /roles/{r}/groups; TREE: with the subgroups that `only` holds, or all;
 * READABLE: with client roles. */
enum { BRIEF = 1, ACCESS = 2, SUB_COUNT = 4, CLIENTS = 8, PLAIN = 16, TREE = 32 };

struct shape {
    unsigned flags;
    enum place place; /* S16 */
    const struct list *only;
};

/* What the path of the request names; NULL: it does not. */
struct target {
    struct thing *role, *group, *user, *client;
    unsigned perm;   /* enum permission: the rights of the caller */
    const char *arg; /* of the route */
};

void kc_error(struct req *r, int status, const char *message); /* {"error":message} */
void kc_not_found(struct req *r);
bool kc_flag(const struct req *r, const char *name, bool def);
unsigned kc_brief(const struct req *r, bool def); /* BRIEF or 0 */
void kc_row(struct buf *b, const struct thing *x, const struct shape *shape);
void kc_one(struct req *r, const struct thing *x, unsigned flags);
/* The list after first and max. def: what an absent max means, -1 all. lone: one of first and max alone counts. */
void kc_list(struct req *r, const struct list *v, int def, bool lone, const struct shape *shape);

void kc_show(struct req *r, struct target *t); /* the one thing that the path names last */
void kc_list_roles(struct req *r, struct target *t);
void kc_role_users(struct req *r, struct target *t);
void kc_role_groups(struct req *r, struct target *t);
void kc_composites(struct req *r, struct target *t);
void kc_list_groups(struct req *r, struct target *t);
void kc_default_groups(struct req *r, struct target *t);
void kc_children(struct req *r, struct target *t);
void kc_members(struct req *r, struct target *t);
void kc_group_by_path(struct req *r, struct target *t);
void kc_list_users(struct req *r, struct target *t);
void kc_user_groups(struct req *r, struct target *t);
void kc_mapped_roles(struct req *r, struct target *t);
void kc_list_clients(struct req *r, struct target *t);
void kc_service_account(struct req *r, struct target *t);
void kc_client_secret(struct req *r, struct target *t);
void kc_realm(struct req *r, struct target *t);
void kc_components(struct req *r, struct target *t);
void kc_admin_events(struct req *r, struct target *t);
void kc_events_config(struct req *r, struct target *t);

const char *kc_issuer(struct req *r);
void kc_token(struct req *r);
bool kc_token_valid(struct req *r); /* bearer of an admin call */

/* our own tokens: HS256 with a key of this process */
const char *jwt_sign(const char *payload);
json_object *jwt_payload(const char *token); /* unchecked; NULL: not a JWT */
bool jwt_ours(const char *token);            /* our signature is on it */
const char *bearer(struct req *r);           /* NULL: none */
/* Basic credentials, form-encoded before base64 (RFC 6749 2.3.1). True: none, or well formed. */
bool basic_auth(struct req *r, const char **id, const char **secret);

#endif
