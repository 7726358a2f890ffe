/* store/db.h: the one way this room talks to SQLite: statements prepared once, bound, stepped, reset,
 * checked.
 *
 * Why:    a forgotten reset keeps a read transaction open, an unchecked bind writes NULL. Owns: statements
 * from db_query belong to the store (found again by the address of their text); strings of a row are
 * borrowed until the next step. Internal to store/. Source: c-anchors 4.8 and 5 (SQLite 3.40).
 */
#ifndef KB_STORE_DB_H
#define KB_STORE_DB_H

#include "base/error.h"
#include "base/mem.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define DB_STATEMENTS_MAX 96

struct store {
    sqlite3 *db;
    char *path; /* for messages */
    int lock_fd;
    bool writable;
    bool row_bad; /* a column of the present row could not be read: out of memory, or a NUL inside a text */
    char lineage[33];
    int (*sink)(void *userdata, int64_t seq, int64_t ts_s, const char *run_id, const char *kind,
                const char *body, const char *hash, struct kb_error *err); /* store_journal_sink */
    void *sink_userdata;

    struct {
        const char *sql;
        sqlite3_stmt *stmt;
    } statements[DB_STATEMENTS_MAX];

    size_t statements_len;
};

KB_DEFINE_CLEANUP(db_stmt, sqlite3_stmt *, sqlite3_finalize)

/* What SQLite says, as one of ours: KB_E_BUSY, KB_E_NOMEM or KB_E_STORE with the extended code in sub. */
int db_fail(struct store *store, const char *doing, struct kb_error *err);

/* Binds ?1… by `format`: t text (never NULL), i int64_t, b pointer and size_t. `sql` must be a static array.
 * db_query leaves the statement ready to be stepped; it belongs to the store and may not be used twice at
 * once. */
int db_query(struct store *store, const char *sql, sqlite3_stmt **ret, struct kb_error *err,
             const char *format, ...);
/* The same with a statement of one's own, for rows that are given to a callback which may query again. */
int db_query_own(struct store *store, const char *sql, sqlite3_stmt **ret, struct kb_error *err,
                 const char *format, ...);
/* Statements without rows. */
int db_exec(struct store *store, const char *sql, struct kb_error *err, const char *format, ...);

/* 1: a row; 0: the end, the statement is reset. Also fails when a column of the row before was bad. */
int db_step(struct store *store, sqlite3_stmt *stmt, struct kb_error *err);
/* After the last column of a row was read: was it readable? */
int db_row_check(struct store *store, struct kb_error *err);

/* "" and row_bad when it is not a text without NUL. */
const char *db_text(struct store *store, sqlite3_stmt *stmt, int column);
/* Copies; a text that is too long is cut. */
void db_copy(struct store *store, sqlite3_stmt *stmt, int column, char *ret, size_t size);

/* A transaction unless one is open: *ret_began tells whether db_end must end it. */
int db_begin(struct store *store, bool *ret_began, struct kb_error *err);
/* Commits when `result` is 0, else rolls back; gives back `result` or the error of the commit. */
int db_end(struct store *store, bool began, int result, struct kb_error *err);

#define DB_COPY(store, stmt, column, array) db_copy(store, stmt, column, array, sizeof(array))

#endif
