#include "base/ban.h"

#include "store/db.h"
#include "store/journal.h"

int
store_intent_open(struct store *store, int64_t seq, const char *group_id, const char *group_name,
                  const char *body, struct kb_error *err)
{
    static const char SQL[] =
        "INSERT INTO open_intent (seq, group_id, group_name, body, sum) VALUES (?1, ?2, ?3, ?4, "
        "kb_sum(?1, ?2, ?3, ?4))";

    return db_exec(store, SQL, err, "ittt", seq, group_id, group_name, body);
}

int
store_intent_close(struct store *store, int64_t seq, struct kb_error *err)
{
    static const char SQL[] = "DELETE FROM open_intent WHERE seq = ?1";

    int result = db_exec(store, SQL, err, "i", seq);
    if (result == 0 && sqlite3_changes64(store->db) != 1)
        return kb_fail(err, KB_E_BUG, "intent %lld is not open", (long long) seq);
    return result;
}

int
store_intents_each(struct store *store, store_intent_fn fn, void *userdata, struct kb_error *err)
{
    static const char SQL[] =
        "SELECT i.seq, a.run_id, i.group_id, i.group_name, i.body FROM open_intent i JOIN audit a ON "
        "a.seq = i.seq ORDER BY i.seq";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        const char *text[4];
        for (int i = 0; i < 4; i++)
            text[i] = db_text(store, stmt, i + 1);
        result = db_row_check(store, err);
        if (result == 0)
            result = fn(userdata, sqlite3_column_int64(stmt, 0), text[0], text[1], text[2], text[3], err);
        if (result > 0)
            result = 0;
    }
    return result;
}
