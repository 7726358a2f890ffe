/* tests/sim/kc_directory.c: user directories behind the realm (rule S26): what Keycloak answers about their people while
 * a directory is down, with warm, cold and poisoned caches, in the modes READ_ONLY, IMPORT and not imported. Source:
 * keycloak-verified.md section 8. */
#include "tests/sim/kc.h"

#include <string.h>

struct thing *
directory_of(const struct thing *u)
{
    if (u->fedlink != NULL)
        return thing_by_id(DIRECTORY, u->fedlink);
    return begins(u->id, "f:") ? thing_by_id(DIRECTORY, tsub(u->id + 2, strcspn(u->id + 2, ":"))) : NULL;
}

static enum directory_mode
mode(const struct thing *u)
{
    const struct thing *d = directory_of(u);
    return d == NULL ? DIRECTORY_IMPORT : (enum directory_mode) d->mode;
}

bool
directory_down(const struct thing *u)
{
    const struct thing *d = directory_of(u);
    return d != NULL && d->down;
}

bool
directory_enabled(const struct thing *u)
{
    if (directory_of(u) == NULL)
        return u->enabled;
    return u->cached ? u->cached_enabled : u->enabled && !u->off_there && !directory_down(u);
}

const struct list *
directory_groups(const struct thing *u)
{
    static const struct list none;
    if (mode(u) == DIRECTORY_IMPORT)
        return &u->groups; /* rows of Keycloak's own database */
    return u->cached ? &u->cached_groups : directory_down(u) ? &none : &u->groups;
}

int
directory_live_groups(const struct thing *u)
{
    return directory_lists(u) ? u->groups.n : 0;
}

bool
directory_lists(const struct thing *u)
{
    return mode(u) == DIRECTORY_IMPORT || !directory_down(u);
}

bool
directory_knows(const struct thing *u)
{
    return mode(u) != DIRECTORY_NOT_IMPORTED || !directory_down(u);
}

bool
directory_set(const char *id, const char *mode_name, const char *cache, int down)
{
    static const char *const modes[] = {"READ_ONLY", "IMPORT", "none"};
    struct thing *d = thing_by_id(DIRECTORY, id);
    if (d == NULL)
        return false;
    for (int i = 0; i < 3; i++)
        if (same(mode_name, modes[i]))
            d->mode = i;
    for (int i = 0; cache != NULL && i < W.all[USER].n; i++) {
        struct thing *u = W.all[USER].v[i];
        bool warm = strcmp(cache, "warm") == 0;
        if (directory_of(u) != d)
            continue;
        u->cached = strcmp(cache, "cold") != 0;
        u->cached_enabled = warm && u->enabled && !u->off_there;
        u->cached_groups.n = 0;
        for (int k = 0; warm && k < u->groups.n; k++)
            list_add(&u->cached_groups, u->groups.v[k]);
    }
    if (down >= 0)
        d->down = down;
    return true;
}
