/* tests/unit/plan/test_memory.c: each allocation of scope, desired and reason fails once. What comes out is
 * KB_E_NOMEM, or the right answer; never a shorter one, which would remove people.
 */
#include "desired_kit.h"

#include "reconciler/plan/gone.h"
#include "reconciler/plan/reason.h"
#include "tests/unit/support/torture.h"

struct seen {
    uint32_t managed, bindings, users, principals, doubtful, near, reasons, via;
    uint64_t memberships;
    size_t gone; /* bytes of the notes */
    uint32_t remembered;
    bool frozen;
};

static int
see(const struct kb_rules *rules, struct kit *kit, struct seen *ret, struct kb_error *err)
{
    KB_CLEANUP(kb_reason_index) struct kb_reason_index *index = NULL;
    struct kb_scope scope = {0};
    struct kb_desired desired = {0};
    struct kb_plan plan = {0};
    struct kb_known known = {0}, after = {0};
    int r = kb_scope_resolve(rules, "acme", &kit->realm, &scope, err);

    *ret = (struct seen){0};
    if (r >= 0)
        r = kb_scope_keep(rules, "acme", "vanished", &scope, err);
    if (r >= 0 && (!kb_known_add(&known, "gone", "role=nothing group=gone", "b", "nothing") ||
                   !kb_known_add(&known, "a", "role_glob=dbx-* group={1}", "b", "dbx-old") ||
                   !kb_known_resolve(&known, rules, "acme")))
        r = kb_fail(err, KB_E_NOMEM, "known");
    kb_known_sort(&known);
    scope.known = &known;
    if (r >= 0)
        r = kb_desired_make(rules, &scope, &kit->realm, &kit->target, &desired, err);
    if (r >= 0)
        r = kb_reason_index_new(&scope, &kit->realm, &index, err);
    for (uint32_t g = 0; r >= 0 && g < desired.groups_len; g++) {
        ret->users += desired.groups[g].users.len;
        ret->principals += desired.groups[g].principals.len;
        ret->frozen = ret->frozen || desired.groups[g].frozen_note;
        ret->gone += desired.groups[g].gone_note ? strlen(desired.groups[g].gone_note) : 0;
        if (r >= 0)
            r = kb_gone_remember(&scope, &kit->realm, g, &after, err);
        for (uint32_t u = 0; r >= 0 && u < desired.groups[g].users.len; u++) {
            uint32_t start, len;
            r = kb_reason_find(index, g, desired.groups[g].users.v[u], &plan, &start, &len, err);
        }
    }
    ret->managed = scope.managed_len;
    ret->bindings = scope.bindings_len;
    ret->doubtful = desired.doubtful.len;
    ret->near = desired.near_len;
    ret->memberships = desired.memberships;
    ret->reasons = plan.reasons_len;
    ret->via = plan.via_len;
    ret->remembered = after.len;
    kb_known_done(&known);
    kb_known_done(&after);
    kb_plan_done(&plan);
    kb_desired_done(&desired);
    kb_scope_done(&scope);
    return r < 0 ? r : 0;
}

static bool
same(const struct seen *a, const struct seen *b)
{
    return a->managed == b->managed && a->bindings == b->bindings && a->users == b->users &&
           a->principals == b->principals && a->doubtful == b->doubtful && a->near == b->near &&
           a->reasons == b->reasons && a->via == b->via && a->memberships == b->memberships &&
           a->frozen == b->frozen && a->gone == b->gone;
}

static void
make_world(struct kit *kit)
{
    static const char *const lines[] = {"role|dbx-a",
                                        "role|b",
                                        "client|c|x",
                                        "role|z",
                                        "comp|b|c:x",
                                        "comp|c:x|dbx-a",
                                        "comp|z|z",
                                        "group||t",
                                        "group|/t|x",
                                        "carry|/t|b",
                                        "carry|/t|c:x",
                                        "read|members|/t/x|failed|500",
                                        "user|twin|p9@a",
                                        "person|900|p9@a",
                                        "hold|twin|b",
                                        "user|like|\321\2008@a",
                                        "user|alike|\321\20088888@a",
                                        "user|another|p88888@a",
                                        "ledger|g|900|twin",
                                        NULL};
    char line[64];

    kit_make(kit, lines);
    for (int i = 0; i < 200; i++) { /* enough for radix sort and for tables that grow */
        (void) snprintf(line, sizeof(line), "user|p%d|p%d@a", i, i);
        kit_line(kit, line);
        (void) snprintf(line, sizeof(line), "person|%d|P%d@A", 1000 + i, i);
        kit_line(kit, line);
        (void) snprintf(line, sizeof(line), i % 2 ? "hold|p%d|dbx-a" : "in|p%d|/t/x", i);
        kit_line(kit, line);
    }
}

static void
test_every_allocation(void **state)
{
    struct kb_rule list[RULES_MAX] = {
        {.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}"},
        {.kind = KB_RULE_PATH, .object = "/t", .group = "paths", .subgroups = true},
        {.kind = KB_RULE_CLIENT_ROLE, .client = "c", .object = "x", .group = "clients"},
        {.object = "nothing", .group = "gone"},
    };
    struct kb_rules rules = kit_rules(list, RULES_MAX);
    struct kb_error err = {0};
    struct seen want, got;
    struct kit kit;
    unsigned n = 0, refused = 0;
    bool reached = true;

    (void) state;
    make_world(&kit);
    assert_int_equal(see(&rules, &kit, &want, &err), 0);
    assert_true(want.users > 300 && want.reasons > want.users && want.frozen && want.gone > 60 &&
                want.remembered >= 4 && want.doubtful > 0 && want.near == 3);
    assert_int_equal(want.managed, 5);
    for (; reached; n++) {
        int r;
        torture_start(n);
        r = see(&rules, &kit, &got, &err);
        reached = torture_stop();
        if (r < 0) {
            assert_true(reached);
            assert_int_equal(r, -KB_E_NOMEM);
            assert_int_equal(err.code, KB_E_NOMEM);
            refused++;
        } else if (!same(&got, &want)) {
            fail_msg("allocation %u failed and nobody said so", n);
        }
    }
    assert_true(refused > 30);
    kit_done(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
