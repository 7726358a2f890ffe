/* store/directories.h: what is remembered of people who belong to a user directory behind the realm.
 *
 * Why:    "disabled" in a directory is believed when it was seen twice, and a directory that is down counts as
 * in the last successful run. Source: interface.md sections 3 "Directories", 4 (source_shrink). */
#ifndef KB_STORE_DIRECTORIES_H
#define KB_STORE_DIRECTORIES_H

#include "store/store.h"

typedef int (*store_disabled_fn)(void *userdata, const char *user_id, int64_t since_s, struct kb_error *err);
int store_disabled_each(struct store *store, store_disabled_fn fn, void *userdata, struct kb_error *err);
/* Forgets everybody of this directory; who is still shown disabled is set again. */
int store_disabled_clear(struct store *store, const char *directory, struct kb_error *err);
int store_disabled_set(struct store *store, const char *user_id, const char *directory, int64_t since_s,
                       struct kb_error *err);

/* The part of one rule's counts (store/runs.h) that came from one directory, in the last successful run. */
struct store_rule_directory {
    const char *rule, *directory;
    int64_t users, memberships;
};

int store_rule_directories_clear(struct store *store, struct kb_error *err);
int store_rule_directory_add(struct store *store, const struct store_rule_directory *row,
                             struct kb_error *err);
typedef int (*store_rule_directory_fn)(void *userdata, const struct store_rule_directory *row,
                                       struct kb_error *err);
int store_rule_directories_each(struct store *store, store_rule_directory_fn fn, void *userdata,
                                struct kb_error *err);

/* The user belongs to this directory now ("" none): in every row of the ledger. */
int store_ledger_directory(struct store *store, const char *user_id, const char *directory,
                           struct kb_error *err);

#endif
