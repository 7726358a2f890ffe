#include "base/ban.h"

#include "reconciler/plan/plan_work.h"

#include "base/mem.h"
#include "base/str.h"

#define LOOKUPS_MAX (1u << 24)
#define LEFT_MAX (1u << 28)

int
kb_plan_nomem(struct kb_plan_work *work)
{
    return kb_fail(work->err, KB_E_NOMEM, "plan: out of memory");
}

/* Several users may point to one principal; the one whose verdict says most about it is asked. */
static unsigned
weight(uint8_t verdict)
{
    switch ((enum kb_match_verdict) verdict) {
    case KB_MATCHED:
        return 7;
    case KB_MATCH_AMBIGUOUS:
        return 6;
    case KB_MATCH_LOCKED_OUT:
        return 5;
    case KB_MATCH_UNKNOWN:
        return 4;
    case KB_MATCH_EXCLUDED:
        return 3;
    case KB_MATCH_DISABLED:
        return 2;
    case KB_MATCH_NOT_ASKED:
    case KB_MATCH_UNMATCHED:
    case KB_MATCH_UNVERIFIED:
    case KB_MATCH_NO_KEY:
    case KB_MATCH_OFF:
        break;
    }
    return 1;
}

static void
fill_user_of(struct kb_plan_work *work)
{
    const struct kb_realm *realm = work->in->realm;
    const struct kb_desired *desired = work->in->desired;

    for (uint32_t u = 0; u < desired->matches_len && u < realm->users_len; u++) {
        const struct kb_user_match *match = &desired->matches[u];
        uint32_t *slot, now;
        if (match->principal >= work->in->target->principals_len)
            continue;
        slot = &work->user_of[match->principal];
        now = *slot == KB_NONE ? 0 : weight(desired->matches[*slot].verdict);
        if (weight(match->verdict) > now ||
            (weight(match->verdict) == now && strcmp(kb_realm_str(realm, realm->users[u].id),
                                                     kb_realm_str(realm, realm->users[*slot].id)) < 0))
            *slot = u;
    }
}

static bool
is_in(const struct kb_strings *list, const char *s)
{
    for (size_t i = 0; *s && i < list->len; i++) {
        if (!kb_ascii_casecmp(list->v[i], s))
            return true;
    }
    return false;
}

static bool
fill_selected(struct kb_plan_work *work)
{
    const struct kb_target *target = work->in->target;
    const struct kb_realm *realm = work->in->realm;
    const struct kb_strings *keys = work->in->users;

    work->user_selected = calloc((size_t) realm->users_len + 1, sizeof(bool));
    work->principal_selected = calloc((size_t) target->principals_len + 1, sizeof(bool));
    if (!work->user_selected || !work->principal_selected)
        return false;
    for (uint32_t u = 0; u < realm->users_len; u++) {
        const struct kb_user *user = &realm->users[u];
        work->user_selected[u] = is_in(keys, kb_realm_str(realm, user->username)) ||
                                 is_in(keys, kb_realm_str(realm, user->email)) ||
                                 is_in(keys, kb_realm_str(realm, user->id));
        if (work->user_selected[u] && u < work->in->desired->matches_len &&
            work->in->desired->matches[u].principal < target->principals_len)
            work->principal_selected[work->in->desired->matches[u].principal] = true;
    }
    for (uint32_t p = 0; p < target->principals_len; p++) {
        if (is_in(keys, kb_target_str(target, target->principals[p].name)))
            work->principal_selected[p] = true;
    }
    return true;
}

static int
compare_by_name(const void *a, const void *b, void *userdata)
{
    const struct kb_target *target = userdata;
    const struct kb_target_group *x = &target->groups[*(const uint32_t *) a];
    const struct kb_target_group *y = &target->groups[*(const uint32_t *) b];
    int c = kb_ascii_casecmp(kb_target_str(target, x->name), kb_target_str(target, y->name));

    if (!c)
        c = strcmp(kb_target_str(target, x->name), kb_target_str(target, y->name));
    return c ? c : strcmp(kb_target_str(target, x->id), kb_target_str(target, y->id));
}

int
kb_plan_work_init(struct kb_plan_work *work)
{
    const struct kb_target *target = work->in->target;
    size_t principals = (size_t) target->principals_len + 1, users = (size_t) work->in->realm->users_len + 1;

    work->directory_mattered = calloc((size_t) work->in->realm->directories_len + 1, sizeof(bool));
    work->user_of = malloc(principals * sizeof(*work->user_of));
    work->principal_protected = calloc(principals, sizeof(bool));
    work->principal_text = malloc(3 * principals * sizeof(*work->principal_text));
    work->user_text = malloc(users * sizeof(*work->user_text));
    work->by_name = malloc(((size_t) target->groups_len + 1) * sizeof(*work->by_name));
    if (!work->directory_mattered || !work->user_of || !work->principal_protected || !work->principal_text ||
        !work->user_text || !work->by_name)
        return kb_plan_nomem(work);
    memset(work->user_of, 0xff, principals * sizeof(*work->user_of)); /* KB_NONE */
    memset(work->principal_text, 0xff, 3 * principals * sizeof(*work->principal_text));
    memset(work->user_text, 0xff, users * sizeof(*work->user_text));
    work->last_note = KB_NONE;

    fill_user_of(work);
    for (uint32_t p = 0; p < target->principals_len; p++)
        work->principal_protected[p] =
            is_in(&work->in->rules->protect_members, kb_target_str(target, target->principals[p].name)) ||
            is_in(&work->in->rules->protect_members, kb_target_str(target, target->principals[p].id));
    if (work->in->users && !fill_selected(work))
        return kb_plan_nomem(work);
    for (uint32_t g = 0; g < target->groups_len; g++) {
        if (target->groups[g].listed)
            work->by_name[work->by_name_len++] = g;
    }
    qsort_r(work->by_name, work->by_name_len, sizeof(*work->by_name), compare_by_name,
            (void *) (uintptr_t) target);
    return 0;
}

void
kb_plan_work_done(struct kb_plan_work *work)
{
    free(work->user_of);
    free(work->directory_mattered);
    free(work->principal_protected);
    free(work->principal_selected);
    free(work->user_selected);
    free(work->principal_text);
    free(work->user_text);
    free(work->by_name);
    kb_reason_index_free(work->reasons);
}

int
kb_plan_reasons(struct kb_plan_work *work)
{
    if (work->reasons)
        return 0;
    return kb_reason_index_new(work->in->scope, work->in->realm, &work->reasons, work->err);
}

kb_text
kb_plan_principal_text(struct kb_plan_work *work, uint32_t principal, enum kb_principal_part part)
{
    const struct kb_target *target = work->in->target;
    const struct kb_principal *p = &target->principals[principal];
    kb_text *slot = &work->principal_text[3 * (size_t) principal + part];

    if (*slot == KB_NONE) {
        kb_text from = part == KB_PART_ID ? p->id : part == KB_PART_NAME ? p->name : p->display;
        *slot = kb_pool_adds(&work->plan->pool, kb_target_str(target, from));
    }
    return *slot;
}

kb_text
kb_plan_user_text(struct kb_plan_work *work, uint32_t user)
{
    kb_text *slot = &work->user_text[user];

    if (*slot == KB_NONE)
        *slot =
            kb_pool_adds(&work->plan->pool, kb_realm_str(work->in->realm, work->in->realm->users[user].id));
    return *slot;
}

bool
kb_plan_group_selected(const struct kb_plan_work *work, const char *name)
{
    const struct kb_strings *globs = work->in->groups;

    for (size_t i = 0; globs && i < globs->len; i++) {
        if (kb_glob(globs->v[i], name, false, NULL))
            return true;
    }
    return !globs;
}

bool
kb_plan_principal_selected(const struct kb_plan_work *work, uint32_t principal, const char *user_id)
{
    uint32_t user;

    if (!work->in->users || work->principal_selected[principal] || is_in(work->in->users, user_id))
        return true;
    user = *user_id ? kb_realm_user(work->in->realm, user_id) : KB_NONE;
    return user != KB_NONE && work->user_selected[user];
}

void
kb_plan_note(char *buf, size_t size, const char *lead, const char *name, const char *tail)
{
    size_t len = strlen(name), room = size - 1 - strlen(lead) - strlen(tail);

    if (len > room) {
        for (len = room; len && ((unsigned char) name[len] & 0xc0) == 0x80; len--)
            continue;
    }
    (void) snprintf(buf, size, "%s%.*s%s", lead, (int) len, name, tail);
}

int
kb_plan_need_lookup(struct kb_plan_work *work, const char *user_id)
{
    struct kb_plan_needs *needs = work->needs;
    char *copy = strdup(user_id);

    if (!copy || !kb_grow(&needs->lookup_ids, &work->lookup_cap, needs->lookup_len + 1,
                          sizeof(*needs->lookup_ids), LOOKUPS_MAX)) {
        free(copy);
        return kb_plan_nomem(work);
    }
    needs->lookup_ids[needs->lookup_len++] = copy;
    return 0;
}

/* The first listed group whose name is not before `name`, letter case aside. */
static uint32_t
lower_bound(const struct kb_plan_work *work, const char *name)
{
    const struct kb_target *target = work->in->target;
    uint32_t low = 0, high = work->by_name_len;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (kb_ascii_casecmp(kb_target_str(target, target->groups[work->by_name[middle]].name), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t
kb_plan_find_group(const struct kb_plan_work *work, const char *name, const char **ret_other, bool *ret_twice)
{
    const struct kb_target *target = work->in->target;
    uint32_t found = KB_NONE;

    *ret_other = NULL;
    *ret_twice = false;
    for (uint32_t i = lower_bound(work, name); i < work->by_name_len; i++) {
        const char *other = kb_target_str(target, target->groups[work->by_name[i]].name);
        if (kb_ascii_casecmp(other, name) != 0)
            break;
        if (strcmp(other, name) != 0) {
            if (!*ret_other)
                *ret_other = other;
        } else if (found == KB_NONE) {
            found = work->by_name[i];
        } else {
            *ret_twice = true;
        }
    }
    return found;
}

int
kb_left_add(struct kb_plan_work *work, enum kb_left list, kb_text group, kb_text name, const char *note)
{
    struct kb_plan *plan = work->plan;

    /* Thousands of rows may carry the same words. */
    if (work->last_note == KB_NONE || strcmp(kb_plan_str(plan, work->last_note), note) != 0)
        work->last_note = kb_pool_adds(&plan->pool, note);
    if (work->last_note == KB_NONE || group == KB_NONE || name == KB_NONE ||
        !kb_grow(&plan->left, &plan->left_cap, (size_t) plan->left_len + 1, sizeof(*plan->left), LEFT_MAX))
        return kb_plan_nomem(work);
    plan->left[plan->left_len++] =
        (struct kb_left_alone){.list = (uint8_t) list, .group = group, .name = name, .note = work->last_note};
    return 0;
}
