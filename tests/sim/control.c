/* tests/sim/control.c: the log of requests and the counts (rules 36 and S25), and the paths below /_sim/: log, stats, state,
 * history, faults, edits, knobs; see README.md. */
#include "tests/sim/control.h"

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
rec_answered(struct req *r)
{
    pthread_mutex_lock(&lock);
    r->rec->status = r->status;
    r->rec->kind = r->kind;
    r->rec->fault = r->act->number;
    if (!r->rec->cleared)
        count(&sides[r->side], r);
    pthread_mutex_unlock(&lock);
}

void
rec_end(struct req *r)
{
    struct rec *c = r->rec;
    pthread_mutex_lock(&lock);
    sides[r->side].inflight--;
    c->ms = clock_ms() - start_ms - c->t_ms;
    c->done = true;
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

/* ---- the paths ---- */

static int
by_id(const void *a, const void *b)
{
    const char *x = (*(struct thing *const *) a)->id, *y = (*(struct thing *const *) b)->id;
    size_t n = strlen(x), m = strlen(y);
    return n != m ? (n < m ? -1 : 1) : strcmp(x, y);
}

static void
dump(struct buf *b, const struct thing *x)
{
    struct list members = {0};
    buf_f(b, "{'id':%q,'externalId':%q,", x->id, x->ext);
    if (x->kind != DBX_GROUP) {
        buf_f(b, "'%s':%q,'%s':%q,'active':%b}", x->kind == DBX_USER ? "userName" : "displayName", x->name,
              x->kind == DBX_SP ? "applicationId" : "displayName", x->kind == DBX_SP ? x->appid : x->display,
              x->enabled);
        return;
    }
    for (int i = 0; i < x->members.n; i++)
        list_pass(&members, x->members.v[i]);
    if (members.n > 0)
        qsort(members.v, (size_t) members.n, sizeof(struct thing *), by_id);
    buf_f(b, "'displayName':%q,'level':%q,'system':%b,'members':[", x->name,
          x->local ? "workspace" : "account", x->system);
    for (int i = 0; i < members.n; i++)
        buf_f(b, i > 0 ? ",%q" : "%q", members.v[i]->id);
    buf_s(b, "],\"names\":["); /* in the order of members */
    for (int i = 0; i < members.n; i++)
        buf_f(b, i > 0 ? ",%q" : "%q", dbx_call_name(members.v[i]));
    buf_s(b, "]}");
}

static void
get_state(struct buf *out)
{
    static const char *const names[] = {"users", "service_principals", "groups"};
    buf_s(out, "{");
    for (int k = 0; k < 3; k++) {
        const struct list *all = &W.all[DBX_USER + k];
        buf_f(out, k > 0 ? ",%q:[" : "%q:[", names[k]);
        for (int i = 0; i < all->n; i++) {
            buf_sep(out);
            buf_s(out, "\n");
            dump(out, all->v[i]);
        }
        buf_s(out, "]");
    }
    buf_s(out, "}\n");
}

static void
get_history(struct buf *out)
{
    buf_f(out, "[%s]\n", W.history.p != NULL ? W.history.p : "");
}

static const char *
set_knobs(json_object *o)
{
    pthread_rwlock_wrlock(&world_lock);
    const char *bad = knobs_set(o);
    pthread_rwlock_unlock(&world_lock);
    return bad;
}

static const char *
advance(json_object *o)
{
    if (json_get(o, "advance_ms") == NULL)
        return "want {\"advance_ms\": N}";
    clock_advance(json_int(o, "advance_ms", 0));
    return NULL;
}

static const struct {
    const char *method, *what;
    void (*get)(struct buf *out);
    const char *(*set)(json_object *o);
    void (*clear)(void);
} table[] = {
    {"GET", "log", .get = rec_dump},        {"DELETE", "log", .clear = rec_clear},
    {"GET", "stats", .get = rec_stats},     {"GET", "state", .get = get_state},
    {"GET", "history", .get = get_history}, {"GET", "faults", .get = fault_dump},
    {"POST", "faults", .set = fault_add},   {"DELETE", "faults", .clear = fault_clear},
    {"POST", "edit", .set = edit_apply},    {"POST", "config", .set = set_knobs},
    {"POST", "clock", .set = advance},
};

void
control_answer(struct req *r)
{
    const char *bad = "unknown control path";
    size_t i = 0;
    while (i < COUNT(table) && (strcmp(r->path + 6, table[i].what) != 0 || !req_is(r, table[i].method)))
        i++;
    r->status = 200;
    r->ctype = "application/json";
    if (i == COUNT(table))
        r->status = 404;
    else if (table[i].get != NULL) {
        pthread_rwlock_rdlock(&world_lock);
        table[i].get(&r->out);
        pthread_rwlock_unlock(&world_lock);
        return;
    } else if (table[i].clear != NULL) {
        table[i].clear();
        bad = NULL;
    } else if ((bad = table[i].set(json_parse(r->body.p))) != NULL)
        r->status = 400;
    answer(r, r->status, r->ctype, bad == NULL ? "{'ok':true}\n" : "{'ok':false,'error':%q}\n", bad);
}
