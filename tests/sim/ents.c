/* tests/sim/ents.c: the Databricks half of the truth, with the history of every membership; see world.h. */
#include "tests/sim/world.h"

#include <stdlib.h>
#include <string.h>

/* userName ignores case (databricks-api.md section 3.4) while group names may differ by case alone; a name belongs to
 * its level. Passes with the request. */
const char *
dbx_name_key(const struct thing *x)
{
    return x->kind == DBX_GROUP ? tf("%s%s", x->local ? "w" : "a", x->name) : tlower(x->name);
}

void
dbx_make_system(void)
{
    static const char *const names[] = {"account users", "users", "admins"};
    for (size_t i = 0; i < COUNT(names); i++)
        thing_new(DBX_GROUP, names[i], NULL, NULL, i > 0)->system = true;
}

struct thing *
dbx_sp_new(const char *display, const char *appid)
{
    struct thing *x = thing_new(DBX_SP, display, NULL, NULL, false);
    x->appid = keep(appid);
    return x;
}

const char *
dbx_call_name(const struct thing *x)
{
    return x->kind == DBX_SP && x->appid != NULL ? x->appid : x->name;
}

static void
note(bool add, const struct thing *g, const struct thing *m, int64_t n, const char *by)
{
    if (W.bulk)
        return;
    if (W.history.len > 0)
        buf_s(&W.history, ",\n");
    buf_f(&W.history, "{'n':%l,'op':%q,'group':%q,'group_id':%q,'member':%q,'member_id':%q,'by':%q}", n,
          add ? "add" : "remove", g->name, g->id, dbx_call_name(m), m->id, by);
}

bool
member_add(struct thing *g, struct thing *m, int64_t n, const char *by)
{
    if (list_has(&m->groups, g))
        return false;
    list_add(&m->groups, g);
    list_add(&g->members, m);
    note(true, g, m, n, by);
    return true;
}

bool
member_drop(struct thing *g, struct thing *m, int64_t n, const char *by)
{
    if (!list_drop(&m->groups, g))
        return false;
    list_drop(&g->members, m);
    note(false, g, m, n, by);
    return true;
}

void
members_clear(struct thing *g, int64_t n, const char *by)
{
    while (g->members.n > 0)
        member_drop(g, g->members.v[g->members.n - 1], n, by);
}

/* Rule 23: the next reads return the state of now, also after a write that follows; then, on request, one new answer
 * and one old answer again. Source: databricks-api.md section 3.7 */
void
dbx_stale(struct thing *g, int reads, bool flip_back)
{
    if (g->stale == NULL)
        g->stale = xalloc(sizeof *g->stale);
    struct stale *s = g->stale;
    s->name = g->name;
    s->reads = reads;
    s->fresh = s->again = flip_back;
    s->members.n = 0;
    for (int i = 0; i < g->members.n; i++)
        list_add(&s->members, g->members.v[i]);
}

const struct stale *
dbx_old_view(struct thing *g)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* readers share world_lock */
    struct stale *s = g->stale;
    if (s == NULL)
        return NULL;
    pthread_mutex_lock(&lock);
    int *counts[] = {&s->reads, &s->fresh, &s->again};
    int phase = s->reads > 0 ? 0 : s->fresh > 0 ? 1 : s->again > 0 ? 2 : -1;
    if (phase >= 0)
        --*counts[phase];
    pthread_mutex_unlock(&lock);
    return phase == 0 || phase == 2 ? s : NULL;
}
