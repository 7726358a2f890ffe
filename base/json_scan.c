#include "base/ban.h"

#include "base/json_scan.h"

_Static_assert(KB_JSON_DEPTH_MAX <= 32, "one bit of `objects` for each level");

/* What the parts of a value answer: go on, the part is complete, the bytes are used up, or refused. */
enum part { PART_DONE, PART_MORE, PART_ERROR };

static enum part
refuse(struct kb_scan *s, const char *why)
{
    s->error = why;
    return PART_ERROR;
}

/* ---- strings ---- */

/* Steps of an escape: 0 none, then what is expected next. */
enum { ESC_NONE, ESC_ANY, ESC_HEX1, ESC_HEX2, ESC_HEX3, ESC_HEX4, ESC_LOW_SLASH, ESC_LOW_U };

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
is_high_surrogate(unsigned unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

/* After the fourth digit. `low`: a high surrogate stands before it. */
static enum part
end_unit(struct kb_scan *s, bool low, unsigned unit)
{
    bool is_low = unit >= 0xdc00 && unit < 0xe000;

    if (low != is_low)
        return refuse(s, "a lone surrogate in a string");
    if (unit == 0)
        return refuse(s, "a NUL in a string");
    s->step = is_high_surrogate(unit) ? ESC_LOW_SLASH : ESC_NONE;
    return PART_DONE;
}

/* In `step`: this escape must be the low half of a pair. */
#define LOW 0x80

static enum part
take_escape(struct kb_scan *s, char c)
{
    uint8_t low = s->step & LOW;
    int digit;

    switch (s->step & ~LOW) {
    case ESC_ANY:
        if (c == 'u')
            s->step = ESC_HEX1;
        else if (c && strchr("\"\\/bfnrt", c))
            s->step = ESC_NONE;
        else
            return refuse(s, "an unknown escape in a string");
        return PART_DONE;
    case ESC_LOW_SLASH:
        if (c != '\\')
            return refuse(s, "a lone surrogate in a string");
        s->step = ESC_LOW_U;
        return PART_DONE;
    case ESC_LOW_U:
        if (c != 'u')
            return refuse(s, "a lone surrogate in a string");
        s->step = ESC_HEX1 | LOW;
        return PART_DONE;
    default:
        digit = hex_value(c);
        if (digit < 0)
            return refuse(s, "an escape without four hexadecimal digits");
        s->unit =
            (uint16_t) ((unsigned) s->unit << 4 | (unsigned) digit); /* old digits fall out at the top */
        if ((s->step & ~LOW) == ESC_HEX4)
            return end_unit(s, low, s->unit);
        s->step++;
        return PART_DONE;
    }
}

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Marks (in the top bits) bytes that are zero; bytes above a true one may be marked too. */
static inline uint64_t
zero_bytes(uint64_t v)
{
    return (v - ONES) & ~v;
}

/* Behind the run of bytes that need no look: not quote, backslash or control. */
static inline const char *
skip_plain(const char *p, const char *end, bool *high)
{
    uint64_t seen = 0;

    while (end - p >= 8) {
        uint64_t v, special;
        memcpy(&v, p, 8);
        special = zero_bytes(v ^ ONES * '"') | zero_bytes(v ^ ONES * '\\') | ((v - ONES * 0x20) & ~v);
        if (special & HIGHS)
            break;
        seen |= v;
        p += 8;
    }
    for (; p < end && *p != '"' && *p != '\\' && (uint8_t) *p >= 0x20; p++)
        seen |= (uint64_t) (uint8_t) *p;
    *high |= (seen & HIGHS) != 0;
    return p;
}

static inline enum part
scan_string(struct kb_scan *s, const char **at, const char *end)
{
    const char *p = *at;
    enum part part = PART_MORE;

    while (p < end) {
        if (s->step == ESC_NONE) {
            p = skip_plain(p, end, &s->high);
            if (p == end)
                break;
            if (*p == '"') {
                p++;
                part = PART_DONE;
                break;
            }
            if (*p++ != '\\') {
                part = refuse(s, "a control character in a string");
                break;
            }
            s->step = ESC_ANY;
        } else if (take_escape(s, *p++) == PART_ERROR) {
            part = PART_ERROR;
            break;
        }
    }
    *at = p;
    return part;
}

/* ---- numbers and literals ---- */

enum { NUM_MINUS, NUM_ZERO, NUM_INT, NUM_DOT, NUM_FRACTION, NUM_E, NUM_SIGN, NUM_EXPONENT };

static bool
number_may_end(const struct kb_scan *s)
{
    return s->step == NUM_ZERO || s->step == NUM_INT || s->step == NUM_FRACTION || s->step == NUM_EXPONENT;
}

/* The step after `c`, or -1: the number does not go on with it. */
static int
next_step(unsigned step, char c)
{
    bool digit = c >= '0' && c <= '9';

    switch (step) {
    case NUM_MINUS:
        return !digit ? -1 : c == '0' ? NUM_ZERO : NUM_INT;
    case NUM_INT:
        if (digit)
            return NUM_INT;
        __attribute__((fallthrough));
    case NUM_ZERO:
        return c == '.' ? NUM_DOT : c == 'e' || c == 'E' ? NUM_E : -1;
    case NUM_DOT:
        return digit ? NUM_FRACTION : -1;
    case NUM_FRACTION:
        return digit ? NUM_FRACTION : c == 'e' || c == 'E' ? NUM_E : -1;
    case NUM_E:
        if (c == '+' || c == '-')
            return NUM_SIGN;
        __attribute__((fallthrough));
    default:
        return digit ? NUM_EXPONENT : -1;
    }
}

static inline enum part
scan_number(struct kb_scan *s, const char **at, const char *end)
{
    for (const char *p = *at; p < end; p++) {
        int step = next_step(s->step, *p);
        if (step < 0) {
            *at = p;
            if (number_may_end(s))
                return PART_DONE;
            *at = p + 1;
            return refuse(s, "a number that is none");
        }
        s->step = (uint8_t) step;
    }
    *at = end;
    return PART_MORE;
}

static inline enum part
scan_literal(struct kb_scan *s, const char **at, const char *end)
{
    const char *p = *at;

    while (*s->rest && p < end) {
        if (*p++ != *s->rest++) {
            *at = p;
            return refuse(s, "a word that is not true, false or null");
        }
    }
    *at = p;
    return *s->rest ? PART_MORE : PART_DONE;
}

/* ---- structure ---- */

static inline bool
in_object(const struct kb_scan *s)
{
    return s->objects >> (s->depth - 1) & 1;
}

static inline bool
open_container(struct kb_scan *s, bool object)
{
    if (s->depth == KB_JSON_DEPTH_MAX) {
        s->error = "nested too deeply";
        return false;
    }
    s->objects = (s->objects & ~(UINT32_C(1) << s->depth)) | (uint32_t) object << s->depth;
    s->depth++;
    s->state = object ? KB_SCAN_FIRST_KEY : KB_SCAN_FIRST_VALUE;
    return true;
}

/* A value begins with `c`. Containers and first bytes of scalars; false: refused. */
static inline bool
open_value(struct kb_scan *s, char c)
{
    switch (c) {
    case '"':
        s->state = KB_SCAN_STRING;
        s->key = false;
        s->step = ESC_NONE;
        return true;
    case '{':
        return open_container(s, true);
    case '[':
        return open_container(s, false);
    case 't':
        s->rest = "rue";
        break;
    case 'f':
        s->rest = "alse";
        break;
    case 'n':
        s->rest = "ull";
        break;
    default:
        if (c != '-' && (c < '0' || c > '9')) {
            s->error = "a byte that begins no value";
            return false;
        }
        s->state = KB_SCAN_NUMBER;
        s->step = c == '-' ? NUM_MINUS : c == '0' ? NUM_ZERO : NUM_INT;
        return true;
    }
    s->state = KB_SCAN_LITERAL;
    return true;
}

/* A value is complete. */
static inline enum kb_scan_event
end_value(struct kb_scan *s)
{
    s->state = s->depth ? KB_SCAN_COMMA : KB_SCAN_DONE;
    return s->depth == s->watch ? KB_SCAN_END : KB_SCAN_MORE;
}

static inline enum kb_scan_event
close_container(struct kb_scan *s)
{
    enum kb_scan_event event;

    s->depth--;
    event = end_value(s);
    return s->depth < s->watch ? KB_SCAN_CLOSE : event;
}

static inline enum kb_scan_event
end_string(struct kb_scan *s)
{
    if (!s->key)
        return end_value(s);
    s->state = KB_SCAN_COLON;
    return s->depth == s->watch ? KB_SCAN_KEY_END : KB_SCAN_MORE;
}

/* One structural byte that is no blank. *p is behind it; an event that wants *p on it moves it back. */
static inline enum kb_scan_event
take_structure(struct kb_scan *s, char c, const char **p)
{
    switch (s->state) {
    case KB_SCAN_FIRST_VALUE:
        if (c == ']')
            return close_container(s);
        __attribute__((fallthrough));
    case KB_SCAN_VALUE:
        if (s->depth == s->watch) {
            s->state = KB_SCAN_VALUE_NOW;
            --*p;
            return KB_SCAN_BEGIN;
        }
        __attribute__((fallthrough));
    case KB_SCAN_VALUE_NOW:
        return open_value(s, c) ? KB_SCAN_MORE : KB_SCAN_ERROR;
    case KB_SCAN_FIRST_KEY:
        if (c == '}')
            return close_container(s);
        __attribute__((fallthrough));
    case KB_SCAN_KEY:
        if (s->depth == s->watch && c == '"') {
            s->state = KB_SCAN_KEY_NOW;
            --*p;
            return KB_SCAN_KEY_BEGIN;
        }
        __attribute__((fallthrough));
    case KB_SCAN_KEY_NOW:
        s->error = "a key must be a string in double quotes";
        s->state = KB_SCAN_STRING;
        s->key = true;
        s->step = ESC_NONE;
        return c == '"' ? KB_SCAN_MORE : KB_SCAN_ERROR;
    case KB_SCAN_COLON:
        s->error = "a colon must follow a key";
        s->state = KB_SCAN_VALUE;
        return c == ':' ? KB_SCAN_MORE : KB_SCAN_ERROR;
    case KB_SCAN_COMMA:
        if (c == ',') {
            s->state = in_object(s) ? KB_SCAN_KEY : KB_SCAN_VALUE;
            return KB_SCAN_MORE;
        }
        if (c == (in_object(s) ? '}' : ']'))
            return close_container(s);
        s->error = "a comma or the closing bracket must follow a value";
        return KB_SCAN_ERROR;
    case KB_SCAN_DONE:
    case KB_SCAN_STRING:
    case KB_SCAN_NUMBER:
    case KB_SCAN_LITERAL:
    default:
        s->error = "bytes behind the document";
        return KB_SCAN_ERROR;
    }
}

static inline bool
is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

enum kb_scan_event
kb_scan_run(struct kb_scan *s, const char **at, const char *end)
{
    const char *p = *at;
    enum kb_scan_event event = KB_SCAN_MORE;

    while (event == KB_SCAN_MORE && p < end) {
        enum part part;
        switch (s->state) {
        case KB_SCAN_STRING:
            part = scan_string(s, &p, end);
            if (part == PART_DONE)
                event = end_string(s);
            break;
        case KB_SCAN_NUMBER:
            part = scan_number(s, &p, end);
            if (part == PART_DONE)
                event = end_value(s);
            break;
        case KB_SCAN_LITERAL:
            part = scan_literal(s, &p, end);
            if (part == PART_DONE)
                event = end_value(s);
            break;
        case KB_SCAN_VALUE:
        case KB_SCAN_VALUE_NOW:
        case KB_SCAN_FIRST_VALUE:
        case KB_SCAN_FIRST_KEY:
        case KB_SCAN_KEY:
        case KB_SCAN_KEY_NOW:
        case KB_SCAN_COLON:
        case KB_SCAN_COMMA:
        case KB_SCAN_DONE:
        default:
            while (p < end && is_blank(*p))
                p++;
            if (p == end)
                goto out;
            part = PART_DONE;
            p++;
            event = take_structure(s, p[-1], &p);
            break;
        }
        if (part == PART_ERROR)
            event = KB_SCAN_ERROR;
    }
out:
    *at = p;
    return event;
}

bool
kb_scan_complete(const struct kb_scan *s)
{
    return s->state == KB_SCAN_DONE || (s->state == KB_SCAN_NUMBER && s->depth == 0 && number_may_end(s));
}
