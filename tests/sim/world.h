/* tests/sim/world.h: the truth: one Keycloak realm and one Databricks account, in memory.
 *
 * Why:       both servers answer from it, edits change it, and tests compare the program's view with it.
 * Owns:      the world owns its things for ever, dead ones too; texts are kept (util.h).
 * Order:     members and holders are kept by user name, groups by name below their parent, as Keycloak answers;
 * members of a Databricks group in order of addition.
 * Threads:   readers hold world_lock for reading, edits and SCIM writes hold it for writing.
 * Source:    keycloak-api.md sections 2 and 3, keycloak-verified.md section 1, databricks-api.md section 2.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "tests/sim/util.h"

#include <pthread.h>

enum kind { ROLE, GROUP, USER, CLIENT, DIRECTORY, DBX_USER, DBX_SP, DBX_GROUP, KINDS };

struct list {
    struct thing **v;
    int n, cap;
};

enum directory_mode { DIRECTORY_READ_ONLY, DIRECTORY_IMPORT, DIRECTORY_NOT_IMPORTED };

/* What the world is made of. All kinds share one shape, so that one table (edit.c) can load and edit them. */
struct thing {
    enum kind kind;
    int number; /* in order of creation */
    const char *id, *name;
    struct thing
        *up; /* of a role: its client, NULL a realm role; of a group: its parent; of a client: its account */
    /* direct relations. roles: held by a user or group, contained in a role, of a client. groups: of a user, role
     * or member: those it is in; of a group: its children. members: of a role or group. */
    struct list roles, groups, members, within; /* within: the roles that contain a role */
    json_object
        *attrs; /* of users and groups: lists of texts; of Databricks things: their roles are the keys */

    const char *email, *first, *last, *fedlink, *desc, *secret; /* Keycloak */
    bool enabled, verified, service;
    bool locked;    /* for a while, by brute-force protection (S16) */
    bool off_there; /* disabled in its directory: shown so, not stored */
    bool cached;    /* S26: Keycloak shows what it cached */
    bool cached_enabled;
    struct list cached_groups;
    int64_t created_ms;
    int mode; /* of a directory: enum directory_mode */
    bool down;

    const char *display, *appid, *ext; /* Databricks */
    bool local, system;
    struct stale *stale; /* an older view of a group that reads still see (rule 23) */
};

struct stale {
    struct list members;
    const char *name;
    int reads;        /* how many more reads get the old view */
    int fresh, again; /* then this many new ones, then this many old ones again */
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
    struct list all[KINDS];   /* the living; roles: those of the realm; users: by name */
    struct list top, default_groups, dead;
    struct lh_table *ids[KINDS], *names[KINDS];
    struct buf history; /* JSON objects: each change of a Databricks membership */
    struct thing *default_role;
    int number;
    int64_t acting_n; /* for the history: the number of the request, 0 for edits, and what it does */
    const char *acting;
    bool bulk; /* while true nothing is kept in order; world_settle ends it */
    struct rng rng;
    int64_t next_id;

    const char *kc_client, *kc_secret, *kc_pubkey; /* pubkey: PEM, then the client is of type client-jwt */
    const char *kc_rotated;                        /* S24: the secret before, as long as it counts */
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

void list_add(struct list *l, struct thing *x);
int list_find(const struct list *l, const struct thing *x); /* -1: not there */
#define list_has(l, x) (list_find(l, x) >= 0)
bool list_drop(struct list *l, struct thing *x); /* keeps the order */
void list_put(struct list *l, struct thing *x);  /* where its name belongs */
void list_sort(struct list *l);                  /* by name, the older first */
/* A list that passes with the request. */
void list_pass(struct list *l, struct thing *x);

struct thing *thing_new(enum kind kind, const char *name, const char *id, struct thing *up, bool local);
struct thing *thing_by_id(enum kind kind, const char *id);
void thing_rename(struct thing *x, const char *name);
void thing_del(struct thing *x); /* with everything below it and all that ties it */
/* Grants a role to x, puts it into a group or a role, or takes it away again. False: was so. */
bool tie(struct thing *x, struct thing *to, bool on);

void attr_set(struct thing *x, const char *name, json_object *value); /* a text or a list; NULL removes */
bool attr_query(const struct thing *x, const char *q); /* key:value; what does not parse matches all */

struct thing *role_find(const struct thing *client, const char *name); /* client NULL: of the realm */
struct thing *client_find(const char *cid);
struct thing *user_find(const char *name);
struct thing *group_find(const char *path); /* by its text; ambiguous paths give the oldest */
const char *group_path(const struct thing *g);
void group_move(struct thing *g, struct thing *parent);
struct thing *account(void); /* the service account of our client */

/* Every role the user holds, computed as keycloak-api.md section 2.1 says. */
struct list effective_roles(const struct thing *user);

/* kc_directory.c, S26: what Keycloak knows of a user whose directory may be down. */
struct seen {
    bool enabled, listed, known, down; /* listed: among the members of groups; known: among the users */
    const struct list *groups;         /* as /users/{id}/groups shows them */
    int live_groups;                   /* as /users/{id}/groups/count does */
};

struct seen seen_of(const struct thing *user);
/* cache: warm (as things are now), cold, poisoned (with an outage's answers). NULL and down < 0: as before. */
bool directory_set(const char *id, const char *mode, const char *cache, int down);

/* Databricks. Users: case ignored; service principals: applicationId or displayName */
struct thing *dbx_find_name(enum kind kind, const char *name, bool local);
struct thing *dbx_by_id(const char *id); /* of any kind */
struct thing *dbx_sp_new(const char *display, const char *appid);
void dbx_make_system(void);                       /* rule 31: the groups nobody may delete */
const char *dbx_call_name(const struct thing *x); /* userName, applicationId, displayName */
void members_clear(struct thing *g);
void dbx_stale(struct thing *g, int reads, bool flip_back);
/* The view this read gets: NULL the present one. Counts the read. */
const struct stale *dbx_old_view(struct thing *g);
const char *dbx_name_key(const struct thing *x);

#endif
