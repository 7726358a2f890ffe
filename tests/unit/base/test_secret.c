#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/secret.h"
#include "tests/unit/base/scratch.h"

#include <grp.h>
#include <sys/resource.h>

static int
read_file(const char *path, struct kb_secret **ret, struct kb_error *err)
{
    const struct kb_secret_source source = {.file = path};

    return kb_secret_read(&source, ret, err);
}

static void
test_content(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *want, *why; /* want NULL: refused, because */
    } table[] = {
        {"token", 5, "token", NULL},     {"token\n", 6, "token", NULL},
        {"token\r\n", 7, "token", NULL}, {"token\n\n", 7, "token\n", NULL},
        {"token\r", 6, "token\r", NULL}, {" token ", 7, " token ", NULL},
        {"\ntoken", 6, "\ntoken", NULL}, {"to\xff", 3, "to\xff", NULL},
        {"", 0, NULL, "empty"},          {"\n", 1, NULL, "empty"},
        {"\r\n", 2, NULL, "empty"},      {"a\0b", 3, NULL, "NUL"},
        {"\0", 1, NULL, "NUL"},          {"token\0\n", 7, NULL, "NUL"},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(table); i++) {
        KB_CLEANUP(kb_secret) struct kb_secret *s = NULL;
        struct kb_error err = {0};
        int r = read_file(scratch_write("s", table[i].bytes, table[i].len, 0600), &s, &err);
        size_t size;
        if (!table[i].want) {
            assert_int_equal(r, -KB_E_CONFIG);
            assert_null(s);
            assert_non_null(strstr(err.msg, table[i].why));
            assert_non_null(strstr(err.msg, scratch_dir));
            assert_null(strstr(err.msg, "token"));
            continue;
        }
        assert_int_equal(r, 0);
        assert_string_equal(kb_secret_bytes(s, &size), table[i].want);
        assert_int_equal(size, strlen(table[i].want));
        assert_string_equal(kb_secret_bytes(s, NULL), table[i].want);
    }
}

static void
test_size(void **state)
{
    char *big = malloc(KB_SECRET_SIZE_MAX + 1);
    struct kb_secret *s = NULL;
    struct kb_error err = {0};
    size_t size;

    (void) state;
    memset(big, 's', KB_SECRET_SIZE_MAX + 1);
    assert_int_equal(read_file(scratch_write("s", big, KB_SECRET_SIZE_MAX, 0600), &s, &err), 0);
    (void) kb_secret_bytes(s, &size);
    assert_int_equal(size, KB_SECRET_SIZE_MAX);
    kb_secret_free(s);
    s = NULL;
    assert_int_equal(read_file(scratch_write("s", big, KB_SECRET_SIZE_MAX + 1, 0600), &s, &err),
                     -KB_E_CONFIG);
    assert_int_equal(kb_secret_new(big, KB_SECRET_SIZE_MAX + 1, &s, &err), -KB_E_CONFIG);
    assert_null(s);
    free(big);
    assert_int_equal(kb_secret_new("a\0b", 3, &s, &err), 0);
    assert_memory_equal(kb_secret_bytes(s, &size), "a\0b", 4);
    assert_int_equal(size, 3);
    kb_secret_free(s);
    assert_int_equal(kb_secret_new(NULL, 0, &s, &err), 0);
    assert_string_equal(kb_secret_bytes(s, NULL), "");
    kb_secret_free(s);
    kb_secret_free(NULL);
}

/* All 512 modes: others may never; the group may when the owner is root and the group is ours. */
static void
test_modes(void **state)
{
    bool root = geteuid() == 0;

    (void) state;
    for (mode_t mode = 0; mode < 01000; mode++) {
        KB_CLEANUP(kb_secret) struct kb_secret *s = NULL;
        struct kb_error err = {0};
        int r = read_file(scratch_write("s", "x", 1, mode), &s, &err);
        bool fine = !(mode & 006) && (!(mode & 060) || root) && ((mode & 0400) || root);
        if ((r == 0) != fine)
            fail_msg("mode %04o: %d %s", (unsigned) mode, r, err.msg);
        if (r < 0)
            assert_int_equal(r, -KB_E_CONFIG);
        assert_int_equal(unlink(scratch_path("s")), 0);
    }
}

static void
test_owners(void **state)
{
    struct kb_secret *s = NULL;
    struct kb_error err = {0};
    const char *path = scratch_write("s", "x", 1, 0440);

    (void) state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(path, 0, 54321), 0); /* root, but a group that is not ours */
    assert_int_equal(read_file(path, &s, &err), -KB_E_CONFIG);
    assert_non_null(strstr(err.msg, "group"));
    /* one of our other groups, as Kubernetes' fsGroup */
    gid_t extra = 54321;
    assert_int_equal(setgroups(1, &extra), 0);
    assert_int_equal(read_file(path, &s, &err), 0);
    kb_secret_free(s);
    s = NULL;
    assert_int_equal(setgroups(0, NULL), 0);
    assert_int_equal(read_file(path, &s, &err), -KB_E_CONFIG);
    assert_int_equal(chown(path, 54321, getegid()), 0); /* our group, but somebody's file */
    assert_int_equal(read_file(path, &s, &err), -KB_E_CONFIG);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(read_file(path, &s, &err), 0);
    kb_secret_free(s);
}

static void
test_what_is_no_file(void **state)
{
    struct kb_secret *s = NULL;
    struct kb_error err = {0};

    (void) state;
    assert_int_equal(read_file(scratch_path("none"), &s, &err), -KB_E_CONFIG);
    assert_non_null(strstr(err.msg, "No such file"));
    assert_int_equal(read_file(scratch_dir, &s, &err), -KB_E_CONFIG);
    assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_int_equal(read_file(scratch_path("fifo"), &s, &err), -KB_E_CONFIG); /* and does not wait */
    assert_int_equal(read_file("/dev/null", &s, &err), -KB_E_CONFIG);
    assert_int_equal(read_file("", &s, &err), -KB_E_CONFIG);
    assert_null(s);
    /* a link, as Kubernetes mounts: the target is judged */
    (void) scratch_write("s", "x\n", 2, 0600);
    assert_int_equal(symlink("s", scratch_path("link")), 0);
    assert_int_equal(read_file(scratch_path("link"), &s, &err), 0);
    kb_secret_free(s);
    s = NULL;
    assert_int_equal(chmod(scratch_path("s"), 0644), 0);
    assert_int_equal(read_file(scratch_path("link"), &s, &err), -KB_E_CONFIG);
    assert_null(s);
}

static void
test_rotation(void **state)
{
    struct kb_secret *old = NULL, *new = NULL;
    struct kb_error err = {0};

    (void) state;
    assert_int_equal(read_file(scratch_write("s", "one", 3, 0600), &old, &err), 0);
    assert_int_equal(read_file(scratch_write("s", "two", 3, 0600), &new, &err), 0);
    assert_string_equal(kb_secret_bytes(old, NULL), "one");
    assert_string_equal(kb_secret_bytes(new, NULL), "two");
    kb_secret_free(old);
    kb_secret_free(new);
}

static void
test_environment(void **state)
{
    const struct kb_secret_source source = {.env = "KB_TEST_SECRET"};
    struct kb_secret *s = NULL;
    struct kb_error err = {0};

    (void) state;
    assert_int_equal(unsetenv("KB_TEST_SECRET"), 0);
    assert_int_equal(kb_secret_read(&source, &s, &err), -KB_E_CONFIG);
    assert_non_null(strstr(err.msg, "KB_TEST_SECRET: not set"));
    assert_int_equal(setenv("KB_TEST_SECRET", "", 1), 0);
    assert_int_equal(kb_secret_read(&source, &s, &err), -KB_E_CONFIG);
    assert_non_null(strstr(err.msg, "empty"));
    assert_int_equal(setenv("KB_TEST_SECRET", "value\n", 1), 0);
    assert_int_equal(kb_secret_read(&source, &s, &err), 0);
    assert_string_equal(kb_secret_bytes(s, NULL), "value");
    kb_secret_free(s);
}

static void
test_credential(void **state)
{
    static const char *const bad[] = {"", ".", "..", "../s", "a/b", "/etc/passwd", "none"};
    struct kb_secret_source source = {.credential = "s"};
    struct kb_secret *s = NULL;
    struct kb_error err = {0};

    (void) state;
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_int_equal(kb_secret_read(&source, &s, &err), -KB_E_CONFIG);
    assert_non_null(strstr(err.msg, "CREDENTIALS_DIRECTORY"));
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "relative", 1), 0);
    assert_int_equal(kb_secret_read(&source, &s, &err), -KB_E_CONFIG);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", scratch_dir, 1), 0);
    (void) scratch_write("s", "cred\n", 5, 0440);
    assert_int_equal(kb_secret_read(&source, &s, &err), 0);
    assert_string_equal(kb_secret_bytes(s, NULL), "cred");
    kb_secret_free(s);
    s = NULL;
    assert_int_equal(chmod(scratch_path("s"), 0444), 0);
    assert_int_equal(kb_secret_read(&source, &s, &err), -KB_E_CONFIG);
    for (size_t i = 0; i < KB_LEN(bad); i++) {
        source.credential = bad[i];
        assert_int_equal(kb_secret_read(&source, &s, &err), -KB_E_CONFIG);
    }
    assert_null(s);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

static void
test_exactly_one_source(void **state)
{
    const struct kb_secret_source none = {0}, two = {.file = "a", .env = "b"};
    struct kb_secret *s = NULL;
    struct kb_error err = {0};

    (void) state;
    assert_int_equal(kb_secret_read(&none, &s, &err), -KB_E_BUG);
    assert_int_equal(kb_secret_read(&two, &s, &err), -KB_E_BUG);
}

static void
test_hardened(void **state)
{
    struct rlimit limit = {1, 1};

    (void) state;
    kb_secret_harden_process();
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 0);
    assert_int_equal(limit.rlim_max, 0);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_content),
        IN_SCRATCH(test_size),
        IN_SCRATCH(test_modes),
        IN_SCRATCH(test_owners),
        IN_SCRATCH(test_what_is_no_file),
        IN_SCRATCH(test_rotation),
        IN_SCRATCH(test_environment),
        IN_SCRATCH(test_credential),
        cmocka_unit_test(test_exactly_one_source),
        cmocka_unit_test(test_hardened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
