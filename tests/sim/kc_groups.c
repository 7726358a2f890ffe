/* tests/sim/kc_groups.c: /groups, /group-by-path (rules S5, S6, S13, S14). */
#include "tests/sim/kc.h"

#include <string.h>

/* What `search` and `q` ask for. An empty search counts as absent; `*` or blanks match everything, `%` and `_` are
 * literal; a q that does not parse is dropped and matches everything. Source: keycloak-verified.md sections 0, 1 */
struct want {
    const char *text, *q;
    bool any, exact;
};

static struct want
want_of(const struct req *r)
{
    struct want w = {query_get(r->query, "search"), query_get(r->query, "q"), false,
                     kc_flag(r, "exact", false)};
    w.any = (w.text != NULL && w.text[0] != '\0') || (w.q != NULL && w.q[0] != '\0');
    if (w.text != NULL) { /* without the blanks around it */
        w.text += strspn(w.text, " ");
        size_t n = strlen(w.text);
        while (n > 0 && w.text[n - 1] == ' ')
            n--;
        w.text = tsub(w.text, n);
    }
    return w;
}

static bool
matches(const struct thing *g, const struct want *w)
{
    if (w->q != NULL && !attr_query(g, w->q))
        return false;
    if (w->text == NULL || w->text[0] == '\0' || strcmp(w->text, "*") == 0)
        return true;
    return w->exact ? strcmp(g->name, w->text) == 0 : has_infix(g->name, w->text);
}

static struct list
find_groups(const struct want *w, const struct list *among)
{
    struct list v = {0};
    for (int i = 0; i < among->n; i++)
        if (matches(among->v[i], w))
            list_pass(&v, among->v[i]);
    list_sort(&v);
    return v;
}

void
kc_list_groups(struct req *r, struct target *t)
{
    struct want w = want_of(r);
    bool nested = knobs.kc_version < VERSION(23, 0, 0); /* S13 */
    struct shape shape = {.flags = kc_brief(r, true) | CLIENTS};
    if (kc_flag(r, "subGroupsCount", true) && !nested)
        shape.flags |= SUB_COUNT;
    struct list found = {0}, shown = {0}, roots = {0};
    if (w.any)
        r->kind = "groups_search";
    if ((t->perm & P_VIEW_USERS) != 0)
        found = w.any ? find_groups(&w, &W.all[GROUP]) : W.top;
    if (w.any && kc_flag(r, "populateHierarchy", true)) { /* matches inside their ancestors, from the root */
        for (int i = 0; i < found.n; i++)
            for (struct thing *g = found.v[i]; g != NULL && !list_has(&shown, g); g = g->up)
                list_pass(&shown, g);
        for (int i = 0; i < W.top.n; i++)
            if (list_has(&shown, W.top.v[i]))
                list_pass(&roots, W.top.v[i]);
        shape.only = &shown;
        shape.flags |= TREE;
        found = roots;
    } else if (nested)
        shape.flags |= TREE;
    kc_list(r, &found, -1, true, &shape);
}

void
kc_count_groups(struct req *r, struct target *t)
{
    struct want w = want_of(r);
    (void) t;
    answer(r, 200, KC_JSON, "{'count':%d}",
           w.any                      ? find_groups(&w, &W.all[GROUP]).n
           : kc_flag(r, "top", false) ? W.top.n
                                      : W.all[GROUP].n);
}

void
kc_children(struct req *r, struct target *t)
{
    struct want w = want_of(r);
    if (knobs.kc_version < VERSION(23, 0, 0)) {
        kc_not_found(r);
        return;
    }
    struct list v = find_groups(&w, &t->group->groups);
    unsigned flags = kc_brief(r, false) | CLIENTS | (kc_flag(r, "subGroupsCount", true) ? SUB_COUNT : 0);
    kc_list(r, &v, 10, true, &(struct shape){.flags = flags}); /* S6: 10, not 100 */
}

void
kc_members(struct req *r, struct target *t)
{
    struct list v = {0};
    for (int i = 0; i < t->group->members.n; i++)
        if (directory_lists(t->group->members.v[i]))
            list_pass(&v, t->group->members.v[i]);
    kc_list(r, &v, 100, true, &(struct shape){.flags = kc_brief(r, false), .place = PLACE_ALL});
}

/* Walks names level by level, so a name with '/' is never found, encoded or not: keycloak-verified.md section 1 */
void
kc_group_by_path(struct req *r, struct target *t)
{
    const char *path = "";
    for (int i = 4; i < r->nseg;
         i++) /* what is behind admin, realms, the realm, group-by-path; an encoded slash parts too */
        path = tf("%s%s/", path, r->seg[i]);
    const struct list *level = &W.top;
    for (const char *p = path; *p != '\0';) {
        size_t n = strcspn(p, "/");
        t->group = NULL;
        for (int i = 0; i < level->n && t->group == NULL; i++)
            if (strlen(level->v[i]->name) == n && memcmp(level->v[i]->name, p, n) == 0)
                t->group = level->v[i];
        if (t->group == NULL)
            break;
        level = &t->group->groups;
        p += n + (p[n] == '/');
    }
    if (t->group == NULL)
        kc_error(r, 404, "Group path does not exist");
    else if ((t->perm & P_VIEW_USERS) == 0)
        kc_error(r, 403, "HTTP 403 Forbidden");
    else
        kc_one(r, t->group, SUB_COUNT | ((t->perm & P_VIEW_CLIENTS) != 0 ? CLIENTS : 0));
}
