#include "base/ban.h"

#include "model/pool.h"

#include "base/mem.h"

#define RADIX_FROM 128u /* shorter arrays: the counting tables would cost more than qsort */

void
kb_u32s_done(struct kb_u32s *a)
{
    free(a->v);
    *a = (struct kb_u32s){0};
}

bool
kb_u32s_add(struct kb_u32s *a, uint32_t value)
{
    if (a->len == a->cap) {
        size_t cap = a->cap;
        if (!kb_grow(&a->v, &cap, (size_t) a->len + 1, sizeof(*a->v), UINT32_MAX))
            return false;
        a->cap = (uint32_t) cap;
    }
    a->v[a->len++] = value;
    return true;
}

static int
compare(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Least significant byte first; bytes in which all values agree are skipped. False: no memory. */
static bool
radix(uint32_t *v, uint32_t len)
{
    uint32_t *other = malloc(len * sizeof(*v)), *from = v, *to = other;
    uint32_t any = 0, all = UINT32_MAX;

    if (!other)
        return false;
    for (uint32_t i = 0; i < len; i++)
        any |= v[i], all &= v[i];
    for (unsigned shift = 0; shift < 32; shift += 8) {
        uint32_t at[256] = {0}, sum = 0, *swap;
        if (((any ^ all) >> shift & 0xff) == 0)
            continue;
        for (uint32_t i = 0; i < len; i++)
            at[from[i] >> shift & 0xff]++;
        for (unsigned b = 0; b < 256; b++) {
            uint32_t n = at[b];
            at[b] = sum;
            sum += n;
        }
        for (uint32_t i = 0; i < len; i++)
            to[at[from[i] >> shift & 0xff]++] = from[i];
        swap = from, from = to, to = swap;
    }
    if (from != v)
        memcpy(v, from, len * sizeof(*v));
    free(other);
    return true;
}

void
kb_u32s_sort_unique(struct kb_u32s *a)
{
    uint32_t n = 1, i = 1;

    while (i < a->len && a->v[i - 1] < a->v[i]) /* servers often answer in order */
        i++;
    if (i >= a->len)
        return;
    if (a->len < RADIX_FROM || !radix(a->v, a->len))
        qsort(a->v, a->len, sizeof(*a->v), compare);
    for (i = 1; i < a->len; i++) {
        if (a->v[i] != a->v[n - 1])
            a->v[n++] = a->v[i];
    }
    a->len = n;
}

bool
kb_u32s_has(const struct kb_u32s *sorted, uint32_t value)
{
    uint32_t low = 0, high = sorted->len;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (sorted->v[mid] < value)
            low = mid + 1;
        else
            high = mid;
    }
    return low < sorted->len && sorted->v[low] == value;
}
