#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"

#include <errno.h>
#include <string.h>

static void
test_fail_sets_everything(void **state)
{
    struct kb_error err = {.code = KB_E_HTTP, .status = 500, .sub = 7, .retry = true};

    (void) state;
    assert_int_equal(kb_fail(&err, KB_E_PROTOCOL, "page %d", 3), -KB_E_PROTOCOL);
    assert_int_equal(err.code, KB_E_PROTOCOL);
    assert_int_equal(err.status, 0);
    assert_int_equal(err.sub, 0);
    assert_false(err.retry);
    assert_string_equal(err.msg, "page 3");
}

static void
test_errno_text_is_appended(void **state)
{
    struct kb_error err = {0};

    (void) state;
    assert_int_equal(kb_fail_errno(&err, KB_E_IO, ENOENT, "%s", "/x"), -KB_E_IO);
    assert_string_equal(err.msg, "/x: No such file or directory");
    assert_int_equal(err.sub, ENOENT);
    (void) kb_fail_errno(&err, KB_E_IO, 99999, "x");
    assert_string_equal(err.msg, "x: unknown error");
}

static void
test_prefix_keeps_the_rest(void **state)
{
    struct kb_error err = {.code = KB_E_HTTP, .status = 503, .sub = 1, .retry = true, .msg = "inner"};

    (void) state;
    assert_int_equal(kb_fail_prefix(&err, "outer %d", 1), -KB_E_HTTP);
    assert_string_equal(err.msg, "outer 1: inner");
    assert_int_equal(err.status, 503);
    assert_true(err.retry);
    /* its own message as an argument */
    (void) kb_fail(&err, KB_E_BUG, "again: %s", err.msg);
    assert_string_equal(err.msg, "again: outer 1: inner");
}

static void
test_long_messages_are_cut_between_characters(void **state)
{
    struct kb_error err = {0};
    char text[1001];

    (void) state;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', sizeof(text));
        for (size_t i = shift; i + 2 < 1000; i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
        text[1000] = '\0';
        (void) kb_fail(&err, KB_E_BUG, "%s", text);
        assert_true(strlen(err.msg) >= sizeof(err.msg) - 2);
        assert_null(strchr(err.msg, '?'));
        (void) kb_fail_prefix(&err, "%s", text);
        assert_null(strchr(err.msg, '?'));
        assert_true(strlen(err.msg) < sizeof(err.msg));
    }
}

static void
test_hostile_bytes_are_replaced(void **state)
{
    static const struct {
        const char *in, *want;
    } table[] = {
        {"a\nb", "a?b"},
        {"a\r\tb", "a??b"},
        {"\x1b[31mred", "?[31mred"},
        {"\x7f", "?"},
        {"\xc2\x9b", "?"},         /* C1 CSI */
        {"a\xe2\x80\xaeg", "a?g"}, /* right-to-left override */
        {"a\xe2\x80\x8b", "a?"},   /* zero width space */
        {"\xff\xc3", "??"},
        {"\xed\xa0\x80", "???"}, /* surrogate */
        {"f\xc3\xbcr", "f\xc3\xbcr"},
    };
    struct kb_error err = {0};

    (void) state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        (void) kb_fail(&err, KB_E_HTTP, "%s", table[i].in);
        assert_string_equal(err.msg, table[i].want);
    }
}

static void
test_gather_keeps_the_first(void **state)
{
    struct kb_error err = {0}, first = {0}, second = {0};

    (void) state;
    (void) kb_fail(&first, KB_E_NET, "one");
    (void) kb_fail(&second, KB_E_AUTH, "two");
    kb_error_gather(&err, &first);
    kb_error_gather(&err, &second);
    assert_int_equal(err.code, KB_E_NET);
    assert_string_equal(err.msg, "one");
}

static void
test_each_code_has_its_own_name(void **state)
{
    (void) state;
    for (int i = 0; i < KB_CODE_MAX_; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(kb_code_name((enum kb_code) i), kb_code_name((enum kb_code) j));
    assert_string_equal(kb_code_name(KB_E_PROTOCOL), "protocol");
    assert_string_equal(kb_code_name(KB_CODE_MAX_), "unknown");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_sets_everything),
        cmocka_unit_test(test_errno_text_is_appended),
        cmocka_unit_test(test_prefix_keeps_the_rest),
        cmocka_unit_test(test_long_messages_are_cut_between_characters),
        cmocka_unit_test(test_hostile_bytes_are_replaced),
        cmocka_unit_test(test_gather_keeps_the_first),
        cmocka_unit_test(test_each_code_has_its_own_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
