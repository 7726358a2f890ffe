/* Roles, the flat list of groups and its count, composites.
 *
 * Nothing here follows a composite by recursion: each role's one level is asked for once, so cycles end by
 * themselves. A list of groups that disagrees with the server's own count is read a second time, then it is
 * suspect. Source: keycloak-api.md 1.5, 2.1, 2.2; keycloak-verified.md 0.1, 0.2, section 1. */
#include "base/ban.h"

#include "base/mem.h"
#include "keycloak/internal.h"
#include "keycloak/token_decode.h"

/* ---- roles ---- */

static struct kb_read *
roles_read(struct kc_call *call)
{
    return &call->kc->realm->roles_read;
}

static void
roles_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    (void) call;
    *ret = (struct kc_endpoint){{"roles"}, "briefRepresentation=true"};
}

/* Nothing refers to a role before this list is complete. */
static void
roles_reset(struct kc_call *call)
{
    struct kb_realm *realm = call->kc->realm;

    realm->roles_len = 0;
    kb_index_done(&realm->role_by_id);
    kb_index_done(&realm->realm_role_by_name);
    call->kc->role_duplicates = 0;
}

static int
roles_row(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    struct kc *kc = call->kc;
    uint32_t ignored;

    if (row->role.client_role)
        return kb_fail(err, KB_E_PROTOCOL, "a client role among the roles of the realm");
    if (kb_realm_role(kc->realm, row->id) != KB_NONE ||
        kb_realm_role_named(kc->realm, row->role.name) != KB_NONE)
        kc->role_duplicates++;
    return kc_role_put(kc, &row->role, true, &ignored, err);
}

static void roles_end(struct kc_call *call);

static const struct kc_list roles_list = {.kind = KC_ROW_ROLE,
                                          .needs = "view-realm",
                                          .read = roles_read,
                                          .endpoint = roles_endpoint,
                                          .reset = roles_reset,
                                          .row = roles_row,
                                          .end = roles_end};

static void
roles_end(struct kc_call *call)
{
    struct kc *kc = call->kc;
    struct kb_read *read = &kc->realm->roles_read;

    if (kb_read_ok(read) && read->rows == 0) /* default-roles-REALM is always there */
        kc_note(kc, read, KB_READ_FAILED, "GET /roles: 200 with an empty list, but every realm has roles");
    if (kb_read_ok(read)) {
        read->distinct = kc->realm->roles_len;
        if (kc->role_duplicates && !kc->roles_again) {
            kc->roles_again = true;
            kc_list_follow(kc, &roles_list, 0);
            return;
        }
        if (kc->role_duplicates)
            kc_suspect(kc, read, "/roles: %u of %u roles stand there twice", kc->role_duplicates, read->rows);
        for (uint32_t role = 0; role < kc->realm->roles_len; role++)
            kc_composites_follow(kc, role);
    }
    kc->roles_done = true;
    kc_client_roles_follow(kc);
    kc_catalog_step(kc);
}

int
kc_role_put(struct kc *kc, const struct kc_role_row *row, bool listed, uint32_t *ret, struct kb_error *err)
{
    struct kb_realm *realm = kc->realm;
    uint32_t known = realm->roles_len, index = kb_realm_role_add(realm, row->id);
    struct kb_role *role;

    if (index == KB_NONE || !kb_realm_role_set_name(realm, index, row->name, row->client_role))
        return kb_fail(err, KB_E_NOMEM, "out of memory for the roles of the realm");
    role = &realm->roles[index];
    role->composite = role->composite || row->composite;
    if (row->client_role && !role->container && kc_text(kc, row->container, &role->container, err) < 0)
        return -(int) err->code;
    if (index == known && !listed && !row->client_role)
        kc_suspect(kc, &realm->roles_read,
                   "/roles: the role \"%.100s\" is not there, but a composite contains it", row->name);
    *ret = index;
    return 0;
}

/* ---- composites: one level of one role ---- */

static struct kb_read *
composites_read(struct kc_call *call)
{
    return &call->kc->realm->roles[call->row].children_read;
}

static void
composites_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    const struct kc *kc = call->kc;

    *ret =
        (struct kc_endpoint){{"roles-by-id", kc_str(kc, kc->realm->roles[call->row].id), "composites"}, NULL};
}

static void
composites_reset(struct kc_call *call)
{
    call->kc->realm->roles[call->row].children.len = 0;
}

static int
composites_row(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    uint32_t child = KB_NONE;

    if (kc_role_put(call->kc, &row->role, false, &child, err) < 0)
        return -(int) err->code;
    if (!kb_u32s_add(&call->kc->realm->roles[call->row].children, child))
        return kb_fail(err, KB_E_NOMEM, "out of memory for composite roles");
    return 0;
}

/* Without view-clients Keycloak leaves client roles out of this list without a word (seen on 26.7.4), so a
 * composite of client roles only looks empty. With view-clients an empty list contradicts the flag. */
static void
judge_empty(struct kc *kc, struct kb_read *read)
{
    const char *payload = kb_http_peer_token_payload(kc->peer);

    if (payload && (kc_token_names(payload, "view-clients") || kc_token_names(payload, "manage-clients")))
        kc_suspect(kc, read, "the role is a composite, but its list of composites is empty");
    else
        kc->realm->client_composites_unread = true;
}

static void
composites_end(struct kc_call *call)
{
    struct kc *kc = call->kc;
    struct kb_role *role = &kc->realm->roles[call->row];
    struct kb_read *read = &role->children_read;

    kb_u32s_sort_unique(&role->children);
    read->distinct = role->children.len;
    if (kb_read_ok(read) && role->children.len == 0)
        judge_empty(kc, read);
    if (read->status == KB_READ_DENIED && role->client_role)
        kc->clients_denied = kc->realm->client_composites_unread = true;
    for (uint32_t i = 0; i < kc->realm->roles[call->row].children.len; i++)
        kc_composites_follow(kc, kc->realm->roles[call->row].children.v[i]);
    kc_catalog_step(kc);
}

static const struct kc_list composites_list = {.kind = KC_ROW_ROLE,
                                               .needs = "view-realm (a client role: view-clients)",
                                               .read = composites_read,
                                               .endpoint = composites_endpoint,
                                               .reset = composites_reset,
                                               .row = composites_row,
                                               .end = composites_end};

void
kc_composites_follow(struct kc *kc, uint32_t index)
{
    struct kb_role *role = &kc->realm->roles[index];

    if (!role->composite || role->children_read.status != KB_READ_NOT_ASKED)
        return;
    if (role->client_role && kc->clients_denied) {
        kc_note(kc, &role->children_read, KB_READ_DENIED,
                "not asked: the account lacks view-clients of realm-management");
        return;
    }
    kc->catalog_open++;
    kc_list_follow(kc, &composites_list, index);
}

/* ---- groups and their count ---- */

static struct kb_read *
groups_read(struct kc_call *call)
{
    return &call->kc->realm->groups_read;
}

/* A blank is what matches every name in all versions: 26.4.0 takes `*` for a letter and answers with nothing,
 * 26.7.4 takes `%` for one (tests/e2e/README.md); an empty search counts as none and gives the top level. */
static void
groups_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    (void) call;
    *ret = (struct kc_endpoint){
        {"groups"},
        "search=%20&populateHierarchy=false&briefRepresentation=false&subGroupsCount=false&max=-1"};
}

static void
groups_reset(struct kc_call *call)
{
    struct kc *kc = call->kc;

    kc->realm->groups_len = 0;
    kb_index_done(&kc->realm->group_by_id);
    kc->grants_len = 0;
    kc->group_duplicates = 0;
    kc->grants_shown = false;
}

static int
group_grant(void *userdata, const char *client, const char *role, struct kb_error *err)
{
    struct kc *kc = userdata;
    struct kc_grant grant = {.group = kc->realm->groups_len - 1};

    if (!kb_grow(&kc->grants, &kc->grants_cap, kc->grants_len + 1, sizeof(*kc->grants), KC_ROWS_MAX))
        return kb_fail(err, KB_E_NOMEM, "out of memory for the roles of groups");
    if (kc_text(kc, role, &grant.role, err) < 0 || (client && kc_text(kc, client, &grant.client, err) < 0))
        return -(int) err->code;
    kc->grants[kc->grants_len++] = grant;
    return 0;
}

static int
groups_row(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    struct kc *kc = call->kc;
    const struct kc_group_row *from = &row->group;
    uint32_t index;
    struct kb_realm_group *group;

    if (kb_realm_group(kc->realm, row->id) != KB_NONE) {
        kc->group_duplicates++;
        return 0;
    }
    index = kb_realm_group_add(kc->realm, row->id);
    if (index == KB_NONE ||
        !kb_grow(&kc->parents, &kc->parents_cap, (size_t) index + 1, sizeof(*kc->parents), KC_ROWS_MAX))
        return kb_fail(err, KB_E_NOMEM, "out of memory for the groups of the realm");
    group = &kc->realm->groups[index];
    kc->parents[index] = 0;
    kc->grants_shown = kc->grants_shown || from->roles_shown;
    if (kc_text(kc, from->name, &group->name, err) < 0 || kc_text(kc, from->path, &group->path, err) < 0 ||
        (from->parent && kc_text(kc, from->parent, &kc->parents[index], err) < 0))
        return -(int) err->code;
    return kc_decode_grants(from, group_grant, kc, err);
}

static void
groups_end(struct kc_call *call)
{
    call->kc->realm->groups_read.distinct = call->kc->realm->groups_len;
    kc_catalog_judge(call->kc);
    kc_catalog_step(call->kc);
}

static const struct kc_list groups_list = {.kind = KC_ROW_GROUP,
                                           .needs = "view-users",
                                           .read = groups_read,
                                           .endpoint = groups_endpoint,
                                           .reset = groups_reset,
                                           .row = groups_row,
                                           .end = groups_end};

static void
count_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kc *kc = call->kc;
    struct kb_read *read = &kc->count_read;
    struct kb_error err = {0};
    char note[KC_NOTE_SIZE];

    read->status = KB_READ_COMPLETE;
    read->http = (uint16_t) reply->status;
    if (reply->error->code != KB_OK || reply->status != 200) {
        enum kb_read_status status = kc_judge(kc, call->what, "view-users", reply, note);
        kc_note(kc, read, status, "%s", note);
    } else if (kc_decode_group_count(reply->body, reply->body_size, &read->count, &err) < 0) {
        kc_note(kc, read, KB_READ_FAILED, "%s: %s", call->what, err.msg);
    }
    kc_catalog_judge(kc);
    kc_catalog_step(kc);
}

static int
count_submit(struct kc *kc, struct kb_error *err)
{
    const struct kc_endpoint endpoint = {{"groups", "count"}, NULL};

    kc->count_read = (struct kb_read){.status = KB_READ_PENDING, .count = KB_NONE};
    return kc_get(kc, &endpoint, 0, count_reply, NULL, err);
}

static void
groups_again(struct kc *kc)
{
    struct kb_error err = {0};

    kc->groups_again = true;
    kc->catalog_open += 2;
    if (count_submit(kc, &err) < 0) {
        kc_fatal(kc, &err);
        kc->catalog_open--;
    }
    kc_list_follow(kc, &groups_list, 0);
}

/* The list and the count are two transactions: one change between them is no lie, so both are asked again. */
void
kc_catalog_judge(struct kc *kc)
{
    struct kb_read *read = &kc->realm->groups_read;
    const struct kb_read *count = &kc->count_read;
    struct kb_error err;

    if (!kb_read_ok(read) || count->status == KB_READ_PENDING)
        return;
    read->count = count->count;
    if (count->status != KB_READ_COMPLETE) {
        kc_suspect(kc, read, "/groups: %u rows, but the count is not known: %s", read->rows,
                   kc_str(kc, count->note));
        return;
    }
    if (read->distinct == read->count && read->rows == read->distinct)
        return;
    if (!kc->groups_again) {
        groups_again(kc);
        return;
    }
    if (read->rows == 0) {
        kc->groups_hidden = true;
        (void) kb_fail(&err, KB_E_HTTP,
                       "realm \"%s\": GET /groups answers 200 with nothing, though %u groups are there: the "
                       "service account of the client lacks view-users of realm-management (query-groups is "
                       "not enough)",
                       kc->realm_name, read->count);
        err.status = 200;
        kc_fatal(kc, &err);
    }
    kc_suspect(kc, read,
               "/groups: %u rows, %u different groups, but /groups/count says %u, also when read again",
               read->rows, read->distinct, read->count);
}

/* ---- the end of the catalog ---- */

static void
resolve_parents(struct kc *kc)
{
    struct kb_realm *realm = kc->realm;

    for (uint32_t i = 0; i < realm->groups_len; i++) {
        if (!kc->parents[i])
            continue;
        realm->groups[i].parent = kb_realm_group(realm, kc_str(kc, kc->parents[i]));
        if (realm->groups[i].parent == KB_NONE)
            kc_suspect(kc, &realm->groups_read, "/groups: the parent of \"%.200s\" is missing",
                       kc_str(kc, realm->groups[i].path));
    }
    for (uint32_t i = 0; i < realm->groups_len; i++) { /* a chain longer than the list is a circle */
        uint32_t at = i;
        for (uint32_t steps = 0; at != KB_NONE && steps <= 64; steps++)
            at = realm->groups[at].parent;
        for (uint32_t steps = 0; at != KB_NONE && steps <= realm->groups_len; steps++)
            at = realm->groups[at].parent;
        if (at == KB_NONE)
            continue;
        kc_suspect(kc, &realm->groups_read, "/groups: \"%.200s\" lies below itself",
                   kc_str(kc, realm->groups[i].path));
        break;
    }
}

static int
resolve_grants(struct kc *kc, struct kb_error *err)
{
    struct kb_realm *realm = kc->realm;

    for (size_t i = 0; i < kc->grants_len; i++) {
        const struct kc_grant *grant = &kc->grants[i];
        uint32_t role;
        if (grant->client)
            continue; /* clients.c */
        role = kb_realm_role_named(realm, kc_str(kc, grant->role));
        if (role == KB_NONE)
            kc_suspect(kc, &realm->roles_read,
                       "/roles: the role \"%.100s\" is not there, but a group carries it",
                       kc_str(kc, grant->role));
        else if (!kb_u32s_add(&realm->groups[grant->group].roles, role))
            return kb_fail(err, KB_E_NOMEM, "out of memory for the roles of groups");
    }
    for (uint32_t i = 0; i < realm->groups_len; i++)
        kb_u32s_sort_unique(&realm->groups[i].roles);
    if (kb_read_ok(&realm->groups_read) && realm->groups_len && !kc->grants_shown)
        kc_suspect(kc, &realm->groups_read, "/groups: the groups came without their roles");
    return 0;
}

void
kc_catalog_step(struct kc *kc)
{
    struct kb_error err = {0};

    if (--kc->catalog_open > 0 || kc->catalog_done)
        return;
    kc->catalog_done = true;
    resolve_parents(kc);
    if (resolve_grants(kc, &err) < 0 || kc_client_grants_resolve(kc, &err) < 0)
        kc_fatal(kc, &err);
    if (kc->on_catalog)
        kc->on_catalog(kc->userdata);
}

int
kc_read_catalog(struct kc *kc, struct kb_error *err)
{
    if (kc->catalog_open || kc->catalog_done)
        return kb_fail(err, KB_E_BUG, "the catalog of a realm is read once");
    kc->catalog_open = 1; /* ours, until all are on their way */
    kc->realm->client_composites_unread = !kc->with_clients;
    kc->catalog_open += 3;
    if (kc_list_submit(kc, &groups_list, 0, false, err) < 0 ||
        kc_list_submit(kc, &roles_list, 0, false, err) < 0 || count_submit(kc, err) < 0 ||
        kc_directories_submit(kc, err) < 0)
        return -(int) err->code;
    if (kc->with_clients) {
        kc->catalog_open++;
        if (kc_clients_submit(kc, err) < 0)
            return -(int) err->code;
    } else {
        kc->clients_done = true;
    }
    kc_catalog_step(kc);
    return 0;
}
