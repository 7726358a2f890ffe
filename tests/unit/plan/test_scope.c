#include "realm_kit.h"

#include "reconciler/plan/scope.h"

#define RULES_MAX 4
#define LINES_MAX 16

/* "name=binding,binding;…" with bindings role:NAME, path:PATH or gone; '?' behind an ambiguous group. */
static void
show(const struct kb_scope *scope, const struct kb_realm *realm, struct kb_buf *ret)
{
    for (uint32_t i = 0; i < scope->managed_len; i++) {
        const struct kb_managed *m = &scope->managed[i];
        kb_buf_addf(ret, "%s%s%s=", i ? ";" : "", m->name, m->ambiguous_path ? "?" : "");
        for (uint32_t k = 0; k < m->bindings_len; k++) {
            const struct kb_binding *b = &scope->bindings[m->bindings_start + k];
            assert_int_equal(b->managed, i);
            assert_int_equal(b->gone, b->role == KB_NONE && b->group == KB_NONE);
            kb_buf_addf(ret, "%s%s%s", k ? "," : "",
                        b->gone              ? "gone"
                        : b->role != KB_NONE ? "role:"
                                             : "path:",
                        b->gone              ? ""
                        : b->role != KB_NONE ? kb_realm_str(realm, realm->roles[b->role].id)
                                             : kb_realm_str(realm, realm->groups[b->group].id));
        }
    }
}

/* "roles / groups" that are wanted, in the order of the lines. */
static void
show_wanted(const struct kb_realm *realm, struct kb_buf *ret)
{
    for (uint32_t i = 0; i < realm->roles_len; i++)
        kb_buf_addf(ret, "%s", realm->roles[i].wanted ? kb_realm_str(realm, realm->roles[i].id) : "");
    kb_buf_adds(ret, " ");
    for (uint32_t i = 0; i < realm->groups_len; i++)
        kb_buf_addf(ret, "%s", realm->groups[i].wanted ? kb_realm_str(realm, realm->groups[i].id) : "");
}

static char *excluded_role[] = {(char[]){"dbx-b"}}, *excluded_roles[] = {(char[]){"dbx-*"}},
            *excluded_path[] = {(char[]){"/t/red"}}, *excluded_paths[] = {(char[]){"/t/**"}},
            *acme[] = {(char[]){"acme"}}, *beta[] = {(char[]){"beta"}};

static const struct {
    const char *name;
    const char *lines[LINES_MAX];
    struct kb_rule rules[RULES_MAX];
    struct kb_strings exclude_roles, exclude_paths;
    const char *want, *wanted; /* wanted NULL: not looked at */
} resolve_table[] = {
    {"nothing", {NULL}, {{0}}, {0}, {0}, "", " "},
    {"a role", {"role|a", "role|b"}, {{.object = "a", .group = "g"}}, {0}, {0}, "g=role:a", "a "},
    {"a role is no client role", {"client|app|a"}, {{.object = "a", .group = "g"}}, {0}, {0}, "g=gone", " "},
    {"names are exact", {"role|A"}, {{.object = "a", .group = "g"}}, {0}, {0}, "g=gone", " "},
    {"client role",
     {"role|a", "client|x|a", "client|app|a"},
     {{.kind = KB_RULE_CLIENT_ROLE, .client = "app", .object = "a", .group = "g"}},
     {0},
     {0},
     "g=role:app:a",
     "app:a "},
    {"no such client",
     {"client|x|a"},
     {{.kind = KB_RULE_CLIENT_ROLE, .client = "app", .object = "a", .group = "g"}},
     {0},
     {0},
     "g=gone",
     " "},
    {"role glob: realm roles only",
     {"role|dbx-b", "role|dbx-a", "role|x", "client|app|dbx-c"},
     {{.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}"}},
     {0},
     {0},
     "a=role:dbx-a;b=role:dbx-b",
     "dbx-bdbx-a "},
    {"role glob that fits nothing",
     {"role|x"},
     {{.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}"}},
     {0},
     {0},
     "",
     " "},
    {"role glob to one group is a union",
     {"role|dbx-b", "role|dbx-a"},
     {{.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "all"}},
     {0},
     {0},
     "all=role:dbx-a,role:dbx-b",
     NULL},
    {"two objects give one name",
     {"role|a-x", "role|b-x"},
     {{.kind = KB_RULE_ROLE_GLOB, .object = "*-*", .group = "{2}"}},
     {0},
     {0},
     "x=role:a-x,role:b-x",
     NULL},
    {"excluded role",
     {"role|dbx-b", "role|dbx-a"},
     {{.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}"}},
     {.v = excluded_role, .len = 1},
     {0},
     "a=role:dbx-a",
     NULL},
    {"excluded roles, but the one that is named",
     {"role|dbx-b", "role|dbx-a"},
     {{.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}"}, {.object = "dbx-a", .group = "g"}},
     {.v = excluded_roles, .len = 1},
     {0},
     "g=role:dbx-a",
     NULL},
    {"a path is that group alone",
     {"group||t", "group|/t|red", "group|/t/red|x"},
     {{.kind = KB_RULE_PATH, .object = "/t", .group = "g"}},
     {0},
     {0},
     "g=path:/t",
     " /t"},
    {"subgroups: all below, nothing beside",
     {"group||t", "group|/t|red", "group|/t/red|x", "group||t2"},
     {{.kind = KB_RULE_PATH, .object = "/t", .group = "g", .subgroups = true}},
     {0},
     {0},
     "g=path:/t",
     " /t/t/red/t/red/x"},
    {"same name in two branches",
     {"group||a", "group|/a|ml", "group||b", "group|/b|ml"},
     {{.kind = KB_RULE_PATH, .object = "/b/ml", .group = "g"}},
     {0},
     {0},
     "g=path:/b/ml",
     " /b/ml"},
    {"no such path",
     {"group||a", "group|/a|ml"},
     {{.kind = KB_RULE_PATH, .object = "/ml", .group = "g"}},
     {0},
     {0},
     "g=gone",
     " "},
    {"a slash in a name is part of the path",
     {"group||a/b"},
     {{.kind = KB_RULE_PATH, .object = "/a/b", .group = "g"}},
     {0},
     {0},
     "g=path:/a/b",
     NULL},
    {"two groups with one path",
     {"group||a", "group|/a|b", "group||a/b|other"},
     {{.kind = KB_RULE_PATH, .object = "/a/b", .group = "g"},
      {.kind = KB_RULE_PATH, .object = "/a", .group = "h"}},
     {0},
     {0},
     "g?=path:/a/b,path:other;h=path:/a",
     NULL},
    {"two groups with one path, by glob",
     {"group||a", "group|/a|b", "group||a/b|other", "group|/a|c"},
     {{.kind = KB_RULE_PATH_GLOB, .object = "/a/*", .group = "{1}"}},
     {0},
     {0},
     "b?=path:/a/b,path:other;c=path:/a/c",
     NULL},
    {"path glob stays in its level",
     {"group||t", "group|/t|red", "group|/t/red|x", "group|/t|a/b"},
     {{.kind = KB_RULE_PATH_GLOB, .object = "/t/*", .group = "team-{1}"}},
     {0},
     {0},
     "team-red=path:/t/red",
     " /t/red"},
    {"path glob that crosses",
     {"group||t", "group|/t|red", "group|/t/red|x"},
     {{.kind = KB_RULE_PATH_GLOB, .object = "/t/**", .group = "{1}"}},
     {0},
     {0},
     "red=path:/t/red;red/x=path:/t/red/x",
     NULL},
    {"excluded path",
     {"group||t", "group|/t|red", "group|/t/red|x", "group|/t|blue"},
     {{.kind = KB_RULE_PATH_GLOB, .object = "/t/**", .group = "{1}"}},
     {0},
     {.v = excluded_path, .len = 1},
     "blue=path:/t/blue;red/x=path:/t/red/x",
     NULL},
    {"excluded paths, but the one that is named",
     {"group||t", "group|/t|red"},
     {{.kind = KB_RULE_PATH_GLOB, .object = "/t/*", .group = "{1}"},
      {.kind = KB_RULE_PATH, .object = "/t/red", .group = "g"}},
     {0},
     {.v = excluded_paths, .len = 1},
     "g=path:/t/red",
     NULL},
    {"rules of one group, by rule",
     {"role|a", "role|b", "group||t"},
     {{.object = "b", .group = "g"},
      {.kind = KB_RULE_PATH, .object = "/t", .group = "g"},
      {.object = "a", .group = "g"}},
     {0},
     {0},
     "g=role:b,path:/t,role:a",
     NULL},
    {"managed groups by bytes",
     {"role|a"},
     {{.object = "a", .group = "b"}, {.object = "a", .group = "\xc3\xa4"}, {.object = "a", .group = "B"}},
     {0},
     {0},
     "B=role:a;b=role:a;\xc3\xa4=role:a",
     NULL},
    {"protected names are not ours to judge",
     {"role|dbx-admins"},
     {{.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}"}},
     {0},
     {0},
     "admins=role:dbx-admins",
     NULL},
    {"other targets' rules",
     {"role|a", "role|b"},
     {{.object = "a", .group = "g", .targets = {.v = beta, .len = 1}, .create = true},
      {.object = "b", .group = "g", .targets = {.v = acme, .len = 1}}},
     {0},
     {0},
     "g=role:b",
     "b "},
    {"up: composites, and what carries them, and below that",
     {"role|a", "role|b", "client|c|c", "role|d", "comp|b|a", "comp|c:c|b", "comp|a|d", "group||t",
      "group|/t|x", "carry|/t|c:c", "group||u", "carry|/u|d", "group||v", "carry|/v|a"},
     {{.object = "a", .group = "g"}},
     {0},
     {0},
     "g=role:a",
     "abc:c /t/t/x/v"},
    {"up: a cycle and a diamond",
     {"role|a", "role|b", "role|c", "role|d", "comp|b|a", "comp|c|a", "comp|d|b", "comp|d|c", "comp|a|d",
      "comp|a|a"},
     {{.object = "a", .group = "g"}},
     {0},
     {0},
     "g=role:a",
     "abcd "},
};

static void
test_resolve(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(resolve_table); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(4096), wanted = KB_BUF_INIT(4096);
        struct kb_rule list[RULES_MAX];
        struct kb_rules rules;
        struct kb_scope scope = {0};
        struct kb_error err = {0};
        struct kit kit;
        memcpy(list, resolve_table[i].rules, sizeof(list));
        rules = kit_rules(list, RULES_MAX);
        rules.exclude_roles = resolve_table[i].exclude_roles;
        rules.exclude_paths = resolve_table[i].exclude_paths;
        kit_make(&kit, resolve_table[i].lines);
        if (kb_scope_resolve(&rules, "acme", &kit.realm, &scope, &err) != 0)
            fail_msg("case '%s': %s", resolve_table[i].name, err.msg);
        show(&scope, &kit.realm, &got);
        show_wanted(&kit.realm, &wanted);
        if (strcmp(kb_buf_str(&got), resolve_table[i].want) != 0)
            fail_msg("case '%s': %s, not %s", resolve_table[i].name, kb_buf_str(&got), resolve_table[i].want);
        if (resolve_table[i].wanted && strcmp(kb_buf_str(&wanted), resolve_table[i].wanted) != 0)
            fail_msg("case '%s': wanted %s, not %s", resolve_table[i].name, kb_buf_str(&wanted),
                     resolve_table[i].wanted);
        kb_scope_done(&scope);
        kit_done(&kit);
    }
}

static void
test_refused(void **state)
{
    static char longest[300];

    static const struct {
        const char *name;
        const char *lines[LINES_MAX];
        struct kb_rule rules[RULES_MAX];
        const char *want; /* in the message */
    } table[] = {
        {"create",
         {"role|a", "role|b"},
         {{.object = "a", .group = "g"}, {.object = "b", .group = "g", .create = true}},
         "lines 11 and 12 disagree about \"create\" of group \"g\""},
        {"privileged",
         {"role|a", "role|b"},
         {{.object = "a", .group = "g", .privileged = true}, {.object = "b", .group = "g"}},
         "\"privileged\""},
        {"min_members",
         {"role|a", "role|b"},
         {{.object = "a", .group = "g", .min_members = 2}, {.object = "b", .group = "g", .min_members = 3}},
         "\"min_members\""},
        {"foreign",
         {"role|a", "role|b"},
         {{.object = "a", .group = "g", .foreign = KB_FOREIGN_REMOVE}, {.object = "b", .group = "g"}},
         "\"foreign\""},
        {"adopt_external",
         {"role|a", "role|b"},
         {{.object = "a", .group = "g"}, {.object = "b", .group = "g", .adopt_external = true}},
         "\"adopt_external\""},
        {"after {1} was filled in",
         {"role|dbx-a", "role|b"},
         {{.object = "b", .group = "a"},
          {.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}", .create = true}},
         "lines 11 and 12 disagree about \"create\" of group \"a\""},
        {"the third one",
         {"role|a"},
         {{.object = "a", .group = "g"},
          {.object = "a", .group = "g"},
          {.object = "a", .group = "g", .create = true}},
         "lines 11 and 13"},
        {"a rule whose role is gone speaks too",
         {"role|a"},
         {{.object = "b", .group = "g"}, {.object = "a", .group = "g", .create = true}},
         "lines 11 and 12"},
        {"empty name",
         {"role|dbx-"},
         {{.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}"}},
         "line 11: \"dbx-\" gives a group name that is empty"},
        {"name over 255 bytes",
         {"role|dbx-a"},
         {{.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = longest}},
         "over 255 bytes"},
        {"a star that is not there",
         {"role|dbx-a"},
         {{.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{2}"}},
         "line 11"},
    };

    (void) state;
    memset(longest, 'x', 256);
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_rule list[RULES_MAX];
        struct kb_rules rules;
        struct kb_scope scope = {0};
        struct kb_error err = {0};
        struct kit kit;
        memcpy(list, table[i].rules, sizeof(list));
        rules = kit_rules(list, RULES_MAX);
        kit_make(&kit, table[i].lines);
        if (kb_scope_resolve(&rules, "acme", &kit.realm, &scope, &err) != -KB_E_CONFIG)
            fail_msg("case '%s' went through", table[i].name);
        if (!strstr(err.msg, table[i].want))
            fail_msg("case '%s': %s", table[i].name, err.msg);
        kb_scope_done(&scope);
        kit_done(&kit);
    }
}

static void
test_group_takes_its_rule(void **state)
{
    static const char *const lines[] = {"role|a", NULL};
    struct kb_rule list[2] = {{.object = "a",
                               .group = "g",
                               .create = true,
                               .privileged = true,
                               .adopt_external = true,
                               .min_members = 2,
                               .foreign = KB_FOREIGN_REMOVE}};
    struct kb_rules rules = kit_rules(list, 2);
    struct kb_scope scope = {0};
    struct kb_error err;
    struct kit kit;

    (void) state;
    kit_make(&kit, lines);
    assert_int_equal(kb_scope_resolve(&rules, "acme", &kit.realm, &scope, &err), 0);
    assert_true(scope.managed[0].create && scope.managed[0].privileged && scope.managed[0].adopt_external);
    assert_int_equal(scope.managed[0].min_members, 2);
    assert_int_equal(scope.managed[0].foreign, KB_FOREIGN_REMOVE);
    kb_scope_done(&scope);
    kit_done(&kit);
}

static void
test_wanted_adds_up(void **state)
{
    static const char *const lines[] = {"role|a", "role|b", "role|c", NULL};
    struct kb_rule list[3] = {{.object = "a", .group = "g", .targets = {.v = acme, .len = 1}},
                              {.object = "b", .group = "g", .targets = {.v = beta, .len = 1}}};
    struct kb_rules rules = kit_rules(list, 3);
    struct kb_scope scope = {0}, other = {0};
    struct kb_error err;
    struct kit kit;

    (void) state;
    kit_make(&kit, lines);
    assert_int_equal(kb_scope_resolve(&rules, "acme", &kit.realm, &scope, &err), 0);
    assert_int_equal(kb_scope_resolve(&rules, "beta", &kit.realm, &other, &err), 0);
    assert_true(kit.realm.roles[0].wanted && kit.realm.roles[1].wanted && !kit.realm.roles[2].wanted);
    kb_scope_done(&scope);
    kb_scope_done(&other);
    kit_done(&kit);
}

/* Both ways deep: a thousand composites, and a thousand groups one below the other. */
static void
test_depth(void **state)
{
    static const char *const none[] = {NULL};
    struct kb_rule list[2] = {{.object = "r0", .group = "g"}};
    struct kb_rules rules = kit_rules(list, 2);
    struct kb_scope scope = {0};
    struct kb_error err;
    struct kit kit;
    char line[64];

    (void) state;
    kit_make(&kit, none);
    for (int i = 0; i < 1000; i++) {
        (void) snprintf(line, sizeof(line), "role|r%d", i);
        kit_line(&kit, line);
        (void) snprintf(line, sizeof(line), "comp|r%d|r%d", i, i - 1);
        if (i)
            kit_line(&kit, line);
        kb_realm_group_add(&kit.realm, line);
        kit.realm.groups[i].parent = i ? (uint32_t) i - 1 : KB_NONE;
    }
    assert_true(kb_u32s_add(&kit.realm.groups[0].roles, 999));
    assert_int_equal(kb_scope_resolve(&rules, "acme", &kit.realm, &scope, &err), 0);
    for (int i = 0; i < 1000; i++)
        assert_true(kit.realm.roles[i].wanted && kit.realm.groups[i].wanted);
    kb_scope_done(&scope);
    kit_done(&kit);
}

static void
test_keep(void **state)
{
    static const struct {
        const char *name;
        struct kb_rule rule;
        const char *group;
        bool want;
    } table[] = {
        {"managed already", {.object = "a", .group = "m"}, "m", true},
        {"named by nothing", {.object = "a", .group = "x"}, "y", false},
        {"role came back", {.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}"}, "gone", true},
        {"with a frame", {.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "team-{1}"}, "team-x", true},
        {"without the frame",
         {.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "team-{1}"},
         "x",
         false},
        {"the role is excluded", {.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}"}, "b", false},
        {"a path cannot hold a slash",
         {.kind = KB_RULE_PATH_GLOB, .object = "/t/*", .group = "{1}"},
         "a/b",
         false},
        {"a path that crosses may",
         {.kind = KB_RULE_PATH_GLOB, .object = "/t/**", .group = "{1}"},
         "a/b",
         true},
        {"the path is excluded", {.kind = KB_RULE_PATH_GLOB, .object = "/t/*", .group = "{1}"}, "red", false},
        {"one name of many objects",
         {.kind = KB_RULE_ROLE_GLOB, .object = "q*", .group = "all"},
         "all",
         true},
        {"two stars, one told", {.kind = KB_RULE_ROLE_GLOB, .object = "*-*", .group = "{2}"}, "x", true},
        {"two stars in either cut",
         {.kind = KB_RULE_ROLE_GLOB, .object = "*_*", .group = "{2}-{1}"},
         "a-b-c",
         true},
        {"the same star twice", {.kind = KB_RULE_ROLE_GLOB, .object = "d*", .group = "{1}{1}"}, "abab", true},
        {"an exact rule names it elsewhere",
         {.object = "a", .group = "g", .targets = {.v = beta, .len = 1}},
         "g",
         false},
        {"a glob of another target",
         {.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "{1}", .targets = {.v = beta, .len = 1}},
         "x",
         false},
    };

    static const char *const lines[] = {"role|a", "role|z", NULL};

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_rule list[4] = {
            {.object = "a", .group = "m"}, table[i].rule, {.object = "z", .group = "z"}};
        struct kb_rules rules = kit_rules(list, 4);
        struct kb_scope scope = {0};
        struct kb_error err = {0};
        struct kit kit;
        uint32_t before;
        int r;
        rules.exclude_roles = (struct kb_strings){.v = excluded_role, .len = 1};
        rules.exclude_paths = (struct kb_strings){.v = excluded_path, .len = 1};
        kit_make(&kit, lines);
        assert_int_equal(kb_scope_resolve(&rules, "acme", &kit.realm, &scope, &err), 0);
        before = scope.managed_len;
        r = kb_scope_keep(&rules, "acme", table[i].group, &scope, &err);
        if (r != table[i].want)
            fail_msg("case '%s': %d", table[i].name, r);
        if (i == 0)
            assert_int_equal(scope.managed_len, before);
        for (uint32_t m = 0, b = 0; m < scope.managed_len; m++) { /* still sorted, still whole */
            assert_true(!m || strcmp(scope.managed[m - 1].name, scope.managed[m].name) < 0);
            assert_int_equal(scope.managed[m].bindings_start, b);
            assert_true(scope.managed[m].bindings_len > 0);
            for (uint32_t k = 0; k < scope.managed[m].bindings_len; k++, b++)
                assert_int_equal(scope.bindings[b].managed, m);
            if (!strcmp(scope.managed[m].name, table[i].group) && i > 0)
                assert_true(table[i].want && scope.bindings[b - 1].gone);
        }
        assert_int_equal(kb_scope_keep(&rules, "acme", table[i].group, &scope, &err), r);
        kb_scope_done(&scope);
        kit_done(&kit);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_group_takes_its_rule),
        cmocka_unit_test(test_wanted_adds_up),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_keep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
