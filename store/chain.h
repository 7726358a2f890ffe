/* store/chain.h: how one row of the audit chain is hashed (store/journal.h). Pure; internal to store/. */
#ifndef KB_STORE_CHAIN_H
#define KB_STORE_CHAIN_H

#include "base/error.h"
#include "base/hash.h"

struct chain_row {
    int64_t seq, ts_s;
    const char *run_id, *kind, *body; /* with their sizes: a NUL that was smuggled in must change the hash */
    size_t run_id_size, kind_size, body_size;
    uint8_t prev[KB_HASH_SIZE];
};

/* What stands before row 1. */
int chain_start(const char *lineage, uint8_t ret[KB_HASH_SIZE], struct kb_error *err);
int chain_hash(const struct chain_row *row, uint8_t ret[KB_HASH_SIZE], struct kb_error *err);

#endif
