/* model/near_table.h: the folding of near.c as near_table.py makes it; for near.c only. */
#ifndef KB_MODEL_NEAR_TABLE_H
#define KB_MODEL_NEAR_TABLE_H

#include <stdint.h>

struct near_entry {
    uint32_t code;
    uint16_t at;   /* into near_pool */
    uint8_t len;   /* code points there; 0: nothing is left of it */
    uint8_t order; /* canonical combining class, 0: a mark's reach ends here */
};

extern const struct near_entry near_entries[]; /* sorted by code; others stand for themselves */
extern const uint32_t near_entries_len;
extern const uint32_t near_pool[];

#endif
