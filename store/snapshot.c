#include "base/ban.h"

#include "store/snapshot.h"

#include "store/check.h"
#include "store/db.h"
#include "store/listing.h"
#include "store/rows.h"

struct loader {
    struct store *store;
    struct kb_target *target;
    struct rows principals, groups;
    struct kb_u32s scratch; /* members of the present group */
};

static int
copy_sorted(const struct kb_u32s *from, struct kb_u32s *to, struct kb_error *err)
{
    kb_u32s_done(to);
    if (from->len == 0)
        return 0;
    to->v = malloc(from->len * sizeof(*to->v)); /* exactly: there may be half a million */
    if (!to->v)
        return kb_fail(err, KB_E_NOMEM, "out of memory while reading the snapshot");
    memcpy(to->v, from->v, from->len * sizeof(*to->v));
    to->len = to->cap = from->len;
    kb_u32s_sort_unique(to);
    return 0;
}

/* Members of the group with this row: into scratch when the group wants them; always summed. */
static int
load_members(struct loader *l, sqlite3_stmt *members, bool *more, int64_t row, bool wanted, int64_t *ret_sum,
             struct kb_error *err)
{
    int result = 0;

    *ret_sum = CHECK_MEMBERS_EMPTY;
    l->scratch.len = 0;
    while (*more && sqlite3_column_int64(members, 0) == row && result == 0) {
        int64_t principal_row = sqlite3_column_int64(members, 1);
        uint32_t at = rows_get(&l->principals, principal_row);
        *ret_sum = check_members_toggle(*ret_sum, principal_row);
        if (wanted && at == KB_NONE)
            result = rows_principal(l->store, l->target, &l->principals, principal_row, &at, err);
        if (result == 0 && wanted && !kb_u32s_add(&l->scratch, at))
            result = kb_fail(err, KB_E_NOMEM, "out of memory while reading the snapshot");
        if (result == 0) {
            result = db_step(l->store, members, err);
            *more = result == 1;
            result = result < 0 ? result : 0;
        }
    }
    return result;
}

static int
load_groups(struct loader *l, struct kb_error *err)
{
    static const char SQL_GROUPS[] =
        "SELECT row, read_at_s, group_members, members_sum FROM target_group ORDER BY row";
    static const char SQL_MEMBERS[] =
        "SELECT group_row, principal_row FROM member ORDER BY group_row, principal_row";
    KB_CLEANUP(db_stmt) sqlite3_stmt *groups = NULL;
    KB_CLEANUP(db_stmt) sqlite3_stmt *members = NULL;

    int result = db_query_own(l->store, SQL_GROUPS, &groups, err, "");
    if (result == 0)
        result = db_query_own(l->store, SQL_MEMBERS, &members, err, "");
    if (result == 0)
        result = db_step(l->store, members, err);
    bool more = result == 1;
    while (result >= 0 && (result = db_step(l->store, groups, err)) == 1) {
        int64_t row = sqlite3_column_int64(groups, 0), sum = 0;
        uint32_t at = rows_get(&l->groups, row);
        struct kb_target_group *group = at == KB_NONE ? NULL : &l->target->groups[at];
        bool wanted = group && group->from != KB_MEMBERS_NOW && sqlite3_column_int64(groups, 1) > 0;
        result = load_members(l, members, &more, row, wanted, &sum, err);
        if (result == 0 && sum != sqlite3_column_int64(groups, 3))
            result = kb_fail(err, KB_E_STORE,
                             "database %s is damaged: the members of a group are not those that were "
                             "written; move it away (a lost ledger removes nobody), or restore a backup",
                             l->store->path);
        if (result == 0 && wanted)
            result = copy_sorted(&l->scratch, &group->members, err);
        if (result < 0)
            return result;
        if (wanted) {
            group->from = KB_MEMBERS_SNAPSHOT;
            group->read_at_s = sqlite3_column_int64(groups, 1);
            group->group_members = (uint32_t) sqlite3_column_int64(groups, 2);
        }
    }
    if (result == 0 && more)
        return kb_fail(err, KB_E_STORE,
                       "database %s is damaged: members of no group; move it away (a lost ledger "
                       "removes nobody), or restore a backup",
                       l->store->path);
    return result;
}

int
store_snapshot_load(struct store *store, struct kb_target *target, bool everything, struct kb_error *err)
{
    struct loader l = {.store = store, .target = target};

    int result = rows_principals(store, target, everything, &l.principals, err);
    if (result == 0)
        result = rows_groups(store, target, everything, &l.groups, err);
    if (result == 0 && everything)
        result = listing_load(store, target, err);
    if (result == 0)
        result = load_groups(&l, err);
    rows_done(&l.principals);
    rows_done(&l.groups);
    kb_u32s_done(&l.scratch);
    store_rest(store);
    return result < 0 ? kb_fail_prefix(err, "snapshot") : 0;
}

/* Only a listing of this run can say whether the user that an open intent wanted was made. */
static int
open_user(struct store *store, bool *ret, struct kb_error *err)
{
    static const char SQL[] =
        "SELECT 1 FROM open_intent WHERE group_name LIKE '" KB_PRINCIPAL_NEW "%' LIMIT 1";
    sqlite3_stmt *stmt = NULL;

    int result = db_query(store, SQL, &stmt, err, "");
    if (result == 0)
        result = db_step(store, stmt, err);
    *ret = result == 1;
    (void) sqlite3_reset(stmt);
    return result < 0 ? result : 0;
}

int
store_snapshot_people(struct store *store, struct kb_target *target, bool services, int64_t *ret_at_s,
                      uint32_t *ret_missing, struct kb_error *err)
{
    struct rows rows = {0};
    bool open = false;

    int result = listing_people(store, services, ret_at_s, ret_missing, err);
    if (result == 0)
        result = open_user(store, &open, err);
    if (open)
        *ret_at_s = 0;
    if (result == 0 && *ret_at_s > 0)
        result = rows_principals(store, target, true, &rows, err);
    rows_done(&rows);
    return result < 0 ? kb_fail_prefix(err, "snapshot") : 0;
}

int
store_snapshot_doubt(struct store *store, const char *group_id, struct kb_error *err)
{
    static const char SQL[] =
        "UPDATE target_group SET (read_at_s, sum) = (0, kb_sum(id, name, external_id, local, listed, "
        "group_members, 0, members_sum)) WHERE id = ?1";

    return db_exec(store, SQL, err, "t", group_id);
}
