/* apply FILE: what is refused, and why. The fresh plan and the saved one are made by hand. */
#include "tests/unit/report/plan_kit.h"

#include "reconciler/run.h"

struct both {
    struct config config;
    struct config_target target;
    struct run run;
    struct run_target t;
    struct kb_plan saved;
};

/* One group with one addition, and a second group that nobody touched. */
static void
one_plan(struct kb_plan *p, enum kb_op what, enum kb_cause cause)
{
    kit_plan(p);
    kit_group(p, "ml", 2, 3);
    (void) snprintf(p->groups[0].precondition, KB_DIGEST_SIZE, "sha256:aa");
    p->groups[0].precondition_members = 2;
    kit_op(p, what, cause, "ada@acme.example", NULL);
    kit_group(p, "quiet", 1, 2);
    kit_op(p, KB_OP_ADD, KB_CAUSE_GRANTED, "bo@acme.example", NULL);
    p->ops[0].state = p->ops[1].state = KB_OP_HELD; /* the guards judge anew */
}

static void
both_make(struct both *b)
{
    *b = (struct both){0};
    b->config.rules.limits.plan_max_age_s = 86400;
    b->target = (struct config_target){
        .name = "acme-prod", .host = "https://accounts.example", .place = "https://accounts.example"};
    kb_target_init(&b->t.target);
    one_plan(&b->saved, KB_OP_ADD, KB_CAUSE_GRANTED);
    one_plan(&b->t.plan, KB_OP_ADD, KB_CAUSE_GRANTED);
    b->run = (struct run){.config = &b->config, .at_s = b->saved.at_s + 60};
}

static int
take(struct both *b, struct kb_error *err)
{
    b->run.opts.saved = &b->saved;
    b->t.run = &b->run;
    b->t.config = &b->target;
    return run_saved_plan(&b->t, err);
}

static void
both_done(struct both *b)
{
    kb_plan_done(&b->saved);
    kb_plan_done(&b->t.plan);
    kb_plan_done(&b->t.fresh);
    kb_target_done(&b->t.target);
}

static void
test_goes_on(void **state)
{
    struct kb_error err = {0};
    struct both b;
    (void) state;
    both_make(&b);
    if (take(&b, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(b.saved.groups_len, 0); /* taken, not copied */
    assert_int_equal(b.t.plan.groups_len, 2);
    assert_int_equal(b.t.fresh.groups_len, 2);
    assert_int_equal(b.t.plan.ops[0].state, KB_OP_READY);
    assert_int_equal(b.t.plan.ops[1].state, KB_OP_READY);
    assert_int_equal(b.t.plan.left_len, 0);
    assert_int_equal(b.t.refused, 0);
    both_done(&b);
}

/* ---- the whole file ---- */

static void
other_target(struct both *b)
{
    b->saved.target_name = kit_text(&b->saved, "other");
}

static void
other_host(struct both *b)
{
    b->saved.target_host = kit_text(&b->saved, "https://accounts.example.evil");
}

static void
other_realm(struct both *b)
{
    b->saved.issuer = kit_text(&b->saved, "https://sso.acme.example/realms/acme2");
}

static void
other_rules(struct both *b)
{
    b->t.plan.rules_digest[10] ^= 1;
}

static void
old(struct both *b)
{
    b->run.at_s = b->saved.at_s + 86401;
}

static void
from_tomorrow(struct both *b)
{
    b->run.at_s = b->saved.at_s - 301;
}

static void
test_stale_whole(void **state)
{
    static const struct {
        void (*edit)(struct both *b);
        const char *why;
    } cases[] = {
        {other_target, "is for target other"},
        {other_host, "is for target acme-prod at"},
        {other_realm, "was made from realm"},
        {other_rules, "the rules changed"},
        {old, "86401 s old"},
        {from_tomorrow, "-301 s old"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct kb_error err = {0};
        struct both b;
        both_make(&b);
        cases[i].edit(&b);
        int e = take(&b, &err);
        if (e != -KB_E_STALE || !strstr(err.msg, cases[i].why))
            fail_msg("%s: %d %s", cases[i].why, e, err.msg);
        assert_int_equal(b.saved.groups_len, 2); /* not taken */
        both_done(&b);
    }
}

/* ---- one group ---- */

static void
members_moved(struct both *b)
{
    (void) snprintf(b->t.plan.groups[0].precondition, KB_DIGEST_SIZE, "sha256:bb");
    b->t.plan.groups[0].precondition_members = 5;
}

static void
grant_gone(struct both *b)
{
    b->t.plan.groups[0].ops_len = 0;
}

static void
other_person(struct both *b)
{
    b->t.plan.ops[0].id = kit_text(&b->t.plan, "100000000000008");
}

static void
other_sign(struct both *b)
{
    b->t.plan.ops[0].op = KB_OP_REMOVE;
}

static void
other_cause(struct both *b)
{
    b->t.plan.ops[0].cause = KB_CAUSE_DRIFT_REMOVED;
}

static void
granted_again(struct both *b)
{
    b->saved.ops[0].op = KB_OP_REMOVE;
    b->saved.ops[0].cause = KB_CAUSE_REVOKED;
}

static void
nothing_to_do(struct both *b)
{
    b->t.plan.groups[0].name = kit_text(&b->t.plan, "lm");
    assert_true(
        kb_target_group_set_name(&b->t.target, kb_target_group_add(&b->t.target, "900000000000101"), "ml"));
    b->t.target.groups[0].listed = true;
}

static void
group_gone(struct both *b)
{
    b->t.plan.groups[0].name = kit_text(&b->t.plan, "lm");
}

static void
made_meanwhile(struct both *b)
{
    b->saved.groups[0].create = true;
}

static void
to_be_made_now(struct both *b)
{
    b->t.plan.groups[0].create = true;
}

static void
frozen_now(struct both *b)
{
    kit_left(&b->t.plan, KB_LEFT_FROZEN, "ml", NULL, "role ml: holders failed (403)");
    members_moved(b); /* a doubt comes before what the doubtful reading shows */
}

static void
test_group_refused(void **state)
{
    static const struct {
        void (*edit)(struct both *b);
        const char *why;
        bool stale; /* else frozen, code 7 */
    } cases[] = {
        {members_moved, "its members changed since the plan: 2 then, 5 now", true},
        {grant_gone, "Keycloak no longer grants it to ada@acme.example", true},
        {other_person, "Keycloak no longer grants it to ada@acme.example", true},
        {other_sign, "Keycloak no longer grants it to ada@acme.example", true},
        {other_cause, "Keycloak no longer grants it to ada@acme.example", true},
        {granted_again, "Keycloak no longer withholds it from ada@acme.example", true},
        {nothing_to_do, "nothing is to be done there any more", true},
        {group_gone, "the group is not in the target any more", true},
        {made_meanwhile, "somebody has made the group meanwhile", true},
        {to_be_made_now, "the group is not in the target any more", true},
        {frozen_now, "role ml: holders failed (403)", false},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct kb_error err = {0};
        struct both b;
        both_make(&b);
        cases[i].edit(&b);
        if (take(&b, &err) < 0)
            fail_msg("%s: %s", cases[i].why, err.msg);
        const struct kb_plan *p = &b.t.plan;
        if (p->left_len != 1 || strcmp(kb_plan_str(p, p->left[0].note), cases[i].why) != 0)
            fail_msg("%s: %u left, %s", cases[i].why, p->left_len,
                     p->left_len ? kb_plan_str(p, p->left[0].note) : "");
        assert_int_equal(p->ops[0].state, KB_OP_FROZEN);
        assert_int_equal(p->groups[0].state, KB_OP_FROZEN);
        assert_int_equal(p->ops[1].state, KB_OP_READY); /* the other group goes on */
        assert_int_equal(p->summary.add, 1);
        assert_int_equal(p->summary.frozen, 1);
        assert_int_equal(b.t.refused, cases[i].stale);
        assert_int_equal(b.t.outcome.code, cases[i].stale ? EXIT_STALE : EXIT_PARTIAL);
        both_done(&b);
    }
}

/* An undo contradicts Keycloak on purpose; guard undo_of_granted judges it. Its members must still be the same. */
static void
test_undo(void **state)
{
    struct kb_error err = {0};
    struct both b;
    (void) state;
    for (int moved = 0; moved < 2; moved++) {
        both_make(&b);
        b.saved.ops[0].cause = KB_CAUSE_UNDO;
        grant_gone(&b);
        if (moved)
            members_moved(&b);
        assert_int_equal(take(&b, &err), 0);
        assert_int_equal(b.t.plan.ops[0].state, moved ? KB_OP_FROZEN : KB_OP_READY);
        both_done(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_stale_whole),
        cmocka_unit_test(test_group_refused),
        cmocka_unit_test(test_undo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
