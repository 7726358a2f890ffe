/* base/mem.h: cleanup attributes, stealing, and arrays that grow.
 *
 * Why:    every early return must be safe; out of memory is an error like any other (a run must not die
 * between two PATCHes without writing its record). Owns:   what a function returns by value belongs to its
 * parent; what comes back through a pointer belongs to the caller. Source: c-anchors section 4.4.
 */
#ifndef KB_BASE_MEM_H
#define KB_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in parentheses here */
#define KB_DEFINE_CLEANUP(name, T, free_fn) \
    static inline void name##_cleanup(T *p) \
    {                                       \
        if (*p)                             \
            free_fn(*p);                    \
    }
/* NOLINTEND(bugprone-macro-parentheses) */
#define KB_CLEANUP(name) __attribute__((cleanup(name##_cleanup)))

#define kb_steal(p)                      \
    ({                                   \
        __typeof__(p) kb_p_ = (p);       \
        __typeof__(*(p)) kb_v_ = *kb_p_; \
        *kb_p_ = NULL;                   \
        kb_v_;                           \
    })

#define KB_LEN(array) (sizeof(array) / sizeof((array)[0]))

static inline void
kb_free_cleanup(void *p)
{
    free(*(void **) p);
}

static inline void
kb_close_cleanup(const int *fd)
{
    if (*fd >= 0)
        (void) close(*fd);
}

/* KB_CLEANUP(kb_free) char *s = NULL;   KB_CLEANUP(kb_close) int fd = -1; */

/* Makes room for at least `want` elements of `size` bytes in *array; doubles, never shrinks, new space is not
 * zeroed. `max` is the most elements this array may ever have. False: out of memory or over max; the array is
 * as before. */
bool kb_grow(void *array, size_t *cap, size_t want, size_t size, size_t max)
    __attribute__((warn_unused_result));

/* strdup of at most `len` bytes, terminated; NULL when out of memory. */
char *kb_strndup(const char *s, size_t len) __attribute__((warn_unused_result));

/* printf into a new string; NULL when out of memory. */
char *kb_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), warn_unused_result));

#endif
