#include "base/ban.h"

#include "store/db.h"
#include "store/runs.h"

int
store_approval_add(struct store *store, const struct store_approval *approval, struct kb_error *err)
{
    static const char SQL[] =
        "INSERT INTO approval (seq, guard, group_name, fingerprint, reason, person, at_s, expires_s, "
        "consumed_by, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '', kb_sum(?1, ?2, ?3, ?4, ?5, "
        "?6, ?7, ?8, ''))";

    return db_exec(store, SQL, err, "itttttii", approval->seq, approval->guard, approval->group,
                   approval->fingerprint, approval->reason, approval->person, approval->at_s,
                   approval->expires_s);
}

int
store_approvals_each(struct store *store, int64_t now_s, store_approval_fn fn, void *userdata,
                     struct kb_error *err)
{
    static const char SQL[] =
        "SELECT seq, guard, group_name, fingerprint, reason, person, at_s, expires_s FROM approval "
        "WHERE consumed_by = '' AND expires_s > ?1 ORDER BY seq";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;
    struct store_approval approval;

    int result = db_query_own(store, SQL, &stmt, err, "i", now_s);
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        approval.seq = sqlite3_column_int64(stmt, 0);
        DB_COPY(store, stmt, 1, approval.guard);
        DB_COPY(store, stmt, 2, approval.group);
        DB_COPY(store, stmt, 3, approval.fingerprint);
        DB_COPY(store, stmt, 4, approval.reason);
        DB_COPY(store, stmt, 5, approval.person);
        approval.at_s = sqlite3_column_int64(stmt, 6);
        approval.expires_s = sqlite3_column_int64(stmt, 7);
        result = db_row_check(store, err);
        if (result == 0)
            result = fn(userdata, &approval, err);
        if (result > 0)
            result = 0;
    }
    return result;
}

int
store_approval_consume(struct store *store, int64_t seq, const char *run_id, struct kb_error *err)
{
    static const char SQL[] =
        "UPDATE approval SET consumed_by = ?2, sum = kb_sum(seq, guard, group_name, fingerprint, "
        "reason, person, at_s, expires_s, ?2) WHERE seq = ?1 AND consumed_by = ''";

    int result = db_exec(store, SQL, err, "it", seq, run_id);
    if (result == 0 && sqlite3_changes64(store->db) != 1)
        return kb_fail(err, KB_E_STALE, "approval %lld is spent already", (long long) seq);
    return result;
}
