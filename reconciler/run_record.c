/* What a run leaves behind: run rows, guard rows, snapshot, history, checkpoint, and the held plan. */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "reconciler/plan/file.h"
#include "store/journal.h"
#include "store/snapshot.h"

static const char *
command_name(const struct run *run)
{
    static const char *const names[] = {"plan", "sync", "apply"};
    return names[run->opts.command];
}

static int
append(struct run_target *t, const char *kind, struct kb_buf *body, struct kb_error *err)
{
    int64_t seq;
    if (body->failed)
        return kb_fail(err, KB_E_NOMEM, "%s row", kind);
    return store_journal_append(t->store, kb_wall_s(), t->run->id, kind, kb_buf_str(body), &seq, err);
}

int
run_record_start(struct run_target *t, struct kb_error *err)
{
    struct store_run row = {.started_s = t->run->at_s, .exit_code = -1};
    (void) snprintf(row.id, sizeof(row.id), "%s", t->run->id);
    (void) snprintf(row.command, sizeof(row.command), "%s", command_name(t->run));
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(4096);
    kb_buf_addf(&body,
                "{\"command\":\"%s\",\"event\":\"start\",\"rules\":\"%s\",\"tool\":\"keybricks " KB_VERSION
                "\"}",
                row.command, t->run->config->rules.digest);
    int e = store_begin(t->store, err);
    if (e >= 0)
        e = store_run_begin(t->store, &row, err);
    if (e >= 0)
        e = append(t, "run", &body, err);
    if (e >= 0)
        e = store_commit(t->store, err);
    if (e < 0)
        store_rollback(t->store);
    return e;
}

static void
guard_body(const struct kb_plan *plan, const struct kb_plan_guard *g, const char *group, struct kb_buf *b)
{
    kb_buf_addf(b, "{\"approved\":%s,\"fingerprint\":", g->approved ? "true" : "false");
    kb_buf_add_json(b, plan->fingerprint);
    kb_buf_adds(b, ",\"group\":");
    kb_buf_add_json(b, group);
    kb_buf_addf(b, ",\"limit\":%lld,\"name\":\"%s\",\"value\":%lld}", (long long) g->limit,
                kb_guard_name(g->id), (long long) g->value);
}

int
run_record_guards(struct run_target *t, struct kb_error *err)
{
    const struct kb_plan *plan = &t->plan;
    int e = store_begin(t->store, err);
    for (uint32_t i = 0; e >= 0 && i < plan->guards_len; i++) {
        const struct kb_plan_guard *g = &plan->guards[i];
        if (!g->tripped)
            continue;
        const char *group = "";
        for (uint32_t k = 0; i >= plan->run_guards_len && k < plan->groups_len; k++) {
            const struct kb_plan_group *pg = &plan->groups[k];
            if (i >= pg->guards_start && i < pg->guards_start + pg->guards_len)
                group = kb_plan_str(plan, pg->id ? pg->id : pg->name);
        }
        KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(4096);
        guard_body(plan, g, group, &body);
        e = append(t, "guard", &body, err);
    }
    if (e >= 0)
        e = store_commit(t->store, err);
    if (e < 0)
        store_rollback(t->store);
    return e;
}

/* ---- the end ---- */

static bool
successful(const struct run_target *t)
{
    const struct run_opts *o = &t->run->opts;
    bool narrow = o->groups.len || o->users.len || o->no_removals;
    return (t->outcome.code == EXIT_OK || t->outcome.code == EXIT_PARTIAL) && t->planned && !narrow &&
           !run_directories_down(&t->run->realm);
}

static struct store_run
end_row(const struct run_target *t)
{
    const struct run_opts *o = &t->run->opts;
    struct store_run row = {.started_s = t->run->at_s,
                            .ended_s = kb_wall_s(),
                            .exit_code = t->outcome.code,
                            .success = successful(t),
                            .wrote = t->apply.writes > 0,
                            .narrowed = o->groups.len || o->users.len || o->no_removals,
                            .complete = t->planned && !run_directories_down(&t->run->realm),
                            .add = t->apply.added,
                            .remove = t->apply.removed,
                            .held = (int64_t) t->outcome.held,
                            .frozen = (int64_t) t->outcome.frozen,
                            .writes = t->apply.writes};
    (void) snprintf(row.id, sizeof(row.id), "%s", t->run->id);
    (void) snprintf(row.command, sizeof(row.command), "%s", command_name(t->run));
    (void) snprintf(row.fingerprint, sizeof(row.fingerprint), "%s", t->plan.fingerprint);
    (void) snprintf(row.rules_digest, sizeof(row.rules_digest), "%s", t->run->config->rules.digest);
    (void) snprintf(row.message, sizeof(row.message), "%.255s", t->outcome.sentence);
    return row;
}

static int
count_failures(struct run_target *t, struct kb_error *err)
{
    int64_t failed = 0;
    char cause[32] = "";
    int e = store_quarantine_get(t->store, &failed, cause, err);
    if (e < 0)
        return e;
    int code = t->outcome.code;
    bool failure = code == EXIT_ERROR || code == EXIT_SOURCE || code == EXIT_TARGET || code == EXIT_STATE;
    bool availability = code == EXIT_SOURCE || code == EXIT_TARGET;
    if (failure)
        return store_quarantine_set(t->store, failed + 1,
                                    availability && strcmp(cause, "other") != 0 ? "availability" : "other",
                                    err);
    /* What availability caused ends with a clean reading; everything else needs a person (an approval,
     * consumed by an intent). */
    bool limit = failed >= t->run->config->rules.limits.quarantine && !strcmp(cause, "other");
    if (failed && t->planned && (!limit || t->apply.writes > 0))
        return store_quarantine_set(t->store, 0, "", err);
    return 0;
}

static int
end_rows(struct run_target *t, struct kb_error *err)
{
    struct store_run row = end_row(t);
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(4096);
    kb_buf_addf(&body, "{\"add\":%lld,\"code\":%d,\"command\":\"%s\",\"event\":\"end\",\"fingerprint\":",
                (long long) row.add, row.exit_code, row.command);
    kb_buf_add_json(&body, row.fingerprint);
    kb_buf_addf(&body, ",\"held\":%lld,\"message\":", (long long) row.held);
    kb_buf_add_json(&body, exit_name(row.exit_code));
    kb_buf_addf(&body, ",\"remove\":%lld,\"writes\":%lld}", (long long) row.remove, (long long) row.writes);
    int e = append(t, "run", &body, err);
    if (e >= 0)
        e = store_run_end(t->store, &row, err);
    if (e >= 0)
        e = count_failures(t, err);
    if (e >= 0 && row.success)
        e = run_history_save(t, err);
    if (e >= 0 && t->planned)
        e = run_directories_save(t, err);
    if (e >= 0 && t->planned)
        e = run_known_save(t, err);
    return e;
}

static int
checkpoint(struct run_target *t, struct store_head *ret, struct kb_error *err)
{
    struct store_head before;
    int e = store_journal_head(t->store, &before, err);
    KB_CLEANUP(kb_buf) struct kb_buf body = KB_BUF_INIT(512);
    kb_buf_addf(&body, "{\"hash\":\"%s\",\"size\":%lld}", e < 0 ? "" : before.hash,
                e < 0 ? 0LL : (long long) before.size);
    if (e >= 0)
        e = append(t, "checkpoint", &body, err);
    return e < 0 ? e : store_journal_head(t->store, ret, err);
}

/* The plan that a person has to decide about. */
static int
held_plan(struct run_target *t, struct kb_error *err)
{
    KB_CLEANUP(kb_free)
    char *path = kb_asprintf("%s/%s.held.plan", t->run->config->state_dir, t->config->name);
    if (!path)
        return kb_fail(err, KB_E_NOMEM, "held plan");
    if (!t->plan.summary.held || t->run->config->ephemeral) {
        (void) unlink(path); /* what an earlier run left to decide about is over */
        return 0;
    }
    KB_CLEANUP(kb_buf) struct kb_buf bytes = KB_BUF_INIT(KB_PLAN_FILE_SIZE_MAX);
    int e = kb_plan_write(&t->plan, &bytes, err);
    return e < 0 ? e : kb_file_write_atomic(path, kb_buf_str(&bytes), bytes.len, 0600, err);
}

int
run_record_end(struct run_target *t, struct kb_error *err)
{
    struct store_head head = {0};
    int e = store_begin(t->store, err);
    if (e >= 0 && t->planned)
        e = store_snapshot_save(t->store, &t->target, kb_wall_s(), err);
    if (e >= 0)
        e = end_rows(t, err);
    if (e >= 0)
        e = checkpoint(t, &head, err);
    if (e >= 0)
        e = store_commit(t->store, err);
    if (e < 0) {
        store_rollback(t->store);
        return e;
    }
    if (t->planned && t->run->opts.command == RUN_SYNC)
        e = held_plan(t, err);
    KB_LOG(KB_LOG_INFO, "checkpoint",
           (KB_F("target", t->config->name), KB_FN("size", head.size), KB_F("hash", head.hash)),
           "checkpoint");
    (void) snprintf(t->checkpoint, sizeof(t->checkpoint), "%lld:%s", (long long) head.size, head.hash);
    return e;
}
