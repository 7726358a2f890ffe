/* store/check.h: is this file what we wrote? Structure (SQLite), row sums and schema (ours).
 *
 * Why:    a flipped byte inside a name or an id is no structural fault; unnoticed it would make keybricks
 * judge another person. kb_sum() is CRC-32 over the columns in order: an integer as 8 bytes big endian, a
 * text as its bytes and a NUL. It finds accidents; what somebody did on purpose the audit chain shows.
 * In Python: zlib.crc32(b"".join(struct.pack(">q", a) if isinstance(a, int) else a.encode() + b"\0" for a in
 * row)). Internal to store/. Source: reliability F93.
 */
#ifndef KB_STORE_CHECK_H
#define KB_STORE_CHECK_H

#include "store/db.h"

/* Makes kb_sum() known to a connection. */
int check_register(struct store *store, struct kb_error *err);

/* KB_E_STORE when the file is damaged. `schema`: also compare tables and triggers with what the migrations
 * made (not for readers, so that `audit verify` can name the row that somebody changed). */
int check_database(struct store *store, bool schema, struct kb_error *err);

/* Remembers the present schema; called by the migration. */
int check_keep_schema(struct store *store, struct kb_error *err);

#define CHECK_MEMBERS_EMPTY 0 /* members_sum of a group without members */

/* Adds or takes away (the same operation) one member's row in a members_sum. */
static inline int64_t
check_members_toggle(int64_t sum, int64_t principal_row)
{
    uint64_t x = (uint64_t) principal_row + UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9); /* splitmix64 */
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return sum ^ (int64_t) (x ^ (x >> 31));
}

#endif
