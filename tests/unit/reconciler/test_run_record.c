/* What a run leaves behind, in a database in memory: failed runs in a row and when they are over (guard
 * quarantine), which run counts as a success, and that even an empty one ends in a checkpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "reconciler/run.h"
#include "store/journal.h"

struct place {
    struct config config;
    struct config_target target;
    struct run run;
    struct run_target t;
};

static void
place_make(struct place *p)
{
    const struct store_identity id = {.target = "acme",
                                      .host = "https://accounts.example",
                                      .account_id = "0000-1111",
                                      .level = "account",
                                      .issuer = "https://sso.example/realms/acme"};
    struct kb_error err = {0};
    *p = (struct place){0};
    p->config.rules.limits.quarantine = 3;
    p->config.state_dir = "/nowhere";
    p->config.ephemeral = true; /* no held plan in a folder */
    p->target.name = "acme";
    p->run.config = &p->config;
    p->run.opts.command = RUN_SYNC;
    p->run.at_s = 1795413604;
    p->t.run = &p->run;
    p->t.config = &p->target;
    kb_target_init(&p->t.target);
    if (store_open("/nowhere", &id, STORE_MEMORY, &p->t.store, &err) < 0)
        fail_msg("%s", err.msg);
}

static void
place_done(struct place *p)
{
    store_close(p->t.store);
    kb_target_done(&p->t.target);
    kb_realm_done(&p->run.realm);
}

/* One run that ends so. */
static void
end_run(struct place *p, unsigned number, int code, bool planned, uint32_t writes)
{
    struct kb_error err = {0};
    (void) snprintf(p->run.id, sizeof(p->run.id), "0198c0de-0000-7000-8000-%012u", number);
    if (run_record_start(&p->t, &err) < 0)
        fail_msg("start: %s", err.msg);
    p->t.outcome = (struct outcome){.code = code, .sentence = "so"};
    p->t.planned = planned;
    p->t.apply.writes = writes;
    if (run_record_end(&p->t, &err) < 0)
        fail_msg("end: %s", err.msg);
}

static void
test_failures_in_a_row(void **state)
{
    static const struct {
        int code;
        bool planned;
        uint32_t writes;
        int64_t failed;
        const char *cause;
    } runs[] = {
        {EXIT_OK, true, 0, 0, ""},
        {EXIT_SOURCE, false, 0, 1, "availability"},
        {EXIT_TARGET, false, 0, 2, "availability"},
        {EXIT_BUSY, false, 0, 2, "availability"}, /* neither a failure nor a clean reading */
        {EXIT_CONFIG, false, 0, 2, "availability"},
        {EXIT_SOURCE, false, 0, 3, "availability"},
        {EXIT_HELD, true, 0, 0, ""}, /* what availability caused ends with a clean reading */
        {EXIT_SOURCE, false, 0, 1, "availability"},
        {EXIT_STATE, true, 0, 2, "other"},
        {EXIT_SOURCE, false, 0, 3, "other"}, /* what was worse once stays so */
        {EXIT_OK, true, 0, 3, "other"}, /* at the limit a person decides: a run without a write is none */
        {EXIT_HELD, true, 0, 3, "other"},
        {EXIT_OK, true, 1, 0, ""}, /* an approval was consumed */
        {EXIT_ERROR, true, 0, 1, "other"},
        {EXIT_PARTIAL, true, 0, 0, ""}, /* below the limit */
    };
    struct place p;
    (void) state;
    place_make(&p);
    for (unsigned i = 0; i < KB_LEN(runs); i++) {
        struct kb_error err = {0};
        int64_t failed = -1;
        char cause[32] = "";
        end_run(&p, i, runs[i].code, runs[i].planned, runs[i].writes);
        assert_int_equal(store_quarantine_get(p.t.store, &failed, cause, &err), 0);
        if (failed != runs[i].failed || strcmp(cause, runs[i].cause) != 0)
            fail_msg("run %u: %lld (%s)", i, (long long) failed, cause);
    }
    place_done(&p);
}

static void
test_success(void **state)
{
    char glob[] = "ml*", *globs[] = {glob};

    static const struct {
        const char *name;
        int code;
        bool planned, groups, users, no_removals, success;
    } cases[] = {
        {"ok", EXIT_OK, true, false, false, false, true},
        {"partial", EXIT_PARTIAL, true, false, false, false, true},
        {"held", EXIT_HELD, true, false, false, false, false},
        {"stale", EXIT_STALE, true, false, false, false, false},
        {"stopped", EXIT_BUSY, true, false, false, false, false},
        {"failed", EXIT_TARGET, true, false, false, false, false},
        {"no plan", EXIT_OK, false, false, false, false, false},
        {"--group", EXIT_OK, true, true, false, false, false},
        {"--user", EXIT_OK, true, false, true, false, false},
        {"--no-removals", EXIT_OK, true, false, false, true, false},
    };

    (void) state;
    for (unsigned i = 0; i < KB_LEN(cases); i++) {
        const struct kb_strings some = {globs, 1}, none = {0};
        struct store_run last = {0};
        struct kb_error err = {0};
        bool found = false;
        struct place p;
        place_make(&p);
        p.run.opts.groups = cases[i].groups ? some : none;
        p.run.opts.users = cases[i].users ? some : none;
        p.run.opts.no_removals = cases[i].no_removals;
        end_run(&p, i, cases[i].code, cases[i].planned, 0);
        assert_int_equal(store_run_last_success(p.t.store, &last, &found, &err), 0);
        if (found != cases[i].success)
            fail_msg("%s: %s", cases[i].name, found ? "a success" : "no success");
        place_done(&p);
    }
}

static int
on_row(void *userdata, int64_t seq, int64_t ts_s, const char *run_id, const char *kind, const char *body,
       struct kb_error *err)
{
    char *kinds = userdata;
    (void) seq, (void) ts_s, (void) run_id, (void) body, (void) err;
    (void) strncat(kinds, kind, 20);
    (void) strncat(kinds, " ", 2);
    return 0;
}

/* Two rows of the run and the checkpoint, whose hash is the one that is shown; the chain is whole. */
static void
test_rows(void **state)
{
    struct store_head head = {0};
    struct kb_error err = {0};
    char kinds[200] = "", shown[200];
    struct place p;
    (void) state;
    place_make(&p);
    end_run(&p, 1, EXIT_SOURCE, false, 0); /* not even a plan */
    assert_int_equal(store_journal_each(p.t.store, NULL, NULL, 0, INT64_MAX, on_row, kinds, &err), 0);
    assert_string_equal(kinds, "run run checkpoint ");
    assert_int_equal(store_journal_verify(p.t.store, NULL, &head, &err), 0);
    (void) snprintf(shown, sizeof(shown), "%lld:%s", (long long) head.size, head.hash);
    assert_string_equal(p.t.checkpoint, shown);
    place_done(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures_in_a_row),
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_rows),
    };
    kb_log_setup(KB_LOG_ERROR, KB_LOG_TEXT, stderr);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
