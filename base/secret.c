#include "base/ban.h"

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Pages of its own: MADV_DONTDUMP works on whole pages only. */
struct kb_secret {
    size_t alloc, size;
    char bytes[];
};

static struct kb_secret *
allocate(size_t size)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    size_t alloc = (sizeof(struct kb_secret) + size + 1 + page - 1) / page * page;
    struct kb_secret *s = aligned_alloc(page, alloc);

    if (!s)
        return NULL;
    (void) madvise(s, alloc, MADV_DONTDUMP);
    s->alloc = alloc;
    s->size = 0;
    s->bytes[0] = '\0';
    return s;
}

void
kb_secret_free(struct kb_secret *s)
{
    size_t alloc;

    if (!s)
        return;
    alloc = s->alloc;
    explicit_bzero(s, alloc);
    (void) madvise(s, alloc, MADV_DODUMP); /* the page goes back to the heap */
    free(s);
}

int
kb_secret_new(const void *bytes, size_t size, struct kb_secret **ret, struct kb_error *err)
{
    struct kb_secret *s;

    if (size > KB_SECRET_SIZE_MAX)
        return kb_fail(err, KB_E_CONFIG, "a secret is larger than %d bytes", KB_SECRET_SIZE_MAX);
    s = allocate(size);
    if (!s)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a secret");
    if (size)
        memcpy(s->bytes, bytes, size);
    s->bytes[size] = '\0';
    s->size = size;
    *ret = s;
    return 0;
}

const char *
kb_secret_bytes(const struct kb_secret *s, size_t *ret_size)
{
    if (ret_size)
        *ret_size = s->size;
    return s->bytes;
}

/* Cuts the newline an editor left and refuses what cannot be a secret. `what` names the place. */
static int
trim_and_check(struct kb_secret *s, const char *what, struct kb_error *err)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): kb_fail never returns 0, so there is a secret */
    if (s->size > 0 && s->bytes[s->size - 1] == '\n') {
        s->size--;
        if (s->size > 0 && s->bytes[s->size - 1] == '\r')
            s->size--;
        s->bytes[s->size] = '\0';
    }
    if (s->size == 0)
        return kb_fail(err, KB_E_CONFIG, "%s: empty; put the secret there", what);
    if (memchr(s->bytes, '\0', s->size))
        return kb_fail(err, KB_E_CONFIG, "%s: holds a NUL byte; write the secret as plain text", what);
    return 0;
}

static bool
group_is_ours(gid_t gid)
{
    KB_CLEANUP(kb_free) gid_t *groups = NULL;
    int len;

    if (gid == getegid())
        return true;
    len = getgroups(0, NULL);
    if (len <= 0)
        return false;
    groups = calloc((size_t) len, sizeof(*groups));
    if (!groups)
        return false; /* refuses: the safe side */
    len = getgroups(len, groups);
    for (int i = 0; i < len; i++)
        if (groups[i] == gid)
            return true;
    return false;
}

/* `shared`: the group's bits mean nothing (systemd gives a credential to the service by an ACL, whose mask
 * shows there, in a directory that nobody else can enter). Source: systemd.exec(5), LoadCredential. */
static int
check_mode(const struct stat *st, bool shared, const char *what, struct kb_error *err)
{
    unsigned mode = (unsigned) st->st_mode & 0777;

    if (!S_ISREG(st->st_mode))
        return kb_fail(err, KB_E_CONFIG, "%s: not a regular file; name a file that holds only the secret",
                       what);
    if (mode & (S_IROTH | S_IWOTH))
        return kb_fail(err, KB_E_CONFIG, "%s: mode %04o lets every user at it; chmod 0400 or 0600", what,
                       mode);
    if (!shared && (mode & (S_IRGRP | S_IWGRP)) && (st->st_uid != 0 || !group_is_ours(st->st_gid)))
        return kb_fail(
            err, KB_E_CONFIG,
            "%s: mode %04o lets the group at it; chmod 0400 or 0600 (0440 is fine only with owner root and "
            "a group of ours)",
            what, mode);
    if (st->st_size > KB_SECRET_SIZE_MAX)
        return kb_fail(err, KB_E_CONFIG, "%s: larger than %d bytes; name a file that holds only the secret",
                       what, KB_SECRET_SIZE_MAX);
    return 0;
}

static int
read_file(const char *path, bool shared, struct kb_secret **ret, struct kb_error *err)
{
    KB_CLEANUP(kb_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    KB_CLEANUP(kb_secret) struct kb_secret *s = NULL;
    struct stat st;
    int r;

    if (fd < 0)
        return kb_fail_errno(err, KB_E_CONFIG, errno, "%s: cannot open the secret file", path);
    if (fstat(fd, &st) < 0)
        return kb_fail_errno(err, KB_E_CONFIG, errno, "%s: cannot look at the secret file", path);
    r = check_mode(&st, shared, path, err);
    if (r < 0)
        return r;
    s = allocate(KB_SECRET_SIZE_MAX + 1);
    if (!s)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a secret");
    for (;;) {
        ssize_t n = read(fd, s->bytes + s->size, KB_SECRET_SIZE_MAX + 1 - s->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return kb_fail_errno(err, KB_E_CONFIG, errno, "%s: cannot read the secret file", path);
        if (n == 0)
            break;
        s->size += (size_t) n;
        if (s->size > KB_SECRET_SIZE_MAX) /* grew since fstat */
            return kb_fail(err, KB_E_CONFIG,
                           "%s: larger than %d bytes; name a file that holds only the secret", path,
                           KB_SECRET_SIZE_MAX);
    }
    s->bytes[s->size] = '\0';
    r = trim_and_check(s, path, err);
    if (r == 0)
        *ret = kb_steal(&s);
    return r;
}

static int
read_env(const char *name, struct kb_secret **ret, struct kb_error *err)
{
    const char *value = getenv(name);
    KB_CLEANUP(kb_secret) struct kb_secret *s = NULL;
    char what[128];
    int r;

    if (!value)
        return kb_fail(err, KB_E_CONFIG, "environment variable %s: not set; set it or use secret_file", name);
    (void) snprintf(what, sizeof(what), "environment variable %s", name);
    if (strlen(value) > KB_SECRET_SIZE_MAX)
        return kb_fail(err, KB_E_CONFIG, "%s: larger than %d bytes", what, KB_SECRET_SIZE_MAX);
    r = kb_secret_new(value, strlen(value), &s, err);
    if (r == 0)
        r = trim_and_check(s, what, err);
    if (r == 0)
        *ret = kb_steal(&s);
    return r;
}

static int
read_credential(const char *name, struct kb_secret **ret, struct kb_error *err)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    KB_CLEANUP(kb_free) char *path = NULL;

    if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        return kb_fail(err, KB_E_CONFIG, "credential \"%s\": a plain file name is wanted", name);
    if (!dir || *dir != '/')
        return kb_fail(
            err, KB_E_CONFIG,
            "credential %s: $CREDENTIALS_DIRECTORY is not set; start under systemd with LoadCredential=%s:…",
            name, name);
    path = kb_asprintf("%s/%s", dir, name);
    if (!path)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a path");
    return read_file(path, true, ret, err);
}

int
kb_secret_read(const struct kb_secret_source *source, struct kb_secret **ret, struct kb_error *err)
{
    if (!!source->file + !!source->env + !!source->credential != 1)
        return kb_fail(err, KB_E_BUG, "a secret needs exactly one source");
    if (source->file)
        return read_file(source->file, false, ret, err);
    return source->env ? read_env(source->env, ret, err) : read_credential(source->credential, ret, err);
}

void
kb_secret_harden_process(void)
{
    const struct rlimit none = {0, 0};

    (void) setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* the leak checker has to trace the process */
    (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}
