#include "base/ban.h"

#include "store/migrate.h"

#include "store/check.h"

#include <errno.h>
#include <fcntl.h>

static int
read_pragma(struct store *store, const char *sql, int64_t *ret, struct kb_error *err)
{
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, sql, &stmt, err, "");
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result < 0)
        return result;
    *ret = sqlite3_column_int64(stmt, 0);
    return 0;
}

static int
run_sql(struct store *store, const char *sql, const char *doing, struct kb_error *err)
{
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(store, doing, err);
    return 0;
}

int
migrate_version(struct store *store, int *ret, struct kb_error *err)
{
    int64_t application = 0, version = 0;

    int result = read_pragma(store, "PRAGMA application_id", &application, err);
    if (result == 0)
        result = read_pragma(store, "PRAGMA user_version", &version, err);
    if (result < 0)
        return result;
    if (application != STORE_APPLICATION_ID)
        return kb_fail(err, KB_E_STORE,
                       "database %s was not made by keybricks: move it away, or use another "
                       "state_dir",
                       store->path);
    if (version < 1)
        return kb_fail(err, KB_E_STORE,
                       "database %s is damaged: it has no schema; move it away, or restore a "
                       "backup",
                       store->path);
    if (version > store_migrations_len)
        return kb_fail(err, KB_E_STORE,
                       "database %s has schema %d, this keybricks knows %d: use the newer "
                       "keybricks that wrote it",
                       store->path, (int) version, store_migrations_len);
    *ret = (int) version;
    return 0;
}

static int
back_up(struct store *store, int version, struct kb_error *err)
{
    static const char SQL[] = "VACUUM INTO ?1";
    KB_CLEANUP(kb_free) char *path = kb_asprintf("%s.backup-v%d", store->path, version);

    if (!path)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    /* An earlier try left it: the database is still the one it was made of. */
    if (unlink(path) < 0 && errno != ENOENT)
        return kb_fail_errno(err, KB_E_STORE, errno, "backup %s", path);
    KB_CLEANUP(kb_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return kb_fail_errno(err, KB_E_STORE, errno, "backup %s", path);
    int result = db_exec(store, SQL, err, "t", path);
    if (result < 0)
        return kb_fail_prefix(err, "backup %s before the migration", path);
    if (fsync(fd) < 0)
        return kb_fail_errno(err, KB_E_STORE, errno, "backup %s", path);
    return 0;
}

static int
step_up(struct store *store, const struct store_migration *migration, struct kb_error *err)
{
    char pragma[64];
    bool began = false;

    int result = db_begin(store, &began, err);
    if (result < 0)
        return result;
    result = run_sql(store, migration->sql, "migrating", err);
    (void) snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", migration->version);
    if (result == 0)
        result = run_sql(store, pragma, "migrating", err);
    if (result == 0)
        result = check_keep_schema(store, err);
    result = db_end(store, began, result, err);
    if (result < 0)
        return kb_fail_prefix(err, "migration %04d_%s", migration->version, migration->name);
    return 0;
}

int
migrate_to(struct store *store, int version, bool backup, struct kb_error *err)
{
    int64_t present = 0;

    int result = read_pragma(store, "PRAGMA user_version", &present, err);
    if (result < 0)
        return result;
    if (version == 0)
        version = store_migrations_len;
    if (present >= version)
        return 0;
    if (backup && (result = back_up(store, (int) present, err)) < 0)
        return result;
    for (int i = (int) present; i < version; i++)
        if ((result = step_up(store, &store_migrations[i], err)) < 0)
            return result;
    int64_t orphan = 0;
    result = read_pragma(store, "SELECT count(*) FROM pragma_foreign_key_check", &orphan, err);
    if (result == 0 && orphan)
        return kb_fail(err, KB_E_STORE, "database %s: rows without parent after the migration", store->path);
    return result;
}
