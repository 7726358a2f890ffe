/* base/json_parse.h: scanned bytes to a json-c tree; for base/json*.c only.
 *
 * Why:    documents and elements of arrays take the same last step: UTF-8, json-c, duplicate keys. Errors:
 * KB_E_PROTOCOL, KB_E_NOMEM. Source: c-anchors section 5 (json-c 0.16).
 */
#ifndef KB_BASE_JSON_PARSE_H
#define KB_BASE_JSON_PARSE_H

#include "base/error.h"

#include <json-c/json_object.h>
#include <json-c/json_tokener.h>

#include <stdbool.h>
#include <stddef.h>

struct json_tokener *kb_json_tokener_new(void); /* NULL: out of memory; owned: json_tokener_free */

/* `bytes`: one value the scanner has passed, which saw `keys` keys in it and (`high`) bytes >= 0x80. *ret is
 * NULL for null. */
int kb_json_build(struct json_tokener *tok, const char *bytes, size_t len, size_t keys, bool high,
                  struct json_object **ret, struct kb_error *err);

#endif
