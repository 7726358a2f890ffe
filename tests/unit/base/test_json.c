#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/json_build.h"
#include "base/unicode.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define NESTED_32 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[" /* 32 */
#define CLOSED_32 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"

struct text {
    const char *bytes;
    size_t len; /* 0: strlen */
    const char *why;
};

static const struct text bad_documents[] = {
    {"", 0, "empty"},
    {" \n", 0, "too early"},
    {"null", 0, "null"},
    {" null ", 0, "null"},
    /* not JSON at all */
    {"<html>", 0, "begins no value"},
    {"\xef\xbb\xbf{}", 0, "begins no value"},
    {"undefined", 0, "begins no value"},
    {"{}x", 0, "behind"},
    {"{}{}", 0, "behind"},
    {"{}\0", 3, "behind"},
    {"\0{}", 3, "begins no value"},
    {"12 13", 0, "behind"},
    {"1,2", 0, "behind"},
    {"\"a\"b", 0, "behind"},
    {"[],", 0, "behind"},
    {"\x0b{}", 0, "begins no value"},
    {"\xc2\xa0{}", 0, "begins no value"},
    /* words json-c takes */
    {"NaN", 0, "begins no value"},
    {"[NaN]", 0, "begins no value"},
    {"[nan]", 0, "word"},
    {"Infinity", 0, "begins no value"},
    {"-Infinity", 0, "number"},
    {"[-NaN]", 0, "number"},
    {"True", 0, "begins no value"},
    {"tRUE", 0, "word"},
    {"[nULL]", 0, "word"},
    {"truex", 0, "behind"},
    {"[true1]", 0, "comma"},
    {"tru", 0, "too early"},
    /* quotes, comments, commas */
    {"'a'", 0, "begins no value"},
    {"{'a':1}", 0, "key"},
    {"{a:1}", 0, "key"},
    {"{\"a\":'b'}", 0, "begins no value"},
    {"/**/{}", 0, "begins no value"},
    {"{}/**/", 0, "behind"},
    {"{/* */}", 0, "key"},
    {"[1//\n]", 0, "comma"},
    {"[1,]", 0, "begins no value"},
    {"[,1]", 0, "begins no value"},
    {"[,]", 0, "begins no value"},
    {"[1,,2]", 0, "begins no value"},
    {"[1 2]", 0, "comma"},
    {"{\"a\":1,}", 0, "key"},
    {"{,\"a\":1}", 0, "key"},
    {"{\"a\"}", 0, "colon"},
    {"{\"a\" 1}", 0, "colon"},
    {"{\"a\":}", 0, "begins no value"},
    {"{\"a\"::1}", 0, "begins no value"},
    {"{\"a\":1 \"b\":2}", 0, "comma"},
    {"{1:2}", 0, "key"},
    {"{null:2}", 0, "key"},
    {"{[]:2}", 0, "key"},
    {"[1}", 0, "comma"},
    {"{\"a\":1]", 0, "comma"},
    {"{]", 0, "key"},
    {"[}", 0, "begins no value"},
    {"]", 0, "begins no value"},
    {"[", 0, "too early"},
    {"{\"a\":[1,{\"b\":2}", 0, "too early"},
    {"\"a", 0, "too early"},
    /* numbers */
    {"01", 0, "behind"},
    {"[-01]", 0, "comma"},
    {"[00]", 0, "comma"},
    {"[+1]", 0, "begins no value"},
    {"[.5]", 0, "begins no value"},
    {"[1.]", 0, "number"},
    {"[1.e5]", 0, "number"},
    {"[-]", 0, "number"},
    {"-", 0, "too early"},
    {"1.", 0, "too early"},
    {"1e", 0, "too early"},
    {"[1e]", 0, "number"},
    {"[1e+]", 0, "number"},
    {"[1e5.5]", 0, "comma"},
    {"[0x10]", 0, "comma"},
    {"[1_000]", 0, "comma"},
    {"[--1]", 0, "number"},
    {"[1-2]", 0, "comma"},
    /* strings */
    {"\"a\nb\"", 0, "control"},
    {"\"a\tb\"", 0, "control"},
    {"\"\x01\"", 0, "control"},
    {"\"\x1f\"", 0, "control"},
    {"\"a\0b\"", 5, "control"},
    {"{\"a\nb\":1}", 0, "control"},
    {"\"12345678\x1f\"", 0, "control"},
    {"\"\\x41\"", 0, "unknown escape"},
    {"\"\\'\"", 0, "unknown escape"},
    {"\"\\0\"", 0, "unknown escape"},
    {"\"\\\0\"", 4, "unknown escape"},
    {"\"\\U0041\"", 0, "unknown escape"},
    {"\"\\u004\"", 0, "hexadecimal"},
    {"\"\\u 041\"", 0, "hexadecimal"},
    {"\"\\u00g1\"", 0, "hexadecimal"},
    {"\"\\u+041\"", 0, "hexadecimal"},
    {"\"\\u0000\"", 0, "NUL"},
    {"{\"a\":\"x\\u0000y\"}", 0, "NUL"},
    {"{\"a\\u0000b\":1}", 0, "NUL"},
    {"\"\\\"", 0, "too early"},
    /* surrogates that stand alone */
    {"\"\\ud800\"", 0, "surrogate"},
    {"\"\\udbff\"", 0, "surrogate"},
    {"\"\\udc00\"", 0, "surrogate"},
    {"\"\\uDFFF\"", 0, "surrogate"},
    {"\"\\ud800x\"", 0, "surrogate"},
    {"\"\\ud800\\n\"", 0, "surrogate"},
    {"\"\\ud800\\u0041\"", 0, "surrogate"},
    {"\"\\ud800\\ud800\"", 0, "surrogate"},
    {"\"\\ud83d\\ude00\\ude00\"", 0, "surrogate"},
    {"\"\\ude00\\ud83d\"", 0, "surrogate"},
    {"{\"\\ud800\":1}", 0, "surrogate"},
    /* UTF-8 */
    {"\"\xff\"", 0, "UTF-8"},
    {"\"\xc0\xaf\"", 0, "UTF-8"},
    {"\"\xed\xa0\x80\"", 0, "UTF-8"},
    {"\"\xf4\x90\x80\x80\"", 0, "UTF-8"},
    {"\"\xc3\"", 0, "UTF-8"},
    {"{\"\x80\":1}", 0, "UTF-8"},
    {"\"12345678901\x80\"", 0, "UTF-8"},
    /* duplicate keys */
    {"{\"a\":1,\"a\":2}", 0, "twice"},
    {"{\"a\":1,\"a\":1}", 0, "twice"},
    {"{\"a\":1,\"\\u0061\":2}", 0, "twice"},
    {"{\"\\u0061\":1,\"\\u0061\":2}", 0, "twice"},
    {"{\"\\/\":1,\"/\":2}", 0, "twice"},
    {"{\"\":1,\"\":2}", 0, "twice"},
    {"{\"\\u00e9\":1,\"\xc3\xa9\":2}", 0, "twice"},
    {"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", 0, "twice"},
    {"{\"x\":[{\"y\":{\"a\":1,\"b\":2,\"a\":null}}]}", 0, "twice"},
    {"{\"a\":{\"b\":1,\"c\":2},\"a\":{\"b\":1,\"c\":2,\"d\":3}}", 0, "twice"},
    {"[{\"a\":1},{\"a\":1,\"a\":1}]", 0, "twice"},
    /* depth */
    {NESTED_32 "[" CLOSED_32 "]", 0, "deep"},
    {NESTED_32 "{}" CLOSED_32, 0, "deep"},
    {"{\"a\":" NESTED_32 CLOSED_32 "}", 0, "deep"},
};

static void
test_bad_documents(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(bad_documents); i++) {
        const struct text *t = &bad_documents[i];
        struct json_object *obj = NULL;
        struct kb_error err = {0};
        int r = kb_json_parse(t->bytes, t->len ? t->len : strlen(t->bytes), &obj, &err);
        if (r != -KB_E_PROTOCOL || obj)
            fail_msg("'%s' gave %d", t->bytes, r);
        if (!strstr(err.msg, t->why))
            fail_msg("'%s': wanted '%s', got '%s'", t->bytes, t->why, err.msg);
    }
}

static void
test_good_documents(void **state)
{
    /* want: json-c's text of it */
    static const struct {
        const char *text, *want;
    } table[] = {
        {"{}", "{}"},
        {"[]", "[]"},
        {" \t\r\n[ ] \n", "[]"},
        {"12", "12"},
        {" 12 ", "12"},
        {"0", "0"},
        {"-0", "0"},
        {"true", "true"},
        {"false ", "false"},
        {"\"\"", "\"\""},
        {"\"a\"", "\"a\""},
        {"[null,true,false,-1,\"x\"]", "[null,true,false,-1,\"x\"]"},
        {"{\"a\" : { \"b\" : [ 1 , 2 ] } }", "{\"a\":{\"b\":[1,2]}}"},
        {"{\"a\":{\"a\":{\"a\":1}}}", "{\"a\":{\"a\":{\"a\":1}}}"},
        {"[{\"a\":1},{\"a\":1}]", "[{\"a\":1},{\"a\":1}]"},
        {"{\"a\":1,\"A\":2}", "{\"a\":1,\"A\":2}"},
        {"\"\\u00e9\\u4e2d\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
         "\"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\"\\uABCD\\uabcd\"", "\"\xea\xaf\x8d\xea\xaf\x8d\""},
        {"\"\xc3\xa9\xf0\x9f\x98\x80\x7f\"", "\"\xc3\xa9\xf0\x9f\x98\x80\x7f\""},
        {"9223372036854775807", "9223372036854775807"},
        {"[1e2]", "[1e2]"},
        {"[1.5]", "[1.5]"},
        {NESTED_32 CLOSED_32, NESTED_32 CLOSED_32},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct json_object *obj = NULL;
        struct kb_error err = {0};
        if (kb_json_parse(table[i].text, strlen(table[i].text), &obj, &err) != 0)
            fail_msg("'%s': %s", table[i].text, err.msg);
        assert_string_equal(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_NOSLASHESCAPE),
                            table[i].want);
        assert_int_equal(err.code, KB_OK);
        json_object_put(obj);
    }
}

static void
test_each_lone_surrogate(void **state)
{
    (void) state;
    for (unsigned unit = 0xd800; unit < 0xe000; unit++) {
        char text[32];
        struct json_object *obj = NULL;
        struct kb_error err = {0};
        (void) snprintf(text, sizeof(text), "[\"\\u%04x\"]", unit);
        assert_int_equal(kb_json_parse(text, strlen(text), &obj, &err), -KB_E_PROTOCOL);
        (void) snprintf(text, sizeof(text), "[\"\xed%c%c\"]", (int) (0x80 | (unit >> 6 & 0x3f)),
                        (int) (0x80 | (unit & 0x3f)));
        assert_int_equal(kb_json_parse(text, strlen(text), &obj, &err), -KB_E_PROTOCOL);
    }
}

static void
test_cut_documents(void **state)
{
    static const char text[] = "{\"id\":\"a-\\u00e9-\\ud83d\\ude00\",\"n\":-12.5e+3,\"list\":[true,false,"
                               "null,{\"x\":\"\xc3\xa9\"}]}";
    struct json_object *obj = NULL;
    struct kb_error err = {0};

    (void) state;
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        if (kb_json_parse(text, len, &obj, &err) != -KB_E_PROTOCOL)
            fail_msg("%zu bytes were enough", len);
    assert_int_equal(kb_json_parse(text, sizeof(text) - 1, &obj, &err), 0);
    json_object_put(obj);
}

/* It is only called with scanned bytes; a mistake there must not become a crash or a read past the end. */
static void
test_the_builder_survives_anything(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf scratch = KB_BUF_INIT(0);
    static const char *const more[] = {"{\"a",    "{\"a\":1",         "{\"a\" 1}", "[1",   "[1 2",
                                       "\"\\u12", "\"\\ud83d\\ude\"", "\"\\",      "fals", "{",
                                       "["};
    size_t refused = 0;

    (void) state;
    for (size_t i = 0; i < KB_LEN(bad_documents) + KB_LEN(more); i++) {
        bool table = i < KB_LEN(bad_documents);
        const char *text = table ? bad_documents[i].bytes : more[i - KB_LEN(bad_documents)];
        size_t len = table && bad_documents[i].len ? bad_documents[i].len : strlen(text);
        char *copy = malloc(len + 1); /* no terminator: a read behind it is seen by ASan */
        struct json_object *obj = NULL;
        struct kb_error err = {0};
        copy = realloc(copy, len ? len : 1);
        memcpy(copy, text, len);
        if (kb_json_build(copy, len, true, &scratch, &obj, &err) < 0) {
            assert_null(obj);
            assert_int_not_equal(err.code, KB_OK);
            refused++;
        }
        json_object_put(obj);
        free(copy);
    }
    assert_true(refused > KB_LEN(bad_documents) / 2);
}

static void
test_long_keys(void **state)
{
    (void) state;
    for (size_t len = 60; len < 70; len++) {
        char text[200], key[80];
        struct json_object *obj = NULL;
        struct kb_error err = {0};
        int64_t n = 0;
        memset(key, 'k', len);
        key[len] = '\0';
        (void) snprintf(text, sizeof(text), "{\"%s\":7,\"%sx\":8}", key, key);
        assert_int_equal(kb_json_parse(text, strlen(text), &obj, &err), 0);
        assert_int_equal(kb_json_i64(obj, "", key, KB_JSON_REQUIRED, &n, &err), 0);
        assert_int_equal(n, 7);
        json_object_put(obj);
        obj = NULL;
        (void) snprintf(text, sizeof(text), "{\"%s\":7,\"\\u006b%s\":8}", key, key + 1);
        assert_int_equal(kb_json_parse(text, strlen(text), &obj, &err), -KB_E_PROTOCOL);
        assert_non_null(strstr(err.msg, "twice"));
    }
}

static void
test_all_code_points(void **state)
{
    (void) state;
    for (uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 0xfd) {
        char text[40];
        struct json_object *obj = NULL;
        uint32_t got;
        struct kb_error err = {0};
        if (c >= 0xd800 && c < 0xe000)
            continue;
        if (c < 0x10000)
            (void) snprintf(text, sizeof(text), "\"\\u%04X\"", c);
        else
            (void) snprintf(text, sizeof(text), "\"\\u%04x\\u%04X\"", 0xd800 + ((c - 0x10000) >> 10),
                            0xdc00 + (c & 0x3ff));
        assert_int_equal(kb_json_parse(text, strlen(text), &obj, &err), 0);
        /* json-c 0.16's own parser makes U+FFFD of U+1D8xx, U+2D8xx, …: it takes them for surrogates */
        got = 0;
        assert_int_equal(
            kb_utf8_next(json_object_get_string(obj), (size_t) json_object_get_string_len(obj), &got),
            json_object_get_string_len(obj));
        assert_int_equal(got, c);
        json_object_put(obj);
    }
}

/* ---- getters ---- */

#define DOCUMENT                                                                                         \
    "{\"s\":\"text\",\"i\":7,\"neg\":-7,\"b\":true,\"o\":{\"k\":1},\"a\":[1],\"z\":null,\"d\":1.5,"      \
    "\"whole\":5.0,"                                                                                     \
    "\"max\":9223372036854775807,\"over\":9223372036854775808,\"u64\":18446744073709551615,"             \
    "\"huge\":99999999999999999999999,\"under\":-9223372036854775809,\"tiny\":-99999999999999999999999," \
    "\"e\":1e2,\"digits\":\"7\"}"

static struct json_object *
document(void)
{
    struct json_object *obj = NULL;
    struct kb_error err = {0};

    if (kb_json_parse(DOCUMENT, strlen(DOCUMENT), &obj, &err) != 0)
        fail_msg("%s", err.msg);
    return obj;
}

static void
test_getters(void **state)
{
    struct json_object *obj = document();
    struct kb_error err = {0};
    const struct json_object *sub = NULL;
    const char *s = NULL;
    int64_t n = 0;
    bool b = false;

    (void) state;
    assert_int_equal(kb_json_str(obj, "", "s", KB_JSON_REQUIRED, &s, &err), 0);
    assert_string_equal(s, "text");
    assert_int_equal(kb_json_i64(obj, "", "neg", KB_JSON_REQUIRED, &n, &err), 0);
    assert_int_equal(n, -7);
    assert_int_equal(kb_json_i64(obj, "", "max", KB_JSON_REQUIRED, &n, &err), 0);
    assert_true(n == INT64_MAX);
    assert_int_equal(kb_json_bool(obj, "", "b", KB_JSON_REQUIRED, &b, &err), 0);
    assert_true(b);
    assert_int_equal(kb_json_obj(obj, "", "o", KB_JSON_REQUIRED, &sub, &err), 0);
    assert_int_equal(kb_json_i64(sub, "o", "k", KB_JSON_REQUIRED, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(kb_json_arr(obj, "", "a", KB_JSON_REQUIRED, &sub, &err), 0);
    assert_int_equal(json_object_array_length(sub), 1);
    /* optional: absent and null leave everything as it was */
    s = "old";
    assert_int_equal(kb_json_str(obj, "", "z", KB_JSON_OPTIONAL, &s, &err), 0);
    assert_int_equal(kb_json_str(obj, "", "nothing", KB_JSON_OPTIONAL, &s, &err), 0);
    assert_string_equal(s, "old");
    assert_int_equal(err.code, KB_OK);
    json_object_put(obj);
}

enum type { STR, I64, BOOL, OBJ, ARR };

static int
get(enum type type, const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
    struct kb_error *err)
{
    const struct json_object *sub;
    const char *s;
    int64_t n;
    bool b;

    switch (type) {
    case STR:
        return kb_json_str(obj, at, key, need, &s, err);
    case I64:
        return kb_json_i64(obj, at, key, need, &n, err);
    case BOOL:
        return kb_json_bool(obj, at, key, need, &b, err);
    case OBJ:
        return kb_json_obj(obj, at, key, need, &sub, err);
    case ARR:
    default:
        return kb_json_arr(obj, at, key, need, &sub, err);
    }
}

static void
test_getters_refuse(void **state)
{
    static const struct {
        enum type type;
        const char *at, *key;
        enum kb_json_need need;
        const char *want;
    } table[] = {
        {STR, "", "nothing", KB_JSON_REQUIRED, "nothing: missing"},
        {STR, "users[3]", "nothing", KB_JSON_REQUIRED, "users[3].nothing: missing"},
        {STR, "", "z", KB_JSON_REQUIRED, "z: null where a string is wanted"},
        {I64, "", "z", KB_JSON_REQUIRED, "z: null where a whole number is wanted"},
        {BOOL, "", "nothing", KB_JSON_REQUIRED, "nothing: missing"},
        {OBJ, "", "z", KB_JSON_REQUIRED, "z: null where an object is wanted"},
        {ARR, "", "z", KB_JSON_REQUIRED, "z: null where an array is wanted"},
        {STR, "", "i", KB_JSON_REQUIRED, "i: a number where a string is wanted"},
        {STR, "", "i", KB_JSON_OPTIONAL, "i: a number where a string is wanted"},
        {STR, "", "o", KB_JSON_REQUIRED, "o: an object where a string is wanted"},
        {STR, "", "a", KB_JSON_REQUIRED, "a: an array where a string is wanted"},
        {STR, "", "b", KB_JSON_REQUIRED, "b: a truth value where a string is wanted"},
        {I64, "", "s", KB_JSON_REQUIRED, "s: a string where a whole number is wanted"},
        {I64, "", "digits", KB_JSON_OPTIONAL, "digits: a string where a whole number is wanted"},
        {I64, "", "b", KB_JSON_REQUIRED, "b: a truth value where a whole number is wanted"},
        {I64, "", "d", KB_JSON_REQUIRED, "d: a fraction where a whole number is wanted"},
        {I64, "", "whole", KB_JSON_REQUIRED, "whole: a fraction where a whole number is wanted"},
        {I64, "", "e", KB_JSON_REQUIRED, "e: a fraction where a whole number is wanted"},
        {I64, "", "over", KB_JSON_REQUIRED, "over: a number beyond 64 bits"},
        {I64, "", "u64", KB_JSON_REQUIRED, "u64: a number beyond 64 bits"},
        {I64, "", "huge", KB_JSON_OPTIONAL, "huge: a number beyond 64 bits"},
        {I64, "", "under", KB_JSON_REQUIRED, "under: a number beyond 64 bits"},
        {I64, "", "tiny", KB_JSON_REQUIRED, "tiny: a number beyond 64 bits"},
        {BOOL, "", "i", KB_JSON_REQUIRED, "i: a number where true or false is wanted"},
        {BOOL, "", "s", KB_JSON_OPTIONAL, "s: a string where true or false is wanted"},
        {OBJ, "", "a", KB_JSON_REQUIRED, "a: an array where an object is wanted"},
        {OBJ, "", "s", KB_JSON_OPTIONAL, "s: a string where an object is wanted"},
        {ARR, "", "o", KB_JSON_OPTIONAL, "o: an object where an array is wanted"},
    };
    struct json_object *obj = document();

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_error err = {0};
        assert_int_equal(get(table[i].type, obj, table[i].at, table[i].key, table[i].need, &err),
                         -KB_E_PROTOCOL);
        assert_string_equal(err.msg, table[i].want);
    }
    json_object_put(obj);
}

static void
test_getters_on_other_things(void **state)
{
    struct json_object *list = json_object_new_array(), *obj = json_object_new_object();
    struct kb_error err = {0};

    (void) state;
    assert_int_equal(get(STR, list, "[0]", "id", KB_JSON_OPTIONAL, &err), -KB_E_PROTOCOL);
    assert_string_equal(err.msg, "[0]: an array where an object is wanted");
    assert_int_equal(get(STR, NULL, "", "id", KB_JSON_OPTIONAL, &err), -KB_E_PROTOCOL);
    assert_string_equal(err.msg, "document: null where an object is wanted");
    json_object_object_add(obj, "id", json_object_new_string_len("a\0b", 3));
    assert_int_equal(get(STR, obj, "", "id", KB_JSON_REQUIRED, &err), -KB_E_PROTOCOL);
    assert_string_equal(err.msg, "id: a NUL inside the string");
    json_object_put(list);
    json_object_put(obj);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_documents),
        cmocka_unit_test(test_good_documents),
        cmocka_unit_test(test_each_lone_surrogate),
        cmocka_unit_test(test_cut_documents),
        cmocka_unit_test(test_the_builder_survives_anything),
        cmocka_unit_test(test_long_keys),
        cmocka_unit_test(test_all_code_points),
        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_getters_refuse),
        cmocka_unit_test(test_getters_on_other_things),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
