/* tests/sim/kc.h: what the files of the Keycloak half share.
 *
 * Why:       kc.c routes and checks, the others each answer one family of paths with these helpers.
 * Threads:   all kc_* family functions run with world_lock held for reading.
 * Source:    keycloak-api.md, keycloak-verified.md (which wins).
 */
#ifndef SIM_KC_H
#define SIM_KC_H

#include "tests/sim/http.h"
#include "tests/sim/world.h"

struct shape {
    bool brief, access, sub_count, clients, nested; /* nested: all subgroups inside, as before Keycloak 23 */
    int place;                                      /* S16: enum place of this answer */
};

typedef void (*row_fn)(struct buf *b, int index, const struct shape *shape);

#define KC_JSON "application/json;charset=UTF-8"

void kc_error(struct req *r, int status, const char *message); /* {"error":message} */
void kc_not_found(struct req *r);
void kc_forbidden(struct req *r);
void kc_one(struct req *r, int index, row_fn row, const struct shape *shape);
/* The list v[0..n) after first and max. def: what an absent max means, -1 all. lone: one of first and max
 * alone counts. */
void kc_list(struct req *r, const int *v, int n, int def, bool lone, row_fn row, const struct shape *shape);
bool kc_flag(const struct req *r, const char *name, bool def);

void kc_role_row(struct buf *b, int role, const struct shape *shape);
void kc_group_row(struct buf *b, int group, const struct shape *shape); /* as in /groups */
void kc_group_plain_row(struct buf *b, int group,
                        const struct shape *shape); /* as in /roles/{r}/groups: no counts */
void kc_user_row(struct buf *b, int user, const struct shape *shape);
void kc_attrs(struct buf *b, const struct attrs *a);

/* The families: seg counts from the word after the realm. perm: enum permission bits. */
void kc_roles(struct req *r, unsigned perm, int client, int at); /* seg[at] = "roles" */
void kc_roles_by_id(struct req *r, unsigned perm, int at);
void kc_groups(struct req *r, unsigned perm, int at);
void kc_group_by_path(struct req *r, unsigned perm, int at);
void kc_users(struct req *r, unsigned perm, int at);
void kc_clients(struct req *r, unsigned perm, int at);
void kc_realm(struct req *r, unsigned perm);
void kc_default_groups(struct req *r);
void kc_components(struct req *r, unsigned perm);
void kc_admin_events(struct req *r, unsigned perm);
void kc_events_config(struct req *r, unsigned perm);

char *kc_issuer(struct req *r);
void kc_token(struct req *r);
void kc_introspect(struct req *r);
bool kc_token_valid(struct req *r); /* bearer of an admin call */

/* jwt.c: our own tokens (HS256 with a key of this process), and assertions signed by a client's key */
char *jwt_sign(const char *payload);
char *jwt_payload(const char *token);                      /* unchecked; NULL: not a JWT */
bool jwt_ours(const char *token);                          /* our signature is on it */
bool jwt_signed_by(const char *token, const char *pubkey); /* RS256 or ES256, PEM */

#endif
