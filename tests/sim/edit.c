/* tests/sim/edit.c: changes of the world by name, as an administrator or a stranger would make them; see control.h. */
#include "tests/sim/control.h"
#include "tests/sim/fields.h"

#include <stdlib.h>
#include <string.h>

/* ---- S22: what the server would record ---- */

static const char *
by(json_object *o)
{
    return json_text(o, "by");
}

static void
record_mapping(json_object *o, bool gave, const struct thing *role, const char *whose, const struct thing *x)
{
    const char *path = role->up == NULL ? tf("%s/%s/role-mappings/realm", whose, x->id)
                                        : tf("%s/%s/role-mappings/clients/%s", whose, x->id, role->up->id);
    event_role(gave ? "CREATE" : "DELETE", role->up == NULL ? "REALM_ROLE_MAPPING" : "CLIENT_ROLE_MAPPING",
               path, role, by(o));
}

static const char *
role_type(const struct thing *role)
{
    return role->up == NULL ? "REALM_ROLE" : "CLIENT_ROLE";
}

/* ---- the realm: `arg` is what the table below says ---- */

static void
set_user(struct thing *u, json_object *o)
{
    fields_set(u, o);
    if (account() == u)
        W.account_enabled = u->enabled;
}

static void
user_add(json_object *o, int arg)
{
    const char *name = json_text(o, "username");
    (void) arg;
    if (name == NULL || user_find(name) != NULL) {
        fail("user name missing or taken");
        return;
    }
    struct thing *u = thing_new(USER, name, json_text(o, "id"), NULL, false);
    set_user(u, o);
    if (W.default_role != NULL && json_flag(o, "default_role", true)) /* S21 */
        grant(W.default_role, u);
    for (int i = 0; i < W.default_groups.n; i++)
        join(W.default_groups.v[i], u);
}

static void
user_change(json_object *o, int remove)
{
    struct thing *u = need_user(json_text(o, "username"));
    if (u == NULL)
        return;
    if (!remove)
        set_user(u, o);
    event_add(remove ? "DELETE" : "UPDATE", "USER", tf("users/%s", u->id),
              remove ? NULL : tf("{'enabled':%b}", u->enabled), by(o));
    if (remove)
        thing_del(u, 0, "edit");
    else if (json_text(o, "new_username") != NULL)
        thing_rename(u, json_text(o, "new_username"));
}

static void
role_grant(json_object *o, int give)
{
    struct thing *r = need_role(json_text(o, "client"), json_text(o, "role"));
    bool user = json_text(o, "username") != NULL;
    const char *group = json_text(o, json_text(o, "group_id") != NULL ? "group_id" : "group");
    struct thing *to = r == NULL ? NULL : user ? need_user(json_text(o, "username")) : need_group(group);
    if (to == NULL)
        return;
    (void) (give ? grant(r, to) : ungrant(r, to));
    record_mapping(o, give, r, user ? "users" : "groups", to); /* also when it was so already */
}

static void
role_add(json_object *o, int arg)
{
    const char *name = json_text(o, "role"), *cid = json_text(o, "client");
    struct thing *c = cid == NULL ? NULL : need_client(cid);
    (void) arg;
    if (name == NULL || (cid != NULL && c == NULL) || role_find(c, name) != NULL)
        fail("role name missing or taken");
    else
        (void) thing_new(ROLE, name, json_text(o, "id"), c, false);
}

static void
role_change(json_object *o, int remove)
{
    struct thing *r = need_role(json_text(o, "client"), json_text(o, "role"));
    if (r != NULL && remove) {
        event_add("DELETE", role_type(r), tf("roles/%s", r->name), NULL, by(o));
        thing_del(r, 0, "edit");
    } else if (r != NULL && json_text(o, "to") != NULL)
        thing_rename(r, json_text(o, "to"));
}

static void
composite(json_object *o, int put)
{
    struct thing *r = need_role(json_text(o, "client"), json_text(o, "role")),
                 *child = need_role(json_text(o, "child_client"), json_text(o, "child"));
    if (r == NULL || child == NULL)
        return;
    list_drop(&r->roles, child);
    if (put)
        list_add(&r->roles, child);
    event_role(put ? "CREATE" : "DELETE", role_type(r), tf("roles/%s/composites", r->name), child, by(o));
}

/* group: "/a/b", or parent: "/a" and name (which may hold '/') */
static void
group_add(json_object *o, int arg)
{
    const char *path = json_text(o, "group"), *up = json_text(o, "parent"), *name = json_text(o, "name");
    const char *last = path == NULL ? NULL : strrchr(path, '/');
    (void) arg;
    if (up == NULL)
        up = last == NULL ? "" : tsub(path, (size_t) (last - path));
    struct thing *parent = up[0] == '\0' ? NULL : need_group(up);
    name = name != NULL ? name : last != NULL ? last + 1 : "unnamed";
    if (up[0] == '\0' || parent != NULL)
        fields_set(thing_new(GROUP, name, json_text(o, "id"), parent, false), o);
}

enum { DELETE, RENAME, MOVE, LEAVE, JOIN };

static void
group_change(json_object *o, int what)
{
    struct thing *g = need_group(json_text(o, json_text(o, "group_id") != NULL ? "group_id" : "group"));
    struct thing *u = g == NULL || what < LEAVE ? NULL : need_user(json_text(o, "username"));
    const char *to = json_text(o, what == RENAME ? "to" : "parent");
    if (g == NULL || (what >= LEAVE && u == NULL))
        return;
    if (what == DELETE)
        thing_del(g, 0, "edit");
    else if (what == RENAME && to != NULL)
        thing_rename(g, to);
    else if (what == MOVE)
        group_move(g, to == NULL ? NULL : need_group(to));
    else if (what >= LEAVE && (what == JOIN ? join(g, u) : leave(g, u))) /* no event when it was so already */
        event_add(what == JOIN ? "CREATE" : "DELETE", "GROUP_MEMBERSHIP",
                  tf("users/%s/groups/%s", u->id, g->id),
                  tf("{'id':%q,'name':%q,'path':%q}", g->id, g->name, group_path(g)), by(o));
}

static void
directory(json_object *o, int arg)
{
    const char *id = json_text(o, "component");
    (void) arg;
    int down = json_get(o, "down") == NULL ? -1 : json_flag(o, "down", false);
    if (id == NULL || !directory_set(id, json_text(o, "mode"), json_text(o, "cache"), down))
        fail("no component '%s'", id != NULL ? id : "(not given)");
}

static void
not_before(json_object *o, int arg)
{
    (void) arg; /* by default tokens issued in this second die too */
    W.not_before = json_int(o, "unix_s", clock_unix_ms() / 1000 + 1);
}

static void
client(json_object *o, int arg)
{
    (void) arg;
    W.client_enabled = json_flag(o, "enabled", W.client_enabled);
}

static void
permissions(json_object *o, int arg)
{
    (void) arg;
    permissions_set(json_get(o, "permissions"));
}

static void
kc_secret(json_object *o, int arg)
{
    (void) arg; /* S24: the old one is dead at once, unless the realm rotates; tokens live on */
    W.kc_rotated = json_flag(o, "rotate", false) ? W.kc_secret : NULL;
    W.kc_secret = keep(json_str(json_get(o, "secret")));
}

static void
dbx_secret(json_object *o, int token)
{
    *(token ? &W.pat : &W.dbx_secret) = keep(json_str(json_get(o, token ? "token" : "secret")));
}

/* ---- Databricks ---- */

static void
dbx_member(json_object *o, int add)
{
    struct thing *g = need_dbx(json_text(o, "group"), "G", wants_local(o, false)),
                 *m = need_dbx(json_text(o, "member"), "USG", wants_local(o, false));
    if (g != NULL && m != NULL)
        (void) (add ? member_add(g, m, 0, "edit") : member_drop(g, m, 0, "edit"));
}

static const char *
dbx_key(enum kind kind)
{
    return kind == DBX_USER ? "userName" : kind == DBX_GROUP ? "group" : "applicationId";
}

static void
dbx_add(json_object *o, int kind)
{
    const char *name = json_text(o, kind == DBX_SP ? "displayName" : dbx_key((enum kind) kind));
    bool local = kind == DBX_GROUP && wants_local(o, false);
    if (name != NULL && kind != DBX_SP && !json_flag(o, "force", false) &&
        dbx_find_name((enum kind) kind, name, local) != NULL)
        fail("name taken: '%s'", name);
    else
        (void) dbx_new((enum kind) kind, o, name, local);
}

static struct thing *
dbx_one(json_object *o, int kind)
{
    return need_dbx(json_text(o, dbx_key((enum kind) kind)),
                    kind == DBX_USER ? "U"
                    : kind == DBX_SP ? "S"
                                     : "G",
                    wants_local(o, false));
}

static void
dbx_delete(json_object *o, int kind)
{
    struct thing *x = dbx_one(o, kind);
    if (x != NULL)
        thing_del(x, 0, "edit");
}

static void
dbx_set(json_object *o, int kind)
{
    struct thing *x = dbx_one(o, kind);
    if (x != NULL)
        fields_set(x, o);
}

static void
dbx_inactive(json_object *o, int kind)
{
    struct thing *x = dbx_one(o, kind);
    if (x != NULL)
        x->enabled = false;
}

static void
dbx_rename(json_object *o, int kind)
{
    struct thing *x = dbx_one(o, kind);
    if (x != NULL && json_text(o, "to") != NULL)
        thing_rename(x, json_text(o, "to"));
}

static const struct {
    const char *op;
    void (*run)(json_object *o, int arg);
    int arg;
} table[] = {
    {"kc_user_add", user_add, 0},
    {"kc_user_set", user_change, false},
    {"kc_user_remove", user_change, true},
    {"kc_role_grant", role_grant, true},
    {"kc_role_revoke", role_grant, false},
    {"kc_role_add", role_add, 0},
    {"kc_role_delete", role_change, true},
    {"kc_role_rename", role_change, false},
    {"kc_composite_add", composite, true},
    {"kc_composite_remove", composite, false},
    {"kc_group_add", group_add, 0},
    {"kc_group_delete", group_change, DELETE},
    {"kc_group_rename", group_change, RENAME},
    {"kc_group_move", group_change, MOVE},
    {"kc_group_join", group_change, JOIN},
    {"kc_group_leave", group_change, LEAVE},
    {"kc_directory", directory, 0},
    {"kc_secret", kc_secret, 0},
    {"kc_not_before", not_before, 0},
    {"kc_client", client, 0},
    {"kc_permissions", permissions, 0},
    {"dbx_secret", dbx_secret, false},
    {"dbx_token", dbx_secret, true},
    {"dbx_member_add", dbx_member, true},
    {"dbx_member_remove", dbx_member, false},
    {"dbx_group_add", dbx_add, DBX_GROUP},
    {"dbx_group_delete", dbx_delete, DBX_GROUP},
    {"dbx_group_rename", dbx_rename, DBX_GROUP},
    {"dbx_group_set", dbx_set, DBX_GROUP},
    {"dbx_user_add", dbx_add, DBX_USER},
    {"dbx_user_delete", dbx_delete, DBX_USER},
    {"dbx_user_rename", dbx_rename, DBX_USER},
    {"dbx_user_inactive", dbx_inactive, DBX_USER},
    {"dbx_user_set", dbx_set, DBX_USER},
    {"dbx_sp_add", dbx_add, DBX_SP},
    {"dbx_sp_delete", dbx_delete, DBX_SP},
    {"dbx_sp_inactive", dbx_inactive, DBX_SP},
    {"dbx_sp_set", dbx_set, DBX_SP},
};

const char *
edit_apply(json_object *list)
{
    if (!json_object_is_type(list, json_type_array))
        return "want a JSON list of edits";
    const char *bad = NULL;
    pthread_rwlock_wrlock(&world_lock);
    for (size_t i = 0; i < json_len(list) && bad == NULL; i++) {
        const char *op = json_text(json_at(list, i), "op");
        size_t k = 0;
        while (k < COUNT(table) && !same(table[k].op, op))
            k++;
        problem = NULL;
        if (k == COUNT(table))
            bad = tf("unknown edit '%s'", op != NULL ? op : "(none)");
        else
            table[k].run(json_at(list, i), table[k].arg);
        bad = problem != NULL ? tf("%s: %s", op, problem) : bad;
        problem = NULL;
    }
    pthread_rwlock_unlock(&world_lock);
    return bad;
}
