/* tests/sim/world.c: things and what ties them; see world.h. */
#include "tests/sim/world.h"

#include "tests/sim/control.h"

#include <json-c/linkhash.h>
#include <stdlib.h>
#include <string.h>

struct world W;
pthread_rwlock_t world_lock = PTHREAD_RWLOCK_INITIALIZER;

void
world_init(uint64_t seed)
{
    W.rng.s = seed;
    W.realm = "acme";
    W.base = "";
    W.bulk = true;
    W.acting = "start";
    W.next_id = 100000000000001 + (int64_t) (seed % 1000) * 1000000;
    W.kc_client = "keybricks";
    W.kc_secret = "s3cret:with/odd %+&chars";
    W.account = rng_uuid(&W.rng);
    W.dbx_client = rng_uuid(&W.rng);
    W.dbx_secret = "dose-simulated-secret";
    W.pat = "dapi-simulated-token";
    W.scim_token = "dscim-simulated-token";
    W.permissions = permission_of("view-users") | permission_of("view-realm") | permission_of("view-clients");
    W.client_enabled = W.account_enabled = true;
    for (int k = 0; k < KINDS; k++) {
        W.ids[k] = lh_kchar_table_new(64, NULL);
        W.names[k] = lh_kchar_table_new(64, NULL);
        if (W.ids[k] == NULL || W.names[k] == NULL)
            abort();
    }
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

    for (size_t i = 0; i < COUNT(t); i++)
        if (strcmp(name, t[i].name) == 0)
            return t[i].bits;
    return 0;
}

/* ---- lists ---- */

void
list_add(struct list *l, struct thing *x)
{
    l->v = xgrow(l->v, l->n + 1, &l->cap, sizeof(struct thing *));
    l->v[l->n++] = x;
}

void
list_pass(struct list *l, struct thing *x)
{
    if (l->n == l->cap) {
        struct thing **v = talloc((size_t) (l->cap * 2 + 16) * sizeof(struct thing *));
        if (l->n > 0)
            memcpy(v, l->v, (size_t) l->n * sizeof(struct thing *));
        l->v = v;
        l->cap = l->cap * 2 + 16;
    }
    l->v[l->n++] = x;
}

int
list_find(const struct list *l, const struct thing *x)
{
    for (int i = 0; i < l->n; i++)
        if (l->v[i] == x)
            return i;
    return -1;
}

bool
list_drop(struct list *l, struct thing *x)
{
    int i = list_find(l, x);
    if (i < 0)
        return false;
    memmove(l->v + i, l->v + i + 1, (size_t) (l->n - 1 - i) * sizeof(struct thing *));
    l->n--;
    return true;
}

/* Group names repeat under different parents: then the older one is first. */
static int
by_name(const void *a, const void *b)
{
    const struct thing *x = *(struct thing *const *) a, *y = *(struct thing *const *) b;
    int c = strcmp(x->name, y->name);
    return c != 0 ? c : x->number - y->number;
}

void
list_sort(struct list *l)
{
    if (l->n > 1)
        qsort(l->v, (size_t) l->n, sizeof(struct thing *), by_name);
}

/* Puts x where it belongs; while loading it only appends. */
void
list_put(struct list *l, struct thing *x)
{
    int lo = 0, hi = W.bulk ? 0 : l->n;
    list_add(l, x);
    if (W.bulk)
        return;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (by_name(&l->v[mid], &x) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    memmove(l->v + lo + 1, l->v + lo, (size_t) (l->n - 1 - lo) * sizeof(struct thing *));
    l->v[lo] = x;
}

void
world_settle(void)
{
    W.bulk = false;
    list_sort(&W.all[USER]);
    list_sort(&W.top);
    for (int i = 0; i < W.all[GROUP].n; i++) {
        list_sort(&W.all[GROUP].v[i]->groups);
        list_sort(&W.all[GROUP].v[i]->members);
    }
    for (int c = -1; c < W.all[CLIENT].n; c++) {
        const struct list *roles = c < 0 ? &W.all[ROLE] : &W.all[CLIENT].v[c]->roles;
        for (int i = 0; i < roles->n; i++) {
            list_sort(&roles->v[i]->members);
            list_sort(&roles->v[i]->groups);
        }
    }
}

/* ---- things ---- */

/* rule 2: ids of Databricks are unique across kinds */
#define ID_SPACE(kind) ((kind) > DBX_USER ? DBX_USER : (kind))

/* Where a thing is found by name: NULL for groups, whose names repeat, and roles of clients. */
static const char *
name_key(const struct thing *x)
{
    if (x->kind >= DBX_USER)
        return dbx_name_key(x);
    return x->kind == GROUP || (x->kind == ROLE && x->up != NULL) ? NULL : x->name;
}

static void
name_put(struct thing *x, bool put)
{
    const char *key = name_key(x);
    struct lh_entry *e = key == NULL ? NULL : lh_table_lookup_entry(W.names[x->kind], key);
    if (put && key != NULL && e == NULL)
        (void) lh_table_insert(W.names[x->kind], keep(key), x);
    else if (!put && e != NULL && lh_entry_v(e) == x)
        (void) lh_table_delete_entry(W.names[x->kind], e);
}

static struct thing *
found(struct lh_table *t, const char *key)
{
    struct lh_entry *e = key == NULL ? NULL : lh_table_lookup_entry(t, key);
    return e == NULL ? NULL : lh_entry_v(e);
}

/* Where the living are listed. */
static struct list *
place_of(const struct thing *x)
{
    return x->kind == ROLE && x->up != NULL ? &x->up->roles : &W.all[x->kind];
}

static struct list *
siblings(const struct thing *g)
{
    return g->up == NULL ? &W.top : &g->up->groups;
}

struct thing *
thing_new(enum kind kind, const char *name, const char *id, struct thing *up, bool local)
{
    struct thing *x = xalloc(sizeof *x);
    *x = (struct thing){
        .kind = kind, .number = W.number++, .name = keep(name), .up = up, .enabled = true, .local = local};
    if (kind == USER) { /* local user names are stored in lower case: keycloak-api.md section 2.4 */
        x->name = keep(tlower(name));
        x->service = begins(x->name, "service-account-");
        x->created_ms = 1735689600000 + (int64_t) W.all[USER].n * 1007;
    }
    if (id != NULL)
        x->id = keep(id);
    else if (kind >= DBX_USER) /* rule 2: decimal strings, mostly 15 digits, never used twice */
        x->id = keep(tf("%l", W.next_id += 1 + rng_below(&W.rng, 97)));
    else
        x->id = rng_uuid(&W.rng);
    (void) lh_table_delete(W.ids[ID_SPACE(kind)], x->id);
    (void) lh_table_insert(W.ids[ID_SPACE(kind)], x->id, x);
    name_put(x, true);
    kind == USER ? list_put(&W.all[USER], x) : list_add(place_of(x), x);
    if (kind == GROUP)
        list_put(siblings(x), x);
    return x;
}

struct thing *
thing_by_id(enum kind kind, const char *id)
{
    struct thing *x = found(W.ids[ID_SPACE(kind)], id);
    return x != NULL && x->kind == kind ? x : NULL;
}

struct thing *
dbx_by_id(const char *id)
{
    return found(W.ids[DBX_USER], id);
}

static void
sort_around(const struct thing *x)
{
    if (x->kind == USER)
        list_sort(&W.all[USER]);
    for (int i = 0; i < x->groups.n && x->kind == USER; i++)
        list_sort(&x->groups.v[i]->members);
    for (int i = 0; i < x->roles.n; i++)
        list_sort(x->kind == USER ? &x->roles.v[i]->members : &x->roles.v[i]->groups);
}

void
thing_rename(struct thing *x, const char *name)
{
    name_put(x, false);
    x->name = keep(x->kind == USER ? tlower(name) : name);
    name_put(x, true);
    if (x->kind == GROUP)
        list_sort(siblings(x));
    if (x->kind == USER || x->kind == GROUP)
        sort_around(x);
}

static void
note(bool on, const struct thing *g, const struct thing *m)
{
    if (W.bulk)
        return;
    buf_s(&W.history, W.history.len > 0 ? ",\n" : "");
    buf_f(&W.history, "{'n':%l,'op':%q,'group':%q,'group_id':%q,'member':%q,'member_id':%q,'by':%q}",
          W.acting_n, on ? "add" : "remove", g->name, g->id, dbx_call_name(m), m->id, W.acting);
}

bool
tie(struct thing *x, struct thing *to, bool on)
{
    bool role = to->kind == ROLE;
    struct list *mine = role ? &x->roles : &x->groups, *theirs = !role || x->kind == USER ? &to->members
                                                                 : x->kind == GROUP       ? &to->groups
                                                                                          : &to->within;
    if (list_has(mine, to) == on)
        return false;
    if (!on) {
        list_drop(mine, to);
        list_drop(theirs, x);
    } else {
        list_add(mine, to);
        to->kind == DBX_GROUP ? list_add(theirs, x) : list_put(theirs, x);
    }
    if (to->kind == DBX_GROUP)
        note(on, to, x);
    return true;
}

/* Deleting a group deletes its subtree and all memberships: keycloak-api.md section 2.2 */
void
thing_del(struct thing *x)
{
    while (x->kind == GROUP && x->groups.n > 0)
        thing_del(x->groups.v[0]);
    while (x->members.n > 0)
        tie(x->members.v[x->members.n - 1], x, false);
    while (x->groups.n > 0)
        (void) (x->kind == ROLE ? tie(x->groups.v[0], x, false)
                                : tie(x, x->groups.v[x->groups.n - 1], false));
    while (x->roles.n > 0)
        tie(x, x->roles.v[0], false);
    while (x->within.n > 0)
        tie(x->within.v[0], x, false);
    if (x->kind == GROUP)
        list_drop(siblings(x), x);
    list_drop(place_of(x), x);
    name_put(x, false);
    if (found(W.ids[ID_SPACE(x->kind)], x->id) == x)
        (void) lh_table_delete(W.ids[ID_SPACE(x->kind)], x->id);
    list_add(&W.dead, x);
}

void
attr_set(struct thing *x, const char *name, json_object *value)
{
    size_t n = json_is(value, json_type_array) ? json_len(value) : value != NULL;
    json_object *texts = json_object_new_array();
    if (x->attrs == NULL)
        x->attrs = json_object_new_object();
    for (size_t i = 0; i < n; i++)
        json_object_array_add(texts, json_object_new_string(json_str(
                                         json_is(value, json_type_array) ? json_at(value, i) : value)));
    json_object_object_del(x->attrs, name);
    if (n > 0)
        json_object_object_add(x->attrs, name, texts);
    else
        json_object_put(texts);
}

bool
attr_query(const struct thing *x, const char *q)
{
    const char *colon = strchr(q, ':');
    if (colon == NULL || colon == q || colon[1] == '\0')
        return true;
    json_object *have = json_get(x->attrs, tsub(q, (size_t) (colon - q)));
    for (size_t i = 0; i < json_len(have); i++)
        if (strcmp(json_str(json_at(have, i)), colon + 1) == 0)
            return true;
    return false;
}

/* ---- the realm ---- */

struct thing *
role_find(const struct thing *client, const char *name)
{
    if (client == NULL)
        return found(W.names[ROLE], name);
    for (int i = 0; i < client->roles.n; i++)
        if (same(client->roles.v[i]->name, name))
            return client->roles.v[i];
    return NULL;
}

struct thing *
client_find(const char *cid)
{
    return found(W.names[CLIENT], cid);
}

struct thing *
user_find(const char *name)
{
    return name == NULL ? NULL : found(W.names[USER], tlower(name));
}

struct thing *
dbx_find_name(enum kind kind, const char *name, bool local)
{
    struct thing want = {.kind = kind, .name = name, .local = local};
    for (int i = 0; i < W.all[DBX_SP].n && kind == DBX_SP; i++)
        if (W.all[DBX_SP].v[i]->appid != NULL && strcasecmp(W.all[DBX_SP].v[i]->appid, name) == 0)
            return W.all[DBX_SP].v[i];
    return name == NULL ? NULL : found(W.names[kind], dbx_name_key(&want));
}

struct thing *
account(void)
{
    const struct thing *c = client_find(W.kc_client);
    return c == NULL ? NULL : c->up;
}

static void
path_of(struct buf *b, const struct thing *g)
{
    if (g->up != NULL)
        path_of(b, g->up);
    buf_s(b, "/");
    for (const char *p = g->name; *p != '\0'; p++) {
        if (*p == '/' && knobs.escape_slashes)
            buf_s(b, "~");
        buf_add(b, p, 1);
    }
}

/* A name may hold '/': it is not escaped by default, so a path can be ambiguous. keycloak-api.md section 2.2 (S14) */
const char *
group_path(const struct thing *g)
{
    struct buf b = {0};
    path_of(&b, g);
    char *s = tsub(b.p, b.len);
    buf_free(&b);
    return s;
}

struct thing *
group_find(const char *path)
{
    for (int i = 0; i < W.all[GROUP].n; i++)
        if (same(group_path(W.all[GROUP].v[i]), path))
            return W.all[GROUP].v[i];
    return NULL;
}

void
group_move(struct thing *g, struct thing *parent)
{
    list_drop(siblings(g), g);
    g->up = parent;
    list_put(siblings(g), g);
}

/* Rule S12: direct, by group, by any ancestor of a group, and through composites of realm and client roles; what was
 * seen is not visited again, so cycles are harmless. Source: keycloak-api.md section 2.1. */
struct list
effective_roles(const struct thing *user)
{
    struct list out = {0};
    const struct list *groups = seen_of(user).groups;
    for (int i = 0; i < user->roles.n; i++)
        list_pass(&out, user->roles.v[i]);
    for (int i = 0; i < groups->n; i++)
        for (const struct thing *g = groups->v[i]; g != NULL; g = g->up)
            for (int k = 0; k < g->roles.n; k++)
                if (!list_has(&out, g->roles.v[k]))
                    list_pass(&out, g->roles.v[k]);
    for (int i = 0; i < out.n; i++)
        for (int k = 0; k < out.v[i]->roles.n; k++)
            if (!list_has(&out, out.v[i]->roles.v[k]))
                list_pass(&out, out.v[i]->roles.v[k]);
    return out;
}

/* ---- Databricks ---- */

/* userName ignores case (databricks-api.md section 3.4) while group names may differ by case alone; a name belongs to
 * its level. Passes with the request. */
const char *
dbx_name_key(const struct thing *x)
{
    return x->kind == DBX_GROUP ? tf("%s%s", x->local ? "w" : "a", x->name) : tlower(x->name);
}

void
dbx_make_system(void)
{
    static const char *const names[] = {"account users", "users", "admins"};
    for (size_t i = 0; i < COUNT(names); i++)
        thing_new(DBX_GROUP, names[i], NULL, NULL, i > 0)->system = true;
}

struct thing *
dbx_sp_new(const char *display, const char *appid)
{
    struct thing *x = thing_new(DBX_SP, display, NULL, NULL, false);
    x->appid = keep(appid);
    return x;
}

const char *
dbx_call_name(const struct thing *x)
{
    return x->kind == DBX_SP && x->appid != NULL ? x->appid : x->name;
}

void
members_clear(struct thing *g)
{
    while (g->members.n > 0)
        tie(g->members.v[g->members.n - 1], g, false);
}

/* Rule 23: the next reads return the state of now, also after a write that follows; then, on request, one new answer
 * and one old answer again. Source: databricks-api.md section 3.7 */
void
dbx_stale(struct thing *g, int reads, bool flip_back)
{
    if (g->stale == NULL)
        g->stale = xalloc(sizeof *g->stale);
    struct stale *s = g->stale;
    s->name = g->name;
    s->reads = reads;
    s->fresh = s->again = flip_back;
    s->members.n = 0;
    for (int i = 0; i < g->members.n; i++)
        list_add(&s->members, g->members.v[i]);
}

const struct stale *
dbx_old_view(struct thing *g)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* readers share world_lock */
    struct stale *s = g->stale;
    if (s == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    int *counts[] = {&s->reads, &s->fresh, &s->again};
    int phase = s->reads > 0 ? 0 : s->fresh > 0 ? 1 : s->again > 0 ? 2 : -1;
    if (phase >= 0)
        --*counts[phase];
    pthread_mutex_unlock(&lock);
    return phase == 0 || phase == 2 ? s : NULL;
}
