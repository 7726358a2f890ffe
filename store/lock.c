#include "base/ban.h"

#include "store/lock.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* linux/magic.h has NFS only */
enum { MAGIC_NFS = 0x6969, MAGIC_SMB = 0x517b, MAGIC_SMB2 = (int) 0xfe534d42, MAGIC_CIFS = (int) 0xff534d42 };

static int
make_directories(const char *state_dir, struct kb_error *err)
{
    char path[PATH_MAX];

    size_t len = strlen(state_dir);
    if (len == 0 || len >= sizeof(path))
        return kb_fail(err, KB_E_CONFIG, "state_dir: a path of 1 to %zu bytes is needed", sizeof(path) - 1);
    memcpy(path, state_dir, len + 1);
    for (char *slash = path + 1; *slash; slash++)
        if (*slash == '/') {
            *slash = '\0';
            if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return kb_fail_errno(err, KB_E_IO, errno, "state directory: making %s", path);
            *slash = '/';
        }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return kb_fail_errno(err, KB_E_IO, errno, "state directory: making %s", path);
    return 0;
}

int
lock_directory(const char *state_dir, bool create, bool *ret_network, struct kb_error *err)
{
    struct stat st;
    struct statfs fs;

    if (stat(state_dir, &st) < 0) {
        if (errno != ENOENT || !create)
            return kb_fail_errno(err, KB_E_IO, errno, "state directory %s", state_dir);
        int result = make_directories(state_dir, err);
        if (result < 0)
            return result;
        if (stat(state_dir, &st) < 0)
            return kb_fail_errno(err, KB_E_IO, errno, "state directory %s", state_dir);
    }
    if (!S_ISDIR(st.st_mode))
        return kb_fail(err, KB_E_STORE, "state directory %s is not a directory", state_dir);
    if (st.st_mode & S_IWOTH)
        return kb_fail(err, KB_E_STORE, "state directory %s: others may write there: chmod o-w %s", state_dir,
                       state_dir);
    if (statfs(state_dir, &fs) < 0)
        return kb_fail_errno(err, KB_E_IO, errno, "state directory %s", state_dir);
    int type = (int) fs.f_type;
    *ret_network = type == MAGIC_NFS || type == MAGIC_SMB || type == MAGIC_SMB2 || type == MAGIC_CIFS;
    return 0;
}

static int
busy(int fd, const char *path, struct kb_error *err)
{
    char pid[16];

    ssize_t size = pread(fd, pid, sizeof(pid) - 1, 0);
    if (size < 0)
        size = 0;
    pid[size] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    (void) kb_fail(err, KB_E_BUSY, "another run holds %s%s%s", path, *pid ? ": process " : "", pid);
    err->retry = true;
    return -KB_E_BUSY;
}

int
lock_take(const char *path, int *ret_fd, struct kb_error *err)
{
    KB_CLEANUP(kb_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat st;
    char pid[16];

    if (fd < 0)
        return kb_fail_errno(err, KB_E_IO, errno, "lock file %s", path);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return kb_fail(err, KB_E_STORE, "lock file %s is not a regular file", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return busy(fd, path, err);
        return kb_fail_errno(err, KB_E_IO, errno, "lock file %s", path);
    }
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long) getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t) len, 0) != len) {
        /* The pid is a courtesy: on a full disk the run may still resolve what is open. */
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}
