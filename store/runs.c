#include "base/ban.h"

#include "store/runs.h"

#include "store/db.h"

#define RUN_COLUMNS                                                                                          \
    "id, command, started_s, ended_s, exit_code, success, wrote, narrowed, complete, added, removed, held, " \
    "frozen, "                                                                                               \
    "writes, fingerprint, rules_digest, message"
#define RUN_VALUES "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17"

static int
put_run(struct store *store, const char *sql, const struct store_run *run, struct kb_error *err)
{
    return db_exec(store, sql, err, "ttiiiiiiiiiiiittt", run->id, run->command, run->started_s, run->ended_s,
                   (int64_t) run->exit_code, (int64_t) run->success, (int64_t) run->wrote,
                   (int64_t) run->narrowed, (int64_t) run->complete, run->add, run->remove, run->held,
                   run->frozen, run->writes, run->fingerprint, run->rules_digest, run->message);
}

int
store_run_begin(struct store *store, const struct store_run *run, struct kb_error *err)
{
    static const char SQL[] =
        "INSERT INTO run (" RUN_COLUMNS ", sum) VALUES (" RUN_VALUES ", kb_sum(" RUN_VALUES "))";

    return put_run(store, SQL, run, err);
}

int
store_run_end(struct store *store, const struct store_run *run, struct kb_error *err)
{
    static const char SQL[] =
        "UPDATE run SET (" RUN_COLUMNS ", sum) = (" RUN_VALUES ", kb_sum(" RUN_VALUES ")) WHERE id = ?1";

    int result = put_run(store, SQL, run, err);
    if (result == 0 && sqlite3_changes64(store->db) != 1)
        return kb_fail(err, KB_E_BUG, "run %s has not begun", run->id);
    return result;
}

static int
read_run(struct store *store, sqlite3_stmt *stmt, struct store_run *ret, struct kb_error *err)
{
    memset(ret, 0, sizeof(*ret));
    DB_COPY(store, stmt, 0, ret->id);
    DB_COPY(store, stmt, 1, ret->command);
    ret->started_s = sqlite3_column_int64(stmt, 2);
    ret->ended_s = sqlite3_column_int64(stmt, 3);
    ret->exit_code = sqlite3_column_int(stmt, 4);
    ret->success = sqlite3_column_int(stmt, 5);
    ret->wrote = sqlite3_column_int(stmt, 6);
    ret->narrowed = sqlite3_column_int(stmt, 7);
    ret->complete = sqlite3_column_int(stmt, 8);
    ret->add = sqlite3_column_int64(stmt, 9);
    ret->remove = sqlite3_column_int64(stmt, 10);
    ret->held = sqlite3_column_int64(stmt, 11);
    ret->frozen = sqlite3_column_int64(stmt, 12);
    ret->writes = sqlite3_column_int64(stmt, 13);
    DB_COPY(store, stmt, 14, ret->fingerprint);
    DB_COPY(store, stmt, 15, ret->rules_digest);
    DB_COPY(store, stmt, 16, ret->message);
    return db_row_check(store, err);
}

int
store_runs_each(struct store *store, int64_t limit, store_run_fn fn, void *userdata, struct kb_error *err)
{
    static const char SQL[] = "SELECT " RUN_COLUMNS " FROM run ORDER BY row DESC LIMIT ?1";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;
    struct store_run run;

    int result = db_query_own(store, SQL, &stmt, err, "i", limit);
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        result = read_run(store, stmt, &run, err);
        if (result == 0)
            result = fn(userdata, &run, err);
        if (result > 0)
            result = 0;
    }
    return result;
}

int
store_run_last_success(struct store *store, struct store_run *ret, bool *ret_found, struct kb_error *err)
{
    static const char SQL[] = "SELECT " RUN_COLUMNS " FROM run WHERE success = 1 ORDER BY row DESC LIMIT 1";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    *ret_found = false;
    int result = db_query_own(store, SQL, &stmt, err, "");
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result <= 0)
        return result;
    *ret_found = true;
    return read_run(store, stmt, ret, err);
}
