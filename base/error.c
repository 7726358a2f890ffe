#include "base/ban.h"

#define KB_ERROR_IMPLEMENTATION
#include "base/error.h"

#include "base/mem.h"
#include "base/unicode.h"

#include <stdarg.h>

static const char *const code_names[] = {
    [KB_OK] = "ok",         [KB_E_NOMEM] = "nomem",     [KB_E_USAGE] = "usage", [KB_E_CONFIG] = "config",
    [KB_E_NET] = "net",     [KB_E_AUTH] = "auth",       [KB_E_HTTP] = "http",   [KB_E_PROTOCOL] = "protocol",
    [KB_E_STORE] = "store", [KB_E_IO] = "io",           [KB_E_BUSY] = "busy",   [KB_E_STALE] = "stale",
    [KB_E_HELD] = "held",   [KB_E_STOPPED] = "stopped", [KB_E_BUG] = "bug",
};
_Static_assert(KB_LEN(code_names) == KB_CODE_MAX_, "a code has no name");

#define MSG_SIZE sizeof(((struct kb_error *) NULL)->msg)

/* A message may carry bytes of a server: afterwards it is one line of valid UTF-8 that hides nothing. */
static void
clean(char *msg, size_t len)
{
    char *to = msg;

    for (size_t i = 0; i < len;) {
        uint32_t c = 0;
        size_t n = kb_utf8_next(msg + i, len - i, &c);
        if (n == 0 || kb_codepoint_hidden(c)) {
            *to++ = '?';
        } else {
            memmove(to, msg + i, n);
            to += n;
        }
        i += n ? n : 1;
    }
    *to = '\0';
}

/* Formats beside *err first: an argument may be err->msg itself. */
static void format_message(struct kb_error *err, const char *fmt, va_list args, const char *sep,
                           const char *tail) __attribute__((format(printf, 2, 0)));

static void
format_message(struct kb_error *err, const char *fmt, va_list args, const char *sep, const char *tail)
{
    char text[MSG_SIZE];
    int head = vsnprintf(text, sizeof(text), fmt, args);
    size_t len = head < 0 ? 0 : (size_t) head < sizeof(text) ? (size_t) head : sizeof(text) - 1;

    text[len] = '\0';
    if (*tail) {
        int more = snprintf(text + len, sizeof(text) - len, "%s%s", sep, tail);
        len = more < 0 ? len : (size_t) more < sizeof(text) - len ? len + (size_t) more : sizeof(text) - 1;
    }
    if (len == sizeof(text) - 1)
        len = kb_utf8_cut(text, len);
    clean(text, len);
    memcpy(err->msg, text, sizeof(text));
}

int
kb_fail(struct kb_error *err, enum kb_code code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    format_message(err, fmt, args, "", "");
    va_end(args);
    err->code = code;
    err->status = 0;
    err->sub = 0;
    err->retry = false;
    return -(int) code;
}

int
kb_fail_errno(struct kb_error *err, enum kb_code code, int errnum, const char *fmt, ...)
{
    /* not strerror: its text depends on the locale */
    const char *why = strerrordesc_np(errnum);
    va_list args;

    va_start(args, fmt);
    format_message(err, fmt, args, ": ", why ? why : "unknown error");
    va_end(args);
    err->code = code;
    err->status = 0;
    err->sub = errnum;
    err->retry = false;
    return -(int) code;
}

int
kb_fail_prefix(struct kb_error *err, const char *fmt, ...)
{
    char inner[MSG_SIZE];
    va_list args;

    memcpy(inner, err->msg, sizeof(inner));
    va_start(args, fmt);
    format_message(err, fmt, args, ": ", inner);
    va_end(args);
    return -(int) err->code;
}

void
kb_error_gather(struct kb_error *err, const struct kb_error *other)
{
    if (err->code == KB_OK)
        *err = *other;
}

const char *
kb_code_name(enum kb_code code)
{
    size_t i = (size_t) code;

    return i < KB_LEN(code_names) ? code_names[i] : "unknown";
}
