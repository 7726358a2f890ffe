/* scim/reader: listings. A list is whole, or it is not believed. */
#include "base/ban.h"

#include "tests/unit/scim/account.h"

#include "base/mem.h"

#define ITEMS_MAX 1000

static char texts[ITEMS_MAX][128];
static const char *users[ITEMS_MAX];

static int
make_items(void **state)
{
    (void) state;
    for (int i = 0; i < ITEMS_MAX; i++) {
        (void) snprintf(
            texts[i], sizeof(texts[i]),
            "{\"id\":\"%d\",\"userName\":\"u%d@acme.example\",\"displayName\":\"U %d\",\"active\":true}",
            1000 + i, i, i);
        users[i] = texts[i];
    }
    return 0;
}

static const char *const services[] = {
    "{\"id\":\"900\",\"applicationId\":\"5b1d0d4e-0000-4000-8000-0000000000aa\",\"displayName\":\"bot\","
    "\"active\":true}",
    "{\"id\":\"901\",\"applicationId\":\"5b1d0d4e-0000-4000-8000-0000000000bb\",\"active\":false}"};
static const char *const groups[] = {"{\"id\":\"77\",\"displayName\":\"ml-engineers\",\"externalId\":\"kc-"
                                     "1\",\"meta\":{\"resourceType\":\"Group\"}}",
                                     "{\"id\":\"78\",\"displayName\":\"local\",\"meta\":{\"resourceType\":"
                                     "\"WorkspaceGroup\"},\"members\":[{\"value\":\"1\"}]}"};

#define LIST(array, n)                            \
    {                                             \
        .items = (array), .len = (n), .total = -1 \
    }

static void
test_whole(void **state)
{
    struct account a = {.users = LIST(users, 250), .services = LIST(services, 2), .groups = LIST(groups, 2)};
    const struct scim_opts opts = {.level = SCIM_ACCOUNT,
                                   .account_id = "acc-1",
                                   .version = "2.0",
                                   .self_client = "5b1d0d4e-0000-4000-8000-0000000000aa"};
    struct kb_error err = {0};
    (void) state;

    account_start(&a, &opts);
    account_lists(&a);
    assert_int_equal(scim_failed(a.scim, &err), 0);
    assert_true(kb_read_ok(&a.target.users_read) && kb_read_ok(&a.target.services_read) &&
                kb_read_ok(&a.target.groups_read));
    assert_int_equal(a.target.principals_len, 252);
    assert_int_equal(a.target.users_read.distinct, 250);
    assert_int_equal(a.target.users_read.count, 250);
    const struct kb_principal *u = &a.target.principals[kb_target_principal(&a.target, "1249")];
    assert_string_equal(kb_target_str(&a.target, u->name), "u249@acme.example");
    assert_string_equal(kb_target_str(&a.target, u->display), "U 249");
    assert_true(u->active && u->listed);
    assert_int_equal(u->kind, KB_PRINCIPAL_USER);
    const struct kb_principal *s = &a.target.principals[kb_target_principal(&a.target, "901")];
    assert_string_equal(kb_target_str(&a.target, s->name), "5b1d0d4e-0000-4000-8000-0000000000bb");
    assert_int_equal(s->kind, KB_PRINCIPAL_SERVICE);
    assert_false(s->active);
    assert_int_equal(a.target.self, kb_target_principal(&a.target, "900"));
    struct kb_target_group *g = account_the_group(&a, "77");
    assert_string_equal(kb_target_str(&a.target, g->name), "ml-engineers");
    assert_string_equal(kb_target_str(&a.target, g->external_id), "kc-1");
    assert_true(g->listed);
    assert_false(g->local);
    assert_true(account_the_group(&a, "78")->local);
    /* members in a list are never believed */
    assert_int_equal(account_the_group(&a, "78")->from, KB_MEMBERS_NONE);
    assert_int_equal(account_the_group(&a, "78")->members.len, 0);
    /* nothing asked twice: three pages of users, one of each other */
    assert_int_equal(account_count(&a, "/Users?"), 3);
    assert_int_equal(account_count(&a, "/ServicePrincipals?"), 1);
    assert_int_equal(account_count(&a, "/Groups?"), 1);
    account_stop(&a);
}

static void
test_targets(void **state)
{
    static const struct {
        enum scim_level level;
        const char *version, *base;
    } CASES[] = {{SCIM_ACCOUNT, "2.0", "/api/2.0/accounts/acc-1/scim/v2"},
                 {SCIM_ACCOUNT, "2.1", "/api/2.1/accounts/acc-1/scim/v2"},
                 {SCIM_WORKSPACE, "2.0", "/api/2.0/preview/scim/v2"},
                 {SCIM_PROXY, "2.0", "/api/2.0/account/scim/v2"}};

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct account a = {
            .users = LIST(users, 2), .services = LIST(services, 2), .groups = LIST(groups, 2)};
        const struct scim_opts opts = {
            .level = CASES[i].level, .account_id = "acc-1", .version = CASES[i].version, .self_client = ""};
        KB_CLEANUP(kb_buf) struct kb_buf path = KB_BUF_INIT(4096);
        char want[200];
        account_start(&a, &opts);
        struct kb_error err = {0};
        assert_int_equal(scim_read_lists(a.scim, CASES[i].level != SCIM_PROXY, &err), 0);
        account_run(&a);
        (void) snprintf(want, sizeof(want), "%s/Groups?", CASES[i].base);
        assert_int_equal(wire_count(a.wire, "GET", want), 1);
        (void) snprintf(want, sizeof(want), "%s/Groups/77", CASES[i].base);
        assert_int_equal(scim_path(a.scim, "Groups", "77", &path), 0);
        assert_string_equal(kb_buf_str(&path), want);
        for (unsigned k = 0; k < wire_count(a.wire, NULL, ""); k++) {
            KB_CLEANUP(kb_free) char *head = wire_head(a.wire, k);
            assert_non_null(head);
            assert_non_null(strstr(head, "count=100"));
            assert_non_null(strstr(head, "attributes=id"));
            assert_null(strstr(head, "members"));
        }
        account_stop(&a);
    }
}

/* What the server does, and what becomes of the list. */
static void
test_doubts(void **state)
{
    static const struct {
        const char *name;
        struct listing l;
        enum kb_read_status status;
        uint32_t distinct;
    } CASES[] = {
        {"empty", {.items = users, .len = 0, .total = -1}, KB_READ_COMPLETE, 0},
        {"empty without the key",
         {.items = users, .len = 0, .total = -1, .without_key = true},
         KB_READ_COMPLETE,
         0},
        {"one page", {.items = users, .len = 1, .total = -1}, KB_READ_COMPLETE, 1},
        {"exactly a page", {.items = users, .len = 100, .total = -1}, KB_READ_COMPLETE, 100},
        {"a page and one", {.items = users, .len = 101, .total = -1}, KB_READ_COMPLETE, 101},
        {"ten pages", {.items = users, .len = 1000, .total = -1}, KB_READ_COMPLETE, 1000},
        {"clamped to 7", {.items = users, .len = 50, .total = -1, .clamp = 7}, KB_READ_COMPLETE, 50},
        {"clamped to 1", {.items = users, .len = 5, .total = -1, .clamp = 1}, KB_READ_COMPLETE, 5},
        {"no key beyond the end",
         {.items = users, .len = 150, .total = -1, .without_key = true},
         KB_READ_COMPLETE,
         150},
        {"pages overlap", {.items = users, .len = 250, .total = -1, .overlap = true}, KB_READ_COMPLETE, 250},
        {"a page comes short",
         {.items = users, .len = 250, .total = -1, .short_page = 2},
         KB_READ_COMPLETE,
         250},
        {"the first comes short",
         {.items = users, .len = 250, .total = -1, .short_page = 1},
         KB_READ_COMPLETE,
         250},
        {"key never there", {.items = users, .len = 3, .total = -1, .never_key = true}, KB_READ_FAILED, 0},
        {"says 5 more", {.items = users, .len = 20, .total = 25}, KB_READ_SUSPECT, 20},
        {"says 5 fewer", {.items = users, .len = 20, .total = 15}, KB_READ_SUSPECT, 20},
        {"says none", {.items = users, .len = 20, .total = 0}, KB_READ_SUSPECT, 20},
        {"says more, in many pages", {.items = users, .len = 220, .total = 230}, KB_READ_SUSPECT, 220},
        {"lies once", {.items = users, .len = 20, .total = 21, .lie_until = 2}, KB_READ_COMPLETE, 20},
        {"always the first page",
         {.items = users, .len = 250, .total = -1, .ignore_start = true},
         KB_READ_SUSPECT,
         100},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct account a = {.services = LIST(services, 2), .groups = LIST(groups, 2)};
        memcpy(&a.users, &CASES[i].l, sizeof(a.users));
        struct kb_error err = {0};
        account_start(&a, NULL);
        account_lists(&a);
        const struct kb_read *read = &a.target.users_read;
        if (read->status != CASES[i].status ||
            (read->status != KB_READ_FAILED && read->distinct != CASES[i].distinct))
            fail_msg("'%s': status %s, %u distinct of %u: %s", CASES[i].name,
                     kb_read_status_name((enum kb_read_status) read->status), read->distinct, read->count,
                     account_note(&a, read));
        if (read->status != KB_READ_COMPLETE && !*account_note(&a, read))
            fail_msg("'%s': no note", CASES[i].name);
        if ((scim_failed(a.scim, &err) == 0) != (CASES[i].status == KB_READ_COMPLETE))
            fail_msg("'%s': scim_failed", CASES[i].name);
        if (wire_count(a.wire, "GET", BASE "/Users") > 40)
            fail_msg("'%s': %u requests", CASES[i].name, wire_count(a.wire, "GET", BASE "/Users"));
        assert_true(kb_read_ok(&a.target.groups_read)); /* one bad list does not spoil another */
        account_stop(&a);
    }
}

#define ERROR_URN "\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"]"

static void
test_answers(void **state)
{
    static const struct {
        const char *name;
        int status;
        const char *body;
        enum kb_read_status want;
        const char *note;
    } CASES[] = {
        {"403", 403, "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"only accessible by admins\"}",
         KB_READ_DENIED, "only accessible by admins"},
        {"403 SCIM", 403, "{" ERROR_URN ",\"detail\":\"not for you\",\"status\":\"403\"}", KB_READ_DENIED,
         "not for you"},
        {"400", 400, "{\"error\":\"bad\"}", KB_READ_FAILED, "bad"},
        {"500 for ever", 500, "{" ERROR_URN ",\"detail\":\"null\",\"status\":\"500\"}", KB_READ_FAILED,
         "500"},
        {"503 HTML", 503, "<html><body><pre>upstream gone</pre></body></html>", KB_READ_FAILED, "503"},
        {"HTML with 200", 200, "<html>login</html>", KB_READ_FAILED, ""},
        {"empty with 200", 200, "", KB_READ_FAILED, ""},
        {"null", 200, "null", KB_READ_FAILED, ""},
        {"object without anything", 200, "{}", KB_READ_FAILED, ""},
        {"array", 200, "[]", KB_READ_FAILED, ""},
        {"no total", 200, "{\"Resources\":[]}", KB_READ_FAILED, "totalResults"},
        {"total as text", 200, "{\"totalResults\":\"0\",\"Resources\":[]}", KB_READ_FAILED, "totalResults"},
        {"negative total", 200, "{\"totalResults\":-1,\"Resources\":[]}", KB_READ_FAILED, ""},
        {"Resources as object", 200, "{\"totalResults\":1,\"Resources\":{}}", KB_READ_FAILED, ""},
        {"Resources null", 200, "{\"totalResults\":1,\"Resources\":null}", KB_READ_FAILED, ""},
        {"element as text", 200, "{\"totalResults\":1,\"Resources\":[\"1\"]}", KB_READ_FAILED, ""},
        {"no id", 200, "{\"totalResults\":1,\"Resources\":[{\"userName\":\"a\"}]}", KB_READ_FAILED, "id"},
        {"id as number", 200, "{\"totalResults\":1,\"Resources\":[{\"id\":1,\"userName\":\"a\"}]}",
         KB_READ_FAILED, "id"},
        {"id of letters", 200, "{\"totalResults\":1,\"Resources\":[{\"id\":\"a1\",\"userName\":\"a\"}]}",
         KB_READ_FAILED, "id"},
        {"id of 20 digits", 200,
         "{\"totalResults\":1,\"Resources\":[{\"id\":\"12345678901234567890\",\"userName\":\"a\"}]}",
         KB_READ_FAILED, "id"},
        {"empty id", 200, "{\"totalResults\":1,\"Resources\":[{\"id\":\"\",\"userName\":\"a\"}]}",
         KB_READ_FAILED, "id"},
        {"no name", 200, "{\"totalResults\":1,\"Resources\":[{\"id\":\"1\"}]}", KB_READ_FAILED, "userName"},
        {"name null", 200, "{\"totalResults\":1,\"Resources\":[{\"id\":\"1\",\"userName\":null}]}",
         KB_READ_FAILED, "userName"},
        {"NUL in a name", 200,
         "{\"totalResults\":1,\"Resources\":[{\"id\":\"1\",\"userName\":\"a\\u0000b\"}]}", KB_READ_FAILED,
         ""},
        {"key twice", 200,
         "{\"totalResults\":1,\"Resources\":[{\"id\":\"1\",\"id\":\"2\",\"userName\":\"a\"}]}",
         KB_READ_FAILED, ""},
        {"active as text", 200,
         "{\"totalResults\":1,\"Resources\":[{\"id\":\"1\",\"userName\":\"a\",\"active\":\"true\"}]}",
         KB_READ_FAILED, "active"},
        {"truncated", 200, "{\"totalResults\":1,\"Resources\":[{\"id\":\"1\"", KB_READ_FAILED, ""},
        {"trailing bytes", 200, "{\"totalResults\":0,\"Resources\":[]}{}", KB_READ_FAILED, ""},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct say says[] = {SAY("GET", "/Users", CASES[i].status, CASES[i].body)};
        struct account a = {.says = says,
                            .says_len = 1,
                            .users = LIST(users, 1),
                            .services = LIST(services, 2),
                            .groups = LIST(groups, 2)};
        struct kb_error err = {0};
        account_start(&a, NULL);
        account_lists(&a);
        const struct kb_read *read = &a.target.users_read;
        if (read->status != CASES[i].want || !*account_note(&a, read) ||
            !strstr(account_note(&a, read), CASES[i].note))
            fail_msg("'%s': %s: %s", CASES[i].name, kb_read_status_name((enum kb_read_status) read->status),
                     account_note(&a, read));
        assert_true(scim_failed(a.scim, &err) < 0);
        assert_true(kb_read_ok(&a.target.services_read));
        account_stop(&a);
    }
}

/* A page in the middle fails for good: the rest is not "deleted", the list is not complete. Once only: it is. */
static void
test_middle(void **state)
{
    static const struct {
        unsigned count;
        enum kb_read_status want;
    } CASES[] = {{0, KB_READ_FAILED}, {1, KB_READ_COMPLETE}};

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct say says[] = {{.method = "GET",
                              .path = "/Users",
                              .from = 1,
                              .count = CASES[i].count,
                              .status = 500,
                              .headers = "",
                              .body = "{\"error\":\"x\"}"}};
        struct account a = {.says = says,
                            .says_len = 1,
                            .users = LIST(users, 350),
                            .services = LIST(services, 2),
                            .groups = LIST(groups, 2)};
        account_start(&a, NULL);
        account_lists(&a);
        assert_int_equal(a.target.users_read.status, CASES[i].want);
        if (CASES[i].want == KB_READ_COMPLETE)
            assert_int_equal(a.target.users_read.distinct, 350);
        account_stop(&a);
    }
}

static void
test_without_principals(void **state)
{
    struct account a = {.users = LIST(users, 2), .services = LIST(services, 2), .groups = LIST(groups, 2)};
    struct kb_error err = {0};
    (void) state;

    account_start(&a, NULL);
    assert_int_equal(scim_read_lists(a.scim, false, &err), 0);
    account_run(&a);
    assert_int_equal(a.lists_called, 1);
    assert_int_equal(account_count(&a, "/Users"), 0);
    assert_int_equal(account_count(&a, "/ServicePrincipals"), 0);
    assert_true(kb_read_ok(&a.target.groups_read));
    assert_int_equal(a.target.users_read.status, KB_READ_NOT_ASKED);
    account_stop(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),  cmocka_unit_test(test_targets),
        cmocka_unit_test(test_doubts), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_middle), cmocka_unit_test(test_without_principals),
    };
    return cmocka_run_group_tests(tests, make_items, NULL);
}
