/* tests/sim/world.c: the realm half of the truth; see world.h. */
#include "tests/sim/world.h"

#include "tests/sim/control.h"

#include <stdlib.h>
#include <string.h>

struct world W;
pthread_rwlock_t world_lock = PTHREAD_RWLOCK_INITIALIZER;

void
world_init(uint64_t seed)
{
    W.rng.s = seed;
    W.realm = keep("acme");
    W.base = keep("");
    W.bulk = true;
    W.default_role = -1;
    W.next_id = 100000000000001 + (int64_t) (seed % 1000) * 1000000;
    W.kc_client = keep("keybricks");
    W.kc_secret = keep("s3cret:with/odd %+&chars");
    char *account = rng_uuid(&W.rng), *client = rng_uuid(&W.rng);
    W.account = keep(account);
    W.dbx_client = keep(client);
    free(account), free(client);
    W.dbx_secret = keep("dose-simulated-secret");
    W.pat = keep("dapi-simulated-token");
    W.scim_token = keep("dscim-simulated-token");
    W.permissions = permission_of("view-users") | permission_of("view-realm") | permission_of("view-clients");
    W.client_enabled = W.account_enabled = true;
}

unsigned
permission_of(const char *name)
{
    static const struct {
        const char *name;
        unsigned bits;
    } t[] = {
        /* view-users contains query-users and query-groups: keycloak-verified.md section 5 */
        {"view-users", P_VIEW_USERS | P_QUERY_USERS | P_QUERY_GROUPS},
        {"view-realm", P_VIEW_REALM},
        {"view-clients", P_VIEW_CLIENTS | P_QUERY_CLIENTS},
        {"query-users", P_QUERY_USERS},
        {"query-groups", P_QUERY_GROUPS},
        {"query-clients", P_QUERY_CLIENTS},
        {"view-events", P_VIEW_EVENTS},
    };

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (strcmp(name, t[i].name) == 0)
            return t[i].bits;
    return 0;
}

static void
attr_clear(struct attr *x)
{
    for (int i = 0; i < x->n; i++)
        free(x->val[i]);
    free(x->val);
    x->val = NULL;
    x->n = 0;
}

void
attr_set(struct attrs *a, const char *name, const char *const *val, int n)
{
    int i = 0;
    while (i < a->n && strcmp(a->v[i].name, name) != 0)
        i++;
    if (n == 0) {
        if (i < a->n) {
            attr_clear(&a->v[i]);
            free(a->v[i].name);
            a->v[i] = a->v[--a->n];
        }
        return;
    }
    if (i == a->n) {
        a->v = xgrow(a->v, a->n + 1, &a->cap, sizeof *a->v);
        a->v[a->n++] = (struct attr){.name = xdup(name)};
    }
    attr_clear(&a->v[i]);
    a->v[i].val = xalloc((size_t) n * sizeof(char *));
    a->v[i].n = n;
    for (int k = 0; k < n; k++)
        a->v[i].val[k] = xdup(val[k]);
}

const struct attr *
attr_get(const struct attrs *a, const char *name)
{
    for (int i = 0; i < a->n; i++)
        if (strcmp(a->v[i].name, name) == 0)
            return &a->v[i];
    return NULL;
}

bool
attrs_query(const struct attrs *a, const char *q)
{
    const char *colon = strchr(q, ':');
    if (colon == NULL || colon == q || colon[1] == '\0')
        return true;
    char *key = xsub(q, (size_t) (colon - q));
    const struct attr *x = attr_get(a, key);
    free(key);
    for (int i = 0; x != NULL && i < x->n; i++)
        if (strcmp(x->val[i], colon + 1) == 0)
            return true;
    return false;
}

static int
cmp_user(const void *a, const void *b)
{
    return strcmp(W.users[*(const int *) a].name, W.users[*(const int *) b].name);
}

/* Names repeat under different parents: then the older one is first. */
static int
cmp_group(const void *a, const void *b)
{
    int x = *(const int *) a, y = *(const int *) b, c = strcmp(W.groups[x].name, W.groups[y].name);
    return c != 0 ? c : x - y;
}

static void
sort_vec(struct ivec *a, int (*cmp)(const void *, const void *))
{
    if (a->n > 1)
        qsort(a->v, (size_t) a->n, sizeof *a->v, cmp);
}

void
groups_sort(struct ivec *a)
{
    sort_vec(a, cmp_group);
}

/* Puts x where it belongs; while loading it only appends. */
static void
put_sorted(struct ivec *a, int x, int (*cmp)(const void *, const void *))
{
    if (W.bulk) {
        ivec_push(a, x);
        return;
    }
    int lo = 0, hi = a->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (cmp(&a->v[mid], &x) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    ivec_insert(a, lo, x);
}

void
world_settle(void)
{
    W.bulk = false;
    sort_vec(&W.by_name, cmp_user);
    sort_vec(&W.top, cmp_group);
    for (int g = 0; g < W.ngroups; g++) {
        sort_vec(&W.groups[g].kids, cmp_group);
        sort_vec(&W.groups[g].members, cmp_user);
    }
    for (int r = 0; r < W.nroles; r++) {
        sort_vec(&W.roles[r].users, cmp_user);
        sort_vec(&W.roles[r].groups, cmp_group);
    }
}

int
role_new(int client, const char *name, const char *id)
{
    W.roles = xgrow(W.roles, W.nroles + 1, &W.caproles, sizeof *W.roles);
    int r = W.nroles++;
    W.roles[r] = (struct role){
        .id = id != NULL ? xdup(id) : rng_uuid(&W.rng), .name = xdup(name), .client = client, .alive = true};
    map_put(&W.role_id, W.roles[r].id, r);
    if (client < 0) {
        map_put(&W.role_name, W.roles[r].name, r);
        ivec_push(&W.realm_roles, r);
    } else
        ivec_push(&W.clients[client].roles, r);
    return r;
}

int
role_find(int client, const char *name)
{
    if (client < 0)
        return map_get(&W.role_name, name);
    for (int i = 0; i < W.clients[client].roles.n; i++)
        if (strcmp(W.roles[W.clients[client].roles.v[i]].name, name) == 0)
            return W.clients[client].roles.v[i];
    return -1;
}

void
role_del(int r)
{
    struct role *x = &W.roles[r];
    while (x->users.n > 0)
        user_revoke(x->users.v[0], r);
    while (x->groups.n > 0)
        group_revoke(x->groups.v[0], r);
    for (int i = 0; i < W.nroles; i++)
        ivec_drop(&W.roles[i].comps, r);
    x->alive = false;
    map_del(&W.role_id, x->id);
    if (x->client < 0) {
        map_del(&W.role_name, x->name);
        ivec_drop(&W.realm_roles, r);
    } else
        ivec_drop(&W.clients[x->client].roles, r);
}

void
role_rename(int r, const char *name)
{
    if (W.roles[r].client < 0)
        map_del(&W.role_name, W.roles[r].name);
    str_set(&W.roles[r].name, name);
    if (W.roles[r].client < 0)
        map_put(&W.role_name, W.roles[r].name, r);
}

int
client_new(const char *cid, const char *id)
{
    W.clients = xgrow(W.clients, W.nclients + 1, &W.capclients, sizeof *W.clients);
    int c = W.nclients++;
    W.clients[c] =
        (struct client){.id = id != NULL ? xdup(id) : rng_uuid(&W.rng), .cid = xdup(cid), .account = -1};
    map_put(&W.client_id, W.clients[c].id, c);
    return c;
}

int
client_find(const char *cid)
{
    for (int c = 0; c < W.nclients; c++)
        if (strcmp(W.clients[c].cid, cid) == 0)
            return c;
    return -1;
}

/* A name may hold '/': it is not escaped, so a path can be ambiguous. keycloak-api.md section 2.2 (rule S14)
 */
static void
group_set_path(int g)
{
    struct group *x = &W.groups[g];
    free(x->path);
    struct buf b = {0};
    buf_f(&b, "%s/", x->parent < 0 ? "" : W.groups[x->parent].path);
    for (const char *p = x->name; *p != '\0'; p++)
        buf_add(&b, *p == '/' && knobs.escape_slashes ? "~/" : p, *p == '/' && knobs.escape_slashes ? 2 : 1);
    x->path = b.p;
    for (int i = 0; i < x->kids.n; i++)
        group_set_path(x->kids.v[i]);
}

void
group_paths(void)
{
    for (int i = 0; i < W.top.n; i++)
        group_set_path(W.top.v[i]);
}

static struct ivec *
siblings(int parent)
{
    return parent < 0 ? &W.top : &W.groups[parent].kids;
}

int
group_new(int parent, const char *name, const char *id)
{
    W.groups = xgrow(W.groups, W.ngroups + 1, &W.capgroups, sizeof *W.groups);
    int g = W.ngroups++;
    W.groups[g] = (struct group){
        .id = id != NULL ? xdup(id) : rng_uuid(&W.rng), .name = xdup(name), .parent = parent, .alive = true};
    map_put(&W.group_id, W.groups[g].id, g);
    group_set_path(g);
    put_sorted(siblings(parent), g, cmp_group);
    return g;
}

int
group_find(const char *path)
{
    for (int g = 0; g < W.ngroups; g++)
        if (W.groups[g].alive && strcmp(W.groups[g].path, path) == 0)
            return g;
    return -1;
}

/* Deleting a group deletes its subtree and all memberships: keycloak-api.md section 2.2 */
void
group_del(int g)
{
    while (W.groups[g].kids.n > 0)
        group_del(W.groups[g].kids.v[0]);
    while (W.groups[g].members.n > 0)
        user_leave(W.groups[g].members.v[0], g);
    while (W.groups[g].roles.n > 0)
        group_revoke(g, W.groups[g].roles.v[0]);
    ivec_drop(siblings(W.groups[g].parent), g);
    W.groups[g].alive = false;
    map_del(&W.group_id, W.groups[g].id);
}

void
group_move(int g, int parent)
{
    ivec_drop(siblings(W.groups[g].parent), g);
    W.groups[g].parent = parent;
    put_sorted(siblings(parent), g, cmp_group);
    group_set_path(g);
}

void
group_rename(int g, const char *name)
{
    str_set(&W.groups[g].name, name);
    group_move(g, W.groups[g].parent);
    for (int i = 0; i < W.groups[g].roles.n; i++)
        sort_vec(&W.roles[W.groups[g].roles.v[i]].groups, cmp_group);
}

int
user_new(const char *name, const char *id)
{
    W.users = xgrow(W.users, W.nusers + 1, &W.capusers, sizeof *W.users);
    int u = W.nusers++;
    /* local user names are stored in lower case: keycloak-api.md section 2.4 */
    W.users[u] = (struct user){.id = id != NULL ? xdup(id) : rng_uuid(&W.rng),
                               .name = lower(name),
                               .alive = true,
                               .enabled = true,
                               .created_ms = 1735689600000 + (int64_t) u * 1007};
    W.users[u].service = strncmp(W.users[u].name, "service-account-", 16) == 0;
    map_put(&W.user_id, W.users[u].id, u);
    map_put(&W.user_name, W.users[u].name, u);
    put_sorted(&W.by_name, u, cmp_user);
    return u;
}

int
user_find(const char *name)
{
    char *l = lower(name);
    int u = map_get(&W.user_name, l);
    free(l);
    return u;
}

void
user_del(int u)
{
    while (W.users[u].groups.n > 0)
        user_leave(u, W.users[u].groups.v[0]);
    while (W.users[u].roles.n > 0)
        user_revoke(u, W.users[u].roles.v[0]);
    ivec_drop(&W.by_name, u);
    W.users[u].alive = false;
    map_del(&W.user_id, W.users[u].id);
    map_del(&W.user_name, W.users[u].name);
}

void
user_rename(int u, const char *name)
{
    struct user *x = &W.users[u];
    map_del(&W.user_name, x->name);
    free(x->name);
    x->name = lower(name);
    map_put(&W.user_name, x->name, u);
    sort_vec(&W.by_name, cmp_user);
    for (int i = 0; i < x->groups.n; i++)
        sort_vec(&W.groups[x->groups.v[i]].members, cmp_user);
    for (int i = 0; i < x->roles.n; i++)
        sort_vec(&W.roles[x->roles.v[i]].users, cmp_user);
}

bool
user_join(int u, int g)
{
    if (ivec_find(&W.users[u].groups, g) >= 0)
        return false;
    ivec_push(&W.users[u].groups, g);
    put_sorted(&W.groups[g].members, u, cmp_user);
    return true;
}

bool
user_leave(int u, int g)
{
    ivec_drop(&W.groups[g].members, u);
    return ivec_drop(&W.users[u].groups, g);
}

bool
user_grant(int u, int r)
{
    if (ivec_find(&W.users[u].roles, r) >= 0)
        return false;
    ivec_push(&W.users[u].roles, r);
    put_sorted(&W.roles[r].users, u, cmp_user);
    return true;
}

bool
user_revoke(int u, int r)
{
    ivec_drop(&W.roles[r].users, u);
    return ivec_drop(&W.users[u].roles, r);
}

bool
group_grant(int g, int r)
{
    if (ivec_find(&W.groups[g].roles, r) >= 0)
        return false;
    ivec_push(&W.groups[g].roles, r);
    put_sorted(&W.roles[r].groups, g, cmp_group);
    return true;
}

bool
group_revoke(int g, int r)
{
    ivec_drop(&W.roles[r].groups, g);
    return ivec_drop(&W.groups[g].roles, r);
}

bool
comp_add(int r, int child)
{
    if (ivec_find(&W.roles[r].comps, child) >= 0)
        return false;
    ivec_push(&W.roles[r].comps, child);
    return true;
}

bool
comp_drop(int r, int child)
{
    return ivec_drop(&W.roles[r].comps, child);
}

/* Rule S12: direct, by group, by any ancestor of a group, and through composites of realm and client roles;
 * the visited set makes cycles harmless. Source: keycloak-api.md section 2.1. */
void
user_effective(int u, struct ivec *out)
{
    char *seen = xalloc((size_t) W.nroles + 1);
    struct ivec todo = {0};
    for (int i = 0; i < W.users[u].roles.n; i++)
        ivec_push(&todo, W.users[u].roles.v[i]);
    const struct ivec *groups = directory_groups(u);
    for (int i = 0; i < groups->n; i++)
        for (int g = groups->v[i]; g >= 0; g = W.groups[g].parent)
            for (int k = 0; k < W.groups[g].roles.n; k++)
                ivec_push(&todo, W.groups[g].roles.v[k]);
    while (todo.n > 0) {
        int r = todo.v[--todo.n];
        if (seen[r])
            continue;
        seen[r] = 1;
        ivec_push(out, r);
        for (int i = 0; i < W.roles[r].comps.n; i++)
            ivec_push(&todo, W.roles[r].comps.v[i]);
    }
    ivec_free(&todo);
    free(seen);
}
