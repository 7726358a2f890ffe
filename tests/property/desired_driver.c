/* tests/property/desired_driver.c: scope, desired and reason as a filter.
 *
 * One world a line on stdin (JSON), one answer a line on stdout; test_desired.py makes the worlds and says
 * what every key means. Our own test feeds it, so a malformed world is an assertion.
 */
#include "base/ban.h"

#include "base/mem.h"
#include "model/near.h"
#include "reconciler/plan/desired.h"
#include "reconciler/plan/reason.h"

#include <assert.h>
#include <json-c/json.h>

static const char *const verdicts[] = {
    [KB_MATCHED] = "matched",
    [KB_MATCH_NOT_ASKED] = "not_asked",
    [KB_MATCH_EXCLUDED] = "excluded",
    [KB_MATCH_DISABLED] = "disabled",
    [KB_MATCH_LOCKED_OUT] = "locked_out",
    [KB_MATCH_UNMATCHED] = "unmatched",
    [KB_MATCH_UNVERIFIED] = "unverified",
    [KB_MATCH_NO_KEY] = "no_key",
    [KB_MATCH_AMBIGUOUS] = "ambiguous",
    [KB_MATCH_UNKNOWN] = "unknown",
    [KB_MATCH_OFF] = "off",
};

static const char *const statuses[KB_READ_MAX_] = {"not_asked", "pending", "complete", "gone",
                                                   "denied",    "failed",  "suspect"};
static const char *const kinds[KB_RULE_KIND_MAX_] = {"role", "role_glob", "path", "path_glob", "client_role"};

static struct json_object *
get(struct json_object *o, const char *key)
{
    return json_object_object_get(o, key);
}

static const char *
text(struct json_object *o, const char *key)
{
    struct json_object *v = get(o, key);

    return v ? json_object_get_string(v) : NULL;
}

static bool
flag(struct json_object *o, const char *key)
{
    return json_object_get_boolean(get(o, key));
}

static unsigned
word(const char *const *words, size_t len, const char *s)
{
    for (unsigned i = 0; i < len; i++) {
        if (!strcmp(words[i], s))
            return i;
    }
    (void) fprintf(stderr, "desired-driver: unknown word: %s\n", s);
    abort();
}

static struct kb_read
read_of(struct json_object *o, const char *key)
{
    const char *s = text(o, key);

    return (struct kb_read){.status = (uint8_t) (s ? word(statuses, KB_LEN(statuses), s) : KB_READ_COMPLETE)};
}

static struct kb_strings
strings(struct json_object *o, const char *key)
{
    struct json_object *list = get(o, key);
    struct kb_strings ret = {.len = list ? json_object_array_length(list) : 0};

    ret.v = calloc(ret.len + 1, sizeof(*ret.v));
    assert(ret.v);
    for (size_t i = 0; i < ret.len; i++) {
        const char *s = json_object_get_string(json_object_array_get_idx(list, i));
        ret.v[i] = kb_strndup(s, strlen(s));
        assert(ret.v[i]);
    }
    return ret;
}

static void
strings_done(struct kb_strings *s)
{
    for (size_t i = 0; i < s->len; i++)
        free(s->v[i]);
    free(s->v);
}

static void
load_rules(struct json_object *world, struct kb_rules *rules)
{
    struct json_object *list = get(world, "rules"), *match = get(world, "match");
    const char *service = text(match, "service");

    rules->rules_len = json_object_array_length(list);
    rules->rules = calloc(rules->rules_len + 1, sizeof(*rules->rules));
    assert(rules->rules);
    for (size_t i = 0; i < rules->rules_len; i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        rules->rules[i] = (struct kb_rule){
            .number = (unsigned) i + 1,
            .line = (unsigned) i + 11,
            .kind = (enum kb_rule_kind) word(kinds, KB_LEN(kinds), text(o, "kind")),
            .object = text(o, "object"),
            .client = text(o, "client"),
            .group = text(o, "group"),
            .subgroups = flag(o, "subgroups"),
            .create = flag(o, "create"),
            .privileged = flag(o, "privileged"),
            .adopt_external = flag(o, "adopt_external"),
            .min_members = (unsigned) json_object_get_int(get(o, "min_members")),
            .foreign = flag(o, "remove_foreign") ? KB_FOREIGN_REMOVE : KB_FOREIGN_REPORT,
            .targets = strings(o, "targets"),
        };
    }
    rules->match.users = strings(match, "users");
    rules->match.verified_email_only = flag(match, "verified_email_only");
    rules->match.service = !strcmp(service, "off")         ? KB_MATCH_SERVICE_OFF
                           : !strcmp(service, "client_id") ? KB_MATCH_SERVICE_CLIENT_ID
                                                           : KB_MATCH_SERVICE_ATTRIBUTE;
    rules->exclude_users = strings(world, "exclude_users");
    rules->exclude_roles = strings(world, "exclude_roles");
    rules->exclude_paths = strings(world, "exclude_paths");
}

static void
rules_done(struct kb_rules *rules)
{
    for (size_t i = 0; i < rules->rules_len; i++)
        strings_done(&rules->rules[i].targets);
    free(rules->rules);
    strings_done(&rules->match.users);
    strings_done(&rules->exclude_users);
    strings_done(&rules->exclude_roles);
    strings_done(&rules->exclude_paths);
}

/* Row texts: absent is 0. */
static kb_text
pooled(struct kb_pool *pool, struct json_object *o, const char *key)
{
    kb_text t = kb_pool_adds(pool, text(o, key));

    assert(t != KB_NONE);
    return t;
}

enum table { USERS, ROLES, GROUPS };

static void
load_ids(struct kb_realm *realm, struct json_object *o, const char *key, enum table table,
         struct kb_u32s *ret)
{
    struct json_object *list = get(o, key);

    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        const char *id = json_object_get_string(json_object_array_get_idx(list, i));
        uint32_t row = table == USERS   ? kb_realm_user(realm, id)
                       : table == ROLES ? kb_realm_role(realm, id)
                                        : kb_realm_group(realm, id);
        assert(row != KB_NONE);
        assert(kb_u32s_add(ret, row));
    }
}

static void
load_user(struct kb_realm *realm, struct json_object *o)
{
    static const struct {
        const char *key;
        enum kb_user_flag flag;
    } flags[] = {{"enabled", KB_USER_ENABLED},         {"verified", KB_USER_EMAIL_VERIFIED},
                 {"service", KB_USER_SERVICE_ACCOUNT}, {"stored", KB_USER_DISABLED_STORED},
                 {"locked_out", KB_USER_LOCKED_OUT},   {"gone", KB_USER_GONE},
                 {"looked_up", KB_USER_LOOKED_UP},     {"believed", KB_USER_DISABLED_BELIEVED}};

    uint32_t row = kb_realm_user_add(realm, text(o, "id"));
    struct kb_user *u = &realm->users[row];

    u->username = pooled(&realm->pool, o, "username");
    u->email = pooled(&realm->pool, o, "email");
    u->directory = pooled(&realm->pool, o, "directory");
    u->attribute = pooled(&realm->pool, o, "attribute");
    for (size_t i = 0; i < KB_LEN(flags); i++) {
        if (flag(o, flags[i].key))
            u->flags = (uint16_t) (u->flags | flags[i].flag);
    }
}

static void
load_role_edges(struct kb_realm *realm, struct json_object *o)
{
    struct kb_role *r = &realm->roles[kb_realm_role(realm, text(o, "id"))];

    r->client = pooled(&realm->pool, o, "client");
    r->composite = flag(o, "composite");
    load_ids(realm, o, "children", ROLES, &r->children);
    load_ids(realm, o, "holders", USERS, &r->holders);
    load_ids(realm, o, "groups", GROUPS, &r->groups);
    r->children_read = read_of(o, "children_read");
    r->holders_read = read_of(o, "holders_read");
    r->groups_read = read_of(o, "groups_read");
}

static void
load_group_edges(struct kb_realm *realm, struct json_object *o)
{
    struct kb_realm_group *g = &realm->groups[kb_realm_group(realm, text(o, "id"))];

    g->name = pooled(&realm->pool, o, "name");
    g->path = pooled(&realm->pool, o, "path");
    if (text(o, "parent"))
        g->parent = kb_realm_group(realm, text(o, "parent"));
    load_ids(realm, o, "roles", ROLES, &g->roles);
    load_ids(realm, o, "members", USERS, &g->members);
    g->members_read = read_of(o, "members_read");
}

static void
load_realm(struct json_object *world, struct kb_realm *realm)
{
    struct json_object *users = get(world, "users"), *roles = get(world, "roles"),
                       *groups = get(world, "groups");

    for (size_t i = 0; i < json_object_array_length(users); i++)
        load_user(realm, json_object_array_get_idx(users, i));
    for (size_t i = 0; i < json_object_array_length(roles); i++) {
        struct json_object *o = json_object_array_get_idx(roles, i);
        uint32_t row = kb_realm_role_add(realm, text(o, "id"));
        assert(kb_realm_role_set_name(realm, row, text(o, "name"), text(o, "client")));
    }
    for (size_t i = 0; i < json_object_array_length(groups); i++)
        assert(kb_realm_group_add(realm, text(json_object_array_get_idx(groups, i), "id")) != KB_NONE);
    for (size_t i = 0; i < json_object_array_length(roles); i++)
        load_role_edges(realm, json_object_array_get_idx(roles, i));
    for (size_t i = 0; i < json_object_array_length(groups); i++)
        load_group_edges(realm, json_object_array_get_idx(groups, i));
    realm->roles_read = read_of(world, "roles_read");
    realm->groups_read = read_of(world, "groups_read");
    realm->clients_read = read_of(world, "clients_read");
    realm->disabled_read = read_of(world, "disabled_read");
    realm->client_composites_unread = flag(world, "client_composites_unread");
}

static void
load_target(struct json_object *world, struct kb_target *target)
{
    struct json_object *list = get(world, "principals"), *ledger = get(world, "ledger");

    kb_target_init(target);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        uint32_t row = kb_target_principal_add(target, text(o, "id"));
        struct kb_principal *p = &target->principals[row];
        p->name = pooled(&target->pool, o, "name");
        p->display = pooled(&target->pool, o, "display");
        p->kind = flag(o, "service") ? KB_PRINCIPAL_SERVICE : KB_PRINCIPAL_USER;
        p->listed = flag(o, "listed");
        p->looked_up = flag(o, "looked_up");
    }
    for (size_t i = 0; i < json_object_array_length(ledger); i++) {
        struct json_object *o = json_object_array_get_idx(ledger, i);
        uint32_t row = kb_target_group_add(target, text(o, "group"));
        struct kb_target_group *g = &target->groups[row];
        assert(kb_u32s_add(&g->ledger, kb_target_principal(target, text(o, "principal"))));
        assert(kb_u32s_add(&g->ledger_user, pooled(&target->pool, o, "user")));
    }
}

static void
put(struct json_object *o, const char *key, struct json_object *value)
{
    json_object_object_add(o, key, value);
}

static struct json_object *
reasons_of(struct kb_reason_index *index, const struct kb_realm *realm, const struct kb_desired_group *g)
{
    struct json_object *ret = json_object_new_object();

    for (uint32_t i = 0; i < g->users.len; i++) {
        struct kb_plan plan = {0};
        struct kb_error err;
        struct json_object *list = json_object_new_array();
        uint32_t start, len;
        assert(kb_reason_find(index, g->managed, g->users.v[i], &plan, &start, &len, &err) >= 0);
        for (uint32_t k = start; k < start + len; k++) {
            struct json_object *one = json_object_new_array();
            json_object_array_add(one, json_object_new_int((int) plan.reasons[k].rule));
            json_object_array_add(one, json_object_new_boolean(plan.reasons[k].is_path));
            json_object_array_add(one, json_object_new_string(kb_plan_str(&plan, plan.reasons[k].object)));
            for (uint32_t v = 0; v < plan.reasons[k].via_len; v++)
                json_object_array_add(
                    one, json_object_new_string(kb_plan_str(&plan, plan.via[plan.reasons[k].via_start + v])));
            json_object_array_add(list, one);
        }
        put(ret, kb_realm_str(realm, realm->users[g->users.v[i]].id), list);
        kb_plan_done(&plan);
    }
    return ret;
}

static struct json_object *
group_answer(const struct kb_managed *m, const struct kb_desired_group *g, const struct kb_realm *realm,
             const struct kb_target *target)
{
    struct json_object *o = json_object_new_object(), *users = json_object_new_array(),
                       *principals = json_object_new_array();

    for (uint32_t i = 0; i < g->users.len; i++)
        json_object_array_add(users,
                              json_object_new_string(kb_realm_str(realm, realm->users[g->users.v[i]].id)));
    for (uint32_t i = 0; i < g->principals.len; i++)
        json_object_array_add(principals, json_object_new_string(kb_target_str(
                                              target, target->principals[g->principals.v[i]].id)));
    put(o, "name", json_object_new_string(m->name));
    put(o, "create", json_object_new_boolean(m->create));
    put(o, "ambiguous", json_object_new_boolean(m->ambiguous_path));
    put(o, "frozen", g->frozen_note ? json_object_new_string(g->frozen_note) : NULL);
    put(o, "gone", g->gone_note ? json_object_new_string(g->gone_note) : NULL);
    put(o, "users", users);
    put(o, "principals", principals);
    return o;
}

static void
put_wanted(struct json_object *ret, const struct kb_realm *realm)
{
    struct json_object *roles = json_object_new_array(), *groups = json_object_new_array();

    for (uint32_t i = 0; i < realm->roles_len; i++) {
        if (realm->roles[i].wanted)
            json_object_array_add(roles, json_object_new_string(kb_realm_str(realm, realm->roles[i].id)));
    }
    for (uint32_t i = 0; i < realm->groups_len; i++) {
        if (realm->groups[i].wanted)
            json_object_array_add(groups, json_object_new_string(kb_realm_str(realm, realm->groups[i].id)));
    }
    put(ret, "wanted_roles", roles);
    put(ret, "wanted_groups", groups);
}

static void
put_matches(struct json_object *ret, const struct kb_desired *d, const struct kb_realm *realm,
            const struct kb_target *target)
{
    struct json_object *verdict = json_object_new_object(), *doubtful = json_object_new_array(),
                       *near = json_object_new_object();

    for (uint32_t i = 0; i < d->matches_len; i++)
        put(verdict, kb_realm_str(realm, realm->users[i].id),
            json_object_new_string(verdicts[d->matches[i].verdict]));
    for (uint32_t i = 0; i < d->doubtful.len; i++)
        json_object_array_add(
            doubtful, json_object_new_string(kb_target_str(target, target->principals[d->doubtful.v[i]].id)));
    for (uint32_t i = 0; i < d->matches_len; i++) {
        const struct kb_near *one = kb_match_near(d->near, d->near_len, i);
        if (one)
            put(near, kb_realm_str(realm, realm->users[i].id), json_object_new_string(one->id));
    }
    put(ret, "verdicts", verdict);
    put(ret, "near", near);
    put(ret, "doubtful", doubtful);
}

static struct json_object *
answer(const struct kb_scope *scope, const struct kb_desired *d, const struct kb_realm *realm,
       const struct kb_target *target)
{
    KB_CLEANUP(kb_reason_index) struct kb_reason_index *index = NULL;
    struct json_object *ret = json_object_new_object(), *groups = json_object_new_array(),
                       *reasons = json_object_new_object();
    struct kb_error err;

    assert(kb_reason_index_new(scope, realm, &index, &err) >= 0);
    for (uint32_t i = 0; i < d->groups_len; i++) {
        json_object_array_add(groups, group_answer(&scope->managed[i], &d->groups[i], realm, target));
        put(reasons, scope->managed[i].name, reasons_of(index, realm, &d->groups[i]));
    }
    put(ret, "groups", groups);
    put(ret, "reasons", reasons);
    put(ret, "users_behind", json_object_new_int64(d->users_behind));
    put(ret, "objects_behind", json_object_new_int64(d->objects_behind));
    put(ret, "memberships", json_object_new_int64((int64_t) d->memberships));
    put_wanted(ret, realm);
    put_matches(ret, d, realm, target);
    return ret;
}

static struct json_object *
solve(struct json_object *world)
{
    struct kb_rules rules = {0};
    struct kb_realm realm = {0};
    struct kb_target target;
    struct kb_scope scope = {0};
    struct kb_desired desired = {0};
    struct kb_error err;
    struct json_object *ret;
    int r;

    load_rules(world, &rules);
    load_realm(world, &realm);
    load_target(world, &target);
    r = kb_scope_resolve(&rules, text(world, "target"), &realm, &scope, &err);
    if (r >= 0)
        r = kb_desired_make(&rules, &scope, &realm, &target, &desired, &err);
    if (r >= 0) {
        ret = answer(&scope, &desired, &realm, &target);
    } else {
        ret = json_object_new_object();
        put(ret, "error", json_object_new_string(kb_code_name(err.code)));
        put(ret, "message", json_object_new_string(err.msg));
    }
    kb_desired_done(&desired);
    kb_scope_done(&scope);
    kb_target_done(&target);
    kb_realm_done(&realm);
    rules_done(&rules);
    return ret;
}

/* {"fold": [NAME...]}: each name's fold, null where it has none. */
static struct json_object *
fold(struct json_object *names)
{
    struct json_object *ret = json_object_new_object(), *folds = json_object_new_array();

    for (size_t i = 0; i < json_object_array_length(names); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(1 << 16);
        bool fine = kb_near_fold(json_object_get_string(json_object_array_get_idx(names, i)), &b);
        assert(!b.failed && (fine || !b.len));
        json_object_array_add(folds, fine ? json_object_new_string(kb_buf_str(&b)) : NULL);
    }
    put(ret, "folds", folds);
    return ret;
}

int
main(void)
{
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, stdin) > 0) {
        struct json_object *world = json_tokener_parse(line), *ret;
        assert(world);
        ret = get(world, "fold") ? fold(get(world, "fold")) : solve(world);
        printf("%s\n", json_object_to_json_string_ext(ret, JSON_C_TO_STRING_PLAIN));
        fflush(stdout);
        json_object_put(ret);
        json_object_put(world);
    }
    free(line);
    return 0;
}
