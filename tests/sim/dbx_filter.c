/* tests/sim/dbx_filter.c: SCIM filters: eq, ne, co, sw with and, or (rule 7). Source: databricks-api.md
 * section 3.4 */
#include "tests/sim/dbx.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NODES_MAX = 200 };

struct term {
    char *attr, *value;
    char op[3];
    bool or_before; /* joined to the term before it by `or`; `and` binds tighter */
};

struct filter {
    struct term *v;
    int n, cap;
};

static const char bad_operator[] = "Given filter operator is not supported.";
static const char bad_value[] = "Given filter value must be in double quotes.";
static const char too_long[] = "INVALID_FILTER: the filter has more than 200 nodes.";

void
filter_free(struct filter *f)
{
    if (f == NULL)
        return;
    for (int i = 0; i < f->n; i++) {
        free(f->v[i].attr);
        free(f->v[i].value);
    }
    free(f->v);
    free(f);
}

static char *
word(const char **p)
{
    *p += strspn(*p, " ");
    size_t n = strcspn(*p, " ");
    char *w = xsub(*p, n);
    *p += n;
    return w;
}

/* A JSON string in double quotes; true and false bare. The strict server takes nothing else; an older one
 * took any word and single quotes (knob filter_strict). */
static char *
value(const char **p)
{
    *p += strspn(*p, " ");
    if (**p == '"') {
        const char *q = *p + 1;
        while (*q != '\0' && *q != '"')
            q += q[0] == '\\' && q[1] != '\0' ? 2 : 1;
        if (*q != '"')
            return NULL;
        char *text = xsub(*p, (size_t) (q + 1 - *p));
        json_object *o = json_parse(text);
        free(text);
        char *v = o == NULL ? NULL : xdup(json_object_get_string(o));
        json_object_put(o);
        *p = q + 1;
        return v;
    }
    if (!knobs.filter_strict && **p == '\'') {
        size_t n = strcspn(*p + 1, "'");
        char *v = xsub(*p + 1, n);
        *p += n + 1 + ((*p)[n + 1] == '\'');
        return v;
    }
    char *w = word(p);
    if (!knobs.filter_strict || strcmp(w, "true") == 0 || strcmp(w, "false") == 0)
        return w;
    free(w);
    return NULL;
}

static const char *
term_parse(struct filter *f, const char **p, bool or_before)
{
    struct term t = {.attr = word(p), .or_before = or_before};
    char *op = word(p);
    static const char *const ops[] = {"eq", "ne", "co", "sw"};
    bool known = false;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (strcasecmp(op, ops[i]) == 0) {
            memcpy(t.op, ops[i], 3);
            known = true;
        }
    free(op);
    t.value = known ? value(p) : NULL;
    if (t.value == NULL) {
        free(t.attr);
        return known ? bad_value : bad_operator;
    }
    f->v = xgrow(f->v, f->n + 1, &f->cap, sizeof *f->v);
    f->v[f->n++] = t;
    return NULL;
}

struct filter *
filter_parse(const char *text, const char **error)
{
    struct filter *f = xalloc(sizeof *f);
    const char *p = text;
    bool or_before = false;
    *error = NULL;
    for (;;) {
        *error = term_parse(f, &p, or_before);
        if (*error != NULL)
            break;
        if (f->n * 2 - 1 > NODES_MAX) {
            *error = too_long;
            break;
        }
        p += strspn(p, " ");
        if (*p == '\0')
            break;
        char *join = word(&p);
        or_before = strcasecmp(join, "or") == 0;
        bool ok = or_before || strcasecmp(join, "and") == 0;
        free(join);
        if (!ok) {
            *error = bad_operator;
            break;
        }
    }
    if (*error == NULL)
        return f;
    filter_free(f);
    return NULL;
}

static const char *
field(const struct ent *e, const char *attr)
{
    if (strcasecmp(attr, "id") == 0)
        return e->id;
    if (strcasecmp(attr, "externalId") == 0)
        return e->ext;
    if (strcasecmp(attr, "userName") == 0)
        return e->kind == 'U' ? e->name : NULL;
    if (strcasecmp(attr, "displayName") == 0)
        return e->kind == 'U' ? e->display : e->name;
    if (strcasecmp(attr, "applicationId") == 0)
        return e->appid;
    if (strcasecmp(attr, "active") == 0)
        return e->active ? "true" : "false";
    return NULL;
}

/* displayName and userName compare without case: databricks-api.md section 3.4 */
static bool
term_match(const struct term *t, const struct ent *e)
{
    const char *have = field(e, t->attr);
    if (have == NULL)
        return strcmp(t->op, "ne") == 0;
    if (strcmp(t->op, "eq") == 0)
        return strcasecmp(have, t->value) == 0;
    if (strcmp(t->op, "ne") == 0)
        return strcasecmp(have, t->value) != 0;
    if (strcmp(t->op, "sw") == 0)
        return strncasecmp(have, t->value, strlen(t->value)) == 0;
    return has_infix(have, t->value);
}

bool
filter_match(const struct filter *f, const struct ent *e)
{
    bool all = true;
    for (int i = 0; i < f->n; i++) {
        if (f->v[i].or_before) {
            if (all)
                return true;
            all = true;
        }
        all = all && term_match(&f->v[i], e);
    }
    return all;
}
