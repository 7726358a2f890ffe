/* tests/sim/dbx_filter.c: SCIM filters: eq, ne, co, sw with and, or (rule 7). Source: databricks-api.md section 3.4 */
#include "tests/sim/dbx.h"

#include <string.h>

enum { NODES_MAX = 200 };

struct filter {
    const char *attr, *op, *value;
    bool or_before; /* joined to the term before it by `or`; `and` binds tighter */
    struct filter *next;
};

static const char bad_operator[] = "Given filter operator is not supported.";

static const char *
word(const char **p)
{
    *p += strspn(*p, " ");
    size_t n = strcspn(*p, " ");
    const char *w = tsub(*p, n);
    *p += n;
    return w;
}

/* A JSON string in double quotes; true and false bare. The strict server takes nothing else; an older one took any word
 * and single quotes (knob filter_strict). */
static const char *
value(const char **p)
{
    *p += strspn(*p, " ");
    char quote = **p;
    if (quote != '"' && (quote != '\'' || knobs.filter_strict)) {
        const char *w = word(p);
        return !knobs.filter_strict || strcmp(w, "true") == 0 || strcmp(w, "false") == 0 ? w : NULL;
    }
    const char *q = *p + 1;
    while (*q != '\0' && *q != quote)
        q += q[0] == '\\' && q[1] != '\0' ? 2 : 1;
    if (*q == '\0')
        return NULL;
    const char *text = tsub(*p, (size_t) (q + 1 - *p)), *bare = tsub(*p + 1, (size_t) (q - 1 - *p));
    *p = q + 1;
    return quote == '"' ? json_object_get_string(json_parse(text)) : bare;
}

static struct filter *
term(const char **p, const char **error)
{
    static const char *const ops[] = {"eq", "ne", "co", "sw"};
    struct filter *f = talloc(sizeof *f);
    f->attr = word(p);
    const char *op = word(p);
    for (size_t i = 0; i < COUNT(ops); i++)
        if (strcasecmp(op, ops[i]) == 0)
            f->op = ops[i];
    f->value = f->op == NULL ? NULL : value(p);
    if (f->value == NULL)
        *error = f->op == NULL ? bad_operator : "Given filter value must be in double quotes.";
    return f;
}

struct filter *
filter_parse(const char *text, const char **error)
{
    struct filter *first = NULL, **end = &first;
    const char *join = "";
    for (int nodes = 1; *error == NULL; nodes += 2) {
        *end = term(&text, error);
        (*end)->or_before = strcasecmp(join, "or") == 0;
        end = &(*end)->next;
        text += strspn(text, " ");
        if (nodes > NODES_MAX)
            *error = "INVALID_FILTER: the filter has more than 200 nodes.";
        if (*error != NULL || *text == '\0')
            break;
        join = word(&text);
        if (strcasecmp(join, "or") != 0 && strcasecmp(join, "and") != 0)
            *error = bad_operator;
    }
    return *error == NULL ? first : NULL;
}

/* displayName and userName compare without case: databricks-api.md section 3.4 */
static bool
term_match(const struct filter *f, const struct thing *x)
{
    const struct {
        const char *attr, *value;
    } t[] = {{"id", x->id},
             {"externalId", x->ext},
             {"userName", x->kind == DBX_USER ? x->name : NULL},
             {"displayName", x->kind == DBX_USER ? x->display : x->name},
             {"applicationId", x->appid},
             {"active", x->enabled ? "true" : "false"}};

    const char *have = NULL;
    for (size_t i = 0; i < COUNT(t); i++)
        if (strcasecmp(f->attr, t[i].attr) == 0)
            have = t[i].value;
    if (have == NULL || strcmp(f->op, "ne") == 0)
        return strcmp(f->op, "ne") == 0 && (have == NULL || strcasecmp(have, f->value) != 0);
    if (strcmp(f->op, "eq") == 0)
        return strcasecmp(have, f->value) == 0;
    return f->op[0] == 's' ? strncasecmp(have, f->value, strlen(f->value)) == 0 : has_infix(have, f->value);
}

bool
filter_match(const struct filter *f, const struct thing *x)
{
    bool all = true;
    for (; f != NULL; f = f->next) {
        if (f->or_before && all)
            return true;
        all = (f->or_before || all) && term_match(f, x);
    }
    return all;
}
