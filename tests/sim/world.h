/* tests/sim/world.h: the truth: one Keycloak realm and one Databricks account, in memory.
 *
 * Why:       both servers answer from it, edits change it, and tests compare the program's view with it.
 * Owns:      the world owns every string; things are named by their index, which never changes and is never
 * reused. A deleted thing keeps its slot with alive = false. Order:     members and holders are kept by user
 * name, groups by name below their parent, as Keycloak answers. Threads:   readers hold world_lock for
 * reading, edits and SCIM writes hold it for writing (http.c takes it). Source:    keycloak-api.md sections 2
 * and 3, keycloak-verified.md section 1, databricks-api.md section 2.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "tests/sim/util.h"

#include <pthread.h>

struct attr {
    char *name;
    char **val;
    int n;
};

struct attrs {
    struct attr *v;
    int n, cap;
};

struct role {
    char *id, *name, *desc;
    int client; /* -1: a realm role */
    bool alive;
    struct ivec comps, users, groups; /* direct only */
};

struct group {
    char *id, *name, *path;
    int parent; /* -1: top level */
    bool alive;
    struct ivec kids, roles, members;
    struct attrs attrs;
};

struct user {
    char *id, *name, *email, *first, *last, *fedlink;
    bool alive, enabled, verified, service, locked; /* locked: for a while, by brute-force protection (S16) */
    bool off_there;                                 /* disabled in its directory: shown so, not stored */
    bool cached, cached_enabled;
    struct ivec cached_groups; /* S26: as they were when the cache was filled */
    int64_t created_ms;
    struct ivec groups, roles;
    struct attrs attrs;
};

struct client {
    char *id, *cid, *secret;
    int account; /* index of the service account's user, -1: none */
    struct ivec roles;
};

/* A Databricks user, service principal or group. One array, so ids are unique across kinds (databricks-api.md
 * section 12 rule 2). */
struct ent {
    char kind; /* 'U', 'S', 'G' */
    bool alive, active, local, system;
    char *id, *name; /* userName, or displayName of S and G */
    char *display, *appid, *ext;
    struct ivec in, members; /* parents; members of a group, in order of addition */
    char **roles;
    int nroles;
    struct stale *stale; /* an older view of a group that reads still see (rule 23) */
};

struct stale {
    struct ivec members;
    char *name;
    int reads;        /* how many more reads get the old view */
    int fresh, again; /* then this many new ones, then this many old ones again */
};

struct change {
    int64_t n; /* number of the request in the log, 0: none */
    bool add;
    char *group, *group_id, *member, *member_id;
    const char *by;
};

enum directory_mode { DIRECTORY_READ_ONLY, DIRECTORY_IMPORT, DIRECTORY_NOT_IMPORTED };

#define DIRECTORIES_MAX 16

struct directory {
    enum directory_mode mode;
    bool down;
};

enum permission {
    P_VIEW_USERS = 1,
    P_VIEW_REALM = 2,
    P_VIEW_CLIENTS = 4,
    P_QUERY_USERS = 8,
    P_QUERY_GROUPS = 16,
    P_QUERY_CLIENTS = 32,
    P_VIEW_EVENTS = 64,
};

struct world {
    const char *realm, *base; /* base: "" or "/auth" */
    struct role *roles;
    struct group *groups;
    struct user *users;
    struct client *clients;
    struct ent *ents;
    struct change *history;
    int nroles, ngroups, nusers, nclients, nents, nhistory;
    int caproles, capgroups, capusers, capclients, capents, caphistory;
    struct strmap user_id, user_name, group_id, role_id, role_name, client_id, ent_id, ent_name;
    struct ivec by_name, top, realm_roles, dbx_users, dbx_sps, dbx_groups;
    struct attrs components; /* name = component id, val[0] = its name: user directories */
    struct directory directories[DIRECTORIES_MAX]; /* parallel to components */
    int default_role;
    struct ivec default_groups;
    bool bulk; /* while true nothing is kept in order; world_settle ends it */
    struct rng rng;
    int64_t next_id;

    /* texts kept for ever */
    const char *kc_rotated;                        /* S24: the secret before, as long as it counts */
    const char *kc_client, *kc_secret, *kc_pubkey; /* pubkey: PEM, then the client is of type client-jwt */
    const char *account, *dbx_client, *dbx_secret, *pat, *scim_token;
    unsigned permissions; /* enum permission */
    int64_t not_before;   /* Unix seconds */
    bool client_enabled, account_enabled;
};

extern struct world W;
extern pthread_rwlock_t world_lock;

void world_init(uint64_t seed);
void world_settle(void);
unsigned permission_of(const char *name); /* 0: unknown */

/* kc_directory.c, S26. `cache`: warm (as things are now), cold, poisoned (with an outage's answers); NULL and
 * down < 0: as before. */
int directory_of(int u); /* component index, -1: a local user */
bool directory_set(const char *component, const char *mode, const char *cache, int down);
bool directory_down(int u);
bool directory_enabled(int u);              /* as shown */
const struct ivec *directory_groups(int u); /* as /users/{id}/groups shows them */
int directory_live_groups(int u);           /* as /users/{id}/groups/count does */
bool directory_lists(int u);                /* in the member lists of its groups */
bool directory_knows(int u);                /* in the lists of users */

void attr_set(struct attrs *a, const char *name, const char *const *val, int n); /* n 0 removes */
const struct attr *attr_get(const struct attrs *a, const char *name);

bool attrs_query(const struct attrs *a, const char *q); /* key:value; what does not parse matches all */

int role_new(int client, const char *name, const char *id);
int role_find(int client, const char *name);
void role_del(int r);
void role_rename(int r, const char *name);
int client_new(const char *cid, const char *id);
int client_find(const char *cid);
int group_new(int parent, const char *name, const char *id);
void group_paths(void);           /* makes them again */
int group_find(const char *path); /* by its text; ambiguous paths give the oldest */
void group_del(int g);
void group_rename(int g, const char *name);
void groups_sort(struct ivec *a); /* by name */
void group_move(int g, int parent);
int user_new(const char *name, const char *id); /* enabled, no default role */
int user_find(const char *name);
void user_del(int u);
void user_rename(int u, const char *name);
bool user_join(int u, int g);
bool user_leave(int u, int g);
bool user_grant(int u, int r);
bool user_revoke(int u, int r);
bool group_grant(int g, int r);
bool group_revoke(int g, int r);
bool comp_add(int r, int child);
bool comp_drop(int r, int child);
/* Every role the user holds, computed as keycloak-api.md section 2.1 says. */
void user_effective(int u, struct ivec *out);

int ent_new(char kind, const char *name, const char *id, bool local);
int ent_new_sp(const char *display, const char *appid);
void ent_make_system(void); /* rule 31: the groups nobody may delete */
int ent_find(char kind, const char *name,
             bool local); /* users: case ignored; S: applicationId or displayName */
void ent_del(int e, int64_t n, const char *by);
void ent_rename(int e, const char *name);
bool member_add(int g, int m, int64_t n, const char *by);  /* false: was there */
bool member_drop(int g, int m, int64_t n, const char *by); /* false: was not there */
void ent_role(int e, const char *value, bool add);
void ent_stale(int g, int reads, bool flip_back);
/* True when this read shall see the older view. Counts the read. */
bool ent_reads_old(int g);

#endif
