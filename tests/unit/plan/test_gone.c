/* tests/unit/plan/test_gone.c: what is missing behind a group, what it is called now, and what is remembered. */
#include "realm_kit.h"

#include "reconciler/plan/gone.h"

#define RULES_MAX 3

/* The managed group is always "g". What is known: "RULE|ID|NAME", RULE from 1, 0 a rule that the configuration
 * does not have. `remembered`: "ID=NAME" of each row afterwards. */
static const struct {
    const char *about, *lines[8];
    struct kb_rule rules[RULES_MAX];
    const char *known[6];
    bool exclude_b;
    const char *note, *remembered;
} table[] = {

#define ROLE(o)                     \
    {                               \
        .object = (o), .group = "g" \
    }
#define GLOB(o)                                                  \
    {                                                            \
        .kind = KB_RULE_ROLE_GLOB, .object = (o), .group = "{1}" \
    }
#define PATH(o)                                           \
    {                                                     \
        .kind = KB_RULE_PATH, .object = (o), .group = "g" \
    }
#define PATHS(o)                                                 \
    {                                                            \
        .kind = KB_RULE_PATH_GLOB, .object = (o), .group = "{1}" \
    }
#define CLIENT(o)                                                               \
    {                                                                           \
        .kind = KB_RULE_CLIENT_ROLE, .client = "c", .object = (o), .group = "g" \
    }
    {"all there", {"role|a"}, {ROLE("a")}, {"1|a|a"}, false, NULL, "a=a"},
    {"nothing known", {"role|a"}, {ROLE("a")}, {NULL}, false, NULL, "a=a"},
    {"gone, nothing known", {"role|b"}, {ROLE("a")}, {NULL}, false, "role a", ""},
    {"gone, the id too", {"role|b"}, {ROLE("a")}, {"1|x|a"}, false, "role a", "x=a"},
    {"renamed", {"role|b"}, {ROLE("a")}, {"1|b|a"}, false, "role a, renamed to b", "b=a"},
    {"renamed, another rule's memory", {"role|b"}, {ROLE("a")}, {"0|b|a"}, false, "role a", ""},
    {"made again under the old name", {"role|a", "role|b"}, {ROLE("a")}, {"1|b|a"}, false, NULL, "a=a"},
    {"two rules, one renamed",
     {"role|b", "role|z"},
     {ROLE("a"), ROLE("z")},
     {"1|b|a", "2|z|z"},
     false,
     "role a, renamed to b",
     "b=a z=z"},
    {"a client role",
     {"client|c|b"},
     {CLIENT("a")},
     {"1|c:b|c:a"},
     false,
     "role c:a, renamed to c:b",
     "c:b=c:a"},
    {"a client role's id is no group's",
     {"group||a|c:b"},
     {CLIENT("a")},
     {"1|c:b|c:a"},
     false,
     "role c:a",
     "c:b=c:a"},
    {"a path", {"group||b|id"}, {PATH("/a")}, {"1|id|/a"}, false, "path /a, renamed to /b", "id=/a"},
    {"a path moved",
     {"group||x|up", "group|up|a|id"},
     {PATH("/a")},
     {"1|id|/a"},
     false,
     "path /a, renamed to /x/a",
     "id=/a"},
    {"a role's id is no group's", {"role|id"}, {PATH("/a")}, {"1|id|/a"}, false, "path /a", "id=/a"},
    {"roles unread", {"role|b", "read|all roles|-|suspect"}, {ROLE("a")}, {"1|b|a"}, false, NULL, "b=a"},
    {"client roles unread",
     {"client|c|b", "read|clients|-|denied"},
     {CLIENT("a")},
     {"1|c:b|c:a"},
     false,
     NULL,
     "c:b=c:a"},
    {"groups unread",
     {"group||b|id", "read|all groups|-|failed"},
     {PATH("/a")},
     {"1|id|/a"},
     false,
     NULL,
     "id=/a"},
    {"a glob, all there",
     {"role|g-a", "role|g-b"},
     {GLOB("*-*")},
     {"1|g-a|g-a", "1|g-b|g-b"},
     false,
     NULL,
     "g-a=g-a g-b=g-b"},
    {"a glob, one more",
     {"role|g-a", "role|g-b"},
     {GLOB("*-*")},
     {"1|g-a|g-a"},
     false,
     NULL,
     "g-a=g-a g-b=g-b"},
    {"a glob lost one", {"role|g-a"}, {GLOB("*-*")}, {"1|g-a|g-a", "1|x|g-b"}, false, "role g-b", "g-a=g-a"},
    {"a glob lost one to a new name",
     {"role|g-a", "role|b"},
     {GLOB("*-*")},
     {"1|g-a|g-a", "1|b|g-b"},
     false,
     "role g-b, renamed to b",
     "g-a=g-a"},
    {"a new name that gives another group",
     {"role|g-a", "role|h-b"},
     {GLOB("*-*")},
     {"1|g-a|g-a", "1|h-b|g-b"},
     false,
     "role g-b, renamed to h-b",
     "g-a=g-a"},
    {"a new name that gives this group",
     {"role|g-a", "role|g-c"},
     {GLOB("*-*")},
     {"1|g-a|g-a", "1|g-c|g-b"},
     false,
     NULL,
     "g-a=g-a g-c=g-c"},
    {"left out by the configuration",
     {"role|g-a", "role|g-b"},
     {GLOB("*-*")},
     {"1|g-a|g-a", "1|g-b|g-b"},
     true,
     NULL,
     "g-a=g-a"},
    {"left out, and renamed before",
     {"role|g-a", "role|g-b"},
     {GLOB("*-*")},
     {"1|g-a|g-a", "1|g-b|g-old"},
     true,
     "role g-old, renamed to g-b",
     "g-a=g-a"},
    {"a glob lost one, roles unread",
     {"role|g-a", "read|all roles|-|pending"},
     {GLOB("*-*")},
     {"1|g-a|g-a", "1|x|g-b"},
     false,
     NULL,
     "g-a=g-a"},
    {"a glob lost all, another rule stays",
     {"role|z", "role|b"},
     {GLOB("*-*"), ROLE("z")},
     {"1|b|g-b", "2|z|z"},
     false,
     "role g-b, renamed to b",
     "z=z"},
    {"a glob lost all, kept by the ledger",
     {"role|b"},
     {GLOB("*-*")},
     {"1|b|g-b"},
     false,
     "role g-b, renamed to b",
     "b=g-b"},
    {"kept by the ledger, nothing known",
     {"role|b"},
     {GLOB("*-*")},
     {NULL},
     false,
     "what matched role *-*",
     ""},
    {"kept by the ledger, a path",
     {"group||b|id"},
     {PATHS("/*")},
     {"1|id|/g"},
     false,
     "path /g, renamed to /b",
     "id=/g"},
    {"many",
     {"role|g-a"},
     {GLOB("*-*")},
     {"1|1|g-1", "1|2|g-2", "1|3|g-3", "1|4|g-4", "1|5|g-5"},
     false,
     "role g-1; role g-2; role g-3; and 2 more",
     "g-a=g-a"},
    {"two rules, both gone", {"role|b"}, {ROLE("a"), PATH("/a")}, {NULL}, false, "role a; path /a", ""},
};

static void
know(struct kb_known *known, const struct kb_rules *rules, const char *row)
{
    struct kit_fields f;
    KB_CLEANUP(kb_free) char *text = NULL;

    kit_split(row, &f);
    if (*f.v[0] != '0')
        text = kb_rule_text(&rules->rules[*f.v[0] - '1']);
    assert_true(kb_known_add(known, "g", text ? text : "role=edited group=g", f.v[1], f.v[2]));
    assert_true(kb_known_add(known, "f", text ? text : "role=edited group=f", "other", "other"));
    assert_true(kb_known_add(known, "h", text ? text : "role=edited group=h", "other", "other"));
}

static uint32_t
managed_row(const struct kb_scope *scope)
{
    for (uint32_t i = 0; i < scope->managed_len; i++) {
        if (!strcmp(scope->managed[i].name, "g"))
            return i;
    }
    fail_msg("no group g");
    return 0;
}

static void
show(struct kb_known *known, struct kb_buf *ret)
{
    kb_known_sort(known);
    for (uint32_t i = 0; i < known->len; i++) {
        assert_string_equal(kb_known_str(known, known->v[i].managed), "g");
        kb_buf_addf(ret, "%s%s=%s", i ? " " : "", kb_known_str(known, known->v[i].id),
                    kb_known_str(known, known->v[i].name));
    }
}

static void
test_notes(void **state)
{
    char b[] = "g-b", *excluded[] = {b};

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        struct kb_rule list[RULES_MAX];
        struct kb_rules rules;
        struct kb_scope scope = {0};
        struct kb_known known = {0}, after = {0};
        struct kb_error err = {0};
        struct kit kit;
        KB_CLEANUP(kb_free) char *note = NULL;
        KB_CLEANUP(kb_buf) struct kb_buf shown = KB_BUF_INIT(4096);
        memcpy(list, table[i].rules, sizeof(list));
        rules = kit_rules(list, RULES_MAX);
        if (table[i].exclude_b)
            rules.exclude_roles = (struct kb_strings){.v = excluded, .len = 1};
        kit_make(&kit, table[i].lines);
        assert_int_equal(kb_scope_resolve(&rules, "acme", &kit.realm, &scope, &err), 0);
        assert_int_equal(kb_scope_keep(&rules, "acme", "g", &scope, &err), 1);
        for (size_t k = 0; table[i].known[k]; k++)
            know(&known, &rules, table[i].known[k]);
        assert_true(kb_known_resolve(&known, &rules, "acme"));
        kb_known_sort(&known);
        scope.known = table[i].known[0] ? &known : NULL;
        assert_int_equal(kb_gone_note(&scope, &kit.realm, managed_row(&scope), &note, &err), 0);
        if (!note != !table[i].note || (note && strcmp(note, table[i].note) != 0))
            fail_msg("%s: got \"%s\"", table[i].about, note ? note : "(nothing)");
        assert_int_equal(kb_gone_remember(&scope, &kit.realm, managed_row(&scope), &after, &err), 0);
        show(&after, &shown);
        if (strcmp(kb_buf_str(&shown), table[i].remembered) != 0)
            fail_msg("%s: remembered \"%s\"", table[i].about, kb_buf_str(&shown));
        kb_known_done(&known);
        kb_known_done(&after);
        kb_scope_done(&scope);
        kit_done(&kit);
    }
}

/* Order and doubles do not matter, anything else does. */
static void
test_known(void **state)
{
    struct kb_known a = {0}, b = {0};

    (void) state;
    assert_true(kb_known_equal(&a, &b));
    assert_int_equal(kb_known_first(&a, "g"), 0);
    assert_true(kb_known_add(&a, "g", "r", "2", "b") && kb_known_add(&a, "g", "r", "1", "a") &&
                kb_known_add(&a, "f", "r", "1", "a") && kb_known_add(&a, "g", "r", "2", "b"));
    assert_true(kb_known_add(&b, "f", "r", "1", "a") && kb_known_add(&b, "g", "r", "1", "a") &&
                kb_known_add(&b, "g", "r", "2", "b"));
    kb_known_sort(&a);
    kb_known_sort(&b);
    assert_int_equal(a.len, 3);
    assert_true(kb_known_equal(&a, &b));
    assert_int_equal(kb_known_first(&a, "g"), 1);
    assert_int_equal(kb_known_first(&a, "e"), 3);
    assert_int_equal(kb_known_first(&a, "h"), 3);
    kb_known_done(&b);
    assert_false(kb_known_equal(&a, &b));
    assert_true(kb_known_add(&b, "f", "r", "1", "a") && kb_known_add(&b, "g", "r", "1", "a") &&
                kb_known_add(&b, "g", "r", "2", "new"));
    assert_false(kb_known_equal(&a, &b));
    kb_known_done(&a);
    kb_known_done(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_notes), cmocka_unit_test(test_known)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
