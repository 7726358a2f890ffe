/* model/pool.h: strings and indices for a whole run.
 *
 * Why:    users, groups, roles and principals are rows of dense arrays; everything else refers to them by
 * 32-bit index (architecture, section 5). Texts live once in chunks that never move. Owns:   a pool owns its
 * bytes until kb_pool_done; offsets and pointers stay valid until then. Errors: KB_NONE from an add: out of
 * memory or over the cap.
 */
#ifndef KB_MODEL_POOL_H
#define KB_MODEL_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KB_NONE UINT32_MAX

typedef uint32_t kb_text; /* offset in a pool; 0 is "" */

struct kb_pool {
    char **chunks;
    uint32_t chunks_len, chunks_cap, used; /* used: bytes of the last chunk */
};

void kb_pool_done(struct kb_pool *pool);
kb_text kb_pool_add(struct kb_pool *pool, const char *s,
                    size_t len); /* KB_NONE: failed. At most 64 KiB a text, 4 GiB in all */
kb_text kb_pool_adds(struct kb_pool *pool, const char *s);         /* NULL counts as "" */
const char *kb_pool_str(const struct kb_pool *pool, kb_text text); /* never NULL for a valid text */

/* Text key -> row. Open addressing; keys are texts of rows in the pool, compared bytewise. */
struct kb_index {
    uint32_t *slots; /* row + 1; 0 empty */
    uint32_t cap, len;
};

/* How the index finds the key of a row. */
typedef const char *(*kb_index_key_fn)(const void *table, uint32_t row);

void kb_index_done(struct kb_index *index);
uint32_t kb_index_find(const struct kb_index *index, kb_index_key_fn key, const void *table, const char *s);
/* False: out of memory. The row's key must already be readable through `key`. Equal keys may be added (find
 * gives the first). */
bool kb_index_add(struct kb_index *index, kb_index_key_fn key, const void *table, uint32_t row)
    __attribute__((warn_unused_result));

/* Hash of the text with ASCII letters folded, for tables that compare with kb_ascii_casecmp. Differs from run
 * to run. */
uint32_t kb_hash_folded(const char *s);

/* A growing array of 32-bit indices. */
struct kb_u32s {
    uint32_t *v;
    uint32_t len, cap;
};

void kb_u32s_done(struct kb_u32s *a);
bool kb_u32s_add(struct kb_u32s *a, uint32_t value) __attribute__((warn_unused_result));
void kb_u32s_sort_unique(struct kb_u32s *a);                    /* ascending; radix or qsort inside */
bool kb_u32s_has(const struct kb_u32s *sorted, uint32_t value); /* binary search */

#endif
