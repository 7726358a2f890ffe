#include "base/ban.h"

#include "tests/unit/store/place.h"

#include "store/db.h"
#include "store/journal.h"

static int64_t
append(struct store *store, const char *run, const char *kind, const char *body)
{
    struct kb_error err = {0};
    int64_t seq = 0;

    if (store_journal_append(store, 1700000000, run, kind, body, &seq, &err) < 0)
        fail_msg("append: %s", err.msg);
    return seq;
}

static void
verify_says(struct store *store, const struct store_head *expect, const char *part)
{
    struct store_head head = {0};
    struct kb_error err = {0};
    int result = store_journal_verify(store, expect, &head, &err);

    if (part ? result != -KB_E_STORE || !strstr(err.msg, part) : result != 0)
        fail_msg("wanted %s, got %d: %s", part ? part : "fine", result, err.msg);
}

#define DROP_TRIGGERS \
    "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; DROP TRIGGER audit_no_replace;"

/* Six rows without structure of their own, on a copy without triggers. */
static void
make_chain(struct place *p)
{
    struct store *store = place_open(p, STORE_WRITE);
    for (int i = 0; i < 6; i++) {
        char body[64];
        (void) snprintf(body, sizeof(body), "{\"n\":%d}", i);
        assert_int_equal(append(store, i < 3 ? "run-a" : "run-b", "guard", body), i + 1);
    }
    store_close(store);
    place_sql(p, DROP_TRIGGERS);
}

static void
test_layout(void **state)
{
    struct place *p = *state;
    struct store *store = place_open(p, STORE_WRITE);
    uint8_t prev[KB_HASH_SIZE], want[KB_HASH_SIZE], message[1 + KB_HASH_SIZE + 16 + 64];
    struct store_head head = {0};
    struct kb_error err = {0};
    char hex[KB_HASH_HEX_SIZE];

    assert_true(kb_sha256(store_lineage(store), 32, prev));
    assert_int_equal(store_journal_head(store, &head, &err), 0);
    kb_hex(prev, sizeof(prev), hex);
    assert_int_equal(head.size, 0);
    assert_string_equal(head.hash, hex);
    (void) append(store, "r1", "run", "{\"a\":1}");
    /* 0x00 | prev | seq | ts | run_id | 0x00 | kind | 0x00 | body, written out by hand */
    memset(message, 0, sizeof(message));
    memcpy(message + 1, prev, KB_HASH_SIZE);
    message[1 + KB_HASH_SIZE + 7] = 1;
    static const uint8_t TS[8] = {0, 0, 0, 0, 0x65, 0x53, 0xf1, 0x00};
    memcpy(message + 1 + KB_HASH_SIZE + 8, TS, 8);
    memcpy(message + 1 + KB_HASH_SIZE + 16, "r1\0run\0{\"a\":1}", 14);
    assert_true(kb_sha256(message, 1 + KB_HASH_SIZE + 16 + 14, want));
    kb_hex(want, sizeof(want), hex);
    assert_int_equal(store_journal_head(store, &head, &err), 0);
    assert_string_equal(head.hash, hex);
    store_close(store);
}

static void
test_append_only(void **state)
{
    struct place *p = *state;
    static const char *const CASES[] = {"UPDATE audit SET ts = 1", "DELETE FROM audit",
                                        "INSERT OR REPLACE INTO audit SELECT * FROM audit",
                                        "UPDATE audit SET body = '{}' WHERE seq = 1"};
    sqlite3 *db = NULL;

    struct store *store = place_open(p, STORE_WRITE);
    (void) append(store, "r", "run", "{}");
    store_close(store);
    assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        assert_int_not_equal(sqlite3_exec(db, CASES[i], NULL, NULL, NULL), SQLITE_OK);
        assert_non_null(strstr(sqlite3_errmsg(db), "append-only"));
    }
    (void) sqlite3_close(db);
}

/* Puts these bytes in the place of one column of one row. */
static void
overwrite(const struct place *p, const char *column, int row, const unsigned char *bytes, size_t size)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char sql[100];
    bool text = strcmp(column, "prev") != 0 && strcmp(column, "hash") != 0;

    (void) snprintf(sql, sizeof(sql), "UPDATE audit SET %s = CAST(?1 AS %s) WHERE seq = %d", column,
                    text ? "TEXT" : "BLOB", row);
    assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_bind_blob64(stmt, 1, bytes, size, SQLITE_STATIC), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    (void) sqlite3_finalize(stmt);
    (void) sqlite3_close(db);
}

static size_t
column_bytes(const struct place *p, const char *column, int row, unsigned char ret[64])
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char sql[100];

    (void) snprintf(sql, sizeof(sql), "SELECT CAST(%s AS BLOB) FROM audit WHERE seq = %d", column, row);
    assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    size_t size = (size_t) sqlite3_column_bytes(stmt, 0);
    assert_in_range(size, 1, 64);
    memcpy(ret, sqlite3_column_blob(stmt, 0), size);
    (void) sqlite3_finalize(stmt);
    (void) sqlite3_close(db);
    return size;
}

/* Each byte of the texts, every fifth of the hashes, of each row. */
static void
test_flips(void **state)
{
    struct place *p = *state;
    static const char *const COLUMNS[] = {"body", "run_id", "kind", "prev", "hash"};
    unsigned char bytes[64];
    char part[32];

    make_chain(p);
    for (int row = 1; row <= 6; row++)
        for (size_t c = 0; c < KB_LEN(COLUMNS); c++) {
            size_t size = column_bytes(p, COLUMNS[c], row, bytes);
            for (size_t at = 0; at < size; at += size == KB_HASH_SIZE ? 5 : 1) {
                bytes[at] ^= 1;
                overwrite(p, COLUMNS[c], row, bytes, size);
                struct store *store = place_open(p, STORE_READ);
                (void) snprintf(part, sizeof(part), "first bad row %d:", row);
                verify_says(store, NULL, part);
                store_close(store);
                bytes[at] ^= 1;
            }
            overwrite(p, COLUMNS[c], row, bytes, size);
        }
    struct store *store = place_open(p, STORE_READ);
    verify_says(store, NULL, NULL); /* everything was put back: the refusals above were about the flips */
    store_close(store);
}

static void
test_rows_moved(void **state)
{
    struct place *p = *state;

    static const struct {
        const char *sql, *part;
    } CASES[] = {
        {"DELETE FROM audit WHERE seq = 1", "row 1: it is missing"},
        {"DELETE FROM audit WHERE seq = 3", "row 3: it is missing"},
        {"DELETE FROM audit WHERE seq = 5", "row 5: it is missing"},
        {"DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3",
         "row 3: it does not follow"},
        {"UPDATE audit SET seq = 99 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET "
         "seq = 3 "
         "WHERE seq = 99",
         "row 2:"},
        {"UPDATE audit SET ts = ts + 1 WHERE seq = 4", "row 4: its content"},
        {"UPDATE audit SET seq = seq + 100 WHERE seq >= 4; UPDATE audit SET seq = seq - 99 WHERE seq > 100; "
         "INSERT INTO "
         "audit SELECT 4, ts, run_id, kind, body, prev, hash FROM audit WHERE seq = 3",
         "row 4:"},
        {"UPDATE audit SET run_id = 'run-' || char(0) || 'a' WHERE seq = 2", "row 2: its content"},
        {"INSERT INTO audit VALUES (7, 1, 'r', 'run', '{}', zeroblob(32), zeroblob(32))",
         "row 7: it does not follow"},
        {"INSERT INTO audit SELECT 7, ts, run_id, kind, body, hash, hash FROM audit WHERE seq = 6",
         "row 7: its content"},
    };

    make_chain(p);
    place_sql(p, "CREATE TABLE saved AS SELECT * FROM audit");
    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        place_sql(p, CASES[i].sql);
        struct store *store = place_open(p, STORE_READ);
        verify_says(store, NULL, CASES[i].part);
        store_close(store);
        place_sql(p, "DELETE FROM audit; INSERT INTO audit SELECT * FROM saved");
    }
}

static void
test_cut_tail(void **state)
{
    struct place *p = *state;
    struct store_head whole = {0}, middle = {0}, other = {0};
    struct kb_error err = {0};

    make_chain(p);
    struct store *store = place_open(p, STORE_READ);
    assert_int_equal(store_journal_verify(store, NULL, &whole, &err), 0);
    assert_int_equal(whole.size, 6);
    verify_says(store, &whole, NULL);
    other = whole;
    other.hash[5] ^= 1;
    verify_says(store, &other, "first bad row 6: its hash is not the expected one");
    store_close(store);
    place_sql(p, "DELETE FROM audit WHERE seq > 4");
    store = place_open(p, STORE_READ);
    assert_int_equal(store_journal_verify(store, NULL, &middle, &err), 0); /* the chain alone cannot know */
    assert_int_equal(middle.size, 4);
    verify_says(store, &whole, "the end was cut off");
    verify_says(store, &middle, NULL);
    store_close(store);
}

#define CHECKPOINT_OF(head, body) \
    snprintf(body, sizeof(body), "{\"hash\":\"%s\",\"size\":%lld}", (head).hash, (long long) (head).size)

static void
test_structure(void **state)
{
    static const struct {
        const char *name;
        const char *rows[5][3];
        const char *part;
    } CASES[] = {
        {"an outcome for each",
         {{"a", "intent", "{\"request\":1}"}, {"a", "outcome", "{\"request\":1}"}},
         NULL},
        {"text requests",
         {{"a", "intent", "{\"request\":\"x\"}"}, {"b", "outcome", "{\"request\":\"x\"}"}},
         NULL},
        {"a later run answers",
         {{"a", "intent", "{\"request\":1}"}, {"b", "outcome", "{\"request\":1,\"run\":\"a\"}"}},
         NULL},
        {"same number in two runs",
         {{"a", "intent", "{\"request\":1}"},
          {"a", "outcome", "{\"request\":1}"},
          {"b", "intent", "{\"request\":1}"},
          {"b", "outcome", "{\"request\":1}"}},
         NULL},
        {"two outcomes",
         {{"a", "intent", "{\"request\":1}"},
          {"a", "outcome", "{\"request\":1}"},
          {"a", "outcome", "{\"request\":1}"}},
         "first bad row 3: a second one"},
        {"two intents",
         {{"a", "intent", "{\"request\":1}"}, {"a", "intent", "{\"request\":1}"}},
         "first bad row 2: a second"},
        {"outcome of nothing", {{"a", "outcome", "{\"request\":1}"}}, "first bad row 1: an outcome without"},
        {"outcome first",
         {{"a", "outcome", "{\"request\":1}"}, {"a", "intent", "{\"request\":1}"}},
         "first bad row 1: an outcome without"},
        {"wrong run",
         {{"a", "intent", "{\"request\":1}"}, {"b", "outcome", "{\"request\":1}"}},
         "first bad row 2: an outcome without"},
        {"no outcome",
         {{"a", "run", "{}"}, {"a", "intent", "{\"request\":1}"}},
         "first bad row 2: an intent that"},
        {"no request", {{"a", "intent", "{}"}}, "first bad row 1: it names no request"},
        {"not JSON", {{"a", "run", "so so"}}, "first bad row 1: its body is not JSON"},
        {"checkpoint of nowhere",
         {{"a", "run", "{}"}, {"a", "checkpoint", "{\"hash\":\"00\",\"size\":1}"}},
         "first bad row 2: its checkpoint"},
        {"checkpoint of the future",
         {{"a", "checkpoint", "{\"hash\":\"00\",\"size\":7}"}},
         "first bad row 1: its checkpoint"},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        struct kb_error err = {0};
        struct store *store = NULL;
        assert_int_equal(store_open("", &IDENTITY, STORE_MEMORY, &store, &err), 0);
        for (size_t k = 0; k < 5 && CASES[i].rows[k][0]; k++)
            (void) append(store, CASES[i].rows[k][0], CASES[i].rows[k][1], CASES[i].rows[k][2]);
        int result = store_journal_verify(store, NULL, NULL, &err);
        if (CASES[i].part ? result != -KB_E_STORE || !strstr(err.msg, CASES[i].part) : result != 0)
            fail_msg("case '%s': %d: %s", CASES[i].name, result, err.msg);
        store_close(store);
    }
}

struct seen {
    int64_t seqs[8];
    size_t len;
};

static int
see_intent(void *userdata, int64_t seq, const char *run_id, const char *group_id, const char *group_name,
           const char *body, struct kb_error *err)
{
    struct seen *seen = userdata;

    (void) err;
    assert_string_equal(run_id, "a");
    assert_string_equal(group_id, "77");
    assert_string_equal(group_name, "ml \"x\"");
    assert_non_null(strstr(body, "request"));
    seen->seqs[seen->len++] = seq;
    return 0;
}

static void
test_intents(void **state)
{
    struct place *p = *state;
    struct store *store = place_open(p, STORE_WRITE);
    struct kb_error err = {0};
    struct seen seen = {0};

    for (int i = 1; i <= 2; i++) {
        char body[40];
        (void) snprintf(body, sizeof(body), "{\"request\":%d}", i);
        assert_int_equal(store_begin(store, &err), 0);
        int64_t seq = append(store, "a", "intent", body);
        assert_int_equal(store_intent_open(store, seq, "77", "ml \"x\"", body, &err), 0);
        assert_int_equal(store_commit(store, &err), 0);
    }
    verify_says(store, NULL, NULL); /* open ones are known to be open */
    assert_int_equal(store_journal_verify_chain(store, &err), 0);
    assert_int_equal(store_intents_each(store, see_intent, &seen, &err), 0);
    assert_int_equal(seen.len, 2);
    assert_int_equal(seen.seqs[0], 1);
    assert_int_equal(store_begin(store, &err), 0);
    (void) append(store, "a", "outcome", "{\"request\":1}");
    assert_int_equal(store_intent_close(store, 1, &err), 0);
    assert_int_equal(store_commit(store, &err), 0);
    assert_int_equal(store_intent_close(store, 1, &err), -KB_E_BUG);
    seen.len = 0;
    assert_int_equal(store_intents_each(store, see_intent, &seen, &err), 0);
    assert_int_equal(seen.len, 1);
    assert_int_equal(seen.seqs[0], 2);
    verify_says(store, NULL, NULL);
    assert_int_equal(store_intent_open(store, 99, "", "", "", &err), -KB_E_STORE); /* no such audit row */
    store_close(store);
}

static int
count_row(void *userdata, int64_t seq, int64_t ts_s, const char *run_id, const char *kind, const char *body,
          struct kb_error *err)
{
    struct seen *seen = userdata;

    (void) ts_s, (void) run_id, (void) kind, (void) body, (void) err;
    seen->seqs[seen->len++] = seq;
    return seen->len == 4 ? kb_fail(err, KB_E_BUG, "enough") : 0;
}

static void
test_each(void **state)
{
    struct place *p = *state;
    struct kb_error err = {0};
    struct seen seen = {0};

    make_chain(p);
    struct store *store = place_open(p, STORE_READ);
    assert_int_equal(store_journal_each(store, NULL, "run-b", 0, INT64_MAX, count_row, &seen, &err), 0);
    assert_int_equal(seen.len, 3);
    assert_int_equal(seen.seqs[0], 4);
    seen.len = 0;
    assert_int_equal(store_journal_each(store, "run", NULL, 0, INT64_MAX, count_row, &seen, &err), 0);
    assert_int_equal(store_journal_each(store, NULL, NULL, 1700000001, INT64_MAX, count_row, &seen, &err), 0);
    assert_int_equal(store_journal_each(store, NULL, NULL, 0, 1699999999, count_row, &seen, &err), 0);
    assert_int_equal(seen.len, 0);
    assert_int_equal(store_journal_each(store, "guard", NULL, 0, INT64_MAX, count_row, &seen, &err),
                     -KB_E_BUG);
    assert_int_equal(seen.len, 4);
    store_close(store);
}

/* Before each run: the whole chain, and what is written down about the rows from the last checkpoint on. */
static void
test_chain(void **state)
{
    struct place *p = *state;
    struct store_head head = {0};
    struct kb_error err = {0};
    char body[160];

    struct store *store = place_open(p, STORE_WRITE);
    for (int i = 0; i < 4; i++)
        (void) append(store, "a", "guard", i == 1 ? "old, and not JSON" : "{}");
    assert_int_equal(store_journal_head(store, &head, &err), 0);
    (void) CHECKPOINT_OF(head, body);
    (void) append(store, "a", "checkpoint", body);
    (void) append(store, "b", "guard", "{}");
    assert_int_equal(store_journal_verify_chain(store, &err), 0);
    verify_says(store, NULL, "first bad row 2: its body is not JSON");
    (void) append(store, "b", "guard", "new, and not JSON");
    assert_int_equal(store_journal_verify_chain(store, &err), -KB_E_STORE);
    assert_non_null(strstr(err.msg, "first bad row 7: its body is not JSON"));
    store_close(store);

    for (int row = 6; row >= 1; row--) { /* the last ones are hidden by those before */
        char sql[300];
        (void) snprintf(sql, sizeof(sql), "%sUPDATE audit SET body = '{ }' WHERE seq = %d",
                        row == 6 ? DROP_TRIGGERS : "", row);
        place_sql(p, sql);
        store = place_open(p, STORE_READ);
        assert_int_equal(store_journal_verify_chain(store, &err), -KB_E_STORE);
        (void) snprintf(sql, sizeof(sql), "first bad row %d", row);
        assert_non_null(strstr(err.msg, sql));
        store_close(store);
    }
}

/* ---- how much work: steps of SQLite's machine, not time ---- */

struct work {
    int64_t steps;
    unsigned walks; /* statements that gave the rows themselves */
};

static int
count_steps(unsigned event, void *userdata, void *stmt, void *unused)
{
    struct work *work = userdata;

    (void) event, (void) unused;
    work->steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
    work->walks += strstr(sqlite3_sql(stmt), "prev, hash FROM audit WHERE seq >=") != NULL;
    return 0;
}

static void
append_run(struct store *store, int run, bool checkpoint)
{
    struct store_head head = {0};
    struct kb_error err = {0};
    char id[16], body[160];

    (void) snprintf(id, sizeof(id), "run-%d", run);
    assert_int_equal(store_begin(store, &err), 0);
    for (int i = 0; i < 20; i++) {
        (void) snprintf(body, sizeof(body), "{\"request\":%d}", i);
        (void) append(store, id, "intent", body);
    }
    for (int i = 0; i < 20; i++) {
        (void) snprintf(body, sizeof(body), "{\"request\":%d}", i);
        (void) append(store, id, "outcome", body);
    }
    assert_int_equal(store_journal_head(store, &head, &err), 0);
    (void) CHECKPOINT_OF(head, body);
    if (checkpoint)
        (void) append(store, id, "checkpoint", body);
    assert_int_equal(store_commit(store, &err), 0);
}

static struct work
work_of(struct store *store, int (*verify)(struct store *store, struct kb_error *err))
{
    struct work work = {0};
    struct kb_error err = {0};

    assert_int_equal(sqlite3_trace_v2(store->db, SQLITE_TRACE_PROFILE, count_steps, &work), SQLITE_OK);
    if (verify(store, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(sqlite3_trace_v2(store->db, 0, NULL, NULL), SQLITE_OK);
    return work;
}

static int
verify_whole(struct store *store, struct kb_error *err)
{
    return store_journal_verify(store, NULL, NULL, err);
}

/* Twice the rows, twice the work (a query that pairs rows without an index takes four times), also when no
 * checkpoint was written for long; and the rows are walked once. */
static void
test_work(void **state)
{
    int (*const verify[])(struct store * store, struct kb_error * err) = {store_journal_verify_chain,
                                                                          verify_whole};

    (void) state;
    for (size_t i = 0; i < KB_LEN(verify); i++) {
        for (int open = 0; open < 2; open++) {
            void *p = NULL;
            struct work work[2];
            assert_int_equal(place_setup(&p), 0);
            struct store *store = place_open(p, STORE_WRITE);
            for (int half = 0, run = 0; half < 2; half++) {
                for (int k = 0; k < 20; k++)
                    append_run(store, run++, !open);
                work[half] = work_of(store, verify[i]);
            }
            store_close(store);
            assert_int_equal(place_teardown(&p), 0);
            assert_int_equal(work[1].walks, 1);
            assert_true(work[0].steps > 800); /* it did look at the rows */
            if (work[1].steps > work[0].steps * 23 / 10)
                fail_msg("verification %zu: %lld steps, then %lld for twice the rows", i,
                         (long long) work[0].steps, (long long) work[1].steps);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_layout, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_append_only, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_flips, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_rows_moved, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_cut_tail, place_setup, place_teardown),
        cmocka_unit_test(test_structure),
        cmocka_unit_test_setup_teardown(test_intents, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_each, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(test_chain, place_setup, place_teardown),
        cmocka_unit_test(test_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
