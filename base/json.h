/* base/json.h: strict JSON in, canonical JSON out, on top of json-c.
 *
 * Why:     json-c's parser takes duplicate keys, NaN, single quotes, lone surrogates and a NUL inside a
 * string, any of which can make two users one; without memory it cuts strings silently. So only json-c's
 * trees are used: one structural scanner (json_scan) refuses these and finds the elements of an array while
 * the bytes arrive, so that memory does not depend on the length of a list; each element then becomes a tree
 * by itself (json_build). Owns:    a parsed object is the caller's (json_object_put, or KB_CLEANUP(json));
 * strings out of it are borrowed from it. Errors:  KB_E_PROTOCOL with the JSON path or the byte in the
 * message, never bytes of the document but a key; KB_E_NOMEM. The result does not depend on how the bytes are
 * cut. Limits:  depth 32; the caller gives the size of a document or of an element. Source:  RFC 8259; RFC
 * 8785; c-anchors section 5 (json-c 0.16); reliability F40-F43.
 */
#ifndef KB_BASE_JSON_H
#define KB_BASE_JSON_H

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"

#include <json-c/json_object.h>

KB_DEFINE_CLEANUP(json, struct json_object *, json_object_put)

/* One complete document and nothing behind it. `null` is refused; *ret is never NULL on success. */
int kb_json_parse(const char *bytes, size_t len, struct json_object **ret, struct kb_error *err);

/* ---- an array that is decoded while it arrives ---- */

struct kb_json_array; /* owned: kb_json_array_free */

/* Called once per element, in order; NULL for null. Return < 0 (err set) to refuse the document. `element` is
 * borrowed until the return. */
typedef int (*kb_json_element_fn)(void *userdata, size_t index, const struct json_object *element,
                                  struct kb_error *err);

/* key NULL: the document itself is the array. Otherwise the document is an object and the elements of the
 * array under that top-level key are delivered; the key may be absent. element_max: bytes of one element, and
 * of the object around it. */
int kb_json_array_new(const char *key, size_t element_max, kb_json_element_fn fn, void *userdata,
                      struct kb_json_array **ret, struct kb_error *err);
int kb_json_array_feed(struct kb_json_array *a, const char *bytes, size_t len, struct kb_error *err);

/* The document must be complete. *ret_outer (may be NULL; only with a key): the object around the array,
 * borrowed until _free; the array itself is not in it. *ret_found (may be NULL): the key was there. */
int kb_json_array_end(struct kb_json_array *a, const struct json_object **ret_outer, bool *ret_found,
                      struct kb_error *err);
void kb_json_array_reset(struct kb_json_array *a); /* from the first byte again */
void kb_json_array_free(struct kb_json_array *a);
KB_DEFINE_CLEANUP(kb_json_array, struct kb_json_array *, kb_json_array_free)

/* ---- typed getters: missing, null, wrong type and NUL inside are four different messages; a whole number
 * must be written as one (not 5.0) and lie inside 64 bits (the smallest is refused too: json-c clamps there)
 * ---- */

enum kb_json_need { KB_JSON_REQUIRED, KB_JSON_OPTIONAL }; /* optional: absent and null leave *ret as it was */

/* `at` is the path of obj for messages, "" for the document. Strings are borrowed from obj. */
int kb_json_str(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
                const char **ret, struct kb_error *err);
int kb_json_i64(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
                int64_t *ret, struct kb_error *err);
int kb_json_bool(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
                 bool *ret, struct kb_error *err);
int kb_json_obj(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
                const struct json_object **ret, struct kb_error *err);
int kb_json_arr(const struct json_object *obj, const char *at, const char *key, enum kb_json_need need,
                const struct json_object **ret, struct kb_error *err);

/* ---- canonical writer: RFC 8785 without floats (a double, or a whole number beyond 2^53, is KB_E_BUG) ----
 */

int kb_json_canonical(const struct json_object *obj, struct kb_buf *ret, struct kb_error *err);

#endif
