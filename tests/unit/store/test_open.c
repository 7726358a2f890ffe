#include "base/ban.h"

#include "tests/unit/store/place.h"

#include "store/check.h"
#include "store/journal.h"
#include "store/migrate.h"

#include <fcntl.h>
#include <sys/wait.h>

static void
test_creates(void **state)
{
    struct place *p = *state;
    struct stat st;
    char lineage[33];

    struct store *store = place_open(p, STORE_WRITE);
    assert_true(store_writable(store));
    assert_int_equal(strlen(store_lineage(store)), 32);
    (void) snprintf(lineage, sizeof(lineage), "%s", store_lineage(store));
    store_close(store);
    assert_int_equal(stat(p->db, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_false(place_exists(p, ".new"));
    assert_false(place_exists(p, "-wal"));
    assert_int_equal(place_number(p, "PRAGMA application_id"), STORE_APPLICATION_ID);
    assert_int_equal(place_number(p, "PRAGMA user_version"), store_migrations_len);
    store = place_open(p, STORE_WRITE);
    assert_string_equal(store_lineage(store), lineage);
    store_close(store);
}

static void
test_directories(void **state)
{
    struct place *p = *state;
    struct kb_error err = {0};
    struct store *store = NULL;
    struct stat st;
    char deep[160], deeper[200];

    (void) snprintf(deep, sizeof(deep), "%s/a", p->dir);
    (void) snprintf(deeper, sizeof(deeper), "%s/b/", deep);
    assert_int_equal(store_open(deeper, &IDENTITY, STORE_WRITE, &store, &err), 0);
    store_close(store);
    assert_int_equal(stat(deeper, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    char command[3][240];
    (void) snprintf(command[0], 240, "%sacme.db", deeper);
    (void) snprintf(command[1], 240, "%sacme.lock", deeper);
    for (int i = 0; i < 2; i++)
        assert_int_equal(unlink(command[i]), 0);
    assert_int_equal(rmdir(deeper), 0);
    assert_int_equal(rmdir(deep), 0);

    assert_int_equal(chmod(p->dir, 0777), 0);
    place_refused(p, STORE_WRITE, KB_E_STORE, "others may write");
    assert_int_equal(chmod(p->dir, 0700), 0);
    int fd = open(p->db, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void) close(fd);
    store = NULL;
    assert_int_equal(store_open(p->db, &IDENTITY, STORE_WRITE, &store, &err), -KB_E_STORE);
    assert_non_null(strstr(err.msg, "not a directory"));
}

static void
test_read_of_nothing(void **state)
{
    struct place *p = *state;
    struct kb_error err = {0};
    struct store *store = NULL;

    assert_int_equal(store_open(p->dir, &IDENTITY, STORE_READ, &store, &err), 0);
    assert_null(store);
    assert_int_equal(store_open("/nonexistent/kb", &IDENTITY, STORE_READ, &store, &err), 0);
    assert_null(store);
    assert_false(place_exists(p, ""));
    assert_int_equal(store_open("/proc/kb", &IDENTITY, STORE_SNAPSHOT, &store, &err), 0);
    assert_null(store);
    assert_int_equal(store_open("/proc/kb", &IDENTITY, STORE_WRITE, &store, &err), -KB_E_IO);
    assert_null(store);
}

static void
test_identity(void **state)
{
    struct place *p = *state;

    static const struct {
        const char *name;
        size_t offset;
    } CASES[] = {{"host", offsetof(struct store_identity, host)},
                 {"account_id", offsetof(struct store_identity, account_id)},
                 {"level", offsetof(struct store_identity, level)},
                 {"issuer", offsetof(struct store_identity, issuer)}};

    static const enum store_mode MODES[] = {STORE_READ, STORE_SNAPSHOT, STORE_WRITE};

    store_close(place_open(p, STORE_WRITE));
    for (size_t i = 0; i < KB_LEN(CASES); i++)
        for (size_t k = 0; k < KB_LEN(MODES); k++) {
            struct store_identity other = IDENTITY;
            struct kb_error err = {0};
            struct store *store = NULL;
            static const char *const another = "another";
            memcpy((char *) &other + CASES[i].offset, (const void *) &another,
                   sizeof(const char *)); // NOLINT(bugprone-sizeof-expression): the pointer itself
            assert_int_equal(store_open(p->dir, &other, MODES[k], &store, &err), -KB_E_STORE);
            assert_null(store);
            assert_non_null(strstr(err.msg, CASES[i].name));
            assert_non_null(strstr(err.msg, "another"));
        }
    /* The file of one target under the name of another. */
    char moved[160];
    (void) snprintf(moved, sizeof(moved), "%s/other.db", p->dir);
    assert_int_equal(rename(p->db, moved), 0);
    struct store_identity other = IDENTITY;
    struct kb_error err = {0};
    struct store *store = NULL;
    other.target = "other";
    assert_int_equal(store_open(p->dir, &other, STORE_WRITE, &store, &err), -KB_E_STORE);
    assert_non_null(strstr(err.msg, "target"));
}

static void
test_newer_schema(void **state)
{
    struct place *p = *state;
    const int newer[] = {store_migrations_len + 1, 9000};
    struct stat before, after;
    char sql[64];

    store_close(place_open(p, STORE_WRITE));
    for (size_t i = 0; i < KB_LEN(newer); i++) {
        (void) snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", newer[i]);
        place_sql(p, sql);
        assert_int_equal(stat(p->db, &before), 0);
        place_refused(p, STORE_WRITE, KB_E_STORE, "newer keybricks");
        place_refused(p, STORE_SNAPSHOT, KB_E_STORE, "newer keybricks");
        place_refused(p, STORE_READ, KB_E_STORE, "newer keybricks");
        assert_int_equal(stat(p->db, &after), 0);
        assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
        assert_int_equal(before.st_size, after.st_size);
    }
}

/* A database as an older keybricks left it. */
static void
make_older(struct place *p, int version)
{
    struct store older = {.lock_fd = -1, .writable = true, .path = p->db};
    struct kb_error err = {0};
    char sql[200];

    assert_int_equal(sqlite3_open(p->db, &older.db), SQLITE_OK);
    assert_int_equal(check_register(&older, &err), 0);
    (void) snprintf(sql, sizeof(sql), "PRAGMA application_id = %d", STORE_APPLICATION_ID);
    assert_int_equal(sqlite3_exec(older.db, sql, NULL, NULL, NULL), SQLITE_OK);
    if (migrate_to(&older, version, false, &err) < 0)
        fail_msg("version %d: %s", version, err.msg);
    const char *const meta[][2] = {{"lineage", "00112233445566778899aabbccddeeff"},
                                   {"target", IDENTITY.target},
                                   {"host", IDENTITY.host},
                                   {"account_id", IDENTITY.account_id},
                                   {"level", IDENTITY.level},
                                   {"issuer", IDENTITY.issuer}};
    for (size_t i = 0; i < KB_LEN(meta); i++) {
        (void) snprintf(sql, sizeof(sql), "INSERT INTO meta VALUES ('%s', '%s', kb_sum('%s', '%s'))",
                        meta[i][0], meta[i][1], meta[i][0], meta[i][1]);
        assert_int_equal(sqlite3_exec(older.db, sql, NULL, NULL, NULL), SQLITE_OK);
    }
    for (size_t i = 0; i < older.statements_len; i++)
        (void) sqlite3_finalize(older.statements[i].stmt);
    assert_int_equal(sqlite3_close(older.db), SQLITE_OK);
}

static void
test_older_schema(void **state)
{
    struct place *p = *state;

    for (int version = 1; version < store_migrations_len; version++) {
        char backup[32], path[160];
        make_older(p, version);
        place_refused(p, STORE_READ, KB_E_STORE, "older schema");
        struct store *store = place_open(p, STORE_WRITE);
        assert_string_equal(store_lineage(store), "00112233445566778899aabbccddeeff");
        store_close(store);
        assert_int_equal(place_number(p, "PRAGMA user_version"), store_migrations_len);
        (void) snprintf(backup, sizeof(backup), ".backup-v%d", version);
        struct place copy = *p;
        place_path(p, backup, path);
        (void) snprintf(copy.db, sizeof(copy.db), "%s", path);
        assert_int_equal(place_number(&copy, "PRAGMA user_version"), version);
        assert_int_equal(place_number(&copy, "SELECT count(*) FROM meta WHERE key = 'lineage'"), 1);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        /* what was made anew and what was walked forward are the same */
        store_close(place_open(p, STORE_WRITE));
        assert_int_equal(unlink(p->db), 0);
    }
}

static void
test_foreign_files(void **state)
{
    struct place *p = *state;

    static const struct {
        const char *bytes;
        size_t size;
        const char *part;
    } CASES[] = {
        {"", 0, "empty"},
        {"hello, I am a letter to my aunt, and I am longer than the header of a database file is: so SQLite "
         "must look at my first bytes to know",
         130, "not a database"},
        {"SQLite format 3", 15, "keybricks"}};

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        int fd = open(p->db, O_CREAT | O_WRONLY | O_TRUNC, 0600);
        assert_int_equal(write(fd, CASES[i].bytes, CASES[i].size), CASES[i].size);
        (void) close(fd);
        place_refused(p, STORE_WRITE, KB_E_STORE, i == 2 ? "" : CASES[i].part);
        place_refused(p, STORE_READ, KB_E_STORE, i == 2 ? "" : CASES[i].part);
        struct stat st;
        assert_int_equal(stat(p->db, &st), 0);
        assert_int_equal(st.st_size, CASES[i].size);
    }
    assert_int_equal(unlink(p->db), 0);
    place_sql(p, "CREATE TABLE address_book (name TEXT)");
    place_refused(p, STORE_WRITE, KB_E_STORE, "not made by keybricks");
    place_refused(p, STORE_READ, KB_E_STORE, "not made by keybricks");
    assert_int_equal(place_number(p, "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(unlink(p->db), 0);
    assert_int_equal(symlink("/etc/passwd", p->db), 0);
    place_refused(p, STORE_WRITE, KB_E_STORE, "regular file");
}

static void
test_triggers_gone(void **state)
{
    struct place *p = *state;

    store_close(place_open(p, STORE_WRITE));
    place_sql(p, "DROP TRIGGER audit_no_delete");
    place_refused(p, STORE_WRITE, KB_E_STORE, "tables or triggers");
    store_close(place_open(p, STORE_READ)); /* so that `audit verify` can still look */
}

static void
test_lock(void **state)
{
    struct place *p = *state;
    int ready[2], done[2];
    char byte = 'x', pid[24];

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        struct kb_error err = {0};
        struct store *store = NULL;
        int result = store_open(p->dir, &IDENTITY, STORE_WRITE, &store, &err);
        (void) close(done[1]); /* so that it ends when the test does */
        if (write(ready[1], &byte, 1) != 1 || read(done[0], &byte, 1) < 0)
            _exit(2);
        _exit(result == 0 ? 0 : 1); /* dies with the lock in its hand */
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void) snprintf(pid, sizeof(pid), "process %ld", (long) child);
    place_refused(p, STORE_WRITE, KB_E_BUSY, pid);
    struct store *store = place_open(p, STORE_SNAPSHOT);
    struct kb_error err = {0};
    assert_false(store_writable(store));
    assert_int_equal(store_begin(store, &err), -KB_E_BUG);
    store_close(store);
    store_close(place_open(p, STORE_READ));
    int status = 0;
    assert_int_equal(write(done[1], &byte, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    store = place_open(p, STORE_SNAPSHOT);
    assert_true(store_writable(store));
    store_close(store);
    for (int i = 0; i < 2; i++) {
        (void) close(ready[i]);
        (void) close(done[i]);
    }
}

/* Somebody who may read but not write the directory: no -wal and no -shm appears, the rows are seen. */
static void
test_read_only_directory(void **state)
{
    struct place *p = *state;
    struct kb_error err = {0};

    struct store *store = place_open(p, STORE_WRITE);
    assert_int_equal(store_journal_append(store, 1, "r", "run", "{}", NULL, &err), 0);
    store_close(store);
    assert_int_equal(chmod(p->db, 0444), 0);
    assert_int_equal(chmod(p->dir, 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store_head head = {0};
        if (geteuid() == 0 && setuid(65534) < 0)
            _exit(10);
        if (access(p->dir, W_OK) == 0)
            _exit(11);
        if (store_open(p->dir, &IDENTITY, STORE_READ, &store, &err) < 0 || !store)
            _exit(12);
        if (store_journal_verify(store, NULL, &head, &err) < 0 || head.size != 1)
            _exit(13);
        store_close(store);
        if (store_open(p->dir, &IDENTITY, STORE_SNAPSHOT, &store, &err) < 0 || !store ||
            store_writable(store))
            _exit(14);
        store_close(store);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(p->dir, 0700), 0);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_false(place_exists(p, "-wal"));
    assert_false(place_exists(p, "-shm"));
    /* and somebody who may not read it gets an error that says so, not an empty ledger */
    assert_int_equal(chmod(p->db, 0000), 0);
    assert_int_equal(chmod(p->dir, 0755), 0);
    child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) < 0)
            _exit(10);
        struct store *none = NULL;
        int result = store_open(p->dir, &IDENTITY, STORE_READ, &none, &err);
        _exit(result == -KB_E_IO && !none ? 0 : 12);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(chmod(p->dir, 0700), 0);
}

static void
test_memory(void **state)
{
    struct place *p = *state;
    struct store_head head = {0};
    struct kb_error err = {0};

    struct store *store = place_open(p, STORE_MEMORY);
    assert_true(store_writable(store));
    assert_int_equal(store_journal_append(store, 1, "r", "run", "{}", NULL, &err), 0);
    assert_int_equal(store_journal_verify(store, NULL, &head, &err), 0);
    assert_int_equal(head.size, 1);
    store_close(store);
    assert_false(place_exists(p, ""));
}

static void
test_transactions(void **state)
{
    struct place *p = *state;
    struct store_head head = {0};
    struct kb_error err = {0};

    struct store *store = place_open(p, STORE_WRITE);
    assert_int_equal(store_begin(store, &err), 0);
    assert_int_equal(store_journal_append(store, 1, "r", "run", "{}", NULL, &err), 0);
    assert_int_equal(store_begin(store, &err), -KB_E_BUG);
    store_rollback(store);
    assert_int_equal(store_journal_head(store, &head, &err), 0);
    assert_int_equal(head.size, 0);
    assert_int_equal(store_begin(store, &err), 0);
    assert_int_equal(store_journal_append(store, 1, "r", "run", "{}", NULL, &err), 0);
    assert_int_equal(store_commit(store, &err), 0);
    assert_int_equal(store_commit(store, &err), -KB_E_STORE);
    assert_int_equal(store_journal_head(store, &head, &err), 0);
    assert_int_equal(head.size, 1);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_creates, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_directories, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_read_of_nothing, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_identity, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_newer_schema, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_older_schema, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_foreign_files, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_triggers_gone, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_lock, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_read_only_directory, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_memory, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_transactions, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
