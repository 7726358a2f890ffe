/* store/rows.h: database rows of principals and groups, as indices of a kb_target. Internal to store/.
 *
 * Why:    members and ledger name rows, the model names indices; with one array between them half a million
 * memberships need no look-up by text. Owns: a struct rows is the caller's (rows_done).
 */
#ifndef KB_STORE_ROWS_H
#define KB_STORE_ROWS_H

#include "model/target.h"
#include "store/db.h"

struct rows {
    uint32_t *v; /* by database row; KB_NONE: not in the target, or no such row */
    size_t len, cap;
};

void rows_done(struct rows *rows);

static inline void
rows_cleanup(struct rows *rows)
{
    rows_done(rows);
}

static inline uint32_t
rows_get(const struct rows *rows, int64_t row)
{
    return row >= 0 && (size_t) row < rows->len ? rows->v[row] : KB_NONE;
}

int rows_set(struct rows *rows, int64_t row, uint32_t value, struct kb_error *err);

/* All principals, all groups of the database. `everything`: adds those that the target does not have, with
 * the `listed` of the snapshot; otherwise they stay KB_NONE. */
int rows_principals(struct store *store, struct kb_target *target, bool everything, struct rows *ret,
                    struct kb_error *err);
int rows_groups(struct store *store, struct kb_target *target, bool everything, struct rows *ret,
                struct kb_error *err);

/* The index of one row, added to the target (not listed) when it is not there. */
int rows_principal(struct store *store, struct kb_target *target, struct rows *rows, int64_t row,
                   uint32_t *ret, struct kb_error *err);
int rows_group(struct store *store, struct kb_target *target, struct rows *rows, int64_t row, uint32_t *ret,
               struct kb_error *err);

#endif
