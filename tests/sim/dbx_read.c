/* tests/sim/dbx_read.c: SCIM reads (rules 2-7, 27, 28, 32). Source: databricks-api.md sections 2, 3.1-3.4 */
#include "tests/sim/dbx.h"

#include "tests/sim/record.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    A_DISPLAY = 1,
    A_EXTERNAL = 2,
    A_META = 4,
    A_MEMBERS = 8,
    A_GROUPS = 16,
    A_ROLES = 32,
    A_USERNAME = 64,
    A_ACTIVE = 128,
    A_NAME = 256,
    A_EMAILS = 512,
    A_APPID = 1024,
    A_SCHEMAS = 2048,
    A_ALL = 4095,
};

static unsigned
attr_bit(const char *s, size_t n)
{
    static const struct {
        const char *name;
        unsigned bit;
    } t[] = {{"displayName", A_DISPLAY}, {"externalId", A_EXTERNAL}, {"meta", A_META},
             {"members", A_MEMBERS},     {"groups", A_GROUPS},       {"roles", A_ROLES},
             {"userName", A_USERNAME},   {"active", A_ACTIVE},       {"name", A_NAME},
             {"emails", A_EMAILS},       {"applicationId", A_APPID}, {"schemas", A_SCHEMAS}};

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (strlen(t[i].name) == n && strncasecmp(t[i].name, s, n) == 0)
            return t[i].bit;
    return 0;
}

static unsigned
attr_bits(const char *list)
{
    unsigned bits = 0;
    for (const char *p = list; *p != '\0';) {
        p += strspn(p, ", ");
        bits |= attr_bit(p, strcspn(p, ",. "));
        p += strcspn(p, ",");
    }
    return bits;
}

/* Rule 5: only what was asked for; the id always. */
static unsigned
projection(const struct req *r, unsigned all)
{
    if (!rule("5"))
        return all;
    char *want = query_get(r->query, "attributes"), *skip = query_get(r->query, "excludedAttributes");
    unsigned bits = want != NULL && want[0] != '\0' ? attr_bits(want) : all;
    if (skip != NULL)
        bits &= ~attr_bits(skip);
    free(want);
    free(skip);
    return bits;
}

/* Rule 30: a group that automatic identity management owns. Source: databricks-api.md 1.3, 1.7 (TF#5142). */
bool
dbx_aim(int e)
{
    const struct ent *x = &W.ents[e];
    return knobs.aim && x->kind == 'G' && x->ext != NULL && x->ext[0] != '\0';
}

bool
dbx_visible(int e, enum level level)
{
    const struct ent *x = &W.ents[e];
    if (!x->alive)
        return false;
    return x->kind != 'G' || !rule("1") || level == LEVEL_WORKSPACE || !x->local;
}

/* Rule 4: `$ref` tells the kind, `type` is missing. */
static void
reference(struct buf *b, int e, bool member)
{
    const struct ent *x = &W.ents[e];
    buf_lit(b, "{\"value\":");
    buf_json(b, x->id);
    buf_key(b, "display", x->kind == 'U' && x->display != NULL ? x->display : x->name);
    buf_f(b, ",\"$ref\":\"%s/%s\"",
          x->kind == 'U'   ? "Users"
          : x->kind == 'S' ? "ServicePrincipals"
                           : "Groups",
          x->id);
    buf_s(b, member && rule("4") ? "}" : ",\"type\":\"direct\"}");
}

/* The key is left out when there is nothing in it: databricks-api.md section 2.2 */
static void
references(struct buf *b, const char *key, const struct ivec *v, bool member, enum level level)
{
    bool some = false;
    for (int i = 0; i < v->n; i++) {
        if (!dbx_visible(v->v[i], level))
            continue;
        if (some)
            buf_lit(b, ",");
        else
            buf_f(b, ",\"%s\":[", key);
        some = true;
        reference(b, v->v[i], member);
    }
    if (some)
        buf_lit(b, "]");
    else if (!rule("4"))
        buf_f(b, ",\"%s\":[]", key);
}

static void
user_part(struct buf *b, const struct ent *x, unsigned bits)
{
    if (bits & A_USERNAME)
        buf_key(b, "userName", x->name);
    if ((bits & A_DISPLAY) && x->display != NULL)
        buf_key(b, "displayName", x->display);
    if (bits & A_ACTIVE)
        buf_s(b, x->active ? ",\"active\":true" : ",\"active\":false");
    if (bits & A_NAME) {
        buf_lit(b, ",\"name\":{\"givenName\":");
        buf_json(b, x->display != NULL ? x->display : x->name);
        buf_lit(b, "}");
    }
    if (bits & A_EMAILS) {
        buf_lit(b, ",\"emails\":[{\"type\":\"work\",\"value\":");
        buf_json(b, x->name);
        buf_lit(b, ",\"primary\":true}]");
    }
}

static void
render(struct buf *b, int e, enum level level, unsigned bits, bool old_view)
{
    static const char *const schema[] = {"User\",\"urn:ietf:params:scim:schemas:extension:workspace:2.0:User",
                                         "ServicePrincipal", "Group"};
    const struct ent *x = &W.ents[e];
    const struct stale *old = old_view ? x->stale : NULL;
    buf_lit(b, "{\"id\":");
    buf_json(b, x->id);
    if (bits & A_SCHEMAS)
        buf_f(b, ",\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:%s\"]",
              schema[x->kind == 'U'   ? 0
                     : x->kind == 'S' ? 1
                                      : 2]);
    if (x->kind == 'U')
        user_part(b, x, bits);
    else if (bits & A_DISPLAY)
        buf_key(b, "displayName", old != NULL ? old->name : x->name);
    if (x->kind == 'S' && (bits & A_APPID))
        buf_key(b, "applicationId", x->appid);
    if (x->kind == 'S' && (bits & A_ACTIVE))
        buf_s(b, x->active ? ",\"active\":true" : ",\"active\":false");
    if ((bits & A_EXTERNAL) && x->ext != NULL)
        buf_key(b, "externalId", x->ext);
    if (x->kind == 'G' && (bits & A_META)) /* rule 1 */
        buf_s(b, x->local ? ",\"meta\":{\"resourceType\":\"WorkspaceGroup\"}"
                          : ",\"meta\":{\"resourceType\":\"Group\"}");
    if (x->kind == 'G' && (bits & A_MEMBERS))
        references(b, "members", old != NULL ? &old->members : &x->members, true, level);
    if (bits & A_GROUPS)
        references(b, "groups", &x->in, false, level);
    if ((bits & A_ROLES) && x->nroles > 0) {
        buf_lit(b, ",\"roles\":[");
        for (int i = 0; i < x->nroles; i++) {
            buf_s(b, i > 0 ? ",{\"value\":" : "{\"value\":");
            buf_json(b, x->roles[i]);
            buf_lit(b, "}");
        }
        buf_lit(b, "]");
    }
    buf_lit(b, "}");
}

void
dbx_render(struct buf *b, int e, enum level level, bool old_view)
{
    render(b, e, level, A_ALL, old_view);
}

int
dbx_find(struct req *r, char kind, const char *id, enum level level)
{
    static const char *const names[] = {"User", "ServicePrincipal", "Group"};
    const char *name = names[kind == 'U' ? 0 : kind == 'S' ? 1 : 2];
    if (id[0] == '\0' || strspn(id, "0123456789") != strlen(id)) {
        platform_error(r, 404, "ENDPOINT_NOT_FOUND", "Endpoint not supported."); /* rule 28 */
        return -1;
    }
    int e = map_get(&W.ent_id, id);
    if (e >= 0 && W.ents[e].kind == kind && dbx_visible(e, level))
        return e;
    scim_error(r, 404, NULL,
               knobs.not_found_variant ? "%s with id %s is not found" : "%s with id %s not found.", name, id);
    return -1;
}

void
dbx_get(struct req *r, char kind, const char *id, enum level level)
{
    r->kind = kind == 'U' ? "get_user" : kind == 'S' ? "get_sp" : "get_group";
    int e = dbx_find(r, kind, id, level);
    if (e < 0)
        return;
    bool old_view = kind == 'G' && ent_reads_old(e);
    render(&r->out, e, level, projection(r, A_ALL), old_view);
    r->status = 200;
    r->ctype = SCIM_JSON;
}

static int
int_param(const struct req *r, const char *name, int def)
{
    char *v = query_get(r->query, name);
    long n = v == NULL || v[0] == '\0' ? def : strtol(v, NULL, 10);
    free(v);
    return n > 1000000000 ? 1000000000 : n < -1 ? -1 : (int) n;
}

/* Rules 3, 6, 7. A fault may drop rows, tell the page before, or say nothing is there. */
static void
page(struct req *r, const struct ivec *found, enum level level, unsigned bits)
{
    int start = int_param(r, "startIndex", 1), count = int_param(r, "count", knobs.page_max);
    start = start < 1 ? 1 : start;
    count = count < 0 ? 0 : count > knobs.page_max ? knobs.page_max : count;
    int total = r->act->empty_list ? 0 : found->n;
    int from = start - 1;
    if (r->act->repeat_page)
        from = from >= count ? from - count : 0;
    from = from < total ? from : total;
    int to = total - from < count ? total : from + count;
    int hole = from + (to - from) / 2, sent = 0;
    struct buf rows = {0};
    for (int i = from; i < to; i++) {
        if (i >= hole && i < hole + r->act->drop_rows)
            continue;
        buf_s(&rows, sent++ > 0 ? "," : "");
        render(&rows, found->v[i], level, bits, false);
    }
    for (int i = from; i < to && i < from + r->act->dup_rows; i++, sent++) {
        buf_lit(&rows, ",");
        render(&rows, found->v[i], level, bits, false);
    }
    buf_f(&r->out,
          "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:ListResponse\"],\"totalResults\":%d,"
          "\"startIndex\":%d,\"itemsPerPage\":%d",
          total, start, knobs.items_per_page >= 0 ? knobs.items_per_page : sent);
    if (sent > 0 || !knobs.resources_missing) {
        buf_lit(&r->out, ",\"Resources\":[");
        buf_add(&r->out, rows.p != NULL ? rows.p : "", rows.len);
        buf_lit(&r->out, "]");
    }
    buf_lit(&r->out, "}");
    buf_free(&rows);
    r->status = 200;
    r->ctype = SCIM_JSON;
}

void
dbx_list(struct req *r, char kind, enum level level)
{
    r->kind = kind == 'U' ? "list_users" : kind == 'S' ? "list_sps" : "list_groups";
    char *text = query_get(r->query, "filter");
    const char *error = NULL;
    struct filter *f = text == NULL ? NULL : filter_parse(text, &error);
    if (error != NULL)
        scim_error(r, 400, "InvalidFilter", "%s", error);
    else {
        const struct ivec *all = kind == 'U' ? &W.dbx_users : kind == 'S' ? &W.dbx_sps : &W.dbx_groups;
        struct ivec v = {0};
        for (int i = 0; i < all->n; i++)
            if (dbx_visible(all->v[i], level) && !dbx_aim(all->v[i]) &&
                (f == NULL || filter_match(f, &W.ents[all->v[i]])))
                ivec_push(&v, all->v[i]);
        /* Rule 3: members in lists only at workspace level. Source: databricks-api.md section 3.2. Of users
         * and service principals the groups come only when asked for. */
        unsigned bits = projection(r, kind == 'G' ? A_ALL : A_ALL & ~(unsigned) A_GROUPS);
        if (level != LEVEL_WORKSPACE && !knobs.list_members)
            bits &= ~(unsigned) A_MEMBERS;
        page(r, &v, level, bits);
        ivec_free(&v);
    }
    filter_free(f);
    free(text);
}

void
dbx_me(struct req *r)
{
    r->kind = "me";
    int e = ent_find('S', W.dbx_client, false);
    if (e < 0) {
        scim_error(r, 404, NULL, "Me not found.");
        return;
    }
    render(&r->out, e, LEVEL_WORKSPACE, projection(r, A_ALL), false);
    r->out.len--;
    buf_key(&r->out, "userName", W.ents[e].appid);
    buf_lit(&r->out, "}");
    r->status = 200;
    r->ctype = SCIM_JSON;
}
