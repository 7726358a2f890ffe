/* store/journal.h: the journal that is the audit chain. Append-only, hash-chained from its first row.
 *
 * Row:    audit(seq, ts, run_id, kind, body, prev, hash); seq gap-free from 1; hash = SHA-256(0x00 | prev |
 * seq as 8 bytes big endian | ts as 8 bytes | run_id | 0x00 | kind | 0x00 | body); prev of row 1 is SHA-256
 * of the lineage. Body:   canonical JSON made by the caller (apply/journal.c). Of it, verification alone
 * reads: `request` of intents and outcomes (a text is unique in the database, an integer in its run; the
 * outcome that a later run writes for an earlier one carries that one's id in `run`), `size` and `hash` of
 * checkpoints (the head that was there before the row). Errors: KB_E_STORE; a full disk while appending an
 * outcome is spooled by apply (reliability T4). Source: interface.md section 6; reliability 4.3.
 */
#ifndef KB_STORE_JOURNAL_H
#define KB_STORE_JOURNAL_H

#include "base/buf.h"
#include "base/hash.h"
#include "store/store.h"

/* kinds: run guard approval intent outcome adopt drift except release forget rotate checkpoint */
int store_journal_append(struct store *store, int64_t ts_s, const char *run_id, const char *kind,
                         const char *body, int64_t *ret_seq, struct kb_error *err);

/* Told of each row before store_journal_append returns; < 0 fails the append. For state that nothing keeps: the
 * rows must have left the process before the request that they speak of. Borrowed strings; hash in hex. */
typedef int (*store_journal_sink_fn)(void *userdata, int64_t seq, int64_t ts_s, const char *run_id,
                                     const char *kind, const char *body, const char *hash,
                                     struct kb_error *err);
void store_journal_sink(struct store *store, store_journal_sink_fn fn, void *userdata);

struct store_head {
    int64_t size;                /* last seq */
    char hash[KB_HASH_HEX_SIZE]; /* of that row; of the lineage when empty */
};

int store_journal_head(struct store *store, struct store_head *ret, struct kb_error *err);

/* Recomputes the whole chain and its structure (gap-free, one outcome per intent, checkpoints inside). 0:
 * fine. KB_E_STORE names the first bad row. `expect` NULL, or a head that must lie on the chain. */
int store_journal_verify(struct store *store, const struct store_head *expect, struct store_head *ret,
                         struct kb_error *err);
/* Every hash from the first row on, and that each run has its rows; the rest of the structure from the last
 * checkpoint on. What sync and apply ask before their first request: the work is linear, in one walk. */
int store_journal_verify_chain(struct store *store, struct kb_error *err);

/* Rows in order; borrowed strings; fn < 0 stops. kind NULL: all. */
typedef int (*store_journal_fn)(void *userdata, int64_t seq, int64_t ts_s, const char *run_id,
                                const char *kind, const char *body, struct kb_error *err);
int store_journal_each(struct store *store, const char *kind, const char *run_id, int64_t from_s,
                       int64_t to_s, store_journal_fn fn, void *userdata, struct kb_error *err);

/* ---- intents: each mutating request has one row before it leaves and exactly one outcome in the end (I3)
 * ---- */

int store_intent_open(
    struct store *store, int64_t seq, const char *group_id, const char *group_name, const char *body,
    struct kb_error *err); /* remembers that seq has no outcome yet; same transaction as the append */
int store_intent_close(struct store *store, int64_t seq, struct kb_error *err);
/* Intents without outcome, oldest first. */
typedef int (*store_intent_fn)(void *userdata, int64_t seq, const char *run_id, const char *group_id,
                               const char *group_name, const char *body, struct kb_error *err);
int store_intents_each(struct store *store, store_intent_fn fn, void *userdata, struct kb_error *err);

#endif
