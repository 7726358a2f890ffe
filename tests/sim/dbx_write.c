/* tests/sim/dbx_write.c: POST, PUT, DELETE (rules 8, 21, 22, 30, 31, 33). Source: databricks-api.md sections 2.6, 2.7, 3.6,
 * 3.10 */
#include "tests/sim/dbx.h"
#include "tests/sim/fields.h"

#include <string.h>

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
    json_object *body = json_parse(r->body.p), *members = json_sub(body, "members", json_type_array);
    const char *name = json_text(body, s->kind == DBX_USER ? "userName" : "displayName");
    bool group = s->kind == DBX_GROUP, local = group && s->level == LEVEL_WORKSPACE;
    if (name == NULL || name[0] == '\0' || strlen(name) > 1020)
        scim_error(r, 400, "invalidSyntax", UNPARSABLE);
    else if (knobs.aim && group && json_text(body, "externalId") != NULL) /* rule 30 */
        scim_error(r, 400, "invalidValue",
                   "externalId cannot be set while automatic identity management is on.");
    else if (!duplicate(r, s->kind, name, json_text(body, "applicationId"), local)) {
        struct thing *x = dbx_new(s->kind, body, name, local);
        x->system = false;
        if (group && members != NULL && knobs.post_members_fail) /* rule 21: ucx#555 */
            scim_error(r, 500, NULL, tf("Failed to update members of group %s", name));
        else if (!group || members == NULL || dbx_add_members(r, x, members, "post"))
            dbx_answer_thing(r, x, s->level, knobs.post_status);
    }
}

/* Rule 33: what is not sent is gone. */
void
dbx_put(struct req *r, const struct scim *s)
{
    json_object *body = json_parse(r->body.p), *members = json_sub(body, "members", json_type_array);
    struct thing *x = s->x;
    const char *name = json_text(body, "displayName");
    if (!json_object_is_type(body, json_type_object)) {
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
        members_clear(x, rec_number(r->rec), "put");
    if (x->kind != DBX_GROUP || members == NULL || dbx_add_members(r, x, members, "put"))
        dbx_answer_thing(r, x, s->level, 200);
}

void
dbx_delete(struct req *r, const struct scim *s)
{
    if (s->x->system && rule("31")) { /* wording invented */
        scim_error(r, 400, "mutability", tf("Group %s cannot be deleted.", s->x->name));
        return;
    }
    thing_del(s->x, rec_number(r->rec), "delete");
    answer(r, 204, NULL, "");
}
