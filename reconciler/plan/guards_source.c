#include "base/ban.h"

#include "reconciler/plan/guards_source.h"

#include "base/mem.h"
#include "base/str.h"
#include "reconciler/plan/guards_work.h"

#include <inttypes.h>

#define DIRECTORIES_MAX 1024u

static bool
below(struct kb_plan_guard *guard, int64_t value, int64_t limit)
{
    guard->value = value;
    guard->limit = limit;
    return value < limit;
}

bool
kb_guard_min_users(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    return below(guard, work->in->desired->users_behind, work->in->limits->source_min_users);
}

bool
kb_guard_min_groups(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    return below(guard, work->in->desired->objects_behind, work->in->limits->source_min_groups);
}

static bool
sees_user(const struct kb_realm *realm, const char *name)
{
    for (uint32_t i = 0; i < realm->users_len; i++) {
        if (!(realm->users[i].flags & KB_USER_GONE) &&
            !kb_ascii_casecmp(kb_realm_str(realm, realm->users[i].username), name))
            return true;
    }
    return false;
}

static bool
sees_group(const struct kb_realm *realm, const char *path)
{
    for (uint32_t i = 0; i < realm->groups_len; i++) {
        if (!strcmp(kb_realm_str(realm, realm->groups[i].path), path))
            return true;
    }
    return false;
}

bool
kb_guard_canary(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    const struct kb_strings *users = &work->in->rules->canary_users;
    const struct kb_strings *groups = &work->in->rules->canary_groups;
    int64_t missing = 0;

    for (size_t i = 0; i < users->len; i++) {
        if (!sees_user(work->in->realm, users->v[i]))
            kb_buf_addf(work->note, "%suser %s", missing++ ? ", " : "not visible: ", users->v[i]);
    }
    for (size_t i = 0; i < groups->len; i++) {
        if (!sees_group(work->in->realm, groups->v[i]))
            kb_buf_addf(work->note, "%sgroup %s", missing++ ? ", " : "not visible: ", groups->v[i]);
    }
    guard->value = missing;
    return missing > 0;
}

bool
kb_guard_shrink(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    const struct kb_limits *limits = work->in->limits;
    const struct kb_history *h = work->in->history;

    const struct {
        const char *what;
        int64_t last, now;
    } counts[] = {{"users", h->last_users, h->now_users},
                  {"groups", h->last_groups, h->now_groups},
                  {"memberships", h->last_memberships, h->now_memberships}};

    bool tripped = false;

    guard->limit = limits->source_shrink_percent;
    for (size_t i = 0; i < KB_LEN(counts); i++) {
        int64_t fell = counts[i].last - counts[i].now;
        if (counts[i].last <= 0 || !kb_guard_exceeds(fell, counts[i].last, limits->source_shrink_percent,
                                                     limits->source_shrink_floor))
            continue;
        if (fell * 100 / counts[i].last > guard->value)
            guard->value = fell * 100 / counts[i].last;
        kb_buf_addf(work->note, "%s%s %" PRId64 " -> %" PRId64, tripped ? ", " : "", counts[i].what,
                    counts[i].last, counts[i].now);
        tripped = true;
    }
    return tripped;
}

struct directory {
    const char *name;
    int64_t people, disabled;
};

static struct directory *
find_directory(struct directory *list, size_t *len, const char *name)
{
    for (size_t i = 0; i < *len; i++) {
        if (!strcmp(list[i].name, name))
            return &list[i];
    }
    if (*len == DIRECTORIES_MAX)
        return NULL;
    list[*len] = (struct directory){.name = name};
    return &list[(*len)++];
}

/* People of each directory who are behind the rules. Out of memory or too many directories: false, and
 * whoever asks must hold. */
static bool
count_directories(const struct kb_guard_work *work, struct directory *list, size_t *len)
{
    const struct kb_realm *realm = work->in->realm;
    const struct kb_desired *desired = work->in->desired;
    KB_CLEANUP(kb_free) bool *seen = calloc((size_t) realm->users_len + 1, sizeof(bool));

    if (!seen)
        return false;
    for (uint32_t g = 0; g < desired->groups_len; g++) {
        const struct kb_u32s *users = &desired->groups[g].users;
        for (uint32_t i = 0; i < users->len; i++) {
            const struct kb_user *user = &realm->users[users->v[i]];
            struct directory *directory;
            if (seen[users->v[i]] || !user->directory)
                continue;
            seen[users->v[i]] = true;
            directory = find_directory(list, len, kb_realm_str(realm, user->directory));
            if (!directory)
                return false;
            directory->people++;
            directory->disabled += !(user->flags & (KB_USER_ENABLED | KB_USER_DISABLED_STORED));
        }
    }
    return true;
}

bool
kb_guard_directory_disabled(const struct kb_guard_work *work, struct kb_plan_guard *guard)
{
    const struct kb_limits *limits = work->in->limits;
    KB_CLEANUP(kb_free) struct directory *list = calloc(DIRECTORIES_MAX, sizeof(*list));
    size_t len = 0;
    bool tripped = false;

    guard->limit = limits->directory_disabled_percent;
    if (!list || !count_directories(work, list, &len)) {
        guard->value = 100;
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        if (!kb_guard_exceeds(list[i].disabled, list[i].people, limits->directory_disabled_percent,
                              limits->directory_disabled_floor))
            continue;
        if (list[i].disabled * 100 / list[i].people > guard->value)
            guard->value = list[i].disabled * 100 / list[i].people;
        kb_buf_addf(work->note, "%s%s: %" PRId64 " of %" PRId64, tripped ? ", " : "",
                    kb_realm_directory_name(work->in->realm, list[i].name), list[i].disabled, list[i].people);
        tripped = true;
    }
    return tripped;
}

bool
kb_guard_contradicts(const struct kb_guard_work *work, const struct kb_guard_group *group,
                     const struct kb_plan_op *op)
{
    const char *source = kb_plan_str(work->plan, op->source_id);
    const struct kb_desired *desired = work->in->desired;
    uint32_t user;
    bool granted;

    if (op->cause != KB_CAUSE_UNDO)
        return false;
    if (!desired || !work->in->realm ||
        group->managed == KB_NONE) /* cannot be known: not to be taken lightly */
        return true;
    user = *source ? kb_realm_user(work->in->realm, source) : KB_NONE;
    granted = user != KB_NONE && user < desired->matches_len &&
              desired->matches[user].verdict == KB_MATCHED &&
              kb_u32s_has(&desired->groups[group->managed].users, user);
    return (op->op == KB_OP_ADD) != granted;
}
