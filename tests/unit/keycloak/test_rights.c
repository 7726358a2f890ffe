/* What the account may not see: each missing right is found and named, and nobody is not taken for nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "realm.h"

#include <stdio.h>
#include <string.h>

static void
test_rights(void **state)
{
    static const struct {
        bool roles, groups;
        const char *want;
    } cases[] = {{true, true, "view-realm and view-users"},
                 {true, false, "view-realm:"},
                 {false, true, "view-users:"}};

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct bench b;
        struct kb_error err = {0};
        bench_open(&b, NULL);
        if (cases[i].roles)
            bench_lie(&b, "/roles?", 403, "{}", 0);
        if (cases[i].groups)
            bench_lie(&b, "/groups", 403, "{}", 0);
        bench_run(&b);
        assert_int_equal(kc_failed(b.kc, &err), -KB_E_HTTP);
        assert_int_equal(err.status, 403);
        assert_non_null(strstr(err.msg, cases[i].want));
        bench_close(&b);
    }
}

/* A client role with 403: the others are not asked, and the reading goes on. */
static void
test_no_view_clients(void **state)
{
    struct bench b;
    struct kb_error err = {0};

    (void) state;
    bench_open(&b, NULL);
    bench_lie(&b, "/roles-by-id/k-1/composites", 403, "{}", 0);
    bench_run(&b);
    assert_int_equal(kc_failed(b.kc, &err), 0);
    assert_int_equal(bench_role(&b, "k-1")->children_read.status, KB_READ_DENIED);
    assert_int_equal(bench_role(&b, "k-1")->holders_read.status, KB_READ_DENIED);
    assert_int_equal(bench_role(&b, "k-1")->groups_read.status, KB_READ_DENIED);
    assert_int_equal(wire_count(b.wire, NULL, "/admin/realms/my%20realm/clients"), 0);
    assert_true(b.realm.client_composites_unread);
    assert_int_equal(bench_role(&b, "r-a")->holders_read.status, KB_READ_COMPLETE);
    bench_close(&b);
}

static void
test_clients_refused(void **state)
{
    static const struct {
        const char *target;
        int status;
        const char *body;
        enum kb_read_status want;
    } cases[] = {
        {"/clients?", 403, "{}", KB_READ_DENIED},
        {"/clients?", 200, "[]", KB_READ_DENIED}, /* query-clients */
        {"/clients?", 500, "{}", KB_READ_FAILED},
        {"/clients?", 200, "{}", KB_READ_FAILED},
        {"/clients/c-1/roles?", 403, "{}", KB_READ_DENIED},
        {"/clients/c-1/roles?", 500, "{}", KB_READ_FAILED},
        {"/clients/c-1/roles?", 404, "{\"error\":\"Could not find client\"}", KB_READ_SUSPECT},
        {"/clients/c-1/roles?", 200, "[]", KB_READ_SUSPECT}, /* a group carries portal:viewer */
    };
    const struct kc_opts opts = {.clients = true};

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct bench b;
        struct kb_error err = {0};
        bench_open(&b, &opts);
        bench_lie(&b, cases[i].target, cases[i].status, cases[i].body, 0);
        bench_run(&b);
        assert_int_equal(kc_failed(b.kc, &err), 0);
        if (b.realm.clients_read.status != cases[i].want)
            fail_msg("%s %d %s: %s", cases[i].target, cases[i].status, cases[i].body,
                     kb_read_status_name(b.realm.clients_read.status));
        if (cases[i].want != KB_READ_SUSPECT)
            assert_true(b.realm.client_composites_unread);
        bench_close(&b);
    }
}

/* ---- nobody ---- */

static void
nobody(struct bench *b)
{
    bench_open(b, NULL);
    bench_lie(b, "/roles/", 200, "[]", 0);
    bench_lie(b, "/clients/c-1/roles/viewer/users", 200, "[]", 0);
    bench_lie(b, "/groups/g-", 200, "[]", 0);
}

static void
test_nobody(void **state)
{
    static const struct {
        int count_status;
        const char *count;
        int list_status;
        const char *list;
        int failed;
        enum kb_read_status want;
    } cases[] = {
        {200, "3", 200, "[]", -KB_E_HTTP, KB_READ_SUSPECT},
        {200, "3", 200, "[" USER(ANA, "ana", "true") "]", 0, KB_READ_COMPLETE},
        {200, "0", 200, "[]", 0, KB_READ_COMPLETE},
        {403, "{}", 200, "[]", -KB_E_HTTP, KB_READ_SUSPECT},
        {403, "{}", 403, "{}", -KB_E_HTTP, KB_READ_SUSPECT},
        /* not known whose fault it is, but no list is complete */
        {500, "{}", 200, "[]", -KB_E_PROTOCOL, KB_READ_SUSPECT},
        {200, "3", 200, "<html>", -KB_E_PROTOCOL, KB_READ_SUSPECT},
        {200, "many", 200, "[]", -KB_E_PROTOCOL, KB_READ_SUSPECT},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct bench b;
        struct kb_error err = {0};
        nobody(&b);
        bench_lie(&b, "/users/count", cases[i].count_status, cases[i].count, 0);
        bench_lie(&b, "/users?max=1", cases[i].list_status, cases[i].list, 0);
        bench_run(&b);
        if (kc_failed(b.kc, &err) != cases[i].failed ||
            bench_role(&b, "r-a")->holders_read.status != cases[i].want)
            fail_msg("case %zu: '%s' %s", i, err.msg,
                     kb_read_status_name(bench_role(&b, "r-a")->holders_read.status));
        if (cases[i].failed)
            assert_non_null(strstr(err.msg, cases[i].failed == -KB_E_HTTP ? "view-users" : "see users"));
        assert_int_equal(wire_count(b.wire, NULL, "/admin/realms/my%20realm/users"), 2);
        bench_close(&b);
    }
}

/* Without a token of ours, and with one that base/http renews in vain. */
static void
test_unauthorized(void **state)
{
    static const char *const tokens[] = {NULL, "a.b.c"};

    (void) state;
    for (size_t i = 0; i < KB_LEN(tokens); i++) {
        struct bench b;
        struct kb_error err = {0};
        bench_open_as(&b, NULL, tokens[i]);
        bench_lie(&b, "/", 401, "{\"error\":\"HTTP 401 Unauthorized\"}", 0);
        bench_run(&b);
        assert_int_equal(kc_failed(b.kc, &err), -KB_E_AUTH);
        assert_int_equal(err.status, 401);
        assert_non_null(strstr(err.msg, "kc-admin-api"));
        bench_close(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights),          cmocka_unit_test(test_no_view_clients),
        cmocka_unit_test(test_clients_refused), cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_unauthorized),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
