/* tests/unit/scim/golden.h: compares bytes with a file of tests/data/scim. */
#ifndef TESTS_UNIT_SCIM_GOLDEN_H
#define TESTS_UNIT_SCIM_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

static inline void
golden(const char *name, const char *bytes)
{
    KB_CLEANUP(kb_buf) struct kb_buf want = KB_BUF_INIT(1 << 20);
    struct kb_error err = {0};
    char path[1024];
    const char *root = getenv("KB_TEST_DATA");

    if (!root)
        fail_msg("KB_TEST_DATA must name tests/data (meson test sets it)");
    (void) snprintf(path, sizeof(path), "%s/scim/%s", root, name);
    if (kb_file_read(path, &want, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(want.len > 0 && want.data[want.len - 1] == '\n');
    want.data[want.len - 1] = '\0';
    if (strcmp(want.data, bytes) != 0)
        fail_msg("%s:\nwanted %s\ngot    %s", name, want.data, bytes);
}

#endif
