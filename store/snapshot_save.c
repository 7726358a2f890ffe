/* The snapshot is written as a difference: what is there is read once in order, compared with the model, and
 * only what differs is written. Nothing is thrown away because a list was not read. */
#include "base/ban.h"

#include "base/buf.h"
#include "store/check.h"
#include "store/db.h"
#include "store/listing.h"
#include "store/rows.h"
#include "store/snapshot.h"

#define ADD_AT_ONCE 1000u

struct saver {
    struct store *store;
    const struct kb_target *target;
    int64_t now_s;
    struct rows principals, groups;  /* here by index of the target: database row, KB_NONE none */
    struct kb_u32s rows, gone, more; /* scratch: rows of a group; rows to unlist or members to drop; to add */
};

static int
no_memory(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "out of memory while writing the snapshot");
}

static const struct kb_read *
listing_of(const struct kb_target *target, int kind)
{
    return kind == KB_PRINCIPAL_SERVICE ? &target->services_read : &target->users_read;
}

/* ---- principals ---- */

static bool
principal_listed(const struct kb_target *target, const struct kb_principal *principal)
{
    return principal->listed && kb_read_ok(listing_of(target, principal->kind));
}

static int
put_principal(struct saver *s, uint32_t at, struct kb_error *err)
{
    static const char SQL_INSERT[] =
        "INSERT INTO principal (id, kind, name, display, active, listed, sum) VALUES (?1, ?2, "
        "?3, ?4, ?5, ?6, kb_sum(?1, ?2, ?3, ?4, ?5, ?6))";
    static const char SQL_UPDATE[] =
        "UPDATE principal SET (kind, name, display, active, listed, sum) = (?2, ?3, ?4, ?5, "
        "?6, kb_sum(?1, ?2, ?3, ?4, ?5, ?6)) WHERE id = ?1";
    const struct kb_principal *principal = &s->target->principals[at];
    bool known = rows_get(&s->principals, at) != KB_NONE;

    int result =
        db_exec(s->store, known ? SQL_UPDATE : SQL_INSERT, err, "tittii",
                kb_target_str(s->target, principal->id), (int64_t) principal->kind,
                kb_target_str(s->target, principal->name), kb_target_str(s->target, principal->display),
                (int64_t) principal->active, (int64_t) principal_listed(s->target, principal));
    if (result == 0 && !known)
        result = rows_set(&s->principals, at, (uint32_t) sqlite3_last_insert_rowid(s->store->db), err);
    return result;
}

static bool
same_principal(struct saver *s, sqlite3_stmt *stmt, const struct kb_principal *principal)
{
    return sqlite3_column_int(stmt, 2) == principal->kind &&
           sqlite3_column_int(stmt, 5) == principal->active && sqlite3_column_int(stmt, 6) == 1 &&
           strcmp(db_text(s->store, stmt, 3), kb_target_str(s->target, principal->name)) == 0 &&
           strcmp(db_text(s->store, stmt, 4), kb_target_str(s->target, principal->display)) == 0;
}

/* Fills the rows, and `more` with principals that differ, `gone` with rows that a complete list lacks. */
static int
compare_principals(struct saver *s, struct kb_error *err)
{
    static const char SQL[] =
        "SELECT row, id, kind, name, display, active, listed FROM principal ORDER BY row";
    sqlite3_stmt *stmt = NULL;

    int result = db_query(s->store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(s->store, stmt, err)) == 1) {
        int64_t row = sqlite3_column_int64(stmt, 0);
        uint32_t at = kb_target_principal(s->target, db_text(s->store, stmt, 1));
        bool listed = at != KB_NONE && principal_listed(s->target, &s->target->principals[at]);
        bool kept = true;
        result = db_row_check(s->store, err);
        if (result == 0 && at != KB_NONE)
            result = rows_set(&s->principals, at, (uint32_t) row, err);
        if (listed && !same_principal(s, stmt, &s->target->principals[at]))
            kept = kb_u32s_add(&s->more, at);
        else if (!listed && sqlite3_column_int(stmt, 6) &&
                 kb_read_ok(listing_of(s->target, sqlite3_column_int(stmt, 2))))
            kept = kb_u32s_add(&s->gone, (uint32_t) row);
        if (result == 0 && !kept)
            result = no_memory(err);
    }
    (void) sqlite3_reset(stmt);
    return result;
}

static int
save_principals(struct saver *s, struct kb_error *err)
{
    static const char SQL_UNLIST[] =
        "UPDATE principal SET listed = 0, sum = kb_sum(id, kind, name, display, active, 0) "
        "WHERE row = ?1";

    s->more.len = s->gone.len = 0;
    int result = compare_principals(s, err);
    for (uint32_t i = 0; i < s->gone.len && result == 0; i++)
        result = db_exec(s->store, SQL_UNLIST, err, "i", (int64_t) s->gone.v[i]);
    for (uint32_t i = 0; i < s->more.len && result == 0; i++)
        result = put_principal(s, s->more.v[i], err);
    for (uint32_t at = 0; at < s->target->principals_len && result == 0; at++)
        if (rows_get(&s->principals, at) == KB_NONE &&
            principal_listed(s->target, &s->target->principals[at]))
            result = put_principal(s, at, err);
    return result;
}

/* ---- groups ---- */

static bool
group_listed(const struct kb_target *target, const struct kb_target_group *group)
{
    return group->listed && kb_read_ok(&target->groups_read);
}

static bool
members_read(const struct kb_target_group *group)
{
    return group->from == KB_MEMBERS_NOW && kb_read_ok(&group->read);
}

static int
put_group(struct saver *s, uint32_t at, struct kb_error *err)
{
    static const char SQL_INSERT[] =
        "INSERT INTO target_group (id, name, external_id, local, listed, group_members, "
        "read_at_s, members_sum, sum) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0, kb_sum(?1, ?2, "
        "?3, ?4, ?5, 0, 0, 0))";
    static const char SQL_UPDATE[] =
        "UPDATE target_group SET (name, external_id, local, listed, sum) = (?2, ?3, ?4, ?5, "
        "kb_sum(?1, ?2, ?3, ?4, ?5, group_members, read_at_s, members_sum)) WHERE id = ?1";
    const struct kb_target_group *group = &s->target->groups[at];
    bool known = rows_get(&s->groups, at) != KB_NONE;

    int result =
        db_exec(s->store, known ? SQL_UPDATE : SQL_INSERT, err, "tttii", kb_target_str(s->target, group->id),
                kb_target_str(s->target, group->name), kb_target_str(s->target, group->external_id),
                (int64_t) group->local, (int64_t) group_listed(s->target, group));
    if (result == 0 && !known)
        result = rows_set(&s->groups, at, (uint32_t) sqlite3_last_insert_rowid(s->store->db), err);
    return result;
}

static bool
same_group(struct saver *s, sqlite3_stmt *stmt, const struct kb_target_group *group)
{
    return strcmp(db_text(s->store, stmt, 2), kb_target_str(s->target, group->name)) == 0 &&
           strcmp(db_text(s->store, stmt, 3), kb_target_str(s->target, group->external_id)) == 0 &&
           sqlite3_column_int(stmt, 4) == group->local && sqlite3_column_int(stmt, 5) == 1;
}

static int
compare_groups(struct saver *s, struct kb_error *err)
{
    static const char SQL[] =
        "SELECT row, id, name, external_id, local, listed FROM target_group ORDER BY row";
    sqlite3_stmt *stmt = NULL;

    int result = db_query(s->store, SQL, &stmt, err, "");
    while (result == 0 && (result = db_step(s->store, stmt, err)) == 1) {
        int64_t row = sqlite3_column_int64(stmt, 0);
        uint32_t at = kb_target_group(s->target, db_text(s->store, stmt, 1));
        bool listed = at != KB_NONE && group_listed(s->target, &s->target->groups[at]);
        bool kept = true;
        result = db_row_check(s->store, err);
        if (result == 0 && at != KB_NONE)
            result = rows_set(&s->groups, at, (uint32_t) row, err);
        if (listed && !same_group(s, stmt, &s->target->groups[at]))
            kept = kb_u32s_add(&s->more, at);
        else if (!listed && sqlite3_column_int(stmt, 5) && kb_read_ok(&s->target->groups_read))
            kept = kb_u32s_add(&s->gone, (uint32_t) row);
        if (result == 0 && !kept)
            result = no_memory(err);
    }
    (void) sqlite3_reset(stmt);
    return result;
}

/* A group that the list lacks: its members are not known any more; its ledger rows stay, and the name. */
static int
forget_group(struct saver *s, int64_t row, struct kb_error *err)
{
    static const char SQL_MEMBERS[] = "DELETE FROM member WHERE group_row = ?1";
    static const char SQL_KEEP[] =
        "UPDATE target_group SET (listed, group_members, read_at_s, members_sum, sum) = (0, 0, "
        "0, 0, kb_sum(id, name, external_id, local, 0, 0, 0, 0)) WHERE row = ?1";
    static const char SQL_DROP[] =
        "DELETE FROM target_group WHERE row = ?1 AND NOT EXISTS (SELECT 1 FROM ledger WHERE "
        "group_row = ?1)";

    int result = db_exec(s->store, SQL_MEMBERS, err, "i", row);
    if (result == 0)
        result = db_exec(s->store, SQL_KEEP, err, "i", row);
    if (result == 0)
        result = db_exec(s->store, SQL_DROP, err, "i", row);
    return result;
}

static int
save_groups(struct saver *s, struct kb_error *err)
{
    s->more.len = s->gone.len = 0;
    int result = compare_groups(s, err);
    for (uint32_t i = 0; i < s->gone.len && result == 0; i++)
        result = forget_group(s, s->gone.v[i], err);
    for (uint32_t i = 0; i < s->more.len && result == 0; i++)
        result = put_group(s, s->more.v[i], err);
    for (uint32_t at = 0; at < s->target->groups_len && result == 0; at++) {
        const struct kb_target_group *group = &s->target->groups[at];
        if (rows_get(&s->groups, at) == KB_NONE && (group_listed(s->target, group) || members_read(group)))
            result = put_group(s, at, err);
    }
    return result;
}

/* ---- members ---- */

/* The database rows of the group's members, sorted. */
static int
member_rows(struct saver *s, const struct kb_target_group *group, struct kb_error *err)
{
    s->rows.len = 0;
    for (uint32_t i = 0; i < group->members.len; i++) {
        uint32_t at = group->members.v[i], row = rows_get(&s->principals, at);
        if (row == KB_NONE) {
            int result = put_principal(s, at, err); /* known from the group alone: not listed */
            if (result < 0)
                return result;
            row = rows_get(&s->principals, at);
        }
        if (!kb_u32s_add(&s->rows, row))
            return no_memory(err);
    }
    kb_u32s_sort_unique(&s->rows);
    return 0;
}

/* Ordered cursor against the sorted array: what is too much, what is missing. */
static int
compare_members(struct saver *s, int64_t group_row, int64_t *ret_was, int64_t *ret_is, struct kb_error *err)
{
    static const char SQL[] = "SELECT principal_row FROM member WHERE group_row = ?1 ORDER BY principal_row";
    sqlite3_stmt *stmt = NULL;
    uint32_t i = 0;

    s->gone.len = s->more.len = 0;
    *ret_was = *ret_is = CHECK_MEMBERS_EMPTY;
    int result = db_query(s->store, SQL, &stmt, err, "i", group_row);
    while (result == 0 && (result = db_step(s->store, stmt, err)) == 1) {
        int64_t row = sqlite3_column_int64(stmt, 0);
        bool kept = true;
        result = 0;
        *ret_was = check_members_toggle(*ret_was, row);
        for (; i < s->rows.len && s->rows.v[i] < row && kept; i++)
            kept = kb_u32s_add(&s->more, s->rows.v[i]);
        if (i < s->rows.len && s->rows.v[i] == row)
            i++;
        else if (kept)
            kept = kb_u32s_add(&s->gone, (uint32_t) row);
        if (!kept)
            result = no_memory(err);
    }
    (void) sqlite3_reset(stmt);
    for (; result == 0 && i < s->rows.len; i++)
        if (!kb_u32s_add(&s->more, s->rows.v[i]))
            result = no_memory(err);
    for (uint32_t k = 0; k < s->rows.len; k++)
        *ret_is = check_members_toggle(*ret_is, s->rows.v[k]);
    return result;
}

static int
check_old_members(struct saver *s, int64_t group_row, int64_t was, struct kb_error *err)
{
    static const char SQL[] = "SELECT members_sum FROM target_group WHERE row = ?1";
    sqlite3_stmt *stmt = NULL;

    int result = db_query(s->store, SQL, &stmt, err, "i", group_row);
    if (result == 0)
        result = db_step(s->store, stmt, err);
    if (result < 0)
        return result;
    bool same = result == 1 && sqlite3_column_int64(stmt, 0) == was;
    (void) sqlite3_reset(stmt);
    if (!same)
        return kb_fail(err, KB_E_STORE,
                       "database %s is damaged: the members of a group are not those that were "
                       "written; move it away (a lost ledger removes nobody), or restore a backup",
                       s->store->path);
    return 0;
}

/* A first snapshot of a large account has half a million: a thousand a statement. */
static int
add_members(struct saver *s, int64_t group_row, struct kb_error *err)
{
    static const char SQL[] =
        "INSERT INTO member (group_row, principal_row) SELECT ?1, value FROM json_each(?2)";
    KB_CLEANUP(kb_buf) struct kb_buf rows = KB_BUF_INIT(ADD_AT_ONCE * sizeof("4294967295,"));
    int result = 0;

    for (uint32_t i = 0; i < s->more.len && result == 0;) {
        kb_buf_clear(&rows);
        for (uint32_t end = i + ADD_AT_ONCE; i < s->more.len && i < end; i++)
            kb_buf_addf(&rows, "%c%u", rows.len ? ',' : '[', s->more.v[i]);
        kb_buf_adds(&rows, "]");
        result =
            rows.failed ? no_memory(err) : db_exec(s->store, SQL, err, "it", group_row, kb_buf_str(&rows));
    }
    return result;
}

static int
save_members(struct saver *s, uint32_t at, struct kb_error *err)
{
    static const char SQL_DROP[] = "DELETE FROM member WHERE group_row = ?1 AND principal_row = ?2";
    static const char SQL_READ[] =
        "UPDATE target_group SET (group_members, read_at_s, members_sum, sum) = (?2, ?3, ?4, "
        "kb_sum(id, name, external_id, local, listed, ?2, ?3, ?4)) WHERE row = ?1";
    const struct kb_target_group *group = &s->target->groups[at];
    int64_t row = rows_get(&s->groups, at), was = 0, is = 0;

    int result = member_rows(s, group, err);
    if (result == 0)
        result = compare_members(s, row, &was, &is, err);
    if (result == 0)
        result = check_old_members(s, row, was, err);
    for (uint32_t i = 0; i < s->gone.len && result == 0; i++)
        result = db_exec(s->store, SQL_DROP, err, "ii", row, (int64_t) s->gone.v[i]);
    if (result == 0)
        result = add_members(s, row, err);
    if (result == 0)
        result = db_exec(s->store, SQL_READ, err, "iiii", row, (int64_t) group->group_members,
                         group->read_at_s ? group->read_at_s : s->now_s, is);
    return result;
}

int
store_snapshot_save(struct store *store, const struct kb_target *target, int64_t now_s, struct kb_error *err)
{
    struct saver s = {.store = store, .target = target, .now_s = now_s};
    bool began = false;

    int result = db_begin(store, &began, err);
    if (result < 0)
        return result;
    result = save_principals(&s, err);
    if (result == 0)
        result = save_groups(&s, err);
    for (uint32_t at = 0; at < target->groups_len && result == 0; at++)
        if (members_read(&target->groups[at]))
            result = save_members(&s, at, err);
    if (result == 0)
        result = listing_save(store, target, now_s, err);
    result = db_end(store, began, result, err);
    rows_done(&s.principals);
    rows_done(&s.groups);
    kb_u32s_done(&s.rows);
    kb_u32s_done(&s.gone);
    kb_u32s_done(&s.more);
    return result < 0 ? kb_fail_prefix(err, "snapshot") : 0;
}
