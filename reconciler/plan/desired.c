/* reconciler/plan/desired.c: who is in each managed group.
 *
 * For each managed group the lists that decide it are gathered (reach.c), each list once; their users are
 * united with a stamp a user and come out sorted. The cost is a few instructions a row, whatever the rules
 * look like. A list that was not read completely freezes the group and says which; what was read of it is
 * still there, for `explain`. Source: keycloak-api.md 2.1, interface.md section 3.
 */
#include "base/ban.h"

#include "reconciler/plan/desired.h"

#include "base/mem.h"
#include "reconciler/plan/gone.h"
#include "reconciler/plan/match.h"
#include "reconciler/plan/reach.h"

#include <inttypes.h>

struct maker {
    const struct kb_rules *rules;
    const struct kb_scope *scope;
    const struct kb_realm *realm;
    struct kb_desired *desired;
    struct kb_reach reach;
    uint32_t *stamp;   /* by user: managed group + 1 that it was seen in last; 0 never */
    uint32_t *buf;     /* room for all users */
    char *roles_doubt; /* freezes every group that a role decides */
    struct kb_error *err;
};

static int
fail_nomem(const struct maker *m)
{
    return kb_fail(m->err, KB_E_NOMEM, "desired memberships: out of memory");
}

/* ---- doubts ---- */

/* `role "x": holders failed (HTTP 403)`, NULL: out of memory. `more` other lists are in doubt too. */
static char *
doubt_text(const char *what, const char *name, const char *list, const struct kb_read *read, uint32_t more)
{
    char http[32] = "", others[48] = "";

    if (read->http && read->http != 200)
        (void) snprintf(http, sizeof(http), " (HTTP %u)", read->http);
    if (more)
        (void) snprintf(others, sizeof(others), ", and %" PRIu32 " more", more);
    if (read->status == KB_READ_GONE)
        return kb_asprintf("%s%s: %s: changed while it was read%s%s", what, name, list, http, others);
    return kb_asprintf("%s%s: %s %s%s%s", what, name, list,
                       kb_read_status_name((enum kb_read_status) read->status), http, others);
}

static char *
clients_doubt_text(const struct kb_read *read)
{
    KB_CLEANUP(kb_free) char *text = doubt_text("realm", "", "list of client roles", read, 0);

    return text && read->status == KB_READ_DENIED ? kb_asprintf("%s: the account lacks view-clients", text)
                                                  : kb_steal(&text);
}

/* "client:role" as rules write it; NULL: out of memory. */
static char *
role_label(const struct kb_realm *realm, const struct kb_role *role)
{
    if (!role->client_role)
        return kb_asprintf("%s", kb_realm_str(realm, role->name));
    return kb_asprintf("%s:%s", kb_realm_str(realm, role->client ? role->client : role->container),
                       kb_realm_str(realm, role->name));
}

static char *
role_doubt_text(const struct kb_realm *realm, const struct kb_role *role, const char *list,
                const struct kb_read *read, uint32_t more)
{
    KB_CLEANUP(kb_free) char *label = role_label(realm, role);

    return label ? doubt_text(role->composite ? "composite role " : "role ", label, list, read, more) : NULL;
}

/* Rows stand in the order of the server's answers, which must show nowhere: the first doubt by name is told.
 */
static bool
role_before(const struct kb_realm *realm, uint32_t a, uint32_t b)
{
    int c = b == KB_NONE ? -1
                         : strcmp(kb_realm_str(realm, realm->roles[a].name),
                                  kb_realm_str(realm, realm->roles[b].name));

    return c < 0 || (c == 0 && strcmp(kb_realm_str(realm, realm->roles[a].id),
                                      kb_realm_str(realm, realm->roles[b].id)) < 0);
}

static bool
group_before(const struct kb_realm *realm, uint32_t a, uint32_t b)
{
    int c = b == KB_NONE ? -1
                         : strcmp(kb_realm_str(realm, realm->groups[a].path),
                                  kb_realm_str(realm, realm->groups[b].path));

    return c < 0 || (c == 0 && strcmp(kb_realm_str(realm, realm->groups[a].id),
                                      kb_realm_str(realm, realm->groups[b].id)) < 0);
}

/* Without view-clients the composites of client roles are unread in every run; the report says so once
 * (interface section 3, "Client roles"). */
static bool
composite_unread(const struct kb_realm *realm, const struct kb_role *role)
{
    uint8_t status = role->children_read.status;

    if (!role->composite || kb_read_ok(&role->children_read))
        return false;
    return !role->client_role ||
           (status != KB_READ_DENIED && !(status == KB_READ_NOT_ASKED && realm->client_composites_unread));
}

/* What freezes every group that a role decides: a role with unread contents may lead anywhere. NULL: nothing.
 */
static bool
find_roles_doubt(struct maker *m)
{
    const struct kb_realm *realm = m->realm;
    uint8_t clients = realm->clients_read.status;
    uint32_t worst = KB_NONE, bad = 0;

    for (uint32_t i = 0; i < realm->roles_len; i++) {
        if (!composite_unread(realm, &realm->roles[i]))
            continue;
        bad++;
        if (role_before(realm, i, worst))
            worst = i;
    }
    if (!kb_read_ok(&realm->roles_read))
        m->roles_doubt = doubt_text("realm", "", "list of roles", &realm->roles_read, bad);
    else if (clients != KB_READ_NOT_ASKED && clients != KB_READ_DENIED && clients != KB_READ_COMPLETE)
        m->roles_doubt = doubt_text("realm", "", "list of client roles", &realm->clients_read, bad);
    else if (worst != KB_NONE)
        m->roles_doubt = role_doubt_text(realm, &realm->roles[worst], "contained roles",
                                         &realm->roles[worst].children_read, bad - 1);
    else
        return true;
    return m->roles_doubt;
}

/* Doubts about what the rules name. NULL: none, or out of memory (*ret_failed). */
static char *
doubt_bindings(const struct maker *m, const struct kb_managed *managed, bool *ret_failed)
{
    const struct kb_realm *realm = m->realm;
    bool by_role = false, by_client = false;
    char *note = NULL;

    for (uint32_t i = 0; i < managed->bindings_len; i++) {
        enum kb_rule_kind kind = m->scope->bindings[managed->bindings_start + i].rule->kind;
        by_role = by_role || (kind != KB_RULE_PATH && kind != KB_RULE_PATH_GLOB);
        by_client = by_client || kind == KB_RULE_CLIENT_ROLE;
    }
    if (managed->ambiguous_path)
        note = kb_asprintf("several groups of the realm have the same path");
    else if (!kb_read_ok(&realm->groups_read))
        note = doubt_text("realm", "", "list of groups", &realm->groups_read, 0);
    else if (by_role && m->roles_doubt)
        note = kb_asprintf("%s", m->roles_doubt);
    else if (by_client && !kb_read_ok(&realm->clients_read))
        note = clients_doubt_text(&realm->clients_read);
    else
        return NULL;
    *ret_failed = !note;
    return note;
}

static const struct kb_read *
unread_list(const struct kb_role *role, const char **ret_list)
{
    *ret_list = "holders";
    if (!kb_read_ok(&role->holders_read))
        return &role->holders_read;
    *ret_list = "groups"; /* a realm role's come with the list of groups */
    return role->client_role && !kb_read_ok(&role->groups_read) ? &role->groups_read : NULL;
}

/* Doubts about the lists that were gathered. NULL: none, or out of memory (*ret_failed). */
static char *
doubt_lists(const struct maker *m, bool *ret_failed)
{
    const struct kb_realm *realm = m->realm;
    uint32_t role = KB_NONE, group = KB_NONE, bad = 0;
    const char *list;
    char *note;

    for (uint32_t i = 0; i < m->reach.roles.len; i++) {
        uint32_t row = m->reach.roles.v[i];
        if (!unread_list(&realm->roles[row], &list))
            continue;
        bad++;
        if (role_before(realm, row, role))
            role = row;
    }
    for (uint32_t i = 0; i < m->reach.groups.len; i++) {
        uint32_t row = m->reach.groups.v[i];
        if (kb_read_ok(&realm->groups[row].members_read))
            continue;
        bad++;
        if (group_before(realm, row, group))
            group = row;
    }
    if (!bad)
        return NULL;
    if (role != KB_NONE) {
        const struct kb_read *read = unread_list(&realm->roles[role], &list);
        note = role_doubt_text(realm, &realm->roles[role], list, read, bad - 1);
    } else {
        note = doubt_text("group ", kb_realm_str(realm, realm->groups[group].path), "members",
                          &realm->groups[group].members_read, bad - 1);
    }
    *ret_failed = !note;
    return note;
}

/* ---- union ---- */

static void
gather_lists(struct maker *m, const struct kb_managed *managed)
{
    kb_reach_begin(&m->reach);
    for (uint32_t i = 0; i < managed->bindings_len; i++) {
        const struct kb_binding *binding = &m->scope->bindings[managed->bindings_start + i];
        if (binding->role != KB_NONE)
            kb_reach_role(&m->reach, binding->role);
        else if (binding->group != KB_NONE)
            kb_reach_group(&m->reach, binding->group, binding->rule->subgroups);
    }
}

static void
stamp_users(struct maker *m, uint32_t stamp, const struct kb_u32s *list, uint32_t *len)
{
    for (uint32_t i = 0; i < list->len; i++) {
        uint32_t user = list->v[i];
        if (m->stamp[user] == stamp)
            continue;
        m->desired->users_behind += !m->stamp[user];
        m->stamp[user] = stamp;
        m->buf[(*len)++] = user;
    }
}

/* Sorts what stands in buf into an array of exactly its size. A dense one is read off the stamps instead. */
static bool
take_users(struct maker *m, uint32_t stamp, uint32_t len, struct kb_u32s *ret)
{
    if (!len)
        return true;
    ret->v = calloc(len, sizeof(*ret->v));
    if (!ret->v)
        return false;
    ret->cap = len;
    if (m->realm->users_len / 8 <= len) {
        for (uint32_t user = 0; ret->len < len; user++) {
            if (m->stamp[user] == stamp)
                ret->v[ret->len++] = user;
        }
        return true;
    }
    memcpy(ret->v, m->buf, len * sizeof(*ret->v));
    ret->len = len;
    kb_u32s_sort_unique(ret);
    return true;
}

static bool
take_principals(const struct maker *m, const struct kb_u32s *users, struct kb_u32s *ret)
{
    uint32_t len = 0;

    for (uint32_t i = 0; i < users->len; i++) {
        const struct kb_user_match *match = &m->desired->matches[users->v[i]];
        if (match->verdict == KB_MATCHED)
            m->buf[len++] = match->principal;
    }
    if (!len)
        return true;
    ret->v = calloc(len, sizeof(*ret->v));
    if (!ret->v)
        return false;
    memcpy(ret->v, m->buf, len * sizeof(*ret->v));
    ret->len = ret->cap = len;
    kb_u32s_sort_unique(ret);
    return true;
}

static int
make_group(struct maker *m, uint32_t managed_row, struct kb_desired_group *ret)
{
    const struct kb_managed *managed = &m->scope->managed[managed_row];
    uint32_t stamp = managed_row + 1, len = 0;
    bool failed = false;

    ret->managed = managed_row;
    gather_lists(m, managed);
    ret->frozen_note = doubt_bindings(m, managed, &failed);
    if (!ret->frozen_note && !failed)
        ret->frozen_note = doubt_lists(m, &failed);
    if (failed)
        return fail_nomem(m);
    for (uint32_t i = 0; i < m->reach.roles.len; i++)
        stamp_users(m, stamp, &m->realm->roles[m->reach.roles.v[i]].holders, &len);
    for (uint32_t i = 0; i < m->reach.groups.len; i++)
        stamp_users(m, stamp, &m->realm->groups[m->reach.groups.v[i]].members, &len);
    if (!take_users(m, stamp, len, &ret->users) || !take_principals(m, &ret->users, &ret->principals))
        return fail_nomem(m);
    m->desired->memberships += len;
    return kb_gone_note(m->scope, m->realm, managed_row, &ret->gone_note, m->err);
}

/* Roles and groups that rules are bound to, each once. */
static void
count_objects(struct maker *m)
{
    kb_reach_begin(&m->reach);
    for (uint32_t i = 0; i < m->scope->bindings_len; i++) {
        const struct kb_binding *binding = &m->scope->bindings[i];
        uint32_t *seen = binding->role != KB_NONE    ? &m->reach.role_seen[binding->role]
                         : binding->group != KB_NONE ? &m->reach.group_seen[binding->group]
                                                     : NULL;
        if (seen && *seen != m->reach.stamp) {
            *seen = m->reach.stamp;
            m->desired->objects_behind++;
        }
    }
}

static int
make_all(struct maker *m, const struct kb_target *target)
{
    struct kb_matches matches;
    int r = kb_matches_make(m->rules, m->realm, target, &matches, m->err);

    if (r < 0)
        return r;
    m->desired->matches = matches.v;
    m->desired->matches_len = m->realm->users_len;
    m->desired->near = matches.near;
    m->desired->near_len = matches.near_len;
    m->desired->doubtful = matches.doubtful;
    m->stamp = calloc((size_t) m->realm->users_len + 1, sizeof(*m->stamp));
    m->buf = malloc(((size_t) m->realm->users_len + 1) * sizeof(*m->buf));
    m->desired->groups = calloc((size_t) m->scope->managed_len + 1, sizeof(*m->desired->groups));
    if (!m->stamp || !m->buf || !m->desired->groups || !find_roles_doubt(m))
        return fail_nomem(m);
    m->desired->groups_len = m->scope->managed_len;
    for (uint32_t i = 0; i < m->scope->managed_len; i++) {
        r = make_group(m, i, &m->desired->groups[i]);
        if (r < 0)
            return r;
    }
    count_objects(m);
    return 0;
}

int
kb_desired_make(const struct kb_rules *rules, const struct kb_scope *scope, const struct kb_realm *realm,
                const struct kb_target *target, struct kb_desired *ret, struct kb_error *err)
{
    struct kb_desired desired = {0};
    struct maker m = {.rules = rules, .scope = scope, .realm = realm, .desired = &desired, .err = err};
    int r = kb_reach_init(&m.reach, realm, err);

    if (r < 0)
        return r;
    r = make_all(&m, target);
    kb_reach_done(&m.reach);
    free(m.stamp);
    free(m.buf);
    free(m.roles_doubt);
    if (r < 0) {
        kb_desired_done(&desired);
        return r;
    }
    *ret = desired;
    return 0;
}

void
kb_desired_done(struct kb_desired *desired)
{
    for (uint32_t i = 0; i < desired->groups_len; i++) {
        kb_u32s_done(&desired->groups[i].users);
        kb_u32s_done(&desired->groups[i].principals);
        free(desired->groups[i].frozen_note);
        free(desired->groups[i].gone_note);
    }
    free(desired->groups);
    free(desired->matches);
    free(desired->near);
    kb_u32s_done(&desired->doubtful);
    *desired = (struct kb_desired){0};
}
