/* tests/sim/dbx_patch.c: PATCH, obeyed to the letter (rules 9-17, 19, 23, 31, 32).
 *
 * Operations run in order. What RFC 7644 says a request means is done, also when it is a client's slip:
 * `remove` of "members" without a filter empties the group (3.5.2.2). Source: databricks-api.md
 * sections 2.5, 3.5, 3.6
 */
#include "tests/sim/dbx.h"

#include "tests/sim/record.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char patch_urn[] = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
static const char unparsable[] = "Request is unparsable, syntactically incorrect, or violates schema.";

static bool
has_urn(json_object *body)
{
    json_object *s = NULL;
    if (!json_object_object_get_ex(body, "schemas", &s) || !json_object_is_type(s, json_type_array))
        return false;
    for (size_t i = 0; i < json_object_array_length(s); i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(s, i)), patch_urn) == 0)
            return true;
    return false;
}

/* Rule 11: every member must be an object with a string `value`. */
static bool
members_shape(json_object *v)
{
    if (json_object_is_type(v, json_type_object))
        return json_text(v, "value") != NULL;
    if (json_object_is_type(v, json_type_string) && !rule("11"))
        return true;
    if (!json_object_is_type(v, json_type_array))
        return false;
    for (size_t i = 0; i < json_object_array_length(v); i++) {
        json_object *m = json_object_array_get_idx(v, i);
        if (!json_object_is_type(m, json_type_object) || json_text(m, "value") == NULL)
            return false;
    }
    return true;
}

/* What the parser refuses before anything is done. NULL: fine. */
static const char *
op_fault(json_object *o)
{
    const char *op = json_text(o, "op"), *path = json_text(o, "path");
    json_object *v = NULL, *m = NULL;
    bool has_value = json_object_object_get_ex(o, "value", &v);
    if (op == NULL || (strcmp(op, "add") != 0 && strcmp(op, "remove") != 0 && strcmp(op, "replace") != 0))
        return unparsable;
    if (strcmp(op, "remove") == 0) /* rule 10: TF#3299 */
        return has_value && rule("10")
                   ? "Unrecognized field \"value\" (class "
                     "com.unboundid.scim2.common.messages.PatchOperation$RemoveOperation), not marked "
                     "as ignorable"
               : path == NULL ? unparsable
                              : NULL;
    if (!has_value || (path == NULL && !json_object_is_type(v, json_type_object)))
        return unparsable;
    if (path == NULL && !rule("12"))
        return unparsable;
    if (path == NULL)
        return json_object_object_get_ex(v, "members", &m) && !members_shape(m) ? unparsable : NULL;
    return strcmp(path, "members") == 0 && !members_shape(v) ? unparsable : NULL;
}

/* Is `g` the group `at`, or inside it? At most 10 levels are allowed anyway (databricks-api.md 4). */
static bool
contains(int at, int g, int depth)
{
    if (at == g)
        return true;
    const struct ivec *v = &W.ents[at].members;
    for (int i = 0; i < v->n && depth < 10; i++)
        if (W.ents[v->v[i]].kind == 'G' && contains(v->v[i], g, depth + 1))
            return true;
    return false;
}

enum { DEPTH_MAX = 10, PARENTS_MAX = 1500 };

/* The longest chain of groups above or below. */
static int
levels(int e, bool up, int depth)
{
    const struct ivec *v = up ? &W.ents[e].in : &W.ents[e].members;
    int most = 0;
    for (int i = 0; i < v->n && depth <= DEPTH_MAX; i++)
        if (W.ents[v->v[i]].kind == 'G') {
            int n = 1 + levels(v->v[i], up, depth + 1);
            most = n > most ? n : most;
        }
    return most;
}

/* Rule 39. Source: databricks-api.md section 4 */
static const char *
group_limit(int g, int m)
{
    if (W.ents[m].in.n >= PARENTS_MAX && ivec_find(&W.ents[m].in, g) < 0)
        return "A principal can be a direct member of at most 1500 groups.";
    if (W.ents[m].kind == 'G' && !contains(m, g, 0) &&
        levels(g, true, 0) + 1 + levels(m, false, 0) > DEPTH_MAX)
        return "Groups can be nested at most 10 levels deep.";
    return NULL;
}

bool
dbx_add_member(struct req *r, int g, const char *id, const char *by)
{
    if (id[0] == '\0' || strspn(id, "0123456789") != strlen(id)) {
        if (rule("14"))
            return true; /* rule 14: silently dropped. TF#4194 */
        scim_error(r, 400, "invalidValue", "%s is not an id.", id);
        return false;
    }
    int m = map_get(&W.ent_id, id);
    if (m < 0 || !W.ents[m].alive) { /* rule 15 */
        if (knobs.unknown_id == UNKNOWN_DROP)
            return true;
        scim_error(r, knobs.unknown_id == UNKNOWN_400 ? 400 : 404,
                   knobs.unknown_id == UNKNOWN_400 ? "invalidValue" : NULL, "Principal with id %s not found.",
                   id);
        return false;
    }
    if (knobs.cycles_400 && W.ents[m].kind == 'G' && contains(m, g, 0)) { /* rule 39; wording invented */
        scim_error(r, 400, "invalidValue", "Group %s cannot be a member of itself.", W.ents[g].name);
        return false;
    }
    const char *limit = group_limit(g, m);
    if (limit != NULL && rule("39")) { /* wording invented */
        scim_error(r, 400, "tooMany", "%s", limit);
        return false;
    }
    if (!member_add(g, m, rec_number(r->rec), by) && knobs.readd_409) { /* rule 16 */
        scim_error(r, 409, "uniqueness", "Principal %s is already a member.", id);
        return false;
    }
    return true;
}

static bool
add_members(struct req *r, int g, json_object *v)
{
    if (json_object_is_type(v, json_type_string))
        return dbx_add_member(r, g, json_object_get_string(v), "patch");
    if (json_object_is_type(v, json_type_object))
        return dbx_add_member(r, g, json_text(v, "value"), "patch");
    for (size_t i = 0; i < json_object_array_length(v); i++)
        if (!dbx_add_member(r, g, json_text(json_object_array_get_idx(v, i), "value"), "patch"))
            return false;
    return true;
}

static void
empty_group(struct req *r, int g)
{
    while (W.ents[g].members.n > 0)
        member_drop(g, W.ents[g].members.v[W.ents[g].members.n - 1], rec_number(r->rec), "patch");
}

/* `users` and `account users` take members and never let one go (rule 31, TF#1088; the wording is invented).
 */
static bool
keeps_all(struct req *r, int g)
{
    const char *n = W.ents[g].name;
    if (!W.ents[g].system || strcmp(n, "admins") == 0 || !rule("31"))
        return false;
    scim_error(r, 400, "invalidValue", "Members of the group %s cannot be removed.", n);
    return true;
}

/* Rule 13: exactly attr[value eq "…"]. The text between the quotes, or NULL. */
static char *
value_filter(const char *path, const char *attr)
{
    char *head = xfmt("%s[value eq \"", attr);
    size_t h = strlen(head), n = strlen(path);
    char *v = NULL;
    bool loose = !rule("13") && n >= h + 2 && strncmp(path, head, h - 1) == 0 && path[h - 1] == '\'';
    if (loose || (n >= h + 2 && strncmp(path, head, h) == 0 && strcmp(path + n - 2, "\"]") == 0)) {
        v = xsub(path + h, (size_t) (n - h - 2));
        if (strpbrk(v, "\"\\") != NULL) {
            free(v);
            v = NULL;
        }
    }
    free(head);
    return v;
}

static bool
no_target(struct req *r, const char *path)
{
    if (!knobs.reremove_400)
        return true;
    scim_error(r, 400, "noTarget", "No such attribute: %s", path);
    return false;
}

static bool
run_remove(struct req *r, int e, const char *path)
{
    struct ent *x = &W.ents[e];
    char *v = NULL;
    if (x->kind == 'G' && strncmp(path, "members", 7) == 0 && keeps_all(r, e))
        return false;
    if (x->kind == 'G' && strcmp(path, "members") == 0) {
        empty_group(r, e);
        return true;
    }
    if (strcmp(path, "externalId") == 0) {
        str_set(&x->ext, NULL);
        return true;
    }
    if (x->kind == 'G' && (v = value_filter(path, "members")) != NULL) {
        int m = map_get(&W.ent_id, v);
        free(v);
        return (m >= 0 && member_drop(e, m, rec_number(r->rec), "patch")) || no_target(r, path);
    }
    if ((v = value_filter(path, "roles")) != NULL) {
        ent_role(e, v, false);
        free(v);
        return true;
    }
    scim_error(r, 400, "invalidPath", "The attribute path %s is not valid.", path);
    return false;
}

/* "false", false, [{"value":"false"}]: databricks-api.md section 2.5, last row */
static bool
truth(json_object *v)
{
    if (json_object_is_type(v, json_type_array))
        v = json_object_array_get_idx(v, 0);
    json_object *in = NULL;
    if (json_object_is_type(v, json_type_object) && json_object_object_get_ex(v, "value", &in))
        v = in;
    return strcasecmp(json_object_get_string(v) != NULL ? json_object_get_string(v) : "", "true") == 0;
}

static bool
rename_ok(struct req *r, int e, const char *name)
{
    struct ent *x = &W.ents[e];
    if (x->kind == 'U')
        str_set(&x->display, name);
    else {
        int other = x->kind == 'G' ? ent_find('G', name, x->local) : -1;
        if (x->system || (other >= 0 && other != e)) {
            scim_error(r, x->system ? 400 : 409, x->system ? "mutability" : "uniqueness",
                       x->system ? "Group %s cannot be changed." : "Group with name %s already exists.",
                       name);
            return false;
        }
        ent_rename(e, name);
    }
    return true;
}

static bool
run_set(struct req *r, int e, const char *attr, json_object *v, bool replace)
{
    struct ent *x = &W.ents[e];
    const char *s = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
    if (x->kind == 'G' && strcmp(attr, "members") == 0) {
        if (!members_shape(v) || (replace && keeps_all(r, e)))
            return false;
        if (replace)
            empty_group(r, e);
        return add_members(r, e, v);
    }
    if (strcmp(attr, "displayName") == 0 && s != NULL)
        return rename_ok(r, e, s);
    if (strcmp(attr, "externalId") == 0 && s != NULL)
        str_set(&x->ext, s);
    else if (strcmp(attr, "active") == 0 && x->kind != 'G')
        x->active = truth(v);
    else if (strcmp(attr, "roles") == 0 && json_object_is_type(v, json_type_array))
        for (size_t i = 0; i < json_object_array_length(v); i++) {
            const char *role = json_text(json_object_array_get_idx(v, i), "value");
            if (role != NULL)
                ent_role(e, role, true);
        }
    else if (strncmp(attr, "members[", 8) == 0) { /* an add with a filter: databricks-api.md section 1.3 */
        scim_error(r, 500, NULL, "Error in performing the patch operation on group resource.");
        return false;
    } else if (strcmp(attr, "userName") == 0 && s != NULL && !rule("32"))
        ent_rename(e, s);
    /* rule 32: userName, emails and what we do not model: 2xx without effect */
    return true;
}

static bool
run_op(struct req *r, int e, json_object *o)
{
    const char *op = json_text(o, "op"), *path = json_text(o, "path");
    if (strcmp(op, "remove") == 0)
        return run_remove(r, e, path);
    json_object *v = NULL;
    json_object_object_get_ex(o, "value", &v);
    bool replace = strcmp(op, "replace") == 0;
    if (path != NULL)
        return run_set(r, e, path, v, replace);
    json_object_object_foreach(v, attr, val)
    {
        if (!run_set(r, e, attr, val, replace))
            return false;
    }
    return true;
}

/* Rule 17 */
static void
reply(struct req *r, int e, enum level level)
{
    r->out.len = 0;
    r->ctype = SCIM_JSON;
    r->status = knobs.patch_reply == REPLY_204 ? 204 : 200;
    if (knobs.patch_reply == REPLY_200_OBJECT)
        buf_lit(&r->out, "{}");
    else if (knobs.patch_reply == REPLY_200_FULL)
        dbx_render(&r->out, e, level, false);
}

static void
run_all(struct req *r, int e, json_object *ops, enum level level)
{
    size_t n = json_object_array_length(ops);
    for (size_t i = 0; i < n; i++) {
        const char *bad = op_fault(json_object_array_get_idx(ops, i));
        if (bad != NULL) {
            scim_error(r, 400, "invalidSyntax", "%s", bad);
            return;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (r->act->fail_after_ops >= 0 && i == (size_t) r->act->fail_after_ops) { /* rule 19 */
            scim_error(r, 500, NULL, "Max retries exhausted with RPC");
            return;
        }
        if (!run_op(r, e, json_object_array_get_idx(ops, i))) {
            if (r->status == 0)
                scim_error(r, 400, "invalidSyntax", "%s", unparsable);
            return;
        }
    }
    reply(r, e, level);
}

void
dbx_patch(struct req *r, char kind, const char *id, enum level level)
{
    r->kind = kind == 'U' ? "patch_user" : kind == 'S' ? "patch_sp" : "patch_group";
    int e = dbx_find(r, kind, id, level);
    if (e < 0)
        return;
    if (kind == 'G' && level == LEVEL_WORKSPACE &&
        !W.ents[e].local) { /* rule 29: databricks-api.md section 1.3 */
        if (knobs.workspace_member_status == 500)
            scim_error(r, 500, NULL, "Error in performing the patch operation on group resource.");
        else
            scim_error(r, 400, "Members attribute not supported for current workspace.", "%s", unparsable);
        return;
    }
    if (dbx_aim(e)) { /* rule 30; wording invented */
        scim_error(r, 400, "mutability", "Group %s is managed by automatic identity management.",
                   W.ents[e].name);
        return;
    }
    json_object *body = json_parse(r->body.p != NULL ? r->body.p : ""), *ops = NULL;
    if (r->act->stale_reads > 0)
        ent_stale(e, r->act->stale_reads, r->act->flip_back);
    if (!json_object_is_type(body, json_type_object))
        scim_error(r, 400, "invalidSyntax", "%s", unparsable);
    else if (!has_urn(body)) { /* rule 9; knob: nested-aad issue 5 */
        if (knobs.wrong_urn_empties && kind == 'G') {
            empty_group(r, e);
            reply(r, e, level);
        } else
            scim_error(r, 400, "invalidSyntax", "%s", unparsable);
    } else if (!json_object_object_get_ex(body, "Operations", &ops) ||
               !json_object_is_type(ops, json_type_array))
        scim_error(r, 400, "invalidSyntax", "%s", unparsable);
    else
        run_all(r, e, ops, level);
    json_object_put(body);
}
