/* tests/property/planner_driver.c: the planner and the plan document as a filter.
 *
 * One world a line on stdin (JSON; matching is already decided in it), two lines on stdout: the document, and
 * what the document does not say. The document is read back and written again before it is printed.
 * test_planner.py makes the worlds; our own test feeds it, so a malformed world is an assertion.
 */
#include "base/ban.h"

#include "base/mem.h"
#include "reconciler/plan/file.h"
#include "reconciler/plan/planner.h"

#include <assert.h>
#include <json-c/json.h>

#define DOC_SIZE_MAX (16u << 20)

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

static struct json_object *
item(struct json_object *list, size_t i)
{
    return json_object_array_get_idx(list, i);
}

static size_t
length(struct json_object *o, const char *key)
{
    struct json_object *list = get(o, key);

    return list ? json_object_array_length(list) : 0;
}

static kb_text
pooled(struct kb_pool *pool, const char *s)
{
    kb_text t = kb_pool_adds(pool, s);

    assert(t != KB_NONE);
    return t;
}

/* Borrowed from the world. NULL when the key is null. */
static const struct kb_strings *
strings(struct json_object *o, const char *key, struct kb_strings *ret)
{
    if (!get(o, key))
        return NULL;
    ret->len = length(o, key);
    ret->v = calloc(ret->len + 1, sizeof(*ret->v));
    assert(ret->v);
    for (size_t i = 0; i < ret->len; i++)
        ret->v[i] = (char *) (uintptr_t) json_object_get_string(item(get(o, key), i));
    return ret;
}

static uint32_t
principal(const struct kb_target *target, const char *id)
{
    uint32_t row = id ? kb_target_principal(target, id) : KB_NONE;

    assert(!id || row != KB_NONE);
    return row;
}

static void
load_principals(struct json_object *world, struct kb_target *target)
{
    for (size_t i = 0; i < length(world, "principals"); i++) {
        struct json_object *o = item(get(world, "principals"), i);
        uint32_t row = kb_target_principal_add(target, text(o, "id"));
        struct kb_principal *p = &target->principals[row];
        p->name = pooled(&target->pool, text(o, "name"));
        p->display = pooled(&target->pool, text(o, "display"));
        p->kind = flag(o, "service") ? KB_PRINCIPAL_SERVICE : KB_PRINCIPAL_USER;
        p->listed = p->name != 0;
    }
    target->self = principal(target, text(world, "self"));
}

/* Sorted by principal, the users beside. */
static void
load_ledger(struct json_object *o, struct kb_target *target, struct kb_target_group *group)
{
    for (uint32_t p = 0; p < target->principals_len; p++) {
        const char *id = kb_target_str(target, target->principals[p].id);
        struct json_object *user = get(get(o, "ledger"), id);
        if (!user)
            continue;
        assert(kb_u32s_add(&group->ledger, p));
        assert(kb_u32s_add(&group->ledger_user, pooled(&target->pool, json_object_get_string(user))));
    }
}

static void
load_groups(struct json_object *world, struct kb_target *target)
{
    for (size_t i = 0; i < length(world, "groups"); i++) {
        struct json_object *o = item(get(world, "groups"), i);
        uint32_t row = kb_target_group_add(target, text(o, "id"));
        struct kb_target_group *group;
        assert(row != KB_NONE && kb_target_group_set_name(target, row, text(o, "name")));
        group = &target->groups[row];
        group->listed = flag(o, "listed");
        group->local = flag(o, "local");
        group->external_id = pooled(&target->pool, text(o, "external_id"));
        group->from = (uint8_t) json_object_get_int(get(o, "from"));
        group->read.status = (uint8_t) json_object_get_int(get(o, "read"));
        for (size_t k = 0; k < length(o, "members"); k++)
            assert(kb_u32s_add(&group->members,
                               principal(target, json_object_get_string(item(get(o, "members"), k)))));
        kb_u32s_sort_unique(&group->members);
        load_ledger(o, target, group);
    }
}

static void
load_users(struct json_object *world, struct kb_realm *realm, const struct kb_target *target,
           struct kb_desired *desired)
{
    desired->matches_len = (uint32_t) length(world, "users");
    desired->matches = calloc(desired->matches_len + 1u, sizeof(*desired->matches));
    assert(desired->matches);
    for (size_t i = 0; i < length(world, "users"); i++) {
        struct json_object *o = item(get(world, "users"), i);
        uint32_t row = kb_realm_user_add(realm, text(o, "id"));
        struct kb_user *user = &realm->users[row];
        user->username = pooled(&realm->pool, text(o, "username"));
        user->email = pooled(&realm->pool, text(o, "email"));
        user->directory = pooled(&realm->pool, text(o, "directory"));
        user->flags = (uint16_t) ((flag(o, "enabled") ? KB_USER_ENABLED : 0) |
                                  (flag(o, "stored") ? KB_USER_DISABLED_STORED : 0) |
                                  (flag(o, "locked_out") ? KB_USER_LOCKED_OUT : 0) |
                                  (flag(o, "gone") ? KB_USER_GONE : 0) |
                                  (flag(o, "believed") ? KB_USER_DISABLED_BELIEVED : 0) |
                                  (flag(o, "looked_up") ? KB_USER_LOOKED_UP : 0));
        desired->matches[i] =
            (struct kb_user_match){.verdict = (uint8_t) json_object_get_int(get(o, "verdict")),
                                   .principal = principal(target, text(o, "principal"))};
    }
}

/* Each is up, down, unwitnessed, or not in the realm any more. */
static void
load_directories(struct json_object *world, struct kb_realm *realm)
{
    realm->directories_read.status = KB_READ_COMPLETE;
    json_object_object_foreach(get(world, "directories"), name, value)
    {
        uint32_t row = kb_realm_directory_add(realm, name);
        const char *is = json_object_get_string(value);
        assert(row != KB_NONE);
        realm->directories[row].listed = strcmp(is, "removed") != 0;
        realm->directories[row].status = !strcmp(is, "up")     ? KB_DIRECTORY_UP
                                         : !strcmp(is, "down") ? KB_DIRECTORY_DOWN
                                                               : KB_DIRECTORY_UNWITNESSED;
    }
}

/* The managed groups are sorted by name already. */
static void
load_managed(struct json_object *world, const struct kb_realm *realm, const struct kb_target *target,
             struct kb_scope *scope, struct kb_desired *desired)
{
    size_t len = length(world, "managed");

    scope->managed = calloc(len + 1, sizeof(*scope->managed));
    desired->groups = calloc(len + 1, sizeof(*desired->groups));
    assert(scope->managed && desired->groups);
    for (size_t i = 0; i < len; i++) {
        struct json_object *o = item(get(world, "managed"), i);
        struct kb_managed *m = &scope->managed[i];
        struct kb_desired_group *g = &desired->groups[i];
        (void) snprintf(m->name, sizeof(m->name), "%s", text(o, "name"));
        m->create = flag(o, "create");
        m->adopt_external = flag(o, "adopt_external");
        m->ambiguous_path = flag(o, "ambiguous_path");
        m->foreign = flag(o, "remove_foreign") ? KB_FOREIGN_REMOVE : KB_FOREIGN_REPORT;
        g->managed = (uint32_t) i;
        if (text(o, "frozen"))
            g->frozen_note = kb_strndup(text(o, "frozen"), 100);
        for (size_t k = 0; k < length(o, "holders"); k++)
            assert(kb_u32s_add(&g->users,
                               kb_realm_user(realm, json_object_get_string(item(get(o, "holders"), k)))));
        for (size_t k = 0; k < length(o, "desired"); k++)
            assert(kb_u32s_add(&g->principals,
                               principal(target, json_object_get_string(item(get(o, "desired"), k)))));
        kb_u32s_sort_unique(&g->users);
        kb_u32s_sort_unique(&g->principals);
    }
    for (size_t k = 0; k < length(world, "doubtful"); k++)
        assert(kb_u32s_add(&desired->doubtful,
                           principal(target, json_object_get_string(item(get(world, "doubtful"), k)))));
    kb_u32s_sort_unique(&desired->doubtful);
    scope->managed_len = desired->groups_len = (uint32_t) len;
}

static struct kb_exception *
load_exceptions(struct json_object *world)
{
    struct kb_exception *ret = calloc(length(world, "exceptions") + 1, sizeof(*ret));

    assert(ret);
    for (size_t i = 0; i < length(world, "exceptions"); i++) {
        struct json_object *o = item(get(world, "exceptions"), i);
        ret[i] = (struct kb_exception){text(o, "group"), text(o, "principal"),
                                       json_object_get_int64(get(o, "until")), text(o, "reason")};
    }
    return ret;
}

static void
print_document(struct kb_plan *plan)
{
    struct kb_buf doc = KB_BUF_INIT(DOC_SIZE_MAX), again = KB_BUF_INIT(DOC_SIZE_MAX);
    struct kb_plan read = {0};
    struct kb_error err;

    if (kb_plan_write(plan, &doc, &err) < 0 || kb_plan_read(doc.data, doc.len, &read, &err) < 0 ||
        kb_plan_write(&read, &again, &err) < 0) {
        (void) fprintf(stderr, "planner-driver: %s\n", err.msg);
        abort();
    }
    assert(!strcmp(kb_buf_str(&doc), kb_buf_str(&again)));
    (void) fputs(kb_buf_str(&doc), stdout);
    kb_buf_done(&doc);
    kb_buf_done(&again);
    kb_plan_done(&read);
}

static void
add_text(struct json_object *array, const char *s)
{
    json_object_array_add(array, json_object_new_string(s));
}

static void
print_rest(const struct kb_plan *plan, const struct kb_plan_needs *needs, const struct kb_target *target,
           const struct kb_realm *realm)
{
    struct json_object *o = json_object_new_object(), *rows = json_object_new_array(),
                       *lookups = json_object_new_array(), *groups = json_object_new_array();

    for (uint32_t i = 0; i < plan->ledger_groups_len; i++) {
        const struct kb_plan_ledger_group *group = &plan->ledger_groups[i];
        for (uint32_t k = group->start; k < group->start + group->len; k++) {
            const struct kb_plan_ledger *row = &plan->ledger[k];
            bool adopt = row->user != KB_NONE;
            struct json_object *one = json_object_new_array();
            add_text(one, adopt ? "adopt" : "clean");
            add_text(one, kb_target_str(target, target->groups[group->group].id));
            add_text(one, kb_target_str(target, target->principals[row->principal].id));
            add_text(one, adopt ? kb_realm_str(realm, realm->users[row->user].id) : "");
            json_object_array_add(rows, one);
        }
    }
    for (size_t i = 0; i < needs->lookup_len; i++)
        json_object_array_add(lookups, json_object_new_string(needs->lookup_ids[i]));
    for (uint32_t i = 0; i < needs->target_groups.len; i++)
        json_object_array_add(groups, json_object_new_string(kb_target_str(
                                          target, target->groups[needs->target_groups.v[i]].id)));
    json_object_object_add(o, "ledger", rows);
    json_object_object_add(o, "lookups", lookups);
    json_object_object_add(o, "reread", groups);
    json_object_object_add(o, "frozen", json_object_new_int64(plan->summary.frozen));
    json_object_object_add(o, "left_out", json_object_new_int64(plan->summary.removals_left_out));
    json_object_object_add(o, "ready_writes", json_object_new_int64(plan->summary.ready_writes));
    (void) puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    json_object_put(o);
}

static void
answer(struct json_object *world)
{
    struct kb_rules rules = {0};
    struct kb_scope scope = {0};
    struct kb_realm realm = {0};
    struct kb_target target;
    struct kb_desired desired = {0};
    struct kb_strings groups = {0}, users = {0};
    struct kb_exception *exceptions = load_exceptions(world);
    struct kb_plan_input in;
    struct kb_plan plan;
    struct kb_plan_needs needs;
    struct kb_error err;

    kb_target_init(&target);
    target.name = pooled(&target.pool, text(world, "target"));
    target.level = pooled(&target.pool, text(world, "level"));
    target.host = pooled(&target.pool, text(world, "host"));
    target.users_read.status = target.services_read.status = KB_READ_COMPLETE;
    target.groups_read.status = (uint8_t) json_object_get_int(get(world, "groups_read"));
    (void) strings(world, "protect_groups", &rules.protect_groups);
    (void) strings(world, "protect_members", &rules.protect_members);
    (void) snprintf(rules.digest, sizeof(rules.digest), "%s", text(world, "rules_digest"));
    load_principals(world, &target);
    load_groups(world, &target);
    load_users(world, &realm, &target, &desired);
    load_directories(world, &realm);
    load_managed(world, &realm, &target, &scope, &desired);
    in = (struct kb_plan_input){.rules = &rules,
                                .scope = &scope,
                                .realm = &realm,
                                .target = &target,
                                .desired = &desired,
                                .run_id = "run",
                                .tool = "keybricks 1.0.0",
                                .at_s = json_object_get_int64(get(world, "at")),
                                .applied_rules_digest = "",
                                .exceptions = exceptions,
                                .exceptions_len = length(world, "exceptions"),
                                .groups = strings(world, "select_groups", &groups),
                                .users = strings(world, "select_users", &users),
                                .no_removals = flag(world, "no_removals")};
    if (kb_plan_make(&in, &plan, &needs, &err) < 0) {
        (void) fprintf(stderr, "planner-driver: %s\n", err.msg);
        abort();
    }
    print_document(&plan);
    print_rest(&plan, &needs, &target, &realm);
    (void) fflush(stdout);
    kb_plan_done(&plan);
    kb_plan_needs_done(&needs);
    kb_scope_done(&scope);
    kb_desired_done(&desired);
    kb_realm_done(&realm);
    kb_target_done(&target);
    free(rules.protect_groups.v);
    free(rules.protect_members.v);
    free(groups.v);
    free(users.v);
    free(exceptions);
}

int
main(void)
{
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, stdin) > 0) {
        struct json_object *world = json_tokener_parse(line);
        assert(world);
        answer(world);
        json_object_put(world);
    }
    free(line);
    return 0;
}
