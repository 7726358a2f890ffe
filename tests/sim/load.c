/* tests/sim/load.c: a small world written by hand (--world FILE.json); README.md has the schema. Names of fields are
 * those of a realm export where one exists. */
#include "tests/sim/control.h"
#include "tests/sim/fields.h"

#include <string.h>

const char *problem;

#define K(kind) (1u << (kind))
#define TEXT(member) offsetof(struct thing, member), 0
#define FLAG(member) 0, offsetof(struct thing, member)

static const struct field {
    const char *key;
    unsigned kinds;
    size_t text, flag; /* where in the thing; 0: not this */
} table[] = {
    {"email", K(USER), TEXT(email)},
    {"firstName", K(USER), TEXT(first)},
    {"lastName", K(USER), TEXT(last)},
    {"federationLink", K(USER), TEXT(fedlink)},
    {"enabled", K(USER), FLAG(enabled)},
    {"emailVerified", K(USER), FLAG(verified)},
    {"locked", K(USER), FLAG(locked)},
    {"disabled_in_directory", K(USER), FLAG(off_there)},
    {"description", K(ROLE), TEXT(desc)},
    {"secret", K(CLIENT), TEXT(secret)},
    {"displayName", K(DBX_USER), TEXT(display)},
    {"applicationId", K(DBX_SP), TEXT(appid)},
    {"externalId", K(DBX_USER) | K(DBX_SP) | K(DBX_GROUP), TEXT(ext)},
    {"active", K(DBX_USER) | K(DBX_SP), FLAG(enabled)},
    {"system", K(DBX_GROUP), FLAG(system)},
};

void *
fail(const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_v(&b, fmt, ap);
    va_end(ap);
    problem = problem != NULL ? problem : tsub(b.p, b.len);
    buf_free(&b);
    return NULL;
}

void
fields_set(struct thing *x, json_object *o)
{
    json_object *v = NULL;
    for (const struct field *f = table; f < table + COUNT(table); f++) {
        if ((f->kinds & K(x->kind)) == 0 || !json_object_is_type(o, json_type_object) ||
            !json_object_object_get_ex(o, f->key, &v))
            continue;
        if (f->text != 0)
            *(const char **) ((char *) x + f->text) = keep(json_object_get_string(v));
        else
            *(bool *) ((char *) x + f->flag) = json_object_get_boolean(v);
    }
    json_object *attrs = x->kind >= DBX_USER ? NULL : json_sub(o, "attributes", json_type_object);
    attrs = attrs != NULL || x->kind >= DBX_USER ? attrs : json_sub(o, "attribute", json_type_object);
    if (attrs == NULL)
        return;
    json_object_object_foreach(attrs, key, value)
    {
        attr_set(x, key, value);
    }
}

void
fields_known(enum kind kind, json_object *o, const char *where, const char *more)
{
    if (!json_object_is_type(o, json_type_object)) {
        fail("want an object for '%s'", where);
        return;
    }
    json_object_object_foreach(o, key, v)
    {
        (void) v;
        bool known = strstr(more, tf(" %s ", key)) != NULL;
        for (const struct field *f = table; f < table + COUNT(table) && kind != KINDS; f++)
            known = known || ((f->kinds & K(kind)) != 0 && strcmp(f->key, key) == 0);
        if (!known)
            fail("unknown key '%s.%s'", where, key);
    }
}

struct thing *
need_client(const char *cid)
{
    struct thing *c = client_find(cid);
    return c != NULL ? c : fail("no client '%s'", cid != NULL ? cid : "(not given)");
}

struct thing *
need_role(const char *cid, const char *name)
{
    const struct thing *client = cid == NULL ? NULL : need_client(cid);
    struct thing *r = (cid != NULL && client == NULL) || name == NULL ? NULL : role_find(client, name);
    return r != NULL ? r : fail("no role '%s'", name != NULL ? name : "(not given)");
}

struct thing *
need_user(const char *name)
{
    struct thing *u = user_find(name);
    return u != NULL ? u : fail("no user '%s'", name != NULL ? name : "(not given)");
}

struct thing *
need_group(const char *path_or_id)
{
    struct thing *g = thing_by_id(GROUP, path_or_id);
    g = g != NULL ? g : group_find(path_or_id);
    return g != NULL ? g : fail("no group '%s'", path_or_id != NULL ? path_or_id : "(not given)");
}

struct thing *
need_dbx(const char *name, const char *kinds, bool local)
{
    struct thing *x = NULL;
    for (const char *k = kinds; name != NULL && x == NULL && *k != '\0'; k++) {
        enum kind kind = *k == 'U' ? DBX_USER : *k == 'S' ? DBX_SP : DBX_GROUP;
        x = dbx_find_name(kind, name, kind == DBX_GROUP && local);
        x = x != NULL || kind != DBX_GROUP ? x : dbx_find_name(kind, name, !local);
    }
    return x != NULL ? x : fail("no principal or group '%s'", name != NULL ? name : "(not given)");
}

bool
wants_local(json_object *o, bool def)
{
    const char *level = json_text(o, "level");
    return level == NULL ? def : strcmp(level, "workspace") == 0;
}

struct thing *
dbx_new(enum kind kind, json_object *o, const char *name, bool local)
{
    const char *appid = json_object_is_type(o, json_type_string) ? name : json_text(o, "applicationId");
    name = name != NULL || kind != DBX_SP ? name : appid != NULL ? appid : "sp";
    if (name == NULL)
        return fail("a principal or group without a name");
    struct thing *x = thing_new(kind, name, json_text(o, "id"), NULL, kind == DBX_GROUP && local);
    x->display = x->name;
    fields_set(x, o);
    if (kind == DBX_SP)
        x->appid = appid != NULL ? keep(appid) : rng_uuid(&W.rng);
    return x;
}

void
permissions_set(json_object *list)
{
    W.permissions = 0;
    for (size_t i = 0; i < json_len(list); i++)
        W.permissions |= permission_of(json_str(json_at(list, i)));
}

/* Calls fn with each role that {"portal": [names]} names. */
static void
each_client_role(json_object *clients, bool (*fn)(struct thing *role, struct thing *to), struct thing *to)
{
    if (clients == NULL)
        return;
    json_object_object_foreach(clients, cid, names)
    {
        for (size_t i = 0; i < json_len(names); i++) {
            struct thing *role = need_role(cid, json_str(json_at(names, i)));
            if (role != NULL)
                (void) fn(role, to);
        }
    }
}

static void
each_role(json_object *names, bool (*fn)(struct thing *role, struct thing *to), struct thing *to)
{
    for (size_t i = 0; i < json_len(names); i++) {
        struct thing *role = need_role(NULL, json_str(json_at(names, i)));
        if (role != NULL)
            (void) fn(role, to);
    }
}

static bool
contain(struct thing *role, struct thing *in)
{
    if (!list_has(&in->roles, role))
        list_add(&in->roles, role);
    return true;
}

static void
roles(struct thing *client, json_object *list)
{
    for (size_t i = 0; i < json_len(list) && problem == NULL; i++) {
        json_object *o = json_at(list, i);
        bool plain = json_object_is_type(o, json_type_string);
        const char *name = plain ? json_str(o) : json_text(o, "name");
        if (!plain)
            fields_known(ROLE, o, "roles", " name id composites ");
        if (name == NULL)
            fail("a role without a name");
        else
            fields_set(thing_new(ROLE, name, json_text(o, "id"), client, false), o);
    }
}

/* composites: {"realm": [names], "client": {"portal": [names]}} */
static void
composites(const struct thing *client, json_object *list)
{
    for (size_t i = 0; i < json_len(list); i++) {
        json_object *c = json_sub(json_at(list, i), "composites", json_type_object);
        if (c == NULL)
            continue;
        struct thing *role = role_find(client, json_text(json_at(list, i), "name"));
        each_role(json_get(c, "realm"), contain, role);
        each_client_role(json_sub(c, "client", json_type_object), contain, role);
    }
}

static void
grants(json_object *o, struct thing *to)
{
    each_role(json_get(o, "roles"), grant, to);
    each_role(json_get(o, "realmRoles"), grant, to);
    each_client_role(json_sub(o, "clientRoles", json_type_object), grant, to);
}

static void
groups(struct thing *parent, json_object *list)
{
    for (size_t i = 0; i < json_len(list) && problem == NULL; i++) {
        json_object *o = json_at(list, i);
        fields_known(GROUP, o, "groups", " name id attributes realmRoles roles clientRoles subGroups ");
        if (json_text(o, "name") == NULL) {
            fail("a group without a name");
            return;
        }
        struct thing *g = thing_new(GROUP, json_text(o, "name"), json_text(o, "id"), parent, false);
        fields_set(g, o);
        grants(o, g);
        groups(g, json_get(o, "subGroups"));
    }
}

static void
users(json_object *list)
{
    for (size_t i = 0; i < json_len(list) && problem == NULL; i++) {
        json_object *o = json_at(list, i), *paths = json_get(o, "groups");
        fields_known(USER, o, "users",
                     " username id attributes groups roles realmRoles clientRoles default_role ");
        const char *name = json_text(o, "username");
        struct thing *u = user_find(name);
        if (name == NULL || (u != NULL && !u->service)) {
            fail("user name missing or taken: '%s'", name != NULL ? name : "");
            return;
        }
        u = u != NULL ? u : thing_new(USER, name, json_text(o, "id"), NULL, false);
        u->verified = true;
        fields_set(u, o);
        if (json_flag(o, "default_role", true))
            grant(W.default_role, u);
        grants(o, u);
        for (size_t k = 0; k < json_len(paths); k++) {
            struct thing *g = need_group(json_str(json_at(paths, k)));
            if (g != NULL)
                join(g, u);
        }
    }
}

static void
make_account(struct thing *client)
{
    if (client->up == NULL)
        client->up = thing_new(USER, tf("service-account-%s", client->name), NULL, NULL, false);
}

static void
clients(json_object *list)
{
    for (size_t i = 0; i < json_len(list) && problem == NULL; i++) {
        json_object *o = json_at(list, i);
        const char *cid = json_text(o, "clientId");
        fields_known(CLIENT, o, "clients", " clientId id roles service_account ");
        if (cid == NULL) {
            fail("a client without clientId");
            return;
        }
        struct thing *c = client_find(cid);
        c = c != NULL ? c : thing_new(CLIENT, cid, json_text(o, "id"), NULL, false);
        fields_set(c, o);
        roles(c, json_get(o, "roles"));
        if (json_flag(o, "service_account", false))
            make_account(c);
    }
}

static void
texts(json_object *o, const char *const *keys, const char **const *at)
{
    for (size_t i = 0; i < 4; i++)
        if (json_text(o, keys[i]) != NULL)
            *at[i] = keep(json_text(o, keys[i]));
}

static void
realm(json_object *o)
{
    static const char *const keys[] = {"name", "base_path", "client_id", "client_secret"};
    const char **const at[] = {&W.realm, &W.base, &W.kc_client, &W.kc_secret};
    fields_known(
        KINDS, o, "realm",
        " name base_path client_id client_secret permissions roles clients groups default_groups users "
        "components ");
    texts(o, keys, at);
    if (json_get(o, "permissions") != NULL)
        permissions_set(json_get(o, "permissions"));
    json_object *rl = json_get(o, "roles"), *cl = json_get(o, "clients"), *cm = json_get(o, "components"),
                *dg = json_get(o, "default_groups");
    const char *def = tf("default-roles-%s", tlower(W.realm));
    roles(NULL, rl);
    W.default_role = role_find(NULL, def); /* the world may describe it, with an id and composites */
    if (W.default_role == NULL)
        W.default_role = thing_new(ROLE, def, NULL, NULL, false);
    make_account(thing_new(CLIENT, W.kc_client, NULL, NULL, false));
    grant(W.default_role, account());
    clients(cl);
    composites(NULL, rl);
    for (size_t i = 0; i < json_len(cl) && problem == NULL; i++)
        composites(client_find(json_text(json_at(cl, i), "clientId")), json_get(json_at(cl, i), "roles"));
    groups(NULL, json_get(o, "groups"));
    for (size_t i = 0; i < json_len(dg); i++) {
        struct thing *g = need_group(json_str(json_at(dg, i)));
        if (g != NULL)
            list_add(&W.default_groups, g);
    }
    users(json_get(o, "users"));
    for (size_t i = 0; i < json_len(cm); i++)
        (void) thing_new(DIRECTORY, json_text(json_at(cm, i), "name"), json_text(json_at(cm, i), "id"), NULL,
                         false);
}

static void
principals(json_object *list, enum kind kind, bool local)
{
    static const char *const where[] = {"databricks.users", "databricks.service_principals",
                                        "databricks.groups"};
    for (size_t i = 0; i < json_len(list) && problem == NULL; i++) {
        json_object *o = json_at(list, i);
        if (json_object_is_type(o, json_type_string))
            (void) dbx_new(kind, o, json_str(o), local);
        else {
            fields_known(kind, o, where[kind - DBX_USER],
                         " userName id displayName members level applicationId roles ");
            (void) dbx_new(kind, o, json_text(o, kind == DBX_USER ? "userName" : "displayName"),
                           wants_local(o, local));
        }
    }
}

/* Afterwards, since members may be groups that come later. A member is a name or {"id"}. */
static void
fill_groups(json_object *list, bool local)
{
    for (size_t i = 0; i < json_len(list) && problem == NULL; i++) {
        json_object *o = json_at(list, i), *members = json_get(o, "members");
        struct thing *g = json_text(o, "id") != NULL
                              ? thing_by_id(DBX_GROUP, json_text(o, "id"))
                              : dbx_find_name(DBX_GROUP, json_text(o, "displayName"), wants_local(o, local));
        for (size_t k = 0; k < json_len(members); k++) {
            json_object *m = json_at(members, k);
            const char *id = json_text(m, "id");
            struct thing *x = id == NULL ? need_dbx(json_str(m), "USG", false) : NULL;
            for (enum kind kind = DBX_USER; id != NULL && x == NULL && kind <= DBX_GROUP; kind++)
                x = thing_by_id(kind, id);
            if (x == NULL)
                fail("no such member '%s'", json_str(m));
            else
                member_add(g, x, 0, "start");
        }
    }
}

static void
databricks(json_object *o)
{
    static const char *const keys[] = {"account_id", "client_id", "client_secret", "token"};
    const char **const at[] = {&W.account, &W.dbx_client, &W.dbx_secret, &W.pat};
    fields_known(
        KINDS, o, "databricks",
        " account_id client_id client_secret token users service_principals groups level system_groups ");
    texts(o, keys, at);
    bool local = wants_local(o, false);
    if (json_flag(o, "system_groups", true))
        dbx_make_system();
    principals(json_get(o, "users"), DBX_USER, false);
    principals(json_get(o, "service_principals"), DBX_SP, false);
    if (dbx_find_name(DBX_SP, W.dbx_client, false) == NULL)
        dbx_sp_new("keybricks", W.dbx_client);
    principals(json_get(o, "groups"), DBX_GROUP, local);
    fill_groups(json_get(o, "groups"), local);
}

const char *
world_load(json_object *o, const char **rules)
{
    json_object *empty = json_parse("{}"), *re = json_get(o, "realm"), *db = json_get(o, "databricks");
    problem = NULL;
    fields_known(KINDS, o, "world", " realm databricks config rules ");
    if (problem == NULL)
        realm(re != NULL ? re : empty);
    if (problem == NULL)
        databricks(db != NULL ? db : empty);
    if (problem == NULL && json_get(o, "config") != NULL)
        problem = knobs_set(json_get(o, "config"));
    *rules = json_text(o, "rules");
    world_settle();
    return problem;
}
