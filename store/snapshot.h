/* store/snapshot.h: what the database last knew of the target. A cache: losing it costs reads. Written as a
 * difference. */
#ifndef KB_STORE_SNAPSHOT_H
#define KB_STORE_SNAPSHOT_H

#include "model/target.h"
#include "store/store.h"

/* Fills members (sorted), read_at_s and from = KB_MEMBERS_SNAPSHOT of groups that this run has not read. With
 * `everything` (refresh never) also principals and groups themselves, marked listed. */
int store_snapshot_load(struct store *store, struct kb_target *target, bool everything, struct kb_error *err);

/* The people of the last complete listings, marked listed: users, and service principals when `services`. *ret_at_s is
 * when the older of these listings was read; 0: there was none, or a request to make a user is still open, and nothing
 * is loaded. *ret_missing: target->missing as it was saved. */
int store_snapshot_people(struct store *store, struct kb_target *target, bool services, int64_t *ret_at_s,
                          uint32_t *ret_missing, struct kb_error *err);

/* This group is about to be written: what is remembered of its members counts no more until it is read again.
 * In the transaction of the intent. */
int store_snapshot_doubt(struct store *store, const char *group_id, struct kb_error *err);

/* Stores what this run has read: listings when complete, members of groups read now. Opens its own
 * transaction unless one is open. */
int store_snapshot_save(struct store *store, const struct kb_target *target, int64_t now_s,
                        struct kb_error *err);

#endif
