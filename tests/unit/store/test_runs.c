#include "base/ban.h"

#include "tests/unit/store/place.h"

#include "store/known.h"
#include "store/runs.h"

static struct kb_error err;

static int
see_run(void *userdata, const struct store_run *run, struct kb_error *e)
{
    (void) e;
    (void) snprintf((char *) userdata + strlen(userdata), 200 - strlen(userdata), "%s:%d ", run->id,
                    run->exit_code);
    return 0;
}

static void
test_runs(void **state)
{
    struct place *p = *state;
    struct store_run run = {.id = "r1", .command = "sync", .started_s = 10, .exit_code = -1}, last;
    char text[200] = "";
    bool found = true;

    struct store *store = place_open(p, STORE_WRITE);
    assert_int_equal(store_run_last_success(store, &last, &found, &err), 0);
    assert_false(found);
    assert_int_equal(store_run_begin(store, &run, &err), 0);
    assert_int_equal(store_run_begin(store, &run, &err), -KB_E_STORE); /* an id is not used twice */
    run = (struct store_run){.id = "r1",
                             .command = "sync",
                             .started_s = 10,
                             .ended_s = 20,
                             .exit_code = 7,
                             .success = true,
                             .wrote = true,
                             .narrowed = false,
                             .complete = true,
                             .add = 1,
                             .remove = 2,
                             .held = 3,
                             .frozen = 4,
                             .writes = 5,
                             .fingerprint = "sha256:f",
                             .rules_digest = "sha256:r",
                             .message = "so \"it\" was"};
    assert_int_equal(store_run_end(store, &run, &err), 0);
    struct store_run second = {.id = "r2", .command = "apply", .started_s = 30, .exit_code = -1};
    assert_int_equal(store_run_begin(store, &second, &err), 0);
    store_close(store);

    store = place_open(p, STORE_WRITE);
    assert_int_equal(store_run_last_success(store, &last, &found, &err), 0);
    assert_true(found);
    assert_memory_equal(&last, &run, sizeof(run));
    assert_int_equal(store_runs_each(store, 10, see_run, text, &err), 0);
    assert_string_equal(text, "r2:-1 r1:7 ");
    text[0] = '\0';
    assert_int_equal(store_runs_each(store, 1, see_run, text, &err), 0);
    assert_string_equal(text, "r2:-1 ");
    struct store_run unknown = {.id = "r9"};
    assert_int_equal(store_run_end(store, &unknown, &err), -KB_E_BUG);
    store_close(store);
}

static int
see_count(void *userdata, const struct store_rule_count *count, struct kb_error *e)
{
    (void) e;
    (void) snprintf((char *) userdata + strlen(userdata), 200 - strlen(userdata), "%s:%lld/%lld/%lld ",
                    count->rule, (long long) count->users, (long long) count->groups,
                    (long long) count->memberships);
    return 0;
}

static int
see_name(void *userdata, const char *name, struct kb_error *e)
{
    (void) e;
    (void) snprintf((char *) userdata + strlen(userdata), 200 - strlen(userdata), "%s ", name);
    return 0;
}

static void
test_counts(void **state)
{
    struct place *p = *state;
    const struct store_rule_count first[] = {
        {"role=b group=x", 1, 2, 3}, {"role=a group=x", 4, 5, 6}, {"role=a group=x", 4, 5, 6}};
    const struct store_rule_count second[] = {{"role=c group=x", 7, 8, 9}};
    const char *const names[] = {"b", "a", "b"};
    char text[200] = "";

    struct store *store = place_open(p, STORE_WRITE);
    assert_int_equal(store_rule_counts_save(store, first, 3, &err), 0);
    assert_int_equal(store_rule_counts_each(store, see_count, text, &err), 0);
    assert_string_equal(text, "role=a group=x:4/5/6 role=b group=x:1/2/3 ");
    text[0] = '\0';
    assert_int_equal(store_rule_counts_save(store, second, 1, &err), 0);
    assert_int_equal(store_rule_counts_each(store, see_count, text, &err), 0);
    assert_string_equal(text, "role=c group=x:7/8/9 ");
    text[0] = '\0';
    assert_int_equal(store_managed_save(store, names, 3, &err), 0);
    assert_int_equal(store_managed_each(store, see_name, text, &err), 0);
    assert_string_equal(text, "a b ");
    assert_int_equal(store_managed_save(store, NULL, 0, &err), 0);
    text[0] = '\0';
    assert_int_equal(store_managed_each(store, see_name, text, &err), 0);
    assert_string_equal(text, "");
    store_close(store);
}

static void
test_window(void **state)
{
    struct place *p = *state;
    int64_t sum = -1;

    struct store *store = place_open(p, STORE_WRITE);
    assert_int_equal(store_removals_since(store, 0, &sum, &err), 0);
    assert_int_equal(sum, 0);
    for (int i = 1; i <= 3; i++)
        assert_int_equal(store_removal_add(store, 100 * i, i, &err), 0);
    assert_int_equal(store_removal_add(store, 400, 0, &err), 0);
    static const int64_t CASES[][2] = {{0, 6}, {100, 6}, {101, 5}, {200, 5}, {300, 3}, {301, 0}};
    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        assert_int_equal(store_removals_since(store, CASES[i][0], &sum, &err), 0);
        assert_int_equal(sum, CASES[i][1]);
    }
    assert_int_equal(store_removal_add(store, 400, -1, &err), -KB_E_STORE);
    store_close(store);
}

static int
see_approval(void *userdata, const struct store_approval *a, struct kb_error *e)
{
    (void) e;
    (void) snprintf((char *) userdata + strlen(userdata), 200 - strlen(userdata), "%lld:%s:%s:%s:%s:%s ",
                    (long long) a->seq, a->guard, a->group, a->fingerprint, a->reason, a->person);
    return 0;
}

static void
test_approvals(void **state)
{
    struct place *p = *state;
    struct store_approval approval = {.seq = 5,
                                      .guard = "max_removals_total",
                                      .fingerprint = "sha256:x",
                                      .reason = "the team was split",
                                      .person = "1000 ada",
                                      .at_s = 100,
                                      .expires_s = 200};
    char text[200] = "";

    struct store *store = place_open(p, STORE_WRITE);
    assert_int_equal(store_approval_add(store, &approval, &err), 0);
    assert_int_equal(store_approval_add(store, &approval, &err), -KB_E_STORE);
    assert_int_equal(store_approvals_each(store, 199, see_approval, text, &err), 0);
    assert_string_equal(text, "5:max_removals_total::sha256:x:the team was split:1000 ada ");
    text[0] = '\0';
    assert_int_equal(store_approvals_each(store, 200, see_approval, text, &err), 0);
    assert_string_equal(text, ""); /* expired */
    assert_int_equal(store_approval_consume(store, 5, "r1", &err), 0);
    assert_int_equal(store_approval_consume(store, 5, "r2", &err), -KB_E_STALE);
    assert_int_equal(store_approval_consume(store, 6, "r2", &err), -KB_E_STALE);
    assert_int_equal(store_approvals_each(store, 150, see_approval, text, &err), 0);
    assert_string_equal(text, "");
    store_close(store);
    store_close(place_open(p, STORE_WRITE)); /* the sum followed the change */
}

static int
see_stuck(void *userdata, const char *group_id, const char *principal_id, int64_t runs, int64_t last_try_s,
          struct kb_error *e)
{
    (void) e;
    (void) snprintf((char *) userdata + strlen(userdata), 200 - strlen(userdata), "%s/%s:%lld@%lld ",
                    group_id, principal_id, (long long) runs, (long long) last_try_s);
    return 0;
}

static void
test_quarantine_and_stuck(void **state)
{
    struct place *p = *state;
    int64_t failed = -1;
    char cause[32], text[200] = "";

    struct store *store = place_open(p, STORE_WRITE);
    assert_int_equal(store_quarantine_get(store, &failed, cause, &err), 0);
    assert_int_equal(failed, 0);
    assert_string_equal(cause, "");
    assert_int_equal(store_quarantine_set(store, 3, "availability", &err), 0);
    assert_int_equal(store_quarantine_get(store, &failed, cause, &err), 0);
    assert_int_equal(failed, 3);
    assert_string_equal(cause, "availability");
    assert_int_equal(store_quarantine_set(store, 3, "mood", &err), -KB_E_STORE);
    assert_int_equal(store_stuck_set(store, "1", "2", 1, 10, &err), 0);
    assert_int_equal(store_stuck_set(store, "1", "2", 2, 20, &err), 0);
    assert_int_equal(store_stuck_set(store, "1", "3", 1, 20, &err), 0);
    assert_int_equal(store_stuck_each(store, see_stuck, text, &err), 0);
    assert_string_equal(text, "1/2:2@20 1/3:1@20 ");
    assert_int_equal(store_stuck_set(store, "1", "2", 0, 0, &err), 0);
    text[0] = '\0';
    assert_int_equal(store_stuck_each(store, see_stuck, text, &err), 0);
    assert_string_equal(text, "1/3:1@20 ");
    store_close(store);
}

/* A reader cannot write, by any of these ways. */
static void
test_reader(void **state)
{
    struct place *p = *state;
    struct store_run run = {.id = "r1"};

    store_close(place_open(p, STORE_WRITE));
    struct store *store = place_open(p, STORE_READ);
    assert_false(store_writable(store));
    assert_int_equal(store_run_begin(store, &run, &err), -KB_E_STORE);
    assert_int_equal(store_managed_save(store, NULL, 0, &err), -KB_E_BUG);
    assert_int_equal(store_quarantine_set(store, 1, "other", &err), -KB_E_STORE);
    store_close(store);
}

/* What is saved is what is loaded, sorted; the next time it replaces what was there. */
static void
test_known(void **state)
{
    struct place *p = *state;
    struct kb_known saved = {0}, loaded = {0};

    struct store *store = place_open(p, STORE_WRITE);
    assert_int_equal(store_known_load(store, &loaded, &err), 0);
    assert_int_equal(loaded.len, 0);
    assert_true(kb_known_add(&saved, "ml", "role=ml group=ml", "id-2", "ml") &&
                kb_known_add(&saved, "ml", "path=/a'b group=ml", "id-1", "/a'b") &&
                kb_known_add(&saved, "a", "role=a group=a", "id-3", "gr\303\266\303\237e"));
    kb_known_sort(&saved);
    assert_int_equal(store_known_save(store, &saved, &err), 0);
    store_close(store);

    store = place_open(p, STORE_READ);
    assert_int_equal(store_known_load(store, &loaded, &err), 0);
    assert_int_equal(loaded.len, 3);
    assert_true(kb_known_equal(&saved, &loaded));
    assert_int_equal(store_known_save(store, &saved, &err), -KB_E_BUG);
    store_close(store);

    store = place_open(p, STORE_WRITE);
    saved.len = 1;
    assert_int_equal(store_known_save(store, &saved, &err), 0);
    kb_known_done(&loaded);
    assert_int_equal(store_known_load(store, &loaded, &err), 0);
    assert_true(loaded.len == 1 && kb_known_equal(&saved, &loaded));
    store_close(store);
    kb_known_done(&saved);
    kb_known_done(&loaded);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_runs, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_counts, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_window, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_approvals, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_quarantine_and_stuck, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_reader, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_known, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
