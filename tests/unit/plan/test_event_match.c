/* Which admin event explains which operation. Each case: a realm, one operation of user u, events newest first. */
#include "desired_kit.h"

#include "reconciler/plan/event_match.h"
#include "reconciler/plan/reason.h"
#include "support/torture.h"

#define EVENTS_MAX 8
#define MEMBER KB_EVENT_MEMBER
#define TO_USER KB_EVENT_ROLE_OF_USER
#define TO_GROUP KB_EVENT_ROLE_OF_GROUP
#define IN_ROLE KB_EVENT_ROLE_IN_ROLE
#define GONE KB_EVENT_ROLE_GONE
#define MOVED KB_EVENT_GROUP_MOVED
#define ENABLED KB_EVENT_USER_ENABLED
#define DELETED KB_EVENT_USER_GONE

struct sample {
    const char *name;
    const char *lines[12];
    struct kb_rule rule;
    enum kb_op op;
    enum kb_cause cause;
    struct kb_event events[EVENTS_MAX]; /* at_ms 0: their places, newest first */
    int want;                           /* place of the event that is chosen, -1 none */
};

#define GRANT .op = KB_OP_ADD, .cause = KB_CAUSE_GRANTED
#define REVOKE .op = KB_OP_REMOVE, .cause = KB_CAUSE_REVOKED
#define ROLE_A .rule = {.object = "a", .group = "g"}

static const struct sample samples[] = {
    {"a role, directly",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     GRANT,
     {{.what = TO_USER, .gave = true, .holder = "u", .id = "a", .name = "a"}},
     0},
    {"of somebody else",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     GRANT,
     {{.what = TO_USER, .gave = true, .holder = "v", .id = "a", .name = "a"}},
     -1},
    {"another role",
     {"role|a", "role|b", "user|u", "hold|u|a"},
     ROLE_A,
     GRANT,
     {{.what = TO_USER, .gave = true, .holder = "u", .id = "b", .name = "b"}},
     -1},
    {"another role that had the name once",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     GRANT,
     {{.what = TO_USER, .gave = true, .holder = "u", .id = "old", .name = "a"}},
     -1},
    {"taken after the reading",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     GRANT,
     {{.what = TO_USER, .gave = false, .holder = "u", .id = "a"},
      {.what = TO_USER, .gave = true, .holder = "u", .id = "a"}},
     -1},
    {"granted again: the first counts",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     GRANT,
     {{.what = TO_USER, .gave = true, .holder = "u", .id = "a"},
      {.what = TO_USER, .gave = true, .holder = "u", .id = "a"},
      {.what = TO_USER, .gave = false, .holder = "u", .id = "a"},
      {.what = TO_USER, .gave = true, .holder = "u", .id = "a"}},
     1},
    {"a group's role is not a user's",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     GRANT,
     {{.what = TO_GROUP, .gave = true, .holder = "u", .id = "a"}},
     -1},
    {"joined, the role came later",
     {"role|a", "group||t", "user|u", "carry|/t|a", "in|u|/t"},
     ROLE_A,
     GRANT,
     {{.what = TO_GROUP, .gave = true, .holder = "/t", .id = "a"},
      {.what = MEMBER, .gave = true, .holder = "u", .id = "/t", .name = "/t"}},
     0},
    {"the role was there, joined later",
     {"role|a", "group||t", "user|u", "carry|/t|a", "in|u|/t"},
     ROLE_A,
     GRANT,
     {{.what = MEMBER, .gave = true, .holder = "u", .id = "/t", .name = "/t"},
      {.what = TO_GROUP, .gave = true, .holder = "/t", .id = "a"}},
     0},
    {"another group",
     {"role|a", "group||t", "group||s", "user|u", "carry|/t|a", "in|u|/t"},
     ROLE_A,
     GRANT,
     {{.what = MEMBER, .gave = true, .holder = "u", .id = "/s", .name = "/s"},
      {.what = TO_GROUP, .gave = true, .holder = "/s", .id = "a"}},
     -1},
    {"a composite by the outer role's name",
     {"role|a", "role|b", "comp|b|a", "user|u", "hold|u|b"},
     ROLE_A,
     GRANT,
     {{.what = IN_ROLE, .gave = true, .holder = "b", .id = "a", .name = "a"},
      {.what = TO_USER, .gave = true, .holder = "u", .id = "b"}},
     0},
    {"a composite the wrong way round",
     {"role|a", "role|b", "comp|b|a", "user|u", "hold|u|b"},
     ROLE_A,
     GRANT,
     {{.what = IN_ROLE, .gave = true, .holder = "a", .id = "b", .name = "b"}},
     -1},
    {"a client role",
     {"role|a", "client|app|x", "comp|app:x|a", "user|u", "hold|u|app:x"},
     ROLE_A,
     GRANT,
     {{.what = TO_USER, .gave = true, .holder = "u", .id = "app:x"}},
     0},
    {"moved below the group that counts",
     {"group||t", "group|/t|x", "group|/t/x|y", "user|u", "in|u|/t/x/y"},
     {.kind = KB_RULE_PATH, .object = "/t", .group = "g", .subgroups = true},
     GRANT,
     {{.what = MOVED, .gave = true, .holder = "/t/x"},
      {.what = MEMBER, .gave = true, .holder = "u", .id = "/t/x/y"}},
     0},
    {"the group that counts was moved itself",
     {"group||t", "group|/t|x", "user|u", "in|u|/t/x"},
     {.kind = KB_RULE_PATH, .object = "/t", .group = "g", .subgroups = true},
     GRANT,
     {{.what = MOVED, .gave = true, .holder = "/t"}},
     -1},
    {"enabled explains no addition",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     GRANT,
     {{.what = ENABLED, .gave = true, .holder = "u"}},
     -1},
    {"revoked",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     REVOKE,
     {{.what = TO_USER, .gave = false, .holder = "u", .id = "a"},
      {.what = TO_USER, .gave = true, .holder = "u", .id = "a"}},
     0},
    {"granted is no revocation",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     REVOKE,
     {{.what = TO_USER, .gave = true, .holder = "u", .id = "a"},
      {.what = TO_USER, .gave = false, .holder = "u", .id = "a"}},
     -1},
    {"left the group",
     {"role|a", "group||t", "user|u", "carry|/t|a", "in|u|/t"},
     ROLE_A,
     REVOKE,
     {{.what = MEMBER, .gave = false, .holder = "u", .id = "/t", .name = "/t"}},
     0},
    {"left a group that is gone: by its path",
     {"role|a", "group||t", "user|u", "carry|/t|a", "in|u|/t"},
     ROLE_A,
     REVOKE,
     {{.what = MEMBER, .gave = false, .holder = "u", .id = "gone", .name = "/t"}},
     0},
    {"a role that is there was not deleted",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     REVOKE,
     {{.what = GONE, .gave = false, .holder = "a", .name = "a"}},
     -1},
    {"disabled, and written again",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     .op = KB_OP_REMOVE,
     .cause = KB_CAUSE_DISABLED,
     {{.what = ENABLED, .gave = false, .holder = "u"},
      {.what = ENABLED, .gave = false, .holder = "u"},
      {.what = ENABLED, .gave = true, .holder = "u"},
      {.what = ENABLED, .gave = false, .holder = "u"}},
     1},
    {"a disabled account's roles do not matter",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     .op = KB_OP_REMOVE,
     .cause = KB_CAUSE_DISABLED,
     {{.what = TO_USER, .gave = false, .holder = "u", .id = "a"}},
     -1},
    {"deleted",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     .op = KB_OP_REMOVE,
     .cause = KB_CAUSE_DELETED,
     {{.what = ENABLED, .gave = false, .holder = "u"}, {.what = DELETED, .gave = false, .holder = "u"}},
     1},
    {"foreign: nobody granted it",
     {"role|a", "user|u", "hold|u|a"},
     ROLE_A,
     .op = KB_OP_REMOVE,
     .cause = KB_CAUSE_FOREIGN,
     {{.what = TO_USER, .gave = false, .holder = "u", .id = "a"}},
     -1},
    {"no events", {"role|a", "user|u", "hold|u|a"}, ROLE_A, GRANT, {{0}}, -1},
};

/* One operation, as the planner would make it; removals come with the event of their grant, from the ledger. */
static void
make_plan(const struct made *m, const struct sample *s, struct kb_plan *plan)
{
    struct kb_error err = {0};
    struct kb_plan_op op = {.op = (uint8_t) s->op, .cause = (uint8_t) s->cause};

    op.source_id = kit_text(&plan->pool, "u");
    assert_int_equal(kb_reason_add(&m->scope, &m->kit.realm, 0, kit_user(&m->kit, "u"), plan,
                                   &op.reasons_start, &op.reasons_len, &err),
                     0);
    assert_int_equal(op.reasons_len, 1);
    if (s->op == KB_OP_REMOVE) {
        plan->reasons[0].event_at_s = 77;
        plan->reasons[0].event_by = kit_text(&plan->pool, "grantor");
    }
    assert_true(kb_grow(&plan->ops, &plan->ops_cap, 1, sizeof(*plan->ops), 4));
    plan->ops[plan->ops_len++] = op;
}

static void
take(struct kb_event_match *match, const struct kb_event *events)
{
    static const char *const actors[EVENTS_MAX] = {"w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"};

    for (int i = 0; i < EVENTS_MAX && events[i].holder; i++) {
        struct kb_event event = events[i];
        event.at_ms = (1000 - i) * INT64_C(1000);
        event.actor = actors[i];
        kb_event_match_take(match, &event);
    }
}

static void
test_samples(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(samples); i++) {
        const struct sample *s = &samples[i];
        struct kb_rule rules[RULES_MAX] = {s->rule};
        KB_CLEANUP(kb_event_match) struct kb_event_match *match = NULL;
        struct kb_plan plan = {0};
        struct kb_error err = {0};
        struct made m;
        size_t len = 0, used = 0;
        char want[8];
        make(&m, s->lines, rules, NULL, (struct kb_strings){0});
        make_plan(&m, s, &plan);
        assert_int_equal(kb_event_match_new(&plan, &m.kit.realm, &match, &err), 0);
        take(match, s->events);
        struct kb_event_actor *actors = kb_event_match_actors(match, &len);
        for (size_t k = 0; k < len; k++)
            used += actors[k].used;
        assert_int_equal(kb_event_match_write(match, &err), 0);
        (void) snprintf(want, sizeof(want), "w%d", s->want);
        if (plan.reasons[0].event_at_s != (s->want < 0 ? 0 : 1000 - s->want) ||
            (s->want >= 0 && strcmp(kb_plan_str(&plan, plan.reasons[0].event_by), want) != 0))
            fail_msg("case '%s': %lld by %s", s->name, (long long) plan.reasons[0].event_at_s,
                     kb_plan_str(&plan, plan.reasons[0].event_by));
        if ((s->want >= 0) != (used > 0) || kb_event_match_asked(match) != (s->cause != KB_CAUSE_FOREIGN))
            fail_msg("case '%s': %zu actors, %u asked", s->name, used, kb_event_match_asked(match));
        kb_plan_done(&plan);
        done(&m);
    }
}

/* A name for the id, and when nothing more is needed. */
static void
test_names_and_enough(void **state)
{
    const struct sample *s = &samples[0];
    const struct sample *disabled = NULL;

    (void) state;
    for (size_t i = 0; i < KB_LEN(samples); i++)
        if (samples[i].cause == KB_CAUSE_DISABLED && !disabled)
            disabled = &samples[i];
    for (int round = 0; round < 2; round++) {
        struct kb_rule rules[RULES_MAX] = {s->rule};
        KB_CLEANUP(kb_event_match) struct kb_event_match *match = NULL;
        struct kb_event one[EVENTS_MAX] = {round ? disabled->events[0] : s->events[0]};
        struct kb_plan plan = {0};
        struct kb_error err = {0};
        struct made m;
        size_t len = 0;
        make(&m, s->lines, rules, NULL, (struct kb_strings){0});
        make_plan(&m, round ? disabled : s, &plan);
        assert_int_equal(kb_event_match_new(&plan, &m.kit.realm, &match, &err), 0);
        assert_int_equal(kb_event_match_open(match), 1);
        take(match, one);
        assert_int_equal(kb_event_match_open(match), round); /* disabled: an older one may be the first */
        kb_event_match_actors(match, &len)[0].name = "p.okafor";
        assert_int_equal(len, 1);
        assert_int_equal(kb_event_match_write(match, &err), 0);
        assert_string_equal(kb_plan_str(&plan, plan.reasons[0].event_by), "p.okafor");
        kb_plan_done(&plan);
        done(&m);
    }
}

/* The role is deleted and so in no realm: the removal's reason is what the ledger kept. */
static void
test_role_gone(void **state)
{
    static const char *const lines[] = {"role|b", "user|u", NULL, NULL, NULL, NULL,
                                        NULL,     NULL,     NULL, NULL, NULL, NULL};
    const struct kb_event events[EVENTS_MAX] = {{.what = GONE, .holder = "a", .name = "a"}};
    struct kb_rule rules[RULES_MAX] = {{.object = "b", .group = "g"}};
    KB_CLEANUP(kb_event_match) struct kb_event_match *match = NULL;
    struct kb_plan plan = {0};
    struct kb_error err = {0};
    struct made m;

    (void) state;
    make(&m, lines, rules, NULL, (struct kb_strings){0});
    assert_true(kb_grow(&plan.ops, &plan.ops_cap, 1, sizeof(*plan.ops), 4));
    assert_true(kb_grow(&plan.reasons, &plan.reasons_cap, 1, sizeof(*plan.reasons), 4));
    plan.reasons[plan.reasons_len++] = (struct kb_reason){.rule = 1, .object = kit_text(&plan.pool, "a")};
    plan.ops[plan.ops_len++] = (struct kb_plan_op){.op = KB_OP_REMOVE,
                                                   .cause = KB_CAUSE_REVOKED,
                                                   .source_id = kit_text(&plan.pool, "u"),
                                                   .reasons_len = 1};
    assert_int_equal(kb_event_match_new(&plan, &m.kit.realm, &match, &err), 0);
    take(match, events);
    assert_int_equal(kb_event_match_write(match, &err), 0);
    assert_int_equal(plan.reasons[0].event_at_s, 1000);
    kb_plan_done(&plan);
    done(&m);
}

/* Without memory an event may be missing, never wrong, and nothing leaks. */
static void
test_without_memory(void **state)
{
    const struct sample *s = &samples[8]; /* two links, two events */
    bool reached = true;

    (void) state;
    for (unsigned n = 0; reached; n++) {
        struct kb_rule rules[RULES_MAX] = {s->rule};
        struct kb_event_match *match = NULL;
        struct kb_plan plan = {0};
        struct kb_error err = {0};
        struct made m;
        size_t len = 0;
        make(&m, s->lines, rules, NULL, (struct kb_strings){0});
        make_plan(&m, s, &plan);
        torture_start(n);
        int r = kb_event_match_new(&plan, &m.kit.realm, &match, &err);
        if (r >= 0) {
            take(match, s->events);
            (void) kb_event_match_actors(match, &len);
            r = kb_event_match_write(match, &err);
        }
        reached = torture_stop();
        if (r < 0)
            assert_int_equal(err.code, KB_E_NOMEM);
        if (plan.reasons[0].event_at_s)
            assert_true(plan.reasons[0].event_at_s <= 1000 && plan.reasons[0].event_by);
        else
            assert_true(reached);
        kb_event_match_free(match);
        kb_plan_done(&plan);
        done(&m);
        assert_true(n < 1000);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_names_and_enough),
        cmocka_unit_test(test_role_gone),
        cmocka_unit_test(test_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
