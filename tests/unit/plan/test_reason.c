#include "desired_kit.h"

#include "reconciler/plan/reason.h"

#define LINES_MAX 24

/* "RULE OBJECT < via < via; …"; a path is marked with '='. */
static void
show(const struct kb_plan *plan, uint32_t start, uint32_t len, struct kb_buf *ret)
{
    for (uint32_t i = start; i < start + len; i++) {
        const struct kb_reason *reason = &plan->reasons[i];
        kb_buf_addf(ret, "%s%u%s%s", i > start ? "; " : "", reason->rule, reason->is_path ? "=" : " ",
                    kb_plan_str(plan, reason->object));
        for (uint32_t k = 0; k < reason->via_len; k++)
            kb_buf_addf(ret, " < %s", kb_plan_str(plan, plan->via[reason->via_start + k]));
    }
}

static void
test_paths(void **state)
{
    static const struct {
        const char *name;
        const char *lines[LINES_MAX];
        struct kb_rule rules[RULES_MAX];
        const char *want;
    } table[] = {
        {"not in the group", {"role|a", "role|b", "user|u", "hold|u|b"}, {{.object = "a", .group = "g"}}, ""},
        {"holds the role", {"role|a", "user|u", "hold|u|a"}, {{.object = "a", .group = "g"}}, "1 a"},
        {"a group carries it",
         {"role|a", "group||t", "user|u", "carry|/t|a", "in|u|/t"},
         {{.object = "a", .group = "g"}},
         "1 a < group /t"},
        {"a group above carries it: his own first",
         {"role|a", "group||t", "group|/t|x", "group|/t/x|y", "user|u", "carry|/t|a", "in|u|/t/x/y"},
         {{.object = "a", .group = "g"}},
         "1 a < group /t/x/y < group /t"},
        {"composite: from the role he holds to the rule's",
         {"role|a", "role|b", "role|c", "comp|b|a", "comp|c|b", "user|u", "hold|u|c"},
         {{.object = "a", .group = "g"}},
         "1 a < role c < role b"},
        {"composite, group, client role",
         {"role|a", "client|app|x", "comp|app:x|a", "group||t", "group|/t|y", "carry|/t|app:x", "user|u",
          "in|u|/t/y"},
         {{.object = "a", .group = "g"}},
         "1 a < group /t/y < group /t < role app:x"},
        {"a client role rule",
         {"client|app|x", "user|u", "hold|u|app:x"},
         {{.kind = KB_RULE_CLIENT_ROLE, .client = "app", .object = "x", .group = "g"}},
         "1 app:x"},
        {"a glob names what it fitted",
         {"role|dbx-a", "user|u", "hold|u|dbx-a"},
         {{.kind = KB_RULE_ROLE_GLOB, .object = "dbx-*", .group = "g"}},
         "1 dbx-a"},
        {"a path",
         {"group||t", "user|u", "in|u|/t"},
         {{.kind = KB_RULE_PATH, .object = "/t", .group = "g"}},
         "1=/t"},
        {"a path, from below",
         {"group||t", "group|/t|x", "user|u", "in|u|/t/x"},
         {{.kind = KB_RULE_PATH, .object = "/t", .group = "g", .subgroups = true}},
         "1=/t < group /t/x"},
        {"a path, from below, but not asked for",
         {"group||t", "group|/t|x", "user|u", "in|u|/t/x"},
         {{.kind = KB_RULE_PATH, .object = "/t", .group = "g"}},
         ""},
        {"a path glob",
         {"group||t", "group|/t|x", "user|u", "in|u|/t/x"},
         {{.kind = KB_RULE_PATH_GLOB, .object = "/t/*", .group = "g"}},
         "1=/t/x"},
        {"shortest first, then by bytes of object, then of via",
         {"role|a", "role|b", "comp|b|a", "group||t", "group||s", "carry|/t|a", "carry|/s|a", "user|u",
          "hold|u|b", "in|u|/t", "in|u|/s", "hold|u|a"},
         {{.object = "a", .group = "g"}, {.kind = KB_RULE_PATH, .object = "/t", .group = "g"}},
         "2=/t; 1 a; 1 a < group /s; 1 a < group /t; 1 a < role b"},
        {"shorter path through the later name",
         {"role|a", "role|b", "role|c", "role|z", "comp|b|a", "comp|c|b", "comp|z|a", "user|u", "hold|u|c",
          "hold|u|z"},
         {{.object = "a", .group = "g"}},
         "1 a < role z; 1 a < role c < role b"},
        {"two rules, one object: by rule",
         {"role|a", "user|u", "hold|u|a"},
         {{.object = "a", .group = "g"}, {.kind = KB_RULE_ROLE_GLOB, .object = "*", .group = "g"}},
         "1 a; 2 a"},
        {"a diamond is two paths",
         {"role|a", "role|b", "role|c", "role|d", "comp|b|a", "comp|c|a", "comp|d|c", "comp|d|b", "user|u",
          "hold|u|d"},
         {{.object = "a", .group = "g"}},
         "1 a < role d < role b; 1 a < role d < role c"},
        {"a cycle is walked once",
         {"role|a", "role|b", "role|c", "comp|b|a", "comp|a|b", "comp|b|c", "comp|c|b", "comp|b|b", "user|u",
          "hold|u|c"},
         {{.object = "a", .group = "g"}},
         "1 a < role c < role b"},
        {"no way through the goal and back",
         {"role|a", "role|b", "comp|b|a", "comp|a|b", "user|u", "hold|u|a"},
         {{.object = "a", .group = "g"}},
         "1 a"},
        {"two groups that read the same are said once",
         {"role|a", "group||t", "group||t|twin", "carry|/t|a", "carry|twin|a", "user|u", "in|u|/t",
          "in|u|twin"},
         {{.object = "a", .group = "g"}},
         "1 a < group /t"},
        {"roles that lead elsewhere are not mentioned",
         {"role|a", "role|b", "role|z", "comp|b|a", "comp|b|z", "user|u", "hold|u|b", "hold|u|z"},
         {{.object = "a", .group = "g"}},
         "1 a < role b"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(4096);
        struct kb_plan plan = {0};
        struct kb_error err = {0};
        uint32_t start = KB_NONE, len = KB_NONE;
        struct made m;
        make(&m, table[i].lines, table[i].rules, NULL, (struct kb_strings){0});
        if (kb_reason_add(&m.scope, &m.kit.realm, 0, kit_user(&m.kit, "u"), &plan, &start, &len, &err) != 0)
            fail_msg("case '%s': %s", table[i].name, err.msg);
        show(&plan, start, len, &got);
        if (strcmp(kb_buf_str(&got), table[i].want) != 0)
            fail_msg("case '%s': \"%s\", not \"%s\"", table[i].name, kb_buf_str(&got), table[i].want);
        assert_int_equal(m.desired.groups[0].users.len, len > 0);
        kb_plan_done(&plan);
        done(&m);
    }
}

/* Ten layers of ten roles, each containing the whole next layer: 10^10 paths. The first sixteen, at once. */
static void
test_many_paths(void **state)
{
    static const char *const none[] = {NULL};
    struct kb_rule list[2] = {{.object = "goal", .group = "g"}};
    struct kb_rules rules = kit_rules(list, 2);
    KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(65536);
    struct kb_plan plan = {0};
    struct kb_scope scope = {0};
    struct kb_error err = {0};
    uint32_t start, len;
    struct kit kit;
    char line[64];

    (void) state;
    kit_make(&kit, none);
    kit_line(&kit, "role|goal");
    kit_line(&kit, "user|u");
    for (int layer = 0; layer < 10; layer++) {
        for (int i = 9; i >= 0; i--) {
            (void) snprintf(line, sizeof(line), "role|l%d-%d", layer, i);
            kit_line(&kit, line);
        }
        for (int i = 0; i < 100; i++) {
            (void) snprintf(line, sizeof(line), "comp|l%d-%d|l%d-%d", layer, i % 10, layer - 1, i / 10);
            if (layer)
                kit_line(&kit, line);
        }
    }
    for (int i = 0; i < 10; i++) {
        (void) snprintf(line, sizeof(line), "comp|l0-%d|goal", i);
        kit_line(&kit, line);
        (void) snprintf(line, sizeof(line), "hold|u|l9-%d", i);
        kit_line(&kit, line);
    }
    assert_int_equal(kb_scope_resolve(&rules, "acme", &kit.realm, &scope, &err), 0);
    assert_int_equal(kb_reason_add(&scope, &kit.realm, 0, kit_user(&kit, "u"), &plan, &start, &len, &err), 0);
    assert_int_equal(len, KB_REASON_PATHS_MAX);
    show(&plan, start, 1, &got);
    assert_string_equal(kb_buf_str(&got),
                        "1 goal < role l9-0 < role l8-0 < role l7-0 < role l6-0 < role l5-0 < role l4-0"
                        " < role l3-0 < role l2-0 < role l1-0 < role l0-0");
    kb_buf_clear(&got);
    show(&plan, start + 15, 1, &got);
    assert_non_null(strstr(kb_buf_str(&got), "role l2-0 < role l1-1 < role l0-5"));
    kb_plan_done(&plan);
    kb_scope_done(&scope);
    kit_done(&kit);
}

static void
test_depth(void **state)
{
    static const char *const none[] = {NULL};
    struct kb_rule list[2] = {{.object = "r0", .group = "g"}};
    struct kb_rules rules = kit_rules(list, 2);
    struct kb_plan plan = {0};
    struct kb_scope scope = {0};
    struct kb_error err = {0};
    uint32_t start, len;
    struct kit kit;
    char line[64];

    (void) state;
    kit_make(&kit, none);
    kit_line(&kit, "user|u");
    for (int i = 0; i < 1000; i++) {
        (void) snprintf(line, sizeof(line), "role|r%d", i);
        kit_line(&kit, line);
        (void) snprintf(line, sizeof(line), "comp|r%d|r%d", i, i - 1);
        if (i)
            kit_line(&kit, line);
    }
    kit_line(&kit, "hold|u|r999");
    assert_int_equal(kb_scope_resolve(&rules, "acme", &kit.realm, &scope, &err), 0);
    assert_int_equal(kb_reason_add(&scope, &kit.realm, 0, 0, &plan, &start, &len, &err), 0);
    assert_int_equal(len, 1);
    assert_int_equal(plan.reasons[start].via_len, 999);
    assert_string_equal(kb_plan_str(&plan, plan.via[0]), "role r999");
    assert_string_equal(kb_plan_str(&plan, plan.via[998]), "role r1");
    kb_plan_done(&plan);
    kb_scope_done(&scope);
    kit_done(&kit);
}

/* One index, many questions, also about other groups in between, into one plan. */
static void
test_index(void **state)
{
    static const char *const lines[] = {"role|a",     "role|b",  "group||t", "user|u",   "user|v",
                                        "carry|/t|a", "in|u|/t", "hold|v|a", "hold|u|b", NULL};
    static const struct kb_rule rules[RULES_MAX] = {{.object = "a", .group = "g"},
                                                    {.object = "b", .group = "h"}};
    KB_CLEANUP(kb_reason_index) struct kb_reason_index *index = NULL;

    static const struct {
        uint32_t managed;
        const char *user, *want;
    } questions[] = {{0, "u", "1 a < group /t"},
                     {1, "u", "2 b"},
                     {0, "v", "1 a"},
                     {1, "v", ""},
                     {0, "u", "1 a < group /t"}};
    struct kb_plan plan = {0};
    struct kb_error err = {0};
    struct made m;

    (void) state;
    make(&m, lines, rules, NULL, (struct kb_strings){0});
    assert_int_equal(kb_reason_index_new(&m.scope, &m.kit.realm, &index, &err), 0);
    for (size_t i = 0; i < KB_LEN(questions); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(4096);
        uint32_t start, len;
        assert_int_equal(kb_reason_find(index, questions[i].managed, kit_user(&m.kit, questions[i].user),
                                        &plan, &start, &len, &err),
                         0);
        show(&plan, start, len, &got);
        assert_string_equal(kb_buf_str(&got), questions[i].want);
    }
    assert_int_equal(plan.reasons[0].object, plan.reasons[3].object); /* said once in the pool */
    assert_int_equal(plan.via[0], plan.via[1]);
    kb_plan_done(&plan);
    done(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_many_paths),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
