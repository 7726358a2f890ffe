/* tests/sim/record.c: see record.h. */
#include "tests/sim/http.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct rec {
    int64_t n, t_ms, ms;
    struct buf head; /* JSON of what was sent, without its end */
    const char *kind;
    int status, inflight, fault;
    bool done, listed, cleared; /* cleared: the log was emptied while it was served */
};

static struct side_count {
    int64_t next, reads, writes;
    int inflight, peak;
    json_object *kinds; /* endpoint: number */
} sides[2];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rec **recs;
static int nrecs, caprecs;
static int64_t next, start_ms;
static bool quiet;

static void
rec_free(struct rec *c)
{
    buf_free(&c->head);
    free(c);
}

/* Form bodies go to token endpoints: their secrets must not be seen in a log. */
static const char *
redact(const struct req *r)
{
    static const char *const secret[] = {
        "client_secret=", "client_assertion=", "subject_token=", "token=", "password="};
    const char *out = "";
    size_t n = strlen(r->path);
    if (strstr(r->path, "/introspect") == NULL && (n < 6 || strcmp(r->path + n - 6, "/token") != 0))
        return r->body.p;
    for (const char *p = r->body.p; *p != '\0'; p += strcspn(p, "&"), p += *p == '&') {
        const char *shown = tsub(p, strcspn(p, "&"));
        for (size_t i = 0; i < COUNT(secret); i++)
            if (begins(shown, secret[i]))
                shown = tf("%sREDACTED", secret[i]);
        out = tf("%s%s%s", out, out[0] != '\0' ? "&" : "", shown);
    }
    return out;
}

static enum MHD_Result
one_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void) kind;
    struct buf *b = cls;
    const char *l = tlower(name);
    bool secret = strcmp(l, "authorization") == 0 || strcmp(l, "cookie") == 0;
    buf_item(b, "%q:%q", l, secret ? "present" : value != NULL ? value : "");
    return MHD_YES;
}

void
rec_begin(struct req *r)
{
    struct rec *c = xalloc(sizeof *c);
    struct buf *b = &c->head;
    c->fault = -1;
    if (!quiet) {
        buf_f(b, "'side':%q,'method':%q,'path':%q,'query':%q,'body':%q,'user_agent':%q,'headers':{",
              r->side == SIDE_KC ? "kc" : "dbx", r->method, r->path, r->query, redact(r),
              req_header(r, "User-Agent"));
        (void) MHD_get_connection_values(r->conn, MHD_HEADER_KIND, one_header, b);
        buf_s(b, "}");
    }
    pthread_mutex_lock(&lock);
    struct side_count *s = &sides[r->side];
    if (start_ms == 0)
        start_ms = clock_ms();
    r->n = c->n = ++next;
    r->nside = ++s->next;
    c->t_ms = clock_ms() - start_ms;
    c->inflight = ++s->inflight;
    s->peak = c->inflight > s->peak ? c->inflight : s->peak;
    c->listed = !quiet;
    if (c->listed) {
        recs = xgrow(recs, nrecs + 1, &caprecs, sizeof(struct rec *));
        recs[nrecs++] = c;
    }
    pthread_mutex_unlock(&lock);
    r->rec = c;
}

static void
count(struct side_count *s, const struct req *r)
{
    json_object *n = json_get(s->kinds, r->kind);
    ++*(req_is(r, "GET") || strcmp(r->kind, "token") == 0 ? &s->reads : &s->writes);
    if (s->kinds == NULL)
        s->kinds = json_object_new_object();
    if (n != NULL)
        (void) json_object_int_inc(n, 1);
    else
        (void) json_object_object_add(s->kinds, r->kind, json_object_new_int64(1));
}

void
rec_end(struct req *r)
{
    struct rec *c = r->rec;
    pthread_mutex_lock(&lock);
    sides[r->side].inflight--;
    c->status = r->status;
    c->kind = r->kind;
    c->fault = r->act->number;
    c->ms = clock_ms() - start_ms - c->t_ms;
    c->done = true;
    if (!c->cleared)
        count(&sides[r->side], r);
    bool listed = c->listed;
    pthread_mutex_unlock(&lock);
    if (!listed)
        rec_free(c);
}

void
rec_dump(struct buf *out)
{
    pthread_mutex_lock(&lock);
    buf_s(out, "[");
    for (int i = 0; i < nrecs; i++) {
        const struct rec *c = recs[i];
        buf_item(out,
                 "\n{'n':%l,%s,'kind':%q,'status':%d,'done':%b,'t_ms':%l,'ms':%l,'inflight':%d,'fault':%s}",
                 c->n, c->head.p, c->kind, c->status, c->done, c->t_ms, c->ms, c->inflight,
                 c->fault < 0 ? "null" : tf("%d", c->fault));
    }
    buf_s(out, "]\n");
    pthread_mutex_unlock(&lock);
}

void
rec_stats(struct buf *out)
{
    pthread_mutex_lock(&lock);
    buf_s(out, "{");
    for (int k = 0; k < 2; k++) {
        const struct side_count *s = &sides[k];
        buf_item(out, "%q:{'requests':%l,'reads':%l,'writes':%l,'inflight':%d,'peak':%d,'kinds':%s}",
                 k == SIDE_KC ? "kc" : "dbx", s->reads + s->writes, s->reads, s->writes, s->inflight, s->peak,
                 s->kinds == NULL ? "{}" : json_object_to_json_string(s->kinds));
    }
    buf_s(out, "}\n");
    pthread_mutex_unlock(&lock);
}

void
rec_clear(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < nrecs; i++)
        if (recs[i]->done)
            rec_free(recs[i]);
        else {
            recs[i]->cleared = true;
            recs[i]->listed = false;
        }
    nrecs = 0;
    next = 0;
    start_ms = clock_ms();
    for (int k = 0; k < 2; k++) {
        json_object_put(sides[k].kinds);
        sides[k] = (struct side_count){.inflight = sides[k].inflight, .peak = sides[k].inflight};
    }
    pthread_mutex_unlock(&lock);
}

void
rec_quiet(bool on)
{
    quiet = on;
}
