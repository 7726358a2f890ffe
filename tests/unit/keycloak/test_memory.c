/* The reader with each allocation failing once: a list is complete with all of its rows, or it is not complete.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "realm.h"
#include "tests/unit/support/torture.h"

#include <stdio.h>
#include <string.h>

/* Rows of a list that says it is complete. */
static void
expect(const char *name, unsigned n, const struct kb_read *read, uint32_t len, uint32_t want)
{
    if (kb_read_ok(read) && len != want)
        fail_msg("allocation %u: %s is complete with %u of %u", n, name, len, want);
}

static void
check_realm(struct bench *b, unsigned n)
{
    struct kb_realm *realm = &b->realm;
    struct kb_error err = {0};

    if (kc_failed(b->kc, &err) < 0) {
        if (err.code != KB_E_NOMEM && err.code != KB_E_STOPPED)
            fail_msg("allocation %u: %s", n, err.msg);
        return;
    }
    expect("roles", n, &realm->roles_read, realm->roles_len, 3);
    expect("groups", n, &realm->groups_read, realm->groups_len, 2);
    for (uint32_t i = 0; i < realm->roles_len; i++) {
        const struct kb_role *role = &realm->roles[i];
        const char *id = kb_realm_str(realm, role->id);
        bool a = strcmp(id, "r-a") == 0, viewer = strcmp(id, "k-1") == 0;
        expect(id, n, &role->children_read, role->children.len, a ? 2 : 1);
        expect(id, n, &role->holders_read, role->holders.len, a ? 2 : viewer ? 1 : 0);
        if (viewer)
            expect(id, n, &role->groups_read, role->groups.len, 1);
    }
    for (uint32_t i = 0; i < realm->groups_len; i++)
        expect("members", n, &realm->groups[i].members_read, realm->groups[i].members.len, 1);
    for (uint32_t i = 0; i < realm->users_len; i++) {
        const struct kb_user *user = &realm->users[i];
        assert_true(user->username || user->flags == 0);
        if ((user->flags & KB_USER_LOOKED_UP) && (user->flags & KB_USER_SERVICE_ACCOUNT))
            assert_true(user->attribute);
    }
}

static void
test_reader(void **state)
{
    bool reached = true;
    unsigned n;

    (void) state;
    for (n = 0; reached; n++) {
        struct bench b;
        struct kb_error err = {0};
        bench_open(&b, NULL);
        torture_start(n);
        int r = kc_read_catalog(b.kc, &err);
        if (r >= 0)
            r = kb_http_run(b.http, &err);
        reached = torture_stop();
        if (r < 0)
            assert_int_equal(err.code, KB_E_NOMEM);
        else
            check_realm(&b, n);
        bench_close(&b);
    }
    assert_true(n > 100);
}

static void
done(void *userdata, struct kc_check *check)
{
    (void) check;
    ++*(unsigned *) userdata;
}

static void
test_check(void **state)
{
    bool reached = true;

    (void) state;
    for (unsigned n = 0; reached; n++) {
        struct bench b;
        struct kb_error err = {0};
        unsigned calls = 0;
        struct kc_check check = {.user_id = ANA, .on_done = done, .userdata = &calls};
        bench_open(&b, NULL);
        bench_lie(&b, "/users/" ANA "/role-mappings", 200,
                  "[{\"id\":\"r-b\",\"name\":\"b\",\"composite\":false,\"clientRole\":false}]", 0);
        bench_lie(&b, "/users/" ANA "/groups", 200, "[{\"id\":\"g-1\",\"name\":\"eng\",\"path\":\"/eng\"}]",
                  0);
        bench_lie(&b, "/users/" ANA, 200, USER(ANA, "ana", "true"), 0);
        torture_start(n);
        int r = kc_check_user(b.kc, &check, NULL, 0, &err);
        if (r >= 0)
            r = kb_http_run(b.http, &err);
        reached = torture_stop();
        if (r >= 0) {
            assert_int_equal(calls, 1);
            assert_int_not_equal(check.exists, KC_HAS_NOT);
            assert_int_not_equal(check.enabled, KC_HAS_NOT);
            if (check.roles_known)
                assert_int_equal(check.role_ids_len, 1);
            if (check.groups_known)
                assert_int_equal(check.group_ids_len, 1);
            if (!reached)
                assert_true(check.roles_known && check.groups_known);
        }
        kc_check_done(&check);
        bench_close(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reader), cmocka_unit_test(test_check)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
