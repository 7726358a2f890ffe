#include "base/ban.h"

#include "store/db.h"

#include <assert.h>
#include <stdarg.h>

int
db_fail(struct store *store, const char *doing, struct kb_error *err)
{
    int code = store->db ? sqlite3_extended_errcode(store->db) : SQLITE_NOMEM;
    enum kb_code ours = KB_E_STORE;

    if ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED)
        ours = KB_E_BUSY;
    else if ((code & 0xff) == SQLITE_NOMEM)
        ours = KB_E_NOMEM;
    const char *cure = "";
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
        cure = "; the file is damaged: move it away, or restore a backup";
    else if ((code & 0xff) == SQLITE_FULL)
        cure = "; make room on the disk";
    else if (ours == KB_E_BUSY)
        cure = " for over 10 s by another program";
    (void) kb_fail(err, ours, "database %s: %s: %s%s", store->path, doing,
                   store->db ? sqlite3_errmsg(store->db) : "out of memory", cure);
    err->sub = code;
    err->retry = ours == KB_E_BUSY;
    return -(int) ours;
}

static int
bind_all(struct store *store, sqlite3_stmt *stmt, const char *format, va_list ap, struct kb_error *err)
{
    int result = SQLITE_OK;

    assert(sqlite3_bind_parameter_count(stmt) == (int) strlen(format));
    for (int i = 0; format[i] && result == SQLITE_OK; i++) {
        if (format[i] == 't') {
            const char *text = va_arg(ap, const char *);
            assert(text);
            result = sqlite3_bind_text(stmt, i + 1, text, -1, SQLITE_TRANSIENT);
        } else if (format[i] == 'b') {
            const void *bytes = va_arg(ap, const void *);
            size_t size = va_arg(ap, size_t);
            result = sqlite3_bind_blob64(stmt, i + 1, bytes, size, SQLITE_TRANSIENT);
        } else {
            assert(format[i] == 'i');
            result = sqlite3_bind_int64(stmt, i + 1, va_arg(ap, int64_t));
        }
    }
    return result == SQLITE_OK ? 0 : db_fail(store, "binding a value", err);
}

static int
prepare(struct store *store, const char *sql, unsigned flags, sqlite3_stmt **ret, struct kb_error *err)
{
    if (sqlite3_prepare_v3(store->db, sql, -1, flags, ret, NULL) != SQLITE_OK)
        return db_fail(store, "preparing a query", err);
    return 0;
}

static int
find_statement(struct store *store, const char *sql, sqlite3_stmt **ret, struct kb_error *err)
{
    for (size_t i = 0; i < store->statements_len; i++)
        if (store->statements[i].sql == sql) {
            *ret = store->statements[i].stmt;
            (void) sqlite3_reset(*ret); /* an error here is the one the last step has told */
            return 0;
        }
    if (store->statements_len == DB_STATEMENTS_MAX)
        return kb_fail(err, KB_E_BUG, "more than %d different queries", DB_STATEMENTS_MAX);
    int result = prepare(store, sql, SQLITE_PREPARE_PERSISTENT, ret, err);
    if (result < 0)
        return result;
    store->statements[store->statements_len].sql = sql;
    store->statements[store->statements_len++].stmt = *ret;
    return 0;
}

int
db_query(struct store *store, const char *sql, sqlite3_stmt **ret, struct kb_error *err, const char *format,
         ...)
{
    va_list ap;

    int result = find_statement(store, sql, ret, err);
    if (result < 0)
        return result;
    va_start(ap, format);
    result = bind_all(store, *ret, format, ap, err);
    va_end(ap);
    return result;
}

int
db_query_own(struct store *store, const char *sql, sqlite3_stmt **ret, struct kb_error *err,
             const char *format, ...)
{
    va_list ap;

    int result = prepare(store, sql, 0, ret, err);
    if (result < 0)
        return result;
    va_start(ap, format);
    result = bind_all(store, *ret, format, ap, err);
    va_end(ap);
    return result;
}

int
db_exec(struct store *store, const char *sql, struct kb_error *err, const char *format, ...)
{
    sqlite3_stmt *stmt = NULL;
    va_list ap;

    int result = find_statement(store, sql, &stmt, err);
    if (result < 0)
        return result;
    va_start(ap, format);
    result = bind_all(store, stmt, format, ap, err);
    va_end(ap);
    if (result < 0)
        return result;
    result = db_step(store, stmt, err);
    if (result == 1) {
        (void) sqlite3_reset(stmt);
        return kb_fail(err, KB_E_BUG, "a statement without rows gave one");
    }
    return result;
}

int
db_row_check(struct store *store, struct kb_error *err)
{
    if (!store->row_bad)
        return 0;
    store->row_bad = false;
    if (sqlite3_errcode(store->db) == SQLITE_NOMEM)
        return kb_fail(err, KB_E_NOMEM, "database %s: out of memory", store->path);
    return kb_fail(err, KB_E_STORE,
                   "database %s: a text with a NUL; the file is damaged: move it away, or "
                   "restore a backup",
                   store->path);
}

int
db_step(struct store *store, sqlite3_stmt *stmt, struct kb_error *err)
{
    int result = db_row_check(store, err);
    if (result < 0)
        return result;
    switch (sqlite3_step(stmt)) {
    case SQLITE_ROW:
        return 1;
    case SQLITE_DONE:
        if (sqlite3_reset(stmt) == SQLITE_OK)
            return 0;
        break;
    default:
        break;
    }
    result = db_fail(store, sqlite3_stmt_readonly(stmt) ? "reading" : "writing", err);
    (void) sqlite3_reset(stmt);
    return result;
}

const char *
db_text(struct store *store, sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *) sqlite3_column_text(stmt, column);

    if (text && strlen(text) == (size_t) sqlite3_column_bytes(stmt, column))
        return text;
    store->row_bad = true;
    return "";
}

void
db_copy(struct store *store, sqlite3_stmt *stmt, int column, char *ret, size_t size)
{
    (void) snprintf(ret, size, "%s", db_text(store, stmt, column));
}

int
db_begin(struct store *store, bool *ret_began, struct kb_error *err)
{
    static const char SQL_BEGIN[] = "BEGIN IMMEDIATE";

    *ret_began = false;
    if (!sqlite3_get_autocommit(store->db))
        return 0;
    if (!store->writable)
        return kb_fail(err, KB_E_BUG, "database %s is open for reading", store->path);
    int result = db_exec(store, SQL_BEGIN, err, "");
    if (result == 0)
        *ret_began = true;
    return result;
}

int
db_end(struct store *store, bool began, int result, struct kb_error *err)
{
    static const char SQL_COMMIT[] = "COMMIT";

    if (!began)
        return result;
    if (result == 0)
        result = db_exec(store, SQL_COMMIT, err, "");
    /* A failed commit may have rolled back by itself; then this does nothing. */
    if (result < 0 && !sqlite3_get_autocommit(store->db))
        (void) sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return result;
}
