#include "base/ban.h"

#include "store/journal.h"

#include "store/chain.h"
#include "store/db.h"

/* The last row, or seq 0 and the hash of the lineage. */
static int
read_head(struct store *store, int64_t *ret_seq, uint8_t ret_hash[KB_HASH_SIZE], struct kb_error *err)
{
    static const char SQL[] = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
    sqlite3_stmt *stmt = NULL;

    int result = db_query(store, SQL, &stmt, err, "");
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result < 0)
        return result;
    if (result == 0) {
        *ret_seq = 0;
        return chain_start(store->lineage, ret_hash, err);
    }
    *ret_seq = sqlite3_column_int64(stmt, 0);
    const void *hash = sqlite3_column_blob(stmt, 1);
    bool fits = hash && sqlite3_column_bytes(stmt, 1) == KB_HASH_SIZE;
    if (fits)
        memcpy(ret_hash, hash, KB_HASH_SIZE);
    (void) sqlite3_reset(stmt);
    if (!fits)
        return kb_fail(err, KB_E_STORE, "audit row %lld: no hash", (long long) *ret_seq);
    return 0;
}

int
store_journal_append(struct store *store, int64_t ts_s, const char *run_id, const char *kind,
                     const char *body, int64_t *ret_seq, struct kb_error *err)
{
    static const char SQL[] =
        "INSERT INTO audit (seq, ts, run_id, kind, body, prev, hash) VALUES (?1, ?2, ?3, ?4, "
        "?5, ?6, ?7)";
    struct chain_row row = {.ts_s = ts_s,
                            .run_id = run_id,
                            .kind = kind,
                            .body = body,
                            .run_id_size = strlen(run_id),
                            .kind_size = strlen(kind),
                            .body_size = strlen(body)};
    uint8_t hash[KB_HASH_SIZE];
    bool began = false;

    int result = db_begin(store, &began, err);
    if (result < 0)
        return result;
    result = read_head(store, &row.seq, row.prev, err);
    row.seq++;
    if (result == 0)
        result = chain_hash(&row, hash, err);
    if (result == 0)
        result = db_exec(store, SQL, err, "iitttbb", row.seq, ts_s, run_id, kind, body, row.prev,
                         sizeof(row.prev), hash, sizeof(hash));
    if (result == 0 && store->sink) {
        char hex[KB_HASH_HEX_SIZE];
        kb_hex(hash, sizeof(hash), hex);
        result = store->sink(store->sink_userdata, row.seq, ts_s, run_id, kind, body, hex, err);
    }
    result = db_end(store, began, result, err);
    if (result == 0 && ret_seq)
        *ret_seq = row.seq;
    return result;
}

void
store_journal_sink(struct store *store, store_journal_sink_fn fn, void *userdata)
{
    store->sink = fn;
    store->sink_userdata = userdata;
}

int
store_journal_head(struct store *store, struct store_head *ret, struct kb_error *err)
{
    uint8_t hash[KB_HASH_SIZE];

    int result = read_head(store, &ret->size, hash, err);
    if (result == 0)
        kb_hex(hash, sizeof(hash), ret->hash);
    return result;
}

int
store_journal_each(struct store *store, const char *kind, const char *run_id, int64_t from_s, int64_t to_s,
                   store_journal_fn fn, void *userdata, struct kb_error *err)
{
    static const char SQL[] =
        "SELECT seq, ts, run_id, kind, body FROM audit WHERE (?1 = '' OR kind = ?1) AND (?2 = '' "
        "OR run_id = ?2) AND ts >= ?3 AND ts <= ?4 ORDER BY seq";
    /* The index, which an OR would hide. */
    static const char SQL_RUN[] =
        "SELECT seq, ts, run_id, kind, body FROM audit WHERE (?1 = '' OR kind = ?1) AND "
        "run_id = ?2 AND ts >= ?3 AND ts <= ?4 ORDER BY seq";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, run_id ? SQL_RUN : SQL, &stmt, err, "ttii", kind ? kind : "",
                              run_id ? run_id : "", from_s, to_s);
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        const char *run = db_text(store, stmt, 2), *what = db_text(store, stmt, 3),
                   *body = db_text(store, stmt, 4);
        result = db_row_check(store, err);
        if (result == 0)
            result = fn(userdata, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1), run, what,
                        body, err);
        if (result > 0)
            result = 0;
    }
    return result;
}
