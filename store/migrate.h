/* store/migrate.h: from an empty file, or an older schema, to the present one. Internal to store/.
 *
 * Each step is one transaction with its user_version; DDL rolls back in SQLite. Before the first step of an
 * existing database a copy is written to TARGET.db.backup-vN. Source: reliability F94, F95; c-anchors 4.8.
 */
#ifndef KB_STORE_MIGRATE_H
#define KB_STORE_MIGRATE_H

#include "store/db.h"

struct store_migration {
    int version;
    const char *name, *sql;
};

extern const struct store_migration store_migrations[]; /* made by migrations/embed.py */
extern const int store_migrations_len;

#define STORE_APPLICATION_ID 0x4b425253 /* "KBRS" */

/* KB_E_STORE: another program's file, or a newer schema; nothing was touched. *ret: user_version. */
int migrate_version(struct store *store, int *ret, struct kb_error *err);

/* Walks up to `version` (0: the newest). `backup`: copy first. */
int migrate_to(struct store *store, int version, bool backup, struct kb_error *err);

#endif
