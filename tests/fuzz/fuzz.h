/* tests/fuzz/fuzz.h: what the fuzz targets share: a check that no build leaves out, and an input that is cut into parts.
 *
 * Why:    each target is one binary for several readers that are alike; the first byte chooses which one reads the rest, so that the
 * fuzzer, which sees only coverage, can get from one to the other. Owns: texts of fuzz_text are the caller's; bytes are borrowed.
 */
#ifndef KB_TESTS_FUZZ_H
#define KB_TESTS_FUZZ_H

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The parts of fuzz_text.c. */
int fuzz_json(const uint8_t *data, size_t size);
int fuzz_words(const uint8_t *data, size_t size);
int fuzz_identity(const uint8_t *data, size_t size);

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

struct fuzz_input {
    const char *p;
    size_t len;
};

/* 0 at the end. */
static inline uint8_t
fuzz_byte(struct fuzz_input *in)
{
    if (!in->len)
        return 0;
    in->len--;
    return (uint8_t) *in->p++;
}

/* Up to the next newline, which is stepped over, or the end; a NUL ends it earlier. */
static inline char *
fuzz_line(struct fuzz_input *in)
{
    const char *end = in->len ? memchr(in->p, '\n', in->len) : NULL;
    size_t len = end ? (size_t) (end - in->p) : in->len, step = len + (end ? 1 : 0);
    char *ret = kb_strndup(in->len ? in->p : "", len);

    CHECK(ret);
    if (in->len) {
        in->p += step;
        in->len -= step;
    }
    return ret;
}

/* A reader said no: for one of the reasons it may have (two at most), in words that can be shown. */
static inline void
fuzz_refused(int r, const struct kb_error *err, enum kb_code a, enum kb_code b)
{
    CHECK(r < 0 && (int) err->code == -r);
    CHECK(err->code == a || err->code == b);
    CHECK(err->msg[0] && strlen(err->msg) < sizeof(err->msg));
    CHECK(!kb_has_control(err->msg) && kb_utf8_valid(err->msg, strlen(err->msg)));
}

#endif
