/* tests/unit/plan/realm_kit.h: a realm, a target and rules out of short lines, for the tests of plan/.
 *
 * Lines, fields parted by '|' (so that names may hold spaces, slashes, colons):
 *   role|NAME  client|CLIENT|NAME  comp|OUTER|INNER  group|PARENT ID or ""|NAME[|ID]  user|ID[|EMAIL]
 *   hold|USER|ROLE  in|USER|GROUP ID  carry|GROUP ID|ROLE
 *   set|USER|WORD  (disabled stored locked gone service looked unverified ldap attr:VALUE mail:VALUE
 * name:VALUE) read|children, holders, groups, members, or a list of the realm|OBJECT or -|STATUS|HTTP
 *   person|ID|NAME  sp|ID|APPLICATION ID[|DISPLAY]  unlisted|ID  ledger|GROUP|PRINCIPAL|USER
 * A group's id is its path unless given. A role is named NAME or CLIENT:NAME. Users are enabled, verified
 * people with their id as user name; every list is complete unless a line says otherwise.
 */
#ifndef KB_TESTS_PLAN_REALM_KIT_H
#define KB_TESTS_PLAN_REALM_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/realm.h"
#include "model/rules.h"
#include "model/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kit {
    struct kb_realm realm;
    struct kb_target target;
};

struct kit_fields {
    char text[512];
    char *v[6];
    size_t len;
};

static inline struct kit_fields *
kit_split(const char *line, struct kit_fields *f)
{
    char *at = f->text;

    assert_true((size_t) snprintf(f->text, sizeof(f->text), "%s", line) < sizeof(f->text));
    for (f->len = 0; at && f->len < KB_LEN(f->v); f->len++) {
        f->v[f->len] = at;
        at = strchr(at, '|');
        if (at)
            *at++ = '\0';
    }
    return f;
}

static inline kb_text
kit_text(struct kb_pool *pool, const char *s)
{
    kb_text text = kb_pool_adds(pool, s);

    assert_int_not_equal(text, KB_NONE);
    return text;
}

/* NAME or CLIENT:NAME is the id, too. */
static inline uint32_t
kit_role(const struct kit *kit, const char *id)
{
    uint32_t row = kb_realm_role(&kit->realm, id);

    if (row == KB_NONE)
        fail_msg("no role %s", id);
    return row;
}

static inline uint32_t
kit_group(const struct kit *kit, const char *id)
{
    uint32_t row = kb_realm_group(&kit->realm, id);

    if (row == KB_NONE)
        fail_msg("no group %s", id);
    return row;
}

static inline uint32_t
kit_user(const struct kit *kit, const char *id)
{
    uint32_t row = kb_realm_user(&kit->realm, id);

    if (row == KB_NONE)
        fail_msg("no user %s", id);
    return row;
}

static inline void
kit_add_role(struct kit *kit, const char *client, const char *name)
{
    char id[512];
    uint32_t row;
    struct kb_role *role;
    const struct kb_read complete = {.status = KB_READ_COMPLETE, .http = 200};

    (void) snprintf(id, sizeof(id), "%s%s%s", client ? client : "", client ? ":" : "", name);
    row = kb_realm_role_add(&kit->realm, id);
    assert_int_not_equal(row, KB_NONE);
    assert_true(kb_realm_role_set_name(&kit->realm, row, name, client));
    role = &kit->realm.roles[row];
    role->client = kit_text(&kit->realm.pool, client);
    role->holders_read = complete;
    if (client)
        role->groups_read = complete;
}

static inline void
kit_add_group(struct kit *kit, const struct kit_fields *f)
{
    const char *parent = f->v[1], *name = f->v[2];
    uint32_t up = *parent ? kit_group(kit, parent) : KB_NONE, row;
    char path[512];

    (void) snprintf(path, sizeof(path), "%s/%s",
                    up == KB_NONE ? "" : kb_realm_str(&kit->realm, kit->realm.groups[up].path), name);
    row = kb_realm_group_add(&kit->realm, f->len > 3 ? f->v[3] : path);
    assert_int_not_equal(row, KB_NONE);
    kit->realm.groups[row].name = kit_text(&kit->realm.pool, name);
    kit->realm.groups[row].path = kit_text(&kit->realm.pool, path);
    kit->realm.groups[row].parent = up;
    kit->realm.groups[row].members_read = (struct kb_read){.status = KB_READ_COMPLETE, .http = 200};
}

static inline void
kit_add_user(struct kit *kit, const struct kit_fields *f)
{
    uint32_t row = kb_realm_user_add(&kit->realm, f->v[1]);
    struct kb_user *user;

    assert_int_not_equal(row, KB_NONE);
    user = &kit->realm.users[row];
    user->username = kit_text(&kit->realm.pool, f->v[1]);
    user->email = kit_text(&kit->realm.pool, f->len > 2 ? f->v[2] : NULL);
    user->flags = KB_USER_ENABLED | KB_USER_EMAIL_VERIFIED;
}

static inline void
kit_set(struct kit *kit, const struct kit_fields *f)
{
    static const struct {
        const char *word;
        uint16_t set, clear;
    } flags[] = {
        {"disabled", 0, KB_USER_ENABLED},          {"stored", KB_USER_DISABLED_STORED, 0},
        {"locked", KB_USER_LOCKED_OUT, 0},         {"gone", KB_USER_GONE, 0},
        {"service", KB_USER_SERVICE_ACCOUNT, 0},   {"looked", KB_USER_LOOKED_UP, 0},
        {"unverified", 0, KB_USER_EMAIL_VERIFIED},
    };
    struct kb_user *user = &kit->realm.users[kit_user(kit, f->v[1])];

    for (size_t i = 0; i < KB_LEN(flags); i++) {
        if (!strcmp(f->v[2], flags[i].word)) {
            user->flags = (uint16_t) ((user->flags | flags[i].set) & ~flags[i].clear);
            return;
        }
    }
    if (!strcmp(f->v[2], "ldap"))
        user->directory = kit_text(&kit->realm.pool, "ldap");
    else if (!strncmp(f->v[2], "attr:", 5))
        user->attribute = kit_text(&kit->realm.pool, f->v[2] + 5);
    else if (!strncmp(f->v[2], "mail:", 5))
        user->email = kit_text(&kit->realm.pool, f->v[2] + 5);
    else if (!strncmp(f->v[2], "name:", 5))
        user->username = kit_text(&kit->realm.pool, f->v[2] + 5);
    else
        fail_msg("set %s?", f->v[2]);
}

static inline void
kit_read(struct kit *kit, const struct kit_fields *f)
{
    struct kb_realm *realm = &kit->realm;
    struct kb_read read = {.http = (uint16_t) (f->len > 4 ? strtoul(f->v[4], NULL, 10) : 0)};

    while (strcmp(kb_read_status_name((enum kb_read_status) read.status), f->v[3]) != 0)
        assert_true(++read.status < KB_READ_MAX_);
    if (!strcmp(f->v[1], "children"))
        realm->roles[kit_role(kit, f->v[2])].children_read = read;
    else if (!strcmp(f->v[1], "holders"))
        realm->roles[kit_role(kit, f->v[2])].holders_read = read;
    else if (!strcmp(f->v[1], "groups"))
        realm->roles[kit_role(kit, f->v[2])].groups_read = read;
    else if (!strcmp(f->v[1], "members"))
        realm->groups[kit_group(kit, f->v[2])].members_read = read;
    else if (!strcmp(f->v[1], "all roles"))
        realm->roles_read = read;
    else if (!strcmp(f->v[1], "all groups"))
        realm->groups_read = read;
    else if (!strcmp(f->v[1], "clients"))
        realm->clients_read = read;
    else
        fail_msg("read %s?", f->v[1]);
}

static inline void
kit_add_principal(struct kit *kit, const struct kit_fields *f)
{
    struct kb_target *target = &kit->target;
    uint32_t row = kb_target_principal_add(target, f->v[1]);

    assert_int_not_equal(row, KB_NONE);
    target->principals[row].name = kit_text(&target->pool, f->v[2]);
    target->principals[row].display = kit_text(&target->pool, f->len > 3 ? f->v[3] : NULL);
    target->principals[row].kind = !strcmp(f->v[0], "sp") ? KB_PRINCIPAL_SERVICE : KB_PRINCIPAL_USER;
    target->principals[row].listed = true;
    target->principals[row].active = true;
}

static inline void
kit_add_ledger(struct kit *kit, const struct kit_fields *f)
{
    uint32_t row = kb_target_group_add(&kit->target, f->v[1]);

    assert_int_not_equal(row, KB_NONE);
    assert_true(kb_u32s_add(&kit->target.groups[row].ledger, kb_target_principal(&kit->target, f->v[2])));
    assert_true(kb_u32s_add(&kit->target.groups[row].ledger_user, kit_text(&kit->target.pool, f->v[3])));
}

static inline void
kit_line(struct kit *kit, const char *line)
{
    struct kit_fields fields, *f = kit_split(line, &fields);
    const char *verb = f->v[0];
    struct kb_realm *realm = &kit->realm;

    if (!strcmp(verb, "role")) {
        kit_add_role(kit, NULL, f->v[1]);
    } else if (!strcmp(verb, "client")) {
        kit_add_role(kit, f->v[1], f->v[2]);
    } else if (!strcmp(verb, "comp")) {
        struct kb_role *role = &realm->roles[kit_role(kit, f->v[1])];
        role->composite = true;
        role->children_read = (struct kb_read){.status = KB_READ_COMPLETE, .http = 200};
        assert_true(kb_u32s_add(&role->children, kit_role(kit, f->v[2])));
    } else if (!strcmp(verb, "group")) {
        kit_add_group(kit, f);
    } else if (!strcmp(verb, "user")) {
        kit_add_user(kit, f);
    } else if (!strcmp(verb, "hold")) {
        assert_true(kb_u32s_add(&realm->roles[kit_role(kit, f->v[2])].holders, kit_user(kit, f->v[1])));
    } else if (!strcmp(verb, "in")) {
        assert_true(kb_u32s_add(&realm->groups[kit_group(kit, f->v[2])].members, kit_user(kit, f->v[1])));
    } else if (!strcmp(verb, "carry")) {
        uint32_t role = kit_role(kit, f->v[2]), group = kit_group(kit, f->v[1]);
        if (realm->roles[role].client_role)
            assert_true(kb_u32s_add(&realm->roles[role].groups, group));
        else
            assert_true(kb_u32s_add(&realm->groups[group].roles, role));
    } else if (!strcmp(verb, "set")) {
        kit_set(kit, f);
    } else if (!strcmp(verb, "read")) {
        kit_read(kit, f);
    } else if (!strcmp(verb, "person") || !strcmp(verb, "sp")) {
        kit_add_principal(kit, f);
    } else if (!strcmp(verb, "unlisted")) {
        kit->target.principals[kb_target_principal(&kit->target, f->v[1])].listed = false;
    } else if (!strcmp(verb, "ledger")) {
        kit_add_ledger(kit, f);
    } else {
        fail_msg("%s?", line);
    }
}

/* `lines` ends with NULL. */
static inline void
kit_make(struct kit *kit, const char *const *lines)
{
    const struct kb_read complete = {.status = KB_READ_COMPLETE, .http = 200};

    *kit = (struct kit){0};
    kb_target_init(&kit->target);
    kit->realm.roles_read = kit->realm.groups_read = kit->realm.clients_read = kit->realm.disabled_read =
        complete;
    for (; *lines; lines++)
        kit_line(kit, *lines);
}

static inline void
kit_done(struct kit *kit)
{
    kb_realm_done(&kit->realm);
    kb_target_done(&kit->target);
}

/* Rules of a table: the ones with an object, numbered, line = number + 10. `rules` has room for `max`. */
static inline struct kb_rules
kit_rules(struct kb_rule *rules, size_t max)
{
    static char email[] = "email", username[] = "username";
    static char *users[] = {email, username};
    struct kb_rules ret = {.rules = rules, .match = {.users = {.v = users, .len = 2}}};

    while (ret.rules_len < max && rules[ret.rules_len].object) {
        rules[ret.rules_len].number = (unsigned) ret.rules_len + 1;
        rules[ret.rules_len].line = (unsigned) ret.rules_len + 11;
        ret.rules_len++;
    }
    return ret;
}

#endif
