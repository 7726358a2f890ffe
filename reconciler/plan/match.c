/* reconciler/plan/match.c: one verdict a user.
 *
 * A user has one key; a principal has one name. Both are put into one table, ASCII letters folded and nothing
 * else, and a name with two users or two principals is ambiguous for all of them, whatever else is said about
 * each: all users that were read count, also disabled, excluded and unasked ones. Near-duplicates are
 * different names here, so nobody is granted anything by them; for those whom no principal fits they are
 * looked up and told (match_near.c). People and service accounts never meet: they have tables of their own.
 */
#include "base/ban.h"

#include "reconciler/plan/match.h"

#include "base/mem.h"
#include "base/str.h"
#include "reconciler/plan/match_near.h"

#define SERVICE_PREFIX "service-account-"
#define NAMES_MAX (1u << 29)

/* All that bears one name. */
struct name {
    const char *key; /* borrowed */
    uint32_t users;
    uint32_t principals;
    uint32_t principal; /* the first one, KB_NONE */
};

struct names {
    struct name *v;
    uint32_t *slots; /* place in v + 1, 0 empty */
    uint32_t len, slots_cap;
    size_t cap;
};

struct judge {
    const struct kb_rules *rules;
    const struct kb_realm *realm;
    const struct kb_target *target;
    struct names people, services, excluded;
    struct kb_user_match *matches;
};

static void
names_done(struct names *names)
{
    free(names->v);
    free(names->slots);
}

static struct name *
names_find(const struct names *names, const char *key)
{
    if (!names->slots_cap)
        return NULL;
    for (uint32_t at = kb_hash_folded(key) & (names->slots_cap - 1); names->slots[at];
         at = (at + 1) & (names->slots_cap - 1)) {
        if (!kb_ascii_casecmp(names->v[names->slots[at] - 1].key, key))
            return &names->v[names->slots[at] - 1];
    }
    return NULL;
}

static bool
names_grow(struct names *names)
{
    uint32_t cap = names->slots_cap ? names->slots_cap * 2 : 64;
    uint32_t *slots = calloc(cap, sizeof(*slots));

    if (!slots)
        return false;
    for (uint32_t i = 0; i < names->len; i++) {
        uint32_t at = kb_hash_folded(names->v[i].key) & (cap - 1);
        while (slots[at])
            at = (at + 1) & (cap - 1);
        slots[at] = i + 1;
    }
    free(names->slots);
    names->slots = slots;
    names->slots_cap = cap;
    return true;
}

/* Finds or adds; NULL: out of memory. */
static struct name *
names_add(struct names *names, const char *key)
{
    struct name *found = names_find(names, key);
    uint32_t at;

    if (found)
        return found;
    if ((names->len + 1) * 3ull > names->slots_cap * 2ull && !names_grow(names))
        return NULL;
    if (!kb_grow(&names->v, &names->cap, (size_t) names->len + 1, sizeof(*names->v), NAMES_MAX))
        return NULL;
    at = kb_hash_folded(key) & (names->slots_cap - 1);
    while (names->slots[at])
        at = (at + 1) & (names->slots_cap - 1);
    names->v[names->len] = (struct name){.key = key, .principal = KB_NONE};
    names->slots[at] = ++names->len;
    return &names->v[names->len - 1];
}

const char *
kb_match_key(const struct kb_rules *rules, const struct kb_realm *realm, const struct kb_user *user)
{
    for (size_t i = 0; i < rules->match.users.len; i++) {
        const char *what = rules->match.users.v[i];
        kb_text key = user->attribute; /* "attribute:NAME": the reader kept that one's value */
        if (!strcmp(what, "email"))
            key = user->email;
        else if (!strcmp(what, "username"))
            key = user->username;
        if (key)
            return kb_realm_str(realm, key);
    }
    return NULL;
}

static bool
key_is_email(const struct kb_rules *rules, const struct kb_user *user)
{
    for (size_t i = 0; i < rules->match.users.len; i++) {
        const char *what = rules->match.users.v[i];
        if (!strcmp(what, "email")) {
            if (user->email)
                return true;
        } else if (!strcmp(what, "username") ? user->username : user->attribute) {
            return false;
        }
    }
    return false;
}

bool
kb_match_may_be_another(const struct kb_rules *rules, const struct kb_realm *realm,
                        const struct kb_user *user)
{
    bool for_lack = false; /* an address would have been the key */

    if (user->email || !user->username || user->flags & (KB_USER_SERVICE_ACCOUNT | KB_USER_NAME_ASKED) ||
        !strchr(kb_realm_str(realm, user->username), '@'))
        return false;
    for (size_t i = 0; i < rules->match.users.len; i++) {
        const char *what = rules->match.users.v[i];
        if (!strcmp(what, "email"))
            for_lack = true;
        else if (!strcmp(what, "username"))
            return for_lack;
        else if (user->attribute)
            return false;
    }
    return false;
}

const char *
kb_match_service_key(const struct kb_rules *rules, const struct kb_realm *realm, const struct kb_user *user)
{
    const char *name = kb_realm_str(realm, user->username);
    size_t prefix = strlen(SERVICE_PREFIX);

    if (rules->match.service == KB_MATCH_SERVICE_ATTRIBUTE)
        return user->flags & KB_USER_LOOKED_UP && user->attribute ? kb_realm_str(realm, user->attribute)
                                                                  : NULL;
    if (rules->match.service == KB_MATCH_SERVICE_CLIENT_ID && !strncmp(name, SERVICE_PREFIX, prefix) &&
        name[prefix])
        return name + prefix;
    return NULL;
}

static struct names *
names_of(struct judge *j, const struct kb_user *user, const char **ret_key)
{
    bool service = user->flags & KB_USER_SERVICE_ACCOUNT;

    *ret_key =
        service ? kb_match_service_key(j->rules, j->realm, user) : kb_match_key(j->rules, j->realm, user);
    return service ? &j->services : &j->people;
}

/* A principal that only the snapshot remembers is no candidate: an add would name somebody who is not there.
 */
static const char *
principal_key(const struct judge *j, const struct kb_principal *p)
{
    bool by_display =
        p->kind == KB_PRINCIPAL_SERVICE && j->rules->match.service == KB_MATCH_SERVICE_CLIENT_ID;
    kb_text key = by_display ? p->display : p->name;

    return (p->listed || p->looked_up) && key ? kb_target_str(j->target, key) : NULL;
}

static bool
gather_names(struct judge *j)
{
    const struct kb_strings *excluded = &j->rules->exclude_users;

    for (uint32_t i = 0; i < j->target->principals_len; i++) {
        const struct kb_principal *p = &j->target->principals[i];
        const char *key = principal_key(j, p);
        struct name *name;
        if (!key)
            continue;
        name = names_add(p->kind == KB_PRINCIPAL_SERVICE ? &j->services : &j->people, key);
        if (!name)
            return false;
        if (!name->principals++)
            name->principal = i;
    }
    for (uint32_t i = 0; i < j->realm->users_len; i++) {
        const struct kb_user *user = &j->realm->users[i];
        const char *key;
        struct names *names = names_of(j, user, &key);
        struct name *name;
        if (!key || user->flags & KB_USER_GONE)
            continue;
        name = names_add(names, key);
        if (!name)
            return false;
        name->users++;
    }
    for (size_t i = 0; i < excluded->len; i++) {
        if (!names_add(&j->excluded, excluded->v[i]))
            return false;
    }
    return true;
}

static bool
is_excluded(const struct judge *j, const struct kb_user *user)
{
    return names_find(&j->excluded, kb_realm_str(j->realm, user->id)) ||
           (user->username && names_find(&j->excluded, kb_realm_str(j->realm, user->username))) ||
           (user->email && names_find(&j->excluded, kb_realm_str(j->realm, user->email)));
}

/* Only the stored flag is a decision (the reader also sets it when the user's own record says so and nothing
 * contradicts). A user who is shown disabled without it: the stored flags were not read, or a directory says
 * so, or a lockout of an older server shows through. */
static enum kb_match_verdict
judge_enabled(const struct kb_user *user)
{
    bool stored = user->flags & KB_USER_DISABLED_STORED;

    if (user->flags & KB_USER_ENABLED && !stored)
        return KB_MATCHED;
    if (user->flags & KB_USER_LOCKED_OUT)
        return KB_MATCH_LOCKED_OUT;
    return stored || user->flags & KB_USER_DISABLED_BELIEVED ? KB_MATCH_DISABLED : KB_MATCH_UNKNOWN;
}

static enum kb_match_verdict
judge_user(struct judge *j, const struct kb_user *user, const struct name *name, const char *key)
{
    bool service = user->flags & KB_USER_SERVICE_ACCOUNT;
    enum kb_match_verdict enabled = judge_enabled(user);

    if (user->flags & KB_USER_GONE)
        return KB_MATCH_DISABLED;
    if (is_excluded(j, user))
        return KB_MATCH_EXCLUDED;
    if (service && j->rules->match.service == KB_MATCH_SERVICE_OFF)
        return KB_MATCH_OFF;
    if (name && (name->users > 1 || name->principals > 1))
        return KB_MATCH_AMBIGUOUS;
    if (enabled != KB_MATCHED)
        return enabled;
    if (service && j->rules->match.service == KB_MATCH_SERVICE_ATTRIBUTE &&
        !(user->flags & KB_USER_LOOKED_UP))
        return KB_MATCH_UNKNOWN;
    if (!key)
        return KB_MATCH_NO_KEY;
    if (!service && j->rules->match.verified_email_only && key_is_email(j->rules, user) &&
        !(user->flags & KB_USER_EMAIL_VERIFIED))
        return KB_MATCH_UNVERIFIED;
    return name && name->principals ? KB_MATCHED : KB_MATCH_UNMATCHED;
}

static bool
is_doubt(uint8_t verdict)
{
    return verdict == KB_MATCH_EXCLUDED || verdict == KB_MATCH_LOCKED_OUT || verdict == KB_MATCH_AMBIGUOUS ||
           verdict == KB_MATCH_UNKNOWN;
}

/* By key: every principal whose name belongs to somebody in doubt. `principals` is used up as a mark: 0. */
static bool
doubt_by_key(struct judge *j, struct kb_u32s *ret, uint32_t *ret_doubts)
{
    for (uint32_t i = 0; i < j->realm->users_len; i++) {
        const char *key;
        struct names *names = names_of(j, &j->realm->users[i], &key);
        struct name *name = key ? names_find(names, key) : NULL;
        if (!is_doubt(j->matches[i].verdict))
            continue;
        ++*ret_doubts;
        if (name)
            name->principals = 0;
    }
    if (!*ret_doubts)
        return true;
    for (uint32_t i = 0; i < j->target->principals_len; i++) {
        const struct kb_principal *p = &j->target->principals[i];
        const char *key = principal_key(j, p);
        const struct name *name =
            key ? names_find(p->kind == KB_PRINCIPAL_SERVICE ? &j->services : &j->people, key) : NULL;
        if (name && !name->principals && !kb_u32s_add(ret, i))
            return false;
    }
    return true;
}

/* By memory: what keybricks once put in for somebody who is in doubt now, whatever the key was then. */
static bool
doubt_by_ledger(const struct judge *j, struct kb_u32s *ret)
{
    for (uint32_t g = 0; g < j->target->groups_len; g++) {
        const struct kb_target_group *group = &j->target->groups[g];
        for (uint32_t i = 0; i < group->ledger.len && i < group->ledger_user.len; i++) {
            uint32_t user = group->ledger_user.v[i]
                                ? kb_realm_user(j->realm, kb_target_str(j->target, group->ledger_user.v[i]))
                                : KB_NONE;
            if (user != KB_NONE && is_doubt(j->matches[user].verdict) &&
                !kb_u32s_add(ret, group->ledger.v[i]))
                return false;
        }
    }
    kb_u32s_sort_unique(ret);
    return true;
}

static bool
judge_all(struct judge *j, struct kb_u32s *ret_doubtful)
{
    uint32_t doubts = 0;

    if (!gather_names(j))
        return false;
    for (uint32_t i = 0; i < j->realm->users_len; i++) {
        const struct kb_user *user = &j->realm->users[i];
        const char *key;
        struct names *names = names_of(j, user, &key);
        const struct name *name = key && !(user->flags & KB_USER_GONE) ? names_find(names, key) : NULL;
        j->matches[i].verdict = (uint8_t) judge_user(j, user, name, key);
        j->matches[i].principal = name ? name->principal : KB_NONE;
    }
    return doubt_by_key(j, ret_doubtful, &doubts) && (!doubts || doubt_by_ledger(j, ret_doubtful));
}

/* ---- near-duplicates ---- */

static bool
seek_near(struct judge *j, struct near *near)
{
    for (uint32_t i = 0; i < j->realm->users_len; i++) {
        const char *key;
        bool service = names_of(j, &j->realm->users[i], &key) == &j->services;
        if (j->matches[i].verdict == KB_MATCH_UNMATCHED && !near_seek(near, service, i, key))
            return false;
    }
    return true;
}

static bool
offer_near(struct judge *j, struct near *near)
{
    for (uint32_t i = 0; i < j->target->principals_len; i++) {
        const struct kb_principal *p = &j->target->principals[i];
        struct near_one one = {.key = principal_key(j, p), .id = kb_target_str(j->target, p->id)};
        if (one.key && !near_offer_principal(near, p->kind == KB_PRINCIPAL_SERVICE, &one))
            return false;
    }
    for (uint32_t i = 0; i < j->realm->users_len; i++) {
        const struct kb_user *user = &j->realm->users[i];
        struct near_one one = {.id = kb_realm_str(j->realm, user->id)};
        bool service = names_of(j, user, &one.key) == &j->services;
        if (one.key && !(user->flags & KB_USER_GONE) && !near_offer_user(near, service, &one))
            return false;
    }
    return true;
}

static bool
find_near(struct judge *j, struct kb_matches *ret)
{
    struct near near;
    bool fine;

    near_init(&near);
    fine = seek_near(j, &near);
    if (fine && near.seekers_len)
        fine = offer_near(j, &near) && near_take(&near, &ret->near, &ret->near_len);
    near_done(&near);
    return fine;
}

int
kb_matches_make(const struct kb_rules *rules, const struct kb_realm *realm, const struct kb_target *target,
                struct kb_matches *ret, struct kb_error *err)
{
    struct judge j = {.rules = rules, .realm = realm, .target = target};
    struct kb_matches made = {0};
    bool fine;

    j.matches = calloc((size_t) realm->users_len + 1, sizeof(*j.matches));
    made.v = j.matches;
    fine = j.matches && judge_all(&j, &made.doubtful) && find_near(&j, &made);
    names_done(&j.people);
    names_done(&j.services);
    names_done(&j.excluded);
    if (!fine) {
        kb_matches_done(&made);
        return kb_fail(err, KB_E_NOMEM, "comparing people: out of memory");
    }
    *ret = made;
    return 0;
}

void
kb_matches_done(struct kb_matches *matches)
{
    free(matches->v);
    free(matches->near);
    kb_u32s_done(&matches->doubtful);
    *matches = (struct kb_matches){0};
}
