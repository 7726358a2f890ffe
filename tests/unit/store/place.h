/* tests/unit/store/place.h: a state directory of its own for each test, and a raw SQLite connection to harm
 * it.
 */
#ifndef TESTS_UNIT_STORE_PLACE_H
#define TESTS_UNIT_STORE_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "store/store.h"

struct place {
    char dir[64], db[160];
};

static const struct store_identity IDENTITY = {.target = "acme",
                                               .host = "https://accounts.example",
                                               .account_id = "0000-1111",
                                               .level = "account",
                                               .issuer = "https://sso.example/realms/acme"};

static inline void
place_path(const struct place *p, const char *suffix, char ret[160])
{
    (void) snprintf(ret, 160, "%.120s%s", p->db, suffix);
}

static inline int
place_setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    (void) snprintf(p->dir, sizeof(p->dir), "/tmp/kb-store-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    (void) snprintf(p->db, sizeof(p->db), "%s/acme.db", p->dir);
    *state = p;
    return 0;
}

static inline int
place_teardown(void **state)
{
    struct place *p = *state;
    DIR *dir = opendir(p->dir);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char path[400];
        (void) snprintf(path, sizeof(path), "%s/%s", p->dir, e->d_name);
        if (e->d_name[0] != '.')
            (void) unlink(path);
    }
    (void) closedir(dir);
    assert_int_equal(rmdir(p->dir), 0);
    free(p);
    return 0;
}

static inline struct store *
place_open(const struct place *p, enum store_mode mode)
{
    struct kb_error err = {0};
    struct store *store = NULL;
    if (store_open(p->dir, &IDENTITY, mode, &store, &err) < 0)
        fail_msg("open: %s", err.msg);
    assert_non_null(store);
    return store;
}

/* Opens and must fail so. */
static inline void
place_refused(const struct place *p, enum store_mode mode, enum kb_code code, const char *part)
{
    struct kb_error err = {0};
    struct store *store = NULL;
    int result = store_open(p->dir, &IDENTITY, mode, &store, &err);
    assert_null(store);
    if (result != -(int) code || !strstr(err.msg, part))
        fail_msg("wanted %s with '%s', got %d: %s", kb_code_name(code), part, result, err.msg);
}

/* With the checks of the program switched off. */
static inline void
place_sql(const struct place *p, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline int64_t
place_number(const struct place *p, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t number = sqlite3_column_int64(stmt, 0);
    (void) sqlite3_finalize(stmt);
    (void) sqlite3_close(db);
    return number;
}

static inline bool
place_exists(const struct place *p, const char *suffix)
{
    char path[160];
    place_path(p, suffix, path);
    return access(path, F_OK) == 0;
}

#endif
