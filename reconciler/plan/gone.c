#include "base/ban.h"

#include "reconciler/plan/gone.h"

#include "base/buf.h"
#include "base/mem.h"

#define NOTE_SIZE_MAX (1u << 20)
#define TOLD_MAX 3u /* objects by name */

struct look {
    const struct kb_scope *scope;
    const struct kb_realm *realm;
    const struct kb_managed *managed;
    struct kb_buf note;
    uint32_t missing;
};

static int
nomem(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "missing roles and groups: out of memory");
}

static bool
is_path(const struct kb_rule *rule)
{
    return rule->kind == KB_RULE_PATH || rule->kind == KB_RULE_PATH_GLOB;
}

static bool
is_glob(const struct kb_rule *rule)
{
    return rule->kind == KB_RULE_ROLE_GLOB || rule->kind == KB_RULE_PATH_GLOB;
}

/* Absence is believed of complete lists only. */
static bool
can_tell(const struct kb_realm *realm, const struct kb_rule *rule)
{
    return kb_read_ok(is_path(rule) ? &realm->groups_read : &realm->roles_read) &&
           (rule->kind != KB_RULE_CLIENT_ROLE || kb_read_ok(&realm->clients_read));
}

/* As rules write it: role, client:role or path. NULL: out of memory. */
static char *
label(const struct kb_realm *realm, uint32_t role, uint32_t group)
{
    const struct kb_role *r;

    if (role == KB_NONE)
        return kb_asprintf("%s", kb_realm_str(realm, realm->groups[group].path));
    r = &realm->roles[role];
    if (!r->client_role)
        return kb_asprintf("%s", kb_realm_str(realm, r->name));
    return kb_asprintf("%s:%s", kb_realm_str(realm, r->client ? r->client : r->container),
                       kb_realm_str(realm, r->name));
}

static const char *
binding_id(const struct kb_realm *realm, const struct kb_binding *b)
{
    if (b->role != KB_NONE)
        return kb_realm_str(realm, realm->roles[b->role].id);
    return b->group != KB_NONE ? kb_realm_str(realm, realm->groups[b->group].id) : "";
}

static const struct kb_binding *
binding_at(const struct look *l, uint32_t i)
{
    return &l->scope->bindings[l->managed->bindings_start + i];
}

static bool
is_bound(const struct look *l, const struct kb_rule *rule, const char *id)
{
    for (uint32_t i = 0; i < l->managed->bindings_len; i++) {
        if (binding_at(l, i)->rule == rule && !strcmp(binding_id(l->realm, binding_at(l, i)), id))
            return true;
    }
    return false;
}

/* What the realm calls the object now; *ret NULL: it has no such object any more. False: out of memory. */
static bool
name_now(const struct kb_realm *realm, const struct kb_rule *rule, const char *id, char **ret)
{
    uint32_t role = is_path(rule) ? KB_NONE : kb_realm_role(realm, id);
    uint32_t group = is_path(rule) ? kb_realm_group(realm, id) : KB_NONE;

    *ret = NULL;
    if (role == KB_NONE && group == KB_NONE)
        return true;
    *ret = label(realm, role, group);
    return *ret;
}

/* `now` NULL: no new name is known. */
static void
tell(struct look *l, const char *lead, const struct kb_rule *rule, const char *name, const char *now)
{
    if (l->missing++ >= TOLD_MAX)
        return;
    kb_buf_addf(&l->note, "%s%s%s %s", l->missing > 1 ? "; " : "", lead, is_path(rule) ? "path" : "role",
                name);
    if (now)
        kb_buf_addf(&l->note, ", renamed to %s", now);
}

/* What globs matched for this group and do not match any more. */
static bool
look_at_globs(struct look *l)
{
    const struct kb_known *known = l->scope->known;

    for (uint32_t i = known ? kb_known_first(known, l->managed->name) : 0;
         known && i < known->len && !strcmp(kb_known_str(known, known->v[i].managed), l->managed->name);
         i++) {
        const struct kb_rule *rule = known->v[i].now;
        const char *was = kb_known_str(known, known->v[i].name), *id = kb_known_str(known, known->v[i].id);
        KB_CLEANUP(kb_free) char *now = NULL;
        if (!rule || !is_glob(rule) || !can_tell(l->realm, rule) || is_bound(l, rule, id))
            continue;
        if (!name_now(l->realm, rule, id, &now))
            return false;
        if (!now || strcmp(now, was) != 0) /* else it is there, and the configuration leaves it out */
            tell(l, "", rule, was, now);
    }
    return true;
}

/* The new name of what a rule by name meant. False: out of memory. */
static bool
find_new_name(const struct look *l, const struct kb_rule *rule, char **ret)
{
    const struct kb_known *known = l->scope->known;

    *ret = NULL;
    for (uint32_t i = known ? kb_known_first(known, l->managed->name) : 0;
         known && i < known->len && !strcmp(kb_known_str(known, known->v[i].managed), l->managed->name);
         i++) {
        if (known->v[i].now != rule)
            continue;
        if (!name_now(l->realm, rule, kb_known_str(known, known->v[i].id), ret))
            return false;
        if (*ret)
            break;
    }
    return true;
}

/* A rule that has nothing. */
static bool
look_at_gone(struct look *l, const struct kb_rule *rule)
{
    KB_CLEANUP(kb_free) char *now = NULL, *words = NULL;

    if (is_glob(rule)) {
        if (!l->missing) /* nothing is remembered */
            tell(l, "what matched ", rule, rule->object, NULL);
        return true;
    }
    words = kb_asprintf("%s%s%s", rule->kind == KB_RULE_CLIENT_ROLE ? rule->client : "",
                        rule->kind == KB_RULE_CLIENT_ROLE ? ":" : "", rule->object);
    if (!words || !find_new_name(l, rule, &now))
        return false;
    tell(l, "", rule, words, now);
    return true;
}

int
kb_gone_note(const struct kb_scope *scope, const struct kb_realm *realm, uint32_t managed, char **ret,
             struct kb_error *err)
{
    struct look l = {.scope = scope,
                     .realm = realm,
                     .managed = &scope->managed[managed],
                     .note = KB_BUF_INIT(NOTE_SIZE_MAX)};
    bool fine = look_at_globs(&l);

    for (uint32_t i = 0; fine && i < l.managed->bindings_len; i++) {
        const struct kb_binding *b = binding_at(&l, i);
        if (b->gone && can_tell(realm, b->rule))
            fine = look_at_gone(&l, b->rule);
    }
    if (l.missing > TOLD_MAX)
        kb_buf_addf(&l.note, "; and %u more", l.missing - TOLD_MAX);
    *ret = fine && l.missing ? kb_buf_steal(&l.note) : NULL;
    fine = fine && (!l.missing || *ret);
    kb_buf_done(&l.note);
    return fine ? 0 : nomem(err);
}

int
kb_gone_remember(const struct kb_scope *scope, const struct kb_realm *realm, uint32_t managed,
                 struct kb_known *ret, struct kb_error *err)
{
    const struct look l = {.scope = scope, .realm = realm, .managed = &scope->managed[managed]};
    bool fine = true;

    for (uint32_t i = 0; fine && i < l.managed->bindings_len; i++) {
        const struct kb_binding *b = binding_at(&l, i);
        KB_CLEANUP(kb_free) char *name = b->gone ? NULL : label(realm, b->role, b->group);
        KB_CLEANUP(kb_free) char *rule = kb_rule_text(b->rule);
        fine = rule &&
               (b->gone || (name && kb_known_add(ret, l.managed->name, rule, binding_id(realm, b), name)));
        for (uint32_t k = scope->known ? kb_known_first(scope->known, l.managed->name) : 0;
             fine && b->gone && scope->known && k < scope->known->len; k++) {
            const struct kb_known_object *o = &scope->known->v[k];
            if (o->now == b->rule && !strcmp(kb_known_str(scope->known, o->managed), l.managed->name))
                fine = kb_known_add(ret, l.managed->name, rule, kb_known_str(scope->known, o->id),
                                    kb_known_str(scope->known, o->name));
        }
    }
    return fine ? 0 : nomem(err);
}
