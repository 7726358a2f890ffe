/* scim/discover: two documents to a token endpoint, and nothing off the configured host. */
#include "base/ban.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scim/discover.h"

#include "base/mem.h"

#define HOST "https://acme.example:8443"
#define FIXED HOST "/oidc/v1/token"
#define META "/.well-known/oauth-authorization-server"

static void
test_paths(void **state)
{
    const struct {
        const char *name, *account;
        int host_status;
        const char *host_body, *ask; /* ask NULL: refused there */
        int server_status;
        const char *server_body, *found; /* found NULL: refused there */
    } CASES[] = {
        {"both", "", 200, "{\"oidc_endpoint\":\"" HOST "/oidc\"}", HOST "/oidc" META, 200,
         "{\"token_endpoint\":\"" HOST "/t\"}", HOST "/t"},
        {"account of the configuration", "a b", 200,
         "{\"oidc_endpoint\":\"" HOST "/oidc/{account_id}/x\",\"account_id\":\"other\"}",
         HOST "/oidc/a%20b/x" META, 200, "{\"token_endpoint\":\"" HOST "/t\"}", HOST "/t"},
        {"account of the document", "", 200,
         "{\"oidc_endpoint\":\"" HOST "/oidc/{account_id}\",\"account_id\":\"../x\"}",
         HOST "/oidc/..%2Fx" META, 200, "{\"token_endpoint\":\"" HOST "/t\"}", HOST "/t"},
        {"no first document", "", 404, "", HOST "/oidc" META, 200, "{\"token_endpoint\":\"" HOST "/t\"}",
         HOST "/t"},
        {"no first document, account", "acc", 404, "", HOST "/oidc/accounts/acc" META, 404, "", NULL},
        {"no JSON first", "", 200, "<html>", HOST "/oidc" META, 200, "[]", NULL},
        {"another type first", "", 200, "{\"oidc_endpoint\":7}", HOST "/oidc" META, 200,
         "{\"token_endpoint\":{}}", NULL},
        {"letter case of the host", "", 200, "{\"oidc_endpoint\":\"HTTPS://ACME.example:8443/oidc\"}",
         "HTTPS://ACME.example:8443/oidc" META, 500, "", NULL},
        {"other host", "", 200, "{\"oidc_endpoint\":\"https://evil.example/oidc\"}", NULL, 0, "", NULL},
        {"as long a host", "", 200, "{\"oidc_endpoint\":\"https://evil.example:8443/oidc\"}", NULL, 0, "",
         NULL},
        {"longer host", "", 200, "{\"oidc_endpoint\":\"" HOST ".evil.example/oidc\"}", NULL, 0, "", NULL},
        {"longer port", "", 200, "{\"oidc_endpoint\":\"" HOST "1/oidc\"}", NULL, 0, "", NULL},
        {"no path", "", 200, "{\"oidc_endpoint\":\"" HOST "\"}", NULL, 0, "", NULL},
        {"user", "", 200, "{\"oidc_endpoint\":\"" HOST "@evil.example/oidc\"}", NULL, 0, "", NULL},
        {"other scheme", "", 200, "{\"oidc_endpoint\":\"http://acme.example:8443/oidc\"}", NULL, 0, "", NULL},
        {"relative", "", 200, "{\"oidc_endpoint\":\"/oidc\"}", NULL, 0, "", NULL},
        {"blank", "", 200, "{\"oidc_endpoint\":\"" HOST "/a b\"}", NULL, 0, "", NULL},
        {"line end", "", 200, "{\"oidc_endpoint\":\"" HOST "/a\\r\\nX: 1\"}", NULL, 0, "", NULL},
        {"query", "", 200, "{\"oidc_endpoint\":\"" HOST "/a?b\"}", NULL, 0, "", NULL},
        {"several", "", 200, "{\"oidc_endpoint\":[\"" HOST "/a\",\"" HOST "/b\"]}", NULL, 0, "", NULL},
        {"endpoint on another host", "", 200, "{\"oidc_endpoint\":\"" HOST "/oidc\"}", HOST "/oidc" META, 200,
         "{\"token_endpoint\":\"https://evil.example/t\"}", NULL},
        {"the same endpoint", "", 200, "{\"oidc_endpoint\":\"" HOST "/oidc\"}", HOST "/oidc" META, 200,
         "{\"token_endpoint\":\"" FIXED "\"}", NULL},
        {"a redirect", "", 200, "{\"oidc_endpoint\":\"" HOST "/oidc\"}", HOST "/oidc" META, 302,
         "{\"token_endpoint\":\"" HOST "/t\"}", NULL},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct scim_discover d = {.host = HOST, .account_id = CASES[i].account};
        const struct kb_error refusal = {.code = KB_E_AUTH, .status = 404, .msg = "no such page"};
        struct kb_error err = {0};
        assert_true(scim_discover_begin(&d, &refusal));
        assert_false(scim_discover_begin(&d, &refusal)); /* one search a run */
        assert_string_equal(d.ask, HOST "/.well-known/databricks-config");
        int e = scim_discover_learn(&d, FIXED, CASES[i].host_status, CASES[i].host_body, &err);
        if ((e >= 0) != (CASES[i].ask != NULL) || (CASES[i].ask && strcmp(d.ask, CASES[i].ask) != 0))
            fail_msg("%s: %s %s", CASES[i].name, d.ask, err.msg);
        if (e >= 0)
            e = scim_discover_learn(&d, FIXED, CASES[i].server_status, CASES[i].server_body, &err);
        if ((e >= 0) != (CASES[i].found != NULL) || (CASES[i].found && strcmp(d.found, CASES[i].found) != 0))
            fail_msg("%s: %s", CASES[i].name, err.msg);
        if (e < 0) {
            assert_int_equal(err.code, KB_E_AUTH);
            assert_int_equal(err.status, 404);
            assert_non_null(strstr(err.msg, "no such page (looked for another token endpoint: "));
        } else {
            assert_int_equal(d.step, SCIM_AT_FOUND);
        }
        scim_discover_done(&d);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
