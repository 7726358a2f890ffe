/* scim: what leaves in a write, and what its answer says. */
#include "base/ban.h"

#include "tests/unit/scim/account.h"
#include "tests/unit/scim/golden.h"

#include "base/mem.h"
#include "base/str.h"

static void
keep(void *userdata, const struct scim_write *result)
{
    struct scim_write *w = userdata;
    assert_int_equal(w->status, -1); /* once */
    *w = *result;
}

static const char GOOD[] =
    "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":[{\"op\":\"remove\","
    "\"path\":\"members[value eq \\\"1\\\"]\"}]}";

static struct scim_write
patch(struct account *a)
{
    struct scim_write w = {.status = -1};
    struct kb_error err = {0};
    if (scim_patch_send(a->scim, "77", GOOD, keep, &w, &err) < 0)
        fail_msg("send: %s", err.msg);
    account_run(a);
    return w;
}

/* 26 x 8 bytes when made visible, and 20 x 2: beyond what is kept of an answer */
#define HIDDEN_13                                                                                          \
    "\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b\xe2" \
    "\x80\x8b\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b"
#define HIDDEN_26 HIDDEN_13 HIDDEN_13
#define UMLAUTS_10 "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"
#define UMLAUTS_20 UMLAUTS_10 UMLAUTS_10
#define ERROR(detail)                                                                     \
    "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"],\"detail\":\"" detail \
    "\",\"status\":\"400\"}"

static void
test_patch_answers(void **state)
{
    static const struct {
        const char *name;
        int status;
        const char *headers, *body;
        bool ok, refused, too_large, gone, conflict;
        const char *detail;
        unsigned requests;
    } CASES[] = {
        {"204", 204, "", "", true, false, false, false, false, "", 1},
        {"200 empty", 200, "", "", true, false, false, false, false, "", 1},
        {"200 {}", 200, "", "{}", true, false, false, false, false, "", 1},
        {"200 HTML", 200, "", "<html>", true, false, false, false, false, "",
         1}, /* the reading back decides */
        {"404", 404, "", ERROR("Group with id 77 not found."), false, true, false, true, false, "not found",
         1},
        {"409", 409, "", ERROR("conflict"), false, true, false, false, true, "conflict", 1},
        {"413", 413, "", "", false, true, true, false, false, "413", 1},
        {"400 too many", 400, "", ERROR("Too many operations in one request"), false, true, true, false,
         false, "Too many", 1},
        {"400", 400, "", ERROR("Request is unparsable, syntactically incorrect, or violates schema."), false,
         true, false, false, false, "unparsable", 1},
        {"403", 403, "", "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}", false, true, false,
         false, false, "no", 1},
        {"500", 500, "", ERROR("Error in performing the patch operation"), false, false, false, false, false,
         "Error in", 1},
        {"503", 503, "", "<html><pre>gone</pre></html>", false, false, false, false, false, "", 1},
        {"504", 504, "", "{\"error_code\":\"TEMPORARILY_UNAVAILABLE\",\"message\":\"too long\"}", false,
         false, false, false, false, "too long", 1},
        {"escape sequences", 400, "", ERROR("\\u001b[31mred\\u202e"), false, true, false, false, false, "",
         1},
        {"cut inside a letter", 409, "", ERROR(HIDDEN_26 UMLAUTS_20 UMLAUTS_20), false, true, false, false,
         true, "\xc3\xbc?", 1},
        {"429", 429, "Retry-After: 1\r\n", ERROR("slow"), false, true, false, false, false, "slow", 5},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct say says[] = {SAY("PATCH", "/Groups/77", CASES[i].status, CASES[i].body)};
        struct account a = {.says = says, .says_len = 1};
        says[0].headers = CASES[i].headers;
        account_start(&a, NULL);
        struct scim_write w = patch(&a);
        if (w.ok != CASES[i].ok || w.too_large != CASES[i].too_large || w.gone != CASES[i].gone ||
            w.conflict != CASES[i].conflict || w.refused != CASES[i].refused)
            fail_msg("'%s': ok %d refused %d too_large %d gone %d conflict %d (%d %s)", CASES[i].name, w.ok,
                     w.refused, w.too_large, w.gone, w.conflict, w.status, w.detail);
        if (!strstr(w.detail, CASES[i].detail) || strchr(w.detail, '\033'))
            fail_msg("'%s': %s", CASES[i].name, w.detail);
        if (!kb_utf8_valid(w.detail, strlen(w.detail))) /* it goes into the audit chain */
            fail_msg("'%s': %s", CASES[i].name, w.detail);
        if (!w.ok && !w.refused && !w.sent)
            fail_msg("'%s': neither refused nor sent", CASES[i].name);
        assert_int_equal(w.status, CASES[i].status);
        if (wire_count(a.wire, "PATCH", "") != CASES[i].requests)
            fail_msg("'%s': %u requests", CASES[i].name, wire_count(a.wire, "PATCH", ""));
        account_stop(&a);
    }
}

static void
test_patch_request(void **state)
{
    struct say says[] = {SAY("PATCH", "/Groups/77", 204, "")};
    struct account a = {.says = says, .says_len = 1};
    (void) state;

    says[0].headers = "x-databricks-request-id: req-1\r\n";
    account_start(&a, NULL);
    struct scim_write w = patch(&a);
    assert_true(w.ok);
    assert_string_equal(w.request_id, "req-1");
    KB_CLEANUP(kb_free) char *head = wire_head(a.wire, 0);
    char value[200];
    assert_int_equal(strncmp(head, "PATCH " BASE "/Groups/77 HTTP/1.1\r\n",
                             strlen("PATCH " BASE "/Groups/77 HTTP/1.1\r\n")),
                     0);
    assert_string_equal(wire_header(head, "content-type", value, sizeof(value)),
                        "application/scim+json; charset=utf-8");
    account_stop(&a);
}

/* What is not the encoder's does not leave: the check stands before the wire. */
static void
test_patch_refused_here(void **state)
{
    static const char *const BAD[] = {"", "{}",
                                      "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
                                      "\"Operations\":[{\"op\":\"remove\",\"path\":\"members\"}]}",
                                      "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],"
                                      "\"Operations\":[{\"op\":\"replace\",\"path\":\"members\","
                                      "\"value\":[{\"value\":\"1\"}]}]}"};
    static const char *const BAD_IDS[] = {"", "a", "77/../78", "77?x=1", "12345678901234567890"};
    struct account a = {0};
    struct scim_write w = {.status = -1};
    struct kb_error err = {0};
    (void) state;

    account_start(&a, NULL);
    for (size_t i = 0; i < KB_LEN(BAD); i++)
        assert_int_equal(scim_patch_send(a.scim, "77", BAD[i], keep, &w, &err), -KB_E_BUG);
    for (size_t i = 0; i < KB_LEN(BAD_IDS); i++)
        assert_int_equal(scim_patch_send(a.scim, BAD_IDS[i], GOOD, keep, &w, &err), -KB_E_BUG);
    account_run(&a);
    assert_int_equal(wire_count(a.wire, NULL, ""), 0);
    assert_int_equal(w.status, -1);
    account_stop(&a);
}

static struct {
    char method[8], target[512], body[512];
    unsigned len;
} seen;

static void
record(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    (void) snprintf(seen.method, sizeof(seen.method), "%s", request->method);
    (void) snprintf(seen.target, sizeof(seen.target), "%s", request->target);
    (void) snprintf(seen.body, sizeof(seen.body), "%s", request->body);
    seen.len++;
    wire_say(ret, 201, "", userdata);
}

/* A server that records the body. */
static void
start_recorder(struct account *a, const char *answer)
{
    struct scim_opts opts = {
        .level = SCIM_ACCOUNT, .account_id = "acc-1", .version = "2.0", .self_client = ""};
    struct kb_error err = {0};

    memset(&seen, 0, sizeof(seen));
    a->wire = wire_start(record, (void *) (uintptr_t) answer);
    a->http = reader_open(NULL);
    struct kb_http_peer_opts peer = reader_peer_opts(wire_url(a->wire));
    peer.writable = true;
    a->peer = reader_peer(a->http, &peer);
    kb_target_init(&a->target);
    assert_int_equal(scim_new(a->peer, &opts, &a->target, &a->scim, &err), 0);
}

static void
test_create_group(void **state)
{
    struct account a = {0};
    struct scim_write w = {.status = -1};
    struct kb_error err = {0};
    (void) state;

    start_recorder(&a, "{\"id\":\"4711\",\"displayName\":\"ml \\\"x\\\" Gr\xc3\xb6\xc3\x9f"
                       "e\"}");
    assert_int_equal(scim_create_group(a.scim,
                                       "ml \"x\" Gr\xc3\xb6\xc3\x9f"
                                       "e",
                                       keep, &w, &err),
                     0);
    account_run(&a);
    assert_string_equal(seen.method, "POST");
    assert_string_equal(seen.target, BASE "/Groups");
    golden("post_group.json", seen.body);
    assert_true(w.ok);
    assert_string_equal(w.id, "4711");
    account_stop(&a);

    a = (struct account){0};
    w = (struct scim_write){.status = -1};
    start_recorder(&a, "{\"id\":\"12\",\"userName\":\"ada@acme.example\"}");
    assert_int_equal(scim_create_user(a.scim, "ada@acme.example", "Ada", keep, &w, &err), 0);
    account_run(&a);
    assert_string_equal(seen.target, BASE "/Users");
    golden("post_user.json", seen.body);
    assert_string_equal(w.id, "12");
    account_stop(&a);
}

static void
test_create_answers(void **state)
{
    static const struct {
        const char *name;
        int status;
        const char *body;
        bool ok;
        const char *id;
    } CASES[] = {
        {"200", 200, "{\"id\":\"5\",\"displayName\":\"x\"}", true, "5"},
        {"409", 409, ERROR("Group with name x already exists."), false, ""},
        {"500", 500, ERROR("INTERNAL_ERROR"), false, ""},
        {"no id", 201, "{}", false, ""},
        {"id as number", 201, "{\"id\":5}", false, ""},
        {"id of letters", 201, "{\"id\":\"abc\"}", false, ""},
        {"HTML", 200, "<html>", false, ""},
        {"another name", 201, "{\"id\":\"5\",\"displayName\":\"y\"}", false, ""},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct say says[] = {SAY("POST", "/Groups", CASES[i].status, CASES[i].body)};
        struct account a = {.says = says, .says_len = 1};
        struct scim_write w = {.status = -1};
        struct kb_error err = {0};
        account_start(&a, NULL);
        assert_int_equal(scim_create_group(a.scim, "x", keep, &w, &err), 0);
        account_run(&a);
        if (w.ok != CASES[i].ok || strcmp(w.id, CASES[i].id) != 0)
            fail_msg("'%s': ok %d id '%s' (%s)", CASES[i].name, w.ok, w.id, w.detail);
        if (!w.ok && !*w.detail)
            fail_msg("'%s': no detail", CASES[i].name);
        assert_int_equal(wire_count(a.wire, "POST", ""), 1); /* never repeated: it may have been made */
        account_stop(&a);
    }
}

static void
test_find_group(void **state)
{
    static const struct {
        const char *name, *body, *id;
        bool ok;
    } CASES[] = {
        {"one", "{\"totalResults\":1,\"Resources\":[{\"id\":\"5\",\"displayName\":\"a\\\"b\"}]}", "5", true},
        {"none", "{\"totalResults\":0}", "", true},
        {"only in another case",
         "{\"totalResults\":1,\"Resources\":[{\"id\":\"5\",\"displayName\":\"A\\\"B\"}]}", "", true},
        {"one and its twin",
         "{\"totalResults\":2,\"Resources\":[{\"id\":\"5\",\"displayName\":\"A\\\"B\"},{\"id\":\"6\","
         "\"displayName\":\"a\\\"b\"}]}",
         "6", true},
        {"two",
         "{\"totalResults\":2,\"Resources\":[{\"id\":\"5\",\"displayName\":\"a\\\"b\"},{\"id\":\"6\","
         "\"displayName\":\"a\\\"b\"}]}",
         "", false},
        {"total lies", "{\"totalResults\":1}", "", false},
        {"HTML", "<html>", "", false},
        {"id as number", "{\"totalResults\":1,\"Resources\":[{\"id\":5,\"displayName\":\"a\\\"b\"}]}", "",
         false},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct say says[] = {SAY("GET", "/Groups", 200, CASES[i].body)};
        struct account a = {.says = says, .says_len = 1};
        struct scim_write w = {.status = -1};
        struct kb_error err = {0};
        account_start(&a, NULL);
        assert_int_equal(scim_find_group(a.scim, "a\"b", keep, &w, &err), 0);
        account_run(&a);
        if (w.ok != CASES[i].ok || strcmp(w.id, CASES[i].id) != 0)
            fail_msg("'%s': ok %d id '%s' (%s)", CASES[i].name, w.ok, w.id, w.detail);
        KB_CLEANUP(kb_free) char *head = wire_head(a.wire, 0);
        if (!strstr(head, "filter=displayName%20eq%20%22a%5C%22b%22"))
            fail_msg("filter: %.200s", head);
        account_stop(&a);
    }
}

/* A peer that was opened for reading has no way to write. */
static void
test_reader_cannot_write(void **state)
{
    struct account a = {0};
    struct scim_opts opts = {
        .level = SCIM_ACCOUNT, .account_id = "acc-1", .version = "2.0", .self_client = ""};
    struct scim_write w = {.status = -1};
    struct kb_error err = {0};
    (void) state;

    a.wire = wire_start(record, (void *) (uintptr_t) "{}");
    a.http = reader_open(NULL);
    struct kb_http_peer_opts peer = reader_peer_opts(wire_url(a.wire));
    a.peer = reader_peer(a.http, &peer);
    kb_target_init(&a.target);
    assert_int_equal(scim_new(a.peer, &opts, &a.target, &a.scim, &err), 0);
    assert_int_equal(scim_patch_send(a.scim, "77", GOOD, keep, &w, &err), -KB_E_BUG);
    assert_int_equal(scim_create_group(a.scim, "x", keep, &w, &err), -KB_E_BUG);
    assert_int_equal(scim_create_user(a.scim, "x", "", keep, &w, &err), -KB_E_BUG);
    account_run(&a);
    assert_int_equal(wire_count(a.wire, NULL, ""), 0);
    account_stop(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patch_answers),       cmocka_unit_test(test_patch_request),
        cmocka_unit_test(test_patch_refused_here),  cmocka_unit_test(test_create_group),
        cmocka_unit_test(test_create_answers),      cmocka_unit_test(test_find_group),
        cmocka_unit_test(test_reader_cannot_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
