/* tests/sim/dbx_write.c: POST, PUT, DELETE (rules 8, 22, 31-33). Source: databricks-api.md
 * sections 2.6, 2.7, 3.6, 3.10 */
#include "tests/sim/dbx.h"

#include "tests/sim/record.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char unparsable[] = "Request is unparsable, syntactically incorrect, or violates schema.";

static bool
put_members(struct req *r, int g, json_object *body, const char *by)
{
    json_object *v = NULL;
    if (!json_object_object_get_ex(body, "members", &v) || !json_object_is_type(v, json_type_array))
        return true;
    for (size_t i = 0; i < json_object_array_length(v); i++) {
        const char *id = json_text(json_object_array_get_idx(v, i), "value");
        if (id != NULL && !dbx_add_member(r, g, id, by))
            return false;
    }
    return true;
}

/* Duplicates: 409 with the texts that Terraform knows. Apostrophes are dropped from them:
 * databricks-api.md 3.8 */
static bool
duplicate(struct req *r, char kind, const char *name, const char *appid, bool local)
{
    if (kind == 'G' && !rule("8"))
        for (int i = 0; i < W.dbx_groups.n; i++)
            if (strcasecmp(W.ents[W.dbx_groups.v[i]].name, name) == 0)
                name = W.ents[W.dbx_groups.v[i]].name;
    int e = kind == 'S' ? (appid == NULL ? -1 : ent_find('S', appid, false)) : ent_find(kind, name, local);
    if (e < 0)
        return false;
    char *shown = xdup(kind == 'S' ? appid : name), *to = shown;
    for (const char *p = shown; *p != '\0'; p++)
        if (*p != '\'')
            *to++ = *p;
    *to = '\0';
    scim_error(r, 409, "uniqueness",
               kind == 'G'   ? "Group with name %s already exists."
               : kind == 'U' ? "User with username %s already exists."
                             : "Service principal with application ID %s already exists.",
               shown);
    free(shown);
    return true;
}

void
dbx_post(struct req *r, char kind, enum level level)
{
    r->kind = kind == 'U' ? "post_user" : kind == 'S' ? "post_sp" : "post_group";
    json_object *body = json_parse(r->body.p != NULL ? r->body.p : ""), *active = NULL;
    bool object = json_object_is_type(body, json_type_object);
    const char *name = !object ? NULL : json_text(body, kind == 'U' ? "userName" : "displayName");
    const char *appid = object ? json_text(body, "applicationId") : NULL;
    bool local = kind == 'G' && level == LEVEL_WORKSPACE;
    if (name == NULL || name[0] == '\0' || strlen(name) > 1020)
        scim_error(r, 400, "invalidSyntax", "%s", unparsable);
    else if (knobs.aim && kind == 'G' && json_text(body, "externalId") != NULL) /* rule 30 */
        scim_error(r, 400, "invalidValue",
                   "externalId cannot be set while automatic identity management is on.");
    else if (!duplicate(r, kind, name, appid, local)) {
        int e = ent_new(kind, name, NULL, local);
        if (kind == 'U')
            str_set(&W.ents[e].display,
                    json_text(body, "displayName") != NULL ? json_text(body, "displayName") : name);
        if (kind == 'S')
            W.ents[e].appid = appid != NULL ? xdup(appid) : rng_uuid(&W.rng);
        str_set(&W.ents[e].ext, json_text(body, "externalId"));
        if (json_object_object_get_ex(body, "active", &active))
            W.ents[e].active = json_object_get_boolean(active);
        json_object *members = NULL;
        if (kind == 'G' && knobs.post_members_fail && json_object_object_get_ex(body, "members", &members))
            scim_error(r, 500, NULL, "Failed to update members of group %s", name); /* rule 21: ucx#555 */
        else if (kind != 'G' || put_members(r, e, body, "post")) {
            dbx_render(&r->out, e, level, false);
            r->status = knobs.post_status;
            r->ctype = SCIM_JSON;
        }
    }
    json_object_put(body);
}

/* Rule 33: what is not sent is gone. */
void
dbx_put(struct req *r, char kind, const char *id, enum level level)
{
    r->kind = kind == 'U' ? "put_user" : kind == 'S' ? "put_sp" : "put_group";
    int e = dbx_find(r, kind, id, level);
    if (e < 0)
        return;
    json_object *body = json_parse(r->body.p != NULL ? r->body.p : ""), *active = NULL;
    if (!json_object_is_type(body, json_type_object)) {
        scim_error(r, 400, "invalidSyntax", "%s", unparsable);
        json_object_put(body);
        return;
    }
    struct ent *x = &W.ents[e];
    const char *name = json_text(body, "displayName");
    if (kind == 'U')
        str_set(&x->display, name);
    else if (name != NULL && !x->system)
        ent_rename(e, name);
    if (rule("33") || json_text(body, "externalId") != NULL)
        str_set(&x->ext, json_text(body, "externalId"));
    x->active = !json_object_object_get_ex(body, "active", &active) || json_object_get_boolean(active);
    while (x->nroles > 0)
        ent_role(e, x->roles[0], false);
    bool ok = true;
    if (kind == 'G' && (rule("33") || json_sub(body, "members", json_type_array) != NULL)) {
        while (x->members.n > 0)
            member_drop(e, x->members.v[x->members.n - 1], rec_number(r->rec), "put");
        ok = put_members(r, e, body, "put");
    }
    if (ok) {
        dbx_render(&r->out, e, level, false);
        r->status = 200;
        r->ctype = SCIM_JSON;
    }
    json_object_put(body);
}

void
dbx_delete(struct req *r, char kind, const char *id, enum level level)
{
    r->kind = kind == 'U' ? "delete_user" : kind == 'S' ? "delete_sp" : "delete_group";
    int e = dbx_find(r, kind, id, level);
    if (e < 0)
        return;
    if (W.ents[e].system && rule("31")) { /* rule 31; wording invented */
        scim_error(r, 400, "mutability", "Group %s cannot be deleted.", W.ents[e].name);
        return;
    }
    ent_del(e, rec_number(r->rec), "delete");
    r->status = 204;
    r->ctype = "";
}
