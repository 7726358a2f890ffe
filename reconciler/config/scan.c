/* A lexer for what libconfig accepts silently and wrongly. It follows libconfig's own scanner: comments are
 * #, // and slash-star, strings are "…" with backslash escapes, and nothing else can hide a digit. */
#include "base/ban.h"

#include "reconciler/config/internal.h"

#include <ctype.h>

struct scan {
    const char *p, *end;
    unsigned line;
};

static bool
skip_comment(struct scan *s)
{
    const char *p = s->p;
    bool line_comment = *p == '#' || (*p == '/' && p + 1 < s->end && p[1] == '/');
    if (line_comment) {
        while (s->p < s->end && *s->p != '\n')
            s->p++;
        return true;
    }
    if (*p == '/' && p + 1 < s->end && p[1] == '*') {
        for (s->p += 2; s->p < s->end; s->p++) {
            if (*s->p == '\n')
                s->line++;
            if (*s->p == '*' && s->p + 1 < s->end && s->p[1] == '/') {
                s->p += 2;
                break;
            }
        }
        return true;
    }
    return false;
}

static void
skip_string(struct scan *s)
{
    for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {
        if (*s->p == '\n')
            s->line++;
        if (*s->p == '\\' && s->p + 1 < s->end)
            s->p++;
    }
    if (s->p < s->end)
        s->p++;
}

static bool
is_word(char c)
{
    return isalnum((unsigned char) c) || c == '_' || c == '.' || c == '+' || c == '-' || c == '*';
}

/* A token that starts with a digit (after an optional sign). */
static void
check_number(struct loading *l, const char *token, size_t len, unsigned line)
{
    const char *d = token;
    size_t n = len;
    if (n && (*d == '-' || *d == '+')) {
        d++;
        n--;
    }
    if (!n || !isdigit((unsigned char) *d))
        return;
    size_t digits = 0;
    while (digits < n && isdigit((unsigned char) d[digits]))
        digits++;
    if (digits < n && (d[digits] == '.' || d[digits] == 'e' || d[digits] == 'E'))
        return; /* a float */
    if (digits > 9)
        config_error(l, line,
                     "the number %.*s has more than nine digits, which libconfig would change silently",
                     (int) (len < 40 ? len : 40), token);
    else if (digits > 1 && *d == '0')
        config_error(l, line, "the number %.*s has a leading zero; write it without", (int) len, token);
    else if (n > 2 && *d == '0' && (d[1] == 'x' || d[1] == 'X'))
        config_error(l, line, "the number %.*s is hexadecimal; write it in decimal",
                     (int) (len < 40 ? len : 40), token);
}

static void
scan_word(struct loading *l, struct scan *s)
{
    const char *start = s->p;
    while (s->p < s->end && is_word(*s->p))
        s->p++;
    check_number(l, start, (size_t) (s->p - start), s->line);
}

void
config_scan(struct loading *l, const char *text, size_t len, unsigned *ret_comma)
{
    struct scan s = {.p = text, .end = text + len, .line = 1};
    unsigned comma = 0; /* line of a comma that nothing has followed yet */
    *ret_comma = 0;
    while (s.p < s.end) {
        char c = *s.p;
        if (c == '\n') {
            s.line++;
            s.p++;
        } else if (isspace((unsigned char) c)) {
            s.p++;
        } else if (skip_comment(&s)) {
            continue;
        } else {
            if (comma && (c == ')' || c == ']') && !*ret_comma)
                *ret_comma = comma;
            comma = c == ',' ? s.line : 0;
            if (c == '"')
                skip_string(&s);
            else if (c == '@') {
                config_error(
                    l, s.line,
                    "@include is not supported: one file, so that what decides a plan can be seen at once");
                while (s.p < s.end && *s.p != '\n')
                    s.p++;
            } else if (is_word(c))
                scan_word(l, &s);
            else
                s.p++;
        }
    }
}
