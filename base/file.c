#include "base/ban.h"

#include "base/file.h"

#include "base/mem.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define CHUNK_SIZE (32 * 1024)
#define NAME_TRIES 16

static int
read_all(const char *path, int fd, struct kb_buf *ret, struct kb_error *err)
{
    char chunk[CHUNK_SIZE];

    for (;;) {
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return kb_fail_errno(err, KB_E_IO, errno, "%s: cannot read", path);
        if (n == 0)
            return 0;
        if ((size_t) n > ret->max - ret->len)
            return kb_fail(err, KB_E_IO, "%s: larger than %zu bytes", path, ret->max);
        kb_buf_add(ret, chunk, (size_t) n);
        if (ret->failed)
            return kb_fail(err, KB_E_NOMEM, "%s: out of memory", path);
    }
}

int
kb_file_read(const char *path, struct kb_buf *ret, struct kb_error *err)
{
    /* O_NONBLOCK: a FIFO in the place of the file must not stop us here */
    KB_CLEANUP(kb_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    int r;

    kb_buf_clear(ret);
    if (fd < 0)
        return kb_fail_errno(err, KB_E_IO, errno, "%s: cannot open", path);
    if (fstat(fd, &st) < 0)
        return kb_fail_errno(err, KB_E_IO, errno, "%s: cannot look at it", path);
    if (!S_ISREG(st.st_mode))
        return kb_fail_errno(err, KB_E_IO, S_ISDIR(st.st_mode) ? EISDIR : EINVAL, "%s: not a regular file",
                             path);
    r = read_all(path, fd, ret, err);
    if (r < 0)
        kb_buf_clear(ret);
    return r;
}

static int
write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        bytes += n;
        size -= (size_t) n;
    }
    return 0;
}

/* A new file beside `base`; its name comes back in *ret_name. Returns the descriptor, or -errno. */
static int
make_temporary(int dir, const char *base, char **ret_name)
{
    for (int i = 0; i < NAME_TRIES; i++) {
        KB_CLEANUP(kb_free)
        char *name = kb_asprintf(".%.200s.%016llx", base, (unsigned long long) kb_random_u64());
        int fd;
        if (!name)
            return -ENOMEM;
        fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0) {
            *ret_name = kb_steal(&name);
            return fd;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

/* 0 or errno. */
static int
fill_and_rename(int dir, int fd, const char *name, const char *base, const void *bytes, size_t size,
                mode_t mode)
{
    int e = write_all(fd, bytes, size);

    if (!e && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || renameat(dir, name, dir, base) < 0))
        e = errno;
    if (e) {
        (void) unlinkat(dir, name, 0); /* NOLINT(clang-analyzer-core.NonNullParamChecker): errno is not 0 */
        return e;
    }
    return fsync(dir) < 0 ? errno : 0;
}

int
kb_file_write_atomic(const char *path, const void *bytes, size_t size, mode_t mode, struct kb_error *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    KB_CLEANUP(kb_free)
    char *parent = slash ? kb_strndup(path, (size_t) (slash - path) + 1) : kb_strndup(".", 1);
    KB_CLEANUP(kb_free) char *name = NULL;
    KB_CLEANUP(kb_close) int dir = -1;
    KB_CLEANUP(kb_close) int fd = -1;
    struct stat st;
    int e;

    if (!parent)
        return kb_fail(err, KB_E_NOMEM, "%s: out of memory", path);
    if (!*base)
        return kb_fail_errno(err, KB_E_IO, EISDIR, "%s: cannot write", path);
    /* rename would put a plain file in the place of a device or pipe */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return kb_fail_errno(err, KB_E_IO, S_ISDIR(st.st_mode) ? EISDIR : EINVAL, "%s: not a regular file",
                             path);
    dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return kb_fail_errno(err, KB_E_IO, errno, "%s: cannot open its directory", path);
    fd = make_temporary(dir, base, &name);
    if (fd < 0)
        return kb_fail_errno(err, KB_E_IO, -fd, "%s: cannot create a file in its directory", path);
    e = fill_and_rename(dir, fd, name, base, bytes, size, mode);
    return e ? kb_fail_errno(err, KB_E_IO, e, "%s: cannot write", path) : 0;
}
