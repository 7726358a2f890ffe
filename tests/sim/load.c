/* tests/sim/load.c: a small world written by hand (--world FILE.json); README.md has the schema. Names of fields are
 * those of a realm export where one exists. */
#include "tests/sim/control.h"

#include <string.h>

const char *problem;

#define K(kind) (1u << (kind))
#define TEXT(member) SLOT_TEXT, offsetof(struct thing, member), NULL
#define FLAG(member) SLOT_FLAG, offsetof(struct thing, member), NULL

static const struct slot table[] = {
    {"email", TEXT(email), K(USER)},
    {"firstName", TEXT(first), K(USER)},
    {"lastName", TEXT(last), K(USER)},
    {"federationLink", TEXT(fedlink), K(USER)},
    {"enabled", FLAG(enabled), K(USER)},
    {"emailVerified", FLAG(verified), K(USER)},
    {"locked", FLAG(locked), K(USER)},
    {"disabled_in_directory", FLAG(off_there), K(USER)},
    {"description", TEXT(desc), K(ROLE)},
    {"secret", TEXT(secret), K(CLIENT)},
    {"displayName", TEXT(display), K(DBX_USER)},
    {"applicationId", TEXT(appid), K(DBX_SP)},
    {"externalId", TEXT(ext), K(DBX_USER) | K(DBX_SP) | K(DBX_GROUP)},
    {"active", FLAG(enabled), K(DBX_USER) | K(DBX_SP)},
    {"system", FLAG(system), K(DBX_GROUP)},
};

/* The other keys of a kind, and which one is the name. */
static const struct {
    const char *where, *name, *keys;
} kinds[KINDS] = {
    [ROLE] = {"roles", "name", " name id composites "},
    [GROUP] = {"groups", "name", " name id attributes realmRoles roles clientRoles subGroups "},
    [USER] = {"users", "username",
              " username id attributes groups roles realmRoles clientRoles default_role "},
    [CLIENT] = {"clients", "clientId", " clientId id roles service_account "},
    [DIRECTORY] = {"components", "name", " name id "},
    [DBX_USER] = {"databricks.users", "userName", " userName id roles "},
    [DBX_SP] = {"databricks.service_principals", "displayName", " displayName id roles "},
    [DBX_GROUP] = {"databricks.groups", "displayName", " displayName id members level roles "},
};

void *
fail_text(const char *text)
{
    problem = problem != NULL ? problem : text;
    return NULL;
}

void
fields_set(struct thing *x, json_object *o)
{
    json_object *v = NULL,
                *attrs = json_get(o, json_get(o, "attributes") != NULL ? "attributes" : "attribute");
    for (const struct slot *s = table; s < table + COUNT(table); s++)
        if ((s->kinds & K(x->kind)) != 0 && json_has(o, s->key, &v))
            (void) slot_set(x, s, v);
    if ((x->kind == USER || x->kind == GROUP) && json_is(attrs, json_type_object)) {
        json_object_object_foreach(attrs, key, value)
        {
            attr_set(x, key, value);
        }
    }
}

/* Unknown keys are refused: a typing error must not make another world. */
static void
known(json_object *o, const char *where, const char *keys, unsigned kind)
{
    if (!json_is(o, json_type_object)) {
        fail("want an object for '%s'", where);
        return;
    }
    json_object_object_foreach(o, key, v)
    {
        (void) v;
        bool is = strstr(keys, tf(" %s ", key)) != NULL;
        for (const struct slot *s = table; s < table + COUNT(table); s++)
            is = is || ((s->kinds & kind) != 0 && strcmp(s->key, key) == 0);
        if (!is)
            fail("unknown key '%s.%s'", where, key);
    }
}

struct thing *
need(enum kind kind, const char *name, const struct thing *client)
{
    static const char *const words[] = {"role", "group", "user", "client"};
    struct thing *x = kind == ROLE     ? role_find(client, name)
                      : kind == USER   ? user_find(name)
                      : kind == CLIENT ? client_find(name)
                                       : thing_by_id(GROUP, name); /* an id, where a path is ambiguous */
    x = x == NULL && kind == GROUP ? group_find(name) : x;
    return x != NULL ? x : fail("no %s '%s'", words[kind], name != NULL ? name : "(not given)");
}

struct thing *
need_role(const char *cid, const char *name)
{
    const struct thing *client = cid == NULL ? NULL : need(CLIENT, cid, NULL);
    return cid != NULL && client == NULL ? NULL : need(ROLE, name, client);
}

struct thing *
need_dbx(enum kind kind, const char *name, bool local)
{
    struct thing *x = NULL;
    for (enum kind k = DBX_USER; name != NULL && x == NULL && k <= DBX_GROUP; k++)
        if (kind == k || kind == KINDS) {
            x = dbx_find_name(k, name, k == DBX_GROUP && local);
            x = x != NULL || k != DBX_GROUP ? x : dbx_find_name(k, name, !local);
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
thing_told(enum kind kind, json_object *o, const char *name, struct thing *up, bool local)
{
    const char *appid = json_is(o, json_type_string) ? name : json_text(o, "applicationId");
    name = name != NULL || kind != DBX_SP ? name : appid != NULL ? appid : "sp";
    if (name == NULL)
        return fail("%s: one without a name", kinds[kind].where);
    struct thing *x = thing_new(kind, name, json_text(o, "id"), up, kind == DBX_GROUP && local);
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

/* ---- first all things, then what ties them: a thing may name one that comes later ---- */

static struct told {
    struct thing *x;
    json_object *o;
    struct told *next;
} * all_told;

static void
make_account(struct thing *client)
{
    if (client->up == NULL)
        client->up = thing_new(USER, tf("service-account-%s", client->name), NULL, NULL, false);
}

static void
make(enum kind kind, json_object *list, struct thing *up, bool local)
{
    for (size_t i = 0; i < json_len(list) && problem == NULL; i++) {
        json_object *o = json_at(list, i);
        bool plain = json_is(o, json_type_string);
        const char *name = plain ? json_str(o) : json_text(o, kinds[kind].name);
        if (!plain)
            known(o, kinds[kind].where, kinds[kind].keys, K(kind));
        struct thing *x = kind == USER ? user_find(name) : kind == CLIENT ? client_find(name) : NULL;
        if (x != NULL && kind == USER && !x->service)
            fail("user name taken: '%s'", name);
        if (x == NULL)
            x = thing_told(kind, o, name, up, wants_local(o, local));
        if (x == NULL)
            return;
        x->verified = true;
        fields_set(x, o);
        make(GROUP, kind == GROUP ? json_get(o, "subGroups") : NULL, x, false);
        make(ROLE, kind == CLIENT ? json_get(o, "roles") : NULL, x, false);
        if (kind == CLIENT && json_flag(o, "service_account", false))
            make_account(x);
        struct told *t = talloc(sizeof *t);
        *t = (struct told){x, o, all_told};
        all_told = t;
    }
}

static void
give(struct thing *x, const char *cid, json_object *names)
{
    for (size_t i = 0; i < json_len(names); i++) {
        struct thing *role = need_role(cid, json_str(json_at(names, i)));
        if (role != NULL)
            tie(x, role, true);
    }
}

/* {"portal": [names]} */
static void
give_of_clients(struct thing *x, json_object *clients)
{
    if (!json_is(clients, json_type_object))
        return;
    json_object_object_foreach(clients, cid, names)
    {
        give(x, cid, names);
    }
}

static void
tie_told(struct thing *x, json_object *o)
{
    json_object *groups = json_get(o, "groups"), *members = json_get(o, "members"),
                *c = json_get(o, "composites");
    if (x->kind == USER && json_flag(o, "default_role", true))
        tie(x, W.default_role, true);
    if (x->kind == USER || x->kind == GROUP)
        give(x, NULL, json_get(o, "roles"));
    give(x, NULL, json_get(o, "realmRoles"));
    give_of_clients(x, json_get(o, "clientRoles"));
    give(x, NULL, json_get(c, "realm"));
    give_of_clients(x, json_get(c, "client"));
    for (size_t i = 0; i < json_len(groups) && x->kind == USER; i++) {
        struct thing *g = need(GROUP, json_str(json_at(groups, i)), NULL);
        if (g != NULL)
            tie(x, g, true);
    }
    for (size_t i = 0; i < json_len(members); i++) { /* a name or {"id"} */
        const char *id = json_text(json_at(members, i), "id");
        struct thing *m = id != NULL ? dbx_by_id(id) : need_dbx(KINDS, json_str(json_at(members, i)), false);
        if (m == NULL)
            fail("no such member '%s'", id);
        else
            tie(m, x, true);
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
    texts(o, keys, at);
    if (json_get(o, "permissions") != NULL)
        permissions_set(json_get(o, "permissions"));
    const char *def = tf("default-roles-%s", tlower(W.realm));
    make(ROLE, json_get(o, "roles"), NULL, false);
    W.default_role = role_find(NULL, def); /* the world may describe it, with an id and composites */
    if (W.default_role == NULL)
        W.default_role = thing_new(ROLE, def, NULL, NULL, false);
    make_account(thing_new(CLIENT, W.kc_client, NULL, NULL, false));
    tie(account(), W.default_role, true);
    make(CLIENT, json_get(o, "clients"), NULL, false);
    make(GROUP, json_get(o, "groups"), NULL, false);
    make(USER, json_get(o, "users"), NULL, false);
    make(DIRECTORY, json_get(o, "components"), NULL, false);
    json_object *defaults = json_get(o, "default_groups");
    for (size_t i = 0; i < json_len(defaults); i++) {
        struct thing *g = need(GROUP, json_str(json_at(defaults, i)), NULL);
        if (g != NULL)
            list_add(&W.default_groups, g);
    }
}

static void
databricks(json_object *o)
{
    static const char *const keys[] = {"account_id", "client_id", "client_secret", "token"};
    const char **const at[] = {&W.account, &W.dbx_client, &W.dbx_secret, &W.pat};
    texts(o, keys, at);
    if (json_flag(o, "system_groups", true))
        dbx_make_system();
    make(DBX_USER, json_get(o, "users"), NULL, false);
    make(DBX_SP, json_get(o, "service_principals"), NULL, false);
    if (dbx_find_name(DBX_SP, W.dbx_client, false) == NULL)
        dbx_sp_new("keybricks", W.dbx_client);
    make(DBX_GROUP, json_get(o, "groups"), NULL, wants_local(o, false));
}

const char *
world_load(json_object *o, const char **rules)
{
    json_object *empty = json_parse("{}"), *re = json_get(o, "realm"), *db = json_get(o, "databricks");
    re = re != NULL ? re : empty;
    db = db != NULL ? db : empty;
    problem = NULL;
    known(o, "world", " realm databricks config rules ", 0);
    known(re, "realm",
          " name base_path client_id client_secret permissions roles clients groups default_groups users "
          "components ",
          0);
    known(db, "databricks",
          " account_id client_id client_secret token users service_principals groups level system_groups ",
          0);
    realm(re);
    databricks(db);
    struct told *first = NULL;
    for (struct told *t = all_told, *next; t != NULL; t = next) { /* in the order of the file */
        next = t->next;
        t->next = first;
        first = t;
    }
    for (const struct told *t = first; t != NULL && problem == NULL; t = t->next)
        tie_told(t->x, t->o);
    if (problem == NULL && json_get(o, "config") != NULL)
        problem = knobs_set(json_get(o, "config"));
    *rules = json_text(o, "rules");
    world_settle();
    return problem;
}
