/* tests/sim/kc_directory.c: user directories behind the realm (rule S26): what Keycloak answers about their people while
 * a directory is down, with warm, cold and poisoned caches, in the modes READ_ONLY, IMPORT and not imported. Source:
 * keycloak-verified.md section 8. */
#include "tests/sim/kc.h"

#include <string.h>

static struct thing *
directory_of(const struct thing *u) /* NULL: a local user */
{
    if (u->fedlink != NULL)
        return thing_by_id(DIRECTORY, u->fedlink);
    return begins(u->id, "f:") ? thing_by_id(DIRECTORY, tsub(u->id + 2, strcspn(u->id + 2, ":"))) : NULL;
}

struct seen
seen_of(const struct thing *u)
{
    static const struct list none;
    const struct thing *d = directory_of(u);
    bool rows = d == NULL || d->mode == DIRECTORY_IMPORT; /* in Keycloak's own database */
    bool down = d != NULL && d->down;
    struct seen s = {.down = down, .listed = rows || !down};
    s.known = d == NULL || d->mode != DIRECTORY_NOT_IMPORTED || !down;
    s.enabled = d == NULL ? u->enabled : u->cached ? u->cached_enabled : u->enabled && !u->off_there && !down;
    s.groups = rows ? &u->groups : u->cached ? &u->cached_groups : down ? &none : &u->groups;
    s.live_groups = s.listed ? u->groups.n : 0;
    return s;
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
