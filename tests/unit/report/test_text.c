/* The plan on a terminal, whole texts. */
#include "tests/unit/report/plan_kit.h"

static const struct report_opts usual = {.config_path = "keybricks.conf", .people_max = 20};

/* The plan of plan-output.md, in short: held, privileged, changes, a new group, left alone. */
static void
full_plan(struct kb_plan *p)
{
    const char *const vendors[] = {"group /ext/vendors", NULL}, *const emea[] = {"role data-base",
                                                                                 "group /finance/emea", NULL};
    struct kb_plan_group *g;
    struct kb_reason *r;
    kit_plan(p);
    p->target_snapshot_s = 1795411800;
    p->target_read_now = 6;
    kit_group(p, "dbx-contractors", 3, 1);
    kit_guard(p, KB_GUARD_GROUP_MAX_REMOVALS_PERCENT, 66, 25)->percent = true;
    for (unsigned i = 0; i < 2; i++) {
        kit_hold(p,
                 kit_op(p, KB_OP_REMOVE, KB_CAUSE_REVOKED, i ? "tom@acme.example" : "sue@acme.example",
                        i ? "Tom Li" : "Sue Ito"),
                 KB_GUARD_GROUP_MAX_REMOVALS_PERCENT);
        (void) kit_reason(p, "contractor", false, vendors);
    }
    g = kit_group(p, "dbx-finance-analysts", 31, 33);
    (void) kit_op(p, KB_OP_ADD, KB_CAUSE_GRANTED, "amara.osei@acme.example", "Amara Osei");
    r = kit_reason(p, "finance-analyst", false, emea);
    r->event_at_s = 1795369931; /* 2026-11-22T17:52:11Z */
    r->event_by = kit_text(p, "p.okafor");
    (void) kit_reason(p, "finance", false, NULL);
    (void) kit_op(p, KB_OP_ADD, KB_CAUSE_GRANTED, "chen.li@acme.example", NULL);
    (void) kit_reason(p, "finance-analyst", false, NULL);
    (void) kit_op(p, KB_OP_ADD, KB_CAUSE_GRANTED, "c0ffee00-0000-0000-0000-000000000001", "nightly job");
    (void) kit_reason(p, "/finance/jobs", true, NULL);
    (void) kit_op(p, KB_OP_REMOVE, KB_CAUSE_DISABLED, "dag.ruud@acme.example", "Dag Ruud");
    assert_int_equal(g->ops_len, 4);
    g = kit_group(p, "dbx-platform-admins", 6, 7);
    g->privileged = true;
    kit_guard(p, KB_GUARD_PRIVILEGED_ADDITIONS, 1, 0);
    kit_hold(p, kit_op(p, KB_OP_ADD, KB_CAUSE_GRANTED, "ines.duarte@acme.example", "Ines Duarte"),
             KB_GUARD_PRIVILEGED_ADDITIONS);
    (void) kit_reason(p, "platform-admin", false, NULL);
    g = kit_group(p, "dbx-quant-desk", 0, 1);
    g->create = true;
    g->id = 0;
    (void) kit_op(p, KB_OP_ADD, KB_CAUSE_GRANTED, "eva@acme.example", "eva@acme.example");
    (void) kit_reason(p, "/quant/desk", true, NULL);
    kit_left(p, KB_LEFT_FOREIGN, "dbx-ml-research", "test.acct@acme.example", NULL);
    kit_left(p, KB_LEFT_UNMATCHED, "dbx-ml-research", "jo.new@acme.example",
             "no Databricks user of that name");
    p->summary.create_groups = 1;
    p->summary.adopt = 12;
    p->cost.get = 6;
    p->cost.patch = 4;
    p->cost.post = 1;
}

static void
test_full(void **state)
{
    struct report_opts opts = usual;
    struct kb_plan p;
    (void) state;
    full_plan(&p);
    kit_golden("full", &p, &opts);
    opts.saved_as = "night ly.plan";
    kit_golden("full_saved", &p, &opts);
    opts.saved_as = NULL;
    opts.verbose = true;
    opts.people_max = 0;
    kit_golden("full_verbose", &p, &opts);
    opts.verbose = false;
    opts.mask_users = true;
    kit_golden("full_masked", &p, &opts);
    kb_plan_done(&p);
}

/* Every person's and every admin's name is out of a masked report. */
static void
test_masked_has_no_name(void **state)
{
    static const char *const names[] = {"amara", "Amara", "Osei",    "acme.example", "chen",   "Dag",
                                        "Ruud",  "ines",  "Duarte",  "okafor",       "jo.new", "test.acct",
                                        "Tom",   "tom@",  "nightly", "c0ffee00-"};
    KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(1 << 20);
    struct report_opts opts = usual;
    struct kb_plan p;
    (void) state;
    full_plan(&p);
    p.issuer = kit_text(&p, "https://sso/realms/acme");
    kit_left(&p, KB_LEFT_IDENTITY_CHANGED, "g", "tom@acme.example",
             "the same person in Keycloak is now ines@acme.example");
    p.ops[0].note = kit_text(&p, "Keycloak no longer withholds it from tom@acme.example");
    opts.mask_users = true;
    kit_render(&p, &opts, &got);
    for (size_t i = 0; i < KB_LEN(names); i++)
        if (strstr(kb_buf_str(&got), names[i]))
            fail_msg("%s is in the masked report:\n%s", names[i], kb_buf_str(&got));
    kb_plan_done(&p);
}

/* Colour only when asked, and nothing but colour: without it the text is the same. */
static void
test_colour(void **state)
{
    KB_CLEANUP(kb_buf)
    struct kb_buf plain = KB_BUF_INIT(1 << 20), coloured = KB_BUF_INIT(1 << 20),
                  stripped = KB_BUF_INIT(1 << 20);
    struct report_opts opts = usual;
    struct kb_plan p;
    const char *s;
    (void) state;
    full_plan(&p);
    kit_render(&p, &opts, &plain);
    assert_null(strchr(kb_buf_str(&plain), '\033'));
    opts.color = true;
    kit_golden("full_colour", &p, &opts);
    kit_render(&p, &opts, &coloured);
    for (s = kb_buf_str(&coloured); *s; s++) {
        if (*s == '\033')
            s += strcspn(s, "m");
        else
            kb_buf_addc(&stripped, *s);
    }
    assert_true(coloured.len > plain.len);
    assert_string_equal(kb_buf_str(&stripped), kb_buf_str(&plain));
    kb_plan_done(&p);
}

#define EVIL(x) x ESC RLO "\n\r\t" ZWSP "\x7f\xc2\x9b'"

/* All that comes from outside, hostile: kit_golden looks for what must not be raw. */
static void
test_hostile(void **state)
{
    const char *const via[] = {EVIL("group /x"), NULL};
    struct report_opts opts = {.config_path = EVIL("conf"),
                               .saved_as = EVIL("plan"),
                               .no_ledger = true,
                               .no_ledger_why = EVIL("why"),
                               .verbose = true};
    struct kb_plan p;
    struct kb_reason *r;
    (void) state;
    kit_plan(&p);
    p.tool = kit_text(&p, EVIL("tool"));
    p.issuer = kit_text(&p, EVIL("https://h/realms/r"));
    p.target_name = kit_text(&p, EVIL("target"));
    p.target_level = kit_text(&p, EVIL("level"));
    kit_guard(&p, KB_GUARD_CANARY, 1, 0)->note = kit_text(&p, EVIL("canary"));
    kit_group(&p, EVIL("group"), 1, 2)->id = kit_text(&p, EVIL("id"));
    kit_guard(&p, KB_GUARD_MIN_MEMBERS, 1, 2)->note = kit_text(&p, EVIL("min"));
    kit_op(&p, KB_OP_ADD, KB_CAUSE_GRANTED, EVIL("name"), EVIL("display"))->note = kit_text(&p, EVIL("note"));
    p.ops[0].source_id = kit_text(&p, EVIL("source"));
    p.ops[0].id = kit_text(&p, EVIL("opid"));
    r = kit_reason(&p, EVIL("role"), false, via);
    r->event_at_s = 1795369931;
    r->event_by = kit_text(&p, EVIL("by"));
    kit_left(&p, KB_LEFT_AMBIGUOUS, EVIL("left group"), EVIL("left name"), EVIL("left note"));
    kit_golden("hostile", &p, &opts);
    opts.mask_users = true;
    kit_golden("hostile_masked", &p, &opts);
    kb_plan_done(&p);
}

/* The column, in cells of a terminal, where `what` starts in the line that has `in`. */
static size_t
column(const char *text, const char *in, const char *what)
{
    KB_CLEANUP(kb_buf) struct kb_buf head = KB_BUF_INIT(4096);
    const char *at = strstr(text, in), *line = at, *hit;
    assert_non_null(at);
    while (line > text && line[-1] != '\n')
        line--;
    hit = strstr(at, what);
    assert_non_null(hit);
    kb_buf_add(&head, line, (size_t) (hit - line));
    assert_null(strchr(kb_buf_str(&head), '\n'));
    return kb_display_width(kb_buf_str(&head));
}

static void
test_wide_names_keep_columns(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(1 << 20);
    const char *text;
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    kit_group(&p, "plain", 1, 3);
    (void) kit_op(&p, KB_OP_ADD, KB_CAUSE_GRANTED, "ada@x", "Ada");
    (void) kit_reason(&p, "ml", false, NULL);
    (void) kit_op(&p, KB_OP_REMOVE, KB_CAUSE_DELETED, "yu@x",
                  "\xe5\xb1\xb1\xe7\x94\xb0\xe8\x8a\xb1\xe5\xad\x90"); /* 4 characters of 2 columns */
    (void) kit_op(&p, KB_OP_REMOVE, KB_CAUSE_DISABLED, "jose@x", "Jose\xcc\x81"); /* a combining accent */
    kit_group(&p, "\xe6\x95\xb0\xe6\x8d\xae\xe7\xbb\x84", 4, 5); /* 3 characters of 2 columns */
    (void) kit_op(&p, KB_OP_ADD, KB_CAUSE_UNDO, "xena@x", "a name that is longer than its column");
    kit_golden("wide", &p, &usual);
    kit_render(&p, &usual, &got);
    text = kb_buf_str(&got);
    assert_int_equal(column(text, "  plain", "1 -> 3"), 27);
    assert_int_equal(column(text, "\xe6\x95\xb0", "4 -> 5"), 27);
    assert_int_equal(column(text, "  plain", "+1"), 42);
    assert_int_equal(column(text, "\xe6\x95\xb0", "+1"), 42);
    assert_int_equal(column(text, "+ Ada", "<ada"), 26);
    assert_int_equal(column(text, "\xe5\xb1\xb1", "<yu"), 26);
    assert_int_equal(column(text, "Jose", "<jose"), 26);
    assert_int_equal(column(text, "+ Ada", "role ml"), 54);
    assert_int_equal(column(text, "\xe5\xb1\xb1", "user deleted"), 54);
    assert_int_equal(column(text, "Jose", "account"), 54);
    assert_int_equal(column(text, "a name", "<xena"), 44); /* no column left: one blank */
    kb_plan_done(&p);
}

static void
test_no_ledger(void **state)
{
    struct report_opts opts = usual;
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    opts.no_ledger = true;
    kit_golden("no_ledger", &p, &opts);
    opts.no_ledger_why = "the database is newer than this program";
    kit_golden("no_ledger_why", &p, &opts);
    kb_plan_done(&p);
}

/* What could not be read, what is narrowed, what was there already: each has a line. */
static void
test_doubts(void **state)
{
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    p.source_complete = false;
    p.source_lists_ok = 117;
    p.client_composites_unread = p.organizations = true;
    p.target_snapshot_s = 1795411800;
    p.target_read_now = 1;
    p.rules_changed = p.narrowed = true;
    p.summary.frozen = 2;
    p.summary.adopt = 3;
    p.summary.removals_left_out = 4;
    kit_left(&p, KB_LEFT_FROZEN, "dbx-a", NULL, "role a: HTTP 500");
    kit_golden("doubts", &p, &usual);
    kb_plan_done(&p);
}

static void
test_each_guard(void **state)
{
    static const enum kb_guard_id of_group[] = {KB_GUARD_GROUP_MAX_REMOVALS_PERCENT,
                                                KB_GUARD_GROUP_MAX_REMOVALS_SMALL,
                                                KB_GUARD_NEVER_EMPTY_FROM,
                                                KB_GUARD_PRIVILEGED_ADDITIONS,
                                                KB_GUARD_MIN_MEMBERS,
                                                KB_GUARD_SOURCE_OBJECT_GONE,
                                                KB_GUARD_UNDO_OF_GRANTED,
                                                KB_GUARD_PROTECTED_GROUP,
                                                KB_GUARD_PROTECTED_MEMBER,
                                                KB_GUARD_SELF_CHECK};
    struct report_opts opts = usual;
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    for (unsigned id = 0; id < KB_GUARD_MAX_; id++) {
        bool group = false;
        for (size_t i = 0; i < KB_LEN(of_group); i++)
            group |= of_group[i] == (enum kb_guard_id) id;
        if (group)
            continue;
        struct kb_plan_guard *g = kit_guard(&p, (enum kb_guard_id) id, 40 + (int64_t) id, 10);
        g->percent = strstr(kb_guard_name((enum kb_guard_id) id), "percent") != NULL;
        if (id == KB_GUARD_CANARY) {
            g->limit = g->value = 0;
            g->note = kit_text(&p, "not visible: user break.glass");
        }
    }
    kit_guard(&p, KB_GUARD_MAX_ADDITIONS_TOTAL, 1, 2)->tripped = false;
    p.guards[1].approved = true;
    for (size_t i = 0; i < KB_LEN(of_group); i++) {
        char name[40];
        (void) snprintf(name, sizeof(name), "group-%02zu", i);
        kit_group(&p, name, 10, 9);
        kit_guard(&p, of_group[i], 60, 25)->percent = of_group[i] == KB_GUARD_GROUP_MAX_REMOVALS_PERCENT;
        p.guards[p.guards_len - 1].approved = of_group[i] == KB_GUARD_UNDO_OF_GRANTED;
        if (of_group[i] >= KB_GUARD_PROTECTED_GROUP)
            p.guards[p.guards_len - 1].scope = KB_SCOPE_MEMBER;
        struct kb_plan_op *op = kit_op(&p, KB_OP_REMOVE, KB_CAUSE_REVOKED, "ada@acme.example", NULL);
        if (of_group[i] != KB_GUARD_UNDO_OF_GRANTED)
            kit_hold(&p, op, of_group[i]);
    }
    opts.saved_as = "p.plan";
    kit_golden("guards", &p, &opts);
    kb_plan_done(&p);
}

/* Two guards of one group: each operation says which of them holds it. */
static void
test_two_guards_in_a_group(void **state)
{
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    kit_guard(&p, KB_GUARD_MAX_ADDITIONS_TOTAL, 3, 1);
    kit_group(&p, "admins", 6, 6);
    kit_guard(&p, KB_GUARD_PRIVILEGED_ADDITIONS, 1, 0);
    kit_guard(&p, KB_GUARD_MIN_MEMBERS, 1, 2);
    kit_hold(&p, kit_op(&p, KB_OP_ADD, KB_CAUSE_GRANTED, "ines@acme.example", NULL),
             KB_GUARD_PRIVILEGED_ADDITIONS);
    (void) kit_reason(&p, "admin", false, NULL);
    p.ops[0].held_by |= 1u << KB_GUARD_MAX_ADDITIONS_TOTAL;
    kit_hold(&p, kit_op(&p, KB_OP_REMOVE, KB_CAUSE_REVOKED, "tom@acme.example", NULL), KB_GUARD_MIN_MEMBERS);
    kit_group(&p, "others", 6, 7);
    kit_hold(&p, kit_op(&p, KB_OP_ADD, KB_CAUSE_GRANTED, "bo@acme.example", NULL),
             KB_GUARD_MAX_ADDITIONS_TOTAL);
    (void) kit_reason(&p, "other", false, NULL);
    kit_golden("two_guards", &p, &usual);
    kb_plan_done(&p);
}

static void
test_first_run(void **state)
{
    struct report_opts opts = usual;
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    kit_guard(&p, KB_GUARD_FIRST_RUN, 1, 0);
    kit_group(&p, "ml", 0, 1);
    kit_hold(&p, kit_op(&p, KB_OP_ADD, KB_CAUSE_GRANTED, "ada@acme.example", NULL), KB_GUARD_FIRST_RUN);
    (void) kit_reason(&p, "ml", false, NULL);
    kit_golden("first_run", &p, &opts);
    opts.saved_as = "first.plan"; /* approve is not for this guard */
    kit_golden("first_run_saved", &p, &opts);
    kb_plan_done(&p);
}

static void
test_each_cause(void **state)
{
    const char *const via[] = {"role base", "group /data/ml", NULL};
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    kit_group(&p, "causes", 10, 10);
    for (unsigned c = 0; c < KB_CAUSE_MAX_; c++)
        for (unsigned reasons = 0; reasons < 3; reasons++) {
            enum kb_op op = c == KB_CAUSE_GRANTED || c == KB_CAUSE_DRIFT_REMOVED ? KB_OP_ADD : KB_OP_REMOVE;
            (void) kit_op(&p, op, (enum kb_cause) c, "ada@acme.example", NULL);
            for (unsigned i = 0; i < reasons; i++)
                (void) kit_reason(&p, i ? "/data" : "ml", i, reasons == 2 ? via : NULL);
        }
    kit_golden("causes", &p, &(struct report_opts){.config_path = "keybricks.conf"});
    kb_plan_done(&p);
}

static void
test_each_left_list(void **state)
{
    struct kb_plan p;
    struct report_opts opts = usual;
    (void) state;
    kit_plan(&p);
    for (unsigned l = 0; l < KB_LEFT_MAX_; l++) {
        kit_left(&p, (enum kb_left) l, "dbx-a", "ada@acme.example", "the note");
        kit_left(&p, (enum kb_left) l, "dbx-b", NULL, NULL);
    }
    for (unsigned i = 0; i < 23; i++) {
        char name[40];
        (void) snprintf(name, sizeof(name), "f%02u@acme.example", i);
        kit_left(&p, KB_LEFT_FOREIGN, "dbx-c", name, NULL);
    }
    kit_golden("left", &p, &opts);
    opts.verbose = true;
    kit_golden("left_verbose", &p, &opts);
    kb_plan_done(&p);
}

static void
test_each_result(void **state)
{
    struct report_opts opts = usual;
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    kit_group(&p, "results", 7, 9);
    for (unsigned r = 0; r < KB_RESULT_MAX_; r++)
        for (unsigned note = 0; note < 2; note++) {
            struct kb_plan_op *op =
                kit_op(&p, note ? KB_OP_REMOVE : KB_OP_ADD, note ? KB_CAUSE_REVOKED : KB_CAUSE_GRANTED,
                       "ada@acme.example", NULL);
            op->result = (uint8_t) r;
            op->note = note ? kit_text(&p, "HTTP 400, the server's words") : 0;
            (void) kit_reason(&p, "ml", false, NULL);
        }
    struct kb_plan_op *frozen = kit_op(&p, KB_OP_REMOVE, KB_CAUSE_REVOKED, "bo@acme.example", NULL);
    frozen->state = KB_OP_FROZEN;
    frozen->note = kit_text(&p, "Keycloak does not confirm it");
    p.summary.create_groups = 2; /* and one of the two was refused */
    kit_group(&p, "made", 0, 0)->made = true;
    p.groups[1].create = true;
    opts.applied = true;
    kit_golden("results", &p, &opts);
    kb_plan_done(&p);
}

/* Three people, one sign, one reason: said once. Another sign, reason, event or state: each for himself. */
static void
test_common_reason(void **state)
{
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    for (unsigned g = 0; g < 5; g++) {
        static const char *const names[] = {"a-same", "b-other-sign", "c-other-reason", "d-other-state",
                                            "e-two"};
        kit_group(&p, names[g], 3, 0);
        for (unsigned i = 0; i < (g == 4 ? 2 : 3); i++) {
            bool odd = i == 2;
            struct kb_plan_op *op = kit_op(&p, g == 1 && odd ? KB_OP_ADD : KB_OP_REMOVE, KB_CAUSE_REVOKED,
                                           i ? i == 1 ? "bo@x" : "cy@x" : "al@x", NULL);
            op->note = g == 3 && odd ? kit_text(&p, "moved") : 0;
            (void) kit_reason(&p, g == 2 && odd ? "other" : "contractor", false, NULL);
        }
    }
    kit_golden("common", &p, &usual);
    kb_plan_done(&p);
}

static void
test_people_max(void **state)
{
    struct report_opts opts = usual;
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    for (unsigned g = 0; g < 2; g++) { /* one at the limit, one over it */
        kit_group(&p, g ? "over" : "at", 0, 4 + g);
        for (unsigned i = 0; i < 4 + g; i++) {
            char name[20], role[20];
            (void) snprintf(name, sizeof(name), "u%u@x", i);
            (void) snprintf(role, sizeof(role), "role-%u", i);
            (void) kit_op(&p, KB_OP_ADD, KB_CAUSE_GRANTED, name, NULL);
            (void) kit_reason(&p, role, false, NULL);
        }
    }
    opts.people_max = 4;
    kit_golden("people_max", &p, &opts);
    kb_plan_done(&p);
}

/* Long texts neither vanish nor make different reasons look the same. */
static void
test_long_reasons(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(1 << 20);
    char role[20001];
    struct kb_plan p;
    (void) state;
    kit_plan(&p);
    kit_group(&p, "g", 0, 3);
    memset(role, 'r', sizeof(role) - 1);
    role[sizeof(role) - 1] = '\0';
    for (unsigned i = 0; i < 3; i++) {
        role[sizeof(role) - 2] = (char) ('a' + (int) i);
        kit_op(&p, KB_OP_ADD, KB_CAUSE_GRANTED, "ada@x", NULL)->note = kit_text(&p, role);
        (void) kit_reason(&p, role, false, NULL);
    }
    kit_render(&p, &usual, &got);
    assert_null(strstr(kb_buf_str(&got), "all 3:"));
    assert_non_null(strstr(kb_buf_str(&got), "rra, direct  [rrr"));
    assert_non_null(strstr(kb_buf_str(&got), "rrc, direct  [rrr"));
    kb_plan_done(&p);
}

/* A report that does not fit is an error, not a shorter report. */
static void
test_too_long(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf whole = KB_BUF_INIT(1 << 20);
    struct kb_plan p;
    (void) state;
    full_plan(&p);
    kit_render(&p, &usual, &whole);
    for (size_t max = 0; max < whole.len; max += 7) {
        KB_CLEANUP(kb_buf) struct kb_buf got = KB_BUF_INIT(max);
        struct kb_error err = {0};
        assert_int_equal(report_render(&p, REPORT_TEXT, &usual, &got, &err), -KB_E_NOMEM);
    }
    kb_plan_done(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_masked_has_no_name),
        cmocka_unit_test(test_colour),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_wide_names_keep_columns),
        cmocka_unit_test(test_no_ledger),
        cmocka_unit_test(test_doubts),
        cmocka_unit_test(test_each_guard),
        cmocka_unit_test(test_two_guards_in_a_group),
        cmocka_unit_test(test_first_run),
        cmocka_unit_test(test_each_cause),
        cmocka_unit_test(test_each_left_list),
        cmocka_unit_test(test_each_result),
        cmocka_unit_test(test_common_reason),
        cmocka_unit_test(test_people_max),
        cmocka_unit_test(test_long_reasons),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
