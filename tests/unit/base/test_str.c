#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

static void
test_numbers(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
    } good[] = {
        {"0", 0},
        {"7", 7},
        {"-1", -1},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };

    static const char *const bad[] = {
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "1\n",
        "01",
        "00",
        "-0",
        "-01",
        "0x10",
        "1e3",
        "1.0",
        "1,0",
        "--1",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999999",
        "\xd9\xa1",
        "nan",
        "1a",
    };
    int64_t n = 42;

    (void) state;
    for (size_t i = 0; i < KB_LEN(good); i++) {
        assert_true(kb_parse_i64(good[i].text, INT64_MIN, INT64_MAX, &n));
        assert_true(n == good[i].want);
    }
    n = 42;
    for (size_t i = 0; i < KB_LEN(bad); i++)
        if (kb_parse_i64(bad[i], INT64_MIN, INT64_MAX, &n) || n != 42)
            fail_msg("'%s' was accepted", bad[i]);
    assert_true(kb_parse_i64("5", 5, 5, &n));
    assert_false(kb_parse_i64("6", 5, 5, &n));
    assert_false(kb_parse_i64("4", 5, 5, &n));
}

static void
test_digits(void **state)
{
    (void) state;
    assert_true(kb_is_digits("0123", 1, 4));
    assert_true(kb_is_digits("", 0, 4));
    assert_false(kb_is_digits("", 1, 4));
    assert_false(kb_is_digits("01234", 1, 4));
    assert_false(kb_is_digits("12a", 1, 4));
    assert_false(kb_is_digits("-1", 1, 4));
    assert_false(kb_is_digits("\xd9\xa1", 1, 4));
}

static void
test_utf8(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } good[] = {
        {"", 0},
        {"a\0b", 3},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"12345678\xc3\xa9"
         "12345678",
         18},
    };

    static const struct {
        const char *text;
        size_t len;
    } bad[] = {
        {"\x80", 1},
        {"\xbf", 1},
        {"\xc0\x80", 2},
        {"\xc1\xbf", 2},
        {"\xc2", 1},
        {"\xc2"
         "a",
         2},
        {"\xe0\x80\x80", 3},
        {"\xe0\x9f\xbf", 3},
        {"\xed\xa0\x80", 3},
        {"\xed\xbf\xbf", 3},
        {"\xe2\x82", 2},
        {"\xe2\x28\xa1", 3},
        {"\xf0\x80\x80\x80", 4},
        {"\xf0\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 4},
        {"\xf5\x80\x80\x80", 4},
        {"\xf8\x88\x80\x80\x80", 5},
        {"\xfe", 1},
        {"\xff", 1},
        {"12345678\xff", 9},
        {"1234567\xff"
         "12345678",
         16},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(good); i++)
        if (!kb_utf8_valid(good[i].text, good[i].len))
            fail_msg("good %zu was refused", i);
    for (size_t i = 0; i < KB_LEN(bad); i++)
        if (kb_utf8_valid(bad[i].text, bad[i].len))
            fail_msg("bad %zu was accepted", i);
}

static void
test_mend(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"a\xc3", "a?"},
        {"a\xe2\x82", "a??"},
        {"\xf0\x9f\x98", "???"},
        {"\xc3\"\xc3\xbc", "?\"\xc3\xbc"},
        {"\xbc\xc3\xbc", "?\xc3\xbc"},
        {"\xed\xa0\x80", "???"},
        {"\xc0\x80", "??"},
        {"\xff\xfe", "??"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        char text[32];
        (void) snprintf(text, sizeof(text), "%s", cases[i].text);
        kb_utf8_mend(text);
        if (strcmp(text, cases[i].want) != 0)
            fail_msg("case %zu: %s", i, text);
    }
}

static void
test_control(void **state)
{
    static const char *const bad[] = {
        "\x01",         "a\tb",         "a\n",          "\x1f",         "\x7f",
        "\xc2\x80",     "\xc2\x85",     "\xc2\x9f",     "\xe2\x80\xae", "\xe2\x80\xaa",
        "\xe2\x81\xa6", "\xe2\x81\xa9", "\xe2\x80\x8b", "\xe2\x80\x8d", "\xe2\x80\x8e",
        "\xef\xbb\xbf", "\xd8\x9c",     "\xe2\x80\xa8", "\xe2\x81\xa0", "\xf3\xa0\x81\x81",
        "\xc2\xad",
    };
    static const char *const good[] = {
        "", "a b", "\xc2\xa0", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80", "~ }"};

    (void) state;
    for (size_t i = 0; i < KB_LEN(bad); i++)
        if (!kb_has_control(bad[i]))
            fail_msg("bad %zu was not seen", i);
    for (size_t i = 0; i < KB_LEN(good); i++)
        if (kb_has_control(good[i]))
            fail_msg("good %zu was refused", i);
}

static void
test_ascii(void **state)
{
    char text[] = "AbZ@[`\xc3\x89";

    (void) state;
    kb_ascii_lower_inplace(text);
    assert_string_equal(text, "abz@[`\xc3\x89");
    assert_int_equal(kb_ascii_casecmp("ABC", "abc"), 0);
    assert_true(kb_ascii_casecmp("a", "B") < 0);
    assert_true(kb_ascii_casecmp("B", "a") > 0);
    assert_true(kb_ascii_casecmp("a", "ab") < 0);
    assert_true(kb_ascii_casecmp("a", "\xc3\xa9") < 0);
    assert_true(kb_ascii_casecmp("\xc4\xb0", "i") != 0);     /* Turkish dotted I */
    assert_true(kb_ascii_casecmp("\xe2\x84\xaa", "k") != 0); /* Kelvin sign */
}

static void
test_nearest(void **state)
{
    static const char *const names[] = {"concurrency", "page_size", "url", "groups"};

    static const struct {
        const char *word, *want;
    } table[] = {
        {"concurency", "concurrency"},
        {"pagesize", "page_size"},
        {"ur", NULL},
        {"uri", "url"},
        {"group", "groups"},
        {"xyz", NULL},
        {"", NULL},
        {"gr", NULL},
        {"concurrency", "concurrency"},
        {"conxxxxency", NULL},
    };

    char word[100];

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        const char *got = kb_nearest(table[i].word, names, KB_LEN(names));
        if ((got == NULL) != (table[i].want == NULL) || (got && strcmp(got, table[i].want)))
            fail_msg("'%s' gave %s", table[i].word, got ? got : "nothing");
    }
    memset(word, 'a', sizeof(word));
    word[99] = '\0';
    assert_null(kb_nearest(word, names, KB_LEN(names)));
}

static void
test_width(void **state)
{
    static const struct {
        const char *text;
        size_t want;
    } table[] = {
        {"", 0},
        {"abc", 3},
        {"\xc3\xa9", 1},
        {"e\xcc\x81", 1},
        {"\xe4\xb8\xad\xe6\x96\x87", 4},
        {"\xed\x95\x9c", 2},
        {"\xef\xbc\xa1", 2},
        {"\xef\xbd\xb1", 1},
        {"\xf0\x9f\x98\x80", 2},
        {"\xff", 1},
        {"\xe2\x80\x8b", 0},
        {"\xf0\xa0\x80\x80", 2},
        {"\xd0\x96", 1},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++)
        if (kb_display_width(table[i].text) != table[i].want)
            fail_msg("row %zu: %zu columns", i, kb_display_width(table[i].text));
}

static void
test_time_both_ways(void **state)
{
    static const struct {
        const char *text;
        int64_t s;
    } table[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:01Z", 1},
        {"1972-02-29T23:59:59Z", 68255999},
        {"2000-02-29T00:00:00Z", 951782400},
        {"2000-12-31T23:59:59Z", 978307199},
        {"2038-01-19T03:14:08Z", INT64_C(2147483648)},
        {"2100-03-01T00:00:00Z", INT64_C(4107542400)},
        {"2026-11-23T06:00:04Z", 1795413604},
        {"9999-12-31T23:59:59Z", INT64_C(253402300799)},
    };

    char text[KB_TIME_SIZE];
    int64_t s;

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        assert_string_equal(kb_time_format(table[i].s, text), table[i].text);
        assert_true(kb_time_parse(table[i].text, &s));
        assert_true(s == table[i].s);
    }
    assert_string_equal(kb_time_format(-1, text), "?");
    assert_string_equal(kb_time_format(INT64_C(253402300800), text), "?");
    assert_string_equal(kb_time_format(INT64_MAX, text), "?");
    assert_string_equal(kb_time_format(INT64_MIN, text), "?");
    /* each day of all years, and back */
    for (int64_t day = 0; day < 2932896; day += 13) {
        assert_true(kb_time_parse(kb_time_format(day * 86400 + day % 86400, text), &s));
        assert_true(s == day * 86400 + day % 86400);
    }
}

static void
test_time_other_forms(void **state)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11",
        "2026-11-2",
        "2026-11-23T",
        "2026-11-23 06:00:04Z",
        "2026-11-23t06:00:04z",
        "2026-11-23T06:00Z",
        "2026-11-23T06:00:04",
        "2026-11-23T06:00:04+00:00",
        "2026-11-23T06:00:04-01:00",
        "2026-11-23T24:00:00Z",
        "2026-11-23T06:60:00Z",
        "2026-11-23T06:00:60Z",
        "2026-00-23",
        "2026-13-01",
        "2026-11-31",
        "2026-02-29",
        "2100-02-29",
        "2026-11-00",
        "1969-12-31",
        "0000-01-01",
        "10000-01-01",
        "2026-11-23Z",
        "2026-11-23T06:00:04.Z",
        "2026-11-23T06:00:04.1234567890Z",
        "2026-11-23T06:00:04Zx",
        " 2026-11-23",
        "2026-11-23 ",
        "2026/11/23",
        "-026-11-23",
        "2026-1a-23",
        "2026-11-23T06:00:04.5",
        "2026--1-23",
    };
    int64_t s = 7;

    (void) state;
    for (size_t i = 0; i < KB_LEN(bad); i++)
        if (kb_time_parse(bad[i], &s) || s != 7)
            fail_msg("'%s' was accepted", bad[i]);
    assert_true(kb_time_parse("1970-01-02", &s));
    assert_true(s == 86400);
    assert_true(kb_time_parse("1970-01-01T00:00:05.999999999Z", &s));
    assert_true(s == 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_utf8),           cmocka_unit_test(test_control),
        cmocka_unit_test(test_mend),           cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_nearest),        cmocka_unit_test(test_width),
        cmocka_unit_test(test_time_both_ways), cmocka_unit_test(test_time_other_forms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
