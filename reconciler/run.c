/* The straight page: it reads top to bottom like the list in section 3 of the architecture. Data moves
 * forward only. */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/clock.h"
#include "base/log.h"
#include "reconciler/apply/stuck.h"
#include "reconciler/plan/file.h"
#include "store/journal.h"
#include "store/ledger.h"
#include "store/snapshot.h"

#define PLAN_ROUNDS 4 /* plan, read what it needs, plan again; each round needs less */

int
run_new(const struct config *config, const struct config_target *const *targets, size_t targets_len,
        const struct run_opts *opts, struct run **ret, struct kb_error *err)
{
    struct run *run = calloc(1, sizeof(*run));
    if (run)
        run->targets = calloc(targets_len, sizeof(*run->targets));
    if (!run || !run->targets) {
        free(run);
        return kb_fail(err, KB_E_NOMEM, "run");
    }
    run->config = config;
    run->opts = *opts;
    run->at_s = kb_wall_s();
    kb_uuid7(run->id);
    kb_log_run(run->id);
    (void) snprintf(run->issuer, sizeof(run->issuer), "%s/realms/%s", config->keycloak.url,
                    config->keycloak.realm);
    run->targets_len = targets_len;
    for (size_t i = 0; i < targets_len; i++)
        run->targets[i] = (struct run_target){.run = run, .config = targets[i]};
    *ret = run;
    return 0;
}

static void
target_done(struct run_target *t)
{
    scim_free(t->scim);
    scim_auth_free(t->auth);
    kb_plan_done(&t->plan);
    kb_plan_done(&t->fresh);
    kb_desired_done(&t->desired);
    kb_scope_done(&t->scope);
    kb_known_done(&t->known);
    kb_target_done(&t->target);
    kb_u32s_done(&t->asked);
    stuck_done(t->stuck, t->stuck_len);
    free(t->approvals);
    free(t->approval_rows);
    store_close(t->store);
}

void
run_free(struct run *run)
{
    if (!run)
        return;
    kc_free(run->kc);
    for (size_t i = 0; i < run->targets_len; i++)
        target_done(&run->targets[i]);
    kb_http_free(run->http);
    kc_auth_free(run->kc_auth);
    kb_realm_done(&run->realm);
    free(run->targets);
    free(run);
}

/* ---- 5, 6: want and plan ---- */

static int
plan_once(struct run_target *t, const char *applied_digest, struct kb_plan_needs *needs, struct kb_error *err)
{
    struct run *run = t->run;
    kb_desired_done(&t->desired);
    kb_plan_done(&t->plan);
    t->desired = (struct kb_desired){0};
    bool added = false;
    int e = kb_desired_make(&run->config->rules, &t->scope, &run->realm, &t->target, &t->desired, err);
    if (e >= 0)
        e = run_users_new(t, &added, err);
    if (e >= 0 && added) { /* once more: two people may want the same new name */
        kb_desired_done(&t->desired);
        t->desired = (struct kb_desired){0};
        e = kb_desired_make(&run->config->rules, &t->scope, &run->realm, &t->target, &t->desired, err);
    }
    if (e < 0)
        return e;
    const struct kb_plan_input input = {.rules = &run->config->rules,
                                        .scope = &t->scope,
                                        .realm = &run->realm,
                                        .target = &t->target,
                                        .desired = &t->desired,
                                        .run_id = run->id,
                                        .tool = "keybricks " KB_VERSION,
                                        .at_s = run->at_s,
                                        .applied_rules_digest = applied_digest,
                                        .groups = run->opts.groups.len ? &run->opts.groups : NULL,
                                        .users = run->opts.users.len ? &run->opts.users : NULL,
                                        .stuck = t->stuck,
                                        .stuck_len = t->stuck_len,
                                        .no_removals = run->opts.no_removals,
                                        .no_ledger = t->no_ledger,
                                        .may_ask = true,
                                        .never_applied = run->opts.command == RUN_PLAN};
    return kb_plan_make(&input, &t->plan, needs, err);
}

static bool
needs_something(const struct kb_plan_needs *needs)
{
    return needs->target_groups.len || needs->lookup_len || needs->names.len || needs->organizations ||
           needs->witness;
}

static int
plan(struct run_target *t, struct kb_error *err)
{
    struct store_run last = {0};
    bool found = false;
    int e = t->store ? store_run_last_success(t->store, &last, &found, err) : 0;
    for (unsigned round = 0; e >= 0; round++) {
        struct kb_plan_needs needs = {0};
        e = run_directories_believe(t, err);
        if (e >= 0)
            e = plan_once(t, found ? last.rules_digest : "", &needs, err);
        bool never = t->run->opts.refresh == RUN_REFRESH_NEVER, people = false;
        needs.witness = needs.witness && !t->run->reread;
        if (never)
            needs.target_groups.len = 0;
        if (e >= 0)
            e = run_people_need(t, round + 2 >= PLAN_ROUNDS, &people, err);
        bool enough = !people && (!needs_something(&needs) || round + 1 >= PLAN_ROUNDS);
        if (e >= 0 && !enough)
            e = run_read_needs(t, &needs, err);
        kb_plan_needs_done(&needs);
        if (enough)
            break;
    }
    return e;
}

/* Paths that were recorded when a membership was granted explain its removal. */
static int
removal_reasons(struct run_target *t, struct kb_error *err)
{
    int e = 0;
    for (uint32_t g = 0; t->store && e >= 0 && g < t->plan.groups_len; g++) {
        const struct kb_plan_group *pg = &t->plan.groups[g];
        for (uint32_t i = pg->ops_start; e >= 0 && i < pg->ops_start + pg->ops_len; i++) {
            struct kb_plan_op *op = &t->plan.ops[i];
            if (op->op != KB_OP_REMOVE || op->reasons_len)
                continue;
            KB_CLEANUP(kb_buf) struct kb_buf json = KB_BUF_INIT(64 * 1024);
            e = store_ledger_reason(t->store, kb_plan_str(&t->plan, pg->id), kb_plan_str(&t->plan, op->id),
                                    &json, err);
            if (e >= 0 && json.len)
                e = kb_reasons_read(&t->plan, op, kb_buf_str(&json), json.len, err);
        }
    }
    return e;
}

/* ---- 7: judge ---- */

static int
judge(struct run_target *t, struct kb_error *err)
{
    const struct run *run = t->run;
    const struct kb_guard_input input = {
        .limits = &run->config->rules.limits,
        .history = &t->history,
        .rules = &run->config->rules,
        .desired = &t->desired,
        .realm = &run->realm,
        .scope = &t->scope,
        .self_id = t->target.self == KB_NONE
                       ? ""
                       : kb_target_str(&t->target, t->target.principals[t->target.self].id),
        .approvals = t->approvals,
        .approvals_len = t->approvals_len,
        .saved_plan = run->opts.command == RUN_APPLY,
        .ephemeral = run->config->ephemeral,
        .at_s = run->at_s};
    return kb_guards_judge(&input, &t->plan, err);
}

static struct apply
apply_context(struct run_target *t)
{
    struct run *run = t->run;
    return (struct apply){.http = run->http,
                          .store = t->store,
                          .scim = t->scim,
                          .kc = run->kc,
                          .rules = &run->config->rules,
                          .scope = &t->scope,
                          .realm = &run->realm,
                          .target = &t->target,
                          .plan = &t->plan,
                          .fresh = run->opts.command == RUN_APPLY ? &t->fresh : &t->plan,
                          .run_id = run->id,
                          .verify_s = run->config->verify_s,
                          .parallel = (unsigned) t->config->concurrency,
                          .approvals = t->approvals,
                          .approvals_len = t->approvals_len,
                          .stuck = t->stuck,
                          .stuck_len = t->stuck_len};
}

/* Adopting changes what a later run may remove, so it waits for the same decision as a write: a guard over
 * everything. */
static bool
everything_held(const struct kb_plan *plan)
{
    for (uint32_t i = 0; i < plan->run_guards_len; i++) {
        const struct kb_plan_guard *g = &plan->guards[i];
        bool all = g->id <= KB_GUARD_SOURCE_SHRINK_PERCENT || g->id == KB_GUARD_QUARANTINE;
        if (all && g->tripped && !g->approved)
            return true;
    }
    return false;
}

/* ---- how it ended ---- */

static const struct kb_plan_guard *
first_held(const struct kb_plan *plan)
{
    for (uint32_t i = 0; i < plan->guards_len; i++)
        if (plan->guards[i].tripped && !plan->guards[i].approved && plan->guards[i].scope != KB_SCOPE_MEMBER)
            return &plan->guards[i];
    return NULL;
}

static bool
more_held(const struct kb_plan *plan, const struct kb_plan_guard *first)
{
    for (uint32_t i = 0; i < plan->guards_len; i++) {
        const struct kb_plan_guard *g = &plan->guards[i];
        if (g->tripped && !g->approved && g->scope != KB_SCOPE_MEMBER && g->id != first->id)
            return true;
    }
    return false;
}

static void
sum_up(struct run_target *t)
{
    const struct kb_plan *p = &t->plan;
    const struct apply *a = &t->apply;
    struct outcome *o = &t->outcome;
    bool dry = t->run->opts.command == RUN_PLAN;
    uint32_t unproven = 0, stuck = 0;
    for (uint32_t i = 0; i < p->left_len; i++) {
        unproven += p->left[i].list == KB_LEFT_UNPROVEN && !p->left[i].waits;
        stuck += p->left[i].list == KB_LEFT_STUCK;
    }
    o->counted = true;
    o->add = dry ? p->summary.add : a->added;
    o->remove = dry ? p->summary.remove : a->removed;
    o->held = p->summary.held + a->held_back;
    o->frozen = p->summary.frozen;
    o->writes = a->writes;
    const struct kb_plan_guard *g = first_held(p);
    if (g && !dry)
        outcome_add(o, EXIT_HELD, "%u operations held by guard %s%s; a person must decide", p->summary.held,
                    kb_guard_name(g->id), more_held(p, g) ? " and others" : "");
    if (a->write_errors)
        outcome_add(o, EXIT_HELD, "guard write_errors stopped the run after %u failed writes",
                    a->write_failures);
    if (a->stopped)
        outcome_add(o, EXIT_BUSY, "stopped before everything was written; the next run goes on");
    const struct kb_plan *now = t->run->opts.command == RUN_APPLY && !p->directories_len ? &t->fresh : p;
    if (now->directories_len)
        outcome_add(o, EXIT_PARTIAL, "directory %s is down: its people are left alone",
                    kb_plan_str(now, now->directories[0].name));
    if (p->summary.frozen > t->refused)
        outcome_add(o, EXIT_PARTIAL,
                    "%u groups are frozen: something about them could not be read or trusted",
                    p->summary.frozen - t->refused);
    if (a->rejected || a->unverified || a->dropped)
        outcome_add(o, EXIT_PARTIAL, "%u operations rejected, %u unverified, %u not sent", a->rejected,
                    a->unverified, a->dropped);
    if (!dry && (unproven || a->unproven))
        outcome_add(o, EXIT_PARTIAL, "%u operations are not proven and were left out", unproven);
    if (p->summary.unmatched && run_unlisted(t))
        outcome_add(o, EXIT_PARTIAL,
                    "%u members exist but stand in no listing, so some of the %u people without a match may "
                    "exist too",
                    run_unlisted(t), p->summary.unmatched);
    if (stuck)
        outcome_add(o, EXIT_PARTIAL, "%u memberships are stuck", stuck);
    if (o->sentence[0])
        return;
    if (dry)
        outcome_add(o, EXIT_OK,
                    p->summary.add + p->summary.remove + p->summary.create_groups + p->summary.held
                        ? "changes are pending"
                        : "nothing to do");
    else
        outcome_add(o, EXIT_OK, a->writes ? "all applied" : "nothing to do");
}

/* ---- one target, from its reading to its record ---- */

/* One group that cannot be read is frozen; when that is every group, the target is what failed. */
static int
check_groups(const struct run_target *t, struct kb_error *err)
{
    const struct kb_target_group *bad = NULL;
    for (uint32_t i = 0; i < t->scope.managed_len; i++) {
        uint32_t g = kb_target_group_named(&t->target, t->scope.managed[i].name);
        if (g == KB_NONE || !t->target.groups[g].listed)
            continue;
        const struct kb_target_group *group = &t->target.groups[g];
        if (group->read.status == KB_READ_NOT_ASKED || kb_read_ok(&group->read))
            return 0;
        bad = group;
    }
    return !bad ? 0
                : kb_fail(err, KB_E_HTTP, "no managed group of target %s could be read; the last one: %s",
                          t->config->name, kb_target_str(&t->target, bad->read.note));
}

static int
prepare(struct run_target *t, struct kb_error *err)
{
    int e = 0;
    if (t->run->opts.command != RUN_PLAN) {
        t->apply = apply_context(t);
        e = apply_recover(&t->apply, &t->resolved, err);
        if (e >= 0 && t->resolved)
            KB_LOG(KB_LOG_WARN, "recovered", (KB_F("target", t->config->name), KB_FN("intents", t->resolved)),
                   "%u requests of an earlier run that ended early were resolved by reading", t->resolved);
    }
    if (e >= 0 && t->store)
        e = store_ledger_load(t->store, &t->target, err);
    if (e >= 0)
        run_people_self(t);
    if (e >= 0)
        e = run_read_vanished(t, err);
    if (e >= 0)
        e = run_keep_vanished(t, err);
    if (e >= 0)
        e = run_known_load(t, err);
    if (e >= 0)
        run_say_selectors(t);
    if (e >= 0)
        e = stuck_load(t->store, &t->stuck, &t->stuck_len, err);
    if (e >= 0 && t->run->opts.who)
        e = run_who(t->run, err);
    if (e >= 0)
        e = plan(t, err);
    if (e >= 0)
        run_say_gone(t);
    if (e >= 0)
        e = check_groups(t, err);
    if (e >= 0)
        e = run_history_load(t, err);
    if (e >= 0)
        e = run_approvals_load(t, err);
    if (e >= 0 && t->run->opts.command == RUN_APPLY)
        e = run_saved_plan(t, err);
    else if (e >= 0)
        e = removal_reasons(t, err);
    return e < 0 ? e : judge(t, err);
}

static int
carry_out(struct run_target *t, struct kb_error *err)
{
    uint32_t resolved = t->resolved;
    t->apply = apply_context(t);
    t->resolved = resolved;
    struct kb_error proof_err = {0};
    int proven = apply_prove(&t->apply, &proof_err);
    int e = run_record_guards(t, err); /* with the one that only the proof can judge */
    if (e >= 0 && proven < 0) {
        *err = proof_err;
        e = proven;
    }
    if (e >= 0 && t->run->opts.show)
        e = t->run->opts.show(t->run->opts.userdata, t, err);
    if (e >= 0 && !everything_held(&t->plan))
        e = apply_ledger(&t->apply, err);
    kb_plan_ledger_done(&t->plan);
    kb_plan_ledger_done(&t->fresh);
    return e < 0 ? e : apply_write(&t->apply, err);
}

static int
work_on(struct run_target *t, struct kb_error *err)
{
    int e = prepare(t, err);
    if (e < 0)
        return e;
    t->planned = true;
    if (t->run->opts.command != RUN_APPLY &&
        !t->run->opts.who) /* a saved plan has what was known when it was made */
        e = run_events(t, &t->plan, err);
    if (e >= 0 && t->run->opts.command != RUN_PLAN)
        e = carry_out(t, err);
    else if (e >= 0 && t->run->opts.show)
        e = t->run->opts.show(t->run->opts.userdata, t, err);
    run_users_forget(t);
    if (!t->run->opts.who)
        sum_up(t);
    return e;
}

static void
finish(struct run_target *t)
{
    struct kb_error err = {0};
    int e = 0;
    if (!t->store)
        return;
    if (t->run->opts.command != RUN_PLAN)
        e = run_record_end(t, &err);
    else if (t->planned && store_writable(t->store) && t->run->opts.refresh != RUN_REFRESH_NEVER)
        e = store_snapshot_save(t->store, &t->target, kb_wall_s(), &err);
    if (e < 0)
        outcome_error(&t->outcome, &err, EXIT_STATE);
}

static void
open_targets(struct run *run)
{
    for (size_t i = 0; i < run->targets_len; i++) {
        struct run_target *t = &run->targets[i];
        struct kb_error err = {0};
        int e = run_open_target(t, &err);
        if (e >= 0 && run->opts.command != RUN_PLAN)
            e = store_journal_verify_chain(t->store, &err); /* a broken chain ends here, before any request */
        if (e >= 0 && run->opts.command != RUN_PLAN)
            e = run_record_start(t, &err);
        if (e < 0) {
            outcome_error(&t->outcome, &err, EXIT_TARGET);
            store_close(kb_steal(
                &t->store)); /* nothing of this run is recorded in a database that cannot be trusted */
        }
    }
}

void
run_execute(struct run *run)
{
    struct kb_error err = {0};
    if (run_open_http(run, &err) < 0) {
        outcome_error(&run->outcome, &err, EXIT_SOURCE);
        return;
    }
    open_targets(run);
    run_read(run);
    for (size_t i = 0; i < run->targets_len; i++) {
        struct run_target *t = &run->targets[i];
        struct kb_error target_err = {0};
        if (t->outcome.code == EXIT_OK && work_on(t, &target_err) < 0)
            outcome_error(&t->outcome, &target_err, EXIT_TARGET);
        finish(t);
        if (run->opts.shown)
            run->opts.shown(run->opts.userdata, t);
        outcome_merge(&run->outcome, &t->outcome);
    }
}
