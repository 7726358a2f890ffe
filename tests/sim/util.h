/* tests/sim/util.h: the few tools the simulator needs: bytes, kept and passing texts, codecs, JSON, clock, chance.
 *
 * Why:       keybricks-sim must not share code with the program it judges, so nothing here comes from base/.
 * Owns:      a text is kept for ever (keep) or passes with its request (t*, query_get, pct_decode): nobody frees
 * either. A buf owns its bytes until buf_free.
 * Units:     *_ms milliseconds; clock_unix_ms since 1970 UTC, clock_ms monotonic; both move with clock_advance.
 * Errors:    out of memory ends the program (it is a test tool); parsers return NULL or false.
 * Threads:   what passes belongs to the thread's request; buf does not lock.
 */
#ifndef SIM_UTIL_H
#define SIM_UTIL_H

#include <json-c/json.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct buf {
    char *p;
    size_t len, cap;
};

/* What passes: everything taken from a pool goes at once. */
struct pool {
    struct piece *first;
};

struct pool *pool_use(struct pool *p); /* from now on in this thread; the one before */
void pool_free(struct pool *p);

void *xalloc(size_t size); /* zeroed */
void *xgrow(void *p, int need, int *cap, size_t item);
const char *
keep(const char *s);       /* one copy for ever, so that any thread may read it unlocked; NULL stays NULL */
void *talloc(size_t size); /* zeroed, passes with the pool in use */
char *tsub(const char *s, size_t n);
char *tlower(const char *s); /* ASCII only */

/* Formats know %s as it is, %q a JSON string (NULL: null), %d int, %l int64_t, %b bool. A ' in the format is written as ",
 * so that JSON can be read here. */
char *tf(const char *fmt, ...);
void buf_f(struct buf *b, const char *fmt, ...);
void buf_v(struct buf *b, const char *fmt, va_list ap);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_s(struct buf *b, const char *s);
void buf_sep(struct buf *b);                                 /* a comma, unless something was just opened */
void buf_opt(struct buf *b, const char *key, const char *s); /* ,"key":"s" if there is an s */
#define buf_item(b, ...) (buf_sep(b), buf_f(b, __VA_ARGS__))
void buf_free(struct buf *b);

struct rng {
    uint64_t s;
};

uint64_t rng_next(struct rng *r);
int rng_below(struct rng *r, int n);
bool rng_chance(struct rng *r, int per_thousand);
const char *rng_uuid(struct rng *r); /* kept */

char *pct_decode(const char *s, size_t n, bool plus);          /* NULL: a bad escape, or a NUL byte */
char *query_nth(const char *query, const char *name, int nth); /* decoded; NULL: not there, or a bad escape */
#define query_get(query, name) query_nth(query, name, 0)
char *b64url(const void *p, size_t n);               /* RFC 4648 section 5, no padding */
char *b64_decode(const char *s, size_t n, int *len); /* either alphabet; NULL: bad */
bool same(const char *a, const char *b);             /* equal, and neither is NULL */
bool begins(const char *s, const char *with);
bool has_infix(const char *hay, const char *needle); /* ASCII case-insensitive */
bool is_number(const char *s);                       /* digits only */
char *read_file(const char *path);                   /* NULL: errno */

json_object *json_parse(const char *text);              /* strict; NULL: bad; passes with the pool */
json_object *json_get(json_object *o, const char *key); /* NULL: not there, null, or o is no object */
const char *json_text(json_object *o, const char *key); /* NULL: absent or not a string */
const char *json_str(json_object *o);                   /* never NULL */
int64_t json_int(json_object *o, const char *key, int64_t def);
bool json_flag(json_object *o, const char *key, bool def);
#define json_len(list) (json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0)
#define json_at json_object_array_get_idx
#define json_is json_object_is_type
#define json_has(o, key, v) \
    (json_is(o, json_type_object) && json_object_object_get_ex(o, key, v)) /* null counts */

/* A field that JSON may set by name: lists of them make a struct, its normal state and its table from one place. */
struct slot {
    const char *key;

    enum { SLOT_INT, SLOT_FLAG, SLOT_TEXT } type;

    size_t at;         /* offset in its struct */
    const char *words; /* of an int that is chosen by a word: their list; NULL: a number */
    unsigned kinds;    /* of a thing (world.h) */
};

#define SLOT_INT_FIELD(name, ...) int name;
#define SLOT_FLAG_FIELD(name, ...) bool name;
#define SLOT_TEXT_FIELD(name, ...) const char *name;
#define SLOT_NORMAL(name, normal, ...) .name = normal,

const struct slot *slot_find(const struct slot *table, size_t n, const char *key);
/* A text that is no string keeps its JSON. False: not one of the words. */
bool slot_set(void *base, const struct slot *s, json_object *v);

int64_t clock_ms(void);
int64_t clock_unix_ms(void);
void clock_advance(int64_t ms);
void sleep_ms(int64_t ms);

#endif
