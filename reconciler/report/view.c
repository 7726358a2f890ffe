#include "base/ban.h"

#include "reconciler/report/view.h"

#include "base/mem.h"
#include "base/str.h"

enum view_section
view_section_of(const struct kb_plan *plan, const struct kb_plan_group *group)
{
    bool held = false, privileged = false;
    for (uint32_t i = group->guards_start; i < group->guards_start + group->guards_len; i++) {
        const struct kb_plan_guard *g = &plan->guards[i];
        if (!g->tripped || g->approved)
            continue;
        if (g->id == KB_GUARD_PRIVILEGED_ADDITIONS)
            privileged = true;
        else
            held = true;
    }
    if (held)
        return VIEW_HELD;
    return privileged ? VIEW_PRIVILEGED
                      : VIEW_CHANGES; /* what a run guard holds is said once, above the groups */
}

void
view_object(const char *name, struct kb_buf *b)
{
    size_t len = strlen(name);
    bool plain = len && !strpbrk(name, "[]\"") && !strstr(name, "  ") && !strstr(name, " <- ") &&
                 *name != ' ' && name[len - 1] != ' ';
    if (plain) {
        kb_buf_add_visible(b, name);
        return;
    }
    kb_buf_addc(b, '"');
    for (const char *p = name; *p;) {
        size_t n = strcspn(p, "\"");
        KB_CLEANUP(kb_buf) struct kb_buf part = KB_BUF_INIT(n + 1);
        kb_buf_add(&part, p, n);
        b->failed |= part.failed;
        kb_buf_add_visible(b, kb_buf_str(&part));
        p += n;
        if (*p == '"') {
            kb_buf_adds(b, "\\\"");
            p++;
        }
    }
    kb_buf_addc(b, '"');
}

/* "group /data/ml", "role data-base": our word, then a name. */
static void
step(const char *via, struct kb_buf *b)
{
    size_t word = strcspn(via, " ");
    bool ours = !strncmp(via, "group ", 6) || !strncmp(via, "role ", 5);
    if (ours)
        kb_buf_addf(b, "%.*s ", (int) word, via);
    view_object(ours ? via + word + 1 : via, b);
}

/* Since when, and by whom. */
static void
event(const struct kb_plan *plan, const struct kb_reason *r, bool mask, struct kb_buf *b)
{
    char at[KB_TIME_SIZE];
    if (!r->event_at_s)
        return;
    kb_buf_addf(b, "  %.16sZ by ", kb_time_format(r->event_at_s, at));
    view_name(kb_plan_str(plan, r->event_by), mask, b);
}

static void
account(const struct kb_plan *plan, const struct kb_plan_op *op, const char *words, bool mask,
        struct kb_buf *b)
{
    kb_buf_adds(b, words);
    if (op->reasons_len)
        event(plan, &plan->reasons[op->reasons_start], mask, b);
}

static void
first_reason(const struct kb_plan *plan, const struct kb_plan_op *op, bool mask, struct kb_buf *b)
{
    if (!op->reasons_len) { /* a plan from a file need not say why */
        kb_buf_adds(b, "granted in Keycloak");
        return;
    }
    const struct kb_reason *r = &plan->reasons[op->reasons_start];
    kb_buf_adds(b, r->is_path ? "group " : "role ");
    view_object(kb_plan_str(plan, r->object), b);
    for (uint32_t i = r->via_len; i > 0;
         i--) { /* nearest first, as a person asks: from what, and from what that */
        kb_buf_adds(b, " <- ");
        step(kb_plan_str(plan, plan->via[r->via_start + i - 1]), b);
    }
    if (!r->via_len && !r->is_path)
        kb_buf_adds(b, ", direct");
    if (op->reasons_len > 1)
        kb_buf_addf(b, " (+%u path%s)", op->reasons_len - 1, op->reasons_len == 2 ? "" : "s");
    event(plan, r, mask, b);
}

void
view_reason(const struct kb_plan *plan, const struct kb_plan_op *op, bool mask, struct kb_buf *b)
{
    switch ((enum kb_cause) op->cause) {
    case KB_CAUSE_GRANTED:
        first_reason(plan, op, mask, b);
        return;
    case KB_CAUSE_REVOKED:
        kb_buf_adds(b, op->reasons_len ? "lost " : "no longer has what the rules ask for");
        if (op->reasons_len)
            first_reason(plan, op, mask, b);
        return;
    case KB_CAUSE_DISABLED:
        account(plan, op, "account disabled in Keycloak", mask, b);
        return;
    case KB_CAUSE_DISABLED_IN_DIRECTORY:
        kb_buf_adds(b, "account disabled in its directory");
        return;
    case KB_CAUSE_DELETED:
        account(plan, op, "user deleted in Keycloak", mask, b);
        return;
    case KB_CAUSE_DRIFT_REMOVED:
        kb_buf_adds(b, "drift: removed by hand in Databricks; ");
        first_reason(plan, op, mask, b);
        return;
    case KB_CAUSE_FOREIGN:
        kb_buf_adds(b, "added by hand in Databricks (foreign = remove)");
        return;
    case KB_CAUSE_UNDO:
        kb_buf_adds(b, "undo of an earlier run");
        return;
    case KB_CAUSE_MAX_:
        break;
    }
}

static bool
group_guard(const struct kb_plan *plan, unsigned id)
{
    for (uint32_t i = plan->run_guards_len; i < plan->guards_len; i++)
        if (plan->guards[i].id == id && plan->guards[i].tripped)
            return true;
    return false;
}

/* Only a guard over everything holds it: said once, in the first lines. */
bool
view_held_by_run(const struct kb_plan *plan, const struct kb_plan_op *op)
{
    for (unsigned i = 0; i < KB_GUARD_MAX_; i++)
        if ((op->held_by & 1u << i) && group_guard(plan, i))
            return false;
    return op->state == KB_OP_HELD && op->held_by;
}

static unsigned
tripped_in_group(const struct kb_plan *plan, const struct kb_plan_op *op)
{
    unsigned n = 0;
    for (uint32_t g = 0; g < plan->groups_len; g++) {
        const struct kb_plan_group *pg = &plan->groups[g];
        if (op < plan->ops + pg->ops_start || op >= plan->ops + pg->ops_start + pg->ops_len)
            continue;
        for (uint32_t i = pg->guards_start; i < pg->guards_start + pg->guards_len; i++)
            n += plan->guards[i].tripped;
    }
    return n;
}

static void
held_by(const struct kb_plan *plan, const struct kb_plan_op *op, struct kb_buf *b)
{
    bool first = true;
    kb_buf_adds(b, "held");
    if (tripped_in_group(plan, op) == 1) /* it stands above the people already */
        return;
    for (unsigned i = 0; i < KB_GUARD_MAX_; i++) {
        if (!(op->held_by & 1u << i))
            continue;
        kb_buf_addf(b, "%s%s", first ? " by " : ", ", kb_guard_name((enum kb_guard_id) i));
        first = false;
    }
}

void
view_state(const struct kb_plan *plan, const struct kb_plan_op *op, bool applied, bool mask, struct kb_buf *b)
{
    static const char *const words[KB_RESULT_MAX_] = {
        [KB_RESULT_NONE] = "not done",
        [KB_RESULT_APPLIED] = "done",
        [KB_RESULT_APPLIED_ALREADY] = "was so already",
        [KB_RESULT_REJECTED] = "rejected",
        [KB_RESULT_UNVERIFIED] = "sent, not seen yet",
        [KB_RESULT_UNKNOWN] = "unknown",
        [KB_RESULT_DROPPED] = "not sent",
    };
    size_t before = b->len;
    if (op->state == KB_OP_HELD)
        held_by(plan, op, b);
    else if (op->state == KB_OP_FROZEN)
        kb_buf_adds(b, "left out");
    else if (applied && op->result < KB_RESULT_MAX_)
        kb_buf_adds(b, words[op->result]);
    if (op->note) {
        kb_buf_adds(b, b->len > before ? ": " : "");
        view_note(kb_plan_str(plan, op->note), mask, b);
    }
}

void
view_guard(const struct kb_plan *plan, const struct kb_plan_guard *guard, struct kb_buf *b)
{
    kb_buf_adds(b, kb_guard_name(guard->id));
    if (guard->id == KB_GUARD_FIRST_RUN) {
        kb_buf_addf(b, ": %lld operation%s", (long long) guard->value,
                    guard->value == 1 ? " waits" : "s wait");
        return;
    }
    if (guard->limit || guard->value)
        kb_buf_addf(b, ": %lld%s, limit %lld%s", (long long) guard->value, guard->percent ? " %" : "",
                    (long long) guard->limit, guard->percent ? " %" : "");
    if (guard->note) {
        kb_buf_adds(b, " (");
        kb_buf_add_visible(b, kb_plan_str(plan, guard->note));
        kb_buf_addc(b, ')');
    }
}

void
view_name(const char *name, bool mask, struct kb_buf *b)
{
    if (!mask) {
        kb_buf_add_visible(b, name);
        return;
    }
    char head[8] = "";
    size_t n = name[0] ? 1 : 0;
    while (n && n < 4 && (name[n] & 0xC0) == 0x80) /* a whole character, not half of one */
        n++;
    memcpy(head, name, n);
    kb_buf_add_visible(b, head);
    kb_buf_adds(b, "***");
    const char *at = strrchr(name, '@'), *dot = at ? strrchr(at, '.') : NULL;
    if (at)
        kb_buf_adds(b, "@***");
    if (dot)
        kb_buf_add_visible(b, dot);
}

void
view_note(const char *note, bool mask, struct kb_buf *b)
{
    if (!mask) {
        kb_buf_add_visible(b, note);
        return;
    }
    for (const char *p = note; *p;) {
        size_t n = strcspn(p, " ");
        KB_CLEANUP(kb_buf) struct kb_buf word = KB_BUF_INIT(n + 1);
        kb_buf_add(&word, p, n);
        b->failed |= word.failed;
        view_name(kb_buf_str(&word), memchr(p, '@', n) != NULL, b);
        p += n;
        for (; *p == ' '; p++)
            kb_buf_addc(b, ' ');
    }
}

const char *
view_left_words(enum kb_left list)
{
    static const char *const words[KB_LEFT_MAX_] = {
        [KB_LEFT_AMBIGUOUS] = "ambiguous",      [KB_LEFT_EXCEPTIONS] = "exception",
        [KB_LEFT_FOREIGN] = "foreign",          [KB_LEFT_FROZEN] = "frozen",
        [KB_LEFT_IDENTITY_CHANGED] = "renamed", [KB_LEFT_LOCKED_OUT] = "locked out",
        [KB_LEFT_RELEASED] = "released",        [KB_LEFT_STUCK] = "stuck",
        [KB_LEFT_UNMATCHED] = "no match",       [KB_LEFT_UNPROVEN] = "unproven",
    };
    return list < KB_LEFT_MAX_ ? words[list] : "?";
}

uint32_t
view_count(const struct kb_plan *plan, const struct kb_plan_group *group, enum kb_op op)
{
    uint32_t n = 0;
    for (uint32_t i = group->ops_start; i < group->ops_start + group->ops_len; i++)
        n += plan->ops[i].op == op;
    return n;
}
