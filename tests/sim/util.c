/* tests/sim/util.c: see util.h. */
#include "tests/sim/util.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static _Atomic int64_t clock_offset;

static size_t map_slot(const struct strmap *m, const char *key);

static void *
must(void *p)
{
    if (p == NULL) {
        fputs("keybricks-sim: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *
xalloc(size_t size)
{
    return must(calloc(1, size));
}

/* Room for `need` items; doubles, so that pushing is linear. */
void *
xgrow(void *p, int need, int *cap, size_t item)
{
    if (need <= *cap)
        return p;
    int n = *cap < 4 ? 4 : *cap * 2;
    while (n < need)
        n *= 2;
    *cap = n;
    return must(realloc(p, (size_t) n * item));
}

char *
xdup(const char *s)
{
    return s == NULL ? NULL : must(strdup(s));
}

char *
xsub(const char *s, size_t n)
{
    char *t = xalloc(n + 1);
    if (n > 0)
        memcpy(t, s, n);
    return t;
}

char *
xfmt(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = NULL;
    if (vasprintf(&s, fmt, ap) < 0)
        s = NULL;
    va_end(ap);
    return must(s);
}

const char *
keep(const char *s)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct strmap kept;
    if (s == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    if (map_get(&kept, s) < 0)
        map_put(&kept, xdup(s), 0);
    const char *mine = kept.key[map_slot(&kept, s)];
    pthread_mutex_unlock(&lock);
    return mine;
}

void
str_set(char **field, const char *s)
{
    char *copy = xdup(s);
    free(*field);
    *field = copy;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
    if (b->cap - b->len < n + 1) {
        size_t cap = b->cap < 256 ? 256 : b->cap;
        while (cap - b->len < n + 1)
            cap *= 2;
        b->p = must(realloc(b->p, cap));
        b->cap = cap;
    }
    if (n > 0)
        memcpy(b->p + b->len, p, n);
    b->len += n;
    b->p[b->len] = '\0';
}

void
buf_s(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void
buf_f(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = NULL;
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    must(n < 0 ? NULL : s);
    buf_add(b, s, (size_t) n);
    free(s);
}

void
buf_json(struct buf *b, const char *s)
{
    if (s == NULL) {
        buf_lit(b, "null");
        return;
    }
    buf_lit(b, "\"");
    for (;;) {
        const unsigned char *u = (const unsigned char *) s;
        size_t n = 0;
        while (u[n] >= 0x20 && u[n] != '"' && u[n] != '\\')
            n++;
        buf_add(b, s, n);
        if (u[n] == '\0')
            break;
        char esc[8];
        int k = u[n] < 0x20 ? snprintf(esc, sizeof esc, "\\u%04x", u[n])
                            : snprintf(esc, sizeof esc, "\\%c", u[n]);
        buf_add(b, esc, (size_t) k);
        s += n + 1;
    }
    buf_lit(b, "\"");
}

void
buf_key(struct buf *b, const char *key, const char *s)
{
    buf_lit(b, ",\"");
    buf_s(b, key);
    buf_lit(b, "\":");
    buf_json(b, s);
}

void
buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

void
ivec_push(struct ivec *a, int x)
{
    a->v = xgrow(a->v, a->n + 1, &a->cap, sizeof *a->v);
    a->v[a->n++] = x;
}

void
ivec_insert(struct ivec *a, int at, int x)
{
    ivec_push(a, x);
    memmove(a->v + at + 1, a->v + at, (size_t) (a->n - 1 - at) * sizeof *a->v);
    a->v[at] = x;
}

int
ivec_find(const struct ivec *a, int x)
{
    for (int i = 0; i < a->n; i++)
        if (a->v[i] == x)
            return i;
    return -1;
}

bool
ivec_drop(struct ivec *a, int x)
{
    int i = ivec_find(a, x);
    if (i < 0)
        return false;
    memmove(a->v + i, a->v + i + 1, (size_t) (a->n - 1 - i) * sizeof *a->v);
    a->n--;
    return true;
}

void
ivec_free(struct ivec *a)
{
    free(a->v);
    *a = (struct ivec){0};
}

static size_t
hash(const char *s)
{
    uint64_t h = 1469598103934665603u;
    for (; *s != '\0'; s++)
        h = (h ^ (unsigned char) *s) * 1099511628211u;
    return (size_t) (h ^ (h >> 29));
}

static const char grave[] = "\1"; /* marks a slot whose key went; told apart by its address */

static void
map_resize(struct strmap *m)
{
    struct strmap old = *m;
    m->cap = old.live * 4 < 64 ? 64 : old.live * 4;
    m->key = xalloc(m->cap * sizeof *m->key);
    m->val = xalloc(m->cap * sizeof *m->val);
    m->used = m->live = 0;
    for (size_t i = 0; i < old.cap; i++)
        if (old.key[i] != NULL && old.key[i] != grave)
            map_put(m, old.key[i], old.val[i]);
    free(old.key);
    free(old.val);
}

static size_t
map_slot(const struct strmap *m, const char *key)
{
    size_t i = hash(key) % m->cap;
    while (m->key[i] != NULL && (m->key[i] == grave || strcmp(m->key[i], key) != 0))
        i = (i + 1) % m->cap;
    return i;
}

void
map_put(struct strmap *m, const char *key, int val)
{
    if ((m->used + 1) * 2 > m->cap)
        map_resize(m);
    size_t i = map_slot(m, key);
    if (m->key[i] == NULL) {
        m->used++;
        m->live++;
    }
    m->key[i] = key;
    m->val[i] = val;
}

int
map_get(const struct strmap *m, const char *key)
{
    if (m->cap == 0 || key == NULL)
        return -1;
    size_t i = map_slot(m, key);
    return m->key[i] == NULL ? -1 : m->val[i];
}

const char *
map_del(struct strmap *m, const char *key)
{
    if (m->cap == 0)
        return NULL;
    size_t i = map_slot(m, key);
    const char *stored = m->key[i];
    if (stored != NULL) {
        m->key[i] = grave;
        m->live--;
    }
    return stored;
}

/* splitmix64: small, and the same on every machine, so a seed names one company. */
uint64_t
rng_next(struct rng *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int
rng_below(struct rng *r, int n)
{
    return n <= 0 ? 0 : (int) (rng_next(r) % (uint64_t) n);
}

bool
rng_chance(struct rng *r, int per_thousand)
{
    return rng_below(r, 1000) < per_thousand;
}

char *
rng_uuid(struct rng *r)
{
    uint64_t a = rng_next(r), b = rng_next(r);
    return xfmt("%08x-%04x-4%03x-%04x-%012llx", (unsigned) (a >> 32), (unsigned) (a >> 16) & 0xffff,
                (unsigned) a & 0xfff, 0x8000u | ((unsigned) (b >> 48) & 0x3fff),
                (unsigned long long) (b & 0xffffffffffffu));
}

static int
hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *
pct_decode(const char *s, size_t n, bool plus)
{
    char *out = xalloc(n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (plus && c == '+')
            c = ' ';
        if (c == '%') {
            int hi = i + 2 < n ? hex(s[i + 1]) : -1;
            int lo = hi >= 0 ? hex(s[i + 2]) : -1;
            if (lo < 0 || (hi == 0 && lo == 0)) {
                free(out);
                return NULL;
            }
            c = (char) (hi * 16 + lo);
            i += 2;
        }
        out[k++] = c;
    }
    return out;
}

static const char *
query_find(const char *query, const char *name, int nth, size_t *len)
{
    size_t want = strlen(name);
    for (const char *p = query; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, "&"), k = strcspn(p, "=&");
        if (k == want && strncmp(p, name, k) == 0 && nth-- == 0) {
            *len = k < n ? n - k - 1 : 0;
            return k < n ? p + k + 1 : p + k;
        }
        p += n + (p[n] == '&');
    }
    return NULL;
}

char *
query_get(const char *query, const char *name)
{
    size_t len = 0;
    const char *v = query_find(query, name, 0, &len);
    return v == NULL ? NULL : pct_decode(v, len, true);
}

int
query_count(const char *query, const char *name)
{
    size_t len = 0;
    int n = 0;
    while (query_find(query, name, n, &len) != NULL)
        n++;
    return n;
}

char *
b64_encode(const void *p, size_t n, bool url)
{
    const char *abc = url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                          : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *u = p;
    char *out = xalloc(n / 3 * 4 + 8);
    size_t k = 0;
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned) u[i] << 16;
        v |= i + 1 < n ? (unsigned) u[i + 1] << 8 : 0;
        v |= i + 2 < n ? (unsigned) u[i + 2] : 0;
        int take = n - i >= 3 ? 4 : (int) (n - i) + 1;
        for (int j = 0; j < 4; j++)
            if (j < take)
                out[k++] = abc[(v >> (18 - 6 * j)) & 63];
            else if (!url)
                out[k++] = '=';
    }
    return out;
}

unsigned char *
b64_decode(const char *s, size_t n, size_t *len)
{
    while (n > 0 && s[n - 1] == '=')
        n--;
    unsigned char *out = xalloc(n + 4);
    size_t k = 0;
    unsigned acc = 0;
    int bits = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        int v = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : c >= '0' && c <= '9' ? c - '0' + 52
                : c == '+' || c == '-' ? 62
                : c == '/' || c == '_' ? 63
                                       : -1;
        if (v < 0) {
            free(out);
            return NULL;
        }
        acc = (acc << 6) | (unsigned) v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[k++] = (unsigned char) (acc >> bits);
        }
    }
    out[k] = '\0';
    *len = k;
    return out;
}

char *
lower(const char *s)
{
    char *t = xdup(s);
    for (char *p = t; p != NULL && *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char) (*p + 32);
    return t;
}

bool
has_infix(const char *hay, const char *needle)
{
    size_t n = strlen(needle);
    if (hay == NULL)
        return false;
    for (; strlen(hay) >= n; hay++)
        if (strncasecmp(hay, needle, n) == 0)
            return true;
    return false;
}

char *
read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return NULL;
    struct buf b = {0};
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&b, chunk, n);
    bool bad = ferror(f) != 0;
    fclose(f);
    if (bad) {
        buf_free(&b);
        return NULL;
    }
    buf_add(&b, "", 0);
    *len = b.len;
    return b.p;
}

json_object *
json_parse(const char *text)
{
    json_tokener *t = json_tokener_new();
    if (t == NULL)
        abort();
    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json_object *o = json_tokener_parse_ex(t, text, (int) strlen(text) + 1);
    if (json_tokener_get_error(t) != json_tokener_success) {
        json_object_put(o);
        o = NULL;
    }
    json_tokener_free(t);
    return o;
}

const char *
json_text(json_object *o, const char *key)
{
    json_object *v = json_sub(o, key, json_type_string);
    return v == NULL ? NULL : json_object_get_string(v);
}

int64_t
json_int(json_object *o, const char *key, int64_t def)
{
    json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : def;
}

bool
json_flag(json_object *o, const char *key, bool def)
{
    json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) ? json_object_get_boolean(v) : def;
}

json_object *
json_sub(json_object *o, const char *key, json_type type)
{
    json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, type) ? v : NULL;
}

static int64_t
clock_read(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000 + clock_offset;
}

int64_t
clock_ms(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

int64_t
clock_unix_ms(void)
{
    return clock_read(CLOCK_REALTIME);
}

void
clock_advance(int64_t ms)
{
    clock_offset += ms;
}

void
sleep_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (ms > 0 && nanosleep(&t, &t) != 0)
        ;
}
