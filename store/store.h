/* store/store.h: the database of one target: open, lock, migrate. One function per query; no HTTP, no JSON.
 *
 * Why:    the snapshot is a cache, the ledger is what we did, the audit chain is the proof. One database and
 * one lock per target (architecture, section 6). Owns:   struct store is the caller's (store_close). Texts
 * returned by a function are the caller's unless it says borrowed. Errors: KB_E_STORE with the extended
 * SQLite code in sub and a message naming the file and the cure; KB_E_BUSY for the lock or a database locked
 * for over 10 s. Source: reliability F90-F101; c-anchors 4.8 and 5 (SQLite 3.40).
 */
#ifndef KB_STORE_STORE_H
#define KB_STORE_STORE_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct store; /* owned: store_close */

/* Whose database this is; a database of another realm or account is refused (KB_E_STORE, exit 8). */
struct store_identity {
    const char *target, *host, *account_id, *level, *issuer;
};

enum store_mode {
    STORE_READ,     /* must exist; never writes, never waits for the lock: `plan`, `status`, `history`, `audit
                       verify` */
    STORE_SNAPSHOT, /* may store a snapshot when the lock is free: `plan` */
    STORE_WRITE,    /* exclusive lock, created and migrated: `sync`, `apply`, `approve`, … */
    STORE_MEMORY,   /* state = "ephemeral" */
};

/* STORE_READ of a missing database: KB_OK with *ret NULL; of one that may not be read: KB_E_IO.
 * STORE_SNAPSHOT with the lock taken by another, or in a directory that is not ours to write: as STORE_READ,
 * store_writable says false; a write then is KB_E_BUG. A damaged, foreign or newer file: KB_E_STORE,
 * untouched. STORE_WRITE with the lock taken: KB_E_BUSY naming the holder's pid. */
int store_open(const char *state_dir, const struct store_identity *identity, enum store_mode mode,
               struct store **ret, struct kb_error *err);
void store_close(struct store *store); /* NULL is fine; releases the lock */
KB_DEFINE_CLEANUP(store, struct store *, store_close)
bool store_writable(const struct store *store);
const char *
store_lineage(const struct store *store); /* 128-bit id made when the database was created, hex; borrowed */

int store_begin(struct store *store, struct kb_error *err);  /* BEGIN IMMEDIATE */
int store_commit(struct store *store, struct kb_error *err); /* durable when it returns: synchronous=FULL */
void store_rollback(struct store *store);

/* Gives the page cache back: what was read from end to end is not read again soon. Called by the functions that do
 * so, and after many rows were written. */
void store_rest(struct store *store);

#endif
