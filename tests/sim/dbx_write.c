/* tests/sim/dbx_write.c: PATCH, obeyed to the letter, POST, PUT, DELETE (rules 8-17, 19, 21-23, 29-33, 39).
 *
 * Operations run in order. What RFC 7644 says a request means is done, also when it is a client's slip: `remove` of
 * "members" without a filter empties the group (3.5.2.2). Source: databricks-api.md
 * sections 2.5-2.7, 3.5, 3.6, 3.10
 */
#include "tests/sim/dbx.h"

#include <string.h>

enum { DEPTH_MAX = 10, PARENTS_MAX = 1500 };

static bool
has_urn(json_object *body)
{
    json_object *s = json_get(body, "schemas");
    for (size_t i = 0; i < json_len(s); i++)
        if (strcmp(json_str(json_at(s, i)), "urn:ietf:params:scim:api:messages:2.0:PatchOp") == 0)
            return true;
    return false;
}

/* Rule 11: every member must be an object with a string `value`. */
static bool
members_shape(json_object *v)
{
    bool list = json_is(v, json_type_array);
    if (json_is(v, json_type_string))
        return !rule("11");
    for (size_t i = 0; i < json_len(v); i++)
        if (json_text(json_at(v, i), "value") == NULL)
            return false;
    return list || json_text(v, "value") != NULL;
}

/* What the parser refuses before anything is done. NULL: fine. */
static const char *
op_fault(json_object *o)
{
    const char *op = json_text(o, "op"), *path = json_text(o, "path");
    json_object *v = NULL;
    bool has_value = json_is(o, json_type_object) && json_object_object_get_ex(o, "value", &v);
    if (same(op, "remove") && has_value && rule("10")) /* TF#3299 */
        return "Unrecognized field \"value\" (class com.unboundid.scim2.common.messages."
               "PatchOperation$RemoveOperation), not marked as ignorable";
    if (same(op, "remove"))
        return path == NULL ? UNPARSABLE : NULL;
    if ((!same(op, "add") && !same(op, "replace")) || !has_value)
        return UNPARSABLE;
    if (path == NULL && (!json_is(v, json_type_object) || !rule("12")))
        return UNPARSABLE;
    json_object *members = path == NULL ? json_get(v, "members") : strcmp(path, "members") == 0 ? v : NULL;
    return members == NULL || members_shape(members) ? NULL : UNPARSABLE;
}

/* ---- members ---- */

/* Is `g` the group `at`, or inside it? */
static bool
contains(const struct thing *at, const struct thing *g, int depth)
{
    bool in = at == g;
    for (int i = 0; i < at->members.n && depth < DEPTH_MAX && !in; i++)
        in = at->members.v[i]->kind == DBX_GROUP && contains(at->members.v[i], g, depth + 1);
    return in;
}

/* The longest chain of groups above or below. */
static int
levels(const struct thing *x, bool up, int depth)
{
    const struct list *v = up ? &x->groups : &x->members;
    int most = 0;
    for (int i = 0; i < v->n && depth <= DEPTH_MAX; i++) {
        int n = v->v[i]->kind == DBX_GROUP ? 1 + levels(v->v[i], up, depth + 1) : 0;
        most = n > most ? n : most;
    }
    return most;
}

/* Rule 39. Source: databricks-api.md section 4; the wording is invented. */
static const char *
group_limit(const struct thing *g, const struct thing *m)
{
    bool cycle = m->kind == DBX_GROUP && contains(m, g, 0);
    if (cycle && knobs.cycles_400)
        return tf("Group %s cannot be a member of itself.", g->name);
    if (!rule("39"))
        return NULL;
    if (m->groups.n >= PARENTS_MAX && !list_has(&m->groups, g))
        return "A principal can be a direct member of at most 1500 groups.";
    if (m->kind == DBX_GROUP && !cycle && levels(g, true, 0) + 1 + levels(m, false, 0) > DEPTH_MAX)
        return "Groups can be nested at most 10 levels deep.";
    return NULL;
}

static bool
add_member(struct req *r, struct thing *g, const char *id)
{
    struct thing *m = dbx_by_id(id);
    const char *limit = m == NULL ? NULL : group_limit(g, m);
    if (!is_number(id) && rule("14")) /* silently dropped: TF#4194 */
        return true;
    if (!is_number(id))
        scim_error(r, 400, "invalidValue", tf("%s is not an id.", id));
    else if (m == NULL && knobs.unknown_id == UNKNOWN_DROP) /* rule 15 */
        return true;
    else if (m == NULL)
        scim_error(r, knobs.unknown_id == UNKNOWN_400 ? 400 : 404,
                   knobs.unknown_id == UNKNOWN_400 ? "invalidValue" : NULL,
                   tf("Principal with id %s not found.", id));
    else if (limit != NULL)
        scim_error(r, 400, "invalidValue", limit);
    else if (!tie(m, g, true) && knobs.readd != 0) /* rule 16 */
        scim_error(r, knobs.readd == 1 ? 400 : 409, "uniqueness",
                   tf("Principal %s is already a member.", id));
    else
        return true;
    return false;
}

bool
dbx_add_members(struct req *r, struct thing *g, json_object *v)
{
    if (!json_is(v, json_type_array))
        return add_member(r, g, json_is(v, json_type_string) ? json_str(v) : json_text(v, "value"));
    for (size_t i = 0; i < json_len(v); i++)
        if (json_text(json_at(v, i), "value") != NULL && !add_member(r, g, json_text(json_at(v, i), "value")))
            return false;
    return true;
}

/* `users` and `account users` take members and never let one go (rule 31, TF#1088; the wording is invented). */
static bool
keeps_all(struct req *r, const struct thing *g)
{
    if (!g->system || strcmp(g->name, "admins") == 0 || !rule("31"))
        return false;
    scim_error(r, 400, "invalidValue", tf("Members of the group %s cannot be removed.", g->name));
    return true;
}

/* ---- operations; false: answered, or unparsable ---- */

/* Rule 13: exactly attr[value eq "…"]. The text between the quotes, or NULL. */
static const char *
value_filter(const char *path, const char *attr)
{
    const char *head = tf("%s[value eq ", attr);
    size_t h = strlen(head), n = strlen(path);
    if (n < h + 3 || !begins(path, head) || (path[h] != '"' && (path[h] != '\'' || rule("13"))))
        return NULL;
    const char *v = tsub(path + h + 1, n - h - 3);
    return path[n - 2] == path[h] && path[n - 1] == ']' && strpbrk(v, "\"\\") == NULL ? v : NULL;
}

static bool
run_remove(struct req *r, struct thing *x, const char *path)
{
    bool group = x->kind == DBX_GROUP;
    const char *id = group ? value_filter(path, "members") : NULL, *role = value_filter(path, "roles");
    if (group && begins(path, "members") && keeps_all(r, x))
        return false;
    if (group && strcmp(path, "members") == 0)
        members_clear(x);
    else if (strcmp(path, "externalId") == 0)
        x->ext = NULL;
    else if (id != NULL) {
        struct thing *m = dbx_by_id(id);
        if ((m == NULL || !tie(m, x, false)) && knobs.reremove != 0) { /* rule 16 */
            scim_error(r, knobs.reremove == 1 ? 400 : 409, "noTarget", tf("No such attribute: %s", path));
            return false;
        }
    } else if (role != NULL)
        attr_set(x, role, NULL);
    else {
        scim_error(r, 400, "invalidPath", tf("The attribute path %s is not valid.", path));
        return false;
    }
    return true;
}

/* "false", false, [{"value":"false"}]: databricks-api.md section 2.5, last row */
static bool
truth(json_object *v)
{
    if (json_is(v, json_type_array))
        v = json_at(v, 0);
    if (json_get(v, "value") != NULL)
        v = json_get(v, "value");
    return strcasecmp(json_str(v), "true") == 0;
}

static bool
rename_ok(struct req *r, struct thing *x, const char *name)
{
    const struct thing *other = x->kind == DBX_GROUP ? dbx_find_name(DBX_GROUP, name, x->local) : NULL;
    if (x->system)
        scim_error(r, 400, "mutability", tf("Group %s cannot be changed.", name));
    else if (other != NULL && other != x)
        scim_error(r, 409, "uniqueness", tf("Group with name %s already exists.", name));
    else if (x->kind == DBX_USER)
        x->display = keep(name);
    else
        thing_rename(x, name);
    return !x->system && (other == NULL || other == x);
}

static bool
run_set(struct req *r, struct thing *x, const char *attr, json_object *v, bool replace)
{
    const char *s = json_is(v, json_type_string) ? json_str(v) : NULL;
    if (x->kind == DBX_GROUP && strcmp(attr, "members") == 0) {
        if (!members_shape(v) || (replace && keeps_all(r, x)))
            return false;
        if (replace)
            members_clear(x);
        return dbx_add_members(r, x, v);
    }
    if (strcmp(attr, "displayName") == 0 && s != NULL)
        return rename_ok(r, x, s);
    if (begins(attr, "members[")) { /* an add with a filter: databricks-api.md section 1.3 */
        scim_error(r, 500, NULL, "Error in performing the patch operation on group resource.");
        return false;
    }
    if (strcmp(attr, "externalId") == 0 && s != NULL)
        x->ext = keep(s);
    else if (strcmp(attr, "active") == 0 && x->kind != DBX_GROUP)
        x->enabled = truth(v);
    else if (strcmp(attr, "userName") == 0 && s != NULL && !rule("32"))
        thing_rename(x, s);
    for (size_t i = 0; i < json_len(v) && strcmp(attr, "roles") == 0; i++)
        if (json_text(json_at(v, i), "value") != NULL)
            attr_set(x, json_text(json_at(v, i), "value"), json_at(v, i));
    return true; /* rule 32: userName, emails and what we do not model: 2xx without effect */
}

static bool
run_op(struct req *r, struct thing *x, json_object *o)
{
    const char *op = json_text(o, "op"), *path = json_text(o, "path");
    json_object *v = json_get(o, "value");
    bool replace = strcmp(op, "replace") == 0;
    if (strcmp(op, "remove") == 0)
        return run_remove(r, x, path);
    if (path != NULL)
        return run_set(r, x, path, v, replace);
    json_object_object_foreach(v, attr, val)
    {
        if (!run_set(r, x, attr, val, replace))
            return false;
    }
    return true;
}

/* Rule 17 */
static void
reply(struct req *r, const struct scim *s)
{
    if (knobs.patch_reply == REPLY_200_FULL)
        dbx_answer_thing(r, s->x, s->level, 200);
    else
        answer(r, knobs.patch_reply == REPLY_204 ? 204 : 200, SCIM_JSON,
               knobs.patch_reply == REPLY_200_OBJECT ? "{}" : "");
}

static void
run_all(struct req *r, const struct scim *s, json_object *ops)
{
    const char *bad = NULL;
    for (size_t i = 0; i < json_len(ops) && bad == NULL; i++)
        bad = op_fault(json_at(ops, i));
    if (bad != NULL) {
        scim_error(r, 400, "invalidSyntax", bad);
        return;
    }
    for (size_t i = 0; i < json_len(ops); i++) {
        if (r->act->fail_after_ops >= 0 && i == (size_t) r->act->fail_after_ops) { /* rule 19 */
            scim_error(r, 500, NULL, "Max retries exhausted with RPC");
            return;
        }
        if (!run_op(r, s->x, json_at(ops, i))) {
            if (r->status == 0)
                scim_error(r, 400, "invalidSyntax", UNPARSABLE);
            return;
        }
    }
    reply(r, s);
}

void
dbx_patch(struct req *r, const struct scim *s)
{
    json_object *body = json_parse(r->body.p), *ops = json_get(body, "Operations");
    bool urn = has_urn(body);
    if (s->kind == DBX_GROUP && s->level == LEVEL_WORKSPACE &&
        !s->x->local) { /* rule 29: databricks-api.md section 1.3 */
        if (knobs.workspace_member_status == 500)
            scim_error(r, 500, NULL, "Error in performing the patch operation on group resource.");
        else
            scim_error(r, 400, "Members attribute not supported for current workspace.", UNPARSABLE);
        return;
    }
    if (dbx_aim(s->x)) { /* rule 30; wording invented */
        scim_error(r, 400, "mutability",
                   tf("Group %s is managed by automatic identity management.", s->x->name));
        return;
    }
    if (r->act->stale_reads > 0)
        dbx_stale(s->x, r->act->stale_reads, r->act->flip_back);
    if (!urn && knobs.wrong_urn_empties && s->kind == DBX_GROUP && json_is(body, json_type_object)) {
        members_clear(s->x); /* rule 9; knob: nested-aad issue 5 */
        reply(r, s);
    } else if (!urn || !json_is(ops, json_type_array))
        scim_error(r, 400, "invalidSyntax", UNPARSABLE);
    else
        run_all(r, s, ops);
}

/* ---- POST, PUT, DELETE ---- */

/* Duplicates: 409 with the texts that Terraform knows. Apostrophes are dropped from them: databricks-api.md 3.8 */
static bool
duplicate(struct req *r, enum kind kind, const char *name, const char *appid, bool local)
{
    static const char *const texts[] = {"User with username %s already exists.",
                                        "Service principal with application ID %s already exists.",
                                        "Group with name %s already exists."};
    const char *key = kind == DBX_SP ? appid : name;
    for (int i = 0; i < W.all[DBX_GROUP].n && kind == DBX_GROUP && !rule("8"); i++)
        if (strcasecmp(W.all[DBX_GROUP].v[i]->name, name) == 0)
            key = W.all[DBX_GROUP].v[i]->name;
    if (key == NULL || dbx_find_name(kind, key, local) == NULL)
        return false;
    char *shown = tsub(key, strlen(key)), *to = shown;
    for (const char *p = shown; *p != '\0'; p++)
        if (*p != '\'')
            *to++ = *p;
    *to = '\0';
    scim_error(r, 409, "uniqueness", tf(texts[kind - DBX_USER], shown));
    return true;
}

void
dbx_post(struct req *r, const struct scim *s)
{
    json_object *body = json_parse(r->body.p), *members = json_get(body, "members");
    const char *name = json_text(body, s->kind == DBX_USER ? "userName" : "displayName");
    bool group = s->kind == DBX_GROUP, local = group && s->level == LEVEL_WORKSPACE;
    if (name == NULL || name[0] == '\0' || strlen(name) > 1020)
        scim_error(r, 400, "invalidSyntax", UNPARSABLE);
    else if (knobs.aim && group && json_text(body, "externalId") != NULL) /* rule 30 */
        scim_error(r, 400, "invalidValue",
                   "externalId cannot be set while automatic identity management is on.");
    else if (!duplicate(r, s->kind, name, json_text(body, "applicationId"), local)) {
        struct thing *x = thing_told(s->kind, body, name, NULL, local);
        x->system = false;
        if (group && members != NULL && knobs.post_members_fail) /* rule 21: ucx#555 */
            scim_error(r, 500, NULL, tf("Failed to update members of group %s", name));
        else if (!group || members == NULL || dbx_add_members(r, x, members))
            dbx_answer_thing(r, x, s->level, knobs.post_status);
    }
}

/* Rule 33: what is not sent is gone. */
void
dbx_put(struct req *r, const struct scim *s)
{
    json_object *body = json_parse(r->body.p), *members = json_get(body, "members");
    struct thing *x = s->x;
    const char *name = json_text(body, "displayName");
    if (!json_is(body, json_type_object)) {
        scim_error(r, 400, "invalidSyntax", UNPARSABLE);
        return;
    }
    if (x->kind == DBX_USER)
        x->display = keep(name);
    else if (name != NULL && !x->system)
        thing_rename(x, name);
    if (rule("33") || json_text(body, "externalId") != NULL)
        x->ext = keep(json_text(body, "externalId"));
    x->enabled = json_flag(body, "active", true);
    json_object_put(x->attrs); /* its roles */
    x->attrs = NULL;
    if (x->kind == DBX_GROUP && (rule("33") || members != NULL))
        members_clear(x);
    if (x->kind != DBX_GROUP || members == NULL || dbx_add_members(r, x, members))
        dbx_answer_thing(r, x, s->level, 200);
}

void
dbx_delete(struct req *r, const struct scim *s)
{
    if (s->x->system && rule("31")) { /* wording invented */
        scim_error(r, 400, "mutability", tf("Group %s cannot be deleted.", s->x->name));
        return;
    }
    thing_del(s->x);
    answer(r, 204, NULL, "");
}
