/* What guards hold, in which order they are judged, approvals, and the guards that are more than a number. */
#include "tests/unit/plan/guards_bench.h"

static void
test_first_run(void **state)
{
    static const struct {
        const char *name;
        struct shape shape;
        bool on, any_success, first_apply, saved, ephemeral, trips;
    } cases[] = {
        {"new database", G(9, 1, 1), true, false, false, false, false, true},
        {"only a creation", NEW(0), true, false, false, false, false, true},
        {"nothing to write", G(9, 0, 0), true, false, false, false, false, false},
        {"off", G(9, 1, 1), false, false, false, false, false, false},
        {"after a success", G(9, 1, 1), true, true, false, false, false, false},
        {"after an apply", G(9, 1, 1), true, false, true, false, false, false},
        {"a person chose the file", G(9, 1, 1), true, false, false, true, false, false},
        {"ephemeral", G(9, 1, 1), true, false, false, false, true, false},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct bench b;
        bench_init(&b);
        add_group(&b, &cases[i].shape);
        b.limits.first_run = cases[i].on;
        b.history.any_success = cases[i].any_success;
        b.history.first_apply_done = cases[i].first_apply;
        b.in.saved_plan = cases[i].saved;
        b.in.ephemeral = cases[i].ephemeral;
        judge(&b);
        if (!listed(&b, KB_GUARD_FIRST_RUN) != !cases[i].trips || b.plan.guards_len != cases[i].trips)
            fail_msg("'%s'", cases[i].name);
        assert_int_equal(b.plan.summary.ready_writes,
                         !cases[i].trips && (cases[i].shape.adds || cases[i].shape.removes));
        bench_done(&b);
    }
}

static void
test_additions_percent_needs_history(void **state)
{
    struct bench b;

    (void) state;
    bench_init(&b);
    add_group(&b, &(struct shape) G(0, 60, 0));
    b.limits.max_additions_percent = 50;
    b.limits.max_additions_floor = 50;
    b.history.any_success = false;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 0);
    b.history.any_success = true;
    judge(&b);
    assert_non_null(listed(&b, KB_GUARD_MAX_ADDITIONS_PERCENT));
    bench_done(&b);
}

/* Half of an odd limit is rounded down. */
static void
test_ephemeral(void **state)
{
    static const struct {
        struct shape shape;
        uint32_t users;
        int trips;
    } cases[] = {
        {G(50, 0, 2), 0, -1},
        {G(50, 0, 3), 0, KB_GUARD_MAX_REMOVALS_TOTAL},
        {G(50, 3, 0), 0, KB_GUARD_MAX_ADDITIONS_TOTAL},
        {NEW(0), 0, KB_GUARD_MAX_GROUP_CREATIONS},
        {G(50, 1, 0), 1, -1},
        {G(50, 2, 0), 2, KB_GUARD_MAX_USER_CREATIONS},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct bench b;
        bench_init(&b);
        add_group(&b, &cases[i].shape);
        b.limits.max_removals_total = b.limits.max_additions_total = 5;
        b.limits.max_user_creations = 3;
        b.limits.max_group_creations = 1;
        make_new(&b, cases[i].users);
        judge(&b);
        assert_int_equal(b.plan.guards_len, 0);
        b.in.ephemeral = true;
        judge(&b);
        if (b.plan.guards_len != (cases[i].trips >= 0) ||
            (cases[i].trips >= 0 && b.plan.guards[0].id != cases[i].trips))
            fail_msg("case %zu", i);
        bench_done(&b);
    }
}

/* Three administrators replaced by three others, the additions held: nobody may go. */
static void
test_judged_last(void **state)
{
    struct bench b;

    (void) state;
    bench_init(&b);
    add_group(&b, &(struct shape) P(3, 3, 3));
    b.limits.privileged_additions = 0;
    b.limits.never_empty_from = 3;
    b.scope.managed[0].min_members = 2;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 3);
    assert_int_equal(b.plan.guards[0].id, KB_GUARD_NEVER_EMPTY_FROM); /* in the table's order */
    assert_int_equal(b.plan.guards[1].id, KB_GUARD_PRIVILEGED_ADDITIONS);
    assert_int_equal(b.plan.guards[2].id, KB_GUARD_MIN_MEMBERS);
    assert_int_equal(b.plan.guards[2].value, 0);
    assert_int_equal(b.plan.summary.held, 6);
    assert_int_equal(b.plan.groups[0].after, 3); /* what the plan would make, held or not */

    /* removals held by another guard: never_empty has nothing to hold, nobody goes */
    b.limits.max_removals_total = 1;
    judge(&b);
    assert_null(listed(&b, KB_GUARD_NEVER_EMPTY_FROM));
    assert_null(listed(&b, KB_GUARD_MIN_MEMBERS));
    assert_int_equal(b.plan.guards_len, 2);
    assert_int_equal(b.plan.run_guards_len, 1);
    assert_int_equal(b.plan.groups[0].guards_start, 1);

    /* and with the additions approved the exchange is complete */
    b.limits.max_removals_total = 100;
    b.in.approvals = (struct kb_approval[]){{1, "privileged_additions", "g", "group g", 2000, false}};
    b.in.approvals_len = 1;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 1);
    assert_true(b.plan.guards[0].tripped && b.plan.guards[0].approved && b.in.approvals[0].used);
    assert_int_equal(b.plan.summary.held, 0);
    bench_done(&b);
}

/* A run guard holds its kind in every group; a group guard in its own. Each guard that holds an operation is
 * noted at it. */
static void
test_scopes(void **state)
{
    struct bench b;

    (void) state;
    bench_init(&b);
    add_group(&b, &(struct shape){"a", 10, 2, 6, false, false});
    add_group(&b, &(struct shape){"b", 10, 1, 1, false, false});
    add_group(&b, &(struct shape){"c", 0, 0, 0, true, false});
    b.limits.group_max_removals_small = 5;
    judge(&b);
    assert_int_equal(held(&b, KB_OP_REMOVE), 6);
    assert_int_equal(b.plan.groups[0].state, KB_OP_HELD);
    assert_int_equal(b.plan.groups[1].state, KB_OP_READY);
    assert_int_equal(b.plan.groups[2].state, KB_OP_READY);
    assert_int_equal(b.plan.summary.ready_writes, 3); /* a's additions, b, the creation of c */
    assert_int_equal(b.plan.cost.post, 1);

    b.limits.max_removals_total = 6;
    judge(&b);
    assert_int_equal(held(&b, KB_OP_REMOVE), 7);
    assert_int_equal(held(&b, KB_OP_ADD), 0);
    assert_int_equal(b.plan.ops[2].held_by,
                     1u << KB_GUARD_MAX_REMOVALS_TOTAL | 1u << KB_GUARD_GROUP_MAX_REMOVALS_SMALL);
    assert_int_equal(b.plan.guards_len, 2);

    b.limits.max_additions_total = 2; /* additions and creations go together */
    judge(&b);
    assert_int_equal(held(&b, KB_OP_ADD), 3);
    assert_int_equal(b.plan.groups[2].state, KB_OP_HELD);
    assert_int_equal(b.plan.summary.create_groups, 0);
    assert_int_equal(b.plan.summary.ready_writes, 0);
    assert_int_equal(b.plan.cost.get + b.plan.cost.patch + b.plan.cost.post, 0);

    b.limits.max_additions_total = b.limits.max_removals_total = 100; /* judged anew: nothing sticks */
    b.limits.group_max_removals_small = 6;
    judge(&b);
    assert_int_equal(b.plan.summary.held + b.plan.guards_len, 0);
    assert_int_equal(b.plan.groups[2].state, KB_OP_READY);

    b.plan.ops[0].state = KB_OP_FROZEN; /* what apply has frozen is neither counted nor thawed */
    b.limits.max_additions_total = 2;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 0);
    assert_int_equal(b.plan.ops[0].state, KB_OP_FROZEN);
    bench_done(&b);
}

static void
test_approvals(void **state)
{
    static const struct {
        const char *name;
        struct kb_approval approval;
        bool run, group;
    } cases[] = {
        {"the run guard", {1, "max_removals_total", "", "plan", 1001, false}, true, false},
        {"ended", {1, "max_removals_total", "", "plan", 1000, false}, false, false},
        {"another plan", {1, "max_removals_total", "", "plam", 2000, false}, false, false},
        {"another guard", {1, "max_removals_percent", "", "plan", 2000, false}, false, false},
        {"run guard with a group", {1, "max_removals_total", "g", "plan", 2000, false}, false, false},
        {"run guard with the group's fingerprint",
         {1, "max_removals_total", "", "group g", 2000, false},
         false,
         false},
        {"the group guard", {1, "group_max_removals_small", "g", "group g", 2000, false}, false, true},
        {"another group", {1, "group_max_removals_small", "h", "group g", 2000, false}, false, false},
        {"group guard without a group",
         {1, "group_max_removals_small", "", "group g", 2000, false},
         false,
         false},
        {"group guard with the plan's",
         {1, "group_max_removals_small", "g", "plan", 2000, false},
         false,
         false},
        {"no guard at all", {1, "", "", "plan", 2000, false}, false, false},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct kb_approval approval = cases[i].approval;
        struct bench b;
        bench_init(&b);
        add_group(&b, &(struct shape) G(10, 0, 6));
        b.limits.max_removals_total = 5;
        b.limits.group_max_removals_small = 5;
        b.in.approvals = &approval;
        b.in.approvals_len = 1;
        judge(&b);
        assert_int_equal(b.plan.guards_len, 2); /* approved or not, it is tripped and listed */
        if (listed(&b, KB_GUARD_MAX_REMOVALS_TOTAL)->approved != cases[i].run ||
            listed(&b, KB_GUARD_GROUP_MAX_REMOVALS_SMALL)->approved != cases[i].group ||
            approval.used != (cases[i].run || cases[i].group))
            fail_msg("'%s'", cases[i].name);
        assert_int_equal(b.plan.summary.held, 6); /* the other one still holds */
        bench_done(&b);
    }
}

/* Nothing can approve a member guard, and nothing forgets it. */
static void
test_member_guards(void **state)
{
    struct kb_approval approval = {1, "self_check", "g", "group g", 2000, false};
    struct bench b;

    (void) state;
    bench_init(&b);
    add_group(&b, &(struct shape) G(10, 1, 0));
    assert_true(kb_grow(&b.plan.guards, &b.plan.guards_cap, 1, sizeof(*b.plan.guards), 8));
    b.plan.guards[0] = (struct kb_plan_guard){
        .id = KB_GUARD_SELF_CHECK, .scope = KB_SCOPE_MEMBER, .tripped = true, .value = 1};
    b.plan.guards_len = b.plan.groups[0].guards_len = 1;
    b.in.approvals = &approval;
    b.in.approvals_len = 1;
    for (int i = 0; i < 2; i++) {
        judge(&b);
        assert_int_equal(b.plan.guards_len, 1);
        assert_int_equal(b.plan.groups[0].guards_len, 1);
        assert_true(b.plan.guards[0].tripped && !b.plan.guards[0].approved && !approval.used);
        assert_int_equal(b.plan.guards[0].scope, KB_SCOPE_MEMBER);
        assert_int_equal(b.plan.summary.add, 1);
    }
    bench_done(&b);
}

static void
test_gone(void **state)
{
    struct bench b;

    (void) state;
    bench_init(&b);
    add_group(&b, &(struct shape) G(10, 1, 1));
    judge(&b);
    assert_int_equal(b.plan.guards_len, 0);
    b.desired.groups[0].gone_note = kb_strndup("role contractor", 64);
    judge(&b);
    assert_int_equal(b.plan.summary.held, 2);
    assert_string_equal(kb_plan_str(&b.plan, listed(&b, KB_GUARD_SOURCE_OBJECT_GONE)->note),
                        "role contractor");
    b.limits.source_object_gone = false;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 0);
    b.limits.source_object_gone = true;
    (void) snprintf(b.scope.managed[0].name, sizeof(b.scope.managed[0].name), "other");
    judge(&b); /* not in the scope at all */
    assert_int_equal(b.plan.summary.held, 2);
    bench_done(&b);
}

static void
test_canary(void **state)
{
    char user[] = "Canary", group[] = "/data/ml", *users[] = {user}, *groups[] = {group};
    struct bench b;
    uint32_t u, g;

    (void) state;
    bench_init(&b);
    b.rules.canary_users = (struct kb_strings){users, 1};
    b.rules.canary_groups = (struct kb_strings){groups, 1};
    judge(&b); /* trips also when there is nothing to hold */
    assert_int_equal(b.plan.guards_len, 1);
    assert_int_equal(b.plan.guards[0].value, 2);
    assert_string_equal(kb_plan_str(&b.plan, b.plan.guards[0].note),
                        "not visible: user Canary, group /data/ml");
    u = kb_realm_user_add(&b.realm, "u1");
    b.realm.users[u].username = kb_pool_adds(&b.realm.pool, "canary");
    g = kb_realm_group_add(&b.realm, "g1");
    b.realm.groups[g].path = kb_pool_adds(&b.realm.pool, "/data/ML");
    add_group(&b, &(struct shape) G(10, 1, 1));
    judge(&b);
    assert_int_equal(b.plan.guards[0].value, 1);
    assert_int_equal(b.plan.summary.held, 2);
    b.realm.groups[g].path = kb_pool_adds(&b.realm.pool, "/data/ml");
    judge(&b);
    assert_int_equal(b.plan.guards_len, 0);
    b.realm.users[u].flags = KB_USER_GONE;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 1);
    bench_done(&b);
}

static void
test_directory_disabled(void **state)
{
    struct bench b;

    (void) state;
    bench_init(&b);
    add_group(&b, &(struct shape) G(30, 1, 2));
    b.plan.ops[1].cause = KB_CAUSE_DISABLED_IN_DIRECTORY;
    for (unsigned i = 0; i < 20; i++) {
        char id[8];
        uint32_t u;
        (void) snprintf(id, sizeof(id), "u%u", i);
        u = kb_realm_user_add(&b.realm, id);
        b.realm.users[u].directory = kb_pool_adds(&b.realm.pool, i < 10 ? "ldap" : "ad");
        b.realm.users[u].flags = i < 2 ? 0 : i == 2 ? KB_USER_DISABLED_STORED : KB_USER_ENABLED;
        assert_true(kb_u32s_add(&b.desired.groups[0].users, u));
    }
    b.limits.directory_disabled_percent = 20; /* 2 of 10 of one directory, not 2 of 20 */
    judge(&b);
    assert_int_equal(b.plan.guards_len, 0);
    b.limits.directory_disabled_percent = 19;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 1);
    assert_int_equal(b.plan.guards[0].value, 20);
    assert_int_equal(b.plan.summary.held, 1); /* only the removal for that reason */
    assert_int_equal(b.plan.ops[1].state, KB_OP_HELD);
    b.limits.directory_disabled_floor = 2;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 0);
    b.limits.directory_disabled_floor = 1;
    b.plan.ops[1].cause = KB_CAUSE_REVOKED;
    judge(&b); /* nothing of the kind to hold */
    assert_int_equal(b.plan.guards_len, 0);
    bench_done(&b);
}

static void
test_undo(void **state)
{
    struct bench b;
    uint32_t u;

    (void) state;
    bench_init(&b);
    add_group(&b, &(struct shape) G(30, 1, 1));
    u = kb_realm_user_add(&b.realm, "u1");
    b.desired.matches_len = 1;
    b.desired.matches[u].verdict = KB_MATCHED;
    for (unsigned i = 0; i < 2; i++) {
        b.plan.ops[i].cause = KB_CAUSE_UNDO;
        b.plan.ops[i].source_id = kb_pool_adds(&b.plan.pool, "u1");
    }
    judge(&b); /* not granted: adding contradicts, removing does not */
    assert_int_equal(b.plan.guards_len, 1);
    assert_int_equal(b.plan.guards[0].id, KB_GUARD_UNDO_OF_GRANTED);
    assert_int_equal(b.plan.ops[0].state, KB_OP_HELD);
    assert_int_equal(b.plan.ops[1].state, KB_OP_READY);
    assert_true(kb_u32s_add(&b.desired.groups[0].users, u));
    judge(&b); /* granted: the other way round */
    assert_int_equal(b.plan.ops[0].state, KB_OP_READY);
    assert_int_equal(b.plan.ops[1].state, KB_OP_HELD);
    b.desired.matches[u].verdict = KB_MATCH_DISABLED; /* desires nothing */
    judge(&b);
    assert_int_equal(b.plan.ops[0].state, KB_OP_HELD);
    b.plan.ops[0].cause = KB_CAUSE_GRANTED;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 0);
    bench_done(&b);
}

/* A plan from a file has no realm: what only the realm can tell keeps the file's verdict. */
static void
test_from_file(void **state)
{
    struct bench b;

    (void) state;
    bench_init(&b);
    add_group(&b, &(struct shape) P(3, 1, 1));
    b.limits.privileged_additions = 0;
    b.limits.source_min_users = 6;
    b.limits.max_removals_total = 0;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 3);
    b.in.desired = NULL;
    b.in.realm = NULL;
    b.in.scope = NULL;
    b.plan.groups[0].privileged = false; /* not in the document */
    b.limits.max_removals_total = 1;
    judge(&b);
    assert_int_equal(b.plan.guards_len, 2);
    assert_non_null(listed(&b, KB_GUARD_PRIVILEGED_ADDITIONS));
    assert_non_null(listed(&b, KB_GUARD_SOURCE_MIN_USERS));
    assert_int_equal(b.plan.summary.held, 2);
    bench_done(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_run),     cmocka_unit_test(test_additions_percent_needs_history),
        cmocka_unit_test(test_ephemeral),     cmocka_unit_test(test_judged_last),
        cmocka_unit_test(test_scopes),        cmocka_unit_test(test_approvals),
        cmocka_unit_test(test_member_guards), cmocka_unit_test(test_gone),
        cmocka_unit_test(test_canary),        cmocka_unit_test(test_directory_disabled),
        cmocka_unit_test(test_undo),          cmocka_unit_test(test_from_file),
    };

    return cmocka_run_group_tests_name("guards", tests, NULL, NULL);
}
