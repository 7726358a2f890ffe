/* Each allocation of a text report fails once: what comes out is an error or the whole text, never a part of it. */
#include "tests/unit/report/plan_kit.h"

#include "tests/unit/support/torture.h"

static void
make(struct kb_plan *p)
{
    const char *const via[] = {"role base", "group /data/ml", NULL};
    kit_plan(p);
    (void) kit_guard(p, KB_GUARD_MAX_REMOVALS_TOTAL, 140, 100);
    (void) kit_group(p, "a group", 9, 6);
    kit_guard(p, KB_GUARD_MIN_MEMBERS, 6, 7)->note = kit_text(p, "note");
    for (unsigned i = 0; i < 3; i++) { /* one reason for all */
        kit_hold(p, kit_op(p, KB_OP_REMOVE, KB_CAUSE_REVOKED, "ada@acme.example", "Ada Okafor"),
                 KB_GUARD_MIN_MEMBERS);
        (void) kit_reason(p, "ml", false, via);
    }
    (void) kit_group(p, "another", 0, 3);
    for (unsigned i = 0; i < 3; i++) { /* three reasons */
        char role[1000];
        memset(role, 'a' + (int) i, sizeof(role) - 1);
        role[sizeof(role) - 1] = '\0';
        kit_op(p, KB_OP_ADD, KB_CAUSE_GRANTED, "bo@acme.example", NULL)->note =
            kit_text(p, "seen by cy@acme.example");
        (void) kit_reason(p, role, false, NULL);
    }
    kit_left(p, KB_LEFT_FOREIGN, "a group", "dag@acme.example", "since eva@acme.example came");
}

static void
test_every_allocation(void **state)
{
    struct kb_plan p;
    (void) state;
    make(&p);
    for (unsigned mask = 0; mask < 2; mask++) {
        const struct report_opts opts = {
            .config_path = "c", .saved_as = "the file's name", .mask_users = mask, .people_max = 2};
        KB_CLEANUP(kb_buf) struct kb_buf want = KB_BUF_INIT(1 << 20);
        unsigned refused = 0;
        bool reached = true;
        kit_render(&p, &opts, &want);
        for (unsigned n = 0; reached; n++) {
            KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(1 << 20);
            struct kb_error err = {0};
            int r;
            torture_start(n);
            r = report_render(&p, REPORT_TEXT, &opts, &got, &err);
            reached = torture_stop();
            if (r < 0) {
                assert_true(reached);
                assert_int_equal(err.code, KB_E_NOMEM);
                refused++;
            } else if (strcmp(kb_buf_str(&got), kb_buf_str(&want)) != 0) {
                fail_msg("allocation %u failed and nobody said so", n);
            }
        }
        assert_true(refused > 20);
    }
    kb_plan_done(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
