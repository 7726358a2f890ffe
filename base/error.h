/* base/error.h: one error object for every room.
 *
 * Why:     a reconciler must know afterwards what failed, at which server, with which status, and whether a
 * later run may succeed. errno alone cannot say it, and a thread-local "last error" goes stale. Owns:
 * nothing; struct kb_error lives on the caller's stack and needs no freeing. Errors:  a function that can
 * fail returns int: 0 (or 1 where its header says so) is fine, < 0 is -code. `err` is the last parameter,
 * never NULL, and untouched on success. Source:  c-anchors section 4.3.
 */
#ifndef KB_BASE_ERROR_H
#define KB_BASE_ERROR_H

#include <stdbool.h>

enum kb_code {
    KB_OK,
    KB_E_NOMEM,    /* out of memory, or a cap of our own was reached by our own data */
    KB_E_USAGE,    /* command line, or a file named there that is not what it should be */
    KB_E_CONFIG,   /* configuration or a secret file */
    KB_E_NET,      /* no HTTP answer: resolve, connect, TLS, time-out, reset, cut body */
    KB_E_AUTH,     /* the token endpoint refused us, or 401 twice */
    KB_E_HTTP,     /* an HTTP answer with an unwanted status; `status` has it */
    KB_E_PROTOCOL, /* an answer that is not what the API promises: not JSON, wrong shape, over a cap */
    KB_E_STORE,    /* database, audit chain */
    KB_E_IO,       /* local file or stream; `sub` is errno */
    KB_E_BUSY,     /* somebody else holds the lock */
    KB_E_STALE,    /* a saved plan that no longer fits */
    KB_E_HELD,     /* a guard decided */
    KB_E_STOPPED,  /* signal, or the deadline passed */
    KB_E_BUG,      /* ours */
    KB_CODE_MAX_
};

struct kb_error {
    enum kb_code code;
    int status;    /* HTTP status, 0 if none */
    int sub;       /* errno, CURLcode or extended SQLite code, by `code`; 0 if none */
    bool retry;    /* the same call may succeed later */
    char msg[512]; /* one line, terminated, no secrets, control bytes replaced; "outer: inner" */
};

/* Sets all of *err (status and sub 0, retry false), returns -code. */
int kb_fail(struct kb_error *err, enum kb_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), nonnull, cold));

/* The same with errno's text behind it; sub = errnum. */
int kb_fail_errno(struct kb_error *err, enum kb_code code, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 4, 5), nonnull, cold));

/* Puts "context: " in front of the message that is there; code, status, sub and retry stay. Returns
 * -err->code. */
int kb_fail_prefix(struct kb_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), nonnull, cold));

/* Keeps the first of several errors: copies *other into *err when *err holds none. */
void kb_error_gather(struct kb_error *err, const struct kb_error *other) __attribute__((nonnull));

const char *kb_code_name(enum kb_code code); /* "net", "store", …; never NULL */

/* The analyzer cannot see that these never return 0 or more. */
#if defined(__clang_analyzer__) && !defined(KB_ERROR_IMPLEMENTATION)
#define kb_fail(err, code, ...) ((void) kb_fail((err), (code), __VA_ARGS__), -1)
#define kb_fail_errno(err, code, ...) ((void) kb_fail_errno((err), (code), __VA_ARGS__), -1)
#define kb_fail_prefix(err, ...) ((void) kb_fail_prefix((err), __VA_ARGS__), -1)
#endif

#endif
