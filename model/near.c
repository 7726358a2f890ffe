#include "base/ban.h"

#include "model/near.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/unicode.h"
#include "model/near_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_SIZE_MAX 512u /* bytes; Databricks' own limit is 255 characters */
#define GROWTH_MAX 6u      /* U+FDFA: 3 bytes, 18 code points */
#define YPOGEGRAMMENI 0x345u
#define DOT_ABOVE 0x307u

/* Hangul syllables are a formula. Source: Unicode, section 3.12. */
#define HANGUL_FIRST 0xac00u
#define HANGUL_LAST 0xd7a3u
#define HANGUL_L 0x1100u
#define HANGUL_V 0x1161u
#define HANGUL_T 0x11a7u
#define HANGUL_V_COUNT 21u
#define HANGUL_T_COUNT 28u

struct folded {
    uint32_t v[NAME_SIZE_MAX * GROWTH_MAX];
    size_t len;
};

static const struct near_entry *
find_entry(uint32_t c)
{
    uint32_t low = 0, high = near_entries_len;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (near_entries[mid].code < c)
            low = mid + 1;
        else
            high = mid;
    }
    return low < near_entries_len && near_entries[low].code == c ? &near_entries[low] : NULL;
}

static uint8_t
order_of(uint32_t c)
{
    const struct near_entry *entry = c < 0x300 ? NULL : find_entry(c);

    return entry ? entry->order : 0;
}

/* Marks are kept in canonical order, so that it does not matter in which one they were typed. */
static void
put(struct folded *f, uint32_t c)
{
    uint8_t order = order_of(c);
    size_t at = f->len++;

    for (; order && at && order_of(f->v[at - 1]) > order; at--)
        f->v[at] = f->v[at - 1];
    f->v[at] = c;
}

static void
put_folded(struct folded *f, uint32_t c)
{
    const struct near_entry *entry;

    if (c >= HANGUL_FIRST && c <= HANGUL_LAST) {
        uint32_t s = c - HANGUL_FIRST, t = s % HANGUL_T_COUNT;
        put(f, HANGUL_L + s / (HANGUL_V_COUNT * HANGUL_T_COUNT));
        put(f, HANGUL_V + s / HANGUL_T_COUNT % HANGUL_V_COUNT);
        if (t)
            put(f, HANGUL_T + t);
        return;
    }
    entry = c >= 'a' && c <= 'z' ? NULL : find_entry(c);
    if (!entry)
        put(f, c);
    for (unsigned i = 0; entry && i < entry->len; i++)
        put(f, near_pool[entry->at + i]);
}

/* What is left to do takes two characters: the dot on a letter that has one anyway, and pairs that run
 * together. */
static void
join(struct folded *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->len; i++) {
        uint32_t c = f->v[i] == YPOGEGRAMMENI ? 'i' : f->v[i], last = kept ? f->v[kept - 1] : 0;
        if (c == DOT_ABOVE && (last == 'i' || last == 'j'))
            continue;
        if (c == 'n' && last == 'r')
            f->v[kept - 1] = 'm';
        else if (c == 'v' && last == 'v')
            f->v[kept - 1] = 'w';
        else
            f->v[kept++] = c;
    }
    f->len = kept;
}

static void
add_utf8(struct kb_buf *b, uint32_t c)
{
    if (c < 0x80) {
        kb_buf_addc(b, (char) c);
        return;
    }
    if (c < 0x800) {
        kb_buf_addc(b, (char) (0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            kb_buf_addc(b, (char) (0xe0 | c >> 12));
        } else {
            kb_buf_addc(b, (char) (0xf0 | c >> 18));
            kb_buf_addc(b, (char) (0x80 | (c >> 12 & 0x3f)));
        }
        kb_buf_addc(b, (char) (0x80 | (c >> 6 & 0x3f)));
    }
    kb_buf_addc(b, (char) (0x80 | (c & 0x3f)));
}

bool
kb_near_fold(const char *name, struct kb_buf *ret)
{
    struct folded f;
    size_t len = strnlen(name, NAME_SIZE_MAX + 1), first = 0;

    f.len = 0;
    if (len > NAME_SIZE_MAX)
        return false;
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t bytes = kb_utf8_next(name + i, len - i, &c);
        if (!bytes)
            return false;
        put_folded(&f, c);
        i += bytes;
    }
    join(&f);
    while (first < f.len && f.v[first] == ' ')
        first++;
    while (f.len > first && f.v[f.len - 1] == ' ')
        f.len--;
    for (size_t i = first; i < f.len; i++)
        add_utf8(ret, f.v[i]);
    return first < f.len;
}

/* Of the character at *s, which is stepped over; "the end". */
static uint32_t
step(const char **s, char ret[16])
{
    uint32_t c = 0;
    size_t bytes = kb_utf8_next(*s, strnlen(*s, 4), &c);

    *s += bytes;
    if (bytes)
        (void) snprintf(ret, 16, "U+%04" PRIX32, c);
    else
        (void) snprintf(ret, 16, "the end");
    return c < 0x80 ? (uint32_t) kb_ascii_lower((char) c) : c;
}

const char *
kb_near_difference(const char *here, const char *there, char ret[KB_NEAR_DIFFERENCE_SIZE])
{
    char a[16], b[16];

    uint32_t c, d;

    do {
        c = step(&here, a);
        d = step(&there, b);
    } while (c == d && c);
    (void) snprintf(ret, KB_NEAR_DIFFERENCE_SIZE, "%s here, %s there", a, b);
    return ret;
}
