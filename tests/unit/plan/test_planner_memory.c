/* Out of memory is an error like any other: each allocation of plan, judgement, document and reading fails
 * once. */
#include "tests/unit/plan/plan_world.h"
#include "tests/unit/support/torture.h"

#define DOC_SIZE_MAX (1u << 20)

/* An addition with a reason, a removal, a row to adopt, a row to clean, people of several lists, a creation. */
static void
build(struct world *w)
{
    uint32_t role, g, m, p[4], u[4];
    static const char *const ids[] = {"1001", "1002", "1003", "1004"};
    static const char *const names[] = {"ada@x", "bo@x", "chen@x", "dag@x"};
    static const char *const uids[] = {"u1", "u2", "u3", "u4"};

    world_init(w);
    role = kb_realm_role_add(&w->realm, "r1");
    assert_true(kb_realm_role_set_name(&w->realm, role, "r", false));
    for (unsigned i = 0; i < 4; i++) {
        p[i] = world_principal(w, ids[i], names[i]);
        u[i] = world_user(w, uids[i], names[i], i == 3 ? KB_NONE : p[i]);
        assert_true(kb_u32s_add(&w->realm.roles[role].holders, u[i]));
    }
    m = world_managed(w, "ml");
    w->scope.bindings = calloc(1, sizeof(*w->scope.bindings));
    assert_non_null(w->scope.bindings);
    w->scope.bindings[0] =
        (struct kb_binding){.rule = &w->rule, .managed = m, .role = role, .group = KB_NONE};
    w->scope.bindings_len = w->scope.managed[m].bindings_len = 1;
    g = world_group(w, "900", "ml");
    w->target.groups[g].from = KB_MEMBERS_SNAPSHOT;
    world_hold(w, m, u[0]);
    world_hold(w, m, u[1]);
    world_hold(w, m, u[3]);
    world_member(w, g, p[1]); /* adopt */
    world_member(w, g, p[2]); /* revoked */
    world_ledger(w, g, p[2], "u3");
    world_member(w, g, p[3]); /* nobody knows */
    world_ledger(w, g, p[3], "u9");
    m = world_managed(w, "new");
    w->scope.managed[m].create = true;
    world_hold(w, m, u[0]);
    (void) world_managed(w, "none");
}

static int
everything(struct world *w)
{
    KB_CLEANUP(kb_buf) struct kb_buf doc = KB_BUF_INIT(DOC_SIZE_MAX);
    struct kb_history history = {0};
    struct kb_limits limits = {.first_run = true, .source_object_gone = true, .never_empty_from = 1};
    const struct kb_guard_input in = {.limits = &limits,
                                      .history = &history,
                                      .rules = &w->rules,
                                      .desired = &w->desired,
                                      .realm = &w->realm,
                                      .scope = &w->scope,
                                      .self_id = ""};
    struct kb_plan read = {0};
    int r;

    w->in.rules = &w->rules;
    w->in.scope = &w->scope;
    w->in.realm = &w->realm;
    w->in.target = &w->target;
    w->in.desired = &w->desired;
    world_forget(w);
    r = kb_plan_make(&w->in, &w->plan, &w->needs, &w->err);
    if (r >= 0)
        r = kb_guards_judge(&in, &w->plan, &w->err);
    if (r >= 0)
        r = kb_plan_write(&w->plan, &doc, &w->err);
    if (r >= 0)
        r = kb_plan_read(doc.data, doc.len, &read, &w->err);
    kb_plan_done(&read);
    return r;
}

static void
test_every_allocation(void **state)
{
    unsigned failed = 0;
    struct world w;

    (void) state;
    build(&w);
    assert_int_equal(everything(&w), 0);
    assert_int_equal(w.plan.ops_len, 3);
    assert_int_equal(w.plan.ledger_len, 1);
    assert_int_equal(w.plan.ops[0].reasons_len, 1);
    for (unsigned n = 0;; n++) {
        bool reached;
        int r;
        torture_start(n);
        r = everything(&w);
        reached = torture_stop();
        if (r != (reached ? -KB_E_NOMEM : 0))
            fail_msg("allocation %u: result %d, %s", n, r, r < 0 ? w.err.msg : "");
        if (!reached)
            break;
        failed++;
    }
    assert_true(failed > 50);
    world_done(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};

    return cmocka_run_group_tests_name("plan: memory", tests, NULL, NULL);
}
