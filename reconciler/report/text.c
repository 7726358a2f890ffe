/* The plan on a terminal. Each line answers who, which group, sign, why, since when. */
#include "base/ban.h"

#include "reconciler/report/text.h"

#include "base/mem.h"
#include "base/str.h"
#include "reconciler/plan/file.h"
#include "reconciler/report/view.h"

#define LEFT_MAX 20 /* lines of one kind in LEFT ALONE, unless verbose */

struct text {
    const struct kb_plan *plan;
    const struct report_opts *opts;
    struct kb_buf *b;
};

enum colour { RED, GREEN, YELLOW, BOLD };

static void
paint(const struct text *t, enum colour c, const char *s)
{
    static const char *const codes[] = {"31", "32", "33", "1"};
    if (t->opts->color)
        kb_buf_addf(t->b, "\033[%sm%s\033[0m", codes[c], s);
    else
        kb_buf_adds(t->b, s);
}

/* The text so far on this line started at `from`; blanks up to the column, at least one. */
static void
pad(const struct text *t, size_t from, size_t column)
{
    if (t->b->failed) /* what it held is gone, and `from` with it */
        return;
    size_t width = kb_display_width(t->b->data + from);
    kb_buf_addf(t->b, "%*s", width < column ? (int) (column - width) : 1, "");
}

/* ---- head ---- */

static void
source_line(const struct text *t)
{
    const struct kb_plan *p = t->plan;
    kb_buf_addf(t->b, "  source   %u group%s, %u role%s, %u user%s   ", p->source_groups,
                p->source_groups == 1 ? "" : "s", p->source_roles, p->source_roles == 1 ? "" : "s",
                p->source_users, p->source_users == 1 ? "" : "s");
    if (p->source_complete)
        kb_buf_addf(t->b, p->source_lists ? "complete (%u lists)\n" : "complete\n", p->source_lists);
    else {
        paint(t, YELLOW, "NOT COMPLETE");
        if (p->directories_len && p->source_lists_ok == p->source_lists)
            kb_buf_adds(t->b, ": a directory is down\n");
        else
            kb_buf_addf(t->b, " (%u of %u lists); what depends on the others is frozen\n", p->source_lists_ok,
                        p->source_lists);
    }
    if (p->client_composites_unread)
        kb_buf_addf(t->b, "           who holds a role only through a client's role is not seen: %s\n",
                    p->clients_denied ? "the account lacks view-clients of realm-management"
                                      : "no rule asks for client roles");
    if (p->organizations)
        kb_buf_adds(t->b,
                    "           groups of organizations are left out: Keycloak shows neither them nor what "
                    "they give\n");
    if (p->events_note) {
        kb_buf_adds(t->b, "           admin events: ");
        kb_buf_add_visible(t->b, kb_plan_str(p, p->events_note));
        kb_buf_addc(t->b, '\n');
    }
}

static void
head(const struct text *t)
{
    const struct kb_plan *p = t->plan;
    char at[KB_TIME_SIZE];
    if (t->opts->no_ledger) {
        paint(t, YELLOW, "NO LEDGER");
        kb_buf_adds(t->b, "  revocations appear as foreign: ");
        kb_buf_add_visible(t->b,
                           t->opts->no_ledger_why ? t->opts->no_ledger_why : "the state could not be read");
        kb_buf_adds(t->b, "\n");
    }
    for (uint32_t i = 0; i < p->directories_len; i++) {
        const struct kb_plan_directory *d = &p->directories[i];
        paint(t, YELLOW, d->down ? "DIRECTORY DOWN" : "DIRECTORY NOT WITNESSED");
        kb_buf_adds(t->b, "  ");
        kb_buf_add_visible(t->b, kb_plan_str(p, d->name));
        kb_buf_adds(t->b, ": nothing is held against its people in this run");
        kb_buf_adds(t->b, d->note ? " (" : "");
        kb_buf_add_visible(t->b, kb_plan_str(p, d->note));
        kb_buf_adds(t->b, d->note ? ")\n" : "\n");
    }
    kb_buf_add_visible(t->b, kb_plan_str(p, p->tool));
    size_t id = strlen(p->run_id);
    kb_buf_addf(t->b, "   run %s   %s   realm ", id > 8 ? p->run_id + id - 8 : p->run_id,
                kb_time_format(p->at_s, at));
    const char *issuer =
        strstr(kb_plan_str(p, p->issuer), "/realms/"); /* a plan from a file knows only the issuer */
    kb_buf_add_visible(t->b, issuer ? issuer + 8 : kb_plan_str(p, p->issuer));
    kb_buf_adds(t->b, " -> ");
    kb_buf_add_visible(t->b, kb_plan_str(p, p->target_level));
    kb_buf_addc(t->b, ' ');
    kb_buf_add_visible(t->b, kb_plan_str(p, p->target_name));
    kb_buf_adds(t->b, "\n\n");
    source_line(t);
    kb_buf_addf(t->b, "  target   %u group%s, %u membership%s   ", p->target_groups,
                p->target_groups == 1 ? "" : "s", p->target_memberships,
                p->target_memberships == 1 ? "" : "s");
    if (p->target_snapshot_s)
        kb_buf_addf(t->b, "snapshot of %.16sZ; %u group%s read now\n",
                    kb_time_format(p->target_snapshot_s, at), p->target_read_now,
                    p->target_read_now == 1 ? "" : "s");
    else
        kb_buf_adds(t->b, "read now\n");
    kb_buf_adds(t->b, "  rules    ");
    kb_buf_add_visible(t->b, t->opts->config_path ? t->opts->config_path : "");
    kb_buf_addf(t->b, " %.8s   %s\n", p->rules_digest[0] ? p->rules_digest + 7 : "",
                p->rules_changed ? "changed since the last success" : "unchanged");
    if (p->narrowed)
        kb_buf_adds(t->b, "  narrowed by --group, --user or --no-removals: what is left out is not judged\n");
}

/* ---- groups ---- */

/* Why, and what became of it or will. */
static void
why(const struct text *t, const struct kb_plan_op *op, struct kb_buf *b)
{
    KB_CLEANUP(kb_buf) struct kb_buf state = KB_BUF_INIT(t->b->max);
    view_reason(t->plan, op, t->opts->mask_users, b);
    if (!view_held_by_run(t->plan, op))
        view_state(t->plan, op, t->opts->applied, t->opts->mask_users, &state);
    if (state.len)
        kb_buf_addf(b, "  [%s]", kb_buf_str(&state));
    b->failed |= state.failed;
}

/* `common`: the group's head has said why, for all of them. */
static void
person(const struct text *t, const struct kb_plan_op *op, bool common)
{
    const struct kb_plan *p = t->plan;
    bool mask = t->opts->mask_users;
    kb_buf_adds(t->b, "    ");
    paint(t, op->op == KB_OP_ADD ? GREEN : RED, op->op == KB_OP_ADD ? "+" : "-");
    kb_buf_addc(t->b, ' ');
    size_t name_from = t->b->len;
    if (op->display && !mask && strcmp(kb_plan_str(p, op->display), kb_plan_str(p, op->name)) != 0) {
        view_object(kb_plan_str(p, op->display), t->b);
        pad(t, name_from, 20);
    }
    kb_buf_addc(t->b, '<');
    view_name(kb_plan_str(p, op->name), mask, t->b);
    kb_buf_addc(t->b, '>');
    if (!common) {
        pad(t, name_from, 48);
        why(t, op, t->b);
    }
    if (t->opts->verbose) {
        kb_buf_adds(t->b, "  id ");
        kb_buf_add_visible(t->b, op->id ? kb_plan_str(p, op->id) : "-");
        kb_buf_adds(t->b, " source ");
        kb_buf_add_visible(t->b, op->source_id ? kb_plan_str(p, op->source_id) : "-");
    }
    kb_buf_addc(t->b, '\n');
}

static void
group_head(const struct text *t, const struct kb_plan_group *g)
{
    const struct kb_plan *p = t->plan;
    uint32_t adds = view_count(p, g, KB_OP_ADD), removes = view_count(p, g, KB_OP_REMOVE);
    size_t from = t->b->len;
    kb_buf_adds(t->b, "  ");
    view_object(kb_plan_str(p, g->name), t->b);
    pad(t, from, 27);
    if (g->create)
        kb_buf_addf(t->b, "new -> %u", g->after);
    else
        kb_buf_addf(t->b, "%u -> %u", g->before, g->after);
    pad(t, from, 42);
    if (adds)
        kb_buf_addf(t->b, "+%u ", adds);
    if (removes)
        kb_buf_addf(t->b, "-%u ", removes);
    if (removes && g->before)
        kb_buf_addf(t->b, "(%u %% go) ", (unsigned) ((uint64_t) removes * 100 / g->before));
    if (g->create)
        kb_buf_adds(t->b, "group to be made ");
    if (t->opts->verbose && g->id) {
        kb_buf_adds(t->b, "id ");
        kb_buf_add_visible(t->b, kb_plan_str(p, g->id));
    }
    while (t->b->len && t->b->data[t->b->len - 1] == ' ')
        t->b->data[--t->b->len] = 0;
    kb_buf_addc(t->b, '\n');
    for (uint32_t i = g->guards_start; i < g->guards_start + g->guards_len; i++) {
        const struct kb_plan_guard *guard = &p->guards[i];
        if (!guard->tripped)
            continue;
        kb_buf_adds(t->b, guard->approved ? "      approved " : "      guard ");
        view_guard(p, guard, t->b);
        kb_buf_addc(t->b, '\n');
    }
}

/* Three or more people, one sign, one reason: said once. */
static bool
one_reason(const struct text *t, const struct kb_plan_group *g)
{
    KB_CLEANUP(kb_buf) struct kb_buf first = KB_BUF_INIT(t->b->max);
    KB_CLEANUP(kb_buf) struct kb_buf other = KB_BUF_INIT(t->b->max);
    const struct kb_plan_op *ops = t->plan->ops + g->ops_start;
    if (g->ops_len < 3)
        return false;
    why(t, &ops[0], &first);
    for (uint32_t i = 1; i < g->ops_len; i++) {
        if (ops[i].op != ops[0].op)
            return false;
        kb_buf_clear(&other);
        why(t, &ops[i], &other);
        t->b->failed |= first.failed || other.failed;
        if (strcmp(kb_buf_str(&first), kb_buf_str(&other)) != 0)
            return false;
    }
    kb_buf_addf(t->b, "      all %u: %s\n", g->ops_len, kb_buf_str(&first));
    return true;
}

static void
group(const struct text *t, const struct kb_plan_group *g)
{
    group_head(t, g);
    bool common = one_reason(t, g);
    uint32_t shown = g->ops_len;
    if (t->opts->people_max && shown > t->opts->people_max)
        shown = t->opts->people_max;
    for (uint32_t i = 0; i < shown; i++)
        person(t, &t->plan->ops[g->ops_start + i], common);
    if (shown < g->ops_len)
        kb_buf_addf(t->b, "      and %u more; -v shows all, --format json too\n", g->ops_len - shown);
}

static void
section(const struct text *t, enum view_section which, const char *title, enum colour colour,
        const char *words)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->plan->groups_len; i++)
        n += view_section_of(t->plan, &t->plan->groups[i]) == which;
    if (!n)
        return;
    kb_buf_addc(t->b, '\n');
    paint(t, colour, title);
    kb_buf_addf(t->b, "  %u group%s%s\n", n, n == 1 ? "" : "s", words);
    for (uint32_t i = 0; i < t->plan->groups_len; i++)
        if (view_section_of(t->plan, &t->plan->groups[i]) == which)
            group(t, &t->plan->groups[i]);
}

static void
run_guards(const struct text *t)
{
    bool first = true;
    for (uint32_t i = 0; i < t->plan->run_guards_len; i++) {
        const struct kb_plan_guard *g = &t->plan->guards[i];
        if (!g->tripped)
            continue;
        if (first)
            kb_buf_addc(t->b, '\n');
        first = false;
        paint(t, g->approved ? GREEN : RED, g->approved ? "APPROVED" : "GUARD");
        kb_buf_adds(t->b, "  ");
        view_guard(t->plan, g, t->b);
        if (g->id == KB_GUARD_FIRST_RUN && !g->approved)
            kb_buf_adds(t->b, "; nothing was ever written here, so a person reads a plan first");
        kb_buf_addc(t->b, '\n');
    }
}

/* ---- left alone ---- */

static void
left_one(const struct text *t, const struct kb_left_alone *l)
{
    const struct kb_plan *p = t->plan;
    size_t from = t->b->len;
    kb_buf_addf(t->b, "  %s", view_left_words((enum kb_left) l->list));
    pad(t, from, 14);
    if (l->name) {
        view_name(kb_plan_str(p, l->name), t->opts->mask_users, t->b);
        kb_buf_adds(t->b, " in ");
    }
    view_object(kb_plan_str(p, l->group), t->b);
    if (l->note) {
        kb_buf_adds(t->b, ": ");
        view_note(kb_plan_str(p, l->note), t->opts->mask_users, t->b);
    }
    kb_buf_addc(t->b, '\n');
}

static void
left_alone(const struct text *t)
{
    /* What somebody should look at comes first. */
    static const enum kb_left order[] = {
        KB_LEFT_FROZEN,           KB_LEFT_UNPROVEN, KB_LEFT_STUCK,     KB_LEFT_AMBIGUOUS,  KB_LEFT_LOCKED_OUT,
        KB_LEFT_IDENTITY_CHANGED, KB_LEFT_FOREIGN,  KB_LEFT_UNMATCHED, KB_LEFT_EXCEPTIONS, KB_LEFT_RELEASED};

    if (!t->plan->left_len)
        return;
    kb_buf_addc(t->b, '\n');
    paint(t, BOLD, "LEFT ALONE");
    kb_buf_addc(t->b, '\n');
    for (size_t k = 0; k < KB_LEN(order); k++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < t->plan->left_len; i++) {
            if (t->plan->left[i].list != order[k])
                continue;
            if (n++ < LEFT_MAX || t->opts->verbose)
                left_one(t, &t->plan->left[i]);
        }
        if (n > LEFT_MAX && !t->opts->verbose)
            kb_buf_addf(t->b, "  %-11s and %u more; -v shows all\n", view_left_words(order[k]), n - LEFT_MAX);
    }
}

/* ---- foot ---- */

static void
plural(struct kb_buf *b, const char *sep, uint64_t n, const char *what, bool first)
{
    kb_buf_addf(b, "%s%llu %s", first ? "" : sep, (unsigned long long) n, what);
}

static void
line(struct kb_buf *b, uint32_t n, const char *one, const char *many)
{
    if (n)
        kb_buf_addf(b, "%u %s.\n", n, n == 1 ? one : many);
}

static void
held_counts(const struct text *t)
{
    const struct kb_plan *p = t->plan;
    uint32_t add = 0, remove = 0;
    for (uint32_t i = 0; i < p->ops_len; i++) {
        add += p->ops[i].state == KB_OP_HELD && p->ops[i].op == KB_OP_ADD;
        remove += p->ops[i].state == KB_OP_HELD && p->ops[i].op == KB_OP_REMOVE;
    }
    if (add)
        kb_buf_addf(t->b, "  Held: %u to add", add);
    if (remove)
        kb_buf_addf(t->b, "%s%u to remove", add ? ", " : "  Held: ", remove);
    if (add || remove)
        kb_buf_addc(t->b, '.');
}

static void
counts(const struct text *t)
{
    const struct kb_plan *p = t->plan;
    struct kb_buf *b = t->b;
    uint32_t done_add = 0, done_remove = 0, groups = t->opts->applied ? 0 : p->summary.create_groups;
    for (uint32_t i = 0; t->opts->applied && i < p->groups_len; i++)
        groups += p->groups[i].made;
    for (uint32_t i = 0; i < p->ops_len; i++) {
        bool done = p->ops[i].result == KB_RESULT_APPLIED || p->ops[i].result == KB_RESULT_APPLIED_ALREADY;
        done_add += done && p->ops[i].op == KB_OP_ADD;
        done_remove += done && p->ops[i].op == KB_OP_REMOVE;
    }
    kb_buf_addc(b, '\n');
    if (!p->summary.add && !p->summary.remove && !p->summary.create_groups && !p->summary.held) {
        if (p->narrowed) /* the rest was not judged */
            kb_buf_adds(b, "Nothing to do in what was selected.\n");
        else
            kb_buf_addf(b, "Nothing to do: %u memberships in %u groups are as Keycloak says%s.\n",
                        p->target_memberships, p->target_groups,
                        p->left_len ? ", but for what is left alone" : "");
    } else {
        kb_buf_adds(b, t->opts->applied ? "Done: " : "Plan: ");
        plural(b, "", t->opts->applied ? done_add : p->summary.add, t->opts->applied ? "added" : "to add",
               true);
        plural(b, ", ", t->opts->applied ? done_remove : p->summary.remove,
               t->opts->applied ? "removed" : "to remove", false);
        if (p->summary.create_groups)
            kb_buf_addf(b, ", %u group%s %s", groups, groups == 1 ? "" : "s",
                        t->opts->applied ? "made" : "to make");
        kb_buf_adds(b, ".");
        held_counts(t);
        kb_buf_adds(b, "\n");
    }
    line(b, p->summary.frozen, "group is frozen", "groups are frozen");
    line(b, p->summary.adopt, "membership was there already", "memberships were there already");
    line(b, p->summary.removals_left_out, "removal is left out by --no-removals",
         "removals are left out by --no-removals");
    if (!t->opts->applied && p->cost.patch + p->cost.post)
        kb_buf_addf(b, "Costs %u PATCH, %u POST, %u GET.\n", p->cost.patch, p->cost.post, p->cost.get);
}

/* One word of a command that a person copies into a shell: a name must not become a command. */
static void
shell_word(const struct text *t, const char *s, bool quoted)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
    if (!quoted && *s && strspn(s, plain) == strlen(s)) {
        kb_buf_adds(t->b, s);
        return;
    }
    kb_buf_addc(t->b, '\'');
    for (size_t n = strcspn(s, "'");; n = strcspn(s, "'")) {
        KB_CLEANUP(kb_buf) struct kb_buf part = KB_BUF_INIT(n + 1);
        kb_buf_add(&part, s, n);
        t->b->failed |= part.failed;
        kb_buf_add_visible(t->b, kb_buf_str(&part));
        if (!s[n])
            break;
        kb_buf_adds(t->b, "'\\''");
        s += n + 1;
    }
    kb_buf_addc(t->b, '\'');
}

static void
approve_line(const struct text *t, const struct kb_plan_guard *g, const struct kb_plan_group *in)
{
    kb_buf_adds(t->b, "  keybricks approve ");
    shell_word(t, t->opts->saved_as, false);
    kb_buf_addf(t->b, " --guard %s", kb_guard_name(g->id));
    if (in) {
        kb_buf_adds(t->b, " --group ");
        shell_word(t, kb_plan_str(t->plan, in->name), true);
    }
    kb_buf_adds(t->b, " --reason \"...\"\n");
}

static void
what_next(const struct text *t)
{
    const struct kb_plan *p = t->plan;
    if (!t->opts->saved_as) {
        if (p->run_guards_len && p->guards[0].id == KB_GUARD_FIRST_RUN && p->guards[0].tripped)
            kb_buf_adds(t->b, "Next: keybricks plan --save FILE, read it, then keybricks apply FILE\n");
        return;
    }
    char shown[20];
    kb_fingerprint_short(p->fingerprint, shown);
    kb_buf_adds(t->b, "Saved ");
    kb_buf_add_visible(t->b, t->opts->saved_as);
    kb_buf_addf(t->b, "   fingerprint %s   good until a touched group moves\n", shown);
    if (!t->opts->applied) {
        kb_buf_adds(t->b, "  keybricks apply ");
        shell_word(t, t->opts->saved_as, false);
        kb_buf_adds(t->b, "   applies what is not held\n");
    }
    for (uint32_t i = 0; i < p->run_guards_len; i++)
        if (p->guards[i].tripped && !p->guards[i].approved && p->guards[i].id != KB_GUARD_FIRST_RUN)
            approve_line(t, &p->guards[i], NULL);
    for (uint32_t k = 0; k < p->groups_len; k++)
        for (uint32_t i = p->groups[k].guards_start; i < p->groups[k].guards_start + p->groups[k].guards_len;
             i++)
            if (p->guards[i].tripped && !p->guards[i].approved && p->guards[i].scope == KB_SCOPE_GROUP)
                approve_line(t, &p->guards[i], &p->groups[k]);
}

int
report_text(const struct kb_plan *plan, const struct report_opts *opts, struct kb_buf *ret,
            struct kb_error *err)
{
    const struct text t = {plan, opts, ret};
    head(&t);
    run_guards(&t);
    section(&t, VIEW_HELD, "HELD", RED,
            " held: nothing of what is marked so is applied until somebody approves it");
    section(&t, VIEW_PRIVILEGED, "PRIVILEGED", YELLOW, " whose additions need an approval");
    section(&t, VIEW_CHANGES, "CHANGES", BOLD, "");
    left_alone(&t);
    counts(&t);
    what_next(&t);
    return ret->failed ? kb_fail(err, KB_E_NOMEM, "the report is too long") : 0;
}
