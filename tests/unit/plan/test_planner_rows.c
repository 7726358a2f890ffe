/* The truth table: every row, and every way in which a person is left alone instead. One user, one principal,
 * one group. */
#include "tests/unit/plan/plan_world.h"

#define NONE (-1)
#define ADOPT 1
#define CLEAN 0

struct row {
    const char *name;
    bool holds, present, ledger;
    uint8_t verdict;
    uint16_t flags;
    const char *ledger_user; /* NULL: the user's own id */
    uint8_t foreign;
    uint8_t directory;        /* enum kb_directory_status + 1; 0: a local user */
    int op, cause, left, row; /* wanted; NONE: nothing of the kind */
    bool lookup;
};

#define ON KB_USER_ENABLED
#define OFF_STORED (KB_USER_DISABLED_STORED)
#define UP (KB_DIRECTORY_UP + 1)
#define DOWN (KB_DIRECTORY_DOWN + 1)
#define NOBODY (KB_DIRECTORY_UNWITNESSED + 1)
#define BELIEVED KB_USER_DISABLED_BELIEVED
#define REPORT KB_FOREIGN_REPORT
#define REMOVE KB_FOREIGN_REMOVE

static const struct row rows[] = {
    /* the truth table of product.md: D P L */
    {"1 0 0 granted", 1, 0, 0, KB_MATCHED, ON, NULL, REPORT, 0, KB_OP_ADD, KB_CAUSE_GRANTED, NONE, NONE, 0},
    {"1 0 1 drift", 1, 0, 1, KB_MATCHED, ON, NULL, REPORT, 0, KB_OP_ADD, KB_CAUSE_DRIFT_REMOVED, NONE, NONE,
     0},
    {"1 1 0 adopt", 1, 1, 0, KB_MATCHED, ON, NULL, REPORT, 0, NONE, 0, NONE, ADOPT, 0},
    {"1 1 1 in sync", 1, 1, 1, KB_MATCHED, ON, NULL, REPORT, 0, NONE, 0, NONE, NONE, 0},
    {"0 1 1 revoked", 0, 1, 1, KB_MATCHED, ON, NULL, REPORT, 0, KB_OP_REMOVE, KB_CAUSE_REVOKED, NONE, NONE,
     0},
    {"0 1 0 foreign, report", 0, 1, 0, KB_MATCHED, ON, NULL, REPORT, 0, NONE, 0, KB_LEFT_FOREIGN, NONE, 0},
    {"0 1 0 foreign, remove", 0, 1, 0, KB_MATCHED, ON, NULL, REMOVE, 0, KB_OP_REMOVE, KB_CAUSE_FOREIGN, NONE,
     NONE, 0},
    {"0 0 1 clean", 0, 0, 1, KB_MATCHED, ON, NULL, REPORT, 0, NONE, 0, NONE, CLEAN, 0},
    {"0 0 0 nothing", 0, 0, 0, KB_MATCHED, ON, NULL, REMOVE, 0, NONE, 0, NONE, NONE, 0},

    /* what became of the person who was put in */
    {"disabled", 1, 1, 1, KB_MATCH_DISABLED, OFF_STORED, NULL, REPORT, 0, KB_OP_REMOVE, KB_CAUSE_DISABLED,
     NONE, NONE, 0},
    {"disabled, row shows enabled", 1, 1, 1, KB_MATCH_DISABLED, ON | OFF_STORED, NULL, REPORT, 0,
     KB_OP_REMOVE, KB_CAUSE_DISABLED, NONE, NONE, 0},
    {"disabled and no holder", 0, 1, 1, KB_MATCH_DISABLED, OFF_STORED, NULL, REPORT, 0, KB_OP_REMOVE,
     KB_CAUSE_DISABLED, NONE, NONE, 0},
    {"deleted", 0, 1, 1, KB_MATCH_DISABLED, KB_USER_GONE | KB_USER_LOOKED_UP, NULL, REPORT, 0, KB_OP_REMOVE,
     KB_CAUSE_DELETED, NONE, NONE, 0},
    {"locked out, holds", 1, 1, 1, KB_MATCH_LOCKED_OUT, KB_USER_LOCKED_OUT, NULL, REMOVE, 0, NONE, 0,
     KB_LEFT_LOCKED_OUT, NONE, 0},
    {"locked out, holds no more", 0, 1, 1, KB_MATCH_LOCKED_OUT, KB_USER_LOCKED_OUT, NULL, REMOVE, 0, NONE, 0,
     KB_LEFT_LOCKED_OUT, NONE, 0},
    {"locked out, not asked", 0, 1, 1, KB_MATCH_NOT_ASKED, KB_USER_LOCKED_OUT | KB_USER_LOOKED_UP, NULL,
     REMOVE, 0, NONE, 0, KB_LEFT_LOCKED_OUT, NONE, 0},
    {"locked out, not there", 1, 0, 0, KB_MATCH_LOCKED_OUT, KB_USER_LOCKED_OUT, NULL, REMOVE, 0, NONE, 0,
     KB_LEFT_LOCKED_OUT, NONE, 0},
    {"locked out, foreign", 0, 1, 0, KB_MATCH_LOCKED_OUT, KB_USER_LOCKED_OUT, NULL, REMOVE, 0, NONE, 0,
     KB_LEFT_LOCKED_OUT, NONE, 0},
    {"details unknown", 0, 1, 1, KB_MATCH_UNKNOWN, 0, NULL, REPORT, 0, NONE, 0, KB_LEFT_UNPROVEN, NONE, 1},
    {"details unknown, looked up", 0, 1, 1, KB_MATCH_UNKNOWN, KB_USER_LOOKED_UP, NULL, REPORT, UP, NONE, 0,
     KB_LEFT_UNPROVEN, NONE, 0},
    {"details unknown, not there", 1, 0, 0, KB_MATCH_UNKNOWN, 0, NULL, REPORT, 0, NONE, 0, KB_LEFT_UNPROVEN,
     NONE, 1},
    {"details unknown, foreign, report", 0, 1, 0, KB_MATCH_UNKNOWN, 0, NULL, REPORT, 0, NONE, 0,
     KB_LEFT_FOREIGN, NONE, 0},
    {"details unknown, foreign, remove", 0, 1, 0, KB_MATCH_UNKNOWN, 0, NULL, REMOVE, 0, NONE, 0,
     KB_LEFT_UNPROVEN, NONE, 1},
    {"row that nothing has filled", 0, 1, 1, KB_MATCH_NOT_ASKED, 0, NULL, REPORT, 0, NONE, 0,
     KB_LEFT_UNPROVEN, NONE, 1},
    {"disabled by a directory", 0, 1, 1, KB_MATCH_NOT_ASKED, KB_USER_LOOKED_UP, NULL, REPORT, UP, NONE, 0,
     KB_LEFT_UNPROVEN, NONE, 0},
    {"disabled by a directory, believed", 1, 1, 1, KB_MATCH_DISABLED, BELIEVED, NULL, REPORT, UP,
     KB_OP_REMOVE, KB_CAUSE_DISABLED_IN_DIRECTORY, NONE, NONE, 0},
    {"disabled by a directory that is down", 1, 1, 1, KB_MATCH_UNKNOWN, 0, NULL, REPORT, DOWN, NONE, 0,
     KB_LEFT_UNPROVEN, NONE, 0},
    {"disabled by a directory, never there", 1, 0, 0, KB_MATCH_UNKNOWN, KB_USER_LOOKED_UP, NULL, REPORT, UP,
     NONE, 0, KB_LEFT_UNPROVEN, NONE, 0},
    {"believed once, but the directory is down", 1, 1, 1, KB_MATCH_DISABLED, BELIEVED, NULL, REPORT, DOWN,
     NONE, 0, KB_LEFT_UNPROVEN, NONE, 0},
    {"disabled in the stored flag, of a directory", 0, 1, 1, KB_MATCH_DISABLED, OFF_STORED, NULL, REPORT, UP,
     KB_OP_REMOVE, KB_CAUSE_DISABLED, NONE, NONE, 0},
    {"disabled in the stored flag, directory down", 0, 1, 1, KB_MATCH_DISABLED, OFF_STORED, NULL, REPORT,
     DOWN, NONE, 0, KB_LEFT_UNPROVEN, NONE, 0},
    {"revoked, directory up", 0, 1, 1, KB_MATCHED, ON, NULL, REPORT, UP, KB_OP_REMOVE, KB_CAUSE_REVOKED, NONE,
     NONE, 0},
    {"revoked, directory down", 0, 1, 1, KB_MATCHED, ON, NULL, REPORT, DOWN, NONE, 0, KB_LEFT_UNPROVEN, NONE,
     0},
    {"revoked, no witness", 0, 1, 1, KB_MATCHED, ON, NULL, REPORT, NOBODY, NONE, 0, KB_LEFT_UNPROVEN, NONE,
     0},
    {"deleted, directory up", 0, 1, 1, KB_MATCH_DISABLED, KB_USER_GONE | KB_USER_LOOKED_UP, NULL, REPORT, UP,
     KB_OP_REMOVE, KB_CAUSE_DELETED, NONE, NONE, 0},
    {"deleted, directory down", 0, 1, 1, KB_MATCH_DISABLED, KB_USER_GONE | KB_USER_LOOKED_UP, NULL, REPORT,
     DOWN, NONE, 0, KB_LEFT_UNPROVEN, NONE, 0},
    {"foreign, remove, directory up", 0, 1, 0, KB_MATCHED, ON, NULL, REMOVE, UP, KB_OP_REMOVE,
     KB_CAUSE_FOREIGN, NONE, NONE, 0},
    {"foreign, remove, directory down", 0, 1, 0, KB_MATCHED, ON, NULL, REMOVE, DOWN, NONE, 0,
     KB_LEFT_UNPROVEN, NONE, 0},
    {"granted, directory down", 1, 0, 0, KB_MATCHED, ON, NULL, REPORT, DOWN, NONE, 0, KB_LEFT_UNPROVEN, NONE,
     0},
    {"granted, no witness", 1, 0, 0, KB_MATCHED, ON, NULL, REPORT, NOBODY, KB_OP_ADD, KB_CAUSE_GRANTED, NONE,
     NONE, 0},
    {"in sync, directory down", 1, 1, 1, KB_MATCHED, ON, NULL, REPORT, DOWN, NONE, 0, NONE, NONE, 0},
    {"excluded", 0, 1, 1, KB_MATCH_EXCLUDED, ON, NULL, REMOVE, 0, NONE, 0, NONE, NONE, 0},
    {"excluded, holds, not there", 1, 0, 0, KB_MATCH_EXCLUDED, ON, NULL, REMOVE, 0, NONE, 0, NONE, NONE, 0},
    {"excluded, foreign", 0, 1, 0, KB_MATCH_EXCLUDED, ON, NULL, REMOVE, 0, NONE, 0, NONE, NONE, 0},
    {"ambiguous", 0, 1, 1, KB_MATCH_AMBIGUOUS, ON, NULL, REMOVE, 0, NONE, 0, KB_LEFT_AMBIGUOUS, NONE, 0},
    {"ambiguous, holds, there", 1, 1, 1, KB_MATCH_AMBIGUOUS, ON, NULL, REMOVE, 0, NONE, 0, KB_LEFT_AMBIGUOUS,
     NONE, 0},
    {"ambiguous, holds, not there", 1, 0, 0, KB_MATCH_AMBIGUOUS, ON, NULL, REMOVE, 0, NONE, 0,
     KB_LEFT_AMBIGUOUS, NONE, 0},
    {"ambiguous, foreign", 0, 1, 0, KB_MATCH_AMBIGUOUS, ON, NULL, REMOVE, 0, NONE, 0, KB_LEFT_AMBIGUOUS, NONE,
     0},

    /* whom the ledger knows */
    {"no listing explains it", 0, 1, 1, KB_MATCHED, ON, "u9", REPORT, 0, NONE, 0, KB_LEFT_UNPROVEN, NONE, 1},
    {"no id known, found by its name", 0, 1, 1, KB_MATCHED, ON, "", REPORT, 0, KB_OP_REMOVE, KB_CAUSE_REVOKED,
     NONE, NONE, 0},
    {"in sync, came back with a new id", 1, 1, 1, KB_MATCHED, ON, "u9", REPORT, 0, NONE, 0, NONE, ADOPT, 0},
    {"in sync, id was not known", 1, 1, 1, KB_MATCHED, ON, "", REPORT, 0, NONE, 0, NONE, ADOPT, 0},

    /* holds, but cannot be found in the target by this name any more */
    {"not verified any more", 1, 1, 1, KB_MATCH_UNVERIFIED, ON, NULL, REPORT, 0, NONE, 0,
     KB_LEFT_IDENTITY_CHANGED, NONE, 0},
    {"service accounts off", 1, 1, 1, KB_MATCH_OFF, ON, NULL, REPORT, 0, NONE, 0, KB_LEFT_IDENTITY_CHANGED,
     NONE, 0},
    {"not verified, holds no more", 0, 1, 1, KB_MATCH_UNVERIFIED, ON, NULL, REPORT, 0, KB_OP_REMOVE,
     KB_CAUSE_REVOKED, NONE, NONE, 0},
    {"not verified, never there", 1, 0, 0, KB_MATCH_UNVERIFIED, ON, NULL, REPORT, 0, NONE, 0,
     KB_LEFT_UNMATCHED, NONE, 0},
    {"service accounts off, never there", 1, 0, 0, KB_MATCH_OFF, ON, NULL, REPORT, 0, NONE, 0, NONE, NONE, 0},
    {"disabled, never there", 1, 0, 0, KB_MATCH_DISABLED, OFF_STORED, NULL, REPORT, 0, NONE, 0, NONE, NONE,
     0},
    {"disabled, put in by hand", 1, 1, 0, KB_MATCH_DISABLED, OFF_STORED, NULL, REPORT, 0, NONE, 0,
     KB_LEFT_FOREIGN, NONE, 0},
    {"disabled, put in by hand, remove", 1, 1, 0, KB_MATCH_DISABLED, OFF_STORED, NULL, REMOVE, 0,
     KB_OP_REMOVE, KB_CAUSE_FOREIGN, NONE, NONE, 0},
};

static void
check(const struct row *row, const struct world *w)
{
    const struct kb_left_alone *left = NULL;
    bool unmatched_too = row->verdict == KB_MATCH_UNVERIFIED && row->left == KB_LEFT_IDENTITY_CHANGED;

    if (w->plan.ops_len != (row->op != NONE) || w->plan.groups_len != (row->op != NONE))
        fail_msg("'%s': %u operations", row->name, w->plan.ops_len);
    if (row->op != NONE && (w->plan.ops[0].op != row->op || w->plan.ops[0].cause != row->cause ||
                            strcmp(world_str(w, w->plan.ops[0].id), "1001") != 0 ||
                            strcmp(world_str(w, w->plan.ops[0].source_id), "u1") != 0))
        fail_msg("'%s': %s %s of %s", row->name, kb_op_name(w->plan.ops[0].op),
                 kb_cause_name(w->plan.ops[0].cause), world_str(w, w->plan.ops[0].source_id));
    if (w->plan.left_len != (unsigned) (row->left != NONE) + unmatched_too)
        fail_msg("'%s': %u left alone", row->name, w->plan.left_len);
    if (row->left != NONE && (world_left(w, (enum kb_left) row->left, &left) != 1 ||
                              !world_str(w, left->note)[0] || strcmp(world_str(w, left->group), "g") != 0))
        fail_msg("'%s': left alone in list %s", row->name, kb_left_name(w->plan.left[0].list));
    if (w->plan.ledger_len != (row->row != NONE) || w->plan.ledger_groups_len != (row->row != NONE) ||
        (row->row != NONE &&
         ((row->row == CLEAN) != (w->plan.ledger[0].user == KB_NONE) || w->plan.ledger_groups[0].managed ||
          strcmp(world_group_id(w, w->plan.ledger_groups[0].group), "900") != 0 ||
          strcmp(world_principal_id(w, w->plan.ledger[0].principal), "1001") != 0)))
        fail_msg("'%s': ledger", row->name);
    if (w->needs.lookup_len != row->lookup)
        fail_msg("'%s': %zu look-ups", row->name, w->needs.lookup_len);
    assert_int_equal(w->plan.summary.adopt, row->row == ADOPT);
    assert_int_equal(w->plan.summary.drift, row->cause == KB_CAUSE_DRIFT_REMOVED);
    assert_int_equal(w->plan.summary.add, row->op == KB_OP_ADD);
    assert_int_equal(w->plan.summary.remove, row->op == KB_OP_REMOVE);
}

static void
one_row(const struct row *row)
{
    struct world w;
    uint32_t m, g, p, u;

    world_init(&w);
    m = world_managed(&w, "g");
    w.scope.managed[m].foreign = row->foreign;
    g = world_group(&w, "900", "g");
    p = world_principal(&w, "1001", "ada@acme.example");
    u = world_user(&w, "u1", "ada@acme.example", p);
    w.realm.users[u].flags = row->flags;
    if (row->directory)
        world_directory(&w, u, row->directory - 1);
    w.desired.matches[u].verdict = row->verdict;
    if (row->holds)
        world_hold(&w, m, u);
    if (row->present)
        world_member(&w, g, p);
    if (row->ledger)
        world_ledger(&w, g, p, row->ledger_user ? row->ledger_user : "u1");
    world_plan(&w);
    check(row, &w);
    world_done(&w);
}

static void
test_rows(void **state)
{
    (void) state;
    for (size_t i = 0; i < KB_LEN(rows); i++)
        one_row(&rows[i]);
}

/* The same members whatever another user of the principal's name is today. */
static void
test_person_of_today(void **state)
{
    static const struct {
        const char *name;
        uint8_t verdict;
        bool holds;
        int op, left;
    } cases[] = {
        {"the new owner of the name is excluded", KB_MATCH_EXCLUDED, true, NONE, NONE},
        {"is locked out", KB_MATCH_LOCKED_OUT, true, NONE, KB_LEFT_LOCKED_OUT},
        {"is locked out elsewhere", KB_MATCH_LOCKED_OUT, false, NONE, KB_LEFT_LOCKED_OUT},
        {"is ambiguous", KB_MATCH_AMBIGUOUS, false, NONE, KB_LEFT_AMBIGUOUS},
        {"is unknown", KB_MATCH_UNKNOWN, false, NONE, KB_LEFT_UNPROVEN},
        {"holds nothing", KB_MATCHED, false, KB_OP_REMOVE, NONE},
        {"is disabled", KB_MATCH_DISABLED, true, KB_OP_REMOVE, NONE},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct world w;
        uint32_t m, g, p, old, new;
        world_init(&w);
        m = world_managed(&w, "g");
        g = world_group(&w, "900", "g");
        p = world_principal(&w, "1001", "ada@acme.example");
        old = world_user(&w, "u1", "gone", KB_NONE);
        w.realm.users[old].flags = KB_USER_GONE | KB_USER_LOOKED_UP;
        w.desired.matches[old].verdict = KB_MATCH_DISABLED;
        new = world_user(&w, "u2", "ada@acme.example", p);
        w.desired.matches[new].verdict = cases[i].verdict;
        if (cases[i].holds)
            world_hold(&w, m, new);
        world_member(&w, g, p);
        world_ledger(&w, g, p, "u1");
        world_plan(&w);
        if (w.plan.ops_len != (cases[i].op != NONE) || w.plan.left_len != (cases[i].left != NONE) ||
            (w.plan.left_len && w.plan.left[0].list != cases[i].left))
            fail_msg("'%s': %u operations, %u left alone", cases[i].name, w.plan.ops_len, w.plan.left_len);
        if (w.plan.ops_len)
            assert_int_equal(w.plan.ops[0].cause, KB_CAUSE_DELETED);
        world_done(&w);
    }
}

/* Marriage: the old name stays until somebody looks, the new one gets in. */
static void
test_identity_changed(void **state)
{
    const struct kb_left_alone *left = NULL;
    struct world w;
    uint32_t m, g, old, new, u;

    (void) state;
    world_init(&w);
    m = world_managed(&w, "g");
    g = world_group(&w, "900", "g");
    old = world_principal(&w, "1001", "ada.old@acme.example");
    new = world_principal(&w, "1002", "ada.new@acme.example");
    u = world_user(&w, "u1", "ada.new@acme.example", new);
    world_hold(&w, m, u);
    world_member(&w, g, old);
    world_ledger(&w, g, old, "u1");
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 1);
    assert_int_equal(w.plan.ops[0].op, KB_OP_ADD);
    assert_string_equal(world_str(&w, w.plan.ops[0].id), "1002");
    assert_int_equal(w.plan.left_len, 1);
    assert_int_equal(world_left(&w, KB_LEFT_IDENTITY_CHANGED, &left), 1);
    assert_string_equal(world_str(&w, left->name), "ada.old@acme.example");
    assert_non_null(strstr(world_str(&w, left->note), "ada.new@acme.example"));

    /* the person lost the role meanwhile: nothing keeps the old name in */
    kb_u32s_done(&w.desired.groups[m].users);
    kb_u32s_done(&w.desired.groups[m].principals);
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 1);
    assert_int_equal(w.plan.ops[0].op, KB_OP_REMOVE);
    assert_int_equal(w.plan.ops[0].cause, KB_CAUSE_REVOKED);
    assert_int_equal(w.plan.left_len, 0);

    /* the new name is not in Databricks yet */
    w.desired.matches[u] = (struct kb_user_match){.verdict = KB_MATCH_UNMATCHED, .principal = KB_NONE};
    world_hold(&w, m, u);
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(world_left(&w, KB_LEFT_IDENTITY_CHANGED, NULL), 1);
    assert_int_equal(world_left(&w, KB_LEFT_UNMATCHED, &left), 1);
    assert_string_equal(world_str(&w, left->name), "ada.new@acme.example");
    assert_int_equal(w.plan.summary.unmatched, 1);
    world_done(&w);
}

/* Nobody known: no user stands for the principal, or the principal has no name. */
static void
test_nobody_known(void **state)
{
    const struct kb_left_alone *left = NULL;
    struct world w;
    uint32_t g, p;

    (void) state;
    world_init(&w);
    (void) world_managed(&w, "g");
    g = world_group(&w, "900", "g");
    p = world_principal(&w, "1001", "ada@acme.example");
    world_member(&w, g, p);
    world_ledger(&w, g, p, "");
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(world_left(&w, KB_LEFT_UNPROVEN, &left), 1);
    assert_string_equal(world_str(&w, left->note), "no Keycloak id known");
    assert_int_equal(w.needs.lookup_len, 0);

    w.target.principals[p].name = 0; /* a short page of the listing */
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(world_left(&w, KB_LEFT_UNPROVEN, &left), 1);
    assert_string_equal(world_str(&w, left->name), "1001");

    kb_u32s_done(&w.target.groups[g].ledger);
    kb_u32s_done(&w.target.groups[g].ledger_user);
    w.scope.managed[0].foreign = KB_FOREIGN_REMOVE;
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(world_left(&w, KB_LEFT_UNPROVEN, NULL), 1);
    world_done(&w);
}

/* Added by a user name that may be another's address: asked for first, and only then. */
static void
test_namesakes(void **state)
{
    char *keys[] = {strdup("email"), strdup("username")};
    struct world w;
    uint32_t m, g, p, u;

    (void) state;
    world_init(&w);
    w.rules.match.users = (struct kb_strings){.v = keys, .len = 2};
    m = world_managed(&w, "g");
    g = world_group(&w, "900", "g");
    p = world_principal(&w, "1001", "ada@acme.example");
    u = world_user(&w, "u1", "ada@acme.example", p);
    w.realm.users[u].email = 0;
    world_hold(&w, m, u);
    world_plan(&w); /* nobody would answer the question */
    assert_int_equal(w.plan.ops_len, 1);
    assert_int_equal(w.needs.names.len, 0);

    w.in.may_ask = true;
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(w.needs.names.len, 1);
    assert_int_equal(w.needs.names.v[0], u);
    assert_int_equal(world_left(&w, KB_LEFT_UNPROVEN, NULL), 1);

    w.realm.users[u].flags |= KB_USER_NAME_ASKED;
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 1);
    assert_int_equal(w.needs.names.len, 0);

    w.realm.users[u].flags = KB_USER_ENABLED;
    world_member(&w, g, p); /* who is in already is no addition */
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(w.needs.names.len, 0);
    assert_int_equal(world_left(&w, KB_LEFT_UNPROVEN, NULL), 0);
    free(keys[0]);
    free(keys[1]);
    world_done(&w);
}

/* A group that nobody holds: the report may have to speak of organizations. Asked once. */
static void
test_organizations(void **state)
{
    struct world w;
    uint32_t m, u;

    (void) state;
    world_init(&w);
    m = world_managed(&w, "g");
    (void) world_group(&w, "900", "g");
    world_plan(&w);
    assert_false(w.needs.organizations);
    w.in.may_ask = true;
    world_plan(&w);
    assert_true(w.needs.organizations);
    assert_false(w.plan.organizations);
    w.realm.organizations_asked = w.realm.organizations = true;
    world_plan(&w);
    assert_false(w.needs.organizations);
    assert_true(w.plan.organizations);
    w.realm.organizations_asked = w.realm.organizations = false;
    u = world_user(&w, "u1", "ada@acme.example", KB_NONE);
    world_hold(&w, m, u);
    world_plan(&w);
    assert_false(w.needs.organizations);
    world_done(&w);
}

/* A principal that may be somebody in doubt is touched by no rule, in no direction. */
static void
test_doubtful(void **state)
{
    struct world w;
    uint32_t m, g, p, u;

    (void) state;
    world_init(&w);
    m = world_managed(&w, "g");
    g = world_group(&w, "900", "g");
    p = world_principal(&w, "1001", "ada@acme.example");
    u = world_user(&w, "u1", "ada@acme.example", p);
    assert_true(kb_u32s_add(&w.desired.doubtful, p));
    world_hold(&w, m, u);
    world_plan(&w); /* would be added */
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(world_left(&w, KB_LEFT_AMBIGUOUS, NULL), 1);

    kb_u32s_done(&w.desired.groups[m].users);
    kb_u32s_done(&w.desired.groups[m].principals);
    world_member(&w, g, p);
    w.scope.managed[m].foreign = KB_FOREIGN_REMOVE;
    world_plan(&w); /* foreign, would be removed */
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(world_left(&w, KB_LEFT_AMBIGUOUS, NULL), 1);

    world_ledger(&w, g, p, "u1");
    world_plan(&w); /* revoked, would be removed */
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(world_left(&w, KB_LEFT_AMBIGUOUS, NULL), 1);
    assert_int_equal(w.plan.summary.ambiguous, 1);
    world_done(&w);
}

static void
test_exceptions(void **state)
{
    static const struct {
        const char *name, *group, *principal;
        int64_t until_s;
        int op, left;
    } cases[] = {
        {"by name", "g", "TEST@acme.example", 2000, NONE, KB_LEFT_EXCEPTIONS},
        {"by id", "g", "1001", 2000, NONE, KB_LEFT_EXCEPTIONS},
        {"ends now", "g", "1001", 1000, KB_OP_REMOVE, NONE},
        {"one second left", "g", "1001", 1001, NONE, KB_LEFT_EXCEPTIONS},
        {"of another group", "G", "1001", 2000, KB_OP_REMOVE, NONE},
        {"of somebody else", "g", "1002", 2000, KB_OP_REMOVE, NONE},
    };

    (void) state;
    for (size_t i = 0; i < 2 * KB_LEN(cases); i++) {
        bool report = i >= KB_LEN(cases);
        const struct kb_exception e = {cases[i % KB_LEN(cases)].group, cases[i % KB_LEN(cases)].principal,
                                       cases[i % KB_LEN(cases)].until_s, "pilot until the audit"};
        int op = report ? NONE : cases[i % KB_LEN(cases)].op, left = cases[i % KB_LEN(cases)].left;
        const struct kb_left_alone *entry = NULL;
        struct world w;
        if (report && left == NONE)
            left = KB_LEFT_FOREIGN;
        world_init(&w);
        (void) world_managed(&w, "g");
        w.scope.managed[0].foreign = report ? KB_FOREIGN_REPORT : KB_FOREIGN_REMOVE;
        world_member(&w, world_group(&w, "900", "g"), world_principal(&w, "1001", "test@acme.example"));
        w.in.at_s = 1000;
        w.in.exceptions = &e;
        w.in.exceptions_len = 1;
        world_plan(&w);
        if (w.plan.ops_len != (op != NONE) || w.plan.left_len != (left != NONE) ||
            (left != NONE && world_left(&w, (enum kb_left) left, &entry) != 1))
            fail_msg("'%s': %u operations, %u left", cases[i % KB_LEN(cases)].name, w.plan.ops_len,
                     w.plan.left_len);
        if (left == KB_LEFT_EXCEPTIONS)
            assert_non_null(strstr(world_str(&w, entry->note), "pilot until the audit"));
        world_done(&w);
    }
}

/* The program itself and configured members are named in no write. */
static void
test_protected_members(void **state)
{
    char by_names[] = "Break.Glass@acme.example", by_ids[] = "1003", *names[] = {by_names, by_ids};
    struct world w;
    uint32_t m, g, self, by_name, by_id;

    (void) state;
    world_init(&w);
    m = world_managed(&w, "g");
    g = world_group(&w, "900", "g");
    self = world_principal(&w, "1001", "keybricks");
    by_name = world_principal(&w, "1002", "break.glass@acme.example");
    by_id = world_principal(&w, "1003", "other@acme.example");
    w.target.self = self;
    w.rules.protect_members = (struct kb_strings){names, 2};
    world_hold(&w, m, world_user(&w, "u1", "keybricks", self));           /* would be added */
    world_hold(&w, m, world_user(&w, "u3", "other@acme.example", by_id)); /* would be added */
    (void) world_user(&w, "u2", "break.glass@acme.example", by_name);
    world_member(&w, g, by_name); /* would be removed */
    world_ledger(&w, g, by_name, "u2");
    world_plan(&w);
    assert_int_equal(w.plan.ops_len, 0);
    assert_int_equal(w.plan.groups_len, 1);
    assert_int_equal(w.plan.groups[0].guards_len, 2);
    assert_int_equal(w.plan.guards[0].id, KB_GUARD_PROTECTED_MEMBER);
    assert_int_equal(w.plan.guards[0].value, 2);
    assert_int_equal(w.plan.guards[0].scope, KB_SCOPE_MEMBER);
    assert_true(w.plan.guards[0].tripped);
    assert_int_equal(w.plan.guards[1].id, KB_GUARD_SELF_CHECK);
    assert_int_equal(w.plan.guards[1].value, 1);
    assert_int_equal(w.plan.summary.add + w.plan.summary.remove + w.plan.summary.ready_writes, 0);
    world_done(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_person_of_today),
        cmocka_unit_test(test_identity_changed),
        cmocka_unit_test(test_nobody_known),
        cmocka_unit_test(test_doubtful),
        cmocka_unit_test(test_namesakes),
        cmocka_unit_test(test_organizations),
        cmocka_unit_test(test_exceptions),
        cmocka_unit_test(test_protected_members),
    };

    return cmocka_run_group_tests_name("planner: rows", tests, NULL, NULL);
}
