#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/plan.h"
#include "model/realm.h"
#include "model/rules.h"
#include "model/target.h"

#include <stdio.h>
#include <string.h>

static void
test_realm_rows(void **state)
{
    struct kb_realm realm = {0};
    uint32_t a, b;

    (void) state;
    a = kb_realm_user_add(&realm, "u-1");
    b = kb_realm_user_add(&realm, "u-2");
    assert_int_equal(kb_realm_user_add(&realm, "u-1"), a);
    assert_int_equal(kb_realm_user(&realm, "u-2"), b);
    assert_int_equal(kb_realm_user(&realm, "U-2"), KB_NONE); /* ids are compared as sent */
    assert_int_equal(realm.users_len, 2);
    assert_int_equal(realm.users[b].flags, 0);

    a = kb_realm_group_add(&realm, "g-1");
    assert_int_equal(realm.groups[a].parent, KB_NONE);
    assert_int_equal(realm.groups[a].members_read.status, KB_READ_NOT_ASKED);
    assert_int_equal(kb_realm_group(&realm, "g-1"), a);

    for (uint32_t i = 0; i < 1000; i++) { /* rows move, indices and texts stay */
        char id[16];
        snprintf(id, sizeof(id), "r-%u", i);
        assert_int_equal(kb_realm_role_add(&realm, id), i);
    }
    assert_true(kb_u32s_add(&realm.roles[3].children, 4));
    assert_int_equal(kb_realm_role(&realm, "r-999"), 999);
    kb_realm_done(&realm);
    kb_realm_done(&realm);
}

static void
test_realm_role_names(void **state)
{
    struct kb_realm realm = {0};
    uint32_t client = kb_realm_role_add(&realm, "c"), role = kb_realm_role_add(&realm, "r");

    (void) state;
    assert_true(kb_realm_role_set_name(&realm, client, "viewer", true));
    assert_int_equal(kb_realm_role_named(&realm, "viewer"), KB_NONE);
    assert_true(kb_realm_role_set_name(&realm, role, "viewer", false));
    assert_int_equal(kb_realm_role_named(&realm, "viewer"), role);
    assert_true(kb_realm_role_set_name(&realm, role, "reader", false));
    assert_int_equal(kb_realm_role_named(&realm, "viewer"), KB_NONE);
    assert_int_equal(kb_realm_role_named(&realm, "reader"), role);
    assert_true(kb_realm_role_set_name(&realm, role, "reader", true));
    assert_int_equal(kb_realm_role_named(&realm, "reader"), KB_NONE);
    assert_int_equal(kb_realm_role_named(&realm, ""), KB_NONE);
    kb_realm_done(&realm);
}

static void
test_target_rows(void **state)
{
    struct kb_target target;
    uint32_t p, g, h;

    (void) state;
    kb_target_init(&target);
    assert_int_equal(target.self, KB_NONE);
    p = kb_target_principal_add(&target, "100");
    assert_int_equal(target.principals[p].kind, KB_PRINCIPAL_USER);
    assert_int_equal(kb_target_principal(&target, "100"), p);
    assert_int_equal(kb_target_principal(&target, "1"), KB_NONE);
    g = kb_target_group_add(&target, "900");
    h = kb_target_group_add(&target, "901");
    assert_int_equal(target.groups[g].from, KB_MEMBERS_NONE);
    assert_true(kb_target_group_set_name(&target, g, "ml"));
    assert_true(kb_target_group_set_name(&target, h, "ml"));
    assert_int_equal(kb_target_group_named(&target, "ml"), g);
    assert_true(kb_target_group_set_name(&target, g, "ML"));
    assert_int_equal(kb_target_group_named(&target, "ml"), h);
    assert_int_equal(kb_target_group_named(&target, "ML"), g);
    kb_target_done(&target);
    kb_target_done(&target);
}

static void
test_group_names(void **state)
{
    static const struct {
        const char *pattern, *object, *group, *want; /* want NULL: refused */
    } table[] = {
        {"dbx-*", "dbx-ml", "{1}", "ml"},
        {"dbx-*", "dbx-ml", "team {1} ({1})", "team ml (ml)"},
        {"*-*", "a-b-c", "{2}/{1}", "b-c/a"},
        {"dbx-*", "dbx-", "x{1}y", "xy"},
        {"dbx-*", "dbx-{1}", "{1}", "{1}"}, /* what was filled in is not expanded again */
        {"dbx-*", "dbx-ml", "{0}{a}{1", "{0}{a}{1"},
        {"dbx-*", "dbx-ml", "{2}", NULL},
        {NULL, "x", "{1}", "{1}"}, /* no glob: literal */
    };

    char name[256], longest[300], one_more[300];
    struct kb_rule rule = {.number = 1};

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_glob_match m;
        bool fine;
        rule.group = table[i].group;
        if (table[i].pattern)
            assert_true(kb_glob(table[i].pattern, table[i].object, false, &m));
        fine = kb_rule_group_name(&rule, table[i].object, table[i].pattern ? &m : NULL, name);
        if (fine != !!table[i].want || (fine && strcmp(name, table[i].want) != 0))
            fail_msg("case %zu: '%s' gave '%s'", i, table[i].group, fine ? name : "(refused)");
    }
    memset(longest, 'a', 255), longest[255] = '\0';
    memset(one_more, 'a', 256), one_more[256] = '\0';
    rule.group = longest;
    assert_true(kb_rule_group_name(&rule, "", NULL, name));
    assert_string_equal(name, longest);
    rule.group = one_more;
    assert_false(kb_rule_group_name(&rule, "", NULL, name));
}

static void
test_rule_targets(void **state)
{
    char *names[] = {(char[]){"acme"}, (char[]){"beta"}};
    struct kb_rule all = {.number = 1}, some = {.targets = {.v = names, .len = 2}};

    (void) state;
    assert_true(kb_rule_for_target(&all, "acme"));
    assert_true(kb_rule_for_target(&some, "acme"));
    assert_true(kb_rule_for_target(&some, "beta"));
    assert_false(kb_rule_for_target(&some, "gamma"));
    assert_false(kb_rule_for_target(&some, "Acme"));
    assert_false(kb_rule_for_target(&some, ""));
}

static void
test_names_round_trip(void **state)
{
    enum kb_cause cause;
    enum kb_guard_id guard;
    struct kb_plan plan = {0};

    (void) state;
    for (unsigned i = 0; i < KB_CAUSE_MAX_; i++) {
        assert_true(kb_cause_from_name(kb_cause_name((enum kb_cause) i), &cause));
        assert_int_equal(cause, i);
    }
    for (unsigned i = 0; i < KB_GUARD_MAX_; i++) {
        assert_true(kb_guard_from_name(kb_guard_name((enum kb_guard_id) i), &guard));
        assert_int_equal(guard, i);
    }
    for (unsigned i = 1; i < KB_LEFT_MAX_; i++) /* the document sorts its keys */
        assert_true(strcmp(kb_left_name((enum kb_left)(i - 1)), kb_left_name((enum kb_left) i)) < 0);
    assert_false(kb_cause_from_name("Granted", &cause));
    assert_false(kb_cause_from_name("", &cause));
    assert_false(kb_guard_from_name("source_shrink_floor", &guard)); /* a limit, not a guard */
    assert_false(kb_guard_from_name("?", &guard));
    assert_string_equal(kb_cause_name(KB_CAUSE_MAX_), "?");
    assert_string_equal(kb_result_name(KB_RESULT_APPLIED_ALREADY), "applied_already");
    assert_string_equal(kb_op_name(KB_OP_REMOVE), "remove");
    assert_string_equal(kb_op_state_name(KB_OP_FROZEN), "frozen");
    assert_string_equal(kb_read_status_name(KB_READ_SUSPECT), "suspect");
    kb_plan_done(&plan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_realm_rows),   cmocka_unit_test(test_realm_role_names),
        cmocka_unit_test(test_target_rows),  cmocka_unit_test(test_group_names),
        cmocka_unit_test(test_rule_targets), cmocka_unit_test(test_names_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
