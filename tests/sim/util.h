/* tests/sim/util.h: the few tools the simulator needs: bytes, integer lists, string maps, text codecs, clock,
 * chance.
 *
 * Why:       keybricks-sim must not share code with the program it judges, so nothing here comes from base/.
 * Owns:      a buf, ivec or strmap owns its memory until its _free; strmap borrows its keys.
 * Units:     *_ms milliseconds; clock_unix_ms since 1970 UTC, clock_ms monotonic; both move with
 * clock_advance. Errors:    out of memory ends the program (it is a test tool); parsers return NULL or false.
 * Threads:   none of the containers locks.
 */
#ifndef SIM_UTIL_H
#define SIM_UTIL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *p;
    size_t len, cap;
};

struct ivec {
    int *v;
    int n, cap;
};

struct strmap {
    const char **key;
    int *val;
    size_t cap, used, live;
};

struct rng {
    uint64_t s;
};

void *xalloc(size_t size); /* zeroed */
void *xgrow(void *p, int need, int *cap, size_t item);
char *xdup(const char *s);           /* NULL stays NULL */
char *xsub(const char *s, size_t n); /* the first n bytes */
char *xfmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *
keep(const char *s); /* one copy for ever, so that any thread may read it unlocked; NULL stays NULL */
void str_set(char **field, const char *s); /* frees the old text, copies the new one */

void buf_add(struct buf *b, const void *p, size_t n);
void buf_s(struct buf *b, const char *s);
void buf_f(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_json(struct buf *b, const char *s);                 /* a quoted JSON string; NULL gives null */
void buf_key(struct buf *b, const char *key, const char *s); /* ,"key":"s" */
void buf_free(struct buf *b);
#define buf_lit(b, s) buf_add(b, "" s, sizeof(s) - 1)

void ivec_push(struct ivec *a, int x);
void ivec_insert(struct ivec *a, int at, int x);
int ivec_find(const struct ivec *a, int x); /* -1 when absent */
bool ivec_drop(struct ivec *a, int x);      /* keeps the order */
void ivec_free(struct ivec *a);

void map_put(struct strmap *m, const char *key, int val);
int map_get(const struct strmap *m, const char *key);   /* -1 when absent */
const char *map_del(struct strmap *m, const char *key); /* the key that was stored, or NULL */

uint64_t rng_next(struct rng *r);
int rng_below(struct rng *r, int n);
bool rng_chance(struct rng *r, int per_thousand);
char *rng_uuid(struct rng *r);

char *pct_decode(const char *s, size_t n, bool plus); /* NULL: a bad escape, or a NUL byte */
char *query_get(const char *query, const char *name); /* decoded copy, or NULL */
int query_count(const char *query, const char *name);
char *b64_encode(const void *p, size_t n, bool url);             /* url: RFC 4648 section 5, no padding */
unsigned char *b64_decode(const char *s, size_t n, size_t *len); /* either alphabet; NULL: bad */
char *lower(const char *s);                                      /* ASCII only */
bool has_infix(const char *hay, const char *needle);             /* ASCII case-insensitive */
char *read_file(const char *path, size_t *len);

json_object *json_parse(const char *text);              /* strict; NULL: bad */
const char *json_text(json_object *o, const char *key); /* NULL: absent or not a string */
int64_t json_int(json_object *o, const char *key, int64_t def);
bool json_flag(json_object *o, const char *key, bool def);
json_object *json_sub(json_object *o, const char *key,
                      json_type type); /* borrowed; NULL: absent or of another type */

int64_t clock_ms(void);
int64_t clock_unix_ms(void);
void clock_advance(int64_t ms);
void sleep_ms(int64_t ms);

#endif
