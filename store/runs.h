/* store/runs.h: runs, what the guards remember of them, approvals, quarantine, exceptions.
 * Source: interface.md sections 2 (successful, failed run), 4 (guards), 6. */
#ifndef KB_STORE_RUNS_H
#define KB_STORE_RUNS_H

#include "base/buf.h"
#include "store/store.h"

struct store_run {
    char id[37];
    char command[16]; /* sync, apply */
    int64_t started_s, ended_s;
    int exit_code; /* -1: killed or running */
    bool success, wrote, narrowed, complete;
    int64_t add, remove, held, frozen, writes;
    char fingerprint[72], rules_digest[72];
    char message[256];
};

int store_run_begin(struct store *store, const struct store_run *run, struct kb_error *err);
int store_run_end(struct store *store, const struct store_run *run, struct kb_error *err);
typedef int (*store_run_fn)(void *userdata, const struct store_run *run, struct kb_error *err);
int store_runs_each(struct store *store, int64_t limit, store_run_fn fn, void *userdata,
                    struct kb_error *err); /* newest first */
int store_run_last_success(struct store *store, struct store_run *ret, bool *ret_found, struct kb_error *err);

/* Counts behind one rule in the last successful run; the rule is known by its text, so an edited rule is a
 * new rule. */
struct store_rule_count {
    const char *rule; /* "role=ml-engineer group=ml-engineers" */
    int64_t users, groups, memberships;
};

int store_rule_counts_save(struct store *store, const struct store_rule_count *counts, size_t len,
                           struct kb_error *err);
typedef int (*store_rule_count_fn)(void *userdata, const struct store_rule_count *count,
                                   struct kb_error *err);
int store_rule_counts_each(struct store *store, store_rule_count_fn fn, void *userdata, struct kb_error *err);

/* Managed groups of the last successful run. */
int store_managed_save(struct store *store, const char *const *names, size_t len, struct kb_error *err);
typedef int (*store_name_fn)(void *userdata, const char *name, struct kb_error *err);
int store_managed_each(struct store *store, store_name_fn fn, void *userdata, struct kb_error *err);

/* Removals applied since `from_s` without an approval. */
int store_removal_add(struct store *store, int64_t at_s, int64_t count, struct kb_error *err);
int store_removals_since(struct store *store, int64_t from_s, int64_t *ret, struct kb_error *err);

struct store_approval {
    int64_t seq; /* of its audit row */
    char guard[48], group[256], fingerprint[72], reason[512], person[256];
    int64_t at_s, expires_s;
};

int store_approval_add(struct store *store, const struct store_approval *approval, struct kb_error *err);
typedef int (*store_approval_fn)(void *userdata, const struct store_approval *approval, struct kb_error *err);
int store_approvals_each(struct store *store, int64_t now_s, store_approval_fn fn, void *userdata,
                         struct kb_error *err); /* usable */
int store_approval_consume(struct store *store, int64_t seq, const char *run_id, struct kb_error *err);

/* Failed runs in a row, quarantine. cause "" none, "availability", "other". */
int store_quarantine_get(struct store *store, int64_t *ret_failed, char ret_cause[32], struct kb_error *err);
int store_quarantine_set(struct store *store, int64_t failed, const char *cause, struct kb_error *err);

/* Pairs that stay unverified: runs in a row, last try. */
int store_stuck_set(struct store *store, const char *group_id, const char *principal_id, int64_t runs,
                    int64_t last_try_s, struct kb_error *err);
typedef int (*store_stuck_fn)(void *userdata, const char *group_id, const char *principal_id, int64_t runs,
                              int64_t last_try_s, struct kb_error *err);
int store_stuck_each(struct store *store, store_stuck_fn fn, void *userdata, struct kb_error *err);

#endif
