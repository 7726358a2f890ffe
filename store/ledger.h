/* store/ledger.h: which memberships keybricks has put or adopted. A lost ledger removes nobody (truth table).
 */
#ifndef KB_STORE_LEDGER_H
#define KB_STORE_LEDGER_H

#include "base/buf.h"
#include "model/target.h"
#include "store/store.h"

/* Fills group->ledger (sorted) and ledger_user of every group with rows; groups and principals that the
 * target does not list are added, not marked listed, so that nothing is forgotten. */
int store_ledger_load(struct store *store, struct kb_target *target, struct kb_error *err);

struct store_ledger_row {
    const char *group_id, *group_name, *principal_id, *principal_name,
        *kind;               /* kind "user" or "service_principal" */
    const char *user_id;     /* Keycloak, "" unknown */
    const char *directory;   /* "" local */
    const char *reason_json; /* what reason.c said when it was granted, "" unknown */
    int64_t at_s;
};

int store_ledger_put(struct store *store, const struct store_ledger_row *row,
                     struct kb_error *err); /* insert or replace */
int store_ledger_drop(struct store *store, const char *group_id, const char *principal_id,
                      struct kb_error *err);
/* Only when the row was put before. */
int store_ledger_drop_old(struct store *store, const char *group_id, const char *principal_id,
                          int64_t before_s, struct kb_error *err);
int store_ledger_release(struct store *store, const char *group_id,
                         struct kb_error *err); /* all rows of a group */
/* *ret stays empty when there is no row. */
int store_ledger_reason(struct store *store, const char *group_id, const char *principal_id,
                        struct kb_buf *ret, struct kb_error *err);

/* When it was put or adopted; 0: there is no row. */
int store_ledger_since(struct store *store, const char *group_id, const char *principal_id, int64_t *ret_s,
                       struct kb_error *err);

/* Keycloak users behind the ledger and the directory each came from ("" local), for people whom the realm no
 * longer shows. A user may come twice when the directory changed between two groups' rows. */
typedef int (*store_ledger_user_fn)(void *userdata, const char *user_id, const char *directory,
                                    struct kb_error *err);
int store_ledger_users_each(struct store *store, store_ledger_user_fn fn, void *userdata,
                            struct kb_error *err);

#endif
