/* tests/sim/dbx_read.c: SCIM reads (rules 2-7, 30, 32). Source: databricks-api.md sections 2, 3.1-3.4 */
#include "tests/sim/dbx.h"

#include <regex.h>
#include <string.h>

/* Bits of what a row shows, in the order of `names`. */
enum {
    A_SCHEMAS = 1,
    A_USERNAME = 2,
    A_DISPLAY = 4,
    A_APPID = 8,
    A_ACTIVE = 16,
    A_NAME = 32,
    A_EMAILS = 64,
    A_EXTERNAL = 128,
    A_META = 256,
    A_MEMBERS = 512,
    A_GROUPS = 1024,
    A_ROLES = 2048,
    A_ALL = 4095,
};

static const char *const names[] = {"schemas", "userName", "displayName", "applicationId",
                                    "active",  "name",     "emails",      "externalId",
                                    "meta",    "members",  "groups",      "roles"};

static unsigned
attr_bits(const char *list)
{
    unsigned bits = 0;
    for (const char *p = list; *p != '\0'; p += strcspn(p, ",")) {
        p += strspn(p, ", ");
        const char *name = tsub(p, strcspn(p, ",. "));
        for (unsigned i = 0; i < COUNT(names); i++)
            bits |= strcasecmp(names[i], name) == 0 ? 1u << i : 0;
    }
    return bits;
}

/* Rule 5: only what was asked for; the id always. */
static unsigned
projection(const struct req *r, unsigned all)
{
    const char *want = query_get(r->query, "attributes"), *skip = query_get(r->query, "excludedAttributes");
    if (!rule("5"))
        return all;
    return (want != NULL && want[0] != '\0' ? attr_bits(want) : all) & ~(skip != NULL ? attr_bits(skip) : 0);
}

/* Rule 30: a group that automatic identity management owns. Source: databricks-api.md 1.3, 1.7 (TF#5142). */
bool
dbx_aim(const struct thing *x)
{
    return knobs.aim && x->kind == DBX_GROUP && x->ext != NULL && x->ext[0] != '\0';
}

bool
dbx_visible(const struct thing *x, enum level level) /* rule 1 */
{
    return x->kind != DBX_GROUP || level == LEVEL_WORKSPACE || !x->local || !rule("1");
}

/* Rule 4: `$ref` tells the kind, `type` is missing. The key is left out when there is nothing in it:
 * databricks-api.md section 2.2 */
static void
references(struct buf *b, const char *key, const struct list *v, enum level level)
{
    static const char *const kinds[] = {"Users", "ServicePrincipals", "Groups"};
    bool some = false, typed = strcmp(key, "groups") == 0 || !rule("4");
    for (int i = 0; i < v->n; i++) {
        const struct thing *x = v->v[i];
        if (!dbx_visible(x, level))
            continue;
        if (!some)
            buf_f(b, ",%q:[", key);
        some = true;
        buf_item(b, "{'value':%q,'display':%q,'$ref':'%s/%s'%s}", x->id,
                 x->kind == DBX_USER && x->display != NULL ? x->display : x->name, kinds[x->kind - DBX_USER],
                 x->id, typed ? ",\"type\":\"direct\"" : "");
    }
    if (some)
        buf_s(b, "]");
    else if (!rule("4"))
        buf_f(b, ",%q:[]", key);
}

static void
render(struct buf *b, const struct thing *x, enum level level, unsigned bits, const struct stale *old)
{
    static const char *const schema[] = {"User\",\"urn:ietf:params:scim:schemas:extension:workspace:2.0:User",
                                         "ServicePrincipal", "Group"};
    bool user = x->kind == DBX_USER, group = x->kind == DBX_GROUP;
    buf_f(b, "{'id':%q", x->id);
    if (bits & A_SCHEMAS)
        buf_f(b, ",'schemas':['urn:ietf:params:scim:schemas:core:2.0:%s']", schema[x->kind - DBX_USER]);
    if (user && (bits & A_USERNAME))
        buf_f(b, ",'userName':%q", x->name);
    if (bits & A_DISPLAY)
        buf_opt(b, "displayName", user ? x->display : old != NULL ? old->name : x->name);
    if (x->kind == DBX_SP && (bits & A_APPID))
        buf_f(b, ",'applicationId':%q", x->appid);
    if (!group && (bits & A_ACTIVE))
        buf_f(b, ",'active':%b", x->enabled);
    if (user && (bits & A_NAME))
        buf_f(b, ",'name':{'givenName':%q}", x->display != NULL ? x->display : x->name);
    if (user && (bits & A_EMAILS))
        buf_f(b, ",'emails':[{'type':'work','value':%q,'primary':true}]", x->name);
    if (bits & A_EXTERNAL)
        buf_opt(b, "externalId", x->ext);
    if (group && (bits & A_META)) /* rule 1 */
        buf_f(b, ",'meta':{'resourceType':%q}", x->local ? "WorkspaceGroup" : "Group");
    if (group && (bits & A_MEMBERS))
        references(b, "members", old != NULL ? &old->members : &x->members, level);
    if (bits & A_GROUPS)
        references(b, "groups", &x->groups, level);
    if ((bits & A_ROLES) && x->attrs != NULL && json_object_object_length(x->attrs) > 0) {
        buf_s(b, ",\"roles\":[");
        json_object_object_foreach(x->attrs, role, v)
        {
            (void) v;
            buf_item(b, "{'value':%q}", role);
        }
        buf_s(b, "]");
    }
    buf_s(b, "}");
}

static void
answer_bits(struct req *r, const struct thing *x, enum level level, unsigned bits, const struct stale *old,
            int status)
{
    answer(r, status, SCIM_JSON, "");
    render(&r->out, x, level, bits, old);
}

void
dbx_answer_thing(struct req *r, const struct thing *x, enum level level, int status)
{
    answer_bits(r, x, level, A_ALL, NULL, status);
}

void
dbx_get(struct req *r, const struct scim *s)
{
    answer_bits(r, s->x, s->level, projection(r, A_ALL), s->kind == DBX_GROUP ? dbx_old_view(s->x) : NULL,
                200);
}

/* ---- filters: eq, ne, co, sw with and, or (rule 7). Source: databricks-api.md section 3.4 ---- */

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

static struct filter *
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

static bool
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

/* ---- lists ---- */

/* Rules 3, 6, 7. A fault may drop rows, tell the page before, or say nothing is there. */
static void
page(struct req *r, const struct list *found, enum level level, unsigned bits)
{
    int64_t start = req_int(r, "startIndex", 1), count = req_int(r, "count", knobs.page_max);
    start = start < 1 ? 1 : start;
    count = count < 0 ? 0 : count > knobs.page_max ? knobs.page_max : count;
    struct page p = page_cut(r, found->n, start - 1, count);
    struct buf rows = {0};
    int sent = 0;
    for (int i = 0; i < p.rows; i++)
        if (page_row(r, &p, i) >= 0) {
            buf_sep(&rows);
            render(&rows, found->v[page_row(r, &p, i)], level, bits, NULL);
            sent++;
        }
    answer(
        r, 200, SCIM_JSON,
        "{'schemas':['urn:ietf:params:scim:api:messages:2.0:ListResponse'],'totalResults':%d,'startIndex':%l,"
        "'itemsPerPage':%d",
        r->act->empty_list ? 0 : found->n, start, knobs.items_per_page >= 0 ? knobs.items_per_page : sent);
    if (sent > 0 || !knobs.resources_missing)
        buf_f(&r->out, ",'Resources':[%s]", rows.p != NULL ? rows.p : "");
    buf_s(&r->out, "}");
    buf_free(&rows);
}

void
dbx_list(struct req *r, const struct scim *s)
{
    const char *text = query_get(r->query, "filter"), *error = NULL;
    const struct filter *f = text == NULL ? NULL : filter_parse(text, &error);
    const struct list *all = &W.all[s->kind];
    struct list v = {0};
    if (error != NULL) {
        scim_error(r, 400, "InvalidFilter", error);
        return;
    }
    for (int i = 0; i < all->n; i++)
        if (dbx_visible(all->v[i], s->level) && !dbx_aim(all->v[i]) && filter_match(f, all->v[i]))
            list_pass(&v, all->v[i]);
    /* Rule 3: members in lists only at workspace level. Source: databricks-api.md section 3.2. Of users and service
     * principals the groups come only when asked for. */
    unsigned bits = projection(r, s->kind == DBX_GROUP ? A_ALL : A_ALL & ~(unsigned) A_GROUPS);
    if (s->level != LEVEL_WORKSPACE && !knobs.list_members)
        bits &= ~(unsigned) A_MEMBERS;
    page(r, &v, s->level, bits);
}

void
dbx_me(struct req *r, const struct scim *s)
{
    const struct thing *x = dbx_find_name(DBX_SP, W.dbx_client, false);
    r->kind = "me";
    if (x == NULL) {
        scim_error(r, 404, NULL, "Me not found.");
        return;
    }
    answer_bits(r, x, s->level, projection(r, A_ALL), NULL, 200);
    r->out.len--; /* reopen the object */
    buf_f(&r->out, ",'userName':%q}", x->appid);
}
