/* base/json_build.h: scanned bytes to a json-c tree; for base/json*.c only.
 *
 * Why:    json-c's own parser (0.16) does not check its copies of strings and keys: without memory an id
 * becomes "" or shorter, and a key crashes it; and it turns the escapes of
 * U+1D800, U+2D800, … (a legal character each) into U+FFFD. The scanner has checked the syntax, so what is
 * left is small, exact, and twice as fast. Errors: KB_E_PROTOCOL (UTF-8, the same key twice), KB_E_NOMEM.
 * Source: tests/unit/base/test_oom.c, which found it; json_tokener.c, printbuf.c of json-c 0.16.
 */
#ifndef KB_BASE_JSON_BUILD_H
#define KB_BASE_JSON_BUILD_H

#include "base/buf.h"
#include "base/error.h"

#include <json-c/json_object.h>

#include <stdbool.h>
#include <stddef.h>

/* `bytes`: exactly one value that kb_scan_run has passed; `high`: bytes >= 0x80 were seen in it. `scratch` is
 * any buffer, used for unescaping. *ret is NULL for null. */
int kb_json_build(const char *bytes, size_t len, bool high, struct kb_buf *scratch, struct json_object **ret,
                  struct kb_error *err);

#endif
