#include "base/ban.h"

#include "model/target.h"

#include "base/mem.h"

#define ROWS_MAX (1u << 28)

static const char *
principal_id(const void *table, uint32_t row)
{
    const struct kb_target *target = table;

    return kb_target_str(target, target->principals[row].id);
}

static const char *
group_id(const void *table, uint32_t row)
{
    const struct kb_target *target = table;

    return kb_target_str(target, target->groups[row].id);
}

static const char *
group_name(const void *table, uint32_t row)
{
    const struct kb_target *target = table;

    return kb_target_str(target, target->groups[row].name);
}

void
kb_target_init(struct kb_target *target)
{
    *target = (struct kb_target){.self = KB_NONE};
}

void
kb_target_done(struct kb_target *target)
{
    for (uint32_t i = 0; i < target->groups_len; i++) {
        kb_u32s_done(&target->groups[i].members);
        kb_u32s_done(&target->groups[i].ledger);
        kb_u32s_done(&target->groups[i].ledger_user);
        kb_u32s_done(&target->groups[i].ledger_directory);
    }
    free(target->principals);
    free(target->groups);
    kb_index_done(&target->principal_by_id);
    kb_index_done(&target->group_by_id);
    kb_index_done(&target->group_by_name);
    kb_pool_done(&target->pool);
    kb_target_init(target);
}

uint32_t
kb_target_principal(const struct kb_target *target, const char *id)
{
    return kb_index_find(&target->principal_by_id, principal_id, target, id);
}

uint32_t
kb_target_group(const struct kb_target *target, const char *id)
{
    return kb_index_find(&target->group_by_id, group_id, target, id);
}

uint32_t
kb_target_group_named(const struct kb_target *target, const char *name)
{
    return kb_index_find(&target->group_by_name, group_name, target, name);
}

uint32_t
kb_target_principal_add(struct kb_target *target, const char *id)
{
    uint32_t row = kb_target_principal(target, id);
    kb_text text;

    if (row != KB_NONE)
        return row;
    row = target->principals_len;
    text = kb_pool_adds(&target->pool, id);
    if (text == KB_NONE || !kb_grow(&target->principals, &target->principals_cap, (size_t) row + 1,
                                    sizeof(*target->principals), ROWS_MAX))
        return KB_NONE;
    target->principals[row] = (struct kb_principal){.id = text, .kind = KB_PRINCIPAL_USER};
    if (!kb_index_add(&target->principal_by_id, principal_id, target, row))
        return KB_NONE;
    target->principals_len++;
    return row;
}

uint32_t
kb_target_group_add(struct kb_target *target, const char *id)
{
    uint32_t row = kb_target_group(target, id);
    kb_text text;

    if (row != KB_NONE)
        return row;
    row = target->groups_len;
    text = kb_pool_adds(&target->pool, id);
    if (text == KB_NONE ||
        !kb_grow(&target->groups, &target->groups_cap, (size_t) row + 1, sizeof(*target->groups), ROWS_MAX))
        return KB_NONE;
    target->groups[row] = (struct kb_target_group){.id = text, .from = KB_MEMBERS_NONE};
    if (!kb_index_add(&target->group_by_id, group_id, target, row))
        return KB_NONE;
    target->groups_len++;
    return row;
}

bool
kb_target_group_set_name(struct kb_target *target, uint32_t group, const char *name)
{
    struct kb_target_group *g = &target->groups[group];
    kb_text text;

    if (g->name && !strcmp(kb_target_str(target, g->name), name))
        return true;
    text = kb_pool_adds(&target->pool, name);
    if (text == KB_NONE)
        return false;
    g->name = text;
    return kb_index_add(&target->group_by_name, group_name, target, group);
}
