/* scim/reader: one group. Members come from GET /Groups/{id} alone; who cannot be explained is a doubt. */
#include "base/ban.h"

#include "tests/unit/scim/account.h"

#include "base/mem.h"

static const char *const users[] = {"{\"id\":\"1\",\"userName\":\"ada@acme.example\",\"active\":true}",
                                    "{\"id\":\"2\",\"userName\":\"bob@acme.example\",\"active\":true}"};
static const char *const services[] = {
    "{\"id\":\"900\",\"applicationId\":\"app-1\",\"displayName\":\"bot\",\"active\":true}"};
static const char *const groups[] = {"{\"id\":\"77\",\"displayName\":\"ml\",\"externalId\":\"kc-1\"}"};

#define LIST(array, n)                            \
    {                                             \
        .items = (array), .len = (n), .total = -1 \
    }
#define LISTS .users = LIST(users, 2), .services = LIST(services, 1), .groups = LIST(groups, 1)
#define GROUP(more) "{\"id\":\"77\",\"displayName\":\"ml\",\"externalId\":\"kc-1\"" more "}"

static void
test_members(void **state)
{
    struct say says[] = {
        SAY("GET", "/Groups/77", 200,
            GROUP(",\"members\":[{\"value\":\"2\",\"$ref\":\"Users/2\"},{\"value\":\"900\",\"$ref\":"
                  "\"ServicePrincipals/900\"},{\"value\":\"78\",\"$ref\":\"Groups/78\"},{\"value\":\"1\"},"
                  "{\"value\":\"2\",\"$ref\":\"Users/2\"}],\"groups\":[{\"value\":\"5\"}]"))};
    struct account a = {LISTS, .says = says, .says_len = 1};
    (void) state;

    account_start(&a, NULL);
    account_lists(&a);
    account_group(&a, "77");
    const struct kb_target_group *g = account_the_group(&a, "77");
    assert_int_equal(g->read.status, KB_READ_COMPLETE);
    assert_int_equal(g->from, KB_MEMBERS_NOW);
    assert_int_equal(g->members.len, 3); /* who stands there twice is one member */
    assert_int_equal(g->group_members, 1);
    assert_true(kb_u32s_has(&g->members, kb_target_principal(&a.target, "1")));
    assert_true(kb_u32s_has(&g->members, kb_target_principal(&a.target, "2")));
    assert_true(kb_u32s_has(&g->members, kb_target_principal(&a.target, "900")));
    assert_int_equal(kb_target_principal(&a.target, "78"), KB_NONE);
    assert_true(g->read_at_s > 0);
    assert_int_equal(wire_count(a.wire, "GET", BASE "/Groups/77"), 1);
    assert_int_equal(account_count(&a, "/Users/"), 0); /* everybody was explained by a list */
    account_stop(&a);
}

static void
test_empty(void **state)
{
    struct say says[] = {SAY("GET", "/Groups/77", 200, GROUP(""))};
    struct account a = {LISTS, .says = says, .says_len = 1};
    (void) state;

    account_start(&a, NULL);
    account_lists(&a);
    account_group(&a, "77");
    assert_int_equal(account_the_group(&a, "77")->read.status, KB_READ_COMPLETE);
    assert_int_equal(account_the_group(&a, "77")->members.len, 0);
    account_stop(&a);
}

/* Members were known and now none are read: asked once more before it is believed (F51). */
static void
test_suddenly_empty(void **state)
{
    static const struct {
        unsigned empty_reads; /* 0: always */
        size_t want_members;
        enum kb_members_from from;
    } CASES[] = {{1, 1, KB_MEMBERS_SNAPSHOT}, {0, 0, KB_MEMBERS_SNAPSHOT}, {1, 1, KB_MEMBERS_NOW}};

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct say says[] = {
            {.method = "GET",
             .path = "/Groups/77",
             .count = CASES[i].empty_reads,
             .status = 200,
             .headers = "",
             .body = GROUP("")},
            SAY("GET", "/Groups/77", 200, GROUP(",\"members\":[{\"value\":\"1\",\"$ref\":\"Users/1\"}]"))};
        struct account a = {LISTS, .says = says, .says_len = 2};
        account_start(&a, NULL);
        account_lists(&a);
        struct kb_target_group *g = account_the_group(&a, "77");
        assert_true(kb_u32s_add(&g->members, kb_target_principal(&a.target, "1")));
        g->from = (uint8_t) CASES[i].from;
        account_group(&a, "77");
        g = account_the_group(&a, "77");
        assert_int_equal(wire_count(a.wire, "GET", BASE "/Groups/77"), 2);
        assert_int_equal(g->members.len, CASES[i].want_members);
        assert_int_equal(g->read.status, KB_READ_COMPLETE);
        account_stop(&a);
    }
}

/* A member that no list explains is asked by id: as a user, then as a service principal. */
static void
test_lookup(void **state)
{
    static const struct {
        const char *name;
        struct say says[2];
        size_t says_len;
        enum kb_read_status want;
        int kind;
    } CASES[] = {
        {"a user",
         {SAY("GET", "/Users/5", 200, "{\"id\":\"5\",\"userName\":\"eve@acme.example\",\"active\":true}")},
         1,
         KB_READ_COMPLETE,
         KB_PRINCIPAL_USER},
        {"a service principal",
         {SAY("GET", "/ServicePrincipals/5", 200,
              "{\"id\":\"5\",\"applicationId\":\"app-5\",\"active\":true}")},
         1,
         KB_READ_COMPLETE,
         KB_PRINCIPAL_SERVICE},
        {"nobody", {SAY("GET", "/x", 200, "")}, 1, KB_READ_SUSPECT, -1},
        {"another id",
         {SAY("GET", "/Users/5", 200, "{\"id\":\"6\",\"userName\":\"eve@acme.example\"}")},
         1,
         KB_READ_SUSPECT,
         -1},
        {"HTML", {SAY("GET", "/Users/5", 200, "<html>")}, 1, KB_READ_SUSPECT, -1},
        {"denied",
         {SAY("GET", "/Users/5", 403, "{}"), SAY("GET", "/ServicePrincipals/5", 403, "{}")},
         2,
         KB_READ_SUSPECT,
         -1},
        {"broken",
         {SAY("GET", "/Users/5", 500, "{}"), SAY("GET", "/ServicePrincipals/5", 500, "{}")},
         2,
         KB_READ_SUSPECT,
         -1},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct say says[3] = {
            SAY("GET", "/Groups/77", 200, GROUP(",\"members\":[{\"value\":\"5\"},{\"value\":\"1\"}]"))};
        memcpy(&says[1], CASES[i].says, sizeof(CASES[i].says));
        struct account a = {LISTS, .says = says, .says_len = 1 + CASES[i].says_len};
        account_start(&a, NULL);
        account_lists(&a);
        account_group(&a, "77");
        const struct kb_target_group *g = account_the_group(&a, "77");
        if (g->read.status != CASES[i].want)
            fail_msg("'%s': %s: %s", CASES[i].name, kb_read_status_name((enum kb_read_status) g->read.status),
                     account_note(&a, &g->read));
        if (CASES[i].want == KB_READ_COMPLETE) {
            const struct kb_principal *p = &a.target.principals[kb_target_principal(&a.target, "5")];
            assert_int_equal(p->kind, CASES[i].kind);
            assert_true(p->looked_up);
            assert_false(p->listed);
            assert_int_equal(g->members.len, 2);
        } else if (!strstr(account_note(&a, &g->read), "5")) {
            fail_msg("'%s': the note does not name the member: %s", CASES[i].name,
                     account_note(&a, &g->read));
        }
        account_stop(&a);
    }
}

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
        {"gone", 404,
         "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"],\"detail\":\"Group with id 77 not "
         "found.\",\"status\":\"404\"}",
         KB_READ_GONE, "77 not found"},
        {"gone, other words", 404,
         "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\",\"message\":\"Group with id 77 is not "
         "found\"}",
         KB_READ_GONE, "is not found"},
        {"a gateway\'s 404", 404, "<html>no route</html>", KB_READ_FAILED, "404"},
        {"empty 404", 404, "", KB_READ_FAILED, "404"},
        {"a user as a group", 200, GROUP(",\"members\":[{\"value\":\"1\",\"$ref\":\"Groups/1\"}]"),
         KB_READ_FAILED, "1"},
        {"denied", 403, "{\"error_code\":403,\"message\":\"Invalid access token.\"}", KB_READ_DENIED,
         "Invalid access"},
        {"broken", 500, "", KB_READ_FAILED, "500"},
        {"HTML", 200, "<html><pre>x</pre></html>", KB_READ_FAILED, ""},
        {"empty", 200, "", KB_READ_FAILED, ""},
        {"empty object", 200, "{}", KB_READ_FAILED, "id"},
        {"another group", 200, "{\"id\":\"78\",\"displayName\":\"ml\"}", KB_READ_FAILED, ""},
        {"no name", 200, "{\"id\":\"77\"}", KB_READ_FAILED, "displayName"},
        {"members as object", 200, GROUP(",\"members\":{}"), KB_READ_FAILED, "members"},
        {"member as text", 200, GROUP(",\"members\":[\"1\"]"), KB_READ_FAILED, ""},
        {"member without value", 200, GROUP(",\"members\":[{\"$ref\":\"Users/1\"}]"), KB_READ_FAILED,
         "value"},
        {"member as number", 200, GROUP(",\"members\":[{\"value\":1}]"), KB_READ_FAILED, "value"},
        {"member of letters", 200, GROUP(",\"members\":[{\"value\":\"ada\"}]"), KB_READ_FAILED, "value"},
        {"$ref of another", 200, GROUP(",\"members\":[{\"value\":\"1\",\"$ref\":\"Users/2\"}]"),
         KB_READ_FAILED, ""},
        {"members twice", 200, GROUP(",\"members\":[],\"members\":[{\"value\":\"1\"}]"), KB_READ_FAILED, ""},
        {"truncated", 200, "{\"id\":\"77\",\"displayName\":\"ml\",\"members\":[{\"value\":\"1\"}",
         KB_READ_FAILED, ""},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct say says[] = {SAY("GET", "/Groups/77", CASES[i].status, CASES[i].body)};
        struct account a = {LISTS, .says = says, .says_len = 1};
        account_start(&a, NULL);
        account_lists(&a);
        account_group(&a, "77");
        const struct kb_target_group *g = account_the_group(&a, "77");
        if (g->read.status != CASES[i].want || !*account_note(&a, &g->read) ||
            !strstr(account_note(&a, &g->read), CASES[i].note))
            fail_msg("'%s': %s: %s", CASES[i].name, kb_read_status_name((enum kb_read_status) g->read.status),
                     account_note(&a, &g->read));
        account_stop(&a);
    }
}

/* Renamed since it was listed: which rule it belongs to is a doubt, so the group is left alone this time. */
static void
test_renamed(void **state)
{
    struct say says[] = {
        SAY("GET", "/Groups/77", 200, "{\"id\":\"77\",\"displayName\":\"ml-2\",\"externalId\":\"other\"}")};
    struct account a = {LISTS, .says = says, .says_len = 1};
    (void) state;

    account_start(&a, NULL);
    account_lists(&a);
    account_group(&a, "77");
    const struct kb_target_group *g = account_the_group(&a, "77");
    assert_int_equal(g->read.status, KB_READ_FAILED);
    assert_non_null(strstr(account_note(&a, &g->read), "\"ml\""));
    assert_non_null(strstr(account_note(&a, &g->read), "\"ml-2\""));
    account_stop(&a);
}

/* Another provisioner took it over since it was listed: the reading says so. And a group known by id alone gets
 * its name. */
static void
test_taken_over(void **state)
{
    struct say says[] = {
        SAY("GET", "/Groups/77", 200, "{\"id\":\"77\",\"displayName\":\"ml\",\"externalId\":\"other\"}"),
        SAY("GET", "/Groups/99", 200, "{\"id\":\"99\",\"displayName\":\"new\"}")};
    struct account a = {LISTS, .says = says, .says_len = 2};
    (void) state;

    account_start(&a, NULL);
    account_lists(&a);
    account_group(&a, "77");
    assert_string_equal(kb_target_str(&a.target, account_the_group(&a, "77")->external_id), "other");
    account_group(&a, "99");
    assert_int_equal(kb_target_group_named(&a.target, "new"), kb_target_group(&a.target, "99"));
    account_stop(&a);
}

/* A broken page first, then the whole: nothing of the first stays. */
static void
test_retry(void **state)
{
    struct say says[] = {
        {.method = "GET", .path = "/Groups/77", .count = 2, .status = 503, .headers = "", .body = "{}"},
        SAY("GET", "/Groups/77", 200, GROUP(",\"members\":[{\"value\":\"1\",\"$ref\":\"Users/1\"}]"))};
    struct account a = {LISTS, .says = says, .says_len = 2};
    (void) state;

    account_start(&a, NULL);
    account_lists(&a);
    account_group(&a, "77");
    assert_int_equal(account_the_group(&a, "77")->read.status, KB_READ_COMPLETE);
    assert_int_equal(account_the_group(&a, "77")->read.tries, 3);
    assert_int_equal(account_the_group(&a, "77")->members.len, 1);
    account_stop(&a);
}

/* The same stranger in several groups that are read at the same time: one question, all are told. A $ref says
 * where to ask first. */
static void
test_shared_stranger(void **state)
{
    static const char MEMBERS[] = ",\"members\":[{\"value\":\"5\",\"$ref\":\"ServicePrincipals/5\"}]";
    struct say says[] = {
        SAY("GET", "/ServicePrincipals/5", 200, "{\"id\":\"5\",\"applicationId\":\"app-5\"}"),
        SAY("GET", "/Groups/81", 200, ""), SAY("GET", "/Groups/82", 200, ""),
        SAY("GET", "/Groups/83", 200, "")};
    char bodies[3][200];
    struct account a = {LISTS, .says = says, .says_len = 4};
    unsigned done = 0;
    struct kb_error err = {0};
    (void) state;

    for (int i = 0; i < 3; i++) {
        (void) snprintf(bodies[i], sizeof(bodies[i]), "{\"id\":\"8%d\",\"displayName\":\"g%d\"%s}", i + 1, i,
                        MEMBERS);
        says[1 + i].body = bodies[i];
    }
    account_start(&a, NULL);
    account_lists(&a);
    for (int i = 0; i < 3; i++) {
        char id[8];
        (void) snprintf(id, sizeof(id), "8%d", i + 1);
        assert_int_equal(
            scim_read_group(a.scim, kb_target_group_add(&a.target, id), account_group_done, &done, &err), 0);
    }
    account_run(&a);
    assert_int_equal(done, 3);
    for (int i = 0; i < 3; i++) {
        char id[8];
        (void) snprintf(id, sizeof(id), "8%d", i + 1);
        assert_int_equal(account_the_group(&a, id)->read.status, KB_READ_COMPLETE);
        assert_int_equal(account_the_group(&a, id)->members.len, 1);
    }
    assert_int_equal(account_count(&a, "/ServicePrincipals/5"), 1);
    assert_int_equal(account_count(&a, "/Users/5"), 0);
    account_group(&a, "81");
    assert_int_equal(account_count(&a, "/ServicePrincipals/5"), 1);
    account_stop(&a);
}

/* Many members that nobody lists. */
static void
test_many(void **state)
{
    static char body[200 * 64 + 200], names[200][2][100], paths[200][2][64];
    static struct say says[401];
    size_t at = (size_t) snprintf(body, sizeof(body), "{\"id\":\"77\",\"displayName\":\"ml\",\"members\":[");
    (void) state;

    says[400] = (struct say) SAY("GET", "/Groups/77", 200, body);
    for (int i = 0; i < 200; i++) {
        at += (size_t) snprintf(body + at, sizeof(body) - at, "%s{\"value\":\"%d\"}", i ? "," : "", 5000 + i);
        (void) snprintf(paths[i][0], 64, "/Users/%d", 5000 + i);
        (void) snprintf(names[i][0], 100, "{\"id\":\"%d\",\"userName\":\"x%d\"}", 5000 + i, i);
        says[i] = (struct say) SAY("GET", paths[i][0], 200, names[i][0]);
    }
    (void) snprintf(body + at, sizeof(body) - at, "]}");
    says[200] = says[400];
    struct account a = {LISTS, .says = says, .says_len = 201};
    account_start(&a, NULL);
    account_lists(&a);
    account_group(&a, "77");
    assert_int_equal(account_the_group(&a, "77")->read.status, KB_READ_COMPLETE);
    assert_int_equal(account_the_group(&a, "77")->members.len, 200);
    account_group(&a, "77"); /* looked up once in a run, not again */
    assert_int_equal(account_count(&a, "/Users/"), 200);
    account_stop(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_suddenly_empty), cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_answers),        cmocka_unit_test(test_renamed),
        cmocka_unit_test(test_taken_over),     cmocka_unit_test(test_retry),
        cmocka_unit_test(test_many),           cmocka_unit_test(test_shared_stranger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
