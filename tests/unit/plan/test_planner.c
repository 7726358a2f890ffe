/* Groups: which may be touched, selectors, order, counts, needs, digests. The table of rows has its own file.
 */
#include "tests/unit/plan/plan_world.h"

/* One group "ml", a user who is to be added, so that "nothing planned" means something. */
static void
one_addition(struct world *w)
{
    world_init(w);
    (void) world_managed(w, "ml");
    world_hold(w, 0, world_user(w, "u1", "ada@acme.example", world_principal(w, "1001", "ada@acme.example")));
    (void) world_group(w, "900", "ml");
}

static void
no_listing_of_users(struct world *w)
{
    w->target.users_read.status = KB_READ_SUSPECT;
}

static void
no_listing_of_services(struct world *w)
{
    w->target.services_read.status = KB_READ_FAILED;
}

static void
no_listing_of_groups(struct world *w)
{
    w->target.groups_read.status = KB_READ_DENIED;
}

static void
pending_listing(struct world *w)
{
    w->target.groups_read.status = KB_READ_PENDING;
}

static void
services_not_asked(struct world *w)
{
    w->target.services_read.status = KB_READ_NOT_ASKED;
}

static void
not_there(struct world *w)
{
    w->target.groups[0].listed = false;
}

static void
to_be_created(struct world *w)
{
    w->target.groups[0].listed = false;
    w->scope.managed[0].create = true;
}

static void
other_case(struct world *w)
{
    assert_true(kb_target_group_set_name(&w->target, 0, "ML"));
    w->scope.managed[0].create = true;
}

static void
other_case_beside(struct world *w)
{
    (void) world_group(w, "901", "ML");
}

static void
twice(struct world *w)
{
    (void) world_group(w, "901", "ml");
}

static void
twice_but_one_unlisted(struct world *w)
{
    w->target.groups[world_group(w, "901", "ml")].listed = false;
}

static void
owned(struct world *w)
{
    w->target.groups[0].external_id = kb_pool_adds(&w->target.pool, "aad-7");
}

static void
owned_and_adopted(struct world *w)
{
    owned(w);
    w->scope.managed[0].adopt_external = true;
}

static void
workspace_local(struct world *w)
{
    w->target.groups[0].local = true;
}

static void
workspace_local_at_home(struct world *w)
{
    w->target.groups[0].local = true;
    w->target.level = kb_pool_adds(&w->target.pool, "workspace");
}

static void
members_not_read(struct world *w)
{
    w->target.groups[0].from = KB_MEMBERS_NONE;
    w->target.groups[0].read.status = KB_READ_NOT_ASKED;
}

static void
members_failed(struct world *w)
{
    w->target.groups[0].from = KB_MEMBERS_SNAPSHOT;
    w->target.groups[0].read.status = KB_READ_FAILED;
    w->target.groups[0].read.note = kb_pool_adds(&w->target.pool, "HTTP 503");
}

static void
members_gone(struct world *w)
{
    w->target.groups[0].read.status = KB_READ_GONE;
}

static void
from_snapshot(struct world *w)
{
    w->target.groups[0].from = KB_MEMBERS_SNAPSHOT;
    w->target.groups[0].read.status = KB_READ_NOT_ASKED;
}

static void
source_failed(struct world *w)
{
    w->desired.groups[0].frozen_note = kb_strndup("role ml: holders failed (HTTP 403)", 200);
}

static void
ambiguous_path(struct world *w)
{
    w->scope.managed[0].ambiguous_path = true;
}

static void
test_frozen(void **state)
{
    static const struct {
        const char *name;
        void (*change)(struct world *w);
        const char *note; /* NULL: planned */
        unsigned frozen, groups;
    } cases[] = {
        {"users not complete", no_listing_of_users, "list of Databricks users", 1, 0},
        {"service principals not complete", no_listing_of_services, "service principals", 1, 0},
        {"groups not complete", no_listing_of_groups, "list of Databricks groups", 1, 0},
        {"groups pending", pending_listing, "list of Databricks groups", 1, 0},
        {"service principals not asked", services_not_asked, NULL, 0, 1},
        {"no such group", not_there, "no such group", 1, 0},
        {"to be created", to_be_created, NULL, 0, 1},
        {"letter case", other_case, "name differs only in case: ML", 1, 0},
        {"letter case beside", other_case_beside, NULL, 0, 1},
        {"name twice", twice, "name is not unique", 1, 0},
        {"name twice, one remembered only", twice_but_one_unlisted, NULL, 0, 1},
        {"external id", owned, "owned by another provisioner", 1, 0},
        {"external id, adopted", owned_and_adopted, NULL, 0, 1},
        {"workspace group at the account", workspace_local, "wrong level", 1, 0},
        {"workspace group at its workspace", workspace_local_at_home, NULL, 0, 1},
        {"members not read", members_not_read, "its members were not read", 1, 0},
        {"members failed", members_failed, "members failed: HTTP 503", 1, 0},
        {"members gone", members_gone, "members gone", 1, 0},
        {"from the snapshot", from_snapshot, NULL, 0, 1},
        {"source failed", source_failed, "role ml: holders failed (HTTP 403)", 1, 0},
        {"ambiguous path", ambiguous_path, "fits several groups", 1, 0},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        const struct kb_left_alone *left = NULL;
        struct world w;
        one_addition(&w);
        cases[i].change(&w);
        world_plan(&w);
        if (w.plan.groups_len != cases[i].groups || w.plan.summary.frozen != cases[i].frozen ||
            world_left(&w, KB_LEFT_FROZEN, &left) != cases[i].frozen || w.plan.ops_len != cases[i].groups)
            fail_msg("'%s': %u groups, %u frozen", cases[i].name, w.plan.groups_len, w.plan.summary.frozen);
        if (cases[i].note && (!strstr(world_str(&w, left->note), cases[i].note) ||
                              strcmp(world_str(&w, left->group), "ml") != 0))
            fail_msg("'%s': %s", cases[i].name, world_str(&w, left->note));
        world_done(&w);
    }
}

static void
test_protected_group(void **state)
{
    static const char *const names[] = {"admins", "Admins", "users", "account users", "Break Glass"};
    char configured[] = "break glass", *list[] = {configured};

    (void) state;
    for (size_t i = 0; i < KB_LEN(names); i++) {
        struct world w;
        one_addition(&w);
        (void) snprintf(w.scope.managed[0].name, sizeof(w.scope.managed[0].name), "%s", names[i]);
        assert_true(kb_target_group_set_name(&w.target, 0, names[i]));
        w.rules.protect_groups = (struct kb_strings){list, 1};
        world_plan(&w);
        assert_int_equal(w.plan.ops_len, 0);
        assert_int_equal(w.plan.groups_len, 1);
        assert_int_equal(w.plan.guards[0].id, KB_GUARD_PROTECTED_GROUP);
        assert_int_equal(w.plan.guards[0].value, 1);

        world_member(&w, 0, 0); /* in sync but for the ledger: nothing to hold, nothing to adopt */
        world_plan(&w);
        assert_int_equal(w.plan.groups_len + w.plan.ledger_len + w.plan.left_len, 0);

        w.target.groups[0].listed = false;
        w.scope.managed[0].create = true;
        world_plan(&w);
        assert_int_equal(w.plan.groups_len, 0);
        assert_int_equal(w.plan.summary.frozen, 1);
        world_done(&w);
    }
    assert_false(kb_guard_group_protected(&(struct kb_rules){0}, "admin"));
}

static void
test_create(void **state)
{
    struct world w;

    (void) state;
    one_addition(&w);
    to_be_created(&w);
    world_plan(&w);
    assert_true(w.plan.groups[0].create);
    assert_int_equal(w.plan.groups[0].id, 0);
    assert_int_equal(w.plan.groups[0].before, 0);
    assert_int_equal(w.plan.groups[0].after, 1);
    assert_int_equal(w.plan.groups[0].precondition_members, 0);
    assert_string_equal(w.plan.groups[0].precondition,
                        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(w.plan.summary.create_groups, 1);
    assert_int_equal(w.plan.cost.post, 1);
    assert_int_equal(w.plan.cost.patch, 1);
    assert_int_equal(w.plan.cost.get, 0);

    /* empty, but to be created */
    kb_u32s_done(&w.desired.groups[0].users);
    kb_u32s_done(&w.desired.groups[0].principals);
    world_plan(&w);
    assert_int_equal(w.plan.groups_len, 1);
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(w.plan.summary.ready_writes, 1);
    world_done(&w);
}

static void
test_released(void **state)
{
    const struct kb_left_alone *left = NULL;
    struct world w;
    uint32_t old, gone, p;

    (void) state;
    one_addition(&w);
    old = world_group(&w, "800", "old");
    p = world_principal(&w, "1002", "bo@acme.example");
    world_member(&w, old, p);
    world_plan(&w); /* never ours: not even listed */
    assert_int_equal(w.plan.left_len, 0);
    world_ledger(&w, old, p, "u2");
    gone = world_group(&w, "801", "older"); /* remembered by the ledger only */
    w.target.groups[gone].listed = false;
    w.target.groups[gone].read.status = KB_READ_NOT_ASKED;
    world_ledger(&w, gone, p, "u2");
    world_plan(&w);
    assert_int_equal(world_left(&w, KB_LEFT_RELEASED, &left), 2);
    assert_string_equal(world_str(&w, left->group), "old");
    assert_int_equal(w.plan.ops_len, 1); /* Ada's */
    assert_int_equal(w.plan.ledger_len, 0);

    w.target.groups[gone].read.status = KB_READ_GONE; /* Databricks' own 404 */
    world_plan(&w);
    assert_int_equal(world_left(&w, KB_LEFT_RELEASED, NULL), 1);
    assert_int_equal(w.plan.ledger_len, 1);
    assert_int_equal(w.plan.ledger[0].user, KB_NONE);
    assert_int_equal(w.plan.ledger_groups[0].managed, KB_NONE);
    assert_string_equal(world_group_id(&w, w.plan.ledger_groups[0].group), "801");
    world_done(&w);
}

/* Three groups with an addition and a removal each, a foreign member, somebody unmatched. */
static void
three_groups(struct world *w, bool backwards)
{
    static const char *const names[] = {"a", "b", "c"}, *const ids[] = {"901", "902", "903"};
    uint32_t groups[3], p[4], u[4];

    world_init(w);
    for (unsigned i = 0; i < 4; i++) {
        static const char *const pid[] = {"1001", "1002", "1003", "1004"};
        static const char *const name[] = {"ada@x", "bo@x", "chen@x", "dag@x"};
        unsigned k = backwards ? 3 - i : i;
        p[k] = world_principal(w, pid[k], name[k]);
    }
    w->target.principals[p[1]].kind = KB_PRINCIPAL_SERVICE;
    for (unsigned i = 0; i < 4; i++) {
        static const char *const uid[] = {"u1", "u2", "u3", "u4"};
        static const char *const name[] = {"ada@x", "bo@x", "chen@x", "nobody@x"};
        unsigned k = backwards ? 3 - i : i;
        u[k] = world_user(w, uid[k], name[k], k == 3 ? KB_NONE : p[k]);
    }
    for (unsigned i = 0; i < 3; i++) {
        unsigned k = backwards ? 2 - i : i;
        groups[k] = world_group(w, ids[k], names[k]);
    }
    for (unsigned i = 0; i < 3; i++) {
        uint32_t m = world_managed(w, names[i]);
        world_hold(w, m, u[0]);
        world_hold(w, m, u[1]);
        world_hold(w, m, u[3]);
        world_member(w, groups[i], p[2]);
        world_ledger(w, groups[i], p[2], "u3");
        world_member(w, groups[i], p[3]);
    }
}

static void
test_order(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf one = KB_BUF_INIT(1 << 20), two = KB_BUF_INIT(1 << 20);
    struct world w;

    (void) state;
    three_groups(&w, false);
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 9);
    for (unsigned g = 0; g < 3; g++) { /* "service_principal" < "user", "add" < "remove" */
        const struct kb_plan_op *op = &w.plan.ops[w.plan.groups[g].ops_start];
        assert_string_equal(world_str(&w, op[0].name), "bo@x");
        assert_string_equal(world_str(&w, op[1].name), "ada@x");
        assert_string_equal(world_str(&w, op[2].name), "chen@x");
        assert_int_equal(op[2].op, KB_OP_REMOVE);
        assert_int_equal(w.plan.groups[g].before, 2);
        assert_int_equal(w.plan.groups[g].after, 3);
    }
    assert_int_equal(w.plan.summary.add, 6);
    assert_int_equal(w.plan.summary.remove, 3);
    assert_int_equal(w.plan.summary.foreign, 3);
    assert_int_equal(w.plan.summary.unmatched, 3);
    assert_int_equal(w.plan.summary.ready_writes, 3);
    assert_int_equal(w.plan.target_groups, 3);
    assert_int_equal(w.plan.target_memberships, 6);
    assert_int_equal(w.plan.cost.get, 3);
    assert_int_equal(w.plan.cost.patch, 3);
    /* printf '1003\n1004' | sha256sum */
    assert_string_equal(w.plan.groups[0].precondition,
                        "sha256:c1fd4bede04fb2325b166321e676fd399290883c2e1d850a171ab17c5af4412c");
    assert_int_equal(kb_plan_write(&w.plan, &one, &w.err), 0);
    world_done(&w);

    three_groups(&w, true); /* the servers answered in another order */
    world_plan(&w);
    assert_int_equal(kb_plan_write(&w.plan, &two, &w.err), 0);
    assert_string_equal(kb_buf_str(&one), kb_buf_str(&two));
    kb_buf_done(&two);
    world_plan(&w); /* and once more over the same inputs */
    assert_int_equal(kb_plan_write(&w.plan, &two, &w.err), 0);
    assert_string_equal(kb_buf_str(&one), kb_buf_str(&two));
    world_done(&w);
}

static void
test_selectors(void **state)
{
    char glob_b[] = "b*", glob_none[] = "z", ada[] = "ADA@x", chen_id[] = "u3", dag[] = "dag@x",
         nobody[] = "Nobody@x";
    char *groups_b[] = {glob_b}, *groups_none[] = {glob_none}, *users_ada[] = {ada},
         *users_chen[] = {chen_id}, *users_dag[] = {dag}, *users_nobody[] = {nobody},
         *groups_two[] = {glob_none, glob_b};

    const struct {
        const char *name;
        struct kb_strings groups, users;
        bool no_removals;
        unsigned ops, left, left_out, groups_len;
    } cases[] = {
        {"all", {0}, {0}, false, 9, 6, 0, 3},
        {"one group", {groups_b, 1}, {0}, false, 3, 2, 0, 1},
        {"two globs", {groups_two, 2}, {0}, false, 3, 2, 0, 1},
        {"no group", {groups_none, 1}, {0}, false, 0, 0, 0, 0},
        {"by name in Databricks", {0}, {users_dag, 1}, false, 0, 3, 0, 0},
        {"by e-mail", {0}, {users_ada, 1}, false, 3, 0, 0, 3},
        {"by Keycloak id", {0}, {users_chen, 1}, false, 3, 0, 0, 3},
        {"who is unmatched", {0}, {users_nobody, 1}, false, 0, 3, 0, 0},
        {"both", {groups_b, 1}, {users_ada, 1}, false, 1, 0, 0, 1},
        {"no removals", {0}, {0}, true, 6, 6, 3, 3},
        {"no removals of a leaver", {0}, {users_chen, 1}, true, 0, 0, 3, 0},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct world w;
        three_groups(&w, false);
        w.in.groups = cases[i].groups.len ? &cases[i].groups : NULL;
        w.in.users = cases[i].users.len ? &cases[i].users : NULL;
        w.in.no_removals = cases[i].no_removals;
        world_plan(&w);
        if (w.plan.ops_len != cases[i].ops || w.plan.left_len != cases[i].left ||
            w.plan.summary.removals_left_out != cases[i].left_out || w.plan.groups_len != cases[i].groups_len)
            fail_msg("'%s': %u operations, %u left alone, %u left out, %u groups", cases[i].name,
                     w.plan.ops_len, w.plan.left_len, w.plan.summary.removals_left_out, w.plan.groups_len);
        assert_int_equal(w.plan.narrowed, i > 0);
        assert_int_equal(w.plan.target_memberships, 6); /* the base of percentages does not shrink */
        world_done(&w);
    }
}

/* A selected person who is not in a group to be made must not make it. */
static void
test_selected_creation(void **state)
{
    char who[] = "zoe@acme.example", *list[] = {who};
    struct kb_strings users = {list, 1};
    struct world w;

    (void) state;
    one_addition(&w);
    to_be_created(&w);
    w.in.users = &users;
    world_plan(&w);
    assert_int_equal(w.plan.groups_len, 0);
    (void) snprintf(who, sizeof(who), "Ada@acme.example");
    world_plan(&w);
    assert_int_equal(w.plan.groups_len, 1);
    world_done(&w);
}

static void
test_needs(void **state)
{
    struct world w;

    (void) state;
    three_groups(&w, true);
    for (uint32_t g = 0; g < 3; g++)
        w.target.groups[g].from = KB_MEMBERS_SNAPSHOT;
    w.target.groups[0].read_at_s = 300;
    w.target.groups[1].read_at_s = 100;
    w.target.groups[2].read_at_s = 200;
    world_plan(&w);
    assert_int_equal(w.needs.target_groups.len, 3);
    assert_int_equal(w.plan.target_snapshot_s, 100);
    assert_int_equal(w.plan.target_read_now, 0);
    w.target.groups[1].from = KB_MEMBERS_NOW;
    world_plan(&w);
    assert_int_equal(w.needs.target_groups.len, 2);
    assert_false(kb_u32s_has(&w.needs.target_groups, 1));
    assert_int_equal(w.plan.target_snapshot_s, 200);
    assert_int_equal(w.plan.target_read_now, 1);

    for (uint32_t g = 0; g < 3; g++) /* the same unknown person in three groups is asked for once */
        w.target.groups[g].ledger_user.v[0] = kb_pool_adds(&w.target.pool, g == 1 ? "u7" : "u8");
    world_plan(&w);
    assert_int_equal(w.needs.lookup_len, 2);
    assert_string_equal(w.needs.lookup_ids[0], "u7");
    assert_string_equal(w.needs.lookup_ids[1], "u8");
    assert_int_equal(world_left(&w, KB_LEFT_UNPROVEN, NULL), 3);
    world_done(&w);
}

static void
test_describe(void **state)
{
    struct world w;
    char digest[KB_DIGEST_SIZE];

    (void) state;
    three_groups(&w, false);
    w.in.applied_rules_digest = w.rules.digest;
    w.realm.roles_read.status = KB_READ_COMPLETE;
    w.realm.groups_read.status = KB_READ_COMPLETE;
    w.desired.users_behind = 4;
    world_plan(&w);
    assert_false(w.plan.rules_changed);
    assert_true(w.plan.source_complete);
    assert_int_equal(w.plan.source_lists, 2);
    assert_int_equal(w.plan.source_users, 4);
    memcpy(digest, w.plan.source_digest, sizeof(digest));
    w.in.applied_rules_digest = "sha256:other";
    w.realm.groups_read.status = KB_READ_FAILED;
    world_hold(&w, 2, 2);
    world_plan(&w);
    assert_true(w.plan.rules_changed);
    assert_false(w.plan.source_complete);
    assert_int_equal(w.plan.source_lists_ok, 1);
    assert_string_not_equal(digest, w.plan.source_digest);
    world_done(&w);
}

static void
test_patch_requests(void **state)
{
    static const struct {
        uint32_t adds, removes, requests;
    } cases[] = {{0, 0, 0},    {1, 0, 1},   {50, 0, 1},  {51, 0, 1},    {120, 0, 1},  {2500, 0, 1},
                 {2501, 0, 2}, {0, 50, 1},  {0, 51, 2},  {1, 49, 1},    {1, 50, 2},   {51, 48, 1},
                 {51, 49, 2},  {0, 100, 2}, {0, 101, 3}, {2500, 50, 2}, {2501, 50, 3}};

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        if (kb_patch_requests(cases[i].adds, cases[i].removes) != cases[i].requests)
            fail_msg("+%u -%u: %u requests", cases[i].adds, cases[i].removes,
                     kb_patch_requests(cases[i].adds, cases[i].removes));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_protected_group),
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_released),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_selectors),
        cmocka_unit_test(test_selected_creation),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_patch_requests),
    };

    return cmocka_run_group_tests_name("planner: groups", tests, NULL, NULL);
}
