/* tests/sim/dbx_filter.c: SCIM filters: eq, ne, co, sw with and, or (rule 7). Source: databricks-api.md section 3.4 */
#include "tests/sim/dbx.h"

#include <regex.h>
#include <string.h>

enum { NODES_MAX = 200 };

struct filter {
    const char *attr, *op, *value;
    bool or_before; /* joined to the term before it by `or`; `and` binds tighter */
    struct filter *next;
};

static const char *
part(const char *text, const regmatch_t *m)
{
    return m->rm_so < 0 ? NULL : tsub(text + m->rm_so, (size_t) (m->rm_eo - m->rm_so));
}

/* The strict server takes a JSON string in double quotes, true and false; an older one took any word and single quotes
 * (knob filter_strict). */
static const char *
value(const char *text)
{
    size_t n = strlen(text);
    if (text[0] == '"')
        return json_object_get_string(json_parse(text));
    if (knobs.filter_strict)
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? text : NULL;
    return text[0] == '\'' && n > 1 ? tsub(text + 1, n - 2) : text;
}

struct filter *
filter_parse(const char *text, const char **error)
{
    static const char term[] =
        "^ *([^ ]+) +(eq|ne|co|sw) +(\"([^\"\\]|\\\\.)*\"|'[^']*'|[^ \"']+)( +(and|or) +| *$)";
    struct filter *first = NULL, **end = &first;
    bool or_before = false;
    regex_t re;
    regmatch_t m[7];
    if (regcomp(&re, term, REG_EXTENDED | REG_ICASE) != 0)
        return NULL;
    for (int nodes = 1; *error == NULL && (*text != '\0' || first == NULL); nodes += 2) {
        if (regexec(&re, text, COUNT(m), m, 0) != 0) {
            *error = "Given filter operator is not supported.";
            break;
        }
        struct filter *f = *end = talloc(sizeof *f);
        *f = (struct filter){part(text, &m[1]), tlower(part(text, &m[2])), value(part(text, &m[3])),
                             or_before, NULL};
        const char *join = part(text, &m[6]);
        or_before = join != NULL && strcasecmp(join, "or") == 0;
        end = &f->next;
        text += m[0].rm_eo;
        if (f->value == NULL)
            *error = "Given filter value must be in double quotes.";
        else if (nodes > NODES_MAX)
            *error = "INVALID_FILTER: the filter has more than 200 nodes.";
    }
    regfree(&re);
    return *error == NULL ? first : NULL;
}

/* displayName and userName compare without case: databricks-api.md section 3.4 */
static bool
term_match(const struct filter *f, const struct thing *x)
{
    const char *const t[][2] = {{"id", x->id},
                                {"externalId", x->ext},
                                {"userName", x->kind == DBX_USER ? x->name : NULL},
                                {"displayName", x->kind == DBX_USER ? x->display : x->name},
                                {"applicationId", x->appid},
                                {"active", x->enabled ? "true" : "false"}};
    const char *have = NULL;
    for (size_t i = 0; i < COUNT(t); i++)
        if (strcasecmp(f->attr, t[i][0]) == 0)
            have = t[i][1];
    if (have == NULL)
        return f->op[0] == 'n';
    return f->op[0] == 's'   ? strncasecmp(have, f->value, strlen(f->value)) == 0
           : f->op[0] == 'c' ? has_infix(have, f->value)
                             : (strcasecmp(have, f->value) == 0) == (f->op[0] == 'e');
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
