/* tests/sim/edit.c: changes of the world by name, as an administrator or a stranger would make them; see control.h. */
#include "tests/sim/control.h"

#include <stdlib.h>
#include <string.h>

/* Whom and what an edit is about: kc_user_add is verb `add` of noun `kc_user`. */
static const struct noun {
    const char *word;
    enum kind kind;
    const char *key; /* its name in the edit */
} nouns[] = {{"kc_user_", USER, "username"},       {"kc_role_", ROLE, "role"},
             {"kc_group_", GROUP, "group"},        {"dbx_user_", DBX_USER, "userName"},
             {"dbx_sp_", DBX_SP, "applicationId"}, {"dbx_group_", DBX_GROUP, "group"}};

static struct thing *
named(enum kind kind, json_object *o, const char *key)
{
    const char *name = json_text(o, key), *gid = json_text(o, "group_id");
    return kind == USER    ? need(USER, name, NULL)
           : kind == ROLE  ? need_role(json_text(o, "client"), name)
           : kind == GROUP ? need(GROUP, gid != NULL ? gid : name, NULL)
                           : need_dbx(kind, name, wants_local(o, false));
}

static const char *
role_type(const struct thing *role)
{
    return role->up == NULL ? "REALM_ROLE" : "CLIENT_ROLE";
}

/* ---- verbs of one thing ---- */

static bool
taken(enum kind kind, json_object *o, const char *name, struct thing *client)
{
    return kind == USER   ? user_find(name) != NULL
           : kind == ROLE ? role_find(client, name) != NULL
                          : kind >= DBX_USER && kind != DBX_SP && !json_flag(o, "force", false) &&
                                dbx_find_name(kind, name, kind == DBX_GROUP && wants_local(o, false)) != NULL;
}

static void
add(const struct noun *n, json_object *o)
{
    const char *name = json_text(o, n->kind == DBX_SP ? "displayName" : n->key),
               *parent = json_text(o, "parent");
    struct thing *up =
        n->kind == ROLE && json_text(o, "client") != NULL ? need(CLIENT, json_text(o, "client"), NULL) : NULL;
    if (n->kind == GROUP) { /* group: "/a/b", or parent: "/a" and name (which may hold '/') */
        const char *last = name == NULL ? NULL : strrchr(name, '/');
        parent = parent == NULL && last != NULL ? tsub(name, (size_t) (last - name)) : parent;
        up = parent == NULL || parent[0] == '\0' ? NULL : need(GROUP, parent, NULL);
        name = json_text(o, "name") != NULL ? json_text(o, "name") : last != NULL ? last + 1 : name;
    }
    if (name != NULL && taken(n->kind, o, name, up))
        fail("name taken: '%s'", name);
    if (problem != NULL)
        return;
    struct thing *x = thing_told(n->kind, o, name, up, wants_local(o, false));
    if (x == NULL || n->kind != USER)
        return;
    if (W.default_role != NULL && json_flag(o, "default_role", true)) /* S21 */
        tie(x, W.default_role, true);
    for (int i = 0; i < W.default_groups.n; i++)
        tie(x, W.default_groups.v[i], true);
}

static void
change(struct thing *x, json_object *o, const char *verb)
{
    const char *by = json_text(o, "by"), *to = json_text(o, "to"), *parent = json_text(o, "parent");
    bool removed = strcmp(verb, "remove") == 0 || strcmp(verb, "delete") == 0;
    if (strcmp(verb, "set") == 0) {
        fields_set(x, o);
        if (x == account())
            W.account_enabled = x->enabled;
        if (x->kind == USER)
            event_add("UPDATE", "USER", tf("users/%s", x->id), tf("{'enabled':%b}", x->enabled), by);
        to = json_text(o, "new_username");
    }
    if (removed && (x->kind == USER || x->kind == ROLE)) /* S22 */
        event_add("DELETE", x->kind == USER ? "USER" : role_type(x),
                  x->kind == USER ? tf("users/%s", x->id) : tf("roles/%s", x->name), NULL, by);
    if (removed)
        thing_del(x);
    else if (strcmp(verb, "inactive") == 0)
        x->enabled = false;
    else if (strcmp(verb, "move") == 0 && x->kind == GROUP)
        group_move(x, parent == NULL ? NULL : need(GROUP, parent, NULL));
    else if (to != NULL)
        thing_rename(x, to);
    else if (strcmp(verb, "set") != 0)
        fail("unknown edit");
}

/* ---- what ties two; S22: what the server would record ---- */

static void
role_grant(json_object *o, bool give)
{
    struct thing *r = named(ROLE, o, "role");
    bool user = json_text(o, "username") != NULL;
    struct thing *to = r == NULL ? NULL : user ? named(USER, o, "username") : named(GROUP, o, "group");
    if (to == NULL)
        return;
    (void) tie(to, r, give);
    const char *path = tf("%s/%s/role-mappings/%s%s", user ? "users" : "groups", to->id,
                          r->up == NULL ? "realm" : "clients/", r->up == NULL ? "" : r->up->id);
    event_role(give ? "CREATE" : "DELETE", tf("%s_MAPPING", role_type(r)), path, r, json_text(o, "by"));
}

static void
composite(json_object *o, bool put)
{
    struct thing *r = named(ROLE, o, "role"),
                 *child = need_role(json_text(o, "child_client"), json_text(o, "child"));
    if (r == NULL || child == NULL)
        return;
    (void) tie(r, child, put);
    event_role(put ? "CREATE" : "DELETE", role_type(r), tf("roles/%s/composites", r->name), child,
               json_text(o, "by"));
}

static void
membership(json_object *o, bool in)
{
    struct thing *g = named(GROUP, o, "group"), *u = named(USER, o, "username");
    if (g != NULL && u != NULL && tie(u, g, in)) /* no event when it was so already */
        event_add(in ? "CREATE" : "DELETE", "GROUP_MEMBERSHIP", tf("users/%s/groups/%s", u->id, g->id),
                  tf("{'id':%q,'name':%q,'path':%q}", g->id, g->name, group_path(g)), json_text(o, "by"));
}

static void
dbx_member(json_object *o, bool in)
{
    struct thing *g = named(DBX_GROUP, o, "group"), *m = named(KINDS, o, "member");
    if (g != NULL && m != NULL)
        (void) tie(m, g, in);
}

/* ---- what is there once ---- */

static void
setting(json_object *o, bool unused)
{
    (void) unused;
    const char *op = json_text(o, "op"), *id = json_text(o, "component");
    if (strcmp(op, "kc_not_before") == 0) /* by default tokens issued in this second die too */
        W.not_before = json_int(o, "unix_s", clock_unix_ms() / 1000 + 1);
    else if (strcmp(op, "kc_client") == 0)
        W.client_enabled = json_flag(o, "enabled", W.client_enabled);
    else if (strcmp(op, "kc_permissions") == 0)
        permissions_set(json_get(o, "permissions"));
    else if (strcmp(op, "dbx_token") == 0)
        W.pat = keep(json_str(json_get(o, "token")));
    else if (strcmp(op, "dbx_secret") == 0)
        W.dbx_secret = keep(json_str(json_get(o, "secret")));
    else if (strcmp(op, "kc_secret") == 0) {
        /* S24: the old one is dead at once, unless the realm rotates; tokens live on */
        W.kc_rotated = json_flag(o, "rotate", false) ? W.kc_secret : NULL;
        W.kc_secret = keep(json_str(json_get(o, "secret")));
    } else if (!directory_set(id, json_text(o, "mode"), json_text(o, "cache"),
                              json_get(o, "down") == NULL ? -1 : json_flag(o, "down", false)))
        fail("no component '%s'", id != NULL ? id : "(not given)");
}

static const struct {
    const char *op;
    void (*run)(json_object *o, bool arg);
    bool arg;
} table[] = {
    {"kc_role_grant", role_grant, true},   {"kc_role_revoke", role_grant, false},
    {"kc_composite_add", composite, true}, {"kc_composite_remove", composite, false},
    {"kc_group_join", membership, true},   {"kc_group_leave", membership, false},
    {"dbx_member_add", dbx_member, true},  {"dbx_member_remove", dbx_member, false},
    {"kc_secret", setting, false},         {"dbx_secret", setting, false},
    {"kc_not_before", setting, false},     {"kc_client", setting, false},
    {"kc_permissions", setting, false},    {"kc_directory", setting, false},
    {"dbx_token", setting, false},
};

static void
one(json_object *o, const char *op)
{
    for (size_t i = 0; i < COUNT(table); i++)
        if (strcmp(table[i].op, op) == 0) {
            table[i].run(o, table[i].arg);
            return;
        }
    for (const struct noun *n = nouns; n < nouns + COUNT(nouns); n++)
        if (begins(op, n->word)) {
            const char *verb = op + strlen(n->word);
            struct thing *x = strcmp(verb, "add") == 0 ? NULL : named(n->kind, o, n->key);
            if (strcmp(verb, "add") == 0)
                add(n, o);
            else if (x != NULL)
                change(x, o, verb);
            return;
        }
    fail("unknown edit");
}

const char *
edit_apply(json_object *list)
{
    if (!json_is(list, json_type_array))
        return "want a JSON list of edits";
    const char *bad = NULL;
    pthread_rwlock_wrlock(&world_lock);
    W.acting_n = 0;
    W.acting = "edit";
    for (size_t i = 0; i < json_len(list) && bad == NULL; i++) {
        const char *op = json_text(json_at(list, i), "op");
        problem = NULL;
        one(json_at(list, i), op != NULL ? op : "(none)");
        bad = problem != NULL ? tf("%s: %s", op, problem) : NULL;
        problem = NULL;
    }
    pthread_rwlock_unlock(&world_lock);
    return bad;
}
