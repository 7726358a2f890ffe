#include "base/ban.h"

#include "store/directories.h"

#include "store/db.h"

int
store_disabled_each(struct store *store, store_disabled_fn fn, void *userdata, struct kb_error *err)
{
    static const char SQL[] = "SELECT user_id, since_s FROM directory_disabled ORDER BY user_id";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        const char *user = db_text(store, stmt, 0);
        int64_t since = sqlite3_column_int64(stmt, 1);
        result = db_row_check(store, err);
        if (result == 0)
            result = fn(userdata, user, since, err);
        if (result > 0)
            result = 0;
    }
    return result;
}

int
store_disabled_clear(struct store *store, const char *directory, struct kb_error *err)
{
    static const char SQL[] = "DELETE FROM directory_disabled WHERE directory = ?1";

    return db_exec(store, SQL, err, "t", directory);
}

int
store_disabled_set(struct store *store, const char *user_id, const char *directory, int64_t since_s,
                   struct kb_error *err)
{
    static const char SQL[] = "INSERT OR REPLACE INTO directory_disabled (user_id, directory, since_s, sum) "
                              "VALUES (?1, ?2, ?3, kb_sum(?1, ?2, ?3))";

    return db_exec(store, SQL, err, "tti", user_id, directory, since_s);
}

int
store_rule_directories_clear(struct store *store, struct kb_error *err)
{
    static const char SQL[] = "DELETE FROM rule_directory";

    return db_exec(store, SQL, err, "");
}

int
store_rule_directory_add(struct store *store, const struct store_rule_directory *row, struct kb_error *err)
{
    static const char SQL[] =
        "INSERT OR REPLACE INTO rule_directory (rule, directory, users, memberships, sum) "
        "VALUES (?1, ?2, ?3, ?4, kb_sum(?1, ?2, ?3, ?4))";

    return db_exec(store, SQL, err, "ttii", row->rule, row->directory, row->users, row->memberships);
}

int
store_rule_directories_each(struct store *store, store_rule_directory_fn fn, void *userdata,
                            struct kb_error *err)
{
    static const char SQL[] =
        "SELECT rule, directory, users, memberships FROM rule_directory ORDER BY rule, directory";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        struct store_rule_directory row = {.rule = db_text(store, stmt, 0),
                                           .directory = db_text(store, stmt, 1),
                                           .users = sqlite3_column_int64(stmt, 2),
                                           .memberships = sqlite3_column_int64(stmt, 3)};
        result = db_row_check(store, err);
        if (result == 0)
            result = fn(userdata, &row, err);
        if (result > 0)
            result = 0;
    }
    return result;
}

int
store_ledger_directory(struct store *store, const char *user_id, const char *directory, struct kb_error *err)
{
    static const char SQL_SOURCE[] =
        "INSERT INTO ledger_source (user_id, directory, sum) SELECT ?1, ?2, kb_sum(?1, ?2) "
        "WHERE NOT EXISTS (SELECT 1 FROM ledger_source WHERE user_id = ?1 AND directory = ?2)";
    static const char SQL_ROWS[] =
        "UPDATE ledger SET (source_row, sum) = (SELECT s.row, kb_sum(group_row, principal_row, s.row, "
        "reason_row, at_s) FROM ledger_source s WHERE s.user_id = ?1 AND s.directory = ?2) "
        "WHERE source_row IN (SELECT row FROM ledger_source WHERE user_id = ?1 AND directory <> ?2)";
    bool began = false;

    int result = db_begin(store, &began, err);
    if (result < 0)
        return result;
    result = db_exec(store, SQL_SOURCE, err, "tt", user_id, directory);
    if (result == 0)
        result = db_exec(store, SQL_ROWS, err, "tt", user_id, directory);
    return db_end(store, began, result, err);
}
