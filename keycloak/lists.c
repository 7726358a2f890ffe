/* Who holds the wanted roles and who is in the wanted groups: direct rows only, since nothing at Keycloak
 * returns effective members (keycloak-api.md section 0, 1 and 2). One request a list, brief unless an
 * attribute of people is needed. */
#include "base/ban.h"

#include "base/mem.h"
#include "keycloak/internal.h"

static const char *
representation(const struct kc *kc)
{
    return kc->user_attribute ? "briefRepresentation=false" : "briefRepresentation=true";
}

/* A user that stands in a list: its row, and its index in `into`. */
static int
user_into(struct kc *kc, const struct kc_row *row, struct kb_u32s *into, struct kb_error *err)
{
    uint32_t user;

    if (kc_user_put(kc, &row->user, &user, err) < 0)
        return -(int) err->code;
    if (!kb_u32s_add(into, user))
        return kb_fail(err, KB_E_NOMEM, "out of memory for memberships");
    return 0;
}

/* Users of two sources (a database and a directory) may stand in a list twice: counted, not suspect
 * (keycloak-api.md 1.2). */
static void
settle(struct kb_read *read, struct kb_u32s *into)
{
    kb_u32s_sort_unique(into);
    read->distinct = into->len;
}

/* ---- direct holders of a role ---- */

static struct kb_read *
holders_read(struct kc_call *call)
{
    return &call->kc->realm->roles[call->row].holders_read;
}

void
kc_holders_endpoint(const struct kc *kc, uint32_t index, struct kc_endpoint *ret)
{
    const struct kb_role *role = &kc->realm->roles[index];

    if (role->client_role)
        *ret = (struct kc_endpoint){
            {"clients", kc_str(kc, role->container), "roles", kc_str(kc, role->name), "users"},
            representation(kc)};
    else
        *ret = (struct kc_endpoint){{"roles", kc_str(kc, role->name), "users"}, representation(kc)};
}

static void
holders_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    kc_holders_endpoint(call->kc, call->row, ret);
}

static void
holders_reset(struct kc_call *call)
{
    call->kc->realm->roles[call->row].holders.len = call->start;
}

static int
holders_row(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    return user_into(call->kc, row, &call->kc->realm->roles[call->row].holders, err);
}

static void
holders_end(struct kc_call *call)
{
    struct kb_role *role = &call->kc->realm->roles[call->row];

    settle(&role->holders_read, &role->holders);
    kc_lists_step(call->kc);
}

static const struct kc_list holders_list = {.kind = KC_ROW_USER,
                                            .needs = "view-users (a client role: view-clients)",
                                            .paged = true,
                                            .read = holders_read,
                                            .endpoint = holders_endpoint,
                                            .reset = holders_reset,
                                            .row = holders_row,
                                            .end = holders_end};

/* ---- direct members of a group ---- */

static struct kb_read *
members_read(struct kc_call *call)
{
    return &call->kc->realm->groups[call->row].members_read;
}

void
kc_members_endpoint(const struct kc *kc, uint32_t group, struct kc_endpoint *ret)
{
    *ret = (struct kc_endpoint){{"groups", kc_str(kc, kc->realm->groups[group].id), "members"},
                                representation(kc)};
}

static void
members_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    kc_members_endpoint(call->kc, call->row, ret);
}

static void
members_reset(struct kc_call *call)
{
    call->kc->realm->groups[call->row].members.len = call->start;
}

static int
members_row(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    return user_into(call->kc, row, &call->kc->realm->groups[call->row].members, err);
}

static void
members_end(struct kc_call *call)
{
    struct kb_realm_group *group = &call->kc->realm->groups[call->row];

    settle(&group->members_read, &group->members);
    kc_lists_step(call->kc);
}

static const struct kc_list members_list = {.kind = KC_ROW_USER,
                                            .needs = "view-users",
                                            .paged = true,
                                            .read = members_read,
                                            .endpoint = members_endpoint,
                                            .reset = members_reset,
                                            .row = members_row,
                                            .end = members_end};

static void
members_follow(struct kc *kc, uint32_t group)
{
    if (kc->realm->groups[group].members_read.status != KB_READ_NOT_ASKED)
        return;
    kc->lists_open++;
    kc_list_follow(kc, &members_list, group);
}

/* ---- groups that carry a client role, where the flat list could only name it ---- */

static struct kb_read *
role_groups_read(struct kc_call *call)
{
    return &call->kc->realm->roles[call->row].groups_read;
}

/* max is ignored by 26.7.0 and 26.7.1, which give 100 whatever is asked (keycloak-api.md section 0, 8): see
 * role_groups_end. */
static void
role_groups_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    const struct kc *kc = call->kc;
    const struct kb_role *role = &kc->realm->roles[call->row];

    *ret = (struct kc_endpoint){
        {"clients", kc_str(kc, role->container), "roles", kc_str(kc, role->name), "groups"},
        "briefRepresentation=true&max=-1"};
}

static void
role_groups_reset(struct kc_call *call)
{
    call->kc->realm->roles[call->row].groups.len = call->start;
}

static int
role_groups_row(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    struct kc *kc = call->kc;
    uint32_t group = kb_realm_group(kc->realm, row->id);

    if (group == KB_NONE)
        return 0; /* a group of an organization (keycloak-api.md 2.6): counted in rows, not in distinct */
    if (!kb_u32s_add(&kc->realm->roles[call->row].groups, group))
        return kb_fail(err, KB_E_NOMEM, "out of memory for the groups of a role");
    return 0;
}

static bool
lies_below(const struct kb_realm *realm, uint32_t group, uint32_t top)
{
    for (uint32_t steps = 0; group != KB_NONE && steps <= realm->groups_len; steps++) {
        if (group == top)
            return true;
        group = realm->groups[group].parent;
    }
    return false;
}

/* Who asked for the role could not know its groups: they and all below them count, too. */
static void
want_tree(struct kc *kc, uint32_t top)
{
    for (uint32_t i = 0; i < kc->realm->groups_len; i++) {
        if (!lies_below(kc->realm, i, top))
            continue;
        kc->realm->groups[i].wanted = true;
        members_follow(kc, i);
    }
}

static void
role_groups_end(struct kc_call *call)
{
    struct kc *kc = call->kc;
    struct kb_role *role = &kc->realm->roles[call->row];

    settle(&role->groups_read, &role->groups);
    if (kb_read_ok(&role->groups_read) && role->groups_read.rows == 100)
        kc_suspect(kc, &role->groups_read,
                   "exactly 100 groups: Keycloak 26.7.0 and 26.7.1 cut this list there");
    if (kb_read_ok(&role->groups_read) && role->groups_read.rows > role->groups.len)
        kc_note(kc, &role->groups_read, KB_READ_COMPLETE, "%u groups of organizations were left out",
                role->groups_read.rows - role->groups.len);
    for (uint32_t i = 0; i < role->groups.len; i++)
        want_tree(kc, role->groups.v[i]);
    kc_lists_step(kc);
}

static const struct kc_list role_groups_list = {.kind = KC_ROW_GROUP,
                                                .needs = "view-clients",
                                                .read = role_groups_read,
                                                .endpoint = role_groups_endpoint,
                                                .reset = role_groups_reset,
                                                .row = role_groups_row,
                                                .end = role_groups_end};

/* ---- all of them ---- */

static void
deny(struct kc *kc, struct kb_read *read)
{
    if (read->status == KB_READ_NOT_ASKED)
        kc_note(kc, read, KB_READ_DENIED, "not asked: the account lacks view-clients of realm-management");
}

static void
role_follow(struct kc *kc, uint32_t index)
{
    struct kb_role *role = &kc->realm->roles[index];

    if (role->client_role && kc->clients_denied) {
        deny(kc, &role->holders_read);
        deny(kc, &role->groups_read);
        return;
    }
    if (role->holders_read.status == KB_READ_NOT_ASKED) {
        kc->lists_open++;
        kc_list_follow(kc, &holders_list, index);
    }
    role = &kc->realm->roles[index];
    if (!role->client_role || role->groups_read.status != KB_READ_NOT_ASKED)
        return;
    if (kc_client_grant_named(kc, index)) {
        kc->lists_open++;
        kc_list_follow(kc, &role_groups_list, index);
    } else { /* the flat list shows the names of client roles to everybody who may read it */
        role->groups_read = (struct kb_read){.status = kc->realm->groups_read.status, .count = KB_NONE};
    }
}

void
kc_lists_step(struct kc *kc)
{
    if (--kc->lists_open == 0)
        kc_users_follow(kc);
}

int
kc_read_lists(struct kc *kc, struct kb_error *err)
{
    if (!kc->catalog_done)
        return kb_fail(err, KB_E_BUG, "lists are read after the catalog");
    kc->lists_open++; /* ours, until all are on their way */
    for (uint32_t i = 0; i < kc->realm->roles_len; i++)
        if (kc->realm->roles[i].wanted)
            role_follow(kc, i);
    for (uint32_t i = 0; i < kc->realm->groups_len; i++)
        if (kc->realm->groups[i].wanted)
            members_follow(kc, i);
    kc_lists_step(kc);
    if (kc->fatal.code == KB_E_NOMEM || kc->fatal.code == KB_E_BUG) {
        *err = kc->fatal;
        return -(int) err->code;
    }
    return 0;
}

int
kc_reread_lists(struct kc *kc, struct kb_error *err)
{
    struct kb_realm *realm = kc->realm;

    for (uint32_t i = 0; i < realm->directories_len; i++)
        kc->witnesses[i].before = kc->witnesses[i].answered;
    for (uint32_t i = 0; i < realm->roles_len; i++) {
        struct kb_role *role = &realm->roles[i];
        if (!role->wanted || role->holders_read.status == KB_READ_DENIED)
            continue;
        role->holders_read = (struct kb_read){.count = KB_NONE};
        role->holders.len = 0;
    }
    for (uint32_t i = 0; i < realm->groups_len; i++) {
        if (!realm->groups[i].wanted)
            continue;
        realm->groups[i].members_read = (struct kb_read){.count = KB_NONE};
        realm->groups[i].members.len = 0;
    }
    return kc_read_lists(kc, err);
}
