#include "base/ban.h"

#include "store/ledger.h"

#include "store/db.h"
#include "store/rows.h"

/* ---- loading ---- */

struct ledger_loader {
    struct store *store;
    struct kb_target *target;
    struct rows principals, groups, users; /* users: ledger_source row -> index in sources */

    struct source {
        kb_text user, directory;
    } * sources;

    size_t sources_len, sources_cap;
    uint64_t *pairs; /* of the present group: principal << 32 | source */
    size_t pairs_len, pairs_cap;
};

static int
no_memory(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "out of memory while reading the ledger");
}

static int
load_users(struct ledger_loader *l, struct kb_error *err)
{
    static const char SQL[] = "SELECT row, user_id, directory FROM ledger_source ORDER BY row";
    sqlite3_stmt *stmt = NULL;
    kb_text last = 0;

    int result = db_query(l->store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(l->store, stmt, err)) == 1) {
        const char *directory = db_text(l->store, stmt, 2);
        kb_text text = kb_pool_adds(&l->target->pool, db_text(l->store, stmt, 1));
        if (strcmp(kb_target_str(l->target, last), directory) != 0)
            last = kb_pool_adds(&l->target->pool, directory);
        result = text == KB_NONE || last == KB_NONE ||
                         !kb_grow(&l->sources, &l->sources_cap, l->sources_len + 1, sizeof(*l->sources),
                                  UINT32_MAX)
                     ? no_memory(err)
                     : rows_set(&l->users, sqlite3_column_int64(stmt, 0), (uint32_t) l->sources_len, err);
        if (result == 0)
            l->sources[l->sources_len++] = (struct source){text, last};
    }
    (void) sqlite3_reset(stmt);
    return result;
}

static int
compare_pairs(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int
store_pairs(struct ledger_loader *l, uint32_t at, struct kb_error *err)
{
    struct kb_target_group *group = &l->target->groups[at];
    size_t len = l->pairs_len;

    l->pairs_len = 0;
    kb_u32s_done(&group->ledger);
    kb_u32s_done(&group->ledger_user);
    kb_u32s_done(&group->ledger_directory);
    group->ledger.v = malloc(len * sizeof(uint32_t));
    group->ledger_user.v = malloc(len * sizeof(uint32_t));
    group->ledger_directory.v = malloc(len * sizeof(uint32_t));
    if (!group->ledger.v || !group->ledger_user.v || !group->ledger_directory.v)
        return no_memory(err);
    qsort(l->pairs, len, sizeof(*l->pairs), compare_pairs);
    for (size_t i = 0; i < len; i++) {
        group->ledger.v[i] = (uint32_t) (l->pairs[i] >> 32);
        group->ledger_user.v[i] = l->sources[(uint32_t) l->pairs[i]].user;
        group->ledger_directory.v[i] = l->sources[(uint32_t) l->pairs[i]].directory;
    }
    group->ledger_directory.len = group->ledger_directory.cap = (uint32_t) len;
    group->ledger.len = group->ledger.cap = (uint32_t) len;
    group->ledger_user.len = group->ledger_user.cap = (uint32_t) len;
    return 0;
}

static int
load_row(struct ledger_loader *l, sqlite3_stmt *stmt, struct kb_error *err)
{
    uint32_t principal = KB_NONE, user = rows_get(&l->users, sqlite3_column_int64(stmt, 2));

    int result =
        rows_principal(l->store, l->target, &l->principals, sqlite3_column_int64(stmt, 1), &principal, err);
    if (result < 0)
        return result;
    if (user == KB_NONE)
        return kb_fail(err, KB_E_STORE,
                       "database %s is damaged: a source is missing; move it away, or restore a "
                       "backup",
                       l->store->path);
    if (!kb_grow(&l->pairs, &l->pairs_cap, l->pairs_len + 1, sizeof(*l->pairs), UINT32_MAX))
        return no_memory(err);
    l->pairs[l->pairs_len++] = (uint64_t) principal << 32 | user;
    return 0;
}

static int
load_rows(struct ledger_loader *l, struct kb_error *err)
{
    static const char SQL[] =
        "SELECT group_row, principal_row, source_row FROM ledger ORDER BY group_row, principal_row";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;
    int64_t present = -1;
    uint32_t at = KB_NONE;

    int result = db_query_own(l->store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(l->store, stmt, err)) == 1) {
        int64_t row = sqlite3_column_int64(stmt, 0);
        result = 0;
        if (row != present) {
            if (l->pairs_len)
                result = store_pairs(l, at, err);
            if (result == 0)
                result = rows_group(l->store, l->target, &l->groups, row, &at, err);
            present = row;
        }
        if (result == 0)
            result = load_row(l, stmt, err);
    }
    if (result == 0 && l->pairs_len)
        result = store_pairs(l, at, err);
    return result;
}

int
store_ledger_load(struct store *store, struct kb_target *target, struct kb_error *err)
{
    struct ledger_loader l = {.store = store, .target = target};

    int result = rows_principals(store, target, false, &l.principals, err);
    if (result == 0)
        result = rows_groups(store, target, false, &l.groups, err);
    if (result == 0)
        result = load_users(&l, err);
    if (result == 0)
        result = load_rows(&l, err);
    rows_done(&l.principals);
    rows_done(&l.groups);
    rows_done(&l.users);
    free(l.pairs);
    free(l.sources);
    store_rest(store);
    return result < 0 ? kb_fail_prefix(err, "ledger") : 0;
}

/* ---- single rows ---- */

/* The row that `select` finds, or that `insert` makes. Both take the same values. */
#define INTERN(store, select, insert, ret, err, format, ...)                                        \
    ({                                                                                              \
        int r_ = find_row(store, select, ret, err, format, __VA_ARGS__);                            \
        if (r_ == 0 && *(ret) == 0 && (r_ = db_exec(store, insert, err, format, __VA_ARGS__)) == 0) \
            *(ret) = sqlite3_last_insert_rowid((store)->db);                                        \
        r_;                                                                                         \
    })

#define find_row(store, sql, ret, err, ...)                      \
    ({                                                           \
        sqlite3_stmt *stmt_ = NULL;                              \
        int f_ = db_query(store, sql, &stmt_, err, __VA_ARGS__); \
        f_ < 0 ? f_ : first_row(store, stmt_, ret, err);         \
    })

static int
first_row(struct store *store, sqlite3_stmt *stmt, int64_t *ret, struct kb_error *err)
{
    int result = db_step(store, stmt, err);

    *ret = result == 1 ? sqlite3_column_int64(stmt, 0) : 0;
    (void) sqlite3_reset(stmt);
    return result < 0 ? result : 0;
}

struct ledger_key {
    int64_t group, principal, source, reason;
};

/* Known names stay: the snapshot keeps them. */
static int
intern(struct store *store, const struct store_ledger_row *row, struct ledger_key *ret, struct kb_error *err)
{
    static const char SQL_FIND_GROUP[] = "SELECT row, ?2 FROM target_group WHERE id = ?1";
    static const char SQL_GROUP[] =
        "INSERT INTO target_group (id, name, external_id, local, listed, group_members, "
        "read_at_s, members_sum, sum) VALUES (?1, ?2, '', 0, 0, 0, 0, 0, kb_sum(?1, ?2, '', "
        "0, 0, 0, 0, 0))";
    static const char SQL_FIND_PRINCIPAL[] = "SELECT row, ?2, ?3 FROM principal WHERE id = ?1";
    static const char SQL_PRINCIPAL[] =
        "INSERT INTO principal (id, kind, name, display, active, listed, sum) VALUES (?1, "
        "?2, ?3, '', 1, 0, kb_sum(?1, ?2, ?3, '', 1, 0))";
    static const char SQL_FIND_SOURCE[] =
        "SELECT row FROM ledger_source WHERE user_id = ?1 AND directory = ?2";
    static const char SQL_SOURCE[] =
        "INSERT INTO ledger_source (user_id, directory, sum) VALUES (?1, ?2, kb_sum(?1, ?2))";
    static const char SQL_FIND_REASON[] = "SELECT row FROM ledger_reason WHERE json = ?1";
    static const char SQL_REASON[] = "INSERT INTO ledger_reason (json, sum) VALUES (?1, kb_sum(?1))";
    bool service = strcmp(row->kind, "service_principal") == 0;

    if (!service && strcmp(row->kind, "user") != 0)
        return kb_fail(err, KB_E_BUG, "ledger: kind \"%s\"", row->kind);
    int result =
        INTERN(store, SQL_FIND_GROUP, SQL_GROUP, &ret->group, err, "tt", row->group_id, row->group_name);
    if (result == 0)
        result = INTERN(store, SQL_FIND_PRINCIPAL, SQL_PRINCIPAL, &ret->principal, err, "tit",
                        row->principal_id, (int64_t) service, row->principal_name);
    if (result == 0)
        result =
            INTERN(store, SQL_FIND_SOURCE, SQL_SOURCE, &ret->source, err, "tt", row->user_id, row->directory);
    if (result == 0)
        result = INTERN(store, SQL_FIND_REASON, SQL_REASON, &ret->reason, err, "t", row->reason_json);
    return result;
}

int
store_ledger_put(struct store *store, const struct store_ledger_row *row, struct kb_error *err)
{
    static const char SQL[] =
        "INSERT OR REPLACE INTO ledger (group_row, principal_row, source_row, reason_row, at_s, sum) "
        "VALUES (?1, ?2, ?3, ?4, ?5, kb_sum(?1, ?2, ?3, ?4, ?5))";
    struct ledger_key key = {0};
    bool began = false;

    int result = db_begin(store, &began, err);
    if (result < 0)
        return result;
    result = intern(store, row, &key, err);
    if (result == 0)
        result =
            db_exec(store, SQL, err, "iiiii", key.group, key.principal, key.source, key.reason, row->at_s);
    return db_end(store, began, result, err);
}

int
store_ledger_drop(struct store *store, const char *group_id, const char *principal_id, struct kb_error *err)
{
    static const char SQL[] =
        "DELETE FROM ledger WHERE group_row = (SELECT row FROM target_group WHERE id = ?1) AND "
        "principal_row = (SELECT row FROM principal WHERE id = ?2)";

    return db_exec(store, SQL, err, "tt", group_id, principal_id);
}

int
store_ledger_drop_old(struct store *store, const char *group_id, const char *principal_id, int64_t before_s,
                      struct kb_error *err)
{
    static const char SQL[] =
        "DELETE FROM ledger WHERE group_row = (SELECT row FROM target_group WHERE id = ?1) AND "
        "principal_row = (SELECT row FROM principal WHERE id = ?2) AND at_s < ?3";

    return db_exec(store, SQL, err, "tti", group_id, principal_id, before_s);
}

int
store_ledger_release(struct store *store, const char *group_id, struct kb_error *err)
{
    static const char SQL[] =
        "DELETE FROM ledger WHERE group_row = (SELECT row FROM target_group WHERE id = ?1)";

    return db_exec(store, SQL, err, "t", group_id);
}

int
store_ledger_reason(struct store *store, const char *group_id, const char *principal_id, struct kb_buf *ret,
                    struct kb_error *err)
{
    static const char SQL[] =
        "SELECT r.json FROM ledger l JOIN ledger_reason r ON r.row = l.reason_row WHERE l.group_row = "
        "(SELECT row FROM target_group WHERE id = ?1) AND l.principal_row = (SELECT row FROM "
        "principal WHERE id = ?2)";
    sqlite3_stmt *stmt = NULL;

    kb_buf_clear(ret);
    int result = db_query(store, SQL, &stmt, err, "tt", group_id, principal_id);
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result <= 0)
        return result;
    kb_buf_adds(ret, db_text(store, stmt, 0));
    (void) sqlite3_reset(stmt);
    if (ret->failed)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    return db_row_check(store, err);
}

int
store_ledger_since(struct store *store, const char *group_id, const char *principal_id, int64_t *ret_s,
                   struct kb_error *err)
{
    static const char SQL[] =
        "SELECT at_s FROM ledger WHERE group_row = (SELECT row FROM target_group WHERE id = ?1) AND "
        "principal_row = (SELECT row FROM principal WHERE id = ?2)";
    sqlite3_stmt *stmt = NULL;

    *ret_s = 0;
    int result = db_query(store, SQL, &stmt, err, "tt", group_id, principal_id);
    if (result == 0)
        result = db_step(store, stmt, err);
    if (result <= 0)
        return result;
    *ret_s = sqlite3_column_int64(stmt, 0);
    (void) sqlite3_reset(stmt);
    return db_row_check(store, err);
}

int
store_ledger_users_each(struct store *store, store_ledger_user_fn fn, void *userdata, struct kb_error *err)
{
    static const char SQL[] =
        "SELECT user_id, directory FROM ledger_source WHERE row IN (SELECT source_row FROM ledger) "
        "ORDER BY user_id, directory";
    KB_CLEANUP(db_stmt) sqlite3_stmt *stmt = NULL;

    int result = db_query_own(store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(store, stmt, err)) == 1) {
        const char *user = db_text(store, stmt, 0), *directory = db_text(store, stmt, 1);
        result = db_row_check(store, err);
        if (result == 0)
            result = fn(userdata, user, directory, err);
        if (result > 0)
            result = 0;
    }
    return result;
}
