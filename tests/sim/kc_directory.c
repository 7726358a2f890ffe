/* tests/sim/kc_directory.c: user directories behind the realm (rule S26): what Keycloak answers about their
 * people while a directory is down, with warm, cold and poisoned caches, in the modes READ_ONLY, IMPORT and not
 * imported. Source: keycloak-verified.md section 8. */
#include "tests/sim/kc.h"

#include <string.h>

int
directory_of(int u)
{
    const char *id = W.users[u].fedlink, *own = W.users[u].id;
    size_t n = id == NULL ? 0 : strlen(id);
    if (id == NULL && strncmp(own, "f:", 2) == 0) {
        id = own + 2;
        n = strcspn(id, ":");
    }
    for (int c = 0; id != NULL && c < W.components.n && c < DIRECTORIES_MAX; c++)
        if (strlen(W.components.v[c].name) == n && strncmp(W.components.v[c].name, id, n) == 0)
            return c;
    return -1;
}

static const struct directory *
directory(int u)
{
    static const struct directory local = {.mode = DIRECTORY_IMPORT};
    int c = directory_of(u);
    return c < 0 ? &local : &W.directories[c];
}

bool
directory_down(int u)
{
    return directory(u)->down;
}

bool
directory_enabled(int u)
{
    const struct user *x = &W.users[u];
    if (directory_of(u) < 0)
        return x->enabled;
    if (x->cached)
        return x->cached_enabled;
    return x->enabled && !x->off_there && !directory_down(u);
}

const struct ivec *
directory_groups(int u)
{
    static const struct ivec none;
    const struct user *x = &W.users[u];
    if (directory(u)->mode == DIRECTORY_IMPORT)
        return &x->groups; /* rows of Keycloak's own database */
    if (x->cached)
        return &x->cached_groups;
    return directory_down(u) ? &none : &x->groups;
}

int
directory_live_groups(int u)
{
    return directory(u)->mode != DIRECTORY_IMPORT && directory_down(u) ? 0 : W.users[u].groups.n;
}

bool
directory_lists(int u)
{
    return directory(u)->mode == DIRECTORY_IMPORT || !directory_down(u);
}

bool
directory_knows(int u)
{
    return directory(u)->mode != DIRECTORY_NOT_IMPORTED || !directory_down(u);
}

bool
directory_set(const char *component, const char *mode, const char *cache, int down)
{
    static const char *const modes[] = {"READ_ONLY", "IMPORT", "none"};
    int c = 0;
    while (c < W.components.n && c < DIRECTORIES_MAX && strcmp(W.components.v[c].name, component) != 0)
        c++;
    if (c == W.components.n || c == DIRECTORIES_MAX)
        return false;
    for (int i = 0; mode != NULL && i < 3; i++)
        if (strcmp(mode, modes[i]) == 0)
            W.directories[c].mode = (enum directory_mode) i;
    for (int u = 0; cache != NULL && u < W.nusers; u++) {
        struct user *x = &W.users[u];
        if (directory_of(u) != c)
            continue;
        ivec_free(&x->cached_groups);
        x->cached_groups = (struct ivec){0};
        x->cached = strcmp(cache, "cold") != 0;
        x->cached_enabled = strcmp(cache, "warm") == 0 && x->enabled && !x->off_there;
        for (int i = 0; strcmp(cache, "warm") == 0 && i < x->groups.n; i++)
            ivec_push(&x->cached_groups, x->groups.v[i]);
    }
    if (down >= 0)
        W.directories[c].down = down;
    return true;
}
