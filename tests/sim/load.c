/* tests/sim/load.c: a small world written by hand (--world FILE.json); README.md has the schema. Names of
 * fields are those of a realm export where one exists. */
#include "tests/sim/company.h"

#include "tests/sim/control.h"

#include <stdlib.h>
#include <string.h>

struct load {
    char *err;
};

static size_t
count(json_object *list)
{
    return list == NULL ? 0 : json_object_array_length(list);
}

static void
fail(struct load *l, const char *what, const char *name)
{
    if (l->err == NULL)
        l->err = xfmt("%s '%s'", what, name != NULL ? name : "(none)");
}

/* Unknown keys are refused: a typing error must not make another world. */
static void
known(struct load *l, json_object *o, const char *where, const char *keys)
{
    if (!json_object_is_type(o, json_type_object)) {
        fail(l, "want an object for", where);
        return;
    }
    json_object_object_foreach(o, key, v)
    {
        (void) v;
        char *padded = xfmt(" %s ", key);
        char *all = xfmt(" %s ", keys);
        if (strstr(all, padded) == NULL) {
            char *at = xfmt("%s.%s", where, key);
            fail(l, "unknown key", at);
            free(at);
        }
        free(padded);
        free(all);
    }
}

static void
attributes(struct attrs *a, json_object *o)
{
    if (o == NULL)
        return;
    json_object_object_foreach(o, key, v)
    {
        const char *val[32];
        int n = 0;
        for (size_t i = 0;
             json_object_is_type(v, json_type_array) && i < json_object_array_length(v) && n < 32; i++)
            val[n++] = json_object_get_string(json_object_array_get_idx(v, i));
        if (n == 0 && v != NULL && !json_object_is_type(v, json_type_array))
            val[n++] = json_object_get_string(v);
        attr_set(a, key, val, n);
    }
}

static int
role_of(struct load *l, const char *cid, const char *name)
{
    int c = cid == NULL ? -1 : client_find(cid);
    if (cid != NULL && c < 0) {
        fail(l, "no client", cid);
        return -1;
    }
    int r = role_find(c, name);
    if (r < 0)
        fail(l, "no role", name);
    return r;
}

static void
roles(struct load *l, int client, json_object *list)
{
    for (size_t i = 0; i < count(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        if (json_object_is_type(o, json_type_string)) {
            (void) role_new(client, json_object_get_string(o), NULL);
            continue;
        }
        known(l, o, "roles", "name id description composites");
        if (json_text(o, "name") == NULL) {
            fail(l, "a role without", "name");
            return;
        }
        int r = role_new(client, json_text(o, "name"), json_text(o, "id"));
        str_set(&W.roles[r].desc, json_text(o, "description"));
    }
}

/* composites: {"realm": [names], "client": {"portal": [names]}} */
static void
composites(struct load *l, int client, json_object *list)
{
    for (size_t i = 0; i < count(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        json_object *c =
            json_object_is_type(o, json_type_object) ? json_sub(o, "composites", json_type_object) : NULL;
        if (c == NULL)
            continue;
        int r = role_find(client, json_text(o, "name"));
        json_object *realm = json_sub(c, "realm", json_type_array),
                    *clients = json_sub(c, "client", json_type_object);
        for (size_t k = 0; k < count(realm); k++) {
            int child = role_of(l, NULL, json_object_get_string(json_object_array_get_idx(realm, k)));
            if (child >= 0)
                comp_add(r, child);
        }
        if (clients == NULL)
            continue;
        json_object_object_foreach(clients, cid, names)
        {
            for (size_t k = 0; k < count(names); k++) {
                int child = role_of(l, cid, json_object_get_string(json_object_array_get_idx(names, k)));
                if (child >= 0)
                    comp_add(r, child);
            }
        }
    }
}

/* Grants "roles"/"realmRoles" and "clientRoles" to a user (kind 'U') or a group ('G'). */
static void
grants(struct load *l, json_object *o, char kind, int who)
{
    json_object *plain[2] = {json_sub(o, "roles", json_type_array),
                             json_sub(o, "realmRoles", json_type_array)};
    for (int p = 0; p < 2; p++)
        for (size_t i = 0; i < count(plain[p]); i++) {
            int r = role_of(l, NULL, json_object_get_string(json_object_array_get_idx(plain[p], i)));
            if (r >= 0)
                (void) (kind == 'U' ? user_grant(who, r) : group_grant(who, r));
        }
    json_object *clients = json_sub(o, "clientRoles", json_type_object);
    if (clients == NULL)
        return;
    json_object_object_foreach(clients, cid, names)
    {
        for (size_t i = 0; i < count(names); i++) {
            int r = role_of(l, cid, json_object_get_string(json_object_array_get_idx(names, i)));
            if (r >= 0)
                (void) (kind == 'U' ? user_grant(who, r) : group_grant(who, r));
        }
    }
}

static void
groups(struct load *l, int parent, json_object *list)
{
    for (size_t i = 0; i < count(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        known(l, o, "groups", "name id attributes realmRoles roles clientRoles subGroups");
        if (l->err != NULL || json_text(o, "name") == NULL) {
            fail(l, "a group without", "name");
            return;
        }
        int g = group_new(parent, json_text(o, "name"), json_text(o, "id"));
        attributes(&W.groups[g].attrs, json_sub(o, "attributes", json_type_object));
        grants(l, o, 'G', g);
        groups(l, g, json_sub(o, "subGroups", json_type_array));
    }
}

static void
users(struct load *l, json_object *list)
{
    for (size_t i = 0; i < count(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        known(l, o, "users",
              "username id email firstName lastName enabled emailVerified attributes groups roles realmRoles "
              "clientRoles federationLink default_role");
        const char *name = l->err == NULL ? json_text(o, "username") : NULL;
        if (name == NULL || (user_find(name) >= 0 && strncmp(name, "service-account-", 16) != 0)) {
            fail(l, "user name missing or taken:", name);
            return;
        }
        int u = user_find(name) >= 0 ? user_find(name) : user_new(name, json_text(o, "id"));
        struct user *x = &W.users[u];
        str_set(&x->email, json_text(o, "email"));
        str_set(&x->first, json_text(o, "firstName"));
        str_set(&x->last, json_text(o, "lastName"));
        str_set(&x->fedlink, json_text(o, "federationLink"));
        x->enabled = json_flag(o, "enabled", true);
        x->verified = json_flag(o, "emailVerified", true);
        attributes(&x->attrs, json_sub(o, "attributes", json_type_object));
        if (json_flag(o, "default_role", true))
            user_grant(u, W.default_role);
        grants(l, o, 'U', u);
        json_object *paths = json_sub(o, "groups", json_type_array);
        for (size_t k = 0; k < count(paths); k++) {
            const char *path = json_object_get_string(json_object_array_get_idx(paths, k));
            int g = map_get(&W.group_id, path); /* an id, where a path is ambiguous */
            g = g >= 0 ? g : group_find(path);
            if (g < 0)
                fail(l, "no group", path);
            else
                user_join(u, g);
        }
    }
}

static void
clients(struct load *l, json_object *list)
{
    for (size_t i = 0; i < count(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        known(l, o, "clients", "clientId id roles service_account secret");
        if (l->err != NULL || json_text(o, "clientId") == NULL) {
            fail(l, "a client without", "clientId");
            return;
        }
        int c = client_find(json_text(o, "clientId"));
        c = c >= 0 ? c : client_new(json_text(o, "clientId"), json_text(o, "id"));
        str_set(&W.clients[c].secret, json_text(o, "secret"));
        roles(l, c, json_sub(o, "roles", json_type_array));
        if (json_flag(o, "service_account", false) && W.clients[c].account < 0) {
            char *name = xfmt("service-account-%s", json_text(o, "clientId"));
            W.clients[c].account = user_new(name, NULL);
            free(name);
        }
    }
}

static void
realm(struct load *l, json_object *o)
{
    known(l, o, "realm",
          "name base_path client_id client_secret permissions roles clients groups default_groups users "
          "components");
    if (l->err != NULL)
        return;

    const struct {
        const char *key;
        const char **at;
    } t[] = {{"name", &W.realm},
             {"base_path", &W.base},
             {"client_id", &W.kc_client},
             {"client_secret", &W.kc_secret}};

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (json_text(o, t[i].key) != NULL)
            *t[i].at = keep(json_text(o, t[i].key));
    json_object *p = json_sub(o, "permissions", json_type_array);
    if (p != NULL)
        W.permissions = 0;
    for (size_t i = 0; i < count(p); i++)
        W.permissions |= permission_of(json_object_get_string(json_object_array_get_idx(p, i)));
    char *low = lower(W.realm), *def = xfmt("default-roles-%s", low),
         *sa = xfmt("service-account-%s", W.kc_client);
    json_object *rl = json_sub(o, "roles", json_type_array), *cl = json_sub(o, "clients", json_type_array);
    roles(l, -1, rl);
    W.default_role = role_find(-1, def); /* the world may describe it, with an id and composites */
    if (W.default_role < 0)
        W.default_role = role_new(-1, def, NULL);
    int c = client_new(W.kc_client, NULL);
    W.clients[c].account = user_new(sa, NULL);
    user_grant(W.clients[c].account, W.default_role);
    free(low), free(def), free(sa);
    clients(l, cl);
    if (l->err != NULL)
        return;
    composites(l, -1, rl);
    for (size_t i = 0; i < count(cl); i++) {
        json_object *x = json_object_array_get_idx(cl, i);
        composites(l, client_find(json_text(x, "clientId")), json_sub(x, "roles", json_type_array));
    }
    groups(l, -1, json_sub(o, "groups", json_type_array));
    json_object *defaults = json_sub(o, "default_groups", json_type_array);
    for (size_t i = 0; i < count(defaults); i++) {
        int g = group_find(json_object_get_string(json_object_array_get_idx(defaults, i)));
        if (g < 0)
            fail(l, "no group", json_object_get_string(json_object_array_get_idx(defaults, i)));
        else
            ivec_push(&W.default_groups, g);
    }
    users(l, json_sub(o, "users", json_type_array));
    json_object *k = json_sub(o, "components", json_type_array);
    for (size_t i = 0; i < count(k); i++) {
        const char *name = json_text(json_object_array_get_idx(k, i), "name");
        attr_set(&W.components, json_text(json_object_array_get_idx(k, i), "id"), &name, 1);
    }
}

static int
member_of(json_object *m)
{
    if (json_object_is_type(m, json_type_object))
        return map_get(&W.ent_id, json_text(m, "id"));
    const char *name = json_object_get_string(m);
    int e = ent_find('U', name, false);
    e = e >= 0 ? e : ent_find('S', name, false);
    e = e >= 0 ? e : ent_find('G', name, false);
    return e >= 0 ? e : ent_find('G', name, true);
}

static void
principals(struct load *l, json_object *list, char kind)
{
    for (size_t i = 0; i < count(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        bool plain = json_object_is_type(o, json_type_string);
        if (!plain)
            known(l, o, kind == 'U' ? "databricks.users" : "databricks.service_principals",
                  "userName id displayName active externalId applicationId roles");
        const char *name =
            plain ? json_object_get_string(o) : json_text(o, kind == 'U' ? "userName" : "displayName");
        if (l->err != NULL || (name == NULL && kind == 'U')) {
            fail(l, "a principal without", "name");
            return;
        }
        const char *app = plain ? name : json_text(o, "applicationId");
        int e = ent_new(kind,
                        name != NULL  ? name
                        : app != NULL ? app
                                      : "sp",
                        plain ? NULL : json_text(o, "id"), false);
        if (kind == 'U')
            str_set(&W.ents[e].display,
                    !plain && json_text(o, "displayName") != NULL ? json_text(o, "displayName") : name);
        else
            W.ents[e].appid = app != NULL ? xdup(app) : rng_uuid(&W.rng);
        str_set(&W.ents[e].ext, plain ? NULL : json_text(o, "externalId"));
        W.ents[e].active = plain || json_flag(o, "active", true);
    }
}

static void
target_groups(struct load *l, json_object *list, bool local)
{
    for (size_t i = 0; i < count(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        known(l, o, "databricks.groups", "displayName id externalId members level system roles");
        if (l->err != NULL || json_text(o, "displayName") == NULL) {
            fail(l, "a group without", "displayName");
            return;
        }
        bool lo = json_text(o, "level") != NULL ? strcmp(json_text(o, "level"), "workspace") == 0 : local;
        int e = ent_new('G', json_text(o, "displayName"), json_text(o, "id"), lo);
        str_set(&W.ents[e].ext, json_text(o, "externalId"));
        W.ents[e].system = json_flag(o, "system", false);
    }
    for (size_t i = 0; i < count(list); i++) { /* members may be groups that come later */
        json_object *o = json_object_array_get_idx(list, i),
                    *members = json_sub(o, "members", json_type_array);
        bool lo = json_text(o, "level") != NULL ? strcmp(json_text(o, "level"), "workspace") == 0 : local;
        int g = json_text(o, "id") != NULL ? map_get(&W.ent_id, json_text(o, "id"))
                                           : ent_find('G', json_text(o, "displayName"), lo);
        for (size_t k = 0; k < count(members); k++) {
            int m = member_of(json_object_array_get_idx(members, k));
            if (m < 0)
                fail(l, "no such member", json_object_get_string(json_object_array_get_idx(members, k)));
            else
                member_add(g, m, 0, "start");
        }
    }
}

static void
databricks(struct load *l, json_object *o)
{
    known(l, o, "databricks",
          "account_id client_id client_secret token users service_principals groups level system_groups");
    if (l->err != NULL)
        return;

    const struct {
        const char *key;
        const char **at;
    } t[] = {{"account_id", &W.account},
             {"client_id", &W.dbx_client},
             {"client_secret", &W.dbx_secret},
             {"token", &W.pat}};

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (json_text(o, t[i].key) != NULL)
            *t[i].at = keep(json_text(o, t[i].key));
    bool local = json_text(o, "level") != NULL && strcmp(json_text(o, "level"), "workspace") == 0;
    if (json_flag(o, "system_groups", true))
        ent_make_system();
    principals(l, json_sub(o, "users", json_type_array), 'U');
    principals(l, json_sub(o, "service_principals", json_type_array), 'S');
    if (ent_find('S', W.dbx_client, false) < 0)
        ent_new_sp("keybricks", W.dbx_client);
    target_groups(l, json_sub(o, "groups", json_type_array), local);
}

bool
load_world(const char *json, char **rules, char **err)
{
    struct load l = {0};
    json_object *o = json_parse(json), *empty = json_object_new_object();
    *rules = NULL;
    if (o == NULL)
        l.err = xdup("not a JSON document");
    else {
        json_object *re = json_sub(o, "realm", json_type_object),
                    *db = json_sub(o, "databricks", json_type_object),
                    *cfg = json_sub(o, "config", json_type_object);
        known(&l, o, "world", "realm databricks config rules");
        if (l.err == NULL)
            realm(&l, re != NULL ? re : empty);
        if (l.err == NULL)
            databricks(&l, db != NULL ? db : empty);
        if (l.err == NULL && cfg != NULL)
            (void) knobs_set(cfg, &l.err);
        *rules = xdup(json_text(o, "rules"));
        world_settle();
    }
    json_object_put(o);
    json_object_put(empty);
    *err = l.err;
    return l.err == NULL;
}
