/* tests/sim/control.c: the paths below /_sim/: log, stats, state, history, faults, edits, knobs; see README.md. */
#include "tests/sim/control.h"

#include "tests/sim/http.h"

#include <stdlib.h>
#include <string.h>

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
