#include "base/ban.h"

/* The truth table of product.md: for each (managed group, principal) three facts, desired now, present in the
 * target now, in the ledger. One pass over three sorted arrays.
 *
 * A removal needs more than "not desired": somebody must be known who lost the right. What the reading cannot
 * explain (nobody known, a lockout, an ambiguity, a directory) is left alone and listed. The proof by a
 * second endpoint comes later, in apply; here only what is worth proving gets into the plan. */

#include "reconciler/plan/plan_rows.h"

#include "base/mem.h"
#include "base/str.h"
#include "reconciler/plan/plan_directory.h"
#include "reconciler/plan/plan_ledger.h"
#include "reconciler/plan/plan_left.h"

#define OPS_MAX (1u << 28)

static const char NOTE_LOCKED_OUT[] = "locked out after failed logins; a lockout is not a decision";
static const char NOTE_AMBIGUOUS[] = "two people in Keycloak for one in Databricks, or the other way round";
static const char NOTE_DOUBTFUL[] =
    "may be somebody who is excluded, locked out or cannot be told from another";
static const char NOTE_NAME[] =
    "not added before Keycloak has said that the user name is nobody else's e-mail address";
static const char NOTE_NAMELESS[] = "in no list of Databricks";

struct row {
    uint32_t principal;
    bool desired, present, ledger;
    const char *user_id;   /* Keycloak id that the ledger knows, "" none */
    const char *directory; /* of that user, as the ledger remembers; "" local */
};

static kb_text
row_name(struct kb_plan_work *work, const struct row *row)
{
    bool named = work->in->target->principals[row->principal].name != 0;

    return kb_plan_principal_text(work, row->principal, named ? KB_PART_NAME : KB_PART_ID);
}

static int
leave(struct kb_plan_work *work, const struct kb_plan_job *job, const struct row *row, enum kb_left list,
      const char *note)
{
    return kb_left_add(work, list, job->text, row_name(work, row), note);
}

/* Member guards: no write ever names these; nothing can approve it (I4). */
static bool
dropped_by_guard(struct kb_plan_work *work, struct kb_plan_job *job, uint32_t principal)
{
    unsigned which;

    if (principal == work->in->target->self)
        which = KB_DROP_SELF;
    else if (work->principal_protected[principal])
        which = KB_DROP_MEMBER;
    else
        return false;
    job->dropped[which]++;
    return true;
}

struct kb_stuck *
kb_stuck_find(struct kb_stuck *stuck, size_t len, const char *group_id, const char *key)
{
    size_t low = 0, high = len;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = strcmp(stuck[mid].group_id, group_id);
        if (!c)
            c = strcmp(stuck[mid].key, key);
        if (!c)
            return &stuck[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Three runs in a row the server took it and did not do it: tried once a day, and listed in between. */
static bool
is_stuck(struct kb_plan_work *work, const struct kb_plan_job *job, const struct row *row, enum kb_op what,
         char note[192])
{
    const struct kb_target *target = work->in->target;
    char key[KB_STUCK_KEY_SIZE], time[KB_TIME_SIZE];
    struct kb_stuck *s;

    if (!work->in->stuck_len || job->group == KB_NONE)
        return false;
    (void) snprintf(key, sizeof(key), "%c%.30s", what == KB_OP_ADD ? '+' : '-',
                    kb_target_str(target, target->principals[row->principal].id));
    s = kb_stuck_find(work->in->stuck, work->in->stuck_len,
                      kb_target_str(target, target->groups[job->group].id), key);
    if (!s)
        return false;
    s->met = true;
    if (s->runs < KB_STUCK_RUNS || work->in->at_s - s->last_try_s >= KB_STUCK_AGAIN_S)
        return false;
    (void) snprintf(note, 192, "%s in %lld runs without effect; tried again after %s",
                    what == KB_OP_ADD ? "added" : "removed", (long long) s->runs,
                    kb_time_format(s->last_try_s + KB_STUCK_AGAIN_S, time));
    return true;
}

/* The directory of whoever stands behind the row; "" a local user. */
static const char *
directory_of(const struct kb_plan_work *work, const struct row *row, uint32_t user)
{
    const struct kb_realm *realm = work->in->realm;

    return user != KB_NONE && realm->users[user].directory ? kb_realm_str(realm, realm->users[user].directory)
                                                           : row->directory;
}

/* True: nothing may be held against this person now; *ret is the result of leaving him alone. */
static bool
directory_forbids(struct kb_plan_work *work, const struct kb_plan_job *job, const struct row *row,
                  uint32_t user, int *ret)
{
    const char *directory = directory_of(work, row, user);
    bool gone = user == KB_NONE || work->in->realm->users[user].flags & KB_USER_GONE;

    if (!kb_directory_forbids(work, directory, gone))
        return false;
    *ret = kb_directory_leave(work, job, row_name(work, row), directory);
    return true;
}

/* For people who read the plan. */
static kb_text
notice(struct kb_plan_work *work, uint32_t principal)
{
    const struct kb_principal *p = &work->in->target->principals[principal];

    if (kb_principal_is_new(kb_target_str(work->in->target, p->id)))
        return kb_pool_adds(&work->plan->pool, "the user is created first");
    return p->active ? 0 : kb_pool_adds(&work->plan->pool, "inactive in Databricks");
}

static int
add_op(struct kb_plan_work *work, struct kb_plan_job *job, const struct row *row, enum kb_op what,
       enum kb_cause cause, uint32_t user)
{
    struct kb_plan *plan = work->plan;
    struct kb_plan_op op = {.op = (uint8_t) what,
                            .cause = (uint8_t) cause,
                            .kind = work->in->target->principals[row->principal].kind};
    char note[192];

    if (dropped_by_guard(work, job, row->principal))
        return 0;
    if (what == KB_OP_REMOVE && work->in->no_removals) {
        plan->summary.removals_left_out++;
        return 0;
    }
    if (is_stuck(work, job, row, what, note))
        return leave(work, job, row, KB_LEFT_STUCK, note);
    op.id = kb_plan_principal_text(work, row->principal, KB_PART_ID);
    op.name = row_name(work, row);
    op.display = kb_plan_principal_text(work, row->principal, KB_PART_DISPLAY);
    if (user != KB_NONE) {
        op.source_id = kb_plan_user_text(work, user);
        op.directory = kb_pool_adds(&plan->pool, directory_of(work, row, user));
    }
    op.note = notice(work, row->principal);
    if (what == KB_OP_ADD) {
        int r = kb_plan_reasons(work);
        if (r >= 0)
            r = kb_reason_find(work->reasons, job->managed, user, plan, &op.reasons_start, &op.reasons_len,
                               work->err);
        if (r < 0)
            return r;
    }
    if (op.note == KB_NONE || op.id == KB_NONE || op.name == KB_NONE || op.display == KB_NONE ||
        op.source_id == KB_NONE || op.directory == KB_NONE ||
        !kb_grow(&plan->ops, &plan->ops_cap, (size_t) plan->ops_len + 1, sizeof(*plan->ops), OPS_MAX))
        return kb_plan_nomem(work);
    plan->ops[plan->ops_len++] = op;
    return 0;
}

static uint8_t
verdict_of(const struct kb_plan_work *work, uint32_t user)
{
    const struct kb_desired *desired = work->in->desired;

    return user < desired->matches_len ? desired->matches[user].verdict : (uint8_t) KB_MATCH_NOT_ASKED;
}

static bool
holds(const struct kb_plan_job *job, uint32_t user)
{
    return kb_u32s_has(&job->desired->users, user);
}

static bool
doubtful(const struct kb_plan_work *work, const struct row *row)
{
    return kb_u32s_has(&work->in->desired->doubtful, row->principal);
}

static int
leave_unknown(struct kb_plan_work *work, const struct kb_plan_job *job, const struct row *row, uint32_t user)
{
    return kb_left_unknown(work, job, row_name(work, row), user);
}

/* The user holds the group and yet the principal is not desired: the name he is compared by has changed. */
static int
identity_changed(struct kb_plan_work *work, const struct kb_plan_job *job, const struct row *row,
                 uint32_t user)
{
    const struct kb_user_match *match = &work->in->desired->matches[user];
    const struct kb_target *target = work->in->target;
    char note[320];

    if (match->principal < target->principals_len && match->principal != row->principal)
        kb_plan_note(note, sizeof(note), "the same person in Keycloak is now ",
                     kb_target_str(target, target->principals[match->principal].name), "");
    else if (match->verdict == KB_MATCH_UNVERIFIED)
        kb_plan_note(note, sizeof(note), "the e-mail address is not verified in Keycloak any more", "", "");
    else if (match->verdict == KB_MATCH_OFF)
        kb_plan_note(note, sizeof(note), "match.service_principals is off", "", "");
    else
        kb_plan_note(note, sizeof(note), "the same person in Keycloak has no Databricks user now", "", "");
    return leave(work, job, row, KB_LEFT_IDENTITY_CHANGED, note);
}

static int
judge_disabled(struct kb_plan_work *work, struct kb_plan_job *job, const struct row *row, uint32_t user)
{
    const struct kb_user *u = &work->in->realm->users[user];
    enum kb_cause cause = KB_CAUSE_DISABLED;
    int r = 0;

    /* A directory that is down, or lies, shows its people disabled; only the stored flag is Keycloak's own. */
    if (u->directory && !(u->flags & KB_USER_DISABLED_STORED)) {
        if (!(u->flags & KB_USER_DISABLED_BELIEVED))
            return kb_directory_leave_disabled(work, job, row_name(work, row), user);
        cause = KB_CAUSE_DISABLED_IN_DIRECTORY;
    }
    return directory_forbids(work, job, row, user, &r) ? r
                                                       : add_op(work, job, row, KB_OP_REMOVE, cause, user);
}

/* True: what is known of the person forbids to judge; *ret is the result of leaving him alone. */
static bool
verdict_forbids(struct kb_plan_work *work, const struct kb_plan_job *job, const struct row *row,
                uint32_t user, int *ret)
{
    switch ((enum kb_match_verdict) verdict_of(work, user)) {
    case KB_MATCH_EXCLUDED:
        *ret = 0;
        return true;
    case KB_MATCH_LOCKED_OUT:
        *ret = leave(work, job, row, KB_LEFT_LOCKED_OUT, NOTE_LOCKED_OUT);
        return true;
    case KB_MATCH_AMBIGUOUS:
        *ret = leave(work, job, row, KB_LEFT_AMBIGUOUS, NOTE_AMBIGUOUS);
        return true;
    case KB_MATCH_UNKNOWN:
        *ret = leave_unknown(work, job, row, user);
        return true;
    case KB_MATCHED:
    case KB_MATCH_NOT_ASKED:
    case KB_MATCH_DISABLED:
    case KB_MATCH_UNMATCHED:
    case KB_MATCH_UNVERIFIED:
    case KB_MATCH_NO_KEY:
    case KB_MATCH_OFF:
        break;
    }
    return false;
}

/* Whoever the principal's name belongs to today may forbid to touch it, whoever was put in once. */
static bool
today_forbids(struct kb_plan_work *work, const struct kb_plan_job *job, const struct row *row, int *ret)
{
    uint32_t user = work->user_of[row->principal];

    if (user == KB_NONE)
        return false;
    /* somebody put in by hand who would only be reported: no need to know more of him */
    if (verdict_of(work, user) == KB_MATCH_UNKNOWN && !row->ledger && !holds(job, user) &&
        job->rule->foreign == KB_FOREIGN_REPORT)
        return false;
    return verdict_forbids(work, job, row, user, ret);
}

/* The person is known and not in doubt: why is he not desired? */
static int
judge_known(struct kb_plan_work *work, struct kb_plan_job *job, const struct row *row, uint32_t user)
{
    const struct kb_user *u = &work->in->realm->users[user];
    uint8_t verdict = verdict_of(work, user);
    int r = 0;

    if (u->flags & KB_USER_GONE)
        return directory_forbids(work, job, row, user, &r)
                   ? r
                   : add_op(work, job, row, KB_OP_REMOVE, KB_CAUSE_DELETED, user);
    if (u->flags & KB_USER_LOCKED_OUT)
        return leave(work, job, row, KB_LEFT_LOCKED_OUT, NOTE_LOCKED_OUT);
    if (u->flags & KB_USER_DISABLED_STORED || !(u->flags & KB_USER_ENABLED)) {
        /* Without its details it may be a lockout, or a row that nothing has filled. */
        if (verdict != KB_MATCH_DISABLED && !(u->flags & KB_USER_LOOKED_UP))
            return leave_unknown(work, job, row, user);
        return judge_disabled(work, job, row, user);
    }
    if (holds(job, user))
        return identity_changed(work, job, row, user);
    return directory_forbids(work, job, row, user, &r)
               ? r
               : add_op(work, job, row, KB_OP_REMOVE, KB_CAUSE_REVOKED, user);
}

/* Not desired, present, in the ledger: what became of the person who was put in? */
static int
judge_revoked(struct kb_plan_work *work, struct kb_plan_job *job, const struct row *row)
{
    uint32_t user =
        *row->user_id ? kb_realm_user(work->in->realm, row->user_id) : work->user_of[row->principal];
    int r = 0;

    if (today_forbids(work, job, row, &r) || (user != KB_NONE && verdict_forbids(work, job, row, user, &r)))
        return r;
    if (doubtful(work, row))
        return leave(work, job, row, KB_LEFT_AMBIGUOUS, NOTE_DOUBTFUL);
    if (!work->in->target->principals[row->principal].name)
        return leave(work, job, row, KB_LEFT_UNPROVEN, NOTE_NAMELESS);
    if (user != KB_NONE)
        return judge_known(work, job, row, user);
    if (!*row->user_id)
        return leave(work, job, row, KB_LEFT_UNPROVEN, "no Keycloak id known");
    if (directory_forbids(work, job, row, user, &r))
        return r;
    r = kb_plan_need_lookup(work, row->user_id);
    return r < 0 ? r : leave(work, job, row, KB_LEFT_UNPROVEN, "not looked up in Keycloak yet");
}

static const struct kb_exception *
find_exception(const struct kb_plan_work *work, const struct kb_plan_job *job, const struct row *row)
{
    const struct kb_target *target = work->in->target;
    const struct kb_principal *p = &target->principals[row->principal];

    for (size_t i = 0; i < work->in->exceptions_len; i++) {
        const struct kb_exception *e = &work->in->exceptions[i];
        if (e->until_s > work->in->at_s && !strcmp(e->group, job->rule->name) &&
            ((p->name && !kb_ascii_casecmp(e->principal, kb_target_str(target, p->name))) ||
             !strcmp(e->principal, kb_target_str(target, p->id))))
            return e;
    }
    return NULL;
}

/* Not desired, present, not in the ledger: put in by hand. */
static int
judge_foreign(struct kb_plan_work *work, struct kb_plan_job *job, const struct row *row)
{
    const struct kb_exception *exception;
    uint32_t user = work->user_of[row->principal];
    char note[512], lead[64], time[KB_TIME_SIZE];
    int r = 0;

    if (today_forbids(work, job, row, &r))
        return r;
    exception = find_exception(work, job, row);
    if (exception) {
        (void) snprintf(lead, sizeof(lead), "until %s: ", kb_time_format(exception->until_s, time));
        kb_plan_note(note, sizeof(note), lead, exception->reason, "");
        return leave(work, job, row, KB_LEFT_EXCEPTIONS, note);
    }
    if (job->rule->foreign == KB_FOREIGN_REPORT) {
        bool disabled = user != KB_NONE && !(work->in->realm->users[user].flags & KB_USER_ENABLED);
        return leave(work, job, row, KB_LEFT_FOREIGN,
                     disabled ? "DISABLED in Keycloak, but not put in by keybricks: kept (policy report)"
                              : "not put in by keybricks, kept (policy report)");
    }
    if (doubtful(work, row))
        return leave(work, job, row, KB_LEFT_AMBIGUOUS, NOTE_DOUBTFUL);
    if (!work->in->target->principals[row->principal].name)
        return leave(work, job, row, KB_LEFT_UNPROVEN, NOTE_NAMELESS);
    if (user == KB_NONE ? kb_directory_forbids_nobody(work, job, row_name(work, row), &r)
                        : directory_forbids(work, job, row, user, &r))
        return r;
    return add_op(work, job, row, KB_OP_REMOVE, KB_CAUSE_FOREIGN, user);
}

static int
judge_row(struct kb_plan_work *work, struct kb_plan_job *job, const struct row *row)
{
    const struct kb_realm *realm = work->in->realm;
    uint32_t user = work->user_of[row->principal];

    if (!kb_plan_principal_selected(work, row->principal, row->user_id))
        return 0;
    if (job->protected_group) {
        if (row->desired ? !row->present : row->present && row->ledger)
            job->dropped[KB_DROP_GROUP]++;
        return 0;
    }
    if (row->desired && user == KB_NONE)
        return kb_fail(work->err, KB_E_BUG, "plan: somebody is desired whom no user stands for");
    if (row->desired && !row->present && doubtful(work, row))
        return leave(work, job, row, KB_LEFT_AMBIGUOUS, NOTE_DOUBTFUL);
    if (row->desired && !row->present && kb_directory_down(work, directory_of(work, row, user)))
        return kb_directory_leave(work, job, row_name(work, row), directory_of(work, row, user));
    if (row->desired && !row->present && work->in->may_ask &&
        kb_match_may_be_another(work->in->rules, realm, &realm->users[user]))
        return kb_u32s_add(&work->needs->names, user) ? leave(work, job, row, KB_LEFT_UNPROVEN, NOTE_NAME)
                                                      : kb_plan_nomem(work);
    if (row->desired && !row->present)
        return add_op(work, job, row, KB_OP_ADD, row->ledger ? KB_CAUSE_DRIFT_REMOVED : KB_CAUSE_GRANTED,
                      user);
    if (row->desired) {
        /* also a row of somebody else: the person came back with a new Keycloak id, and a later removal must
         * be proven with that one */
        if (row->ledger && !strcmp(row->user_id, kb_realm_str(realm, realm->users[user].id)))
            return 0;
        return kb_ledger_adopt(work, job, row->principal, user);
    }
    if (!row->present)
        return kb_ledger_clean(work, job->managed, job->group, row->principal);
    return row->ledger ? judge_revoked(work, job, row) : judge_foreign(work, job, row);
}

static uint32_t
at(const struct kb_u32s *list, uint32_t i)
{
    return list && i < list->len ? list->v[i] : KB_NONE;
}

int
kb_plan_rows(struct kb_plan_work *work, struct kb_plan_job *job)
{
    const struct kb_target *target = work->in->target;
    const struct kb_target_group *group = job->group == KB_NONE ? NULL : &target->groups[job->group];
    const struct kb_u32s *desired = &job->desired->principals;
    const struct kb_u32s *present = group ? &group->members : NULL, *ledger = group ? &group->ledger : NULL;
    uint32_t d = 0, p = 0, l = 0;

    for (;;) {
        uint32_t next = at(desired, d);
        struct row row = {.user_id = "", .directory = ""};
        int r;
        if (at(present, p) < next)
            next = at(present, p);
        if (at(ledger, l) < next)
            next = at(ledger, l);
        if (next == KB_NONE)
            return 0;
        row.principal = next;
        row.desired = at(desired, d) == next;
        row.present = at(present, p) == next;
        row.ledger = at(ledger, l) == next;
        if (row.ledger && l < group->ledger_user.len)
            row.user_id = kb_target_str(target, group->ledger_user.v[l]);
        if (row.ledger && l < group->ledger_directory.len)
            row.directory = kb_target_str(target, group->ledger_directory.v[l]);
        d += row.desired;
        p += row.present;
        l += row.ledger;
        r = judge_row(work, job, &row);
        if (r < 0)
            return r;
    }
}
