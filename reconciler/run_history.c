/* What the guards remember: counts behind each rule, managed groups, removals of the last hours, failed runs,
 * approvals.
 *
 * A rule is known by its text, so an edited rule is a new rule and its history starts again (interface,
 * source_shrink_percent). */
#include "base/ban.h"

#include "reconciler/run.h"

#include "store/directories.h"

struct rule_counts {
    struct store_rule_count *v; /* one a rule of this target; rule text owned */
    size_t len;
    struct store_rule_directory *parts; /* for each rule, one a directory of the realm */
    size_t directories;
};

static void
counts_done(struct rule_counts *c)
{
    for (size_t i = 0; i < c->len; i++)
        free((void *) (uintptr_t) c->v[i].rule);
    free(c->v);
    free(c->parts);
}

static uint32_t
directory_of(const struct kb_realm *realm, const struct kb_user *user)
{
    for (uint32_t i = 0; user->directory && i < realm->directories_len; i++)
        if (realm->directories[i].id == user->directory) /* the reader keeps one text of each */
            return i;
    return KB_NONE;
}

/* Distinct people and memberships of the managed groups that the rule feeds, and its existing objects. */
static void
count_rule(const struct run_target *t, const struct kb_rule *rule, uint8_t *seen,
           struct store_rule_count *ret, struct store_rule_directory *parts)
{
    memset(seen, 0, t->run->realm.users_len);
    uint32_t last = KB_NONE;
    for (uint32_t i = 0; i < t->scope.bindings_len; i++) {
        const struct kb_binding *b = &t->scope.bindings[i];
        if (b->rule != rule)
            continue;
        ret->groups += !b->gone;
        if (b->managed == last)
            continue;
        last = b->managed;
        const struct kb_u32s *users = &t->desired.groups[b->managed].users;
        ret->memberships += users->len;
        for (uint32_t k = 0; k < users->len; k++) {
            uint32_t d = directory_of(&t->run->realm, &t->run->realm.users[users->v[k]]);
            ret->users += !seen[users->v[k]];
            if (d != KB_NONE) {
                parts[d].users += !seen[users->v[k]];
                parts[d].memberships++;
            }
            seen[users->v[k]] = 1;
        }
    }
}

static int
count_rules(const struct run_target *t, struct rule_counts *ret, struct kb_error *err)
{
    const struct kb_rules *rules = &t->run->config->rules;
    uint8_t *seen = malloc((size_t) t->run->realm.users_len + 1);
    ret->v = calloc(rules->rules_len + 1, sizeof(*ret->v));
    ret->directories = t->run->realm.directories_len;
    ret->parts = calloc((rules->rules_len + 1) * (ret->directories + 1), sizeof(*ret->parts));
    int e = seen && ret->v && ret->parts ? 0 : kb_fail(err, KB_E_NOMEM, "counts");
    for (size_t i = 0; e >= 0 && i < rules->rules_len; i++) {
        if (!kb_rule_for_target(&rules->rules[i], t->config->name))
            continue;
        struct store_rule_count *c = &ret->v[ret->len];
        *c = (struct store_rule_count){.rule = kb_rule_text(&rules->rules[i])};
        if (!c->rule)
            e = kb_fail(err, KB_E_NOMEM, "counts");
        else
            ret->len++;
        if (e >= 0)
            count_rule(t, &rules->rules[i], seen, c, ret->parts + (ret->len - 1) * ret->directories);
    }
    free(seen);
    return e;
}

struct compare {
    const struct rule_counts *now;
    struct kb_history *history;
    const struct kb_realm *realm;
};

/* People of a directory that is down, or of which nobody knows, count as they did then. */
static int
on_last_part(void *userdata, const struct store_rule_directory *last, struct kb_error *err)
{
    const struct compare *c = userdata;
    uint32_t d = kb_realm_directory(c->realm, last->directory);
    (void) err;
    if (d == KB_NONE || kb_realm_directory_up(c->realm, last->directory))
        return 0;
    for (size_t i = 0; i < c->now->len; i++) {
        const struct store_rule_directory *now = &c->now->parts[i * c->now->directories + d];
        if (strcmp(c->now->v[i].rule, last->rule) != 0)
            continue;
        c->history->now_users += last->users - now->users;
        c->history->now_memberships += last->memberships - now->memberships;
        break;
    }
    return 0;
}

static int
on_last_count(void *userdata, const struct store_rule_count *last, struct kb_error *err)
{
    const struct compare *c = userdata;
    (void) err;
    for (size_t i = 0; i < c->now->len; i++) {
        const struct store_rule_count *now = &c->now->v[i];
        if (strcmp(now->rule, last->rule) != 0)
            continue;
        c->history->last_users += last->users;
        c->history->last_groups += last->groups;
        c->history->last_memberships += last->memberships;
        c->history->now_users += now->users;
        c->history->now_groups += now->groups;
        c->history->now_memberships += now->memberships;
        break;
    }
    return 0;
}

static int
on_last_managed(void *userdata, const char *name, struct kb_error *err)
{
    struct run_target *t = userdata;
    (void) err;
    t->history.managed_last++;
    for (uint32_t i = 0; i < t->scope.managed_len; i++)
        if (!strcmp(t->scope.managed[i].name, name))
            return 0;
    t->history.managed_dropped++;
    return 0;
}

static int
on_run(void *userdata, const struct store_run *run, struct kb_error *err)
{
    struct kb_history *h = userdata;
    (void) err;
    h->any_success |= run->success;
    h->first_apply_done |= run->wrote && run->complete && !strcmp(run->command, "apply");
    return 0;
}

int
run_history_load(struct run_target *t, struct kb_error *err)
{
    struct kb_history *h = &t->history;
    struct rule_counts now = {0};
    *h = (struct kb_history){0};
    if (!t->store)
        return 0;
    int e = count_rules(t, &now, err);
    struct compare c = {&now, h, &t->run->realm};
    if (e >= 0)
        e = store_rule_counts_each(t->store, on_last_count, &c, err);
    if (e >= 0)
        e = store_rule_directories_each(t->store, on_last_part, &c, err);
    if (e >= 0)
        e = store_managed_each(t->store, on_last_managed, t, err);
    if (e >= 0)
        e = store_runs_each(t->store, INT64_MAX, on_run, h, err);
    int64_t from = t->run->at_s - t->run->config->rules.limits.removal_window_hours * 3600;
    if (e >= 0)
        e = store_removals_since(t->store, from, &h->window_removals, err);
    char cause[32] = "";
    if (e >= 0)
        e = store_quarantine_get(t->store, &h->failed_in_a_row, cause, err);
    /* A clean reading ends a quarantine that availability caused (interface, quarantine): this run has one.
     */
    bool in = h->failed_in_a_row >= t->run->config->rules.limits.quarantine;
    h->quarantined = in && strcmp(cause, "availability") != 0;
    if (in && !h->quarantined)
        h->failed_in_a_row = 0;
    counts_done(&now);
    return e;
}

static int
save_parts(struct run_target *t, const struct rule_counts *now, struct kb_error *err)
{
    const struct kb_realm *realm = &t->run->realm;
    int e = store_rule_directories_clear(t->store, err);
    for (size_t i = 0; e >= 0 && i < now->len * now->directories; i++) {
        struct store_rule_directory *row = &now->parts[i];
        if (!row->memberships)
            continue;
        row->rule = now->v[i / now->directories].rule;
        row->directory = kb_realm_str(realm, realm->directories[i % now->directories].id);
        e = store_rule_directory_add(t->store, row, err);
    }
    return e;
}

int
run_history_save(struct run_target *t, struct kb_error *err)
{
    struct rule_counts now = {0};
    const char **names = calloc((size_t) t->scope.managed_len + 1, sizeof(*names));
    int e = names ? count_rules(t, &now, err) : kb_fail(err, KB_E_NOMEM, "history");
    for (uint32_t i = 0; e >= 0 && i < t->scope.managed_len; i++)
        names[i] = t->scope.managed[i].name;
    if (e >= 0)
        e = store_rule_counts_save(t->store, now.v, now.len, err);
    if (e >= 0)
        e = save_parts(t, &now, err);
    if (e >= 0)
        e = store_managed_save(t->store, names, t->scope.managed_len, err);
    free(names);
    counts_done(&now);
    return e;
}

/* ---- approvals ---- */

static int
on_approval(void *userdata, const struct store_approval *row, struct kb_error *err)
{
    struct run_target *t = userdata;
    if (row->at_s > t->run->at_s + 300)
        return 0; /* made in the future: one of the two clocks was wrong */
    struct store_approval *rows = realloc(t->approval_rows, (t->approvals_len + 1) * sizeof(*rows));
    if (!rows)
        return kb_fail(err, KB_E_NOMEM, "approvals");
    t->approval_rows = rows;
    rows[t->approvals_len++] = *row;
    return 0;
}

int
run_approvals_load(struct run_target *t, struct kb_error *err)
{
    if (!t->store)
        return 0;
    int e = store_approvals_each(t->store, t->run->at_s, on_approval, t, err);
    if (e < 0)
        return e;
    t->approvals = calloc(t->approvals_len + 1, sizeof(*t->approvals));
    if (!t->approvals)
        return kb_fail(err, KB_E_NOMEM, "approvals");
    for (size_t i = 0; i < t->approvals_len; i++) {
        const struct store_approval *row = &t->approval_rows[i];
        t->approvals[i] = (struct kb_approval){.seq = row->seq,
                                               .guard = row->guard,
                                               .group = row->group,
                                               .fingerprint = row->fingerprint,
                                               .expires_s = row->expires_s};
    }
    return 0;
}
