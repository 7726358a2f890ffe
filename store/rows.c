#include "base/ban.h"

#include "store/rows.h"

#include "base/mem.h"

#define ROWS_MAX ((size_t) 1 << 28)

void
rows_done(struct rows *rows)
{
    free(rows->v);
    *rows = (struct rows){0};
}

static int
no_memory(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "out of memory while reading the database");
}

int
rows_set(struct rows *rows, int64_t row, uint32_t value, struct kb_error *err)
{
    if (row < 0 || (size_t) row >= ROWS_MAX)
        return kb_fail(err, KB_E_STORE, "database: row %lld is out of range; the file is damaged",
                       (long long) row);
    if (!kb_grow(&rows->v, &rows->cap, (size_t) row + 1, sizeof(*rows->v), ROWS_MAX))
        return no_memory(err);
    while (rows->len <= (size_t) row)
        rows->v[rows->len++] = KB_NONE;
    rows->v[row] = value;
    return 0;
}

#define PRINCIPAL_COLUMNS "row, id, kind, name, display, active, listed"
#define GROUP_COLUMNS "row, id, name, external_id, local, listed"

static int
add_principal(struct store *store, struct kb_target *target, sqlite3_stmt *stmt, bool listed, uint32_t *ret,
              struct kb_error *err)
{
    *ret = kb_target_principal_add(target, db_text(store, stmt, 1));
    if (*ret == KB_NONE)
        return no_memory(err);
    struct kb_principal *principal = &target->principals[*ret];
    principal->kind = sqlite3_column_int(stmt, 2) ? KB_PRINCIPAL_SERVICE : KB_PRINCIPAL_USER;
    principal->name = kb_pool_adds(&target->pool, db_text(store, stmt, 3));
    principal->display = kb_pool_adds(&target->pool, db_text(store, stmt, 4));
    principal->active = sqlite3_column_int(stmt, 5);
    principal->listed = listed && sqlite3_column_int(stmt, 6);
    if (principal->name == KB_NONE || principal->display == KB_NONE)
        return no_memory(err);
    return db_row_check(store, err);
}

static int
add_group(struct store *store, struct kb_target *target, sqlite3_stmt *stmt, bool listed, uint32_t *ret,
          struct kb_error *err)
{
    *ret = kb_target_group_add(target, db_text(store, stmt, 1));
    if (*ret == KB_NONE)
        return no_memory(err);
    struct kb_target_group *group = &target->groups[*ret];
    group->external_id = kb_pool_adds(&target->pool, db_text(store, stmt, 3));
    group->local = sqlite3_column_int(stmt, 4);
    group->listed = listed && sqlite3_column_int(stmt, 5);
    if (group->external_id == KB_NONE || !kb_target_group_set_name(target, *ret, db_text(store, stmt, 2)))
        return no_memory(err);
    return db_row_check(store, err);
}

int
rows_principals(struct store *store, struct kb_target *target, bool everything, struct rows *ret,
                struct kb_error *err)
{
    static const char SQL[] = "SELECT " PRINCIPAL_COLUMNS " FROM principal ORDER BY row";
    sqlite3_stmt *stmt = NULL;

    int result = db_query(store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        uint32_t at = kb_target_principal(target, db_text(store, stmt, 1));
        result = db_row_check(store, err);
        if (result == 0 && at == KB_NONE && everything)
            result = add_principal(store, target, stmt, true, &at, err);
        if (result == 0)
            result = rows_set(ret, sqlite3_column_int64(stmt, 0), at, err);
    }
    (void) sqlite3_reset(stmt);
    return result;
}

int
rows_groups(struct store *store, struct kb_target *target, bool everything, struct rows *ret,
            struct kb_error *err)
{
    static const char SQL[] = "SELECT " GROUP_COLUMNS " FROM target_group ORDER BY row";
    sqlite3_stmt *stmt = NULL;

    int result = db_query(store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        uint32_t at = kb_target_group(target, db_text(store, stmt, 1));
        result = db_row_check(store, err);
        if (result == 0 && at == KB_NONE && everything)
            result = add_group(store, target, stmt, true, &at, err);
        if (result == 0)
            result = rows_set(ret, sqlite3_column_int64(stmt, 0), at, err);
    }
    (void) sqlite3_reset(stmt);
    return result;
}

static int
no_row(struct store *store, const char *what, int64_t row, struct kb_error *err)
{
    return kb_fail(err, KB_E_STORE,
                   "database %s is damaged: %s %lld is missing; move it away (a lost ledger removes "
                   "nobody), or restore a backup",
                   store->path, what, (long long) row);
}

int
rows_principal(struct store *store, struct kb_target *target, struct rows *rows, int64_t row, uint32_t *ret,
               struct kb_error *err)
{
    static const char SQL[] = "SELECT " PRINCIPAL_COLUMNS " FROM principal WHERE row = ?1";
    sqlite3_stmt *stmt = NULL;

    *ret = rows_get(rows, row);
    if (*ret != KB_NONE)
        return 0;
    int result = db_query(store, SQL, &stmt, err, "i", row);
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result == 0)
        return no_row(store, "principal", row, err);
    if (result == 1)
        result = add_principal(store, target, stmt, false, ret, err);
    (void) sqlite3_reset(stmt);
    return result < 0 ? result : rows_set(rows, row, *ret, err);
}

int
rows_group(struct store *store, struct kb_target *target, struct rows *rows, int64_t row, uint32_t *ret,
           struct kb_error *err)
{
    static const char SQL[] = "SELECT " GROUP_COLUMNS " FROM target_group WHERE row = ?1";
    sqlite3_stmt *stmt = NULL;

    *ret = rows_get(rows, row);
    if (*ret != KB_NONE)
        return 0;
    int result = db_query(store, SQL, &stmt, err, "i", row);
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result == 0)
        return no_row(store, "group", row, err);
    if (result == 1)
        result = add_group(store, target, stmt, false, ret, err);
    (void) sqlite3_reset(stmt);
    return result < 0 ? result : rows_set(rows, row, *ret, err);
}
