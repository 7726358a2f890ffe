#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void
test_add(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(1000);

    (void) state;
    assert_string_equal(kb_buf_str(&b), "");
    kb_buf_adds(&b, "one");
    kb_buf_addc(&b, ' ');
    kb_buf_addf(&b, "%d-%s", 2, "three");
    kb_buf_add(&b, "\0x", 2);
    kb_buf_add(&b, NULL, 0);
    assert_false(b.failed);
    assert_int_equal(b.len, 13);
    assert_memory_equal(b.data, "one 2-three\0x", 14);
    kb_buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(kb_buf_str(&b), "");
}

static void
test_max_is_exact(void **state)
{
    (void) state;
    for (size_t max = 0; max < 300; max++) {
        struct kb_buf b = KB_BUF_INIT(max);
        for (size_t i = 0; i < max; i++)
            kb_buf_addc(&b, 'x');
        assert_false(b.failed);
        assert_int_equal(b.len, max);
        assert_true(b.cap <= max + 1);
        kb_buf_addc(&b, 'x');
        assert_true(b.failed);
        assert_null(b.data);
        assert_int_equal(b.len, 0);
        kb_buf_done(&b);
    }
}

static void
test_failure_stays(void **state)
{
    struct kb_buf b = KB_BUF_INIT(5);

    (void) state;
    kb_buf_adds(&b, "123456");
    kb_buf_adds(&b, "1");
    kb_buf_addc(&b, '1');
    kb_buf_addf(&b, "%d", 1);
    kb_buf_add_segment(&b, "1");
    kb_buf_add_visible(&b, "1");
    kb_buf_add_json(&b, "1");
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    assert_null(kb_buf_steal(&b));
    assert_string_equal(kb_buf_str(&b), "");
    kb_buf_clear(&b);
    kb_buf_adds(&b, "12345");
    assert_false(b.failed);
    kb_buf_addf(&b, "%s", "x");
    assert_true(b.failed);
    kb_buf_done(&b);
}

static void
test_huge_sizes_do_not_wrap(void **state)
{
    struct kb_buf b = KB_BUF_INIT(SIZE_MAX);

    (void) state;
    kb_buf_adds(&b, "abc");
    kb_buf_add(&b, "x", SIZE_MAX - 3);
    assert_true(b.failed);
    kb_buf_done(&b);
}

static void
test_steal(void **state)
{
    struct kb_buf b = KB_BUF_INIT(100);
    char *s = kb_buf_steal(&b);

    (void) state;
    assert_string_equal(s, "");
    free(s);
    kb_buf_adds(&b, "text");
    s = kb_buf_steal(&b);
    assert_string_equal(s, "text");
    assert_int_equal(b.len, 0);
    assert_null(b.data);
    free(s);
    kb_buf_adds(&b, "again");
    assert_string_equal(kb_buf_str(&b), "again");
    kb_buf_done(&b);
}

struct row {
    const char *in, *want; /* NULL: failed */
};

static void
check(const struct row *rows, size_t len, void (*add)(struct kb_buf *, const char *))
{
    for (size_t i = 0; i < len; i++) {
        struct kb_buf b = KB_BUF_INIT(4096);
        kb_buf_addc(&b, '>');
        add(&b, rows[i].in);
        if (!rows[i].want) {
            if (!b.failed)
                fail_msg("'%s' was accepted", rows[i].in);
        } else if (strcmp(kb_buf_str(&b), rows[i].want) != 0) {
            fail_msg("'%s' gave '%s', not '%s'", rows[i].in, kb_buf_str(&b), rows[i].want);
        }
        kb_buf_done(&b);
    }
}

static void
test_segment(void **state)
{
    static const struct row rows[] = {
        {"", ">"},
        {"azAZ09-._~", ">azAZ09-._~"},
        {"a/b", ">a%2Fb"},
        {"a b+c", ">a%20b%2Bc"},
        {"?#&=;:@!$'()*,[]%", ">%3F%23%26%3D%3B%3A%40%21%24%27%28%29%2A%2C%5B%5D%25"},
        {"\xc3\xa9", ">%C3%A9"},
        {"\r\n\x7f\xff", ">%0D%0A%7F%FF"},
        {"\"\\<>^`{|}", ">%22%5C%3C%3E%5E%60%7B%7C%7D"},
    };

    (void) state;
    check(rows, KB_LEN(rows), kb_buf_add_segment);
}

static void
test_visible(void **state)
{
    static const struct row rows[] = {
        {"", ">"},
        {"plain text", ">plain text"},
        {"f\xc3\xbcr \xe4\xb8\xad \xf0\x9f\x98\x80", ">f\xc3\xbcr \xe4\xb8\xad \xf0\x9f\x98\x80"},
        {"a\nb\tc\r", ">a\\x0Ab\\x09c\\x0D"},
        {"\x1b[2J", ">\\x1B[2J"},
        {"\x01\x1f\x7f", ">\\x01\\x1F\\x7F"},
        {"\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f", ">\\u{0080}\\u{0085}\\u{009B}\\u{009F}"},
        {"\xc2\xa0", ">\xc2\xa0"},
        {"adm\xe2\x80\xaeni", ">adm\\u{202E}ni"},
        {"\xe2\x80\xaa\xe2\x80\xac\xe2\x81\xa6\xe2\x81\xa9", ">\\u{202A}\\u{202C}\\u{2066}\\u{2069}"},
        {"\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", ">\\u{200E}\\u{200F}\\u{061C}"},
        {"a\xe2\x80\x8b\xe2\x80\x8c\xe2\x80\x8d\xe2\x81\xa0\xef\xbb\xbf",
         ">a\\u{200B}\\u{200C}\\u{200D}\\u{2060}\\u{FEFF}"},
        {"\xe2\x80\xa8\xe2\x80\xa9", ">\\u{2028}\\u{2029}"},
        {"\xf3\xa0\x81\xa1", ">\\u{E0061}"},
        {"\xff\xfe", ">\\xFF\\xFE"},
        {"\xc3", ">\\xC3"},
        {"\xc3(", ">\\xC3("},
        {"\xe2\x82", ">\\xE2\\x82"},
        {"\xed\xa0\x80", ">\\xED\\xA0\\x80"},
        {"\xc0\x8a", ">\\xC0\\x8A"}, /* overlong newline */
        {"\xf4\x90\x80\x80", ">\\xF4\\x90\\x80\\x80"},
    };

    (void) state;
    check(rows, KB_LEN(rows), kb_buf_add_visible);
}

static void
test_json(void **state)
{
    static const struct row rows[] = {
        {"", ">\"\""},
        {"a/b", ">\"a/b\""},
        {"\"\\", ">\"\\\"\\\\\""},
        {"\b\t\n\f\r", ">\"\\b\\t\\n\\f\\r\""},
        {"\x01\x0b\x1f\x7f", ">\"\\u0001\\u000b\\u001f\x7f\""},
        {"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80", ">\"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80\""},
        {"\xff", NULL},
        {"ok\xc3", NULL},
        {"\xed\xa0\x80", NULL},
        {"\xc0\xaf", NULL},
        {"\xf4\x90\x80\x80", NULL},
    };

    (void) state;
    check(rows, KB_LEN(rows), kb_buf_add_json);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),           cmocka_unit_test(test_max_is_exact),
        cmocka_unit_test(test_failure_stays), cmocka_unit_test(test_huge_sizes_do_not_wrap),
        cmocka_unit_test(test_steal),         cmocka_unit_test(test_segment),
        cmocka_unit_test(test_visible),       cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
