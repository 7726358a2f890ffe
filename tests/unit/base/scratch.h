/* tests/unit/base/scratch.h: a directory of its own for a test that needs files; removed at the end.
 *
 * Owns: scratch_path returns static memory, good until the fourth call after it.
 */
#ifndef KB_TESTS_UNIT_BASE_SCRATCH_H
#define KB_TESTS_UNIT_BASE_SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_dir[64];

static inline const char *
scratch_path(const char *name)
{
    static char paths[4][400];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void) snprintf(path, sizeof(paths[0]), "%s/%s", scratch_dir, name);
    return path;
}

static inline int
scratch_make(void **state)
{
    (void) state;
    (void) snprintf(scratch_dir, sizeof(scratch_dir), "/tmp/kb-test-XXXXXX");
    return mkdtemp(scratch_dir) ? 0 : -1;
}

static inline unsigned
scratch_count(void)
{
    DIR *dir = opendir(scratch_dir);
    unsigned count = 0;

    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count - 2; /* . and .. */
}

static inline int
scratch_remove(void **state)
{
    DIR *dir = opendir(scratch_dir);
    struct dirent *entry;

    (void) state;
    while (dir && (entry = readdir(dir))) {
        const char *path = scratch_path(entry->d_name);
        if (unlink(path) < 0)
            (void) rmdir(path);
    }
    if (dir)
        closedir(dir);
    return rmdir(scratch_dir);
}

/* Creates or replaces a file with exactly this content and mode. */
static inline const char *
scratch_write(const char *name, const void *bytes, size_t size, mode_t mode)
{
    const char *path = scratch_path(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, bytes, size) != (ssize_t) size || fchmod(fd, mode) < 0 || close(fd) < 0)
        abort();
    return path;
}

#endif
