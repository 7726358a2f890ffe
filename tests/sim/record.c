/* tests/sim/record.c: see record.h. */
#include "tests/sim/record.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct rec {
    int64_t n, nside, t_ms, ms;
    enum side side;
    char *method, *path, *query, *body, *headers;
    const char *kind;
    int status, inflight, fault;
    bool done, forgotten; /* forgotten: nobody keeps it; cleared: the log was emptied while it was served */
    bool cleared;
};

struct count {
    const char *kind;
    long n;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rec **recs;
static int nrecs, caprecs;
static int64_t next, side_next[2], start_ms;
static int inflight[2], peak[2];
static struct count counts[2][64];
static int ncounts[2];
static long by_method[2][2]; /* reads, writes */
static bool quiet;

static void
rec_free(struct rec *c)
{
    free(c->method);
    free(c->path);
    free(c->query);
    free(c->body);
    free(c->headers);
    free(c);
}

/* Form bodies go to token endpoints: their secrets must not be seen in a log. */
static char *
redact(const struct req *r)
{
    static const char *const secret[] = {
        "client_secret=", "client_assertion=", "subject_token=", "token=", "password="};
    if (r->body.len == 0)
        return xdup("");
    size_t n = strlen(r->path);
    if ((n < 6 || strcmp(r->path + n - 6, "/token") != 0) && strstr(r->path, "/introspect") == NULL)
        return xsub(r->body.p, r->body.len);
    struct buf b = {0};
    for (const char *p = r->body.p; *p != '\0';) {
        size_t k = strcspn(p, "&");
        bool hide = false;
        for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++)
            if (strncmp(p, secret[i], strlen(secret[i])) == 0) {
                buf_s(&b, secret[i]);
                hide = true;
            }
        if (hide)
            buf_lit(&b, "REDACTED");
        else
            buf_add(&b, p, k);
        p += k;
        if (*p == '&') {
            buf_lit(&b, "&");
            p++;
        }
    }
    return b.p;
}

static enum MHD_Result
one_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void) kind;
    struct buf *b = cls;
    buf_s(b, b->len == 0 ? "{" : ",");
    char *l = lower(name);
    buf_json(b, l);
    buf_lit(b, ":");
    bool secret = strcmp(l, "authorization") == 0 || strcmp(l, "cookie") == 0;
    buf_json(b, secret ? "present" : value != NULL ? value : "");
    free(l);
    return MHD_YES;
}

void
rec_begin(struct req *r)
{
    struct rec *c = xalloc(sizeof *c);
    c->side = r->side;
    c->fault = -1;
    if (!quiet) {
        struct buf h = {0};
        (void) MHD_get_connection_values(r->conn, MHD_HEADER_KIND, one_header, &h);
        buf_s(&h, h.len == 0 ? "{}" : "}");
        c->headers = h.p;
        c->method = xdup(r->method);
        c->path = xdup(r->path);
        c->query = xdup(r->query);
        c->body = redact(r);
    }
    pthread_mutex_lock(&lock);
    if (start_ms == 0)
        start_ms = clock_ms();
    c->n = ++next;
    c->nside = ++side_next[r->side];
    c->t_ms = clock_ms() - start_ms;
    c->inflight = ++inflight[r->side];
    if (c->inflight > peak[r->side])
        peak[r->side] = c->inflight;
    c->forgotten = quiet;
    if (!quiet) {
        recs = xgrow(recs, nrecs + 1, &caprecs, sizeof(struct rec *));
        recs[nrecs++] = c;
    }
    pthread_mutex_unlock(&lock);
    r->rec = c;
}

static void
count(const struct req *r)
{
    if (strcmp(r->method, "GET") == 0 || strcmp(r->kind, "token") == 0)
        by_method[r->side][0]++;
    else
        by_method[r->side][1]++;
    struct count *t = counts[r->side];
    int i = 0;
    while (i < ncounts[r->side] && strcmp(t[i].kind, r->kind) != 0)
        i++;
    if (i < 64) {
        if (i == ncounts[r->side])
            t[ncounts[r->side]++] = (struct count){.kind = r->kind};
        t[i].n++;
    }
}

void
rec_end(struct req *r)
{
    struct rec *c = r->rec;
    pthread_mutex_lock(&lock);
    inflight[r->side]--;
    c->status = r->status;
    c->kind = r->kind;
    c->fault = r->act->number;
    c->ms = clock_ms() - start_ms - c->t_ms;
    c->done = true;
    if (!c->cleared)
        count(r);
    bool forgotten = c->forgotten;
    pthread_mutex_unlock(&lock);
    if (forgotten)
        rec_free(c);
}

int64_t
rec_number(const struct rec *c)
{
    return c == NULL ? 0 : c->n;
}

int64_t
rec_side_number(const struct rec *c)
{
    return c->nside;
}

void
rec_dump(struct buf *out)
{
    pthread_mutex_lock(&lock);
    buf_lit(out, "[");
    for (int i = 0; i < nrecs; i++) {
        const struct rec *c = recs[i];
        buf_f(out, "%s{\"n\":%lld,\"side\":\"%s\"", i > 0 ? ",\n" : "", (long long) c->n,
              c->side == SIDE_KC ? "kc" : "dbx");
        buf_key(out, "method", c->method);
        buf_key(out, "path", c->path);
        buf_key(out, "query", c->query);
        buf_key(out, "kind", c->kind);
        buf_f(out, ",\"headers\":%s", c->headers);
        buf_key(out, "body", c->body);
        buf_f(out,
              ",\"status\":%d,\"done\":%s,\"t_ms\":%lld,\"ms\":%lld,\"inflight\":%d,\"fault\":", c->status,
              c->done ? "true" : "false", (long long) c->t_ms, (long long) c->ms, c->inflight);
        if (c->fault < 0)
            buf_lit(out, "null");
        else
            buf_f(out, "%d", c->fault);
        const char *ua = strstr(c->headers, "\"user-agent\":");
        buf_lit(out, ",\"user_agent\":");
        if (ua == NULL)
            buf_lit(out, "null");
        else { /* the value is a JSON string already: up to its closing quote */
            ua += 13;
            size_t k = 1;
            while (ua[k] != '"')
                k += ua[k] == '\\' ? 2 : 1;
            buf_add(out, ua, k + 1);
        }
        buf_lit(out, "}");
    }
    buf_lit(out, "]\n");
    pthread_mutex_unlock(&lock);
}

void
rec_stats(struct buf *out)
{
    pthread_mutex_lock(&lock);
    for (int s = 0; s < 2; s++) {
        long total = by_method[s][0] + by_method[s][1];
        buf_f(
            out,
            "%s\"%s\":{\"requests\":%ld,\"reads\":%ld,\"writes\":%ld,\"inflight\":%d,\"peak\":%d,\"kinds\":{",
            s == 0 ? "{" : ",", s == SIDE_KC ? "kc" : "dbx", total, by_method[s][0], by_method[s][1],
            inflight[s], peak[s]);
        for (int i = 0; i < ncounts[s]; i++)
            buf_f(out, "%s\"%s\":%ld", i > 0 ? "," : "", counts[s][i].kind, counts[s][i].n);
        buf_lit(out, "}}");
    }
    buf_lit(out, "}\n");
    pthread_mutex_unlock(&lock);
}

void
rec_clear(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < nrecs; i++) {
        if (recs[i]->done)
            rec_free(recs[i]);
        else
            recs[i]->cleared = recs[i]->forgotten = true;
    }
    free(recs);
    recs = NULL;
    nrecs = caprecs = 0;
    next = side_next[0] = side_next[1] = 0;
    start_ms = clock_ms();
    for (int s = 0; s < 2; s++) {
        peak[s] = inflight[s];
        ncounts[s] = 0;
        by_method[s][0] = by_method[s][1] = 0;
    }
    pthread_mutex_unlock(&lock);
}

void
rec_quiet(bool on)
{
    quiet = on;
}
