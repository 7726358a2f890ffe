/* store/lock.h: the state directory and the lock of one target. Internal to store/.
 *
 * Why:    flock dies with the process, so there is no stale lock (reliability F99, F101). The file stays; its
 * content is the holder's pid, for messages only.
 */
#ifndef KB_STORE_LOCK_H
#define KB_STORE_LOCK_H

#include "base/error.h"

#include <stdbool.h>

/* Makes it with mode 0700 (and missing parents) when `create`. KB_E_IO: missing, no directory, not ours to
 * use; KB_E_STORE: others may write there. *ret_network: a file system where WAL's shared memory does not
 * work. */
int lock_directory(const char *state_dir, bool create, bool *ret_network, struct kb_error *err);

/* Takes the lock; KB_E_BUSY names the holder. The descriptor belongs to the caller, closing it releases. */
int lock_take(const char *path, int *ret_fd, struct kb_error *err);

#endif
