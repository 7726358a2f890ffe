/* base/file.h: files read whole under a cap, and written so that a reader sees the old or the new one, never
 * half. Errors: KB_E_IO with errno in sub. All descriptors are O_CLOEXEC. */
#ifndef KB_BASE_FILE_H
#define KB_BASE_FILE_H

#include "base/buf.h"
#include "base/error.h"

#include <sys/types.h>

/* Regular files only. Over the buffer's max: KB_E_IO with a message that says so. */
int kb_file_read(const char *path, struct kb_buf *ret, struct kb_error *err);

/* Temporary file in the same directory, fsync, rename, fsync of the directory. `mode` is exact, whatever the
 * umask. Refused: a path where something else than a regular file is. A symbolic link is replaced. */
int kb_file_write_atomic(const char *path, const void *bytes, size_t size, mode_t mode, struct kb_error *err);

#endif
