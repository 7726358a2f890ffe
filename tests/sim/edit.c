/* tests/sim/edit.c: changes of the world by name, as an administrator or a stranger would make them; see
 * control.h. */
#include "tests/sim/control.h"
#include "tests/sim/world.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One edit: the operation, and what went wrong. */
struct edit {
    json_object *o;
    const char *op;
    char *err;
    int64_t n;
};

static int
missing(struct edit *e, const char *what, const char *name)
{
    if (e->err == NULL)
        e->err = xfmt("%s: no %s '%s'", e->op, what, name == NULL ? "(not given)" : name);
    return -1;
}

static int
need_user(struct edit *e)
{
    const char *name = json_text(e->o, "username");
    int u = name == NULL ? -1 : user_find(name);
    return u >= 0 ? u : missing(e, "user", name);
}

static int
role_by(struct edit *e, const char *name_key, const char *client_key)
{
    const char *name = json_text(e->o, name_key), *cid = json_text(e->o, client_key);
    int c = cid == NULL ? -1 : client_find(cid);
    if (cid != NULL && c < 0)
        return missing(e, "client", cid);
    int r = name == NULL ? -1 : role_find(c, name);
    return r >= 0 ? r : missing(e, "role", name);
}

static int
need_group(struct edit *e)
{
    const char *path = json_text(e->o, "group"), *id = json_text(e->o, "group_id");
    int g = id != NULL ? map_get(&W.group_id, id) : path == NULL ? -1 : group_find(path);
    return g >= 0 ? g : missing(e, "group", id != NULL ? id : path);
}

static void
set_attributes(int u, json_object *attrs)
{
    if (!json_object_is_type(attrs, json_type_object))
        return;
    json_object_object_foreach(attrs, key, v)
    {
        const char *val[32];
        int n = 0;
        if (json_object_is_type(v, json_type_array)) {
            for (size_t i = 0; i < json_object_array_length(v) && n < 32; i++)
                val[n++] = json_object_get_string(json_object_array_get_idx(v, i));
        } else if (v != NULL)
            val[n++] = json_object_get_string(v);
        attr_set(&W.users[u].attrs, key, val, n);
    }
}

/* Fields of a user that are present in the edit; null takes one away. */
static void
user_fields(int u, json_object *o)
{
    struct user *x = &W.users[u];

    const struct {
        const char *key;
        char **at;
    } t[] = {{"email", &x->email},
             {"firstName", &x->first},
             {"lastName", &x->last},
             {"federationLink", &x->fedlink}};

    json_object *v = NULL;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (json_object_object_get_ex(o, t[i].key, &v))
            str_set(t[i].at, v == NULL ? NULL : json_object_get_string(v));
    x->enabled = json_flag(o, "enabled", x->enabled);
    x->off_there = json_flag(o, "disabled_in_directory", x->off_there);
    x->locked = json_flag(o, "locked", x->locked);
    x->verified = json_flag(o, "emailVerified", x->verified);
    if (json_object_object_get_ex(o, "attributes", &v) || json_object_object_get_ex(o, "attribute", &v))
        set_attributes(u, v);
    int c = client_find(W.kc_client);
    if (c >= 0 && W.clients[c].account == u)
        W.account_enabled = x->enabled;
}

/* ---- S22: what the server would record ---- */

static void
record_roles(struct edit *e, bool gave, int role, char *path)
{
    const char *type = W.roles[role].client < 0 ? "REALM_ROLE_MAPPING" : "CLIENT_ROLE_MAPPING";
    event_roles(gave ? "CREATE" : "DELETE", type, path, role, json_text(e->o, "by"));
    free(path);
}

static char *
mapping_path(const char *kind, const char *id, int role)
{
    int c = W.roles[role].client;
    return c < 0 ? xfmt("%s/%s/role-mappings/realm", kind, id)
                 : xfmt("%s/%s/role-mappings/clients/%s", kind, id, W.clients[c].id);
}

static void
record_member(struct edit *e, bool joined, int u, int g)
{
    struct buf b = {0};
    char *path = xfmt("users/%s/groups/%s", W.users[u].id, W.groups[g].id);
    buf_lit(&b, "{\"id\":");
    buf_json(&b, W.groups[g].id);
    buf_key(&b, "name", W.groups[g].name);
    buf_key(&b, "path", W.groups[g].path);
    buf_lit(&b, "}");
    event_add(joined ? "CREATE" : "DELETE", "GROUP_MEMBERSHIP", path, b.p, json_text(e->o, "by"));
    buf_free(&b);
    free(path);
}

static void
record_user(struct edit *e, const char *operation, int u)
{
    char *path = xfmt("users/%s", W.users[u].id);
    const char *rep = W.users[u].enabled ? "{\"enabled\":true}" : "{\"enabled\":false}";
    event_add(operation, "USER", path, strcmp(operation, "UPDATE") == 0 ? rep : NULL, json_text(e->o, "by"));
    free(path);
}

static void
user_op(struct edit *e)
{
    const char *name = json_text(e->o, "username");
    if (strcmp(e->op, "kc_user_add") == 0) {
        if (name == NULL || user_find(name) >= 0) {
            e->err = xfmt("%s: user name missing or taken", e->op);
            return;
        }
        int u = user_new(name, json_text(e->o, "id"));
        user_fields(u, e->o);
        if (W.default_role >= 0 && json_flag(e->o, "default_role", true)) /* S21 */
            user_grant(u, W.default_role);
        for (int i = 0; i < W.default_groups.n; i++)
            user_join(u, W.default_groups.v[i]);
        return;
    }
    int u = need_user(e);
    if (u < 0)
        return;
    if (strcmp(e->op, "kc_user_remove") == 0) {
        record_user(e, "DELETE", u);
        user_del(u);
        return;
    }
    user_fields(u, e->o);
    record_user(e, "UPDATE", u);
    if (json_text(e->o, "new_username") != NULL)
        user_rename(u, json_text(e->o, "new_username"));
}

static void
directory_op(struct edit *e)
{
    const char *component = json_text(e->o, "component");
    json_object *down = NULL;
    int state = json_object_object_get_ex(e->o, "down", &down) ? json_object_get_boolean(down) : -1;
    if (component == NULL ||
        !directory_set(component, json_text(e->o, "mode"), json_text(e->o, "cache"), state))
        (void) missing(e, "component", component);
}

static void
grant_op(struct edit *e)
{
    bool grant = strcmp(e->op, "kc_role_grant") == 0;
    int r = role_by(e, "role", "client");
    if (r < 0)
        return;
    if (json_text(e->o, "username") != NULL) {
        int u = need_user(e);
        if (u < 0)
            return;
        (void) (grant ? user_grant(u, r) : user_revoke(u, r));
        record_roles(e, grant, r, mapping_path("users", W.users[u].id, r)); /* also when it was so already */
    } else {
        int g = need_group(e);
        if (g < 0)
            return;
        (void) (grant ? group_grant(g, r) : group_revoke(g, r));
        record_roles(e, grant, r, mapping_path("groups", W.groups[g].id, r));
    }
}

static void
role_op(struct edit *e)
{
    const char *name = json_text(e->o, "role"), *cid = json_text(e->o, "client");
    if (strcmp(e->op, "kc_role_add") == 0) {
        int c = cid == NULL ? -1 : client_find(cid);
        if (name == NULL || (cid != NULL && c < 0) || role_find(c, name) >= 0)
            e->err = xfmt("%s: role name missing or taken, or no such client", e->op);
        else
            (void) role_new(c, name, json_text(e->o, "id"));
        return;
    }
    int r = role_by(e, "role", "client");
    if (r < 0)
        return;
    if (strcmp(e->op, "kc_role_delete") == 0) {
        char *path = xfmt("roles/%s", W.roles[r].name);
        event_add("DELETE", cid == NULL ? "REALM_ROLE" : "CLIENT_ROLE", path, NULL, json_text(e->o, "by"));
        free(path);
        role_del(r);
    } else if (json_text(e->o, "to") != NULL)
        role_rename(r, json_text(e->o, "to"));
}

static void
group_op(struct edit *e)
{
    if (strcmp(e->op, "kc_group_add") ==
        0) { /* group: "/a/b", or parent: "/a" and name (which may hold '/') */
        const char *path = json_text(e->o, "group"), *parent = json_text(e->o, "parent"),
                   *name = json_text(e->o, "name");
        char *up = parent != NULL ? xdup(parent)
                   : path != NULL && strrchr(path, '/') != NULL
                       ? xsub(path, (size_t) (strrchr(path, '/') - path))
                       : xdup("");
        int p = up[0] == '\0' ? -1 : group_find(up);
        if (up[0] != '\0' && p < 0)
            (void) missing(e, "group", up);
        else
            (void) group_new(p,
                             name != NULL                                 ? name
                             : path != NULL && strrchr(path, '/') != NULL ? strrchr(path, '/') + 1
                                                                          : "unnamed",
                             json_text(e->o, "id"));
        free(up);
        return;
    }
    int g = need_group(e);
    if (g < 0)
        return;
    if (strcmp(e->op, "kc_group_delete") == 0)
        group_del(g);
    else if (strcmp(e->op, "kc_group_rename") == 0 && json_text(e->o, "to") != NULL)
        group_rename(g, json_text(e->o, "to"));
    else if (strcmp(e->op, "kc_group_move") == 0)
        group_move(g, json_text(e->o, "parent") == NULL ? -1 : group_find(json_text(e->o, "parent")));
    else {
        int u = need_user(e);
        bool join = strcmp(e->op, "kc_group_join") == 0;
        if (u >= 0 && (join ? user_join(u, g) : user_leave(u, g))) /* no event when it was so already */
            record_member(e, join, u, g);
    }
}

static void
composite_op(struct edit *e)
{
    int r = role_by(e, "role", "client"), child = role_by(e, "child", "child_client");
    bool put = strcmp(e->op, "kc_composite_add") == 0;
    if (r < 0 || child < 0)
        return;
    (void) (put ? comp_add(r, child) : comp_drop(r, child));
    char *path = xfmt("roles/%s/composites", W.roles[r].name);
    event_roles(put ? "CREATE" : "DELETE", W.roles[r].client < 0 ? "REALM_ROLE" : "CLIENT_ROLE", path, child,
                json_text(e->o, "by"));
    free(path);
}

static void
realm_op(struct edit *e)
{
    json_object *v = NULL;
    if (strcmp(e->op, "kc_secret") == 0 && json_text(e->o, "secret") != NULL) {
        /* S24: the old one is dead at once, unless the realm rotates; tokens live on */
        W.kc_rotated = json_flag(e->o, "rotate", false) ? W.kc_secret : NULL;
        W.kc_secret = keep(json_text(e->o, "secret"));
    } else if (strcmp(e->op, "kc_not_before") == 0) {
        W.not_before = clock_unix_ms() / 1000 + 1; /* tokens issued in this second die too */
        if (json_object_object_get_ex(e->o, "unix_s", &v))
            W.not_before = json_object_get_int64(v);
    } else if (strcmp(e->op, "kc_client") == 0)
        W.client_enabled = json_flag(e->o, "enabled", W.client_enabled);
    else if (strcmp(e->op, "kc_permissions") == 0 && json_object_object_get_ex(e->o, "permissions", &v) &&
             json_object_is_type(v, json_type_array)) {
        W.permissions = 0;
        for (size_t i = 0; i < json_object_array_length(v); i++)
            W.permissions |= permission_of(json_object_get_string(json_object_array_get_idx(v, i)));
    } else if (strcmp(e->op, "dbx_secret") == 0 && json_text(e->o, "secret") != NULL)
        W.dbx_secret = keep(json_text(e->o, "secret"));
    else if (strcmp(e->op, "dbx_token") == 0 && json_text(e->o, "token") != NULL)
        W.pat = keep(json_text(e->o, "token"));
    else
        e->err = xfmt("%s: a field is missing", e->op);
}

static int
need_ent(struct edit *e, const char *key, const char *kinds)
{
    const char *name = json_text(e->o, key);
    bool local = json_text(e->o, "level") != NULL && strcmp(json_text(e->o, "level"), "workspace") == 0;
    for (const char *k = kinds; name != NULL && *k != '\0'; k++) {
        int x = ent_find(*k, name, local);
        if (x < 0 && *k == 'G')
            x = ent_find(*k, name, !local);
        if (x >= 0)
            return x;
    }
    return missing(e, key, name);
}

static void
ent_add_op(struct edit *e, char kind)
{
    const char *name = json_text(e->o, kind == 'U' ? "userName" : kind == 'G' ? "group" : "displayName");
    bool local = json_text(e->o, "level") != NULL && strcmp(json_text(e->o, "level"), "workspace") == 0;
    const char *appid = json_text(e->o, "applicationId");
    if (name == NULL)
        name = appid;
    if (name == NULL ||
        (kind != 'S' && ent_find(kind, name, local) >= 0 && !json_flag(e->o, "force", false))) {
        e->err = xfmt("%s: name missing or taken", e->op);
        return;
    }
    int x = ent_new(kind, name, json_text(e->o, "id"), local);
    if (kind == 'U')
        str_set(&W.ents[x].display,
                json_text(e->o, "displayName") != NULL ? json_text(e->o, "displayName") : name);
    if (kind == 'S')
        W.ents[x].appid = appid != NULL ? xdup(appid) : rng_uuid(&W.rng);
    str_set(&W.ents[x].ext, json_text(e->o, "externalId"));
    W.ents[x].active = json_flag(e->o, "active", true);
}

static void
dbx_op(struct edit *e)
{
    const char *op = e->op + 4;
    if (strcmp(op, "member_add") == 0 || strcmp(op, "member_remove") == 0) {
        int g = need_ent(e, "group", "G"), m = need_ent(e, "member", "USG");
        if (g >= 0 && m >= 0)
            (void) (op[7] == 'a' ? member_add(g, m, 0, "edit") : member_drop(g, m, 0, "edit"));
    } else if (strcmp(op, "group_add") == 0)
        ent_add_op(e, 'G');
    else if (strcmp(op, "user_add") == 0)
        ent_add_op(e, 'U');
    else if (strcmp(op, "sp_add") == 0)
        ent_add_op(e, 'S');
    else {
        char kind = op[0] == 'g' ? 'G' : op[0] == 'u' ? 'U' : 'S';
        char kinds[2] = {kind, '\0'};
        int x = need_ent(e, kind == 'G' ? "group" : kind == 'U' ? "userName" : "applicationId", kinds);
        const char *verb = strchr(op, '_') == NULL ? "" : strchr(op, '_') + 1;
        json_object *v = NULL;
        if (x < 0)
            return;
        if (strcmp(verb, "delete") == 0)
            ent_del(x, 0, "edit");
        else if (strcmp(verb, "inactive") == 0)
            W.ents[x].active = false;
        else if (strcmp(verb, "rename") == 0 && json_text(e->o, "to") != NULL)
            ent_rename(x, json_text(e->o, "to"));
        else if (strcmp(verb, "set") == 0) {
            W.ents[x].active = json_flag(e->o, "active", W.ents[x].active);
            if (json_object_object_get_ex(e->o, "externalId", &v))
                str_set(&W.ents[x].ext, json_object_get_string(v));
            if (json_object_object_get_ex(e->o, "displayName", &v) && kind != 'G')
                str_set(&W.ents[x].display, json_object_get_string(v));
        } else
            e->err = xfmt("unknown edit '%s'", e->op);
    }
}

static void
one(struct edit *e)
{
    static const struct {
        const char *op;
        void (*run)(struct edit *e);
    } t[] = {
        {"kc_user_add", user_op},
        {"kc_user_remove", user_op},
        {"kc_user_set", user_op},
        {"kc_role_grant", grant_op},
        {"kc_role_revoke", grant_op},
        {"kc_role_add", role_op},
        {"kc_role_delete", role_op},
        {"kc_role_rename", role_op},
        {"kc_group_add", group_op},
        {"kc_group_delete", group_op},
        {"kc_group_rename", group_op},
        {"kc_group_move", group_op},
        {"kc_group_join", group_op},
        {"kc_group_leave", group_op},
        {"kc_composite_add", composite_op},
        {"kc_composite_remove", composite_op},
        {"kc_directory", directory_op},
        {"kc_secret", realm_op},
        {"kc_not_before", realm_op},
        {"kc_client", realm_op},
        {"kc_permissions", realm_op},
        {"dbx_secret", realm_op},
        {"dbx_token", realm_op},
    };

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (strcmp(t[i].op, e->op) == 0) {
            t[i].run(e);
            return;
        }
    if (strncmp(e->op, "dbx_", 4) == 0)
        dbx_op(e);
    else
        e->err = xfmt("unknown edit '%s'", e->op);
}

bool
edit_apply(const char *json, int64_t n, char **err)
{
    json_object *list = json_parse(json);
    char *bad = NULL;
    if (!json_object_is_type(list, json_type_array))
        bad = xdup("want a JSON list of edits");
    pthread_rwlock_wrlock(&world_lock);
    for (size_t i = 0; bad == NULL && i < json_object_array_length(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        struct edit e = {.o = o, .op = json_text(o, "op") != NULL ? json_text(o, "op") : "(none)", .n = n};
        one(&e);
        bad = e.err;
    }
    pthread_rwlock_unlock(&world_lock);
    json_object_put(list);
    bool ok = bad == NULL;
    if (err != NULL)
        *err = bad;
    else
        free(bad);
    return ok;
}
