#include "base/ban.h"

#include "reconciler/plan/event_match.h"

#include "base/buf.h"

#define ROWS_MAX (1u << 28)
#define KEY_SIZE_MAX 16384u
#define LABELS_MAX (2 * 64u) /* of one path; longer ones explain themselves no better */

/* One link of a path, or the user's own flag. */
struct link {
    uint32_t op, reason; /* reason KB_NONE: all of the operation's */
    bool wants;          /* what must have been given; false: taken */
    bool closed;         /* older events say nothing about it any more */
    bool whole;          /* counts only when closed: everybody may be written again as disabled */
    bool once;           /* Keycloak records it once, not again when it was so already */
    uint32_t actor;
    uint32_t order; /* of its event: the smaller, the newer */
    int64_t at_ms;  /* 0: none yet */
};

/* What an event about a link looks like; a link has several when it goes by id and by name. */
struct key {
    kb_text text;
    uint32_t link, next; /* next key of the same text, KB_NONE */
};

struct kb_event_match {
    struct kb_plan *plan;
    const struct kb_realm *realm;
    struct kb_pool pool;
    struct link *links;
    struct key *keys;
    struct kb_event_actor *actors;
    kb_text *actor_ids;
    uint32_t links_len, keys_len, actors_len, asked, open, taken;
    size_t links_cap, keys_cap, actors_cap, actor_ids_cap;
    struct kb_index by_text, group_by_path;
    bool *asked_of, *served; /* by operation */
    struct kb_buf scratch;
};

static const char *
key_text(const void *table, uint32_t row)
{
    const struct kb_event_match *m = table;

    return kb_pool_str(&m->pool, m->keys[row].text);
}

static const char *
group_path(const void *table, uint32_t row)
{
    const struct kb_realm *realm = table;

    return kb_realm_str(realm, realm->groups[row].path);
}

/* "WHAT HOLDER i ID" or "WHAT HOLDER n NAME", parted by a byte that no id has. */
static const char *
make_key(struct kb_event_match *m, enum kb_event_what what, const char *holder, char by, const char *object)
{
    kb_buf_clear(&m->scratch);
    kb_buf_addf(&m->scratch, "%d\x1f", (int) what);
    kb_buf_adds(&m->scratch, holder);
    if (object) {
        kb_buf_addf(&m->scratch, "\x1f%c", by);
        kb_buf_adds(&m->scratch, object);
    }
    return m->scratch.failed ? NULL : kb_buf_str(&m->scratch);
}

/* ---- what is asked ---- */

static bool
add_key(struct kb_event_match *m, uint32_t link, enum kb_event_what what, const char *holder, char by,
        const char *object)
{
    const char *text = make_key(m, what, holder, by, object);
    uint32_t first, row = m->keys_len;

    if (!text || !kb_grow(&m->keys, &m->keys_cap, (size_t) row + 1, sizeof(*m->keys), ROWS_MAX))
        return false;
    first = kb_index_find(&m->by_text, key_text, m, text);
    m->keys[row] = (struct key){.link = link, .next = KB_NONE};
    if (first != KB_NONE) {
        m->keys[row].text = m->keys[first].text;
        m->keys[row].next = m->keys[first].next;
        m->keys[first].next = row;
        m->keys_len++;
        return true;
    }
    m->keys[row].text = kb_pool_adds(&m->pool, text);
    if (m->keys[row].text == KB_NONE)
        return false;
    m->keys_len++;
    return kb_index_add(&m->by_text, key_text, m, row);
}

static bool
add_link(struct kb_event_match *m, uint32_t op, uint32_t reason, uint32_t *ret)
{
    if (!kb_grow(&m->links, &m->links_cap, (size_t) m->links_len + 1, sizeof(*m->links), ROWS_MAX))
        return false;
    m->links[m->links_len] =
        (struct link){.op = op, .reason = reason, .wants = m->plan->ops[op].op == KB_OP_ADD};
    *ret = m->links_len++;
    if (!m->asked_of[op]) {
        m->asked_of[op] = true;
        m->asked++;
        m->open++;
    }
    return true;
}

/* "client:role" of a realm that has it, KB_NONE. */
static uint32_t
role_labelled(const struct kb_realm *realm, const char *label)
{
    uint32_t role = kb_realm_role_named(realm, label);

    for (uint32_t i = 0; role == KB_NONE && strchr(label, ':') && i < realm->roles_len; i++) {
        const struct kb_role *r = &realm->roles[i];
        const char *client = kb_realm_str(realm, r->client ? r->client : r->container);
        size_t len = strlen(client);
        if (r->client_role && !strncmp(label, client, len) && label[len] == ':' &&
            !strcmp(label + len + 1, kb_realm_str(realm, r->name)))
            role = i;
    }
    return role;
}

static const char *
role_id(const struct kb_event_match *m, const char *label)
{
    uint32_t role = role_labelled(m->realm, label);

    return role == KB_NONE ? NULL : kb_realm_str(m->realm, m->realm->roles[role].id);
}

static uint32_t
group_at(const struct kb_event_match *m, const char *path)
{
    return kb_index_find(&m->group_by_path, group_path, m->realm, path);
}

/* By id where the realm has the role, otherwise by its name. */
static bool
add_role_key(struct kb_event_match *m, uint32_t link, enum kb_event_what what, const char *holder,
             const char *label)
{
    const char *id = role_id(m, label);

    return add_key(m, link, what, holder, id ? 'i' : 'n', id ? id : label);
}

static bool
ask_member(struct kb_event_match *m, uint32_t op, uint32_t reason, const char *path)
{
    const char *user = kb_plan_str(m->plan, m->plan->ops[op].source_id);
    uint32_t link, group = group_at(m, path);

    if (!add_link(m, op, reason, &link))
        return false;
    m->links[link].once = true;
    if (group != KB_NONE &&
        !add_key(m, link, KB_EVENT_MEMBER, user, 'i', kb_realm_str(m->realm, m->realm->groups[group].id)))
        return false;
    return add_key(m, link, KB_EVENT_MEMBER, user, 'n', path);
}

/* Somewhere between the user's own group and the one that counts a group was put where it is now. */
static bool
ask_moves(struct kb_event_match *m, uint32_t op, uint32_t reason, const char *own, const char *carrier)
{
    uint32_t from = group_at(m, own), to = group_at(m, carrier), link;

    if (from == KB_NONE || to == KB_NONE || m->plan->ops[op].op != KB_OP_ADD)
        return true;
    for (uint32_t i = 0; from != to && from != KB_NONE && i < m->realm->groups_len; i++) {
        if (!add_link(m, op, reason, &link) ||
            !add_key(m, link, KB_EVENT_GROUP_MOVED, kb_realm_str(m->realm, m->realm->groups[from].id), 0,
                     NULL))
            return false;
        from = m->realm->groups[from].parent;
    }
    return true;
}

/* The role went, and everything that it gave. */
static bool
ask_gone(struct kb_event_match *m, uint32_t op, uint32_t reason, const char *label)
{
    uint32_t link;

    if (m->plan->ops[op].op == KB_OP_ADD || kb_realm_role_named(m->realm, label) != KB_NONE)
        return true;
    return add_link(m, op, reason, &link) && add_key(m, link, KB_EVENT_ROLE_GONE, "", 'n', label);
}

static bool
ask_composite(struct kb_event_match *m, uint32_t op, uint32_t reason, const char *outer, const char *inner)
{
    const char *id = role_id(m, outer);
    uint32_t link;

    return add_link(m, op, reason, &link) && add_role_key(m, link, KB_EVENT_ROLE_IN_ROLE, outer, inner) &&
           (!id || add_role_key(m, link, KB_EVENT_ROLE_IN_ROLE, id, inner));
}

/* The first role of a path: the user's own, or one that a group carries. */
static bool
ask_first_role(struct kb_event_match *m, uint32_t op, uint32_t reason, const char *carrier, const char *role)
{
    const char *user = kb_plan_str(m->plan, m->plan->ops[op].source_id);
    uint32_t link, group = carrier ? group_at(m, carrier) : KB_NONE;

    if (carrier && group == KB_NONE)
        return true;
    if (!add_link(m, op, reason, &link))
        return false;
    if (!carrier)
        return add_role_key(m, link, KB_EVENT_ROLE_OF_USER, user, role);
    return add_role_key(m, link, KB_EVENT_ROLE_OF_GROUP, kb_realm_str(m->realm, m->realm->groups[group].id),
                        role);
}

/* The words of the path, outermost first, the rule's object last: groups, then roles. */
static bool
ask_path(struct kb_event_match *m, uint32_t op, uint32_t reason)
{
    const struct kb_reason *r = &m->plan->reasons[reason];
    const char *groups[3], *roles[LABELS_MAX];
    uint32_t groups_len = 0, roles_len = 0;
    bool fine = true;

    for (uint32_t i = 0; i < r->via_len; i++) {
        const char *via = kb_plan_str(m->plan, m->plan->via[r->via_start + i]);
        if (!strncmp(via, "group ", 6) && groups_len < 2)
            groups[groups_len++] = via + 6;
        else if (!strncmp(via, "role ", 5) && roles_len < LABELS_MAX - 1)
            roles[roles_len++] = via + 5;
    }
    if (r->is_path)
        groups[groups_len++] = kb_plan_str(m->plan, r->object);
    else
        roles[roles_len++] = kb_plan_str(m->plan, r->object);
    if (groups_len)
        fine = ask_member(m, op, reason, groups[0]);
    if (fine && groups_len > 1)
        fine = ask_moves(m, op, reason, groups[0], groups[groups_len - 1]);
    if (fine && roles_len)
        fine = ask_first_role(m, op, reason, groups_len ? groups[groups_len - 1] : NULL, roles[0]);
    for (uint32_t i = 0; fine && i < roles_len; i++)
        fine = ask_gone(m, op, reason, roles[i]) &&
               (i + 1 == roles_len || ask_composite(m, op, reason, roles[i], roles[i + 1]));
    return fine;
}

/* The account itself. */
static bool
ask_user(struct kb_event_match *m, uint32_t op, enum kb_event_what what)
{
    uint32_t link;

    if (!add_link(m, op, KB_NONE, &link))
        return false;
    m->links[link].whole = what == KB_EVENT_USER_ENABLED;
    return add_key(m, link, what, kb_plan_str(m->plan, m->plan->ops[op].source_id), 0, NULL);
}

static bool
ask(struct kb_event_match *m, uint32_t op)
{
    const struct kb_plan_op *o = &m->plan->ops[op];
    bool fine = true;

    for (uint32_t i = 0; o->op == KB_OP_REMOVE && i < o->reasons_len; i++)
        m->plan->reasons[o->reasons_start + i].event_at_s = 0;
    if (!o->source_id || !o->reasons_len)
        return true;
    if (o->cause == KB_CAUSE_DISABLED)
        return ask_user(m, op, KB_EVENT_USER_ENABLED);
    if (o->cause == KB_CAUSE_DELETED)
        return ask_user(m, op, KB_EVENT_USER_GONE);
    if (o->cause != KB_CAUSE_GRANTED && o->cause != KB_CAUSE_DRIFT_REMOVED && o->cause != KB_CAUSE_REVOKED)
        return true;
    for (uint32_t i = 0; fine && i < o->reasons_len; i++)
        fine = ask_path(m, op, o->reasons_start + i);
    return fine;
}

static bool
ask_all(struct kb_event_match *m)
{
    m->asked_of = calloc((size_t) m->plan->ops_len + 1, sizeof(*m->asked_of));
    m->served = calloc((size_t) m->plan->ops_len + 1, sizeof(*m->served));
    if (!m->asked_of || !m->served)
        return false;
    for (uint32_t i = 0; m->plan->ops_len && i < m->realm->groups_len; i++)
        if (!kb_index_add(&m->group_by_path, group_path, m->realm, i))
            return false;
    for (uint32_t op = 0; op < m->plan->ops_len; op++)
        if (!ask(m, op))
            return false;
    return true;
}

int
kb_event_match_new(struct kb_plan *plan, const struct kb_realm *realm, struct kb_event_match **ret,
                   struct kb_error *err)
{
    KB_CLEANUP(kb_event_match) struct kb_event_match *m = calloc(1, sizeof(*m));

    if (m) {
        m->plan = plan;
        m->realm = realm;
        kb_buf_init(&m->scratch, KEY_SIZE_MAX);
    }
    if (!m || !ask_all(m))
        return kb_fail(err, KB_E_NOMEM, "matching admin events: out of memory");
    *ret = kb_steal(&m);
    return 0;
}

void
kb_event_match_free(struct kb_event_match *m)
{
    if (!m)
        return;
    kb_pool_done(&m->pool);
    kb_index_done(&m->by_text);
    kb_index_done(&m->group_by_path);
    kb_buf_done(&m->scratch);
    free(m->links);
    free(m->keys);
    free(m->actors);
    free(m->actor_ids);
    free(m->asked_of);
    free(m->served);
    free(m);
}

uint32_t
kb_event_match_asked(const struct kb_event_match *match)
{
    return match->asked;
}

uint32_t
kb_event_match_open(const struct kb_event_match *match)
{
    return match->open;
}

/* ---- what is known ---- */

/* KB_NONE: out of memory. */
static uint32_t
actor_row(struct kb_event_match *m, const struct kb_event *event)
{
    for (uint32_t i = m->actors_len; i > 0; i--)
        if (!strcmp(kb_pool_str(&m->pool, m->actor_ids[i - 1]), event->actor) &&
            m->actors[i - 1].elsewhere == event->actor_elsewhere)
            return i - 1;
    if (!kb_grow(&m->actors, &m->actors_cap, (size_t) m->actors_len + 1, sizeof(*m->actors), ROWS_MAX) ||
        !kb_grow(&m->actor_ids, &m->actor_ids_cap, (size_t) m->actors_len + 1, sizeof(*m->actor_ids),
                 ROWS_MAX))
        return KB_NONE;
    m->actor_ids[m->actors_len] = kb_pool_adds(&m->pool, event->actor);
    if (m->actor_ids[m->actors_len] == KB_NONE)
        return KB_NONE;
    m->actors[m->actors_len] = (struct kb_event_actor){.elsewhere = event->actor_elsewhere};
    return m->actors_len++;
}

static void
apply(struct kb_event_match *m, struct link *link, const struct kb_event *event)
{
    bool same = event->gave == link->wants;
    uint32_t actor = same && !link->closed ? actor_row(m, event) : KB_NONE;

    if (actor != KB_NONE) {
        link->at_ms = event->at_ms;
        link->actor = actor;
        link->order = m->taken;
    }
    link->closed = link->closed || !same || link->once;
    if (link->at_ms && (link->closed || !link->whole) && !m->served[link->op]) {
        m->served[link->op] = true;
        m->open--;
    }
}

static void
look(struct kb_event_match *m, const struct kb_event *event, const char *holder, char by, const char *object)
{
    const char *text = make_key(m, event->what, holder, by, object);
    uint32_t row = text ? kb_index_find(&m->by_text, key_text, m, text) : KB_NONE;

    for (; row != KB_NONE; row = m->keys[row].next)
        apply(m, &m->links[m->keys[row].link], event);
}

void
kb_event_match_take(struct kb_event_match *m, const struct kb_event *event)
{
    const char *holder = event->what == KB_EVENT_ROLE_GONE ? "" : event->holder;

    m->taken++;
    if (!event->id && !event->name)
        look(m, event, holder, 0, NULL);
    if (event->id)
        look(m, event, holder, 'i', event->id);
    if (event->name)
        look(m, event, holder, 'n', event->name);
}

struct kb_event_actor *
kb_event_match_actors(struct kb_event_match *m, size_t *ret_len)
{
    for (uint32_t i = 0; i < m->actors_len; i++)
        m->actors[i].id = kb_pool_str(&m->pool, m->actor_ids[i]);
    for (uint32_t i = 0; i < m->links_len; i++)
        if (m->links[i].at_ms)
            m->actors[m->links[i].actor].used = true;
    *ret_len = m->actors_len;
    return m->actors;
}

/* The newest of the links that a reason has. */
static void
choose(const struct kb_event_match *m, uint32_t *best, uint32_t reason, uint32_t link)
{
    if (best[reason] == KB_NONE || m->links[link].order < m->links[best[reason]].order)
        best[reason] = link;
}

static int
write_reason(struct kb_event_match *m, const struct link *link, struct kb_reason *reason,
             struct kb_error *err)
{
    const char *name = m->actors[link->actor].name;
    kb_text by = kb_pool_adds(&m->plan->pool, name ? name : kb_pool_str(&m->pool, m->actor_ids[link->actor]));

    if (by == KB_NONE)
        return kb_fail(err, KB_E_NOMEM, "matching admin events: out of memory");
    reason->event_at_s = link->at_ms / 1000;
    reason->event_by = by;
    return 0;
}

int
kb_event_match_write(struct kb_event_match *m, struct kb_error *err)
{
    KB_CLEANUP(kb_free) uint32_t *best = malloc(((size_t) m->plan->reasons_len + 1) * sizeof(*best));
    int r = 0;

    if (!best)
        return kb_fail(err, KB_E_NOMEM, "matching admin events: out of memory");
    for (uint32_t i = 0; i < m->plan->reasons_len; i++)
        best[i] = KB_NONE;
    for (uint32_t i = 0; i < m->links_len; i++) {
        const struct link *link = &m->links[i];
        const struct kb_plan_op *op = &m->plan->ops[link->op];
        if (link->at_ms && link->reason != KB_NONE)
            choose(m, best, link->reason, i);
        for (uint32_t k = 0; link->at_ms && link->reason == KB_NONE && k < op->reasons_len; k++)
            choose(m, best, op->reasons_start + k, i);
    }
    for (uint32_t i = 0; r >= 0 && i < m->plan->reasons_len; i++)
        if (best[i] != KB_NONE)
            r = write_reason(m, &m->links[best[i]], &m->plan->reasons[i], err);
    return r;
}
