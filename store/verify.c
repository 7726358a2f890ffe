/* The audit chain, checked: every hash, no gap, each checkpoint on the chain, one outcome for each intent.
 *
 * An outcome answers the intent with the same `request`: a text is unique in the database, a number only in
 * its run; an outcome that a later run writes for an earlier one says so with `run`. What this room needs of
 * a body (request, run, size, hash) SQLite's own JSON functions read; the rest stays opaque. */
#include "base/ban.h"

#include "store/chain.h"
#include "store/db.h"
#include "store/journal.h"

static int
bad_row(int64_t seq, const char *why, struct kb_error *err)
{
    return kb_fail(err, KB_E_STORE, "audit chain: first bad row %lld: %s", (long long) seq, why);
}

static void
read_row(struct store *store, sqlite3_stmt *stmt, struct chain_row *ret)
{
    ret->seq = sqlite3_column_int64(stmt, 0);
    ret->ts_s = sqlite3_column_int64(stmt, 1);
    const char **const texts[] = {&ret->run_id, &ret->kind, &ret->body};
    size_t *const sizes[] = {&ret->run_id_size, &ret->kind_size, &ret->body_size};
    for (int i = 0; i < 3; i++) {
        *texts[i] = (const char *) sqlite3_column_text(stmt, 2 + i);
        *sizes[i] = (size_t) sqlite3_column_bytes(stmt, 2 + i);
        if (!*texts[i]) {
            *texts[i] = "";
            store->row_bad = true;
        }
    }
}

struct walked {
    int64_t size, checkpoint; /* last row, last row of kind checkpoint or the first that was walked */
};

/* Walks from row `first`, whose prev must be `prev`, to the end. ret_prev: hash of the last row. */
static int
walk(struct store *store, int64_t first, uint8_t prev[KB_HASH_SIZE], const struct store_head *expect,
     struct walked *ret, struct kb_error *err)
{
    static const char SQL[] =
        "SELECT seq, ts, run_id, kind, body, prev, hash FROM audit WHERE seq >= ?1 ORDER BY seq";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;
    struct chain_row row;
    uint8_t hash[KB_HASH_SIZE];
    char hex[KB_HASH_HEX_SIZE];
    int64_t want = first;

    ret->checkpoint = first;
    int result = db_query_own(store, SQL, &stmt, err, "i", first);
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        read_row(store, stmt, &row);
        result = db_row_check(store, err);
        if (result < 0)
            return result;
        if (row.seq != want)
            return bad_row(want, "it is missing", err);
        const void *stored_prev = sqlite3_column_blob(stmt, 5), *stored = sqlite3_column_blob(stmt, 6);
        if (!stored_prev || sqlite3_column_bytes(stmt, 5) != KB_HASH_SIZE ||
            memcmp(stored_prev, prev, KB_HASH_SIZE) != 0)
            return bad_row(row.seq, "it does not follow the row before it", err);
        memcpy(row.prev, prev, KB_HASH_SIZE);
        result = chain_hash(&row, hash, err);
        if (result < 0)
            return result;
        if (!stored || sqlite3_column_bytes(stmt, 6) != KB_HASH_SIZE ||
            memcmp(stored, hash, KB_HASH_SIZE) != 0)
            return bad_row(row.seq, "its content is not what was written", err);
        memcpy(prev, hash, KB_HASH_SIZE);
        kb_hex(hash, sizeof(hash), hex);
        if (expect && expect->size == row.seq && strcmp(expect->hash, hex) != 0)
            return bad_row(row.seq,
                           "its hash is not the expected one: the chain was rebuilt, or the expectation is "
                           "of another database",
                           err);
        if (!strcmp(row.kind, "checkpoint"))
            ret->checkpoint = row.seq;
        want++;
    }
    ret->size = want - 1;
    return result;
}

/* One query that gives bad rows; column 0 the row. */
static int
find_bad(struct store *store, const char *sql, int64_t from, const char *why, struct kb_error *err)
{
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, sql, &stmt, err, "i", from);
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result == 1)
        return bad_row(sqlite3_column_int64(stmt, 0), why, err);
    return result;
}

#define REQUEST_OF(row)                                                                                   \
    "CASE json_type(" row ".body, '$.request') WHEN 'text' THEN 't' || json_extract(" row                 \
    ".body, '$.request') "                                                                                \
    "WHEN 'integer' THEN 'n' || coalesce(json_extract(" row ".body, '$.run'), " row ".run_id) || '/' || " \
    "json_extract(" row ".body, '$.request') END"

static const struct {
    const char *sql, *why;
    bool whole; /* reads all rows whatever ?1 is: not part of the check before each run */
} STRUCTURE[] = {
    {"SELECT seq FROM audit WHERE seq >= ?1 AND NOT json_valid(body) ORDER BY seq LIMIT 1",
     "its body is not JSON"},
    {"SELECT a.seq FROM audit a WHERE a.seq >= ?1 AND a.kind IN ('intent', 'outcome') AND " REQUEST_OF(
         "a") " IS NULL "
              "ORDER BY a.seq LIMIT 1",
     "it names no request"},
    {"SELECT seq FROM (SELECT a.seq AS seq, row_number() OVER (PARTITION BY a.kind, " REQUEST_OF(
         "a") " ORDER BY a.seq) "
              "AS place FROM audit a WHERE a.kind IN ('intent', 'outcome') AND a.seq >= ?1) WHERE place > 1 "
              "ORDER BY seq LIMIT 1",
     "a second one for the same request"},
    {"WITH intent AS MATERIALIZED (SELECT a.seq AS seq, " REQUEST_OF(
         "a") " AS request FROM audit a WHERE a.kind = 'intent'), "
              "outcome AS MATERIALIZED (SELECT a.seq AS seq, " REQUEST_OF(
                  "a") " AS request FROM audit a WHERE a.kind = 'outcome' AND "
                       "a.seq >= ?1) SELECT o.seq FROM outcome o LEFT JOIN intent i ON i.request = o.request "
                       "AND i.seq < o.seq WHERE "
                       "i.seq IS NULL ORDER BY o.seq LIMIT 1",
     "an outcome without an intent before it", true},
    {"WITH intent AS MATERIALIZED (SELECT a.seq AS seq, " REQUEST_OF(
         "a") " AS request FROM audit a WHERE a.kind = 'intent' AND "
              "a.seq >= ?1), outcome AS MATERIALIZED (SELECT " REQUEST_OF(
                  "a") " AS request FROM audit a WHERE a.kind = 'outcome' AND "
                       "a.seq >= ?1) SELECT i.seq FROM intent i LEFT JOIN outcome o ON o.request = i.request "
                       "WHERE o.request IS NULL AND i.seq NOT IN "
                       "(SELECT seq FROM open_intent) ORDER BY i.seq LIMIT 1",
     "an intent that is neither open nor has an outcome"},
    /* The head that a checkpoint names is one that was there before it. */
    {"SELECT c.seq FROM audit c LEFT JOIN audit h ON h.seq = json_extract(c.body, '$.size') AND h.seq < "
     "c.seq AND "
     "lower(hex(h.hash)) = json_extract(c.body, '$.hash') WHERE c.kind = 'checkpoint' AND c.seq >= ?1 AND "
     "json_type(c.body, '$.size') IS NOT NULL AND json_extract(c.body, '$.size') > 0 AND h.seq IS NULL ORDER "
     "BY c.seq "
     "LIMIT 1",
     "its checkpoint is not on the chain"},
};

static int
check_rows(struct store *store, int64_t from, bool quick, struct kb_error *err)
{
    int result = 0;

    for (size_t i = 0; i < KB_LEN(STRUCTURE) && result == 0; i++)
        if (!quick || !STRUCTURE[i].whole)
            result = find_bad(store, STRUCTURE[i].sql, from, STRUCTURE[i].why, err);
    return result;
}

/* Each recorded run has its row in the chain: rows that were deleted behind our back are missed here, also when the rest was
 * chained again or nothing is left. */
static int
check_runs(struct store *store, struct kb_error *err)
{
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result =
        db_query_own(store, "SELECT id FROM run EXCEPT SELECT run_id FROM audit WHERE kind = 'run' LIMIT 1",
                     &stmt, err, "");
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result == 1)
        return kb_fail(
            err, KB_E_STORE,
            "audit chain: run %.40s is recorded, but its rows are not in the chain: rows were deleted",
            (const char *) sqlite3_column_text(stmt, 0));
    return result;
}

int
store_journal_verify(struct store *store, const struct store_head *expect, struct store_head *ret,
                     struct kb_error *err)
{
    uint8_t prev[KB_HASH_SIZE];
    char hex[KB_HASH_HEX_SIZE];
    struct walked walked = {0};

    int result = chain_start(store->lineage, prev, err);
    if (result < 0)
        return result;
    kb_hex(prev, sizeof(prev), hex);
    if (expect && expect->size == 0 && strcmp(expect->hash, hex) != 0)
        return kb_fail(err, KB_E_STORE,
                       "audit chain: it does not start as expected: it is of another database");
    result = walk(store, 1, prev, expect, &walked, err);
    if (result < 0)
        return result;
    if (expect && expect->size > walked.size)
        return kb_fail(err, KB_E_STORE, "audit chain: %lld rows, %lld expected: the end was cut off",
                       (long long) walked.size, (long long) expect->size);
    kb_hex(prev, sizeof(prev), hex);
    result = check_rows(store, 1, false, err);
    if (result == 0)
        result = check_runs(store, err);
    if (result == 0 && ret) {
        ret->size = walked.size;
        memcpy(ret->hash, hex, sizeof(hex));
    }
    return result;
}

int
store_journal_verify_chain(struct store *store, struct kb_error *err)
{
    uint8_t prev[KB_HASH_SIZE];
    struct walked walked = {0};

    int result = chain_start(store->lineage, prev, err);
    if (result == 0)
        result = walk(store, 1, prev, NULL, &walked, err);
    if (result == 0)
        result = check_runs(store, err);
    return result < 0 ? result : check_rows(store, walked.checkpoint, true, err);
}
