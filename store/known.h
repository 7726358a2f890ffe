/* store/known.h: roles and groups that the rules meant (model/known.h), between runs. */
#ifndef KB_STORE_KNOWN_H
#define KB_STORE_KNOWN_H

#include "model/known.h"
#include "store/store.h"

/* Adds every row to `ret`, sorted. */
int store_known_load(struct store *store, struct kb_known *ret, struct kb_error *err);
/* Instead of what was there. */
int store_known_save(struct store *store, const struct kb_known *known, struct kb_error *err);

#endif
