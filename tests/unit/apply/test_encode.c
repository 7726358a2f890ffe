/* Audit bodies: canonical JSON to the byte, and an intent back from its row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "reconciler/apply/decode.h"
#include "reconciler/apply/encode.h"

static const char *const ids[] = {"7", "9223372036854775807", "100000000000001"};

/* The bytes are what RFC 8785 makes of the document: the base's own writer says so. */
static void
canonical(const char *what, const struct kb_buf *body, const char *want)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;
    KB_CLEANUP(kb_buf) struct kb_buf again = KB_BUF_INIT(1 << 16);
    struct kb_error err = {0};
    if (body->failed || strcmp(kb_buf_str(body), want) != 0)
        fail_msg("%s:\nwanted %s\ngot    %s", what, want, kb_buf_str(body));
    if (kb_json_parse(body->data, body->len, &doc, &err) < 0 || kb_json_canonical(doc, &again, &err) < 0)
        fail_msg("%s: %s", what, err.msg);
    assert_string_equal(kb_buf_str(&again), want);
}

static void
test_bodies(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(1 << 16);
    const struct encode_outcome full = {.intent = 41,
                                        .request = "r-1",
                                        .method = "PATCH",
                                        .group = "900",
                                        .result = "unverified",
                                        .request_id = "q\"1",
                                        .detail = "a\nb",
                                        .status = 200,
                                        .add = {ids, 2},
                                        .remove = {ids + 2, 1},
                                        .unverified = {ids, 1}};
    const struct encode_outcome bare = {.intent = INT64_C(9007199254740991),
                                        .request = "r-2",
                                        .method = "POST",
                                        .group = "new",
                                        .result = "applied"};
    (void) state;
    encode_intent(&b, "r-1", "PATCH", "900", (struct encode_ids){ids, 2}, (struct encode_ids){ids + 2, 1});
    canonical("intent", &b,
              "{\"add\":[\"7\",\"9223372036854775807\"],\"group\":\"900\",\"method\":\"PATCH\",\"remove\":["
              "\"100000000000001\"],\"request\":\"r-1\"}");
    kb_buf_clear(&b);
    encode_intent(&b, "r-2", "POST", "a \"b\"\\\033\xe2\x80\xae\xf0\x9f\x94\x91", (struct encode_ids){0},
                  (struct encode_ids){0});
    canonical("intent of a creation", &b,
              "{\"add\":[],\"group\":\"a "
              "\\\"b\\\"\\\\\\u001b\xe2\x80\xae\xf0\x9f\x94\x91\",\"method\":\"POST\",\"remove\":[],"
              "\"request\":\"r-2\"}");
    kb_buf_clear(&b);
    encode_outcome(&b, &full);
    canonical("outcome", &b,
              "{\"add\":[\"7\",\"9223372036854775807\"],\"detail\":\"a\\nb\",\"group\":\"900\",\"intent\":41,"
              "\"method\":\"PATCH\",\"remove\":[\"100000000000001\"],\"request\":\"r-1\",\"request_id\":"
              "\"q\\\"1\",\"result\":\"unverified\",\"status\":200,\"unverified\":[\"7\"]}");
    kb_buf_clear(&b);
    encode_outcome(&b, &bare);
    canonical("outcome with nothing in it", &b,
              "{\"add\":[],\"detail\":\"\",\"group\":\"new\",\"intent\":9007199254740991,\"method\":\"POST\","
              "\"remove\":[],\"request\":\"r-2\",\"request_id\":\"\",\"result\":\"applied\",\"status\":0,"
              "\"unverified\":[]}");
    kb_buf_clear(&b);
    encode_members(&b, "900", (struct encode_ids){ids, 3});
    canonical("members", &b,
              "{\"group\":\"900\",\"members\":[\"7\",\"9223372036854775807\",\"100000000000001\"]}");
}

/* A name that is no text cannot get into the chain; neither can a row over its cap. */
static void
test_refused(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(1 << 16), small = KB_BUF_INIT(40);
    (void) state;
    encode_intent(&b, "r", "POST", "\xff", (struct encode_ids){0}, (struct encode_ids){0});
    assert_true(b.failed);
    encode_intent(&small, "r", "PATCH", "900", (struct encode_ids){ids, 3}, (struct encode_ids){0});
    assert_true(small.failed);
}

static void
test_round_trip(void **state)
{
    (void) state;
    for (size_t add = 0; add <= KB_LEN(ids); add++)
        for (size_t remove = 0; add + remove <= KB_LEN(ids); remove++) {
            KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(1 << 16);
            struct decoded_intent got = {0};
            struct kb_error err = {0};
            bool create = !add && !remove;
            encode_intent(&b, "0198-1-\xc3\xa9", create ? "POST" : "PATCH", "g",
                          (struct encode_ids){ids, add}, (struct encode_ids){ids + add, remove});
            if (decode_intent(kb_buf_str(&b), &got, &err) < 0)
                fail_msg("%s: %s", kb_buf_str(&b), err.msg);
            assert_string_equal(got.request, "0198-1-\xc3\xa9");
            assert_int_equal(got.create, create);
            assert_int_equal(got.add_len, add);
            assert_int_equal(got.remove_len, remove);
            for (size_t i = 0; i < add; i++)
                assert_string_equal(got.add[i], ids[i]);
            for (size_t i = 0; i < remove; i++)
                assert_string_equal(got.remove[i], ids[add + i]);
            decoded_intent_done(&got);
            assert_null(got.request);
        }
}

/* A row of our own database that cannot be read is damage, never an empty intent. */
static void
test_damaged_rows(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{}",
        "{\"add\":[],\"group\":\"g\",\"method\":\"PATCH\",\"remove\":[]}",        /* no request */
        "{\"add\":[],\"group\":\"g\",\"remove\":[],\"request\":\"r\"}",           /* no method */
        "{\"group\":\"g\",\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}", /* no add */
        "{\"add\":[],\"group\":\"g\",\"method\":\"PATCH\",\"request\":\"r\"}",    /* no remove */
        "{\"add\":{},\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":\"7\",\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":null,\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[7],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[null],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[\"\"],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[\"-7\"],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[\"7 \"],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[\"7\",\"x\"],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}", /* after a good one */
        "{\"add\":[\"7\"],\"method\":\"PATCH\",\"remove\":[\"7\",\"new:5b0f\"],\"request\":\"r\"}", /* never made */
        "{\"add\":[\"12345678901234567890\"],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}", /* 20 digits */
        "{\"add\":[\"7\\u0000\"],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[[\"7\"]],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[],\"method\":7,\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[],\"method\":\"\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[],\"method\":\"PUT\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[],\"method\":\"patch\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[],\"method\":\"PATCH\",\"remove\":[],\"request\":\"\"}", /* could answer any */
        "{\"add\":[],\"method\":\"PATCH\",\"remove\":[],\"request\":7}",
        "{\"add\":[],\"add\":[\"7\"],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"}",
        "{\"add\":[],\"method\":\"PATCH\",\"remove\":[],\"request\":\"r\"} x",
        "{\"add\":[],\"method\":\"PATCH\",\"remove\":[],\"request\":\"\xff\"}",
    };
    (void) state;
    for (size_t i = 0; i < KB_LEN(bad); i++) {
        struct decoded_intent got = {0};
        struct kb_error err = {0};
        if (decode_intent(bad[i], &got, &err) != -KB_E_STORE || err.code != KB_E_STORE)
            fail_msg("%s: %u %s", bad[i], (unsigned) err.code, err.msg);
        decoded_intent_done(&got);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damaged_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
