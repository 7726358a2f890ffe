#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define NESTED_31 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
#define CLOSED_31 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"

/* Everything a reader can observe, as one text. */
struct trace {
    char text[2048];
    size_t len;
    size_t refuse_at; /* index at which the callback refuses */
};

static void
note(struct trace *t, const char *a, const char *b)
{
    int n = snprintf(t->text + t->len, sizeof(t->text) - t->len, "%s%s\n", a, b);

    assert_true(n > 0 && t->len + (size_t) n < sizeof(t->text));
    t->len += (size_t) n;
}

static const char *
text_of(const struct json_object *obj)
{
    return json_object_to_json_string_ext((struct json_object *) (uintptr_t) obj,
                                          JSON_C_TO_STRING_NOSLASHESCAPE);
}

static int
on_element(void *userdata, size_t index, const struct json_object *element, struct kb_error *err)
{
    struct trace *t = userdata;
    char number[32];

    (void) snprintf(number, sizeof(number), "%zu ", index);
    note(t, number, element ? text_of(element) : "null");
    return index == t->refuse_at ? kb_fail(err, KB_E_PROTOCOL, "refused by the reader") : 0;
}

/* Feeds [0, first), then pieces of `piece` bytes. */
static void
run(struct kb_json_array *a, const char *bytes, size_t len, size_t first, size_t piece, struct trace *t)
{
    const struct json_object *outer = NULL;
    struct kb_error err = {0};
    bool found = false;
    int r = kb_json_array_feed(a, bytes, first, &err);

    for (size_t at = first; at < len && r == 0; at += piece) {
        /* the exact size on the heap: a read behind it is seen by ASan */
        size_t n = len - at < piece ? len - at : piece;
        char *copy = kb_strndup("", 0);
        copy = realloc(copy, n);
        memcpy(copy, bytes + at, n);
        r = kb_json_array_feed(a, copy, n, &err);
        free(copy);
    }
    if (r == 0)
        r = kb_json_array_end(a, &outer, &found, &err);
    if (r < 0) {
        struct kb_error again = {0};
        note(t, "error ", err.msg);
        assert_int_equal(r, -(int) err.code);
        assert_true(kb_json_array_feed(a, " ", 1, &again) < 0 || !strstr(err.msg, "at byte"));
        return;
    }
    assert_int_equal(err.code, KB_OK);
    note(t, "outer ", outer ? text_of(outer) : "none");
    note(t, "found ", found ? "yes" : "no");
}

/* All single cuts and small pieces must give what one piece gives. */
static void
same_at_all_cuts(const char *key, size_t max, size_t refuse_at, const char *bytes, size_t len,
                 struct trace *whole)
{
    struct kb_json_array *a = NULL;
    struct kb_error err = {0};

    *whole = (struct trace){.refuse_at = refuse_at};
    assert_int_equal(kb_json_array_new(key, max, on_element, whole, &a, &err), 0);
    run(a, bytes, len, 0, len ? len : 1, whole);
    kb_json_array_free(a);
    for (size_t cut = 0; cut <= len + 7; cut++) {
        struct trace t = {.refuse_at = refuse_at};
        assert_int_equal(kb_json_array_new(key, max, on_element, &t, &a, &err), 0);
        if (cut <= len)
            run(a, bytes, len, cut, len ? len : 1, &t);
        else
            run(a, bytes, len, 0, cut - len, &t);
        if (strcmp(t.text, whole->text) != 0)
            fail_msg("'%s' cut at %zu:\n%sinstead of\n%s", bytes, cut, t.text, whole->text);
        kb_json_array_free(a);
    }
}

struct row {
    const char *key, *bytes, *want;
};

static void
check(const struct row *rows, size_t len, bool exact)
{
    for (size_t i = 0; i < len; i++) {
        struct trace t;
        same_at_all_cuts(rows[i].key, 100, SIZE_MAX, rows[i].bytes, strlen(rows[i].bytes), &t);
        if (exact ? strcmp(t.text, rows[i].want) != 0 : !strstr(t.text, rows[i].want))
            fail_msg("'%s':\n%sinstead of\n%s", rows[i].bytes, t.text, rows[i].want);
    }
}

static void
test_good(void **state)
{
    static const struct row rows[] = {
        {NULL, "[]", "outer none\nfound yes\n"},
        {NULL, " [ ] ", "outer none\nfound yes\n"},
        {NULL, "[1,2]", "0 1\n1 2\nouter none\nfound yes\n"},
        {NULL, "[ 12 , -3 ]\n", "0 12\n1 -3\nouter none\nfound yes\n"},
        {NULL, "[{\"a\":1},{\"a\":[{}]}]", "0 {\"a\":1}\n1 {\"a\":[{}]}\nouter none\nfound yes\n"},
        {NULL, "[\"x\\u0041\\ud83d\\ude00\",true,false,null,[[]],\"\xc3\xa9\"]",
         "0 \"xA\xf0\x9f\x98\x80\"\n1 true\n2 false\n3 null\n4 [[]]\n5 \"\xc3\xa9\"\nouter none\nfound "
         "yes\n"},
        {NULL, "[\"}]\\\"\",{\"]\":\"[{\"}]", "0 \"}]\\\"\"\n1 {\"]\":\"[{\"}\nouter none\nfound yes\n"},
        {NULL, "[" NESTED_31 CLOSED_31 "]", "0 " NESTED_31 CLOSED_31 "\nouter none\nfound yes\n"},
        {"R", "{}", "outer {}\nfound no\n"},
        {"R", "{\"R\":[]}", "outer {}\nfound yes\n"},
        {"R", "{\"R\":[1]}", "0 1\nouter {}\nfound yes\n"},
        {"R", " { \"n\" : 2 , \"R\" : [ {} , [1] ] , \"m\" : [3] } ",
         "0 {}\n1 [1]\nouter {\"n\":2,\"m\":[3]}\nfound yes\n"},
        {"R", "{\"\\u0052\":[1],\"x\":\"R\"}", "0 1\nouter {\"x\":\"R\"}\nfound yes\n"},
        {"R", "{\"x\":{\"R\":[1,2]},\"y\":[[1]]}", "outer {\"x\":{\"R\":[1,2]},\"y\":[[1]]}\nfound no\n"},
        {"R", "{\"r\":1,\"RR\":2,\"\":3}", "outer {\"r\":1,\"RR\":2,\"\":3}\nfound no\n"},
        {"R", "{\"R\":[{\"R\":[1]},{\"R\":[2]}],\"k\":\"\xc3\xa9\"}",
         "0 {\"R\":[1]}\n1 {\"R\":[2]}\nouter {\"k\":\"\xc3\xa9\"}\nfound yes\n"},
        {"R\"", "{\"R\\\"\":[1]}", "0 1\nouter {}\nfound yes\n"},
    };

    (void) state;
    check(rows, KB_LEN(rows), true);
}

static void
test_bad(void **state)
{
    static const struct row rows[] = {
        {NULL, "", "error not JSON: empty"},
        {NULL, "  ", "error not JSON: it ends too early"},
        {NULL, "null", "error null where an array is wanted"},
        {NULL, "{}", "error an object where an array is wanted"},
        {NULL, "\"a\"", "error a string where an array is wanted"},
        {NULL, "12", "error a number where an array is wanted"},
        {NULL, "true", "error a truth value where an array is wanted"},
        {NULL, "<html>", "error '<' (HTML or XML?) where an array is wanted"},
        {NULL, "\xef\xbb\xbf[]", "error a byte order mark where an array is wanted"},
        {NULL, "nothing", "error null where an array"},
        {NULL, "[1", "error not JSON: it ends too early, after 2 bytes"},
        {NULL, "[1,", "0 1\nerror not JSON: it ends too early, after 3 bytes"},
        {NULL, "[{\"a\":1}", "0 {\"a\":1}\nerror not JSON: it ends too early"},
        {NULL, "[{\"a\":", "error not JSON: it ends too early"},
        {NULL, "[1,]", "0 1\nerror [1]: not JSON: a byte that begins no value at byte 3"},
        {NULL, "[1]]", "0 1\nerror not JSON: bytes behind the document at byte 3"},
        {NULL, "[1][2]", "0 1\nerror not JSON: bytes behind"},
        {NULL, "[1]x", "0 1\nerror not JSON: bytes behind"},
        {NULL, "[1 2]", "0 1\nerror not JSON: a comma"},
        {NULL, "[1}", "0 1\nerror not JSON: a comma"},
        {NULL, "[01]", "0 0\nerror not JSON: a comma"},
        {NULL, "[1.]", "error [0]: not JSON: a number that is none at byte 3"},
        {NULL, "[tru]", "error [0]: not JSON: a word"},
        {NULL, "['a']", "error [0]: not JSON: a byte that begins"},
        {NULL, "[NaN]", "error [0]: not JSON: a byte that begins"},
        {NULL, "[/**/1]", "error [0]: not JSON: a byte that begins"},
        {NULL, "[{\"a\":1,\"a\":2}]", "error [0]: the same key twice in one object"},
        {NULL, "[{},{\"b\":{\"a\":1,\"\\u0061\":2}}]", "0 {}\nerror [1]: the same key twice in one object"},
        {NULL, "[\"\\ud800\"]", "error [0]: not JSON: a lone surrogate"},
        {NULL, "[\"\\u0000\"]", "error [0]: not JSON: a NUL"},
        {NULL, "[\"\\ud800\\", "error not JSON: it ends too early"},
        {NULL, "[\"\xff\"]", "error [0]: invalid UTF-8"},
        {NULL, "[\"\xc3\",\"\xa9\"]", "error [0]: invalid UTF-8"},
        {NULL, "[\"a\tb\"]", "error [0]: not JSON: a control character"},
        {NULL, "[[" NESTED_31 CLOSED_31 "]]", "error [0]: not JSON: nested too deeply at byte 32"},
        {"R", "", "error not JSON: empty"},
        {"R", "[]", "error an array where an object is wanted"},
        {"R", "null", "error null where an object is wanted"},
        {"R", "<", "error '<'"},
        {"R", "{\"R\":null}", "error R: null where an array is wanted"},
        {"R", "{\"R\":{}}", "error R: an object where an array is wanted"},
        {"R", "{\"R\":\"x\"}", "error R: a string where an array is wanted"},
        {"R", "{\"R\":0}", "error R: a number where an array is wanted"},
        {"R", "{\"R\":x}", "error R: something that is not JSON where an array is wanted"},
        {"R", "{\"R\"}", "error not JSON: a colon"},
        {"R", "{\"R\":[1]", "0 1\nerror not JSON: it ends too early"},
        {"R", "{\"R\":[1]]", "0 1\nerror not JSON: a comma"},
        {"R", "{\"R\":[1],}", "0 1\nerror not JSON: a key"},
        {"R", "{\"R\":[1]}}", "0 1\nerror not JSON: bytes behind"},
        {"R", "{\"R\":[1],\"R\":[2]}", "0 1\nerror R: the same key twice"},
        {"R", "{\"R\":[1],\"\\u0052\":[2]}", "0 1\nerror R: the same key twice"},
        {"R", "{\"R\":[1],\"R\":null}", "0 1\nerror R: the same key twice"},
        {"R", "{\"a\":1,\"a\":2}", "error the same key twice"},
        {"R", "{\"a\":1,\"R\":[{\"x\":1,\"y\":2}],\"\\u0061\":2}", "error the same key twice"},
        {"R", "{\"a\":{\"b\":1,\"b\":1},\"R\":[]}", "error the same key twice"},
        {"R", "{\"a\":\"\xff\",\"R\":[1]}", "0 1\nerror invalid UTF-8"},
        {"R", "{\"R\":[1],\"a\":\"\xff\"}", "0 1\nerror invalid UTF-8"},
        {"R", "{\"\\u0052\xff\":[1]}", "error invalid UTF-8"},
        {"R", "{\"R\":[1,\"\xff\"]}", "0 1\nerror R[1]: invalid UTF-8"},
        {"R", "{\"R\":[" NESTED_31 CLOSED_31 "]}", "error R[0]: not JSON: nested too deeply"},
    };

    (void) state;
    check(rows, KB_LEN(rows), false);
}

static void
test_nul_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } table[] = {{"\0[]", 3},     {"[\0]", 3},       {"[1\0]", 4},  {"[]\0", 3},
                 {"[\"\0\"]", 5}, {"[\"\\\0\"]", 6}, {"[t\0ue]", 6}};

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct trace t;
        same_at_all_cuts(NULL, 100, SIZE_MAX, table[i].bytes, table[i].len, &t);
        assert_non_null(strstr(t.text, "error"));
    }
}

static void
test_the_reader_refuses(void **state)
{
    struct trace t;

    (void) state;
    same_at_all_cuts(NULL, 100, 1, "[1,2,3]", 7, &t);
    assert_string_equal(t.text, "0 1\n1 2\nerror refused by the reader\n");
}

static void
test_size_limits(void **state)
{
    static const struct {
        const char *key, *bytes, *want;
    } table[] = {
        {NULL, "[\"12345678\"]", "0 \"12345678\"\nouter none\nfound yes\n"},
        {NULL, "[\"123456789\"]", "error [0]: larger than 10 bytes\n"},
        {NULL, "[1234567890]", "0 1234567890\nouter none\nfound yes\n"},
        {NULL, "[12345678901]", "error [0]: larger than 10 bytes\n"},
        {NULL, "[[1,2,3,45]]", "0 [1,2,3,45]\nouter none\nfound yes\n"},
        {NULL, "[[1,2,3,456]]", "error [0]: larger than 10 bytes\n"},
        {NULL, "[[1,     2]]", "0 [1,2]\nouter none\nfound yes\n"},
        {NULL, "[1,[1,       2]]", "0 1\nerror [1]: larger than 10 bytes\n"},
        {NULL, "[1,            2]", "0 1\n1 2\nouter none\nfound yes\n"},
        {NULL, "[\"12345678\x01\"]", "error [0]: not JSON: a control character in a string at byte 10\n"},
        {NULL, "[\"123456789\x01\"]", "error [0]: not JSON: a control character in a string at byte 11\n"},
        {NULL, "[\"1234567890\x01\"]", "error [0]: larger than 10 bytes\n"},
        {"R", "{\"a\":1234}", "outer {\"a\":1234}\nfound no\n"},
        {"R", "{\"a\":12345}", "error the object around \"R\" is larger than 10 bytes\n"},
        {"R", "{\"R\":[12345678]}", "0 12345678\nouter {}\nfound yes\n"},
        {"R", "{\"R\":[12345678901]}", "error R[0]: larger than 10 bytes\n"},
        {"R", "{\"R\":[]     }", "error the object around \"R\" is larger than 10 bytes\n"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct trace t;
        same_at_all_cuts(table[i].key, 10, SIZE_MAX, table[i].bytes, strlen(table[i].bytes), &t);
        if (strcmp(t.text, table[i].want) != 0)
            fail_msg("'%s':\n%sinstead of\n%s", table[i].bytes, t.text, table[i].want);
    }
}

static void
test_reset_begins_anew(void **state)
{
    static const char *const stops[] = {
        "", "{", "{\"R\":[1,{\"a\":\"x", "{\"R\":[1],\"b\":tr", "{\"R\":[1]}", "[", "{\"R\":[\"\xff\"]"};
    struct kb_json_array *a = NULL;
    struct kb_error err = {0};

    (void) state;
    for (size_t i = 0; i < KB_LEN(stops); i++) {
        struct trace t = {.refuse_at = SIZE_MAX};
        assert_int_equal(kb_json_array_new("R", 100, on_element, &t, &a, &err), 0);
        (void) kb_json_array_feed(a, stops[i], strlen(stops[i]), &err);
        (void) kb_json_array_end(a, NULL, NULL, &err);
        kb_json_array_reset(a);
        t.len = 0;
        err.code = KB_OK;
        run(a, "{\"R\":[7],\"c\":1}", 15, 0, 15, &t);
        assert_string_equal(t.text, "0 7\nouter {\"c\":1}\nfound yes\n");
        kb_json_array_free(a);
    }
    assert_int_equal(kb_json_array_new(NULL, 0, on_element, NULL, &a, &err), -KB_E_BUG);
    assert_int_equal(kb_json_array_new(NULL, SIZE_MAX, on_element, NULL, &a, &err), -KB_E_BUG);
    kb_json_array_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_nul_bytes),   cmocka_unit_test(test_the_reader_refuses),
        cmocka_unit_test(test_size_limits), cmocka_unit_test(test_reset_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
