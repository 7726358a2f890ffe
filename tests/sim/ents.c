/* tests/sim/ents.c: the Databricks half of the truth, with the history of every membership; see world.h. */
#include "tests/sim/world.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The key of the name map: kind, level, and for users the lower-cased name, since userName ignores case
 * (databricks-api.md section 3.4) while group names may differ by case alone. */
static char *
name_key(char kind, bool local, const char *name)
{
    char *l = kind == 'G' ? xdup(name) : lower(name);
    char *k = xfmt("%c%c%s", kind, kind == 'G' && local ? 'w' : 'a', l);
    free(l);
    return k;
}

static void
name_put(int e)
{
    char *k = name_key(W.ents[e].kind, W.ents[e].local, W.ents[e].name);
    if (map_get(&W.ent_name, k) < 0)
        map_put(&W.ent_name, k, e); /* the map borrows k: it lives as long as the world */
    else
        free(k);
}

static void
name_drop(int e)
{
    char *k = name_key(W.ents[e].kind, W.ents[e].local, W.ents[e].name);
    if (map_get(&W.ent_name, k) == e)
        free((void *) (uintptr_t) map_del(&W.ent_name, k));
    free(k);
}

int
ent_new(char kind, const char *name, const char *id, bool local)
{
    W.ents = xgrow(W.ents, W.nents + 1, &W.capents, sizeof *W.ents);
    int e = W.nents++;
    /* Rule 2: ids are decimal strings, mostly 15 digits, never used twice. Source: databricks-api.md section
     * 2 */
    int64_t step = 1 + rng_below(&W.rng, 97);
    char *made = id != NULL ? xdup(id) : xfmt("%lld", (long long) (W.next_id += step));
    W.ents[e] = (struct ent){
        .kind = kind, .alive = true, .active = true, .local = local, .id = made, .name = xdup(name)};
    map_put(&W.ent_id, W.ents[e].id, e);
    name_put(e);
    ivec_push(kind == 'U' ? &W.dbx_users : kind == 'S' ? &W.dbx_sps : &W.dbx_groups, e);
    return e;
}

void
ent_make_system(void)
{
    static const char *const names[] = {"account users", "users", "admins"};
    for (int i = 0; i < 3; i++) {
        int e = ent_new('G', names[i], NULL, i > 0);
        W.ents[e].system = true;
    }
}

int
ent_new_sp(const char *display, const char *appid)
{
    int e = ent_new('S', display, NULL, false);
    W.ents[e].appid = xdup(appid);
    return e;
}

int
ent_find(char kind, const char *name, bool local)
{
    if (kind == 'S')
        for (int i = 0; i < W.dbx_sps.n; i++) {
            const struct ent *x = &W.ents[W.dbx_sps.v[i]];
            if (x->appid != NULL && strcasecmp(x->appid, name) == 0)
                return W.dbx_sps.v[i];
        }
    char *k = name_key(kind, local, name);
    int e = map_get(&W.ent_name, k);
    free(k);
    return e;
}

void
ent_del(int e, int64_t n, const char *by)
{
    struct ent *x = &W.ents[e];
    while (x->members.n > 0)
        member_drop(e, x->members.v[x->members.n - 1], n, by);
    while (x->in.n > 0)
        member_drop(x->in.v[x->in.n - 1], e, n, by);
    name_drop(e);
    map_del(&W.ent_id, x->id);
    x->alive = false;
    ivec_drop(x->kind == 'U' ? &W.dbx_users : x->kind == 'S' ? &W.dbx_sps : &W.dbx_groups, e);
}

void
ent_rename(int e, const char *name)
{
    name_drop(e);
    str_set(&W.ents[e].name, name);
    name_put(e);
}

static void
note(bool add, int g, int m, int64_t n, const char *by)
{
    if (W.bulk)
        return;
    const struct ent *x = &W.ents[m];
    W.history = xgrow(W.history, W.nhistory + 1, &W.caphistory, sizeof *W.history);
    W.history[W.nhistory++] =
        (struct change){.n = n,
                        .add = add,
                        .group = xdup(W.ents[g].name),
                        .group_id = xdup(W.ents[g].id),
                        .member = xdup(x->kind == 'S' && x->appid != NULL ? x->appid : x->name),
                        .member_id = xdup(x->id),
                        .by = by};
}

bool
member_add(int g, int m, int64_t n, const char *by)
{
    if (ivec_find(&W.ents[m].in, g) >= 0)
        return false;
    ivec_push(&W.ents[m].in, g);
    ivec_push(&W.ents[g].members, m);
    note(true, g, m, n, by);
    return true;
}

bool
member_drop(int g, int m, int64_t n, const char *by)
{
    if (!ivec_drop(&W.ents[m].in, g))
        return false;
    ivec_drop(&W.ents[g].members, m);
    note(false, g, m, n, by);
    return true;
}

void
ent_role(int e, const char *value, bool add)
{
    struct ent *x = &W.ents[e];
    for (int i = 0; i < x->nroles; i++)
        if (strcmp(x->roles[i], value) == 0) {
            if (!add) {
                free(x->roles[i]);
                x->roles[i] = x->roles[--x->nroles];
            }
            return;
        }
    if (!add)
        return;
    char **grown = xalloc((size_t) (x->nroles + 1) * sizeof *grown);
    if (x->nroles > 0)
        memcpy(grown, x->roles, (size_t) x->nroles * sizeof *grown);
    free(x->roles);
    x->roles = grown;
    x->roles[x->nroles++] = xdup(value);
}

static void
stale_free(struct ent *x)
{
    if (x->stale == NULL)
        return;
    ivec_free(&x->stale->members);
    free(x->stale->name);
    free(x->stale);
    x->stale = NULL;
}

/* Rule 23: the next reads return the state of now, also after a write that follows; then, on request, one new
 * answer and one old answer again. Source: databricks-api.md section 3.7 */
void
ent_stale(int g, int reads, bool flip_back)
{
    struct ent *x = &W.ents[g];
    stale_free(x);
    x->stale = xalloc(sizeof *x->stale);
    x->stale->name = xdup(x->name);
    x->stale->reads = reads;
    x->stale->fresh = flip_back ? 1 : 0;
    x->stale->again = flip_back ? 1 : 0;
    for (int i = 0; i < x->members.n; i++)
        ivec_push(&x->stale->members, x->members.v[i]);
}

bool
ent_reads_old(int g)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* readers share world_lock */
    struct stale *s = W.ents[g].stale;
    if (s == NULL)
        return false;
    pthread_mutex_lock(&lock);
    bool old = false;
    if (s->reads > 0) {
        s->reads--;
        old = true;
    } else if (s->fresh > 0)
        s->fresh--;
    else if (s->again > 0) {
        s->again--;
        old = true;
    }
    pthread_mutex_unlock(&lock);
    return old;
}
