#include "base/ban.h"

#include "model/realm.h"

#include "base/mem.h"

#define ROWS_MAX (1u << 28)

static const char *
user_id(const void *table, uint32_t row)
{
    const struct kb_realm *realm = table;

    return kb_realm_str(realm, realm->users[row].id);
}

static const char *
role_id(const void *table, uint32_t row)
{
    const struct kb_realm *realm = table;

    return kb_realm_str(realm, realm->roles[row].id);
}

static const char *
group_id(const void *table, uint32_t row)
{
    const struct kb_realm *realm = table;

    return kb_realm_str(realm, realm->groups[row].id);
}

/* A role that turned out to belong to a client keeps its slot but is not found by name. */
static const char *
realm_role_name(const void *table, uint32_t row)
{
    const struct kb_realm *realm = table;
    const struct kb_role *role = &realm->roles[row];

    return role->client_role ? "" : kb_realm_str(realm, role->name);
}

void
kb_realm_done(struct kb_realm *realm)
{
    for (uint32_t i = 0; i < realm->roles_len; i++) {
        kb_u32s_done(&realm->roles[i].children);
        kb_u32s_done(&realm->roles[i].holders);
        kb_u32s_done(&realm->roles[i].groups);
    }
    for (uint32_t i = 0; i < realm->groups_len; i++) {
        kb_u32s_done(&realm->groups[i].roles);
        kb_u32s_done(&realm->groups[i].members);
    }
    free(realm->users);
    free(realm->roles);
    free(realm->groups);
    free(realm->directories);
    free(realm->directory_disabled);
    kb_index_done(&realm->user_by_id);
    kb_index_done(&realm->role_by_id);
    kb_index_done(&realm->group_by_id);
    kb_index_done(&realm->realm_role_by_name);
    kb_pool_done(&realm->pool);
    *realm = (struct kb_realm){0};
}

uint32_t
kb_realm_user(const struct kb_realm *realm, const char *id)
{
    return kb_index_find(&realm->user_by_id, user_id, realm, id);
}

uint32_t
kb_realm_role(const struct kb_realm *realm, const char *id)
{
    return kb_index_find(&realm->role_by_id, role_id, realm, id);
}

uint32_t
kb_realm_role_named(const struct kb_realm *realm, const char *name)
{
    return *name ? kb_index_find(&realm->realm_role_by_name, realm_role_name, realm, name) : KB_NONE;
}

uint32_t
kb_realm_group(const struct kb_realm *realm, const char *id)
{
    return kb_index_find(&realm->group_by_id, group_id, realm, id);
}

uint32_t
kb_realm_user_add(struct kb_realm *realm, const char *id)
{
    uint32_t row = kb_realm_user(realm, id);
    kb_text text;

    if (row != KB_NONE)
        return row;
    row = realm->users_len;
    text = kb_pool_adds(&realm->pool, id);
    if (text == KB_NONE ||
        !kb_grow(&realm->users, &realm->users_cap, (size_t) row + 1, sizeof(*realm->users), ROWS_MAX))
        return KB_NONE;
    realm->users[row] = (struct kb_user){.id = text};
    if (!kb_index_add(&realm->user_by_id, user_id, realm, row))
        return KB_NONE;
    realm->users_len++;
    return row;
}

uint32_t
kb_realm_role_add(struct kb_realm *realm, const char *id)
{
    uint32_t row = kb_realm_role(realm, id);
    kb_text text;

    if (row != KB_NONE)
        return row;
    row = realm->roles_len;
    text = kb_pool_adds(&realm->pool, id);
    if (text == KB_NONE ||
        !kb_grow(&realm->roles, &realm->roles_cap, (size_t) row + 1, sizeof(*realm->roles), ROWS_MAX))
        return KB_NONE;
    realm->roles[row] = (struct kb_role){.id = text};
    if (!kb_index_add(&realm->role_by_id, role_id, realm, row))
        return KB_NONE;
    realm->roles_len++;
    return row;
}

uint32_t
kb_realm_group_add(struct kb_realm *realm, const char *id)
{
    uint32_t row = kb_realm_group(realm, id);
    kb_text text;

    if (row != KB_NONE)
        return row;
    row = realm->groups_len;
    text = kb_pool_adds(&realm->pool, id);
    if (text == KB_NONE ||
        !kb_grow(&realm->groups, &realm->groups_cap, (size_t) row + 1, sizeof(*realm->groups), ROWS_MAX))
        return KB_NONE;
    realm->groups[row] = (struct kb_realm_group){.id = text, .parent = KB_NONE};
    if (!kb_index_add(&realm->group_by_id, group_id, realm, row))
        return KB_NONE;
    realm->groups_len++;
    return row;
}

bool
kb_realm_role_set_name(struct kb_realm *realm, uint32_t role, const char *name, bool client_role)
{
    struct kb_role *r = &realm->roles[role];
    bool same = r->name && r->client_role == client_role && !strcmp(kb_realm_str(realm, r->name), name);
    kb_text text;

    if (same)
        return true;
    text = kb_pool_adds(&realm->pool, name);
    if (text == KB_NONE)
        return false;
    r->name = text;
    r->client_role = client_role;
    return client_role || kb_index_add(&realm->realm_role_by_name, realm_role_name, realm, role);
}
