/* tests/sim/kc_lists.c: what is answered about roles, groups, users and clients, and the realm itself (rules S5-S8, S12-S15,
 * S20, S24). */
#include "tests/sim/kc.h"

#include <stdatomic.h>
#include <string.h>

/* ---- roles, clients, the realm ---- */

/* S8: unpaged the order is random (a cached hash set); with first and max both given it is by name. `search` is an infix
 * on name or description. Source: keycloak-verified.md section 1, keycloak-api.md section 1.1 */
void
kc_list_roles(struct req *r, struct target *t)
{
    static _Atomic uint64_t turn;
    const struct list *all = t->client == NULL ? &W.all[ROLE] : &t->client->roles;
    const char *search = query_get(r->query, "search");
    bool searching = search != NULL && search[0] != '\0';
    bool paged = query_get(r->query, "first") != NULL && query_get(r->query, "max") != NULL;
    struct rng rng = {++turn};
    struct list v = {0};
    for (int i = 0; i < all->n; i++)
        if (!searching || has_infix(all->v[i]->name, search) || has_infix(all->v[i]->desc, search))
            list_pass(&v, all->v[i]);
    for (int i = v.n - 1; i > 0; i--) {
        int k = rng_below(&rng, i + 1);
        struct thing *x = v.v[i];
        v.v[i] = v.v[k];
        v.v[k] = x;
    }
    if (paged || searching || !rule("S8"))
        list_sort(&v);
    kc_list(r, &v, -1, searching, &(struct shape){.flags = kc_brief(r, true)});
}

/* Only the form by id obeys first and max. */
void
kc_composites(struct req *r, struct target *t)
{
    bool by_id = strstr(t->arg, "by id") != NULL, realm = begins(t->arg, "realm");
    struct list v = {0};
    for (int i = 0; i < t->role->roles.n; i++) {
        struct thing *child = t->role->roles.v[i];
        /* client roles are left out without a word: asked of 26.7.4 by tests/e2e/test_facts.py */
        if (child->up == NULL || (!realm && (t->perm & P_VIEW_CLIENTS) != 0))
            list_pass(&v, child);
    }
    if (!by_id)
        r->query = tsub("", 0);
    kc_list(r, &v, -1, true, &(struct shape){.flags = BRIEF});
}

/* S12 switched off: what #42217 would answer, with everybody who holds the role by whatever way. */
static struct list
effective_users(const struct thing *role)
{
    struct list v = {0};
    for (int i = 0; i < W.all[USER].n; i++) {
        struct list roles = effective_roles(W.all[USER].v[i]);
        if (list_has(&roles, role))
            list_pass(&v, W.all[USER].v[i]);
    }
    return v;
}

/* S5: with the right to see the realm but not the users, the holders are an empty list with 200. */
void
kc_role_users(struct req *r, struct target *t)
{
    struct list v = {0};
    if ((t->perm & P_VIEW_USERS) != 0)
        v = rule("S12") ? t->role->members : effective_users(t->role);
    kc_list(r, &v, 100, true, &(struct shape){.flags = kc_brief(r, false) | ACCESS, .place = PLACE_ALL});
}

void
kc_role_groups(struct req *r, struct target *t)
{
    char *max = strstr(r->query, "max=");
    if (max != NULL && (knobs.kc_version == VERSION(26, 7, 0) || knobs.kc_version == VERSION(26, 7, 1)))
        memcpy(max, "100=", 4); /* S20: the parameter was named so by accident (#51449) */
    kc_list(r, &t->role->groups, 100, true, &(struct shape){.flags = kc_brief(r, true) | PLAIN | CLIENTS});
}

void
kc_list_clients(struct req *r, struct target *t)
{
    const char *cid = query_get(r->query, "clientId");
    bool search = kc_flag(r, "search", false);
    struct list v = {0};
    for (int i = 0; i < W.all[CLIENT].n && (t->perm & P_VIEW_CLIENTS) != 0; i++) {
        struct thing *c = W.all[CLIENT].v[i];
        if (cid == NULL || (search ? has_infix(c->name, cid) : strcmp(c->name, cid) == 0))
            list_pass(&v, c);
    }
    kc_list(r, &v, -1, true, &(struct shape){0});
}

void
kc_service_account(struct req *r, struct target *t)
{
    if (t->client->up != NULL)
        kc_one(r, t->client->up, 0);
    else
        kc_error(r, 400, tf("Service account not enabled for the client '%s'", t->client->name));
}

void
kc_client_secret(struct req *r, struct target *t)
{
    bool ours = same(t->client->name, W.kc_client), rotated = t->arg != NULL;
    const char *secret = rotated ? (ours ? W.kc_rotated : NULL) : ours ? W.kc_secret : "sim-client-secret";
    if (secret != NULL)
        answer(r, 200, KC_JSON, "{'type':'secret','value':%q}", secret);
    else
        kc_error(r, 404, "Client does not have a rotated secret");
}

void
kc_realm(struct req *r, struct target *t)
{
    answer(r, 200, KC_JSON, "{'id':%q,'realm':%q,'enabled':true", W.realm, W.realm);
    if ((t->perm & P_VIEW_REALM) != 0) {
        buf_f(
            &r->out,
            ",'notBefore':%l,'accessTokenLifespan':%d,'duplicateEmailsAllowed':true,'adminEventsEnabled':%b,"
            "'adminEventsDetailsEnabled':%b",
            W.not_before, knobs.token_life_s, knobs.events, knobs.events_details);
        if (W.default_role != NULL) {
            buf_s(&r->out, ",\"defaultRole\":");
            kc_row(&r->out, W.default_role, &(struct shape){.flags = BRIEF});
        }
    }
    buf_s(&r->out, "}");
}

/* The user directories by name. Source: keycloak-verified.md section 8 */
void
kc_components(struct req *r, struct target *t)
{
    (void) t;
    answer(r, 200, KC_JSON, "[");
    for (int i = 0; i < W.all[DIRECTORY].n; i++) {
        buf_item(&r->out,
                 "{'id':%q,'name':%q,'providerId':'ldap','parentId':%q,'config':{},"
                 "'providerType':'org.keycloak.storage.UserStorageProvider'}",
                 W.all[DIRECTORY].v[i]->id, W.all[DIRECTORY].v[i]->name, W.realm);
    }
    buf_s(&r->out, "]");
}

/* ---- groups ---- */

/* What `search` and `q` ask for. An empty search counts as absent; `*` or blanks match everything, `%` and `_` are
 * literal; a q that does not parse is dropped and matches everything. Source: keycloak-verified.md sections 0, 1 */
struct want {
    const char *text, *q;
    bool any, exact;
};

static struct want
want_of(const struct req *r)
{
    struct want w = {query_get(r->query, "search"), query_get(r->query, "q"), false,
                     kc_flag(r, "exact", false)};
    w.any = (w.text != NULL && w.text[0] != '\0') || (w.q != NULL && w.q[0] != '\0');
    if (w.text != NULL) { /* without the blanks around it */
        w.text += strspn(w.text, " ");
        size_t n = strlen(w.text);
        while (n > 0 && w.text[n - 1] == ' ')
            n--;
        w.text = tsub(w.text, n);
    }
    return w;
}

static bool
group_matches(const struct thing *g, const struct want *w)
{
    if (w->q != NULL && !attr_query(g, w->q))
        return false;
    if (w->text == NULL || w->text[0] == '\0' || strcmp(w->text, "*") == 0)
        return true;
    return w->exact ? strcmp(g->name, w->text) == 0 : has_infix(g->name, w->text);
}

static struct list
find_groups(const struct want *w, const struct list *among)
{
    struct list v = {0};
    for (int i = 0; i < among->n; i++)
        if (group_matches(among->v[i], w))
            list_pass(&v, among->v[i]);
    list_sort(&v);
    return v;
}

void
kc_list_groups(struct req *r, struct target *t)
{
    struct want w = want_of(r);
    bool nested = knobs.kc_version < VERSION(23, 0, 0); /* S13 */
    struct shape shape = {.flags = kc_brief(r, true) | CLIENTS};
    if (kc_flag(r, "subGroupsCount", true) && !nested)
        shape.flags |= SUB_COUNT;
    struct list found = {0}, shown = {0}, roots = {0};
    if (t->arg != NULL) { /* the real number, even for who may not see the rows */
        int top = kc_flag(r, "top", false) ? W.top.n : W.all[GROUP].n;
        answer(r, 200, KC_JSON, "{'count':%d}", w.any ? find_groups(&w, &W.all[GROUP]).n : top);
        return;
    }
    if (w.any)
        r->kind = "groups_search";
    if ((t->perm & P_VIEW_USERS) != 0)
        found = w.any ? find_groups(&w, &W.all[GROUP]) : W.top;
    if (w.any && kc_flag(r, "populateHierarchy", true)) { /* matches inside their ancestors, from the root */
        for (int i = 0; i < found.n; i++)
            for (struct thing *g = found.v[i]; g != NULL && !list_has(&shown, g); g = g->up)
                list_pass(&shown, g);
        for (int i = 0; i < W.top.n; i++)
            if (list_has(&shown, W.top.v[i]))
                list_pass(&roots, W.top.v[i]);
        shape.only = &shown;
        shape.flags |= TREE;
        found = roots;
    } else if (nested)
        shape.flags |= TREE;
    kc_list(r, &found, -1, true, &shape);
}

void
kc_default_groups(struct req *r, struct target *t)
{
    (void) t;
    kc_list(r, &W.default_groups, -1, true, &(struct shape){.flags = BRIEF | SUB_COUNT});
}

void
kc_children(struct req *r, struct target *t)
{
    struct want w = want_of(r);
    if (knobs.kc_version < VERSION(23, 0, 0)) {
        kc_not_found(r);
        return;
    }
    struct list v = find_groups(&w, &t->group->groups);
    unsigned flags = kc_brief(r, false) | CLIENTS | (kc_flag(r, "subGroupsCount", true) ? SUB_COUNT : 0);
    kc_list(r, &v, 10, true, &(struct shape){.flags = flags}); /* S6: 10, not 100 */
}

void
kc_members(struct req *r, struct target *t)
{
    struct list v = {0};
    for (int i = 0; i < t->group->members.n; i++)
        if (seen_of(t->group->members.v[i]).listed)
            list_pass(&v, t->group->members.v[i]);
    kc_list(r, &v, 100, true, &(struct shape){.flags = kc_brief(r, false), .place = PLACE_ALL});
}

/* Walks names level by level, so a name with '/' is never found, encoded or not: keycloak-verified.md section 1 */
void
kc_group_by_path(struct req *r, struct target *t)
{
    const char *path = "";
    for (int i = 4; i < r->nseg; i++) /* behind admin/realms/x/group-by-path; an encoded slash parts too */
        path = tf("%s%s/", path, r->seg[i]);
    const struct list *level = &W.top;
    for (const char *p = path; *p != '\0';) {
        size_t n = strcspn(p, "/");
        t->group = NULL;
        for (int i = 0; i < level->n && t->group == NULL; i++)
            if (strlen(level->v[i]->name) == n && memcmp(level->v[i]->name, p, n) == 0)
                t->group = level->v[i];
        if (t->group == NULL)
            break;
        level = &t->group->groups;
        p += n + (p[n] == '/');
    }
    if (t->group == NULL)
        kc_error(r, 404, "Group path does not exist");
    else if ((t->perm & P_VIEW_USERS) == 0)
        kc_error(r, 403, "HTTP 403 Forbidden");
    else
        kc_one(r, t->group, PLAIN | SUB_COUNT | ((t->perm & P_VIEW_CLIENTS) != 0 ? CLIENTS : 0));
}

/* ---- users ---- */

#define AT(member) offsetof(struct thing, member)

static const struct {
    const char *name;
    bool flag;
    size_t at;
} filters[] = {{"username", false, AT(name)},   {"email", false, AT(email)},
               {"firstName", false, AT(first)}, {"lastName", false, AT(last)},
               {"enabled", true, AT(enabled)},  {"emailVerified", true, AT(verified)}};

struct user_filter {
    const char *want[COUNT(filters)], *search, *q, *alias;
    bool exact, other; /* other: any filter but search, which lets service accounts in (S15) */
};

static struct user_filter
user_filter_of(const struct req *r)
{
    struct user_filter f = {.search = query_get(r->query, "search"),
                            .q = query_get(r->query, "q"),
                            .alias = query_get(r->query, "idpAlias"),
                            .exact = kc_flag(r, "exact", false)};
    f.other = f.q != NULL || f.alias != NULL || query_get(r->query, "exact") != NULL;
    for (size_t i = 0; i < COUNT(filters); i++) {
        f.want[i] = query_get(r->query, filters[i].name);
        f.other = f.other || f.want[i] != NULL;
    }
    return f;
}

/* search=id:<id> <id> …: keycloak-api.md section 1.1. Otherwise an infix, `*` matching all. */
static bool
search_ok(const struct thing *u, const char *search)
{
    if (begins(search, "id:"))
        return strstr(tf(" %s ", search + 3), tf(" %s ", u->id)) != NULL;
    search += strspn(search, " *");
    return *search == '\0' || has_infix(u->name, search) || has_infix(u->email, search) ||
           has_infix(u->first, search) || has_infix(u->last, search);
}

static bool
user_matches(const struct thing *u, const struct user_filter *f)
{
    /* S15; 26.3.0 and 26.3.1 showed service accounts everywhere (#41103) */
    bool leak = knobs.kc_version == VERSION(26, 3, 0) || knobs.kc_version == VERSION(26, 3, 1);
    bool ok = (!u->service || f->other || leak) && seen_of(u).known && f->alias == NULL;
    for (size_t i = 0; i < COUNT(filters) && ok; i++) {
        const char *at = (const char *) u + filters[i].at, *want = f->want[i];
        const char *text =
            filters[i].flag ? (*(const bool *) at ? "true" : "false") : *(const char *const *) at;
        ok = want == NULL || (text != NULL && (f->exact || filters[i].flag ? strcasecmp(text, want) == 0
                                                                           : has_infix(text, want)));
    }
    return ok && (f->search == NULL || search_ok(u, f->search)) && (f->q == NULL || attr_query(u, f->q));
}

void
kc_list_users(struct req *r, struct target *t)
{
    struct user_filter f = user_filter_of(r);
    bool count = same(t->arg, "count"), sees = (t->perm & P_VIEW_USERS) != 0;
    struct list v = {0};
    struct thing *one = f.want[0] != NULL && f.exact ? user_find(f.want[0]) : NULL;
    if (!count && (f.other || f.search != NULL))
        r->kind = "users_filter";
    if (f.want[0] != NULL && f.exact) { /* the usual look-up must not walk 50,000 rows */
        if (one != NULL && user_matches(one, &f) && (count || sees))
            list_pass(&v, one);
    } else
        for (int i = 0; i < W.all[USER].n && (count || sees); i++)
            if (user_matches(W.all[USER].v[i], &f))
                list_pass(&v, W.all[USER].v[i]);
    if (count)
        answer(r, 200, KC_JSON, "%d", v.n); /* the real number, even for who may not see the rows */
    else
        kc_list(r, &v, 100, true,
                &(struct shape){.flags = kc_brief(r, false) | ACCESS, .place = PLACE_USERS});
}

void
kc_user_groups(struct req *r, struct target *t)
{
    const struct list *shown = seen_of(t->user).groups;
    struct list v = {0};
    if (t->arg != NULL) {
        answer(r, 200, KC_JSON, "{'count':%d}", seen_of(t->user).live_groups);
        return;
    }
    for (int i = 0; i < shown->n; i++)
        list_pass(&v, shown->v[i]);
    list_sort(&v);
    kc_list(r, &v, -1, true, &(struct shape){.flags = kc_brief(r, true) | PLAIN | CLIENTS});
}

/* Of a user or group; of the realm, or of the client that the path names. */
void
kc_mapped_roles(struct req *r, struct target *t)
{
    const struct thing *x = t->user != NULL ? t->user : t->group;
    struct list all = t->arg != NULL ? effective_roles(x) : x->roles, v = {0};
    for (int i = 0; i < all.n; i++)
        if (all.v[i]->up == t->client)
            list_pass(&v, all.v[i]);
    kc_list(r, &v, -1, true, &(struct shape){.flags = kc_brief(r, true)});
}

/* ---- S26: user directories behind the realm: what Keycloak answers about their people while one is down, with warm, cold and
 * poisoned caches, in the modes READ_ONLY, IMPORT and not imported. Source: keycloak-verified.md section 8. ---- */

static struct thing *
directory_of(const struct thing *u) /* NULL: a local user */
{
    if (u->fedlink != NULL)
        return thing_by_id(DIRECTORY, u->fedlink);
    return begins(u->id, "f:") ? thing_by_id(DIRECTORY, tsub(u->id + 2, strcspn(u->id + 2, ":"))) : NULL;
}

struct seen
seen_of(const struct thing *u)
{
    static const struct list none;
    const struct thing *d = directory_of(u);
    bool rows = d == NULL || d->mode == DIRECTORY_IMPORT; /* in Keycloak's own database */
    bool down = d != NULL && d->down;
    struct seen s = {.down = down, .listed = rows || !down};
    s.known = d == NULL || d->mode != DIRECTORY_NOT_IMPORTED || !down;
    s.enabled = d == NULL ? u->enabled : u->cached ? u->cached_enabled : u->enabled && !u->off_there && !down;
    s.groups = rows ? &u->groups : u->cached ? &u->cached_groups : down ? &none : &u->groups;
    s.live_groups = s.listed ? u->groups.n : 0;
    return s;
}

bool
directory_set(const char *id, const char *mode_name, const char *cache, int down)
{
    static const char *const modes[] = {"READ_ONLY", "IMPORT", "none"};
    struct thing *d = thing_by_id(DIRECTORY, id);
    if (d == NULL)
        return false;
    for (int i = 0; i < 3; i++)
        if (same(mode_name, modes[i]))
            d->mode = i;
    for (int i = 0; cache != NULL && i < W.all[USER].n; i++) {
        struct thing *u = W.all[USER].v[i];
        bool warm = strcmp(cache, "warm") == 0;
        if (directory_of(u) != d)
            continue;
        u->cached = strcmp(cache, "cold") != 0;
        u->cached_enabled = warm && u->enabled && !u->off_there;
        u->cached_groups.n = 0;
        for (int k = 0; warm && k < u->groups.n; k++)
            list_add(&u->cached_groups, u->groups.v[k]);
    }
    if (down >= 0)
        d->down = down;
    return true;
}
