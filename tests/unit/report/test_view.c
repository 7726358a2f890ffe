/* The words of the reports, one by one. */
#include "tests/unit/report/plan_kit.h"

#include "reconciler/plan/file.h"
#include "reconciler/plan/recount.h"

static void
test_name(void **state)
{
    static const struct {
        const char *name, *open, *masked;
    } cases[] = {
        {"", "", "***"},
        {"a", "a", "a***"},
        {"ada", "ada", "a***"},
        {"ada@acme.example", "ada@acme.example", "a***@***.example"},
        {"Ada Okafor", "Ada Okafor", "A***"},
        {"ada.okafor@localhost", "ada.okafor@localhost", "a***@***"}, /* the dot is not the domain's */
        {"ada.okafor", "ada.okafor", "a***"},
        {"a@b@c.d", "a@b@c.d", "a***@***.d"},
        {"@acme.example", "@acme.example", "@***@***.example"},
        {"ada@", "ada@", "a***@***"},
        {"\xc3\x85sa@x.se", "\xc3\x85sa@x.se", "\xc3\x85***@***.se"},
        {"\xe5\xb1\xb1\xe7\x94\xb0", "\xe5\xb1\xb1\xe7\x94\xb0", "\xe5\xb1\xb1***"},
        {"\xf0\x9f\x94\x91key", "\xf0\x9f\x94\x91key", "\xf0\x9f\x94\x91***"},
        {"\033[1m", "\\x1B[1m", "\\x1B***"},
        {RLO "ada@x.\033", "\\u{202E}ada@x.\\x1B", "\\u{202E}***@***.\\x1B"},
        {"\xff\xfe", "\\xFF\\xFE", "\\xFF***"},
        {"\xc3", "\\xC3", "\\xC3***"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf open = KB_BUF_INIT(1000), masked = KB_BUF_INIT(1000);
        view_name(cases[i].name, false, &open);
        view_name(cases[i].name, true, &masked);
        if (strcmp(kb_buf_str(&open), cases[i].open) != 0 ||
            strcmp(kb_buf_str(&masked), cases[i].masked) != 0)
            fail_msg("case %zu: '%s' and '%s'", i, kb_buf_str(&open), kb_buf_str(&masked));
    }
}

static void
test_note(void **state)
{
    static const struct {
        const char *note, *open, *masked;
    } cases[] = {
        {"", "", ""},
        {"HTTP 500", "HTTP 500", "HTTP 500"},
        {"now ada@acme.example", "now ada@acme.example", "now a***@***.example"},
        {"a@b.c and d@e.f,  two", "a@b.c and d@e.f,  two", "a***@***.c and d***@***.f,  two"},
        {" led by a blank ", " led by a blank ", " led by a blank "},
        {"bad\033 x@y.z\n", "bad\\x1B x@y.z\\x0A", "bad\\x1B x***@***.z\\x0A"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf open = KB_BUF_INIT(1000), masked = KB_BUF_INIT(1000);
        view_note(cases[i].note, false, &open);
        view_note(cases[i].note, true, &masked);
        if (strcmp(kb_buf_str(&open), cases[i].open) != 0 ||
            strcmp(kb_buf_str(&masked), cases[i].masked) != 0)
            fail_msg("case %zu: '%s' and '%s'", i, kb_buf_str(&open), kb_buf_str(&masked));
    }
}

/* Where a group stands: by what is tripped and not approved in it. */
static void
test_section(void **state)
{
    static const struct {
        const char *name;

        struct {
            enum kb_guard_id id;
            bool tripped, approved;
        } guards[2];
        enum view_section want;
    } cases[] = {
        {"none tripped",
         {{KB_GUARD_MIN_MEMBERS, false, false}, {KB_GUARD_PRIVILEGED_ADDITIONS, false, false}},
         VIEW_CHANGES},
        {"privileged",
         {{KB_GUARD_MIN_MEMBERS, false, false}, {KB_GUARD_PRIVILEGED_ADDITIONS, true, false}},
         VIEW_PRIVILEGED},
        {"privileged, approved",
         {{KB_GUARD_MIN_MEMBERS, false, false}, {KB_GUARD_PRIVILEGED_ADDITIONS, true, true}},
         VIEW_CHANGES},
        {"held",
         {{KB_GUARD_MIN_MEMBERS, true, false}, {KB_GUARD_PRIVILEGED_ADDITIONS, false, false}},
         VIEW_HELD},
        {"both",
         {{KB_GUARD_MIN_MEMBERS, true, false}, {KB_GUARD_PRIVILEGED_ADDITIONS, true, false}},
         VIEW_HELD},
        {"held, approved",
         {{KB_GUARD_MIN_MEMBERS, true, true}, {KB_GUARD_PRIVILEGED_ADDITIONS, false, false}},
         VIEW_CHANGES},
        {"held approved, privileged not",
         {{KB_GUARD_MIN_MEMBERS, true, true}, {KB_GUARD_PRIVILEGED_ADDITIONS, true, false}},
         VIEW_PRIVILEGED},
        {"privileged approved, held not",
         {{KB_GUARD_NEVER_EMPTY_FROM, true, false}, {KB_GUARD_PRIVILEGED_ADDITIONS, true, true}},
         VIEW_HELD},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct kb_plan p;
        kit_plan(&p);
        (void) kit_guard(&p, KB_GUARD_MAX_REMOVALS_TOTAL, 1, 0); /* a run guard moves no group */
        (void) kit_group(&p, "before", 1, 1);
        (void) kit_guard(&p, KB_GUARD_MIN_MEMBERS, 1, 2); /* nor does that of another group */
        (void) kit_group(&p, "g", 1, 1);
        for (size_t k = 0; k < 2; k++) {
            struct kb_plan_guard *g = kit_guard(&p, cases[i].guards[k].id, 1, 2);
            g->tripped = cases[i].guards[k].tripped;
            g->approved = cases[i].guards[k].approved;
        }
        if (view_section_of(&p, &p.groups[1]) != cases[i].want)
            fail_msg("%s: section %u", cases[i].name, (unsigned) view_section_of(&p, &p.groups[1]));
        assert_int_equal(view_section_of(&p, &p.groups[0]), VIEW_HELD);
        kb_plan_done(&p);
    }
}

/* Held by a guard over everything alone: said above the groups; by a guard of its group too: said at the person. */
static void
test_held_by_run(void **state)
{
    struct kb_plan p;
    struct kb_plan_op *op;
    (void) state;
    kit_plan(&p);
    (void) kit_guard(&p, KB_GUARD_MAX_REMOVALS_TOTAL, 1, 0);
    (void) kit_group(&p, "g", 2, 1);
    (void) kit_guard(&p, KB_GUARD_MIN_MEMBERS, 1, 2);
    op = kit_op(&p, KB_OP_REMOVE, KB_CAUSE_REVOKED, "ada", NULL);
    assert_false(view_held_by_run(&p, op));
    kit_hold(&p, op, KB_GUARD_MAX_REMOVALS_TOTAL);
    assert_true(view_held_by_run(&p, op));
    kit_hold(&p, op, KB_GUARD_MIN_MEMBERS);
    assert_false(view_held_by_run(&p, op));
    op->held_by = 0;
    assert_false(view_held_by_run(&p, op));
    assert_int_equal(view_count(&p, &p.groups[0], KB_OP_REMOVE), 1);
    assert_int_equal(view_count(&p, &p.groups[0], KB_OP_ADD), 0);
    kb_plan_done(&p);
}

static void
test_formats(void **state)
{
    static const char *const names[REPORT_FORMAT_MAX_] = {"text", "markdown", "html", "json", "csv"};
    static const char *const bad[] = {"", "Text", "JSON", "json ", "jsonl", "md", "yaml"};
    enum report_format got = REPORT_FORMAT_MAX_;
    (void) state;
    for (unsigned i = 0; i < REPORT_FORMAT_MAX_; i++) {
        assert_true(report_format_from_name(names[i], &got));
        assert_int_equal(got, i);
    }
    for (size_t i = 0; i < KB_LEN(bad); i++)
        assert_false(report_format_from_name(bad[i], &got));
    for (unsigned l = 0; l < KB_LEFT_MAX_; l++)
        assert_in_range(strlen(view_left_words((enum kb_left) l)), 3, 11); /* the column of LEFT ALONE */
    assert_string_equal(view_left_words(KB_LEFT_MAX_), "?");
}

/* Nobody may name a group so that a line says what is not true. */
static void
test_object(void **state)
{
    static const struct {
        const char *name, *shown;
    } cases[] = {
        {"ml-engineers", "ml-engineers"},
        {"Data & AI: it's fine; (x) <y>", "Data & AI: it's fine; (x) <y>"},
        {"", "\"\""},
        {" a", "\" a\""},
        {"a ", "\"a \""},
        {"[held]", "\"[held]\""},
        {"ops  [held by first_run]", "\"ops  [held by first_run]\""},
        {"ops      3 -> 3", "\"ops      3 -> 3\""},
        {"ml <- group /data", "\"ml <- group /data\""},
        {"a \"b\" c", "\"a \\\"b\\\" c\""},
        {"\"", "\"\\\"\""},
        {"[\033[31m\n]", "\"[\\x1B[31m\\x0A]\""},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(1000);
        view_object(cases[i].name, &b);
        assert_string_equal(kb_buf_str(&b), cases[i].shown);
    }
}

/* The masked document has the same operations and fingerprint, and nobody's name. */
static void
test_masked_json(void **state)
{
    static const char *const names[] = {"ada", "Ada", "okafor", "acme.example", "eva"};
    const char digest[] = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    const struct report_opts open = {0}, mask = {.mask_users = true};
    KB_CLEANUP(kb_buf) struct kb_buf whole = KB_BUF_INIT(1 << 20), masked = KB_BUF_INIT(1 << 20);
    struct kb_error err = {0};
    struct kb_plan p, read = {0};
    struct kb_reason *r;
    (void) state;
    kit_plan(&p);
    p.issuer = kit_text(&p, "https://sso.example/realms/r");
    (void) snprintf(p.rules_digest, sizeof(p.rules_digest), "%s", digest);
    (void) snprintf(p.source_digest, sizeof(p.source_digest), "%s", digest);
    (void) kit_group(&p, "g", 1, 2);
    p.groups[0].precondition_members = 1;
    (void) snprintf(p.groups[0].precondition, sizeof(p.groups[0].precondition), "%s", digest);
    (void) kit_op(&p, KB_OP_ADD, KB_CAUSE_GRANTED, "ada@acme.example", "Ada Okafor");
    r = kit_reason(&p, "ml", false, NULL);
    r->event_at_s = 1795369931;
    r->event_by = kit_text(&p, "p.okafor");
    kit_left(&p, KB_LEFT_IDENTITY_CHANGED, "g", "eva@acme.example", "now ada@acme.example");
    kb_plan_recount(&p);
    assert_int_equal(kb_plan_fingerprint(&p, &err), 0);
    if (report_render(&p, REPORT_JSON, &open, &whole, &err) < 0)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < KB_LEN(names); i++)
        assert_non_null(strstr(kb_buf_str(&whole), names[i]));
    if (report_render(&p, REPORT_JSON, &mask, &masked, &err) < 0)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < KB_LEN(names); i++)
        if (strstr(kb_buf_str(&masked), names[i]))
            fail_msg("%s: %s", names[i], kb_buf_str(&masked));
    if (kb_plan_read(masked.data, masked.len, &read, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(read.fingerprint, p.fingerprint);
    assert_string_equal(kb_plan_str(&read, read.ops[0].name), "a***@***.example");
    assert_string_equal(kb_plan_str(&read, read.ops[0].id), "100000000000007");
    kb_plan_done(&read);
    kb_plan_done(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name),    cmocka_unit_test(test_note),
        cmocka_unit_test(test_section), cmocka_unit_test(test_held_by_run),
        cmocka_unit_test(test_formats), cmocka_unit_test(test_masked_json),
        cmocka_unit_test(test_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
