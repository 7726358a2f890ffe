#include "base/ban.h"

#include "base/str.h"

#include "base/unicode.h"

bool
kb_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = *s == '-';
    int64_t value = 0;

    s += negative;
    if (*s < '0' || *s > '9' || (*s == '0' && (s[1] || negative)))
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        /* negative all the way: INT64_MIN has no positive twin */
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *s - '0', &value))
            return false;
    }
    if (!negative && __builtin_sub_overflow((int64_t) 0, value, &value))
        return false;
    if (value < min || value > max)
        return false;
    *ret = value;
    return true;
}

bool
kb_is_digits(const char *s, size_t min_len, size_t max_len)
{
    size_t len = 0;

    for (; s[len]; len++)
        if (s[len] < '0' || s[len] > '9' || len == max_len)
            return false;
    return len >= min_len;
}

bool
kb_utf8_valid(const char *s, size_t len)
{
    size_t i = 0;

    while (i < len) {
        uint64_t eight;
        uint32_t c;
        size_t n;
        if (len - i >= sizeof(eight)) {
            memcpy(&eight, s + i, sizeof(eight));
            if (!(eight & UINT64_C(0x8080808080808080))) {
                i += sizeof(eight);
                continue;
            }
        }
        n = kb_utf8_next(s + i, len - i, &c);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

void
kb_utf8_mend(char *s)
{
    size_t left = strlen(s);

    while (left > 0) {
        uint32_t c;
        size_t n = kb_utf8_next(s, left, &c);
        if (n == 0) {
            *s = '?';
            n = 1;
        }
        s += n;
        left -= n;
    }
}

bool
kb_has_control(const char *s)
{
    size_t len = strlen(s);

    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = kb_utf8_next(s + i, len - i, &c);
        if (n && kb_codepoint_hidden(c))
            return true;
        i += n ? n : 1;
    }
    return false;
}

char
kb_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

int
kb_ascii_casecmp(const char *a, const char *b)
{
    for (;; a++, b++) {
        uint8_t x = (uint8_t) kb_ascii_lower(*a), y = (uint8_t) kb_ascii_lower(*b);
        if (x != y)
            return x < y ? -1 : 1;
        if (!x)
            return 0;
    }
}

void
kb_ascii_lower_inplace(char *s)
{
    for (; *s; s++)
        *s = kb_ascii_lower(*s);
}

#define NEAREST_LEN_MAX 64
#define NEAREST_DISTANCE_MAX 3

static size_t
smallest(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein; both at most NEAREST_LEN_MAX bytes. */
static size_t
edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[NEAREST_LEN_MAX + 1];

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

const char *
kb_nearest(const char *word, const char *const *candidates, size_t candidates_len)
{
    size_t len = strnlen(word, NEAREST_LEN_MAX + 1), best = NEAREST_DISTANCE_MAX + 1;
    const char *ret = NULL;

    if (len > NEAREST_LEN_MAX)
        return NULL;
    for (size_t i = 0; i < candidates_len; i++) {
        size_t other = strnlen(candidates[i], NEAREST_LEN_MAX + 1), distance;
        if (other > NEAREST_LEN_MAX)
            continue;
        distance = edit_distance(word, len, candidates[i], other);
        if (distance < best && 2 * distance < len) {
            best = distance;
            ret = candidates[i];
        }
    }
    return ret;
}

size_t
kb_display_width(const char *s)
{
    size_t len = strlen(s), width = 0;

    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = kb_utf8_next(s + i, len - i, &c);
        width += n ? kb_codepoint_width(c) : 1; /* a stray byte: shown as one replacement character */
        i += n ? n : 1;
    }
    return width;
}
