/* base/buf.h: a byte buffer with a maximum.
 *
 * Why:    no unbounded buffer can be made: the cap is an argument of init. Failure is sticky, so a run of
 * appends needs one check at the end. Owns:   struct kb_buf is the caller's; kb_buf_done frees its content.
 * The bytes are always terminated with NUL. Errors: `failed` is set by out of memory or by the cap; the
 * content is then freed and the buffer stays empty. Source: curl lib/curlx/dynbuf.c, libgit2 git_str (ideas).
 */
#ifndef KB_BASE_BUF_H
#define KB_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kb_buf {
    char *data; /* NULL until something was added */
    size_t len, cap, max;
    bool failed;
};

#define KB_BUF_INIT(max_size) \
    {                         \
        .max = (max_size)     \
    }

void kb_buf_init(struct kb_buf *b, size_t max_size);
void kb_buf_done(struct kb_buf *b);
void kb_buf_clear(struct kb_buf *b); /* keeps the memory, resets `failed` */

static inline void
kb_buf_cleanup(struct kb_buf *b)
{
    kb_buf_done(b);
}

/* KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(4096); */

void kb_buf_add(struct kb_buf *b, const void *bytes, size_t len);
void kb_buf_adds(struct kb_buf *b, const char *s);
void kb_buf_addc(struct kb_buf *b, char c);
void kb_buf_addf(struct kb_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One URL path or query segment, percent-encoded: everything but RFC 3986 unreserved. Refuses (failed)
 * nothing. */
void kb_buf_add_segment(struct kb_buf *b, const char *s);

/* For people: C0, DEL, C1, bidi controls, zero-width characters and invalid UTF-8 come out as \xNN or
 * \u{NNNN}. */
void kb_buf_add_visible(struct kb_buf *b, const char *s);

/* A JSON string with quotes, RFC 8785 section 3.2.2.2 escapes. The input must be valid UTF-8, else failed. */
void kb_buf_add_json(struct kb_buf *b, const char *s);

const char *kb_buf_str(const struct kb_buf *b); /* "" when empty; borrowed until the next change */
char *kb_buf_steal(struct kb_buf *b);           /* NULL when failed; caller frees */

#endif
