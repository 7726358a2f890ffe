#include "base/ban.h"

#include "store/known.h"

#include "store/db.h"

int
store_known_load(struct store *store, struct kb_known *ret, struct kb_error *err)
{
    static const char SQL[] =
        "SELECT managed, rule, object_id, name FROM source_object ORDER BY managed, rule, object_id";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        const char *managed = db_text(store, stmt, 0), *rule = db_text(store, stmt, 1),
                   *id = db_text(store, stmt, 2), *name = db_text(store, stmt, 3);
        result = db_row_check(store, err);
        if (result == 0 && !kb_known_add(ret, managed, rule, id, name))
            result = kb_fail(err, KB_E_NOMEM, "remembered roles and groups: out of memory");
    }
    kb_known_sort(ret);
    return result;
}

int
store_known_save(struct store *store, const struct kb_known *known, struct kb_error *err)
{
    static const char SQL_CLEAR[] = "DELETE FROM source_object";
    static const char SQL_ADD[] = "INSERT INTO source_object (managed, rule, object_id, name, sum) "
                                  "VALUES (?1, ?2, ?3, ?4, kb_sum(?1, ?2, ?3, ?4))";
    bool began = false;

    int result = db_begin(store, &began, err);
    if (result < 0)
        return result;
    result = db_exec(store, SQL_CLEAR, err, "");
    for (uint32_t i = 0; result == 0 && i < known->len; i++) {
        const struct kb_known_object *o = &known->v[i];
        result =
            db_exec(store, SQL_ADD, err, "tttt", kb_known_str(known, o->managed),
                    kb_known_str(known, o->rule), kb_known_str(known, o->id), kb_known_str(known, o->name));
    }
    return db_end(store, began, result, err);
}
