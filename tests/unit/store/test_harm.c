/* What happens to the file from outside: flipped bytes, cut ends, full disks, kills. */
#include "base/ban.h"

#include "tests/unit/store/place.h"

#include "store/journal.h"
#include "store/ledger.h"
#include "store/runs.h"
#include "store/snapshot.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void
fill(const struct place *p)
{
    struct store *store = place_open(p, STORE_WRITE);
    struct kb_error err = {0};
    struct kb_target target;
    struct store_run run = {.id = "r1", .command = "sync", .success = true, .fingerprint = "sha256:x"};
    char id[24];

    kb_target_init(&target);
    target.users_read.status = target.groups_read.status = KB_READ_COMPLETE;
    uint32_t group = kb_target_group_add(&target, "100");
    target.groups[group].listed = true;
    target.groups[group].from = KB_MEMBERS_NOW;
    target.groups[group].read.status = KB_READ_COMPLETE;
    assert_true(kb_target_group_set_name(&target, group, "ml-engineers"));
    for (int i = 0; i < 40; i++) {
        (void) snprintf(id, sizeof(id), "%d", 100000 + i);
        uint32_t at = kb_target_principal_add(&target, id);
        target.principals[at].listed = true;
        assert_true(kb_u32s_add(&target.groups[group].members, at));
    }
    assert_int_equal(store_snapshot_save(store, &target, 5, &err), 0);
    for (int i = 0; i < 10; i++) {
        (void) snprintf(id, sizeof(id), "%d", 100000 + i);
        const struct store_ledger_row row = {.group_id = "100",
                                             .group_name = "ml-engineers",
                                             .principal_id = id,
                                             .principal_name = id,
                                             .kind = "user",
                                             .user_id = id,
                                             .directory = "",
                                             .reason_json = "[]",
                                             .at_s = 9};
        assert_int_equal(store_ledger_put(store, &row, &err), 0);
        assert_int_equal(store_journal_append(store, i, "r1", "adopt", "{\"member\":\"100001\"}", NULL, &err),
                         0);
    }
    assert_int_equal(store_run_begin(store, &run, &err), 0);
    assert_int_equal(store_journal_append(store, 9, run.id, "run", "{}", NULL, &err), 0);
    kb_target_done(&target);
    store_close(store);
}

/* Everything that can be read, as one hash. False: refused with KB_E_STORE (or busy: a lock byte). */
static int
hash_row(void *userdata, int64_t seq, int64_t ts_s, const char *run_id, const char *kind, const char *body,
         struct kb_error *err)
{
    char line[300];

    (void) err;
    (void) snprintf(line, sizeof(line), "%lld %lld %s %s %s;", (long long) seq, (long long) ts_s, run_id,
                    kind, body);
    kb_hash_adds(userdata, line);
    return 0;
}

static int
hash_run(void *userdata, const struct store_run *run, struct kb_error *err)
{
    (void) err;
    kb_hash_add(userdata, run, sizeof(*run));
    return 0;
}

static void
hash_u32s(struct kb_hash *hash, const struct kb_target *target, const struct kb_u32s *rows)
{
    for (uint32_t i = 0; i < rows->len; i++)
        kb_hash_adds(hash, kb_target_str(target, target->principals[rows->v[i]].id));
}

static bool
read_all(const struct place *p, enum store_mode mode, char ret[KB_DIGEST_SIZE])
{
    struct kb_error err = {0};
    struct store *store = NULL;
    struct kb_target target;
    struct kb_hash hash;
    struct store_head head;

    int result = store_open(p->dir, &IDENTITY, mode, &store, &err);
    kb_hash_init(&hash);
    kb_target_init(&target);
    if (result == 0 && store)
        result = store_journal_verify(store, NULL, &head, &err);
    if (result == 0 && store)
        result = store_snapshot_load(store, &target, true, &err);
    if (result == 0 && store)
        result = store_ledger_load(store, &target, &err);
    if (result == 0 && store)
        result = store_journal_each(store, NULL, NULL, 0, INT64_MAX, hash_row, &hash, &err);
    if (result == 0 && store)
        result = store_runs_each(store, 100, hash_run, &hash, &err);
    for (uint32_t i = 0; i < target.groups_len; i++) {
        kb_hash_adds(&hash, kb_target_str(&target, target.groups[i].name));
        hash_u32s(&hash, &target, &target.groups[i].members);
        hash_u32s(&hash, &target, &target.groups[i].ledger);
        for (uint32_t k = 0; k < target.groups[i].ledger_user.len; k++)
            kb_hash_adds(&hash, kb_target_str(&target, target.groups[i].ledger_user.v[k]));
    }
    for (uint32_t i = 0; i < target.principals_len; i++)
        kb_hash_adds(&hash, kb_target_str(&target, target.principals[i].id));
    assert_true(kb_hash_final_digest(&hash, ret));
    kb_target_done(&target);
    store_close(store);
    if (result < 0 && result != -KB_E_STORE)
        fail_msg("a damaged file must be a store error, got %d: %s", result, err.msg);
    return result == 0 && store;
}

static char *
slurp(const char *path, size_t *ret_size)
{
    struct stat st = {0};
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    char *bytes = malloc((size_t) st.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t) st.st_size), st.st_size);
    (void) close(fd);
    *ret_size = (size_t) st.st_size;
    return bytes;
}

static void
spill(const char *path, const char *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    (void) close(fd);
}

static void
remove_leftovers(const struct place *p)
{
    static const char *const SUFFIXES[] = {"-wal",       "-shm",       "-journal",
                                           ".backup-v1", ".backup-v2", ".backup-v3"};
    char path[160];

    for (size_t i = 0; i < KB_LEN(SUFFIXES); i++) {
        place_path(p, SUFFIXES[i], path);
        (void) unlink(path);
    }
}

/* One byte flipped, at places spread over each page: refused, or everything reads back as it was. */
static void
test_flipped_bytes(void **state)
{
    struct place *p = *state;
    char good[KB_DIGEST_SIZE], now[KB_DIGEST_SIZE];
    size_t size = 0, refused = 0, unharmed = 0;
    unsigned seed = 7;

    fill(p);
    assert_true(read_all(p, STORE_READ, good));
    char *bytes = slurp(p->db, &size);
    assert_true(size >= 20 * 4096);
    for (size_t page = 0; page < size; page += 4096)
        for (int i = 0; i < 12; i++) {
            /* the header of each page, its end (where SQLite puts the newest rows), anywhere */
            size_t at = page + (i < 4   ? (size_t) rand_r(&seed) % 120
                                : i < 9 ? 4095 - (size_t) rand_r(&seed) % 150
                                        : (size_t) rand_r(&seed) % 4096);
            char old = bytes[at];
            bytes[at] = (char) (old ^ (1 << (rand_r(&seed) % 8)));
            spill(p->db, bytes, size);
            if (!read_all(p, i % 2 ? STORE_READ : STORE_WRITE, now)) {
                refused++;
            } else {
                unharmed++;
                if (strcmp(now, good) != 0)
                    fail_msg("byte %zu: other content, and nobody noticed", at);
            }
            bytes[at] = old;
            remove_leftovers(p);
        }
    /* both kinds happen: most of a page is in use, some is not */
    print_message("# %zu refused, %zu unharmed\n", refused, unharmed);
    assert_true(refused > 60);
    assert_true(unharmed > 10);
    spill(p->db, bytes, size);
    assert_true(read_all(p, STORE_WRITE, now));
    assert_string_equal(now, good);
    free(bytes);
}

static const char PRINCIPAL_TWICE[] =
    "INSERT INTO principal SELECT 99, '99', kind, name, display, active, listed, sum "
    "FROM principal LIMIT 1";

static void
test_altered_rows(void **state)
{
    struct place *p = *state;
    static const char *const CASES[] = {
        "UPDATE principal SET id = '100041' WHERE id = '100001'",
        "UPDATE principal SET name = 'mallory' WHERE id = '100001'",
        "UPDATE target_group SET name = 'admins'",
        "UPDATE ledger SET principal_row = 20 WHERE principal_row = 1",
        "UPDATE ledger_source SET user_id = 'x' WHERE row = 1",
        "UPDATE ledger_reason SET json = '[1]'",
        "UPDATE run SET success = 0",
        "UPDATE meta SET value = 'x' WHERE key = 'lineage'",
        "INSERT INTO quarantine VALUES (1, 0, '', 1)",
        "INSERT INTO managed VALUES ('x', 1)",
        "INSERT INTO removal VALUES (1, 1, 1, 1)",
        "INSERT INTO stuck VALUES ('1', '1', 1, 1, 1)",
        "INSERT INTO rule_count VALUES ('1', 1, 1, 1, 1)",
        "INSERT INTO approval VALUES (1, '', '', '', '', '', 1, 9999999999, '', 1)",
        "INSERT INTO open_intent VALUES (1, '', '', '', 1)",
        "DELETE FROM member WHERE principal_row = 3",
        PRINCIPAL_TWICE,
        "DELETE FROM meta WHERE key = 'issuer'",
        "DELETE FROM ledger_source WHERE row = 1",
    };
    char now[KB_DIGEST_SIZE];
    size_t size = 0;

    fill(p);
    char *bytes = slurp(p->db, &size);
    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        place_sql(p, CASES[i]);
        if (read_all(p, STORE_READ, now))
            fail_msg("nobody noticed: %s", CASES[i]);
        remove_leftovers(p);
        spill(p->db, bytes, size);
    }
    assert_true(read_all(p, STORE_READ, now));
    free(bytes);
}

static void
test_cut_file(void **state)
{
    struct place *p = *state;
    char now[KB_DIGEST_SIZE];
    size_t size = 0;

    fill(p);
    char *bytes = slurp(p->db, &size);
    for (size_t keep = 0; keep < size; keep += keep < 4096 ? 512 : 4096) {
        spill(p->db, bytes, keep);
        if (read_all(p, STORE_WRITE, now))
            fail_msg("cut to %zu bytes, and nobody noticed", keep);
        remove_leftovers(p);
    }
    free(bytes);
}

/* The disk fills while rows are written: an error, and afterwards every row that was acknowledged is there.
 */
static void
test_full_disk(void **state)
{
    struct place *p = *state;
    int result[2];
    int64_t acknowledged = 0;

    fill(p);
    assert_int_equal(pipe(result), 0);
    pid_t child = fork();
    if (child == 0) {
        struct kb_error err = {0};
        struct store *store = NULL;
        char body[4000];
        memset(body, 'x', sizeof(body));
        memcpy(body, "{\"n\":\"", 6);
        memcpy(body + sizeof(body) - 3, "\"}", 3);
        if (store_open(p->dir, &IDENTITY, STORE_WRITE, &store, &err) < 0)
            _exit(2);
        (void) signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {300 * 1024, 300 * 1024};
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
            _exit(3);
        for (int i = 0; i < 1000; i++) {
            int r = store_journal_append(store, 1, "full", "guard", body, &acknowledged, &err);
            if (r == 0)
                continue;
            if (r != -KB_E_STORE || !strstr(err.msg, p->db))
                _exit(4);
            if (write(result[1], &acknowledged, sizeof(acknowledged)) != sizeof(acknowledged))
                _exit(5);
            _exit(0);
        }
        _exit(6);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(read(result[0], &acknowledged, sizeof(acknowledged)), sizeof(acknowledged));
    (void) close(result[0]);
    (void) close(result[1]);
    struct store *store = place_open(p, STORE_WRITE);
    struct store_head head = {0};
    struct kb_error err = {0};
    assert_int_equal(store_journal_verify(store, NULL, &head, &err), 0);
    assert_true(acknowledged > 10);
    assert_int_equal(head.size, acknowledged);
    store_close(store);
}

/* kill -9 at a random moment of a loop of commits: nothing acknowledged is lost, the chain holds, each open
 * intent belongs to a row. */
static void
test_kills(void **state)
{
    struct place *p = *state;
    unsigned seed = 4711;

    for (int round = 0; round < 25; round++) {
        int acks[2];
        assert_int_equal(pipe(acks), 0);
        pid_t child = fork();
        if (child == 0) {
            struct kb_error err = {0};
            struct store *store = NULL;
            if (store_open(p->dir, &IDENTITY, STORE_WRITE, &store, &err) < 0)
                _exit(2);
            for (int i = 0;; i++) {
                int64_t seq = 0;
                char body[64];
                (void) snprintf(body, sizeof(body), "{\"request\":\"%d-%d\"}", round, i);
                if (store_begin(store, &err) < 0 ||
                    store_journal_append(store, 1, "r", "intent", body, &seq, &err) < 0 ||
                    store_intent_open(store, seq, "1", "g", body, &err) < 0 || store_commit(store, &err) < 0)
                    _exit(3);
                if (write(acks[1], &seq, sizeof(seq)) != sizeof(seq))
                    _exit(4);
            }
        }
        (void) close(acks[1]);
        int64_t seq = 0, last = 0;
        for (unsigned stop = 1 + (unsigned) rand_r(&seed) % 40; stop; stop--) {
            assert_int_equal(read(acks[0], &seq, sizeof(seq)), sizeof(seq));
            last = seq;
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        while (read(acks[0], &seq, sizeof(seq)) == sizeof(seq))
            last = seq;
        (void) close(acks[0]);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct store *store = place_open(p, STORE_WRITE); /* no stale lock */
        struct store_head head = {0};
        struct kb_error err = {0};
        if (store_journal_verify(store, NULL, &head, &err) < 0)
            fail_msg("round %d: %s", round, err.msg);
        assert_true(head.size == last || head.size == last + 1);
        store_close(store);
        assert_int_equal(place_number(p, "SELECT count(*) FROM open_intent"), head.size);
    }
}

/* kill -9 while the database is being made: the next run makes it, or finds it whole. */
static void
test_killed_birth(void **state)
{
    struct place *p = *state;
    char leftover[160];

    place_path(p, ".new", leftover);
    spill(leftover, "half of a database", 18);
    place_path(p, ".new-journal", leftover);
    spill(leftover, "half of a journal", 17);
    place_path(p, "-wal", leftover);
    spill(leftover, "a log of a database that was moved away", 39);
    store_close(place_open(p, STORE_WRITE));
    assert_false(place_exists(p, ".new"));
    assert_false(place_exists(p, ".new-journal"));
    assert_false(place_exists(p, "-wal"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_flipped_bytes, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_altered_rows, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_cut_file, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_kills, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_killed_birth, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
