/* Opening. A new database is made under another name and renamed when it is whole, so a kill leaves either no
 * database or a usable one, and an empty file can be refused as damaged. A reader never creates a file: where
 * SQLite would need to (-shm in a directory that is not ours), the reader copies the file into memory. */
#include "base/ban.h"

#include "store/store.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "store/check.h"
#include "store/db.h"
#include "store/lock.h"
#include "store/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define BUSY_TIMEOUT_MS 10000
/* Each membership that is written looks a principal and a source up: SQLite's 2 MiB are swept by 50,000 of them
 * for each group; with 8 MiB nothing was faster than with 4. */
#define CACHE_PRAGMA "PRAGMA cache_size=-4096; "
#define COPY_SIZE_MAX ((size_t) 2 << 30)

bool
store_writable(const struct store *store)
{
    return store->writable;
}

const char *
store_lineage(const struct store *store)
{
    return store->lineage;
}

void
store_close(struct store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->statements_len; i++)
        (void) sqlite3_finalize(store->statements[i].stmt);
    (void) sqlite3_close(store->db);
    if (store->lock_fd >= 0)
        (void) close(store->lock_fd);
    free(store->path);
    free(store);
}

static int
configure(struct store *store, const char *journal_mode, struct kb_error *err)
{
    static const struct {
        int option, value;
    } OPTIONS[] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},   {SQLITE_DBCONFIG_DQS_DML, 0},
                   {SQLITE_DBCONFIG_DQS_DDL, 0},     {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                   {SQLITE_DBCONFIG_ENABLE_FKEY, 1}, {SQLITE_DBCONFIG_ENABLE_TRIGGER, 1}};

    char pragmas[200];

    (void) sqlite3_extended_result_codes(store->db, 1);
    (void) sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    for (size_t i = 0; i < KB_LEN(OPTIONS); i++)
        if (sqlite3_db_config(store->db, OPTIONS[i].option, OPTIONS[i].value, NULL) != SQLITE_OK)
            return db_fail(store, "configuring", err);
    /* synchronous=FULL: a row that was told to be durable survives a power loss, also in WAL mode. */
    (void) snprintf(pragmas, sizeof(pragmas),
                    "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; " CACHE_PRAGMA "%s%s",
                    journal_mode ? "PRAGMA synchronous=FULL; PRAGMA journal_mode=" : "",
                    journal_mode ? journal_mode : "");
    if (sqlite3_exec(store->db, pragmas, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(store, "opening", err);
    return check_register(store, err);
}

static int
open_file(struct store *store, const char *path, int flags, const char *journal_mode, struct kb_error *err)
{
    if (sqlite3_open_v2(path, &store->db, flags | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK)
        return db_fail(store, "opening", err);
    return configure(store, journal_mode, err);
}

/* ---- identity ---- */

struct identity_row {
    const char *key, *value;
};

#define IDENTITY_LEN 5

static void
identity_rows(const struct store_identity *identity, struct identity_row rows[IDENTITY_LEN])
{
    const struct identity_row all[IDENTITY_LEN] = {{"target", identity->target},
                                                   {"host", identity->host},
                                                   {"account_id", identity->account_id},
                                                   {"level", identity->level},
                                                   {"issuer", identity->issuer}};

    memcpy(rows, all, sizeof(all));
    for (size_t i = 0; i < IDENTITY_LEN; i++)
        if (!rows[i].value)
            rows[i].value = "";
}

static int
put_meta(struct store *store, const char *key, const char *value, struct kb_error *err)
{
    static const char SQL[] = "INSERT INTO meta (key, value, sum) VALUES (?1, ?2, kb_sum(?1, ?2))";

    return db_exec(store, SQL, err, "tt", key, value);
}

static int
write_identity(struct store *store, const struct store_identity *identity, struct kb_error *err)
{
    struct identity_row rows[IDENTITY_LEN];
    char lineage[33];
    uint8_t random[16];
    bool began = false;

    kb_random_bytes(random, sizeof(random));
    kb_hex(random, sizeof(random), lineage);
    identity_rows(identity, rows);
    int result = db_begin(store, &began, err);
    if (result < 0)
        return result;
    result = put_meta(store, "lineage", lineage, err);
    for (size_t i = 0; i < IDENTITY_LEN && result == 0; i++)
        result = put_meta(store, rows[i].key, rows[i].value, err);
    return db_end(store, began, result, err);
}

static int
get_meta(struct store *store, const char *key, char *ret, size_t size, struct kb_error *err)
{
    static const char SQL[] = "SELECT value FROM meta WHERE key = ?1";
    sqlite3_stmt *stmt = NULL;

    int result = db_query(store, SQL, &stmt, err, "t", key);
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result < 0)
        return result;
    if (result == 0)
        return kb_fail(err, KB_E_STORE,
                       "database %s is damaged: it does not say its %s; move it away, or restore "
                       "a backup",
                       store->path, key);
    db_copy(store, stmt, 0, ret, size);
    (void) sqlite3_reset(stmt);
    return db_row_check(store, err);
}

static int
check_identity(struct store *store, const struct store_identity *identity, struct kb_error *err)
{
    struct identity_row rows[IDENTITY_LEN];
    char value[2048];

    int result = get_meta(store, "lineage", store->lineage, sizeof(store->lineage), err);
    if (result < 0)
        return result;
    identity_rows(identity, rows);
    for (size_t i = 0; i < IDENTITY_LEN; i++) {
        result = get_meta(store, rows[i].key, value, sizeof(value), err);
        if (result < 0)
            return result;
        if (strcmp(value, rows[i].value) != 0)
            return kb_fail(
                err, KB_E_STORE,
                "database %s belongs to another %s: it says \"%.120s\", the "
                "configuration \"%.120s\"; give the target another name, or move the database away",
                store->path, rows[i].key, value, rows[i].value);
    }
    return 0;
}

/* ---- writing ---- */

static int
discard(const char *path, const char *suffix, struct kb_error *err)
{
    KB_CLEANUP(kb_free) char *name = kb_asprintf("%s%s", path, suffix);

    if (!name)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    if (unlink(name) < 0 && errno != ENOENT)
        return kb_fail_errno(err, KB_E_STORE, errno, "removing the leftover %s", name);
    return 0;
}

static int
sync_directory(const char *state_dir, struct kb_error *err)
{
    KB_CLEANUP(kb_close) int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return kb_fail_errno(err, KB_E_STORE, errno, "state directory %s", state_dir);
    return 0;
}

static int
fill_new(struct store *store, const struct store_identity *identity, struct kb_error *err)
{
    char pragma[64];

    (void) snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d", STORE_APPLICATION_ID);
    if (sqlite3_exec(store->db, pragma, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(store, "making it", err);
    int result = migrate_to(store, 0, false, err);
    if (result == 0)
        result = write_identity(store, identity, err);
    return result;
}

static int
make_new(const char *state_dir, const char *path, const struct store_identity *identity, struct kb_error *err)
{
    KB_CLEANUP(kb_free) char *temporary = kb_asprintf("%s.new", path);

    if (!temporary)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    int result = discard(temporary, "", err);
    if (result == 0)
        result = discard(temporary, "-journal", err);
    /* A -wal without its database would be applied to the new one. */
    if (result == 0)
        result = discard(path, "-wal", err);
    if (result == 0)
        result = discard(path, "-shm", err);
    if (result < 0)
        return result;
    KB_CLEANUP(kb_close) int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return kb_fail_errno(err, KB_E_STORE, errno, "database %s", temporary);
    {
        KB_CLEANUP(store) struct store *store = calloc(1, sizeof(*store));
        if (!store || (store->lock_fd = -1, store->path = strdup(temporary)) == NULL)
            return kb_fail(err, KB_E_NOMEM, "out of memory");
        store->writable = true;
        result = open_file(store, temporary, SQLITE_OPEN_READWRITE, "DELETE", err);
        if (result == 0)
            result = fill_new(store, identity, err);
    }
    if (result < 0) {
        (void) unlink(temporary);
        return result;
    }
    if (fsync(fd) < 0 || rename(temporary, path) < 0)
        return kb_fail_errno(err, KB_E_STORE, errno, "database %s", path);
    return sync_directory(state_dir, err);
}

static int
look_at(const char *path, bool *ret_there, struct kb_error *err)
{
    struct stat st;

    *ret_there = false;
    if (lstat(path, &st) < 0) {
        if (errno == ENOENT)
            return 0;
        return kb_fail_errno(err, KB_E_IO, errno, "database %s", path);
    }
    if (!S_ISREG(st.st_mode))
        return kb_fail(err, KB_E_STORE, "database %s is not a regular file", path);
    if (st.st_size == 0)
        return kb_fail(err, KB_E_STORE,
                       "database %s is damaged: it is empty; move it away (a lost ledger removes "
                       "nobody), or restore a backup",
                       path);
    *ret_there = true;
    return 0;
}

static int
open_for_writing(struct store *store, const char *state_dir, const struct store_identity *identity,
                 bool network, struct kb_error *err)
{
    bool there = false;
    int version = 0;

    int result = look_at(store->path, &there, err);
    if (result == 0 && !there)
        result = make_new(state_dir, store->path, identity, err);
    if (result < 0)
        return result;
    /* Whose file it is must be known before the journal mode is changed in it. */
    result = open_file(store, store->path, SQLITE_OPEN_READWRITE, NULL, err);
    if (result == 0)
        result = migrate_version(store, &version, err);
    if (result == 0)
        result = configure(store, network ? "DELETE" : "WAL", err);
    if (result < 0)
        return result;
    store->writable = true;
    if (version < store_migrations_len) {
        result = migrate_to(store, 0, true, err);
        if (result < 0)
            return result;
    }
    result = check_database(store, true, err);
    if (result == 0)
        result = check_identity(store, identity, err);
    return result;
}

/* ---- reading ---- */

static int64_t
size_of(const char *path, const char *suffix, struct timespec *ret_changed)
{
    KB_CLEANUP(kb_free) char *name = kb_asprintf("%s%s", path, suffix);
    struct stat st;

    if (!name || stat(name, &st) < 0)
        return 0;
    *ret_changed = st.st_mtim;
    return st.st_size;
}

/* The whole file as a database in memory. It was closed cleanly (no -wal), so it is complete by itself; that
 * it did not change while it was copied is checked. */
static int
open_copy(struct store *store, struct kb_error *err)
{
    struct timespec before = {0}, after = {0}, wal;
    KB_CLEANUP(kb_buf) struct kb_buf bytes = KB_BUF_INIT(COPY_SIZE_MAX);

    (void) size_of(store->path, "", &before);
    int result = kb_file_read(store->path, &bytes, err);
    if (result < 0)
        return result;
    int64_t size = size_of(store->path, "", &after);
    if (size != (int64_t) bytes.len || before.tv_sec != after.tv_sec || before.tv_nsec != after.tv_nsec ||
        size_of(store->path, "-wal", &wal) > 0)
        return kb_fail(err, KB_E_BUSY,
                       "database %s is being written, and its directory is not ours to write: try "
                       "again later",
                       store->path);
    if (bytes.len < 100)
        return kb_fail(err, KB_E_STORE, "database %s is damaged: %zu bytes", store->path, bytes.len);
    /* Bytes 18 and 19: 2 means WAL, which a database in memory cannot be; 1 means rollback journal.
     * Source: sqlite.org/fileformat.html section 1.3.3. */
    bytes.data[18] = bytes.data[19] = 1;
    unsigned char *image = sqlite3_malloc64(bytes.len);
    if (!image)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    memcpy(image, bytes.data, bytes.len);
    if (sqlite3_open_v2(":memory:", &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL) !=
        SQLITE_OK) {
        sqlite3_free(image);
        return db_fail(store, "opening", err);
    }
    /* SQLite frees the image, also when it fails. */
    if (sqlite3_deserialize(store->db, "main", image, size, size,
                            SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_READONLY) != SQLITE_OK)
        return db_fail(store, "opening", err);
    return configure(store, NULL, err);
}

static int
open_for_reading(struct store *store, const char *state_dir, const struct store_identity *identity,
                 bool *ret_there, struct kb_error *err)
{
    struct timespec unused;
    int version = 0;

    int result = look_at(store->path, ret_there, err);
    if (result < 0 || !*ret_there)
        return result;
    if (access(store->path, R_OK) < 0)
        return kb_fail_errno(err, KB_E_IO, errno, "database %s", store->path);
    if (access(state_dir, W_OK) < 0 && size_of(store->path, "-wal", &unused) == 0)
        result = open_copy(store, err);
    else
        result = open_file(store, store->path, SQLITE_OPEN_READONLY, NULL, err);
    if (result == 0)
        result = migrate_version(store, &version, err);
    if (result == 0 && version < store_migrations_len)
        return kb_fail(err, KB_E_STORE, "database %s has the older schema %d: the next sync brings it to %d",
                       store->path, version, store_migrations_len);
    if (result == 0)
        result = check_database(store, false, err);
    if (result == 0)
        result = check_identity(store, identity, err);
    return result;
}

static int
open_in_memory(struct store *store, const struct store_identity *identity, struct kb_error *err)
{
    store->writable = true;
    int result = open_file(store, ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "MEMORY", err);
    if (result == 0)
        result = fill_new(store, identity, err);
    if (result == 0)
        result = check_identity(store, identity, err);
    return result;
}

/* STORE_WRITE and STORE_SNAPSHOT: *ret_read when the second must do with reading. */
static int
prepare_writing(struct store *store, const char *state_dir, const struct store_identity *identity,
                enum store_mode mode, bool *ret_network, bool *ret_read, struct kb_error *err)
{
    KB_CLEANUP(kb_free) char *lock = kb_asprintf("%s/%s.lock", state_dir, identity->target);
    struct kb_error why = {0};

    if (!lock)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    int result = lock_directory(state_dir, true, ret_network, &why);
    if (result == 0)
        result = lock_take(lock, &store->lock_fd, &why);
    if (result == 0)
        return 0;
    if (mode == STORE_SNAPSHOT && (why.code == KB_E_BUSY || why.code == KB_E_IO)) {
        *ret_read = true;
        return 0;
    }
    *err = why;
    return result;
}

int
store_open(const char *state_dir, const struct store_identity *identity, enum store_mode mode,
           struct store **ret, struct kb_error *err)
{
    KB_CLEANUP(store) struct store *store = calloc(1, sizeof(*store));
    bool network = false, reading = mode == STORE_READ, there = false;

    *ret = NULL;
    if (!store)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    store->lock_fd = -1;
    store->path =
        mode == STORE_MEMORY ? strdup("in memory") : kb_asprintf("%s/%s.db", state_dir, identity->target);
    if (!store->path)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    int result = 0;
    if (mode == STORE_MEMORY)
        result = open_in_memory(store, identity, err);
    else if (mode != STORE_READ)
        result = prepare_writing(store, state_dir, identity, mode, &network, &reading, err);
    if (result == 0 && reading) {
        result = open_for_reading(store, state_dir, identity, &there, err);
        if (result == 0 && !there)
            return 0;
    } else if (result == 0 && mode != STORE_MEMORY) {
        result = open_for_writing(store, state_dir, identity, network, err);
    }
    if (result < 0)
        return result;
    store_rest(store);
    *ret = kb_steal(&store);
    return 0;
}

/* ---- transactions ---- */

int
store_begin(struct store *store, struct kb_error *err)
{
    bool began = false;

    int result = db_begin(store, &began, err);
    if (result == 0 && !began)
        return kb_fail(err, KB_E_BUG, "a transaction is open already");
    return result;
}

int
store_commit(struct store *store, struct kb_error *err)
{
    return db_end(store, true, 0, err);
}

void
store_rollback(struct store *store)
{
    if (!sqlite3_get_autocommit(store->db))
        (void) sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

void
store_rest(struct store *store)
{
    (void) sqlite3_db_release_memory(store->db);
}
