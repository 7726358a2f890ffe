/* How a run ends: the code, the sentence, and the last line. */
#include "reconciler/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"

/* The contract's order, most serious first (interface section 2), spelled again here on purpose. */
static const int order[] = {64, 1, 8, 78, 75, 4, 5, 3, 7, 6, 2, 0};
static const char *const names[] = {"usage",  "error", "state",   "config", "busy",    "source",
                                    "target", "held",  "partial", "stale",  "changes", "ok"};

/* Every pair, in both orders of arrival, added and merged: the more serious stays, with its own sentence. */
static void
test_most_serious_wins(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(order); i++) {
        for (size_t k = 0; k < KB_LEN(order); k++) {
            struct outcome added = {0}, merged = {0}, first = {0}, second = {0};
            size_t worse = i < k ? i : k; /* the first of equals */
            char want[40];
            outcome_add(&added, order[i], "first %d", order[i]);
            outcome_add(&added, order[k], "second %d", order[k]);
            outcome_add(&first, order[i], "first %d", order[i]);
            outcome_add(&second, order[k], "second %d", order[k]);
            outcome_merge(&merged, &first);
            outcome_merge(&merged, &second);
            (void) snprintf(want, sizeof(want), "%s %d", worse == i ? "first" : "second", order[worse]);
            if (added.code != order[worse] || strcmp(added.sentence, want) != 0)
                fail_msg("%d then %d: %d '%s'", order[i], order[k], added.code, added.sentence);
            if (merged.code != order[worse] || strcmp(merged.sentence, want) != 0)
                fail_msg("%d merged with %d: %d '%s'", order[i], order[k], merged.code, merged.sentence);
        }
    }
}

static void
test_names(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(order); i++)
        assert_string_equal(exit_name(order[i]), names[i]);
    assert_string_equal(exit_name(9), "?");
    assert_string_equal(exit_name(-1), "?");
    assert_string_equal(exit_name(256), "?");
}

static void
test_code_of_each_error(void **state)
{
    static const struct {
        enum kb_code code;
        int source, target;
    } cases[] = {
        {KB_OK, 0, 0},      {KB_E_NOMEM, 1, 1},     {KB_E_USAGE, 64, 64}, {KB_E_CONFIG, 78, 78},
        {KB_E_NET, 4, 5},   {KB_E_AUTH, 4, 5},      {KB_E_HTTP, 4, 5},    {KB_E_PROTOCOL, 4, 5},
        {KB_E_STORE, 8, 8}, {KB_E_IO, 1, 1},        {KB_E_BUSY, 75, 75},  {KB_E_STALE, 6, 6},
        {KB_E_HELD, 3, 3},  {KB_E_STOPPED, 75, 75}, {KB_E_BUG, 1, 1},
    };

    (void) state;
    assert_int_equal(KB_LEN(cases), KB_CODE_MAX_);
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct kb_error err = {.code = cases[i].code, .msg = "why"};
        struct outcome o = {0};
        assert_int_equal(cases[i].code, i);
        assert_int_equal(outcome_code(&err, EXIT_SOURCE), cases[i].source);
        assert_int_equal(outcome_code(&err, EXIT_TARGET), cases[i].target);
        outcome_error(&o, &err, EXIT_TARGET);
        assert_int_equal(o.code, cases[i].target);
        assert_string_equal(o.sentence, "why");
    }
    assert_int_equal(outcome_code(&(struct kb_error){.code = KB_CODE_MAX_}, EXIT_SOURCE), EXIT_ERROR);
}

static void
test_merge_adds_up(void **state)
{
    struct outcome sum = {0};
    const struct outcome a = {.code = 3,
                              .sentence = "held",
                              .counted = true,
                              .add = 1,
                              .remove = 2,
                              .held = 3,
                              .frozen = 4,
                              .writes = 5};
    const struct outcome b = {.code = 0,
                              .sentence = "done",
                              .counted = true,
                              .add = 10,
                              .remove = 20,
                              .held = 30,
                              .frozen = 40,
                              .writes = 50};
    const struct outcome none = {.code = 5, .sentence = "no token"};
    (void) state;
    outcome_merge(&sum, &none);
    assert_false(sum.counted);
    outcome_merge(&sum, &a);
    outcome_merge(&sum, &b);
    assert_true(sum.counted);
    assert_int_equal(sum.code, 5);
    assert_string_equal(sum.sentence, "no token");
    assert_int_equal(sum.add, 11);
    assert_int_equal(sum.remove, 22);
    assert_int_equal(sum.held, 33);
    assert_int_equal(sum.frozen, 44);
    assert_int_equal(sum.writes, 55);
}

/* A code without words is still a code. */
static void
test_silent_failure_is_kept(void **state)
{
    struct outcome o = {0};
    (void) state;
    outcome_add(&o, EXIT_OK, "nothing to do");
    outcome_merge(&o, &(struct outcome){.code = EXIT_TARGET});
    assert_int_equal(o.code, EXIT_TARGET);
    assert_string_equal(o.sentence, "");
}

/* What stands on stderr. */
static void
print(const struct outcome *o, enum kb_log_format format, bool quiet, char *ret, size_t size)
{
    FILE *f = tmpfile();
    int saved = dup(STDERR_FILENO);
    size_t len;
    assert_non_null(f);
    assert_true(saved >= 0);
    (void) fflush(stderr);
    assert_true(dup2(fileno(f), STDERR_FILENO) >= 0);
    outcome_print(o, format, quiet);
    (void) fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void) close(saved);
    rewind(f);
    len = fread(ret, 1, size - 1, f);
    ret[len] = '\0';
    (void) fclose(f);
}

#define ESC "\033[31m"
#define RLO "\xe2\x80\xae"

static void
test_last_line(void **state)
{
    static const struct {
        const char *name;
        struct outcome o;
        enum kb_log_format format;
        bool quiet;
        const char *want;
    } cases[] = {
        {"the contract's own example",
         {.code = 3, .sentence = "46 operations wait", .counted = true, .held = 46},
         KB_LOG_TEXT,
         false,
         "keybricks: exit 3 held: 46 operations wait (add=0 remove=0 held=46 frozen=0 writes=0)\n"},
        {"no plan, no counts",
         {.code = 78, .sentence = "there is no such file"},
         KB_LOG_TEXT,
         false,
         "keybricks: exit 78 config: there is no such file\n"},
        {"logfmt is for the log",
         {.code = 4, .sentence = "refused"},
         KB_LOG_LOGFMT,
         false,
         "keybricks: exit 4 source: refused\n"},
        {"success without words", {.code = 0}, KB_LOG_TEXT, false, "keybricks: exit 0 ok: done\n"},
        {"failure without words", {.code = 5}, KB_LOG_TEXT, false, "keybricks: exit 5 target: target\n"},
        {"quiet and well",
         {.sentence = "all applied", .counted = true, .add = 3, .writes = 1},
         KB_LOG_TEXT,
         true,
         ""},
        {"quiet and well, JSON", {.sentence = "all applied"}, KB_LOG_JSON, true, ""},
        {"quiet and not well",
         {.code = 75, .sentence = "another run holds the lock"},
         KB_LOG_TEXT,
         true,
         "keybricks: exit 75 busy: another run holds the lock\n"},
        {"quiet and changes",
         {.code = 2, .sentence = "changes are pending"},
         KB_LOG_TEXT,
         true,
         "keybricks: exit 2 changes: changes are pending\n"},
        {"hostile names",
         {.code = 7, .sentence = ESC "a\nb" RLO "\x7f"},
         KB_LOG_TEXT,
         false,
         "keybricks: exit 7 partial: \\x1B[31ma\\x0Ab\\u{202E}\\x7F\n"},
        {"bytes that are no UTF-8",
         {.code = 7, .sentence = "a\xff"},
         KB_LOG_TEXT,
         false,
         "keybricks: exit 7 partial: a\\xFF\n"},
        {"JSON",
         {.code = 3,
          .sentence = "46 wait",
          .counted = true,
          .add = 1,
          .remove = 2,
          .held = 46,
          .frozen = 4,
          .writes = 5},
         KB_LOG_JSON,
         false,
         "{\"code\":3,\"counts\":{\"add\":1,\"frozen\":4,\"held\":46,\"remove\":2,\"writes\":5},\"message\":"
         "\"46 wait\",\"name\":\"held\"}\n"},
        {"JSON without a plan",
         {.code = 64, .sentence = "say \"plan\" \\"},
         KB_LOG_JSON,
         false,
         "{\"code\":64,\"counts\":{},\"message\":\"say \\\"plan\\\" \\\\\",\"name\":\"usage\"}\n"},
        {"JSON with hostile names",
         {.code = 7, .sentence = ESC "a\n" RLO},
         KB_LOG_JSON,
         false,
         "{\"code\":7,\"counts\":{},\"message\":\"\\\\x1B[31ma\\\\x0A\\\\u{202E}\",\"name\":\"partial\"}\n"},
        {"JSON with bytes that are no UTF-8",
         {.code = 7, .sentence = "a\xff"},
         KB_LOG_JSON,
         false,
         "{\"code\":7,\"counts\":{},\"message\":\"a\\\\xFF\",\"name\":\"partial\"}\n"},
        {"JSON keeps what can be seen",
         {.code = 7, .sentence = "Jos\xc3\xa9 \xe6\x97\xa5"},
         KB_LOG_JSON,
         false,
         "{\"code\":7,\"counts\":{},\"message\":\"Jos\xc3\xa9 \xe6\x97\xa5\",\"name\":\"partial\"}\n"},
        {"numbers that need 64 bits",
         {.code = 0, .sentence = "x", .counted = true, .add = UINT64_MAX},
         KB_LOG_TEXT,
         false,
         "keybricks: exit 0 ok: x (add=18446744073709551615 remove=0 held=0 frozen=0 writes=0)\n"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        char got[2000];
        print(&cases[i].o, cases[i].format, cases[i].quiet, got, sizeof(got));
        if (strcmp(got, cases[i].want) != 0)
            fail_msg("%s:\nwanted %sgot    %s", cases[i].name, cases[i].want, got);
    }
}

/* A sentence that does not fit is cut between characters: a JSON line without its message helps nobody. */
static void
test_long_sentence(void **state)
{
    (void) state;
    for (unsigned shift = 0; shift < 4; shift++) {
        struct outcome o = {0};
        struct kb_error err = {0};
        KB_CLEANUP(json) struct json_object *doc = NULL;
        char text[1000], got[4000];
        size_t len = shift;
        memset(text, 'x', shift);
        for (; len + 4 < sizeof(text); len += 4)
            memcpy(text + len, "\xf0\x9f\x94\x91", 4);
        text[len] = '\0';
        outcome_add(&o, EXIT_SOURCE, "%s", text);
        assert_in_range(strlen(o.sentence), sizeof(o.sentence) - 4, sizeof(o.sentence) - 1);
        assert_int_equal((strlen(o.sentence) - shift) % 4, 0);
        assert_memory_equal(o.sentence, text, strlen(o.sentence));
        print(&o, KB_LOG_JSON, false, got, sizeof(got));
        assert_true(strlen(got) > 0 && got[strlen(got) - 1] == '\n');
        assert_int_equal(kb_json_parse(got, strlen(got) - 1, &doc, &err), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_serious_wins),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_code_of_each_error),     cmocka_unit_test(test_merge_adds_up),
        cmocka_unit_test(test_silent_failure_is_kept), cmocka_unit_test(test_last_line),
        cmocka_unit_test(test_long_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
