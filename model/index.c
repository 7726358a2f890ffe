/* model/index.c: struct kb_index. Linear probing at most two thirds full, nothing is ever taken out.
 *
 * The keys come from servers, so the hash is seeded with an address (ASLR): nobody outside can make a list
 * whose keys all collide. The order of slots shows nowhere, so results do not depend on the seed. A row whose
 * key changed leaves a slot behind that no longer fits; it does no harm.
 */
#include "base/ban.h"

#include "model/pool.h"

#define INDEX_CAP_MIN 64u
#define INDEX_LEN_MAX (1u << 30)

static uint64_t
mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 p = (u128) a * b;

    return (uint64_t) p ^ (uint64_t) (p >> 64);
}

/* Eight ASCII letters at once; bytes over 0x7f stay. */
static uint64_t
fold(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t low = word & 0x7f * ones;
    uint64_t from_a = low + (0x80 - 'A') * ones, over_z = low + (0x7f - 'Z') * ones;

    return word | (~word & (from_a ^ over_z) & 0x80 * ones) >> 2;
}

static uint64_t
same(uint64_t word)
{
    return word;
}

static inline uint32_t
hash_with(const char *s, uint64_t (*map)(uint64_t))
{
    static const char seed;
    size_t len = strlen(s);
    uint64_t h = mix((uintptr_t) &seed ^ 0x9e3779b97f4a7c15u, len ^ 0xe7037ed1a0b428dbu), word;

    for (; len >= 8; s += 8, len -= 8) {
        memcpy(&word, s, 8);
        h = mix(h ^ map(word), 0xa0761d6478bd642fu ^ (uintptr_t) &seed);
    }
    word = 0;
    memcpy(&word, s, len);
    h = mix(h ^ map(word), 0x8ebc6af09c88c6e3u);
    return (uint32_t) (h ^ h >> 32);
}

static uint32_t
hash(const char *s)
{
    return hash_with(s, same);
}

uint32_t
kb_hash_folded(const char *s)
{
    return hash_with(s, fold);
}

void
kb_index_done(struct kb_index *index)
{
    free(index->slots);
    *index = (struct kb_index){0};
}

static void
put(uint32_t *slots, uint32_t cap, const char *key, uint32_t row)
{
    uint32_t at = hash(key) & (cap - 1);

    while (slots[at])
        at = (at + 1) & (cap - 1);
    slots[at] = row + 1;
}

/* Starts behind an empty slot, so that rows with equal keys keep their order. */
static bool
rehash(struct kb_index *index, kb_index_key_fn key, const void *table)
{
    uint32_t cap = index->cap ? index->cap * 2 : INDEX_CAP_MIN, start = 0;
    uint32_t *slots = calloc(cap, sizeof(*slots));

    if (!slots)
        return false;
    while (start < index->cap && index->slots[start])
        start++;
    for (uint32_t i = 0; i < index->cap; i++) {
        uint32_t slot = index->slots[(start + i) & (index->cap - 1)];
        if (slot)
            put(slots, cap, key(table, slot - 1), slot - 1);
    }
    free(index->slots);
    index->slots = slots;
    index->cap = cap;
    return true;
}

uint32_t
kb_index_find(const struct kb_index *index, kb_index_key_fn key, const void *table, const char *s)
{
    if (!index->cap)
        return KB_NONE;
    for (uint32_t at = hash(s) & (index->cap - 1); index->slots[at]; at = (at + 1) & (index->cap - 1)) {
        if (!strcmp(key(table, index->slots[at] - 1), s))
            return index->slots[at] - 1;
    }
    return KB_NONE;
}

bool
kb_index_add(struct kb_index *index, kb_index_key_fn key, const void *table, uint32_t row)
{
    if (index->len >= INDEX_LEN_MAX)
        return false;
    if ((uint64_t) (index->len + 1) * 3 > (uint64_t) index->cap * 2 && !rehash(index, key, table))
        return false;
    put(index->slots, index->cap, key(table, row), row);
    index->len++;
    return true;
}
