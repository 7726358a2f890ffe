#include "base/ban.h"

#include "store/chain.h"

static void
add_i64(struct kb_hash *hash, int64_t number)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t) ((uint64_t) number >> (56 - 8 * i));
    kb_hash_add(hash, bytes, sizeof(bytes));
}

int
chain_start(const char *lineage, uint8_t ret[KB_HASH_SIZE], struct kb_error *err)
{
    if (!kb_sha256(lineage, strlen(lineage), ret))
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    return 0;
}

int
chain_hash(const struct chain_row *row, uint8_t ret[KB_HASH_SIZE], struct kb_error *err)
{
    struct kb_hash hash;

    kb_hash_init(&hash);
    kb_hash_add(&hash, "", 1);
    kb_hash_add(&hash, row->prev, sizeof(row->prev));
    add_i64(&hash, row->seq);
    add_i64(&hash, row->ts_s);
    kb_hash_add(&hash, row->run_id, row->run_id_size);
    kb_hash_add(&hash, "", 1);
    kb_hash_add(&hash, row->kind, row->kind_size);
    kb_hash_add(&hash, "", 1);
    kb_hash_add(&hash, row->body, row->body_size);
    if (!kb_hash_final(&hash, ret))
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    return 0;
}
