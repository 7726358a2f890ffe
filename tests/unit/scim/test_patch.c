/* scim/patch: the bytes of a write, and that nothing else can be spelled. */
#include "base/ban.h"

#include "tests/unit/scim/golden.h"

#include "scim/patch.h"

#include "base/mem.h"

#define IDS_MAX 6000

static char texts[2][IDS_MAX][24];
static const char *removes[IDS_MAX], *adds[IDS_MAX];

static int
make_ids(void **state)
{
    (void) state;
    for (int i = 0; i < IDS_MAX; i++) {
        (void) snprintf(texts[0][i], 24, "%lld", 200000000000000LL + i);
        (void) snprintf(texts[1][i], 24, "%lld", 100000000000000LL + i);
        removes[i] = texts[0][i];
        adds[i] = texts[1][i];
    }
    return 0;
}

static void
test_golden(void **state)
{
    static const char *const seven[] = {"7"};
    static const char *const largest[] = {"9223372036854775807"};

    const struct {
        const char *file;
        const char *const *remove_ids, *const *add_ids;
        size_t remove_len, add_len, request;
        struct scim_slice slice;
    } CASES[] = {
        {"patch_add_one.json", NULL, seven, 0, 1, 0, {0, 0, 0, 1}},
        {"patch_remove_one.json", largest, NULL, 1, 0, 0, {0, 1, 0, 0}},
        {"patch_both.json", removes, adds, 2, 3, 0, {0, 2, 0, 3}},
        {"patch_add_120.json", NULL, adds, 0, 120, 0, {0, 0, 0, 120}},
        {"patch_remove_51_add_1_first.json", removes, adds, 51, 1, 0, {0, 50, 0, 0}},
        {"patch_remove_51_add_1_second.json", removes, adds, 51, 1, 1, {50, 1, 0, 1}},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
        struct kb_error err = {0};
        struct scim_slice slice = {0};
        if (scim_patch_body(CASES[i].remove_ids, CASES[i].remove_len, CASES[i].add_ids, CASES[i].add_len,
                            CASES[i].request, &body, &slice, &err) < 0)
            fail_msg("%s: %s", CASES[i].file, err.msg);
        golden(CASES[i].file, kb_buf_str(&body));
        assert_int_equal(slice.remove_start, CASES[i].slice.remove_start);
        assert_int_equal(slice.remove_len, CASES[i].slice.remove_len);
        assert_int_equal(slice.add_len, CASES[i].slice.add_len);
        if (slice.add_len)
            assert_int_equal(slice.add_start, CASES[i].slice.add_start);
        if (scim_patch_check(kb_buf_str(&body), body.len, slice.remove_len, slice.add_len, &err) < 0)
            fail_msg("%s: the check refuses the encoder's bytes: %s", CASES[i].file, err.msg);
    }
}

static size_t
count(const char *text, const char *part)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, part)); at++)
        found++;
    return found;
}

/* All slices together carry each id once, in order; each request keeps the limits, and no fewer requests would
 * do. */
static void
test_slices(void **state)
{
    static const size_t SIZES[] = {0, 1, 49, 50, 51, 100, 120, 2450, 2501};
    (void) state;

    for (size_t r = 0; r < KB_LEN(SIZES); r++)
        for (size_t a = 0; a < KB_LEN(SIZES); a++) {
            size_t remove_len = SIZES[r], add_len = SIZES[a], removed = 0, added = 0;
            size_t requests = scim_patch_requests(remove_len, add_len);
            size_t operations = remove_len + (add_len + 49) / 50;
            if (requests != (operations + 49) / 50)
                fail_msg("%zu removals, %zu additions: %zu requests", remove_len, add_len, requests);
            for (size_t i = 0; i < requests; i++) {
                KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
                struct kb_error err = {0};
                struct scim_slice slice = {0};
                assert_int_equal(scim_patch_body(removes, remove_len, adds, add_len, i, &body, &slice, &err),
                                 0);
                assert_true(slice.remove_len + slice.add_len > 0);
                if (slice.remove_len)
                    assert_int_equal(slice.remove_start, removed);
                if (slice.add_len) {
                    assert_int_equal(slice.add_start, added);
                    assert_int_equal(removed + slice.remove_len, remove_len); /* removals come first */
                }
                removed += slice.remove_len;
                added += slice.add_len;
                assert_true(count(kb_buf_str(&body), "\"op\":") <= SCIM_OPS_MAX);
                assert_int_equal(count(kb_buf_str(&body), "\"op\":\"remove\""), slice.remove_len);
                assert_int_equal(count(kb_buf_str(&body), "{\"value\":\""), slice.add_len);
                assert_int_equal(
                    scim_patch_check(kb_buf_str(&body), body.len, slice.remove_len, slice.add_len, &err), 0);
            }
            assert_int_equal(removed, remove_len);
            assert_int_equal(added, add_len);
        }
    struct kb_error err = {0};
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
    struct scim_slice slice = {0};
    assert_int_equal(scim_patch_requests(0, 0), 0);
    assert_int_equal(scim_patch_body(removes, 1, adds, 1, 1, &body, &slice, &err),
                     -KB_E_BUG); /* no such request */
}

/* "Too large": operations are halved before members, and one operation for one member cannot be made smaller. Whatever the limits,
 * the slices carry each id once. */
static void
test_halves(void **state)
{
    static const struct {
        size_t remove_len, add_len;
        struct scim_limits limits, after;
        bool smaller;
    } CASES[] = {
        {0, 120, {50, 50}, {1, 50}, true}, {0, 50, {1, 50}, {1, 25}, true},   {0, 3, {1, 50}, {1, 1}, true},
        {0, 1, {50, 50}, {50, 50}, false}, {1, 0, {50, 50}, {50, 50}, false}, {2, 0, {50, 50}, {1, 50}, true},
        {1, 1, {50, 50}, {1, 50}, true},   {12, 30, {50, 50}, {6, 50}, true}, {0, 5, {50, 1}, {2, 1}, true},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct scim_limits limits = CASES[i].limits;
        struct scim_slice slice = scim_patch_next(0, CASES[i].remove_len, 0, CASES[i].add_len, &limits);
        if (scim_patch_halve(&limits, &slice) != CASES[i].smaller || limits.ops != CASES[i].after.ops ||
            limits.members != CASES[i].after.members)
            fail_msg("case %zu: %zu operations, %zu members", i, limits.ops, limits.members);
    }
    for (size_t ops = 1; ops <= 50; ops += 7)
        for (size_t members = 1; members <= 50; members += 7) {
            const struct scim_limits limits = {ops, members};
            size_t removed = 0, added = 0;
            while (removed < 60 || added < 120) {
                KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
                struct kb_error err = {0};
                struct scim_slice slice = scim_patch_next(removed, 60, added, 120, &limits);
                assert_int_equal(scim_patch_slice(removes, adds, &slice, &limits, &body, &err), 0);
                assert_int_equal(
                    scim_patch_check(kb_buf_str(&body), body.len, slice.remove_len, slice.add_len, &err), 0);
                assert_true(count(kb_buf_str(&body), "\"op\":") <= ops);
                assert_int_equal(slice.remove_start, removed);
                assert_int_equal(slice.add_start, added);
                removed += slice.remove_len;
                added += slice.add_len;
            }
        }
}

static void
test_bad_ids(void **state)
{
    static const char *const BAD[] = {"",
                                      " ",
                                      "a",
                                      "1a",
                                      "-1",
                                      "+1",
                                      "1 ",
                                      " 1",
                                      "1.0",
                                      "0x1",
                                      "1\n",
                                      "12345678901234567890",
                                      "\"]",
                                      "1\"] or members[value eq \"2",
                                      "5b1d0d4e-0000-4000-8000-0000000000aa",
                                      "\xd9\xa1\xd9\xa2"}; /* Arabic-Indic digits */
    (void) state;

    for (size_t i = 0; i < KB_LEN(BAD); i++)
        for (int side = 0; side < 2; side++) {
            const char *ids[] = {"1", BAD[i], "2"};
            KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
            struct kb_error err = {0};
            struct scim_slice slice = {0};
            int result = side ? scim_patch_body(ids, 3, NULL, 0, 0, &body, &slice, &err)
                              : scim_patch_body(NULL, 0, ids, 3, 0, &body, &slice, &err);
            if (result != -KB_E_BUG)
                fail_msg("id \"%s\" was taken", BAD[i]);
        }
}

#define URN "\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"]"
#define REMOVE(id) "{\"op\":\"remove\",\"path\":\"members[value eq \\\"" id "\\\"]\"}"
#define ADD(values) "{\"op\":\"add\",\"path\":\"members\",\"value\":[" values "]}"
#define BODY(operations) "{" URN ",\"Operations\":[" operations "]}"

static void
test_check(void **state)
{
    static const struct {
        const char *name, *body;
        size_t removes, adds;
    } GOOD[] = {{"one remove", BODY(REMOVE("1")), 1, 0},
                {"one add", BODY(ADD("{\"value\":\"1\"}")), 0, 1},
                {"both", BODY(REMOVE("1") "," ADD("{\"value\":\"2\"},{\"value\":\"3\"}")), 1, 2}};

    static const struct {
        const char *name, *body;
        size_t removes, adds;
    } BAD[] = {
        {"empty", "", 0, 0},
        {"null", "null", 0, 0},
        {"an array", "[]", 0, 0},
        {"empty object", "{}", 0, 0},
        {"truncated", "{" URN ",\"Operations\":[" REMOVE("1"), 1, 0},
        {"trailing bytes", BODY(REMOVE("1")) "x", 1, 0},
        {"two documents", BODY(REMOVE("1")) BODY(REMOVE("1")), 1, 0},
        {"no operations", "{" URN "}", 0, 0},
        {"no operation", BODY(""), 0, 0},
        {"no schemas", "{\"Operations\":[" REMOVE("1") "]}", 1, 0},
        {"schema of a group",
         "{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:Group\"],\"Operations\":[" REMOVE("1") "]}",
         1, 0},
        {"two schemas",
         "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\",\"urn:x\"],\"Operations\":[" REMOVE(
             "1") "]}",
         1, 0},
        {"schemas as text",
         "{\"schemas\":\"urn:ietf:params:scim:api:messages:2.0:PatchOp\",\"Operations\":[" REMOVE("1") "]}",
         1, 0},
        {"lower-case operations", "{" URN ",\"operations\":[" REMOVE("1") "]}", 1, 0},
        {"operations twice", "{" URN ",\"Operations\":[" REMOVE("1") "],\"Operations\":[]}", 1, 0},
        {"another key beside", "{" URN ",\"members\":[],\"Operations\":[" REMOVE("1") "]}", 1, 0},
        {"replace", BODY("{\"op\":\"replace\",\"path\":\"members\",\"value\":[{\"value\":\"1\"}]}"), 0, 1},
        {"replace of nothing", BODY("{\"op\":\"replace\",\"path\":\"members\",\"value\":[]}"), 0, 0},
        {"replace with capitals",
         BODY("{\"op\":\"Replace\",\"path\":\"members\",\"value\":[{\"value\":\"1\"}]}"), 0, 1},
        {"capital add", BODY("{\"op\":\"Add\",\"path\":\"members\",\"value\":[{\"value\":\"1\"}]}"), 0, 1},
        {"unfiltered remove", BODY("{\"op\":\"remove\",\"path\":\"members\"}"), 1, 0},
        {"remove without path", BODY("{\"op\":\"remove\"}"), 1, 0},
        {"remove with value",
         BODY("{\"op\":\"remove\",\"path\":\"members[value eq \\\"1\\\"]\",\"value\":[]}"), 1, 0},
        {"remove with null",
         BODY("{\"op\":\"remove\",\"path\":\"members[value eq \\\"1\\\"]\",\"value\":null}"), 1, 0},
        {"remove of roles", BODY("{\"op\":\"remove\",\"path\":\"roles[value eq \\\"1\\\"]\"}"), 1, 0},
        {"empty filter", BODY("{\"op\":\"remove\",\"path\":\"members[]\"}"), 1, 0},
        {"filter of an empty id", BODY(REMOVE("")), 1, 0},
        {"filter of no digits", BODY(REMOVE("1a")), 1, 0},
        {"filter of 20 digits", BODY(REMOVE("12345678901234567890")), 1, 0},
        {"filter ne", BODY("{\"op\":\"remove\",\"path\":\"members[value ne \\\"1\\\"]\"}"), 1, 0},
        {"filter or",
         BODY("{\"op\":\"remove\",\"path\":\"members[value eq \\\"1\\\" or value eq \\\"2\\\"]\"}"), 1, 0},
        {"filter pr", BODY("{\"op\":\"remove\",\"path\":\"members[value pr]\"}"), 1, 0},
        {"injection",
         BODY("{\"op\":\"remove\",\"path\":\"members[value eq \\\"1\\\"] or members[value eq \\\"2\\\"]\"}"),
         1, 0},
        {"single quotes", BODY("{\"op\":\"remove\",\"path\":\"members[value eq '1']\"}"), 1, 0},
        {"no quotes", BODY("{\"op\":\"remove\",\"path\":\"members[value eq 1]\"}"), 1, 0},
        {"sub-attribute", BODY("{\"op\":\"remove\",\"path\":\"members[value eq \\\"1\\\"].display\"}"), 1, 0},
        {"two blanks", BODY("{\"op\":\"remove\",\"path\":\"members[value  eq \\\"1\\\"]\"}"), 1, 0},
        {"NUL in the path", BODY("{\"op\":\"remove\",\"path\":\"members\\u0000[value eq \\\"1\\\"]\"}"), 1,
         0},
        {"path as array", BODY("{\"op\":\"remove\",\"path\":[\"members\"]}"), 1, 0},
        {"op as number", BODY("{\"op\":1,\"path\":\"members\"}"), 1, 0},
        {"op twice", BODY("{\"op\":\"add\",\"op\":\"remove\",\"path\":\"members[value eq \\\"1\\\"]\"}"), 1,
         0},
        {"another key in a remove",
         BODY("{\"op\":\"remove\",\"path\":\"members[value eq \\\"1\\\"]\",\"x\":1}"), 1, 0},
        {"add of nothing", BODY(ADD("")), 0, 0},
        {"add of a scalar", BODY("{\"op\":\"add\",\"path\":\"members\",\"value\":\"1\"}"), 0, 1},
        {"add of texts", BODY(ADD("\"1\"")), 0, 1},
        {"add of a number", BODY(ADD("{\"value\":1}")), 0, 1},
        {"add of no digits", BODY(ADD("{\"value\":\"ada\"}")), 0, 1},
        {"add of 20 digits", BODY(ADD("{\"value\":\"12345678901234567890\"}")), 0, 1},
        {"add with more in a member", BODY(ADD("{\"value\":\"1\",\"type\":\"Group\"}")), 0, 1},
        {"add without path", BODY("{\"op\":\"add\",\"value\":{\"members\":[{\"value\":\"1\"}]}}"), 0, 1},
        {"add of a role", BODY("{\"op\":\"add\",\"path\":\"roles\",\"value\":[{\"value\":\"1\"}]}"), 0, 1},
        {"add with a filter",
         BODY("{\"op\":\"add\",\"path\":\"members[value eq \\\"1\\\"]\",\"value\":[{\"value\":\"1\"}]}"), 0,
         1},
        {"operation as text", BODY("\"remove\""), 1, 0},
        {"additions before removals", BODY(ADD("{\"value\":\"2\"}") "," REMOVE("1")), 1, 1},
        {"one remove too many", BODY(REMOVE("1") "," REMOVE("2")), 1, 0},
        {"one remove too few", BODY(REMOVE("1")), 2, 0},
        {"one addition too many", BODY(ADD("{\"value\":\"1\"},{\"value\":\"2\"}")), 0, 1},
        {"one addition too few", BODY(ADD("{\"value\":\"1\"}")), 0, 2},
    };
    struct kb_error err = {0};
    (void) state;

    for (size_t i = 0; i < KB_LEN(GOOD); i++)
        if (scim_patch_check(GOOD[i].body, strlen(GOOD[i].body), GOOD[i].removes, GOOD[i].adds, &err) < 0)
            fail_msg("'%s' is refused: %s", GOOD[i].name, err.msg);
    for (size_t i = 0; i < KB_LEN(BAD); i++)
        if (scim_patch_check(BAD[i].body, strlen(BAD[i].body), BAD[i].removes, BAD[i].adds, &err) !=
            -KB_E_BUG)
            fail_msg("'%s' is not refused as a bug", BAD[i].name);
}

/* Over the limits, though each operation is fine. */
static void
test_check_limits(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(1 << 20);
    struct kb_error err = {0};
    (void) state;

    for (int over = 0; over < 2; over++) {
        kb_buf_clear(&body);
        kb_buf_adds(&body, "{" URN ",\"Operations\":[");
        for (int i = 0; i < SCIM_OPS_MAX + over; i++)
            kb_buf_addf(&body, "%s" REMOVE("%d"), i ? "," : "", i + 1);
        kb_buf_adds(&body, "]}");
        assert_int_equal(
            scim_patch_check(kb_buf_str(&body), body.len, (size_t) (SCIM_OPS_MAX + over), 0, &err),
            over ? -KB_E_BUG : 0);
        kb_buf_clear(&body);
        kb_buf_adds(&body, "{" URN ",\"Operations\":[{\"op\":\"add\",\"path\":\"members\",\"value\":[");
        for (int i = 0; i < SCIM_MEMBERS_MAX + over; i++)
            kb_buf_addf(&body, "%s{\"value\":\"%d\"}", i ? "," : "", i + 1);
        kb_buf_adds(&body, "]}]}");
        assert_int_equal(
            scim_patch_check(kb_buf_str(&body), body.len, 0, (size_t) (SCIM_MEMBERS_MAX + over), &err),
            over ? -KB_E_BUG : 0);
    }
}

/* One byte of a good body changed in every way that a bit can: the check refuses it, or the bytes still say
 * the same kind of thing about digits only. */
static void
test_check_flips(void **state)
{
    static const char GOOD[] = BODY(REMOVE("11") "," ADD("{\"value\":\"22\"}"));
    size_t taken = 0;
    struct kb_error err = {0};
    (void) state;

    for (size_t at = 0; at < sizeof(GOOD) - 1; at++)
        for (int bit = 0; bit < 8; bit++) {
            char body[sizeof(GOOD)];
            memcpy(body, GOOD, sizeof(GOOD));
            body[at] = (char) (body[at] ^ (1 << bit));
            if (scim_patch_check(body, sizeof(GOOD) - 1, 1, 1, &err) < 0)
                continue;
            taken++;
            if (!strchr("12", GOOD[at]) || body[at] < '0' || body[at] > '9')
                fail_msg("taken: %s", body);
        }
    assert_true(taken > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),      cmocka_unit_test(test_slices),
        cmocka_unit_test(test_halves),      cmocka_unit_test(test_bad_ids),
        cmocka_unit_test(test_check),       cmocka_unit_test(test_check_limits),
        cmocka_unit_test(test_check_flips),
    };
    return cmocka_run_group_tests(tests, make_ids, NULL);
}
