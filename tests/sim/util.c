/* tests/sim/util.c: see util.h. */
#include "tests/sim/util.h"

#include <json-c/linkhash.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct piece {
    struct piece *next;
    json_object *json; /* to be put */
    char data[] __attribute__((aligned(16)));
};

static struct pool start_pool; /* of the main thread, until the end */
static _Thread_local struct pool *pool = &start_pool;
static _Atomic int64_t clock_offset;

static void *
must(void *p)
{
    if (p == NULL) {
        fputs("keybricks-sim: out of memory\n", stderr);
        abort();
    }
    return p;
}

struct pool *
pool_use(struct pool *p)
{
    struct pool *before = pool;
    pool = p;
    return before;
}

void
pool_free(struct pool *p)
{
    while (p->first != NULL) {
        struct piece *next = p->first->next;
        json_object_put(p->first->json);
        free(p->first);
        p->first = next;
    }
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
    *cap = need < 4 ? 4 : need * 2;
    return must(realloc(p, (size_t) *cap * item));
}

const char *
keep(const char *s)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct lh_table *kept;
    if (s == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    if (kept == NULL)
        kept = must(lh_kchar_table_new(1024, NULL));
    struct lh_entry *e = lh_table_lookup_entry(kept, s);
    if (e == NULL) {
        must(lh_table_insert(kept, must(strdup(s)), NULL) == 0 ? kept : NULL);
        e = lh_table_lookup_entry(kept, s);
    }
    const char *mine = lh_entry_k(e);
    pthread_mutex_unlock(&lock);
    return mine;
}

void *
talloc(size_t size)
{
    struct piece *p = xalloc(sizeof *p + size);
    p->next = pool->first;
    pool->first = p;
    return p->data;
}

char *
tsub(const char *s, size_t n)
{
    char *t = talloc(n + 1);
    return n > 0 ? memcpy(t, s, n) : t;
}

char *
tlower(const char *s)
{
    char *t = tsub(s, strlen(s));
    for (char *p = t; *p != '\0'; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char) (*p + 32);
    return t;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
    if (b->cap - b->len < n + 1) {
        b->cap = b->cap * 2 > b->len + n + 1 ? b->cap * 2 : b->len + n + 256;
        b->p = must(realloc(b->p, b->cap));
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
buf_sep(struct buf *b)
{
    if (b->len > 0 && strchr("[{:", b->p[b->len - 1]) == NULL)
        buf_add(b, ",", 1);
}

static void
quoted(struct buf *b, const char *s)
{
    if (s == NULL) {
        buf_s(b, "null");
        return;
    }
    buf_add(b, "\"", 1);
    for (;;) {
        size_t n = 0;
        while ((unsigned char) s[n] >= 0x20 && s[n] != '"' && s[n] != '\\')
            n++;
        buf_add(b, s, n);
        if (s[n] == '\0')
            break;
        char esc[8];
        int k = snprintf(esc, sizeof esc, "\\u%04x", (unsigned) (unsigned char) s[n]);
        buf_add(b, esc, (size_t) k);
        s += n + 1;
    }
    buf_add(b, "\"", 1);
}

void
buf_v(struct buf *b, const char *fmt, va_list ap)
{
    while (*fmt != '\0') {
        size_t n = strcspn(fmt, "%'");
        char number[24];
        buf_add(b, fmt, n);
        fmt += n;
        if (*fmt == '\'')
            buf_add(b, "\"", 1);
        else if (*fmt == '%' && *++fmt == 's')
            buf_s(b, va_arg(ap, const char *));
        else if (*fmt == 'q')
            quoted(b, va_arg(ap, const char *));
        else if (*fmt == 'b')
            buf_s(b, va_arg(ap, int) ? "true" : "false");
        else if (*fmt == 'd' || *fmt == 'l') {
            int64_t v = *fmt == 'd' ? va_arg(ap, int) : va_arg(ap, int64_t);
            buf_add(b, number, (size_t) snprintf(number, sizeof number, "%lld", (long long) v));
        } else if (*fmt != '\0')
            abort(); /* a format of ours is wrong */
        fmt += *fmt != '\0';
    }
    buf_add(b, "", 0);
}

void
buf_f(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_v(b, fmt, ap);
    va_end(ap);
}

char *
tf(const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_v(&b, fmt, ap);
    va_end(ap);
    char *s = tsub(b.p, b.len);
    buf_free(&b);
    return s;
}

void
buf_opt(struct buf *b, const char *key, const char *s)
{
    if (s != NULL)
        buf_f(b, ",'%s':%q", key, s);
}

void
buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
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

const char *
rng_uuid(struct rng *r)
{
    uint64_t a = rng_next(r), b = rng_next(r);
    char s[40];
    (void) snprintf(s, sizeof s, "%08x-%04x-4%03x-%04x-%012llx", (unsigned) (a >> 32),
                    (unsigned) (a >> 16) & 0xffff, (unsigned) a & 0xfff,
                    0x8000u | ((unsigned) (b >> 48) & 0x3fff), (unsigned long long) (b & 0xffffffffffffu));
    return keep(s);
}

char *
pct_decode(const char *s, size_t n, bool plus)
{
    char *out = talloc(n + 1), *to = out;
    for (size_t i = 0; i < n; i++) {
        char c = plus && s[i] == '+' ? ' ' : s[i], two[3] = "";
        if (c == '%') {
            memcpy(two, s + i + 1, i + 2 < n ? 2 : 0);
            c = (char) strtol(two, NULL, 16);
            if (strspn(two, "0123456789abcdefABCDEF") != 2 || c == '\0')
                return NULL;
            i += 2;
        }
        *to++ = c;
    }
    return out;
}

char *
query_nth(const char *query, const char *name, int nth)
{
    for (const char *p = query; *p != '\0'; p += strcspn(p, "&"), p += *p == '&') {
        size_t n = strcspn(p, "&"), k = strcspn(p, "=&");
        if (k == strlen(name) && strncmp(p, name, k) == 0 && nth-- == 0)
            return pct_decode(p + k + (k < n), n - k - (k < n), true);
    }
    return NULL;
}

char *
b64url(const void *p, size_t n)
{
    char *out = talloc(n / 3 * 4 + 5);
    out[EVP_EncodeBlock((unsigned char *) out, p, (int) n)] = '\0';
    for (char *c = out; *c != '\0'; c++)
        *c = (char) (*c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c);
    return out;
}

char *
b64_decode(const char *s, size_t n, int *len)
{
    while (n > 0 && s[n - 1] == '=')
        n--;
    size_t full = (n + 3) / 4 * 4;
    char *text = talloc(full + 1), *out = talloc(full + 1);
    for (size_t i = 0; i < full; i++)
        text[i] = (char) (i >= n ? '=' : s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i]);
    *len = EVP_DecodeBlock((unsigned char *) out, (unsigned char *) text, (int) full);
    if (*len < 0)
        return NULL;
    *len -= (int) (full - n); /* the padding was decoded too */
    out[*len] = '\0';
    return out;
}

bool
same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

bool
begins(const char *s, const char *with)
{
    return s != NULL && strncmp(s, with, strlen(with)) == 0;
}

bool
has_infix(const char *hay, const char *needle)
{
    return hay != NULL && strcasestr(hay, needle) != NULL;
}

bool
is_number(const char *s)
{
    return s != NULL && s[0] != '\0' && strspn(s, "0123456789") == strlen(s);
}

char *
read_file(const char *path)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return NULL;
    struct buf b = {0};
    char chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        buf_add(&b, chunk, n);
    char *s = ferror(f) != 0 ? NULL : tsub(b.p, b.len);
    fclose(f);
    buf_free(&b);
    return s;
}

json_object *
json_parse(const char *text)
{
    json_tokener *t = must(json_tokener_new());
    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json_object *o = json_tokener_parse_ex(t, text, (int) strlen(text) + 1);
    if (json_tokener_get_error(t) != json_tokener_success) {
        json_object_put(o);
        o = NULL;
    }
    json_tokener_free(t);
    (void) talloc(1);
    pool->first->json = o;
    return o;
}

json_object *
json_get(json_object *o, const char *key)
{
    return json_is(o, json_type_object) ? json_object_object_get(o, key) : NULL;
}

const char *
json_text(json_object *o, const char *key)
{
    json_object *v = json_get(o, key);
    return json_is(v, json_type_string) ? json_object_get_string(v) : NULL;
}

int64_t
json_int(json_object *o, const char *key, int64_t def)
{
    json_object *v = json_get(o, key);
    return v == NULL ? def : json_object_get_int64(v);
}

bool
json_flag(json_object *o, const char *key, bool def)
{
    json_object *v = json_get(o, key);
    return v == NULL ? def : json_object_get_boolean(v);
}

const char *
json_str(json_object *o)
{
    const char *s = json_object_get_string(o);
    return s != NULL ? s : "";
}

const struct slot *
slot_find(const struct slot *table, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].key, key) == 0)
            return &table[i];
    return NULL;
}

bool
slot_set(void *base, const struct slot *s, json_object *v)
{
    char *at = (char *) base + s->at;
    int n = 0;
    if (s->type == SLOT_FLAG)
        *(bool *) at = json_object_get_boolean(v);
    else if (s->type == SLOT_TEXT)
        *(const char **) at = keep(json_is(v, json_type_string) || v == NULL
                                       ? json_object_get_string(v)
                                       : json_object_to_json_string_ext(v, JSON_C_TO_STRING_NOSLASHESCAPE));
    else if (s->words == NULL)
        *(int *) at = json_object_get_int(v);
    else {
        const char *p = s->words;
        for (; *p != '\0' && !same(tsub(p, strcspn(p, " ")), json_str(v)); n++)
            p += strcspn(p, " ") + (p[strcspn(p, " ")] == ' ');
        *(int *) at = *p == '\0' ? 0 : n;
        return *p != '\0';
    }
    return true;
}

static int64_t
now(clockid_t which)
{
    struct timespec t;
    (void) clock_gettime(which, &t);
    return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000 + clock_offset;
}

int64_t
clock_ms(void)
{
    return now(CLOCK_MONOTONIC);
}

int64_t
clock_unix_ms(void)
{
    return now(CLOCK_REALTIME);
}

void
clock_advance(int64_t ms)
{
    clock_offset += ms;
}

void
sleep_ms(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    if (ms > 0)
        (void) nanosleep(&t, NULL);
}
