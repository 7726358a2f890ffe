#include "base/ban.h"

#include "base/mem.h"
#include "base/str.h"
#include "reconciler/plan/guards.h"

/* Groups of Databricks' own: who is in them is not a matter of roles. */
static const char *const SYSTEM_GROUPS[] = {"admins", "users", "account users"};

bool
kb_guard_group_protected(const struct kb_rules *rules, const char *name)
{
    for (size_t i = 0; i < KB_LEN(SYSTEM_GROUPS); i++) {
        if (!kb_ascii_casecmp(SYSTEM_GROUPS[i], name))
            return true;
    }
    for (size_t i = 0; i < rules->protect_groups.len; i++) {
        if (!kb_ascii_casecmp(rules->protect_groups.v[i], name))
            return true;
    }
    return false;
}
