/* tests/sim/control.c: the paths below /_sim/: log, stats, state, history, faults, edits, knobs; see
 * README.md. */
#include "tests/sim/control.h"

#include "tests/sim/fault.h"
#include "tests/sim/http.h"
#include "tests/sim/record.h"
#include "tests/sim/world.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static int
cmp_id(const void *a, const void *b)
{
    const char *x = W.ents[*(const int *) a].id, *y = W.ents[*(const int *) b].id;
    size_t n = strlen(x), m = strlen(y);
    return n != m ? (n < m ? -1 : 1) : strcmp(x, y);
}

static void
dump_group(struct buf *b, const struct ent *x)
{
    int *v = xalloc((size_t) (x->members.n + 1) * sizeof *v);
    if (x->members.n > 0)
        memcpy(v, x->members.v, (size_t) x->members.n * sizeof *v);
    qsort(v, (size_t) x->members.n, sizeof *v, cmp_id);
    buf_lit(b, "{\"id\":");
    buf_json(b, x->id);
    buf_key(b, "displayName", x->name);
    buf_key(b, "externalId", x->ext);
    buf_f(b, ",\"level\":\"%s\",\"system\":%s,\"members\":[", x->local ? "workspace" : "account",
          x->system ? "true" : "false");
    for (int i = 0; i < x->members.n; i++) {
        buf_s(b, i > 0 ? "," : "");
        buf_json(b, W.ents[v[i]].id);
    }
    buf_lit(b, "],\"names\":["); /* in the order of members: userName, applicationId, displayName */
    for (int i = 0; i < x->members.n; i++) {
        const struct ent *m = &W.ents[v[i]];
        buf_s(b, i > 0 ? "," : "");
        buf_json(b, m->kind == 'S' && m->appid != NULL ? m->appid : m->name);
    }
    buf_lit(b, "]}");
    free(v);
}

static void
dump_principal(struct buf *b, const struct ent *x)
{
    buf_lit(b, "{\"id\":");
    buf_json(b, x->id);
    buf_key(b, x->kind == 'U' ? "userName" : "displayName", x->name);
    if (x->kind == 'S')
        buf_key(b, "applicationId", x->appid);
    else
        buf_key(b, "displayName", x->display);
    buf_key(b, "externalId", x->ext);
    buf_f(b, ",\"active\":%s}", x->active ? "true" : "false");
}

void
state_dump(struct buf *out)
{
    const struct ivec *lists[] = {&W.dbx_groups, &W.dbx_users, &W.dbx_sps};
    static const char *const names[] = {"groups", "users", "service_principals"};
    pthread_rwlock_rdlock(&world_lock);
    buf_lit(out, "{");
    for (int k = 0; k < 3; k++) {
        buf_f(out, "%s\"%s\":[", k > 0 ? "],\n" : "", names[k]);
        for (int i = 0; i < lists[k]->n; i++) {
            buf_s(out, i > 0 ? ",\n" : "\n");
            if (k == 0)
                dump_group(out, &W.ents[lists[k]->v[i]]);
            else
                dump_principal(out, &W.ents[lists[k]->v[i]]);
        }
    }
    buf_lit(out, "]}\n");
    pthread_rwlock_unlock(&world_lock);
}

void
history_dump(struct buf *out)
{
    pthread_rwlock_rdlock(&world_lock);
    buf_lit(out, "[");
    for (int i = 0; i < W.nhistory; i++) {
        const struct change *c = &W.history[i];
        buf_f(out, "%s{\"n\":%lld,\"op\":\"%s\"", i > 0 ? ",\n" : "", (long long) c->n,
              c->add ? "add" : "remove");
        buf_key(out, "group", c->group);
        buf_key(out, "group_id", c->group_id);
        buf_key(out, "member", c->member);
        buf_key(out, "member_id", c->member_id);
        buf_key(out, "by", c->by);
        buf_lit(out, "}");
    }
    buf_lit(out, "]\n");
    pthread_rwlock_unlock(&world_lock);
}

static void
outcome(struct req *r, bool ok, char *err)
{
    if (ok)
        answer(r, 200, "application/json", "{\"ok\":true}\n");
    else {
        struct buf b = {0};
        buf_json(&b, err);
        answer(r, 400, "application/json", "{\"ok\":false,\"error\":%s}\n", b.p);
        buf_free(&b);
    }
    free(err);
}

static void
post_config(struct req *r, const char *body)
{
    char *err = NULL;
    json_object *o = json_parse(body);
    pthread_rwlock_wrlock(&world_lock);
    bool ok = knobs_set(o, &err);
    pthread_rwlock_unlock(&world_lock);
    json_object_put(o);
    outcome(r, ok, err);
}

static void
post_clock(struct req *r, const char *body)
{
    json_object *o = json_parse(body), *v = NULL;
    bool ok = json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "advance_ms", &v);
    if (ok)
        clock_advance(json_object_get_int64(v));
    json_object_put(o);
    outcome(r, ok, ok ? NULL : xdup("want {\"advance_ms\": N}"));
}

void
control_answer(struct req *r)
{
    const char *what = r->path + 6, *body = r->body.p != NULL ? r->body.p : "";
    bool get = req_is(r, "GET"), post = req_is(r, "POST"), del = req_is(r, "DELETE");
    char *err = NULL;
    r->status = 200;
    r->ctype = "application/json";
    if (strcmp(what, "log") == 0 && get)
        rec_dump(&r->out);
    else if (strcmp(what, "log") == 0 && del) {
        rec_clear();
        outcome(r, true, NULL);
    } else if (strcmp(what, "stats") == 0 && get)
        rec_stats(&r->out);
    else if (strcmp(what, "state") == 0 && get)
        state_dump(&r->out);
    else if (strcmp(what, "history") == 0 && get)
        history_dump(&r->out);
    else if (strcmp(what, "faults") == 0 && get)
        fault_dump(&r->out);
    else if (strcmp(what, "faults") == 0 && post) {
        bool ok = fault_add(body, &err);
        outcome(r, ok, err);
    } else if (strcmp(what, "faults") == 0 && del) {
        fault_clear();
        outcome(r, true, NULL);
    } else if (strcmp(what, "edit") == 0 && post) {
        bool ok = edit_apply(body, 0, &err);
        outcome(r, ok, err);
    } else if (strcmp(what, "config") == 0 && post)
        post_config(r, body);
    else if (strcmp(what, "clock") == 0 && post)
        post_clock(r, body);
    else
        answer(r, 404, "application/json", "{\"ok\":false,\"error\":\"unknown control path\"}\n");
}
