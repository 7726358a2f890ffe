#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

#include <json-c/json.h>
#include <string.h>

static void
test_canonical(void **state)
{
    static const struct {
        const char *in, *want;
    } table[] = {
        {"{ }", "{}"},
        {"[ ]", "[]"},
        {"[null, true ,false,0,-1,-0]", "[null,true,false,0,-1,0]"},
        {"{\"b\":1,\"a\":[{\"d\":1,\"c\":2}]}", "{\"a\":[{\"c\":2,\"d\":1}],\"b\":1}"},
        {"{\"aa\":1,\"a\":2,\"\":3,\"A\":4}", "{\"\":3,\"A\":4,\"a\":2,\"aa\":1}"},
        /* RFC 8785 section 3.2.2, without its floats */
        {"{\"string\":\"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/"
         "\",\"literals\":[null,true,false]}",
         "{\"literals\":[null,true,false],\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"},
        /* RFC 8785 section 3.2.3: order of UTF-16 code units, the emoji before U+FB33 */
        {"{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\",\"\\ufb33\":\"Hebrew Letter Dalet With "
         "Dagesh\","
         "\"1\":\"One\",\"\\ud83d\\ude00\":\"Emoji: Grinning "
         "Face\",\"\\u0080\":\"Control\",\"\\u00f6\":\"Latin Small "
         "Letter O With Diaeresis\"}",
         "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\",\"\xc3\xb6\":\"Latin Small "
         "Letter O With "
         "Diaeresis\",\"\xe2\x82\xac\":\"Euro Sign\",\"\xf0\x9f\x98\x80\":\"Emoji: Grinning "
         "Face\",\"\xef\xac\xb3\":"
         "\"Hebrew Letter Dalet With Dagesh\"}"},
        {"{\"\\ue000\":1,\"\\ud7ff\":2,\"\\udbff\\udfff\":3,\"\\ud800\\udc00\":4,\"\\uffff\":5}",
         "{\"\xed\x9f\xbf\":2,\"\xf0\x90\x80\x80\":4,\"\xf4\x8f\xbf\xbf\":3,\"\xee\x80\x80\":1,"
         "\"\xef\xbf\xbf\":5}"},
        {"\"\\u0001\\u0008\\u0009\\u000b\\u000c\\u000d\\u001f\\u007f\\u2028\"",
         "\"\\u0001\\b\\t\\u000b\\f\\r\\u001f\x7f\xe2\x80\xa8\""},
        {"9007199254740991", "9007199254740991"},
        {"-9007199254740991", "-9007199254740991"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct json_object *obj = NULL;
        struct kb_buf text = KB_BUF_INIT(4096);
        struct kb_error err = {0};
        if (kb_json_parse(table[i].in, strlen(table[i].in), &obj, &err) != 0 ||
            kb_json_canonical(obj, &text, &err) != 0)
            fail_msg("'%s': %s", table[i].in, err.msg);
        assert_string_equal(kb_buf_str(&text), table[i].want);
        json_object_put(obj);
        /* and again: it is its own canonical form */
        assert_int_equal(kb_json_parse(text.data, text.len, &obj, &err), 0);
        kb_buf_clear(&text);
        assert_int_equal(kb_json_canonical(obj, &text, &err), 0);
        assert_string_equal(kb_buf_str(&text), table[i].want);
        json_object_put(obj);
        kb_buf_done(&text);
    }
}

static void
test_refused(void **state)
{
    static const char *const table[] = {
        "1.5",
        "[1e2]",
        "{\"a\":{\"b\":-0.0}}",
        "9007199254740992",
        "-9007199254740992",
        "9223372036854775807",
        "[99999999999999999999999]",
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct json_object *obj = NULL;
        struct kb_buf text = KB_BUF_INIT(4096);
        struct kb_error err = {0};
        assert_int_equal(kb_json_parse(table[i], strlen(table[i]), &obj, &err), 0);
        if (kb_json_canonical(obj, &text, &err) != -KB_E_BUG)
            fail_msg("'%s' was written", table[i]);
        json_object_put(obj);
        kb_buf_done(&text);
    }
}

static void
test_what_a_parser_would_not_give(void **state)
{
    struct json_object *bad[] = {json_object_new_string_len("a\0b", 3), json_object_new_string("\xff"),
                                 json_object_new_object(), json_object_new_array()};
    struct kb_error err = {0};
    struct json_object *inner = bad[3];

    (void) state;
    json_object_object_add(bad[2], "\xed\xa0\x80", NULL);
    for (int i = 0; i < 100; i++) {
        struct json_object *next = json_object_new_array();
        json_object_array_add(inner, next);
        inner = next;
    }
    for (size_t i = 0; i < KB_LEN(bad); i++) {
        struct kb_buf text = KB_BUF_INIT(4096);
        assert_int_equal(kb_json_canonical(bad[i], &text, &err), -KB_E_BUG);
        json_object_put(bad[i]);
        kb_buf_done(&text);
    }
}

static void
test_over_the_cap(void **state)
{
    struct json_object *obj = json_object_new_string("0123456789");
    struct kb_buf text = KB_BUF_INIT(11);
    struct kb_error err = {0};

    (void) state;
    assert_int_equal(kb_json_canonical(obj, &text, &err), -KB_E_NOMEM);
    kb_buf_init(&text, 12);
    assert_int_equal(kb_json_canonical(obj, &text, &err), 0);
    assert_string_equal(kb_buf_str(&text), "\"0123456789\"");
    kb_buf_done(&text);
    json_object_put(obj);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_what_a_parser_would_not_give),
        cmocka_unit_test(test_over_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
