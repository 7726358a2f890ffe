/* tests/sim/kc_groups.c: /groups, /group-by-path (rules S5, S6, S13, S14). */
#include "tests/sim/kc.h"

#include "tests/sim/control.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What `search` and `q` ask for. An empty search counts as absent; `*` or blanks match everything, `%` and
 * `_` are literal; a q that does not parse is dropped and matches everything. Source: keycloak-verified.md
 * sections 0, 1 */
struct want {
    char *text, *q;
    bool any, exact;
};

static struct want
want_of(const struct req *r)
{
    struct want w = {.text = query_get(r->query, "search"),
                     .q = query_get(r->query, "q"),
                     .exact = kc_flag(r, "exact", false)};
    if (w.text != NULL && w.text[0] == '\0') {
        free(w.text);
        w.text = NULL;
    }
    if (w.q != NULL && w.q[0] == '\0') {
        free(w.q);
        w.q = NULL;
    }
    w.any = w.text != NULL || w.q != NULL;
    if (w.text != NULL) {
        char *t = w.text + strspn(w.text, " ");
        size_t n = strlen(t);
        while (n > 0 && t[n - 1] == ' ')
            n--;
        char *trimmed = xsub(t, n);
        free(w.text);
        w.text = trimmed;
    }
    return w;
}

static bool
matches(int g, const struct want *w)
{
    if (w->q != NULL && !attrs_query(&W.groups[g].attrs, w->q))
        return false;
    if (w->text == NULL || w->text[0] == '\0' || strcmp(w->text, "*") == 0)
        return true;
    return w->exact ? strcmp(W.groups[g].name, w->text) == 0 : has_infix(W.groups[g].name, w->text);
}

static struct ivec
find_groups(const struct want *w)
{
    struct ivec v = {0};
    for (int g = 0; g < W.ngroups; g++)
        if (W.groups[g].alive && matches(g, w))
            ivec_push(&v, g);
    groups_sort(&v);
    return v;
}

static const char *tree_mark; /* set and used under tree_lock */
static pthread_mutex_t tree_lock = PTHREAD_MUTEX_INITIALIZER;

/* A row whose subGroups hold the marked children, recursively. */
static void
tree_row(struct buf *b, int g, const struct shape *shape)
{
    struct buf one = {0};
    kc_group_row(&one, g, shape);
    const char *hole = strstr(one.p, ",\"subGroups\":[]");
    size_t at = hole == NULL ? 0 : (size_t) (hole - one.p) + 14;
    buf_add(b, one.p, at);
    bool some = false;
    for (int i = 0; i < W.groups[g].kids.n; i++) {
        int k = W.groups[g].kids.v[i];
        if (!tree_mark[k])
            continue;
        buf_s(b, some ? "," : "");
        some = true;
        tree_row(b, k, shape);
    }
    buf_s(b, one.p + at);
    buf_free(&one);
}

/* S13: without populateHierarchy=false matches are shown inside their ancestors, from the root. */
static void
list_tree(struct req *r, const struct ivec *found, const struct shape *shape)
{
    char *mark = xalloc((size_t) W.ngroups + 1);
    for (int i = 0; i < found->n; i++)
        for (int g = found->v[i]; g >= 0 && !mark[g]; g = W.groups[g].parent)
            mark[g] = 1;
    struct ivec roots = {0};
    for (int i = 0; i < W.top.n; i++)
        if (mark[W.top.v[i]])
            ivec_push(&roots, W.top.v[i]);
    pthread_mutex_lock(&tree_lock);
    tree_mark = mark;
    kc_list(r, roots.v, roots.n, -1, true, tree_row, shape);
    tree_mark = NULL;
    pthread_mutex_unlock(&tree_lock);
    ivec_free(&roots);
    free(mark);
}

static void
list_groups(struct req *r, unsigned perm)
{
    struct want w = want_of(r);
    struct shape shape = {.brief = kc_flag(r, "briefRepresentation", true),
                          .sub_count = kc_flag(r, "subGroupsCount", true),
                          .clients = true,
                          .nested = knobs.kc_version < VERSION(23, 0, 0)}; /* S13 */
    r->kind = w.any ? "groups_search" : "groups";
    if ((perm & P_QUERY_GROUPS) == 0)
        kc_forbidden(r);
    else if ((perm & P_VIEW_USERS) == 0)
        kc_list(r, NULL, 0, -1, true, kc_group_row, &shape);
    else if (!w.any)
        kc_list(r, W.top.v, W.top.n, -1, true, kc_group_row, &shape);
    else {
        struct ivec v = find_groups(&w);
        if (kc_flag(r, "populateHierarchy", true))
            list_tree(r, &v, &shape);
        else
            kc_list(r, v.v, v.n, -1, true, kc_group_row, &shape);
        ivec_free(&v);
    }
    free(w.text);
    free(w.q);
}

static void
count_groups(struct req *r, unsigned perm)
{
    struct want w = want_of(r);
    r->kind = "groups_count";
    if ((perm & P_QUERY_GROUPS) == 0)
        kc_forbidden(r);
    else if (w.any) {
        struct ivec v = find_groups(&w);
        answer(r, 200, KC_JSON, "{\"count\":%d}", v.n);
        ivec_free(&v);
    } else {
        int n = W.top.n;
        if (!kc_flag(r, "top", false)) {
            n = 0;
            for (int g = 0; g < W.ngroups; g++)
                n += W.groups[g].alive;
        }
        answer(r, 200, KC_JSON, "{\"count\":%d}", n);
    }
    free(w.text);
    free(w.q);
}

static void
one_group(struct req *r, unsigned perm, int g)
{
    /* without view-clients the client part is silently missing here: keycloak-verified.md section 5 */
    struct shape shape = {.sub_count = true, .clients = (perm & P_VIEW_CLIENTS) != 0};
    kc_one(r, g, kc_group_row, &shape);
}

static void
children(struct req *r, int g)
{
    struct shape shape = {.brief = kc_flag(r, "briefRepresentation", false),
                          .sub_count = kc_flag(r, "subGroupsCount", true),
                          .clients = true};
    struct want w = want_of(r);
    struct ivec v = {0};
    for (int i = 0; i < W.groups[g].kids.n; i++)
        if (matches(W.groups[g].kids.v[i], &w))
            ivec_push(&v, W.groups[g].kids.v[i]);
    r->kind = "children";
    kc_list(r, v.v, v.n, 10, true, kc_group_row, &shape); /* S6: 10, not 100 */
    ivec_free(&v);
    free(w.text);
    free(w.q);
}

static void
role_mappings(struct req *r, int g)
{
    struct ivec v = {0};
    for (int i = 0; i < W.groups[g].roles.n; i++)
        if (W.roles[W.groups[g].roles.v[i]].client < 0)
            ivec_push(&v, W.groups[g].roles.v[i]);
    struct shape shape = {.brief = true};
    r->kind = "group_roles";
    kc_list(r, v.v, v.n, -1, true, kc_role_row, &shape);
    ivec_free(&v);
}

void
kc_groups(struct req *r, unsigned perm, int at)
{
    int left = r->nseg - at;
    if (left == 1) {
        list_groups(r, perm);
        return;
    }
    if (left == 2 && strcmp(r->seg[at + 1], "count") == 0) {
        count_groups(r, perm);
        return;
    }
    int g = map_get(&W.group_id, r->seg[at + 1]);
    const char *what = left > 2 ? r->seg[at + 2] : "";
    r->kind = "group";
    if (g < 0) /* 404 before 403: keycloak-verified.md section 3 */
        kc_error(r, 404, "Could not find group by id");
    else if ((perm & P_VIEW_USERS) == 0)
        kc_forbidden(r);
    else if (left == 2)
        one_group(r, perm, g);
    else if (left == 3 && strcmp(what, "children") == 0 && knobs.kc_version >= VERSION(23, 0, 0))
        children(r, g);
    else if (left == 3 && strcmp(what, "members") == 0) {
        struct shape shape = {.brief = kc_flag(r, "briefRepresentation", false), .place = PLACE_ALL};
        r->kind = "members";
        struct ivec v = {0};
        for (int i = 0; i < W.groups[g].members.n; i++)
            if (directory_lists(W.groups[g].members.v[i]))
                ivec_push(&v, W.groups[g].members.v[i]);
        kc_list(r, v.v, v.n, 100, true, kc_user_row, &shape);
        ivec_free(&v);
    } else if (left == 4 && strcmp(what, "role-mappings") == 0 && strcmp(r->seg[at + 3], "realm") == 0)
        role_mappings(r, g);
    else
        kc_not_found(r);
}

void
kc_default_groups(struct req *r)
{
    struct shape shape = {.brief = true, .sub_count = true};
    kc_list(r, W.default_groups.v, W.default_groups.n, -1, true, kc_group_row, &shape);
}

/* Walks names level by level, so a name with '/' is never found, encoded or not: keycloak-verified.md section
 * 1 */
void
kc_group_by_path(struct req *r, unsigned perm, int at)
{
    struct buf path = {0};
    for (int i = at + 1; i < r->nseg; i++) {
        buf_s(&path, path.len > 0 ? "/" : "");
        buf_s(&path, r->seg[i]);
    }
    r->kind = "group_by_path";
    int g = -1;
    const struct ivec *level = &W.top;
    for (const char *p = path.p; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, "/");
        g = -1;
        for (int i = 0; i < level->n && g < 0; i++)
            if (strlen(W.groups[level->v[i]].name) == n && strncmp(W.groups[level->v[i]].name, p, n) == 0)
                g = level->v[i];
        if (g < 0)
            break;
        level = &W.groups[g].kids;
        p += n + (p[n] == '/');
    }
    if (g < 0)
        kc_error(r, 404, "Group path does not exist");
    else if ((perm & P_VIEW_USERS) == 0)
        kc_forbidden(r);
    else
        one_group(r, perm, g);
    buf_free(&path);
}
