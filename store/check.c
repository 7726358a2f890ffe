#include "base/ban.h"

#include "store/check.h"

#include "base/hash.h"
#include "base/mem.h"

static uint32_t crc_table[256];

static void
make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ UINT32_C(0xedb88320) : crc >> 1;
        crc_table[i] = crc;
    }
}

static uint32_t
crc_add(uint32_t crc, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        crc = (crc >> 8) ^ crc_table[(crc ^ bytes[i]) & 0xff];
    return crc;
}

static void
sum_function(sqlite3_context *context, int len, sqlite3_value **values)
{
    uint32_t crc = UINT32_MAX;

    for (int i = 0; i < len; i++) {
        if (sqlite3_value_type(values[i]) == SQLITE_INTEGER) {
            uint64_t number = (uint64_t) sqlite3_value_int64(values[i]);
            unsigned char bytes[8];
            for (int k = 0; k < 8; k++)
                bytes[k] = (unsigned char) (number >> (56 - 8 * k));
            crc = crc_add(crc, bytes, sizeof(bytes));
        } else {
            const unsigned char *text = sqlite3_value_text(values[i]);
            if (!text) {
                sqlite3_result_error_nomem(context);
                return;
            }
            crc = crc_add(crc, text, (size_t) sqlite3_value_bytes(values[i]));
            crc = crc_add(crc, (const unsigned char *) "", 1);
        }
    }
    sqlite3_result_int64(context, (int64_t) (crc ^ UINT32_MAX));
}

int
check_register(struct store *store, struct kb_error *err)
{
    if (!crc_table[1])
        make_table();
    if (sqlite3_create_function(store->db, "kb_sum", -1,
                                SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, sum_function,
                                NULL, NULL) != SQLITE_OK)
        return db_fail(store, "adding kb_sum", err);
    return 0;
}

/* Every table but member (sum in its group) and audit (the chain). */
static const char *const SQL_SUMS[] = {
    "SELECT 'meta' FROM meta WHERE sum IS NOT kb_sum(key, value) LIMIT 1",
    "SELECT 'principal' FROM principal WHERE sum IS NOT kb_sum(id, kind, name, display, active, listed) "
    "LIMIT 1",
    "SELECT 'target_group' FROM target_group WHERE sum IS NOT kb_sum(id, name, external_id, local, listed, "
    "group_members, read_at_s, members_sum) LIMIT 1",
    "SELECT 'ledger_reason' FROM ledger_reason WHERE sum IS NOT kb_sum(json) LIMIT 1",
    "SELECT 'ledger_source' FROM ledger_source WHERE sum IS NOT kb_sum(user_id, directory) LIMIT 1",
    "SELECT 'ledger' FROM ledger WHERE sum IS NOT kb_sum(group_row, principal_row, source_row, reason_row, "
    "at_s) "
    "LIMIT 1",
    "SELECT 'run' FROM run WHERE sum IS NOT kb_sum(id, command, started_s, ended_s, exit_code, success, "
    "wrote, "
    "narrowed, complete, added, removed, held, frozen, writes, fingerprint, rules_digest, message) LIMIT 1",
    "SELECT 'rule_count' FROM rule_count WHERE sum IS NOT kb_sum(rule, users, groups, memberships) LIMIT 1",
    "SELECT 'managed' FROM managed WHERE sum IS NOT kb_sum(name) LIMIT 1",
    "SELECT 'removal' FROM removal WHERE sum IS NOT kb_sum(at_s, count) LIMIT 1",
    "SELECT 'approval' FROM approval WHERE sum IS NOT kb_sum(seq, guard, group_name, fingerprint, reason, "
    "person, "
    "at_s, expires_s, consumed_by) LIMIT 1",
    "SELECT 'quarantine' FROM quarantine WHERE sum IS NOT kb_sum(failed, cause) LIMIT 1",
    "SELECT 'stuck' FROM stuck WHERE sum IS NOT kb_sum(group_id, principal_id, runs, last_try_s) LIMIT 1",
    "SELECT 'directory_disabled' FROM directory_disabled WHERE sum IS NOT kb_sum(user_id, directory, "
    "since_s) "
    "LIMIT 1",
    "SELECT 'rule_directory' FROM rule_directory WHERE sum IS NOT kb_sum(rule, directory, users, "
    "memberships) "
    "LIMIT 1",
    "SELECT 'source_object' FROM source_object WHERE sum IS NOT kb_sum(managed, rule, object_id, name) LIMIT "
    "1",
    "SELECT 'open_intent' FROM open_intent WHERE sum IS NOT kb_sum(seq, group_id, group_name, body) LIMIT 1",
};

static int
damaged(struct store *store, const char *what, const char *detail, struct kb_error *err)
{
    return kb_fail(
        err, KB_E_STORE,
        "database %s is damaged: %s%s; move it away (a lost ledger removes nobody), or restore a backup",
        store->path, what, detail);
}

/* Up to this size also the indices are compared with their tables; above it only the pages are checked. */
#define FULL_CHECK_SIZE (16 * 1024 * 1024)

static int
check_structure(struct store *store, struct kb_error *err)
{
    static const char SQL_SIZE[] = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    static const char SQL_FULL[] = "PRAGMA integrity_check(1)";
    static const char SQL_QUICK[] = "PRAGMA quick_check(1)";
    KB_CLEANUP(db_stmt) sqlite3_stmt *size = NULL;
    KB_CLEANUP(db_stmt) sqlite3_stmt *check = NULL;

    int result = db_query_own(store, SQL_SIZE, &size, err, "");
    if (result == 0)
        result = db_step(store, size, err);
    if (result < 0)
        return result;
    bool small = sqlite3_column_int64(size, 0) <= FULL_CHECK_SIZE;
    (void) sqlite3_reset(size);
    result = db_query_own(store, small ? SQL_FULL : SQL_QUICK, &check, err, "");
    if (result == 0)
        result = db_step(store, check, err);
    if (result < 0)
        return result;
    const char *verdict = db_text(store, check, 0);
    if (strcmp(verdict, "ok") != 0) {
        store->row_bad = false;
        return damaged(store, "", verdict, err);
    }
    return 0;
}

static int
schema_digest(struct store *store, char ret[KB_DIGEST_SIZE], struct kb_error *err)
{
    static const char SQL[] = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;
    struct kb_hash hash;

    int result = db_query_own(store, SQL, &stmt, err, "");
    if (result < 0)
        return result;
    kb_hash_init(&hash);
    while ((result = db_step(store, stmt, err)) == 1)
        for (int i = 0; i < 3; i++) {
            kb_hash_adds(&hash, db_text(store, stmt, i));
            kb_hash_add(&hash, "", 1);
        }
    if (result == 0 && !kb_hash_final_digest(&hash, ret))
        result = kb_fail(err, KB_E_NOMEM, "out of memory");
    kb_hash_done(&hash);
    return result;
}

int
check_keep_schema(struct store *store, struct kb_error *err)
{
    static const char SQL[] = "INSERT OR REPLACE INTO meta (key, value, sum) VALUES ('schema', ?1, "
                              "kb_sum('schema', ?1))";
    char digest[KB_DIGEST_SIZE];

    int result = schema_digest(store, digest, err);
    if (result < 0)
        return result;
    return db_exec(store, SQL, err, "t", digest);
}

static int
check_schema(struct store *store, struct kb_error *err)
{
    static const char SQL[] = "SELECT value FROM meta WHERE key = 'schema'";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;
    char digest[KB_DIGEST_SIZE];

    int result = schema_digest(store, digest, err);
    if (result == 0)
        result = db_query_own(store, SQL, &stmt, err, "");
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result < 0)
        return result;
    if (result == 0 || strcmp(db_text(store, stmt, 0), digest) != 0) {
        store->row_bad = false;
        return damaged(store, "tables or triggers are not those that keybricks made", "", err);
    }
    return 0;
}

int
check_database(struct store *store, bool schema, struct kb_error *err)
{
    int result = check_structure(store, err);
    if (result == 0 && schema)
        result = check_schema(store, err);
    for (size_t i = 0; i < KB_LEN(SQL_SUMS) && result == 0; i++) {
        KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;
        result = db_query_own(store, SQL_SUMS[i], &stmt, err, "");
        if (result == 0)
            result = db_step(store, stmt, err);
        if (result == 1) {
            char table[32];
            DB_COPY(store, stmt, 0, table);
            return damaged(store, "a row was altered outside keybricks in table ", table, err);
        }
    }
    return result;
}
