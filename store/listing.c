#include "base/ban.h"

#include "store/listing.h"

static const char *const KEYS[] = {"users_at_s", "services_at_s", "groups_at_s"};
static const char MISSING[] = "people_missing";

static int
load_one(struct store *store, struct kb_target *target, const char *key, struct kb_read *read,
         struct kb_error *err)
{
    static const char SQL[] = "SELECT value FROM meta WHERE key = ?1";
    static const char NOTE[] = "the snapshot has never had a whole list";
    sqlite3_stmt *stmt = NULL;

    if (read->status != KB_READ_NOT_ASKED)
        return 0;
    int result = db_query(store, SQL, &stmt, err, "t", key);
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result < 0)
        return result;
    read->status = result == 1 ? KB_READ_COMPLETE : KB_READ_FAILED;
    read->count = KB_NONE;
    (void) sqlite3_reset(stmt);
    if (read->status == KB_READ_FAILED) {
        read->note = kb_pool_adds(&target->pool, NOTE);
        if (read->note == KB_NONE)
            return kb_fail(err, KB_E_NOMEM, "out of memory");
    }
    return 0;
}

int
listing_load(struct store *store, struct kb_target *target, struct kb_error *err)
{
    struct kb_read *const reads[] = {&target->users_read, &target->services_read, &target->groups_read};
    int result = 0;

    for (size_t i = 0; i < KB_LEN(KEYS) && result == 0; i++)
        result = load_one(store, target, KEYS[i], reads[i], err);
    return result;
}

static int
load_number(struct store *store, const char *key, int64_t *ret, struct kb_error *err)
{
    static const char SQL[] = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1";
    sqlite3_stmt *stmt = NULL;

    int result = db_query(store, SQL, &stmt, err, "t", key);
    if (result >= 0)
        result = db_step(store, stmt, err);
    *ret = result == 1 ? sqlite3_column_int64(stmt, 0) : 0;
    (void) sqlite3_reset(stmt);
    return result < 0 ? result : 0;
}

int
listing_people(struct store *store, bool services, int64_t *ret_at_s, uint32_t *ret_missing,
               struct kb_error *err)
{
    int64_t users = 0, others = INT64_MAX, missing = 0;

    int result = load_number(store, KEYS[0], &users, err);
    if (result == 0 && services)
        result = load_number(store, KEYS[1], &others, err);
    if (result == 0)
        result = load_number(store, MISSING, &missing, err);
    *ret_at_s = users < others ? users : others;
    *ret_missing = missing >= 0 && missing < UINT32_MAX ? (uint32_t) missing : UINT32_MAX;
    return result;
}

int
listing_save(struct store *store, const struct kb_target *target, int64_t now_s, struct kb_error *err)
{
    static const char SQL[] = "INSERT OR REPLACE INTO meta (key, value, sum) VALUES (?1, ?2, kb_sum(?1, ?2))";
    const struct kb_read *const reads[] = {&target->users_read, &target->services_read, &target->groups_read};
    char value[24];
    int result = 0;

    (void) snprintf(value, sizeof(value), "%lld", (long long) now_s);
    for (size_t i = 0; i < KB_LEN(KEYS) && result == 0; i++)
        if (kb_read_ok(reads[i]))
            result = db_exec(store, SQL, err, "tt", KEYS[i], value);
    (void) snprintf(value, sizeof(value), "%u", target->missing);
    return result < 0 ? result : db_exec(store, SQL, err, "tt", MISSING, value);
}
