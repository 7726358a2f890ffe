#include "base/ban.h"

#include "base/buf.h"

#include "base/unicode.h"

#include <stdarg.h>

#define FIRST_CAP 64

static void
fail(struct kb_buf *b)
{
    free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
    b->failed = true;
}

/* Room for `more` bytes and the terminator; `cap` counts both. */
static bool
reserve(struct kb_buf *b, size_t more)
{
    size_t want, cap;
    char *grown;

    if (b->failed)
        return false;
    if (more > b->max - b->len || __builtin_add_overflow(b->len + more, (size_t) 1, &want)) {
        fail(b);
        return false;
    }
    if (want <= b->cap)
        return true;
    cap = b->cap < FIRST_CAP ? FIRST_CAP : b->cap;
    while (cap < want)
        cap = cap > SIZE_MAX / 2 ? want : cap * 2;
    if (b->max < SIZE_MAX && cap > b->max + 1)
        cap = b->max + 1;
    grown = realloc(b->data, cap);
    if (!grown) {
        fail(b);
        return false;
    }
    b->data = grown;
    b->cap = cap;
    return true;
}

void
kb_buf_init(struct kb_buf *b, size_t max_size)
{
    *b = (struct kb_buf) KB_BUF_INIT(max_size);
}

void
kb_buf_done(struct kb_buf *b)
{
    free(b->data);
    kb_buf_init(b, b->max);
}

void
kb_buf_clear(struct kb_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

void
kb_buf_add(struct kb_buf *b, const void *bytes, size_t len)
{
    if (!reserve(b, len))
        return;
    if (len)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void
kb_buf_adds(struct kb_buf *b, const char *s)
{
    kb_buf_add(b, s, strlen(s));
}

void
kb_buf_addc(struct kb_buf *b, char c)
{
    kb_buf_add(b, &c, 1);
}

void
kb_buf_addf(struct kb_buf *b, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        fail(b);
        return;
    }
    if (!reserve(b, (size_t) n))
        return;
    va_start(args, fmt);
    n = vsnprintf(b->data + b->len, (size_t) n + 1, fmt, args);
    va_end(args);
    if (n < 0)
        fail(b);
    else
        b->len += (size_t) n;
}

static bool
is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void
kb_buf_add_segment(struct kb_buf *b, const char *s)
{
    static const char hex[] = "0123456789ABCDEF"; /* RFC 3986 section 2.1: upper case */

    for (; *s; s++) {
        uint8_t c = (uint8_t) *s;
        if (is_unreserved(*s)) {
            kb_buf_addc(b, *s);
        } else {
            const char triple[3] = {'%', hex[c >> 4], hex[c & 15]};
            kb_buf_add(b, triple, sizeof(triple));
        }
    }
}

void
kb_buf_add_visible(struct kb_buf *b, const char *s)
{
    size_t len = strlen(s), plain = 0;

    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = kb_utf8_next(s + i, len - i, &c);
        if (n && !kb_codepoint_hidden(c)) {
            i += n;
            continue;
        }
        kb_buf_add(b, s + plain, i - plain);
        if (n == 0 || c < 0x80)
            kb_buf_addf(b, "\\x%02X", (unsigned) (uint8_t) s[i]);
        else
            kb_buf_addf(b, "\\u{%04X}", (unsigned) c);
        i += n ? n : 1;
        plain = i;
    }
    kb_buf_add(b, s + plain, len - plain);
}

void
kb_buf_add_json(struct kb_buf *b, const char *s)
{
    static const char shorts[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    size_t len = strlen(s), plain = 0;

    kb_buf_addc(b, '"');
    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = kb_utf8_next(s + i, len - i, &c);
        if (n == 0) {
            fail(b);
            return;
        }
        if (c >= 0x20 && c != '"' && c != '\\') {
            i += n;
            continue;
        }
        kb_buf_add(b, s + plain, i - plain);
        if (c >= 0x20) {
            const char pair[2] = {'\\', (char) c};
            kb_buf_add(b, pair, 2);
        } else if (shorts[c]) {
            const char pair[2] = {'\\', shorts[c]};
            kb_buf_add(b, pair, 2);
        } else {
            kb_buf_addf(b, "\\u%04x", (unsigned) c);
        }
        plain = ++i;
    }
    kb_buf_add(b, s + plain, len - plain);
    kb_buf_addc(b, '"');
}

const char *
kb_buf_str(const struct kb_buf *b)
{
    return b->data ? b->data : "";
}

char *
kb_buf_steal(struct kb_buf *b)
{
    char *ret;

    if (!reserve(b, 0))
        return NULL;
    b->data[b->len] = '\0';
    ret = b->data;
    kb_buf_init(b, b->max);
    return ret;
}
