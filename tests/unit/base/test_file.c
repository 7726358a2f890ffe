#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "tests/unit/base/scratch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>

static void
test_read(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(100000);
    struct kb_error err = {0};
    char big[100001];

    (void) state;
    assert_int_equal(kb_file_read(scratch_write("a", "x\0y\n", 4, 0600), &b, &err), 0);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "x\0y\n", 4);
    assert_int_equal(kb_file_read(scratch_write("a", "", 0, 0600), &b, &err), 0);
    assert_int_equal(b.len, 0);
    memset(big, 'b', sizeof(big));
    assert_int_equal(kb_file_read(scratch_write("a", big, 100000, 0600), &b, &err), 0);
    assert_int_equal(b.len, 100000);
    assert_int_equal(kb_file_read(scratch_write("a", big, 100001, 0600), &b, &err), -KB_E_IO);
    assert_non_null(strstr(err.msg, "larger than 100000 bytes"));
    assert_int_equal(b.len, 0);
}

static void
test_read_refuses(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(100);
    struct kb_error err = {0};

    (void) state;
    assert_int_equal(kb_file_read(scratch_path("none"), &b, &err), -KB_E_IO);
    assert_int_equal(err.sub, ENOENT);
    assert_int_equal(kb_file_read(scratch_dir, &b, &err), -KB_E_IO);
    assert_int_equal(err.sub, EISDIR);
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_int_equal(kb_file_read(scratch_path("fifo"), &b, &err), -KB_E_IO); /* and does not wait */
    assert_non_null(strstr(err.msg, "not a regular file"));
    assert_int_equal(kb_file_read("/dev/zero", &b, &err), -KB_E_IO);
    assert_int_equal(symlink("loop", scratch_path("loop")), 0);
    assert_int_equal(kb_file_read(scratch_path("loop"), &b, &err), -KB_E_IO);
    assert_int_equal(err.sub, ELOOP);
    assert_int_equal(kb_file_read("", &b, &err), -KB_E_IO);
}

static void
test_write(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(100);
    struct kb_error err = {0};
    struct stat st;
    mode_t old = umask(077);

    (void) state;
    assert_int_equal(kb_file_write_atomic(scratch_path("new"), "one", 3, 0640, &err), 0);
    assert_int_equal(stat(scratch_path("new"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(kb_file_write_atomic(scratch_path("new"), "second", 6, 0600, &err), 0);
    assert_int_equal(stat(scratch_path("new"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(kb_file_read(scratch_path("new"), &b, &err), 0);
    assert_string_equal(kb_buf_str(&b), "second");
    assert_int_equal(kb_file_write_atomic(scratch_path("empty"), NULL, 0, 0600, &err), 0);
    assert_int_equal(scratch_count(), 2); /* no temporary file is left */
    (void) umask(old);
}

static void
test_write_refuses(void **state)
{
    struct kb_error err = {0};
    char name[NAME_MAX + 2];

    (void) state;
    memset(name, 'n', sizeof(name));
    name[NAME_MAX + 1] = '\0';
    assert_int_equal(kb_file_write_atomic(scratch_path("none/x"), "x", 1, 0600, &err), -KB_E_IO);
    assert_int_equal(err.sub, ENOENT);
    assert_int_equal(kb_file_write_atomic(scratch_dir, "x", 1, 0600, &err), -KB_E_IO);
    assert_int_equal(err.sub, EISDIR);
    assert_int_equal(kb_file_write_atomic(scratch_path(""), "x", 1, 0600, &err), -KB_E_IO);
    assert_int_equal(kb_file_write_atomic("/dev/null", "x", 1, 0600, &err), -KB_E_IO);
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_int_equal(kb_file_write_atomic(scratch_path("fifo"), "x", 1, 0600, &err), -KB_E_IO);
    assert_int_equal(kb_file_write_atomic(scratch_path(name), "x", 1, 0600, &err), -KB_E_IO);
    assert_int_equal(err.sub, ENAMETOOLONG);
    assert_int_equal(scratch_count(), 1);
}

/* The disk is full in the middle: the old file stays as it was and nothing is left beside it. */
static void
test_a_cut_write_changes_nothing(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf b = KB_BUF_INIT(100);
    struct kb_error err = {0};
    struct rlimit old, small;
    static const char big[20000];

    (void) state;
    assert_int_equal(kb_file_write_atomic(scratch_path("f"), "old", 3, 0600, &err), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 10000;
    (void) signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(kb_file_write_atomic(scratch_path("f"), big, sizeof(big), 0600, &err), -KB_E_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void) signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(err.sub, EFBIG);
    assert_int_equal(kb_file_read(scratch_path("f"), &b, &err), 0);
    assert_string_equal(kb_buf_str(&b), "old");
    assert_int_equal(scratch_count(), 1);
}

static void
zeros(void *ret, size_t size, void *userdata)
{
    (void) userdata;
    memset(ret, 0, size);
}

/* Somebody has put a link where the temporary file would be: it is not followed, and it does not stay an
 * endless try. */
static void
test_a_taken_temporary_name(void **state)
{
    struct kb_error err = {0};

    (void) state;
    assert_int_equal(symlink("victim", scratch_path(".f.0000000000000000")), 0);
    kb_random_set(zeros, NULL);
    assert_int_equal(kb_file_write_atomic(scratch_path("f"), "new", 3, 0600, &err), -KB_E_IO);
    kb_random_set(NULL, NULL);
    assert_int_equal(err.sub, EEXIST);
    assert_int_equal(access(scratch_path("victim"), F_OK), -1);
    assert_int_equal(kb_file_write_atomic(scratch_path("f"), "new", 3, 0600, &err), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_read_refuses, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_write, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_write_refuses, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_a_cut_write_changes_nothing, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(test_a_taken_temporary_name, scratch_make, scratch_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
