/* Exit codes: the most serious cause wins, whatever came first; the last line says it. Source: interface.md
 * section 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "reconciler/outcome.h"

#include <stdio.h>
#include <string.h>

/* Most serious first, as the contract lists them; ok is what is left. */
static const struct {
    int code;
    const char *name;
} order[] = {
    {64, "usage"}, {1, "error"}, {8, "state"},   {78, "config"}, {75, "busy"},   {4, "source"},
    {5, "target"}, {3, "held"},  {7, "partial"}, {6, "stale"},   {2, "changes"}, {0, "ok"},
};

static void
test_most_serious_wins(void **state)
{
    (void) state;
    for (size_t a = 0; a < KB_LEN(order); a++)
        for (size_t b = 0; b < KB_LEN(order); b++) {
            struct outcome added = {0}, merged = {0}, other = {0};
            const char *sentence = a <= b ? "first" : "second";
            int code = order[a < b ? a : b].code;
            outcome_add(&added, order[a].code, "first");
            outcome_add(&added, order[b].code, "second");
            outcome_add(&merged, order[a].code, "first");
            outcome_add(&other, order[b].code, "second");
            outcome_merge(&merged, &other);
            if (added.code != code || strcmp(added.sentence, sentence) != 0 || merged.code != code ||
                strcmp(merged.sentence, sentence) != 0)
                fail_msg("%s then %s: %d '%s', merged %d '%s'", order[a].name, order[b].name, added.code,
                         added.sentence, merged.code, merged.sentence);
        }
}

static void
test_names(void **state)
{
    static const int none[] = {-1, 9, 63, 65, 128, 255};

    (void) state;
    for (size_t i = 0; i < KB_LEN(order); i++)
        assert_string_equal(exit_name(order[i].code), order[i].name);
    for (size_t i = 0; i < KB_LEN(none); i++)
        assert_string_equal(exit_name(none[i]), "?");
}

static void
test_errors(void **state)
{
    static const struct {
        enum kb_code code;
        int source, target;
    } table[] = {
        {KB_OK, 0, 0},       {KB_E_USAGE, 64, 64},   {KB_E_CONFIG, 78, 78}, {KB_E_NET, 4, 5},
        {KB_E_AUTH, 4, 5},   {KB_E_HTTP, 4, 5},      {KB_E_PROTOCOL, 4, 5}, {KB_E_STORE, 8, 8},
        {KB_E_BUSY, 75, 75}, {KB_E_STOPPED, 75, 75}, {KB_E_STALE, 6, 6},    {KB_E_HELD, 3, 3},
        {KB_E_IO, 1, 1},     {KB_E_NOMEM, 1, 1},     {KB_E_BUG, 1, 1},
    };

    (void) state;
    assert_int_equal(KB_LEN(table), KB_CODE_MAX_);
    for (size_t i = 0; i < KB_LEN(table); i++) {
        const struct kb_error err = {.code = table[i].code};
        assert_int_equal(outcome_code(&err, EXIT_SOURCE), table[i].source);
        assert_int_equal(outcome_code(&err, EXIT_TARGET), table[i].target);
    }
}

static void
test_counts_are_summed(void **state)
{
    struct outcome sum = {0};
    const struct outcome one = {.counted = true, .add = 1, .remove = 2, .held = 3, .frozen = 4, .writes = 5};

    (void) state;
    outcome_merge(&sum, &one);
    outcome_merge(&sum, &one);
    assert_true(sum.counted);
    assert_int_equal(sum.add, 2);
    assert_int_equal(sum.remove, 4);
    assert_int_equal(sum.held, 6);
    assert_int_equal(sum.frozen, 8);
    assert_int_equal(sum.writes, 10);
    assert_int_equal(sum.code, EXIT_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_serious_wins),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_counts_are_summed),
    };
    return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
