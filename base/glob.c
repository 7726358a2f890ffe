/* base/glob.c: kb_glob. Two save points instead of recursion: the last '*' and the last "**".
 *
 * Why it is enough: among stars of one kind the leftmost possible place of the text between two stars is
 * never worse than a later one, because the later star takes up the difference. A '*' that would have to
 * cross '/' falls back to the last "**". No memory, so it cannot fail; tests compare it with a backtracking
 * reference over all short patterns. Cost: len(pattern) * len(s); with both kinds of star, times one level's
 * length.
 */
#include "base/ban.h"

#include "base/str.h"

/* Where to go on after a mismatch: the star takes one byte more. */
struct save {
    const char *pattern; /* behind the star, NULL: no such star yet */
    const char *s;       /* the star's end so far */
    unsigned stars;      /* number of stars up to and with this one */
};

static void
end_capture(struct kb_glob_match *m, unsigned star, const char *whole, const char *end)
{
    if (star < KB_GLOB_CAPTURES)
        m->cap[star].len = (size_t) (end - whole) - m->cap[star].start;
}

static void
begin_capture(struct kb_glob_match *m, unsigned star, const char *whole, const char *at)
{
    if (star < KB_GLOB_CAPTURES) {
        m->cap[star].start = (size_t) (at - whole);
        m->cap[star].len = 0;
    }
}

/* The nearest star that can take one byte more does so; false when there is none. */
static bool
extend(struct save *one, struct save *any, const struct save **ret)
{
    if (one->pattern && *one->s && *one->s != '/') {
        one->s++;
        *ret = one;
        return true;
    }
    if (any->pattern && *any->s) {
        one->pattern = NULL; /* the stars behind it begin anew */
        any->s++;
        *ret = any;
        return true;
    }
    return false;
}

bool
kb_glob(const char *pattern, const char *s, bool path, struct kb_glob_match *ret)
{
    struct kb_glob_match m = {0};
    struct save one = {0}, any = {0};
    const char *whole = s, *p = pattern;
    unsigned stars = 0;

    for (;;) {
        const struct save *from;
        if (*p == '*') {
            bool twice = p[1] == '*';
            struct save here = {.pattern = p + 1 + twice, .s = s, .stars = stars + 1};
            begin_capture(&m, stars++, whole, s);
            p = here.pattern;
            if (twice || !path) {
                any = here;
                one.pattern = NULL;
            } else {
                one = here;
            }
            continue;
        }
        if (*p == *s) {
            if (!*p)
                break;
            p++, s++;
            continue;
        }
        if (!extend(&one, &any, &from))
            return false;
        p = from->pattern, s = from->s, stars = from->stars;
        end_capture(&m, stars - 1, whole, s);
    }
    m.len = stars < KB_GLOB_CAPTURES ? stars : KB_GLOB_CAPTURES;
    if (ret)
        *ret = m;
    return true;
}
