/* What the guards remember from run to run. */
#include "base/ban.h"

#include "store/db.h"
#include "store/runs.h"

int
store_rule_counts_save(struct store *store, const struct store_rule_count *counts, size_t len,
                       struct kb_error *err)
{
    static const char SQL_CLEAR[] = "DELETE FROM rule_count";
    /* The same rule may stand twice in a file. */
    static const char SQL[] =
        "INSERT OR REPLACE INTO rule_count (rule, users, groups, memberships, sum) VALUES (?1, ?2, "
        "?3, ?4, kb_sum(?1, ?2, ?3, ?4))";
    bool began = false;

    int result = db_begin(store, &began, err);
    if (result < 0)
        return result;
    result = db_exec(store, SQL_CLEAR, err, "");
    for (size_t i = 0; i < len && result == 0; i++)
        result = db_exec(store, SQL, err, "tiii", counts[i].rule, counts[i].users, counts[i].groups,
                         counts[i].memberships);
    return db_end(store, began, result, err);
}

int
store_rule_counts_each(struct store *store, store_rule_count_fn fn, void *userdata, struct kb_error *err)
{
    static const char SQL[] = "SELECT rule, users, groups, memberships FROM rule_count ORDER BY rule";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        const struct store_rule_count count = {.rule = db_text(store, stmt, 0),
                                               .users = sqlite3_column_int64(stmt, 1),
                                               .groups = sqlite3_column_int64(stmt, 2),
                                               .memberships = sqlite3_column_int64(stmt, 3)};
        result = db_row_check(store, err);
        if (result == 0)
            result = fn(userdata, &count, err);
        if (result > 0)
            result = 0;
    }
    return result;
}

int
store_managed_save(struct store *store, const char *const *names, size_t len, struct kb_error *err)
{
    static const char SQL_CLEAR[] = "DELETE FROM managed";
    static const char SQL[] = "INSERT OR REPLACE INTO managed (name, sum) VALUES (?1, kb_sum(?1))";
    bool began = false;

    int result = db_begin(store, &began, err);
    if (result < 0)
        return result;
    result = db_exec(store, SQL_CLEAR, err, "");
    for (size_t i = 0; i < len && result == 0; i++)
        result = db_exec(store, SQL, err, "t", names[i]);
    return db_end(store, began, result, err);
}

int
store_managed_each(struct store *store, store_name_fn fn, void *userdata, struct kb_error *err)
{
    static const char SQL[] = "SELECT name FROM managed ORDER BY name";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        const char *name = db_text(store, stmt, 0);
        result = db_row_check(store, err);
        if (result == 0)
            result = fn(userdata, name, err);
        if (result > 0)
            result = 0;
    }
    return result;
}

int
store_removal_add(struct store *store, int64_t at_s, int64_t count, struct kb_error *err)
{
    static const char SQL[] = "INSERT INTO removal (at_s, count, sum) VALUES (?1, ?2, kb_sum(?1, ?2))";

    return count ? db_exec(store, SQL, err, "ii", at_s, count) : 0;
}

int
store_removals_since(struct store *store, int64_t from_s, int64_t *ret, struct kb_error *err)
{
    static const char SQL[] = "SELECT coalesce(sum(count), 0) FROM removal WHERE at_s >= ?1";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, SQL, &stmt, err, "i", from_s);
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result < 0)
        return result;
    *ret = sqlite3_column_int64(stmt, 0);
    return 0;
}

int
store_quarantine_get(struct store *store, int64_t *ret_failed, char ret_cause[32], struct kb_error *err)
{
    static const char SQL[] = "SELECT failed, cause FROM quarantine";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    *ret_failed = 0;
    ret_cause[0] = '\0';
    int result = db_query_own(store, SQL, &stmt, err, "");
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result <= 0)
        return result;
    *ret_failed = sqlite3_column_int64(stmt, 0);
    db_copy(store, stmt, 1, ret_cause, 32);
    return db_row_check(store, err);
}

int
store_quarantine_set(struct store *store, int64_t failed, const char *cause, struct kb_error *err)
{
    static const char SQL[] =
        "INSERT OR REPLACE INTO quarantine (one, failed, cause, sum) VALUES (1, ?1, ?2, kb_sum(?1, ?2))";

    return db_exec(store, SQL, err, "it", failed, cause);
}

int
store_stuck_set(struct store *store, const char *group_id, const char *principal_id, int64_t runs,
                int64_t last_try_s, struct kb_error *err)
{
    static const char SQL_DROP[] = "DELETE FROM stuck WHERE group_id = ?1 AND principal_id = ?2";
    static const char SQL[] =
        "INSERT OR REPLACE INTO stuck (group_id, principal_id, runs, last_try_s, sum) VALUES (?1, ?2, "
        "?3, ?4, kb_sum(?1, ?2, ?3, ?4))";

    if (runs == 0)
        return db_exec(store, SQL_DROP, err, "tt", group_id, principal_id);
    return db_exec(store, SQL, err, "ttii", group_id, principal_id, runs, last_try_s);
}

int
store_stuck_each(struct store *store, store_stuck_fn fn, void *userdata, struct kb_error *err)
{
    static const char SQL[] =
        "SELECT group_id, principal_id, runs, last_try_s FROM stuck ORDER BY group_id, principal_id";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        const char *group = db_text(store, stmt, 0), *principal = db_text(store, stmt, 1);
        result = db_row_check(store, err);
        if (result == 0)
            result = fn(userdata, group, principal, sqlite3_column_int64(stmt, 2),
                        sqlite3_column_int64(stmt, 3), err);
        if (result > 0)
            result = 0;
    }
    return result;
}
