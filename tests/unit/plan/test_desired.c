#include "desired_kit.h"

#define LINES_MAX 24

#define PEOPLE "user|u1", "user|u2", "user|u3", "user|u4"
#define PERSONS "person|1|u1", "person|2|u2", "person|3|U3"

/* "group=users/principals;…" */
static void
show(const struct made *m, struct kb_buf *ret)
{
    for (uint32_t i = 0; i < m->desired.groups_len; i++) {
        const struct kb_desired_group *g = &m->desired.groups[i];
        assert_int_equal(g->managed, i);
        kb_buf_addf(ret, "%s%s=", i ? ";" : "", m->scope.managed[i].name);
        for (uint32_t k = 0; k < g->users.len; k++)
            kb_buf_addf(ret, "%s%s", k ? "," : "",
                        kb_realm_str(&m->kit.realm, m->kit.realm.users[g->users.v[k]].id));
        kb_buf_adds(ret, "/");
        for (uint32_t k = 0; k < g->principals.len; k++)
            kb_buf_addf(ret, "%s%s", k ? "," : "",
                        kb_target_str(&m->kit.target, m->kit.target.principals[g->principals.v[k]].id));
    }
}

static void
test_members(void **state)
{
    static const struct {
        const char *name;
        const char *lines[LINES_MAX];
        struct kb_rule rules[RULES_MAX];
        const char *want;
    } table[] = {
        {"nobody", {"role|a", PEOPLE, PERSONS}, {{.object = "a", .group = "g"}}, "g=/"},
        {"direct",
         {"role|a", PEOPLE, PERSONS, "hold|u2|a", "hold|u1|a"},
         {{.object = "a", .group = "g"}},
         "g=u1,u2/1,2"},
        {"twice in one list",
         {"role|a", PEOPLE, PERSONS, "hold|u2|a", "hold|u2|a"},
         {{.object = "a", .group = "g"}},
         "g=u2/2"},
        {"ASCII case aside",
         {"role|a", PEOPLE, PERSONS, "hold|u3|a"},
         {{.object = "a", .group = "g"}},
         "g=u3/3"},
        {"nobody of that name in the target",
         {"role|a", PEOPLE, PERSONS, "hold|u4|a"},
         {{.object = "a", .group = "g"}},
         "g=u4/"},
        {"a group that carries the role",
         {"role|a", "group||t", PEOPLE, PERSONS, "carry|/t|a", "in|u1|/t"},
         {{.object = "a", .group = "g"}},
         "g=u1/1"},
        {"parents pass roles down",
         {"role|a", "group||t", "group|/t|x", "group|/t/x|y", PEOPLE, PERSONS, "carry|/t|a", "in|u1|/t/x/y"},
         {{.object = "a", .group = "g"}},
         "g=u1/1"},
        {"nothing passes up",
         {"role|a", "group||t", "group|/t|x", PEOPLE, PERSONS, "carry|/t/x|a", "in|u1|/t", "in|u2|/t/x"},
         {{.object = "a", .group = "g"}},
         "g=u2/2"},
        {"a composite gives what it contains, not the other way round",
         {"role|a", "role|b", PEOPLE, PERSONS, "comp|b|a", "hold|u1|b", "hold|u2|a"},
         {{.object = "a", .group = "g"}, {.object = "b", .group = "h"}},
         "g=u1,u2/1,2;h=u1/1"},
        {"through a client role",
         {"role|a", "client|c|x", "role|b", "group||t", PEOPLE, PERSONS, "comp|b|c:x", "comp|c:x|a",
          "hold|u1|b", "hold|u2|c:x", "carry|/t|c:x", "in|u3|/t"},
         {{.object = "a", .group = "g"}},
         "g=u1,u2,u3/1,2,3"},
        {"a cycle makes them the same",
         {"role|a", "role|b", PEOPLE, PERSONS, "comp|b|a", "comp|a|b", "hold|u1|b", "hold|u2|a"},
         {{.object = "a", .group = "g"}, {.object = "b", .group = "h"}},
         "g=u1,u2/1,2;h=u1,u2/1,2"},
        {"a diamond counts once",
         {"role|a", "role|b", "role|c", "role|d", PEOPLE, PERSONS, "comp|b|a", "comp|c|a", "comp|d|b",
          "comp|d|c", "hold|u1|d"},
         {{.object = "a", .group = "g"}},
         "g=u1/1"},
        {"a client role rule",
         {"client|c|x", "client|d|x", PEOPLE, PERSONS, "hold|u1|c:x", "hold|u2|d:x"},
         {{.kind = KB_RULE_CLIENT_ROLE, .client = "c", .object = "x", .group = "g"}},
         "g=u1/1"},
        {"a path: direct members",
         {"group||t", "group|/t|x", PEOPLE, PERSONS, "in|u1|/t", "in|u2|/t/x"},
         {{.kind = KB_RULE_PATH, .object = "/t", .group = "g"}},
         "g=u1/1"},
        {"subgroups",
         {"group||t", "group|/t|x", "group||tx", PEOPLE, PERSONS, "in|u1|/t", "in|u2|/t/x", "in|u3|/tx"},
         {{.kind = KB_RULE_PATH, .object = "/t", .group = "g", .subgroups = true}},
         "g=u1,u2/1,2"},
        {"subgroups belong to their own rule",
         {"group||t", "group|/t|x", "group||s", "group|/s|y", PEOPLE, PERSONS, "in|u1|/t/x", "in|u2|/s/y",
          "in|u3|/s"},
         {{.kind = KB_RULE_PATH, .object = "/t", .group = "g", .subgroups = true},
          {.kind = KB_RULE_PATH, .object = "/s", .group = "g"}},
         "g=u1,u3/1,3"},
        {"the group alone first, then with its subgroups",
         {"group||t", "group|/t|x", PEOPLE, PERSONS, "in|u1|/t", "in|u2|/t/x"},
         {{.kind = KB_RULE_PATH, .object = "/t", .group = "g"},
          {.kind = KB_RULE_PATH, .object = "/t", .group = "g", .subgroups = true}},
         "g=u1,u2/1,2"},
        {"a union of everything",
         {"role|a", "group||t", PEOPLE, PERSONS, "hold|u2|a", "in|u1|/t", "in|u2|/t"},
         {{.object = "a", .group = "g"}, {.kind = KB_RULE_PATH, .object = "/t", .group = "g"}},
         "g=u1,u2/1,2"},
        {"same name in two branches",
         {"group||a", "group|/a|ml", "group||b", "group|/b|ml", PEOPLE, PERSONS, "in|u1|/a/ml",
          "in|u2|/b/ml"},
         {{.kind = KB_RULE_PATH, .object = "/b/ml", .group = "g"}},
         "g=u2/2"},
        {"who is disabled desires nothing",
         {"role|a", PEOPLE, PERSONS, "hold|u1|a", "hold|u2|a", "set|u1|disabled", "set|u1|stored"},
         {{.object = "a", .group = "g"}},
         "g=u1,u2/2"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(4096);
        struct made m;
        make(&m, table[i].lines, table[i].rules, NULL, (struct kb_strings){0});
        show(&m, &got);
        if (strcmp(kb_buf_str(&got), table[i].want) != 0)
            fail_msg("case '%s': %s, not %s", table[i].name, kb_buf_str(&got), table[i].want);
        for (uint32_t g = 0; g < m.desired.groups_len; g++) {
            if (m.desired.groups[g].frozen_note || m.desired.groups[g].gone_note)
                fail_msg("case '%s': %s", table[i].name, m.desired.groups[g].frozen_note);
        }
        done(&m);
    }
}

/* Every list that a group depends on, unread. want NULL: not frozen. */
static void
test_doubts(void **state)
{
    static const struct kb_rule rules[RULES_MAX] = {
        {.object = "a", .group = "r"},
        {.kind = KB_RULE_PATH, .object = "/t", .group = "p", .subgroups = true},
        {.kind = KB_RULE_CLIENT_ROLE, .client = "c", .object = "x", .group = "c"}};

    static const struct {
        const char *name;
        const char *lines[4];
        const char *role, *path, *client;
    } table[] = {
        {"all read", {NULL}, NULL, NULL, NULL},
        {"holders", {"read|holders|a|failed|503"}, "role a: holders failed (HTTP 503)", NULL, NULL},
        {"holders denied", {"read|holders|a|denied|403"}, "role a: holders denied (HTTP 403)", NULL, NULL},
        {"holders not asked", {"read|holders|a|not asked"}, "role a: holders not asked", NULL, NULL},
        {"holders still running", {"read|holders|a|pending"}, "role a: holders pending", NULL, NULL},
        {"holders suspect", {"read|holders|a|suspect|200"}, "role a: holders suspect", NULL, NULL},
        {"role gone meanwhile",
         {"read|holders|a|gone|404"},
         "role a: holders: changed while it was read (HTTP 404)",
         NULL,
         NULL},
        {"holders of a containing role",
         {"read|holders|b|failed"},
         "composite role b: holders failed",
         NULL,
         NULL},
        {"holders of a role that leads elsewhere", {"read|holders|z|failed"}, NULL, NULL, NULL},
        {"holders of a client role", {"read|holders|c:x|failed"}, NULL, NULL, "role c:x: holders failed"},
        {"groups of a client role",
         {"read|groups|c:x|denied|403"},
         NULL,
         NULL,
         "role c:x: groups denied (HTTP 403)"},
        {"members of a carrying group", {"read|members|/s|failed"}, "group /s: members failed", NULL, NULL},
        {"members below a carrying group",
         {"read|members|/s/y|failed"},
         "group /s/y: members failed",
         NULL,
         NULL},
        {"members of the path",
         {"read|members|/t|denied|403"},
         NULL,
         "group /t: members denied (HTTP 403)",
         NULL},
        {"members below the path", {"read|members|/t/x|failed"}, NULL, "group /t/x: members failed", NULL},
        {"members of a group that counts for nobody", {"read|members|/q|failed"}, NULL, NULL, NULL},
        {"two lists, the first by name is told",
         {"read|members|/s/y|failed", "read|members|/s|suspect"},
         "group /s: members suspect, and 1 more",
         NULL,
         NULL},
        {"contents of a composite in the chain",
         {"read|children|b|failed|500"},
         "composite role b: contained roles failed (HTTP 500)",
         NULL,
         "composite role b: contained roles failed (HTTP 500)"},
        {"contents of any composite: it may lead here",
         {"read|children|y|denied|403"},
         "composite role y: contained roles denied (HTTP 403)",
         NULL,
         "composite role y: contained roles denied (HTTP 403)"},
        {"contents of a composite, gone",
         {"read|children|y|gone|404"},
         "composite role y: contained roles: changed while it was read (HTTP 404)",
         NULL,
         "composite role y: contained roles: changed while it was read (HTTP 404)"},
        {"contents of a client role: denied is said once, elsewhere",
         {"read|children|c:w|denied|403"},
         NULL,
         NULL,
         NULL},
        {"contents of a client role: failed is a doubt",
         {"read|children|c:w|failed"},
         "composite role c:w: contained roles failed",
         NULL,
         "composite role c:w: contained roles failed"},
        {"contents of a client role: never asked is a doubt",
         {"read|children|c:w|not asked"},
         "composite role c:w: contained roles not asked",
         NULL,
         "composite role c:w: contained roles not asked"},
        {"contents of a role that is no composite", {"read|children|a|failed"}, NULL, NULL, NULL},
        {"all roles",
         {"read|all roles|-|failed|502"},
         "realm: list of roles failed (HTTP 502)",
         NULL,
         "realm: list of roles failed (HTTP 502)"},
        {"all groups",
         {"read|all groups|-|suspect|200"},
         "realm: list of groups suspect",
         "realm: list of groups suspect",
         "realm: list of groups suspect"},
        {"clients not asked",
         {"read|clients|-|not asked"},
         NULL,
         NULL,
         "realm: list of client roles not asked"},
        {"clients denied",
         {"read|clients|-|denied|403"},
         NULL,
         NULL,
         "realm: list of client roles denied (HTTP 403): the account lacks view-clients"},
        {"clients failed",
         {"read|clients|-|failed|500"},
         "realm: list of client roles failed (HTTP 500)",
         NULL,
         "realm: list of client roles failed (HTTP 500)"},
    };

    static const char *const base[] = {
        "role|a",     "role|b",     "comp|b|a",    "role|z",     "role|y",   "comp|y|z",   "client|c|x",
        "client|c|w", "comp|c:w|z", "group||t",    "group|/t|x", "group||s", "group|/s|y", "group||q",
        "carry|/s|b", "user|u1",    "person|1|u1", "hold|u1|a",  "in|u1|/t", "hold|u1|c:x"};

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        const char *lines[KB_LEN(base) + 5] = {NULL};
        const char *want[3] = {table[i].client, table[i].path, table[i].role}; /* by name: c, p, r */
        struct made m;
        memcpy(lines, base, sizeof(base));
        memcpy(lines + KB_LEN(base), table[i].lines, sizeof(table[i].lines));
        make(&m, lines, rules, NULL, (struct kb_strings){0});
        assert_int_equal(m.desired.groups_len, 3);
        for (size_t g = 0; g < 3; g++) {
            const char *got = m.desired.groups[g].frozen_note;
            if (!got != !want[g] || (got && strcmp(got, want[g]) != 0))
                fail_msg("case '%s', group %s: %s, not %s", table[i].name, m.scope.managed[g].name,
                         got ? got : "(trusted)", want[g] ? want[g] : "(trusted)");
            assert_int_equal(m.desired.groups[g].users.len, 1); /* what was read stays for explain */
        }
        done(&m);
    }
}

static void
test_client_composites_unread(void **state)
{
    static const char *const lines[] = {"role|a", "client|c|w", "comp|c:w|a", "read|children|c:w|not asked",
                                        NULL};
    static const struct kb_rule rules[RULES_MAX] = {{.object = "a", .group = "g"}};
    struct made m;
    struct kb_desired again;
    struct kb_error err;

    (void) state;
    make(&m, lines, rules, NULL, (struct kb_strings){0});
    assert_non_null(m.desired.groups[0].frozen_note);
    m.kit.realm.client_composites_unread = true;
    assert_int_equal(kb_desired_make(&m.rules, &m.scope, &m.kit.realm, &m.kit.target, &again, &err), 0);
    assert_null(again.groups[0].frozen_note);
    kb_desired_done(&again);
    done(&m);
}

static void
test_gone_and_ambiguous(void **state)
{
    static const struct {
        const char *name;
        const char *lines[4];
        struct kb_rule rule;
        const char *gone, *frozen;
    } table[] = {
        {"role", {NULL}, {.object = "a", .group = "g"}, "role a", NULL},
        {"path", {NULL}, {.kind = KB_RULE_PATH, .object = "/t", .group = "g"}, "path /t", NULL},
        {"client role",
         {NULL},
         {.kind = KB_RULE_CLIENT_ROLE, .client = "c", .object = "x", .group = "g"},
         "role c:x",
         NULL},
        {"not gone, unread",
         {"read|all roles|-|failed"},
         {.object = "a", .group = "g"},
         NULL,
         "realm: list of roles failed"},
        {"path, unread",
         {"read|all groups|-|suspect"},
         {.kind = KB_RULE_PATH, .object = "/t", .group = "g"},
         NULL,
         "realm: list of groups suspect"},
        {"client role, denied",
         {"read|clients|-|denied|403"},
         {.kind = KB_RULE_CLIENT_ROLE, .client = "c", .object = "x", .group = "g"},
         NULL,
         "realm: list of client roles denied (HTTP 403): the account lacks view-clients"},
        {"one path for two groups",
         {"group||a", "group|/a|b", "group||a/b|other"},
         {.kind = KB_RULE_PATH, .object = "/a/b", .group = "g"},
         NULL,
         "several groups of the realm have the same path"},
    };

    static const char *const none[] = {NULL};
    static const struct kb_rule glob[RULES_MAX] = {
        {.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}"}};
    struct kb_desired again;
    struct kb_error err;
    struct made m;

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        const char *lines[5] = {NULL};
        const struct kb_rule rules[RULES_MAX] = {table[i].rule};
        const struct kb_desired_group *g;
        memcpy(lines, table[i].lines, sizeof(table[i].lines));
        make(&m, lines, rules, NULL, (struct kb_strings){0});
        g = &m.desired.groups[0];
        if (!g->gone_note != !table[i].gone || (g->gone_note && strcmp(g->gone_note, table[i].gone) != 0))
            fail_msg("case '%s': gone %s", table[i].name, g->gone_note ? g->gone_note : "(no)");
        if (!g->frozen_note != !table[i].frozen ||
            (g->frozen_note && strcmp(g->frozen_note, table[i].frozen) != 0))
            fail_msg("case '%s': frozen %s", table[i].name, g->frozen_note ? g->frozen_note : "(no)");
        done(&m);
    }
    make(&m, none, glob, NULL, (struct kb_strings){0});
    assert_int_equal(m.desired.groups_len, 0);
    assert_int_equal(kb_scope_keep(&m.rules, "acme", "ml", &m.scope, &err), 1);
    assert_int_equal(kb_desired_make(&m.rules, &m.scope, &m.kit.realm, &m.kit.target, &again, &err), 0);
    assert_string_equal(again.groups[0].gone_note, "what matched role dbx-*");
    assert_int_equal(again.groups[0].users.len, 0);
    kb_desired_done(&again);
    done(&m);
}

static void
test_counts(void **state)
{
    static const char *const lines[] = {"role|a",    "role|b",    "comp|b|a", "group||t", PEOPLE, PERSONS,
                                        "hold|u1|b", "hold|u2|a", "in|u2|/t", "in|u3|/t", NULL};
    static const struct kb_rule rules[RULES_MAX] = {{.object = "a", .group = "g"},
                                                    {.object = "a", .group = "h"},
                                                    {.kind = KB_RULE_PATH, .object = "/t", .group = "h"},
                                                    {.object = "nothing", .group = "h"}};
    struct made m;

    (void) state;
    make(&m, lines, rules, NULL, (struct kb_strings){0});
    assert_int_equal(m.desired.users_behind, 3);
    assert_int_equal(m.desired.objects_behind, 2); /* a and /t; b is behind no rule by itself */
    assert_int_equal(m.desired.memberships, 2 + 3);
    done(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_doubts),
        cmocka_unit_test(test_client_composites_unread),
        cmocka_unit_test(test_gone_and_ambiguous),
        cmocka_unit_test(test_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
