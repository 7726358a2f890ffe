/* scim/find: a principal by name. What comes is everybody of that name, or a doubt. */
#include "base/ban.h"

#include "tests/unit/scim/account.h"

#include "base/mem.h"

struct told {
    uint32_t found;
    struct kb_error doubt;
    unsigned calls;
};

static void
on_found(void *userdata, uint32_t found, const struct kb_error *doubt)
{
    struct told *t = userdata;
    t->found = found;
    t->doubt = *doubt;
    t->calls++;
}

#define ADA "{\"id\":\"1\",\"userName\":\"ada@acme.example\"}"
#define TWIN "{\"id\":\"2\",\"userName\":\"ADA@acme.example\",\"active\":false}"
#define LIST(total, rows) "{\"totalResults\":" total ",\"Resources\":[" rows "]}"

static void
test_answers(void **state)
{
    const struct {
        const char *name, *body;
        int status;
        uint32_t found; /* KB_NONE: a doubt */
    } CASES[] = {
        {"one", LIST("1", ADA), 200, 1},
        {"a twin in other letters", LIST("2", ADA "," TWIN), 200, 2},
        {"nobody", LIST("0", ""), 200, 0},
        {"nobody, and no list", "{\"totalResults\":0}", 200, 0},
        {"another name", LIST("1", "{\"id\":\"3\",\"userName\":\"bob@acme.example\"}"), 200, KB_NONE},
        {"one of two",
         LIST("2", ADA ","
                       "{\"id\":\"3\",\"userName\":\"bob@acme.example\"}"),
         200, KB_NONE},
        {"a name that only begins so", LIST("1", "{\"id\":\"3\",\"userName\":\"ada@acme.example.com\"}"), 200,
         KB_NONE},
        {"not ASCII's letter case", LIST("1", "{\"id\":\"3\",\"userName\":\"\\u0430da@acme.example\"}"), 200,
         KB_NONE},
        {"more than came", LIST("2", ADA), 200, KB_NONE},
        {"fewer than came", LIST("1", ADA "," TWIN), 200, KB_NONE},
        {"no total", "{\"Resources\":[" ADA "]}", 200, KB_NONE},
        {"a bad id", LIST("1", "{\"id\":\"1x\",\"userName\":\"ada@acme.example\"}"), 200, KB_NONE},
        {"no JSON", "<html>", 200, KB_NONE},
        {"nothing", "", 200, KB_NONE},
        {"refused", "{\"detail\":\"Given filter operator is not supported.\",\"status\":\"400\"}", 400,
         KB_NONE},
        {"forbidden", "{}", 403, KB_NONE},
        {"gone", "{}", 404, KB_NONE},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct say says[] = {SAY("GET", "/Users", CASES[i].status, CASES[i].body)};
        struct account a = {.says = says, .says_len = 1};
        struct told told = {0};
        struct kb_error err = {0};
        account_start(&a, NULL);
        assert_int_equal(
            scim_find_people(a.scim, KB_PRINCIPAL_USER, false, "ada@acme.example", on_found, &told, &err), 0);
        account_run(&a);
        assert_int_equal(told.calls, 1);
        if ((told.doubt.code != KB_OK) != (CASES[i].found == KB_NONE) ||
            (told.doubt.code == KB_OK && told.found != CASES[i].found))
            fail_msg("%s: %u, %s", CASES[i].name, told.found, told.doubt.msg);
        uint32_t one = kb_target_principal(&a.target, "1");
        if (CASES[i].found != KB_NONE && CASES[i].found > 0)
            assert_true(a.target.principals[one].named && a.target.principals[one].listed);
        account_stop(&a);
    }
}

static void
test_requests(void **state)
{
    const struct {
        enum kb_principal_kind kind;
        bool by_display;
        const char *name, *target;
    } CASES[] = {
        {KB_PRINCIPAL_USER, false, "a+b@x.example",
         BASE "/Users?attributes=id,userName,displayName,active&startIndex=1&count=100&filter=userName%20eq%"
              "20%22a%2Bb%40x.example%22"},
        {KB_PRINCIPAL_SERVICE, false, "app-1",
         BASE
         "/ServicePrincipals?attributes=id,applicationId,displayName,active&startIndex=1&count=100&filter="
         "applicationId%20eq%20%22app-1%22"},
        {KB_PRINCIPAL_SERVICE, true, "bot",
         BASE
         "/ServicePrincipals?attributes=id,applicationId,displayName,active&startIndex=1&count=100&filter="
         "displayName%20eq%20%22bot%22"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct say says[] = {SAY("GET", "/Users", 200, LIST("0", "")),
                             SAY("GET", "/ServicePrincipals", 200, LIST("0", ""))};
        struct account a = {.says = says, .says_len = 2};
        struct told told = {0};
        struct kb_error err = {0};
        account_start(&a, NULL);
        assert_int_equal(scim_find_people(a.scim, CASES[i].kind, CASES[i].by_display, CASES[i].name, on_found,
                                          &told, &err),
                         0);
        account_run(&a);
        assert_int_equal(told.doubt.code, KB_OK);
        assert_int_equal(wire_count(a.wire, "GET", CASES[i].target), 1);
        account_stop(&a);
    }
}

static void
test_names(void **state)
{
    static const char *const good[] = {"a", "ada@acme.example", "a+b_c-d.e@x",
                                       "5b1d0d4e-0000-4000-8000-0000000000aa"};
    static const char *const bad[] = {"",    "o'neil@x", "a\"b", "a\\b",  "a b", "a\tb", "\xc3\xa9@x",
                                      "a%b", "a*",       "a(b)", "a\x7f", "a,b", "a/b"};
    char longest[257];

    (void) state;
    for (size_t i = 0; i < KB_LEN(good); i++)
        assert_true(scim_can_find(good[i]));
    for (size_t i = 0; i < KB_LEN(bad); i++)
        if (scim_can_find(bad[i]))
            fail_msg("'%s'", bad[i]);
    memset(longest, 'a', sizeof(longest) - 1);
    longest[256] = '\0';
    assert_false(scim_can_find(longest));
    longest[255] = '\0';
    assert_true(scim_can_find(longest));

    struct account a = {0};
    struct kb_error err = {0};
    account_start(&a, NULL);
    assert_int_equal(
        scim_find_people(a.scim, KB_PRINCIPAL_USER, false, "a\" or userName ne \"", on_found, NULL, &err),
        -KB_E_BUG);
    account_stop(&a);
}

static void
test_pages(void **state)
{
    (void) state;
    assert_int_equal(scim_list_pages(0), 1);
    assert_int_equal(scim_list_pages(1), 1);
    assert_int_equal(scim_list_pages(100), 1);
    assert_int_equal(scim_list_pages(101), 2);
    assert_int_equal(scim_list_pages(UINT32_MAX), 42949673);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_requests),
                                       cmocka_unit_test(test_names), cmocka_unit_test(test_pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
