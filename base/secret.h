/* base/secret.h: a value that no formatter takes.
 *
 * Why:    redaction by type: a token or client secret is a struct kb_secret *, which cannot be passed to %s
 * by accident; the bytes are reachable only through kb_secret_bytes, which a reviewer can grep for. Owns:
 * heap memory, MADV_DONTDUMP where possible, wiped by explicit_bzero before it is freed. Errors: KB_E_CONFIG
 * with a message that names file, cause and cure; never the content. Source: interface section 3
 * (secret_file, secret_env, credential); reliability F116, F117.
 */
#ifndef KB_BASE_SECRET_H
#define KB_BASE_SECRET_H

#include "base/error.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

#define KB_SECRET_SIZE_MAX (64 * 1024)

struct kb_secret; /* owned: kb_secret_free */

/* Where a secret comes from: exactly one of the three is set (config checks it). Borrowed strings. */
struct kb_secret_source {
    const char *file;
    const char *env;
    const char *credential; /* a name below $CREDENTIALS_DIRECTORY */
};

int kb_secret_new(const void *bytes, size_t size, struct kb_secret **ret, struct kb_error *err);

/* Reads it anew each time, so that rotation needs no restart. One trailing newline (LF or CRLF) is cut, the
 * rest is literal. Refused: missing, empty, a directory, FIFO or device, over KB_SECRET_SIZE_MAX, NUL inside,
 * readable by others; readable by the group unless the owner is root and the group is ours (as Kubernetes
 * mounts it). */
int kb_secret_read(const struct kb_secret_source *source, struct kb_secret **ret, struct kb_error *err);

const char *kb_secret_bytes(const struct kb_secret *s,
                            size_t *ret_size /* may be NULL */); /* terminated; borrowed */
void kb_secret_free(struct kb_secret *s);
KB_DEFINE_CLEANUP(kb_secret, struct kb_secret *, kb_secret_free)

/* PR_SET_DUMPABLE 0 and no core file; called once by main. */
void kb_secret_harden_process(void);

#endif
