/* store/listing.h: when each list was last stored whole. Internal to store/.
 *
 * Why:    with `--refresh never` nothing is listed; the completeness records must then say whether the
 * snapshot holds a whole list, or a plan would take a list that was never read for an empty one.
 */
#ifndef KB_STORE_LISTING_H
#define KB_STORE_LISTING_H

#include "model/target.h"
#include "store/db.h"

/* Sets the records that this run did not ask for: complete, or failed with a note. */
int listing_load(struct store *store, struct kb_target *target, struct kb_error *err);
/* When the older of the two lists of people (users; service principals, when `services`) was stored whole; 0: never.
 * *ret_missing: target->missing of then. */
int listing_people(struct store *store, bool services, int64_t *ret_at_s, uint32_t *ret_missing,
                   struct kb_error *err);
/* Remembers those that are complete, and target->missing. */
int listing_save(struct store *store, const struct kb_target *target, int64_t now_s, struct kb_error *err);

#endif
