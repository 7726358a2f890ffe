/* base/str.h: small text functions that several rooms need, all locale-free.
 *
 * Why:    strtol accepts too much, strcasecmp asks the locale, fnmatch knows no capture; a wrong match here
 * lets somebody in. Owns:   nothing unless said.
 */
#ifndef KB_BASE_STR_H
#define KB_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The whole string is one decimal number in [min, max]; no sign but '-', no blank, no leading zeros, no
 * overflow. */
bool kb_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret);

bool kb_is_digits(const char *s, size_t min_len, size_t max_len); /* ASCII 0-9 only */
bool kb_utf8_valid(const char *s, size_t len); /* no surrogates, no overlong forms, NUL allowed */
/* Whatever is no well-formed UTF-8 becomes '?', byte by byte: for words for people that a size or a precision may have cut. */
void kb_utf8_mend(char *s);
bool kb_has_control(const char *s); /* C0, DEL, C1, bidi control, zero-width */

char kb_ascii_lower(char c);
int kb_ascii_casecmp(const char *a, const char *b); /* order by ASCII-lower-cased bytes */
void kb_ascii_lower_inplace(char *s);

/* Glob with captures. '*' matches any run; with `path` it stays within one '/' level and "**" crosses levels.
 * On a match up to KB_GLOB_CAPTURES captures are set as (offset, length) of `s`. Leftmost stars are as short
 * as possible. Works in O(len(pattern) * len(s)), with both kinds of star times the longest level. Source:
 * interface section 3, rules. */
#define KB_GLOB_CAPTURES 9

struct kb_glob_match {
    unsigned len;

    struct {
        size_t start, len;
    } cap[KB_GLOB_CAPTURES];
};

bool kb_glob(const char *pattern, const char *s, bool path, struct kb_glob_match *ret /* may be NULL */);

/* The candidate nearest to `word` (edit distance at most 3 and less than half of the word), or NULL.
 * Borrowed. */
const char *kb_nearest(const char *word, const char *const *candidates, size_t candidates_len);

/* Columns `s` takes on a terminal: wide East Asian 2, combining 0; own table, no locale. */
size_t kb_display_width(const char *s);

/* "2026-11-23T06:00:04Z" of Unix seconds; buf of KB_TIME_SIZE. Years 1970..9999, else "?" */
#define KB_TIME_SIZE 24
const char *kb_time_format(int64_t unix_s, char buf[KB_TIME_SIZE]);
/* RFC 3339 UTC ("Z" only) or a date alone (midnight UTC). */
bool kb_time_parse(const char *s, int64_t *ret_unix_s);

#endif
