/* One changed group on its way, as far as it needs no server and no database: what is sent, what a reading says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "reconciler/apply/work.h"

struct bench {
    struct apply a;
    struct kb_plan plan;
    struct kb_target target;
    struct kb_plan_group groups[2];
    struct kb_plan_op ops[6];
    uint32_t tgroup;
};

static void
op(struct bench *b, uint32_t i, enum kb_op what, const char *id, enum kb_op_state state)
{
    b->ops[i] = (struct kb_plan_op){
        .op = (uint8_t) what, .state = (uint8_t) state, .id = kb_pool_adds(&b->plan.pool, id)};
    assert_true(b->ops[i].id && b->ops[i].id != KB_NONE);
}

/* Group 900 in the target has 1 and 4; the plan adds 1, 2 (ready) and 3 (held), removes 4, 5 (ready) and 6 (frozen). */
static void
setup(struct bench *b)
{
    static const char *const principals[] = {"1", "2", "3", "4", "5", "6"};
    *b = (struct bench){0};
    kb_target_init(&b->target);
    b->tgroup = kb_target_group_add(&b->target, "900");
    assert_true(b->tgroup != KB_NONE);
    for (size_t i = 0; i < KB_LEN(principals); i++) {
        uint32_t p = kb_target_principal_add(&b->target, principals[i]);
        assert_true(p != KB_NONE);
        if (i == 0 || i == 3)
            assert_true(kb_u32s_add(&b->target.groups[b->tgroup].members, p));
    }
    b->groups[0] = (struct kb_plan_group){
        .id = kb_pool_adds(&b->plan.pool, "900"), .name = kb_pool_adds(&b->plan.pool, "ml"), .ops_len = 6};
    b->groups[1] =
        (struct kb_plan_group){.name = kb_pool_adds(&b->plan.pool, "new"), .create = true, .ops_start = 6};
    op(b, 0, KB_OP_ADD, "1", KB_OP_READY);
    op(b, 1, KB_OP_ADD, "2", KB_OP_READY);
    op(b, 2, KB_OP_ADD, "3", KB_OP_HELD);
    op(b, 3, KB_OP_REMOVE, "4", KB_OP_READY);
    op(b, 4, KB_OP_REMOVE, "5", KB_OP_READY);
    op(b, 5, KB_OP_REMOVE, "6", KB_OP_FROZEN);
    b->plan.groups = b->groups;
    b->plan.groups_len = 2;
    b->plan.ops = b->ops;
    b->plan.ops_len = 6;
    b->a = (struct apply){.plan = &b->plan, .target = &b->target};
}

static void
teardown(struct bench *b)
{
    b->plan.groups = NULL; /* the bench's own */
    b->plan.ops = NULL;
    kb_plan_done(&b->plan);
    kb_target_done(&b->target);
}

static void
test_only_what_is_ready(void **state)
{
    struct bench b;
    struct work w, empty;
    struct kb_error err = {0};
    (void) state;
    setup(&b);
    assert_int_equal(work_new(&b.a, 0, &w, &err), 0);
    assert_int_equal(w.add_len, 2);
    assert_int_equal(w.remove_len, 2);
    assert_string_equal(w.add_ids[0], "1");
    assert_string_equal(w.add_ids[1], "2");
    assert_string_equal(w.remove_ids[0], "4");
    assert_string_equal(w.remove_ids[1], "5");
    assert_int_equal(w.add_ops[1], 1);
    assert_int_equal(w.remove_ops[1], 4);
    assert_int_equal(w.limits.ops, SCIM_OPS_MAX);
    assert_int_equal(w.limits.members, SCIM_MEMBERS_MAX);
    assert_false(w.create);
    assert_true(w.unreadable); /* until it was read */
    assert_string_equal(work_group_id(&w), "900");
    assert_int_equal(work_new(&b.a, 1, &empty, &err), 0);
    assert_true(empty.create);
    assert_int_equal(empty.add_len + empty.remove_len, 0);
    assert_int_equal(empty.tgroup, KB_NONE);
    assert_string_equal(work_group_id(&empty), "");
    work_done(&empty);
    work_done(&w);
    teardown(&b);
}

/* A group that is not in the target any more has nobody in it, whatever its id. */
static void
test_group_gone(void **state)
{
    const struct work_request r = {.slice = {0, 2, 0, 2}};
    struct bench b;
    struct work w;
    struct kb_error err = {0};
    (void) state;
    setup(&b);
    b.groups[0].id = kb_pool_adds(&b.plan.pool, "901");
    assert_int_equal(work_new(&b.a, 0, &w, &err), 0);
    assert_string_equal(work_group_id(&w), "");
    assert_int_equal(work_missing(&w, &r, false), 2); /* both additions; the removals are as asked */
    work_done(&w);
    teardown(&b);
}

/* Members in the group: 1 and 4. So of the additions 1 is as asked, of the removals 5. */
static void
test_missing_by_slice(void **state)
{
    static const struct {
        struct scim_slice slice; /* remove start, length, add start, length */
        size_t want;
    } cases[] = {
        {{0, 2, 0, 2}, 2}, {{0, 0, 0, 0}, 0}, {{0, 1, 0, 0}, 1}, {{1, 1, 0, 0}, 0},
        {{0, 0, 0, 1}, 0}, {{0, 0, 1, 1}, 1}, {{1, 1, 0, 1}, 0}, {{0, 1, 1, 1}, 2},
    };
    struct bench b;
    struct work w;
    struct kb_error err = {0};
    (void) state;
    setup(&b);
    assert_int_equal(work_new(&b.a, 0, &w, &err), 0);
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        const struct work_request r = {.slice = cases[i].slice};
        if (work_missing(&w, &r, false) != cases[i].want)
            fail_msg("case %zu: %zu", i, work_missing(&w, &r, false));
    }
    for (size_t i = 0; i < KB_LEN(b.ops); i++)
        assert_int_equal(b.ops[i].result, KB_RESULT_NONE); /* only looked at */
    work_done(&w);
    teardown(&b);
}

/* What an operation ends as: by what the server said, by what the reading says, by whether there was one. */
static void
test_results(void **state)
{
    enum {
        A = KB_RESULT_APPLIED,
        ALREADY = KB_RESULT_APPLIED_ALREADY,
        R = KB_RESULT_REJECTED,
        V = KB_RESULT_UNVERIFIED,
        U = KB_RESULT_UNKNOWN
    };

    static const struct {
        const char *name;
        bool ok, refused, unreadable, stopped;
        int as_asked, not_as_asked; /* of additions 1 and 2, and of removals 5 and 4 */
    } cases[] = {
        {"accepted and read back", true, false, false, false, A, V},
        {"refused and read back", false, true, false, false, ALREADY, R},
        {"no answer, read back", false, false, false, false, A, U},
        {"accepted, not readable", true, false, true, false, U, U},
        {"refused, not readable", false, true, true, false, R, R},
        {"no answer, not readable", false, false, true, false, U, U},
        {"accepted, stopped", true, false, false, true, A, U},
        {"refused, stopped", false, true, false, true, ALREADY, R},
        {"no answer, stopped, not readable", false, false, true, true, U, U},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        const struct work_request r = {
            .slice = {0, 2, 0, 2},
            .write = {.ok = cases[i].ok, .refused = cases[i].refused, .status = cases[i].ok ? 200 : 400}};
        struct bench b;
        struct work w;
        struct kb_error err = {0};
        setup(&b);
        assert_int_equal(work_new(&b.a, 0, &w, &err), 0);
        w.unreadable = cases[i].unreadable;
        b.a.stopped = cases[i].stopped;
        assert_int_equal(work_missing(&w, &r, true), 2);
        if (b.ops[0].result != cases[i].as_asked || b.ops[4].result != cases[i].as_asked ||
            b.ops[1].result != cases[i].not_as_asked || b.ops[3].result != cases[i].not_as_asked)
            fail_msg("%s: %u %u %u %u", cases[i].name, b.ops[0].result, b.ops[1].result, b.ops[3].result,
                     b.ops[4].result);
        assert_int_equal(b.ops[2].result, KB_RESULT_NONE); /* held: not part of it */
        assert_int_equal(b.ops[5].result, KB_RESULT_NONE);
        if (!kb_plan_str(&b.plan, b.ops[1].note)[0] || !kb_plan_str(&b.plan, b.ops[3].note)[0])
            fail_msg("%s: nobody says why", cases[i].name);
        work_done(&w);
        teardown(&b);
    }
}

static void
test_drop_rest(void **state)
{
    struct bench b;
    struct work w;
    struct kb_error err = {0};
    (void) state;
    for (unsigned held = 0; held < 2; held++) {
        setup(&b);
        assert_int_equal(work_new(&b.a, 0, &w, &err), 0);
        w.removes_sent = 1; /* 4 is on its way, 5 and both additions are not */
        work_drop_rest(&w, held, "stopped");
        assert_true(w.ended);
        assert_int_equal(w.removes_sent, 2);
        assert_int_equal(w.adds_sent, 2);
        for (uint32_t i = 0; i < KB_LEN(b.ops); i++) {
            bool dropped = i == 0 || i == 1 || i == 4;
            assert_int_equal(b.ops[i].result, dropped ? KB_RESULT_DROPPED : KB_RESULT_NONE);
            assert_string_equal(kb_plan_str(&b.plan, b.ops[i].note), dropped ? "stopped" : "");
        }
        assert_int_equal(b.ops[0].state, held ? KB_OP_HELD : KB_OP_READY);
        assert_int_equal(b.ops[3].state, KB_OP_READY);
        assert_int_equal(b.ops[5].state, KB_OP_FROZEN);
        work_done(&w);
        teardown(&b);
    }
}

/* One reading that agrees is enough, unless one before it did not. */
static void
test_agrees(void **state)
{
    (void) state;
    assert_false(work_agrees(&(struct work){0}));
    assert_true(work_agrees(&(struct work){.agreed = 1}));
    assert_false(work_agrees(&(struct work){.agreed = 1, .doubted = true}));
    assert_true(work_agrees(&(struct work){.agreed = 2, .doubted = true}));
    assert_false(work_agrees(&(struct work){.doubted = true}));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_is_ready), cmocka_unit_test(test_group_gone),
        cmocka_unit_test(test_missing_by_slice),   cmocka_unit_test(test_results),
        cmocka_unit_test(test_drop_rest),          cmocka_unit_test(test_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
