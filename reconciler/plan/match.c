#include "base/ban.h"

#include "reconciler/plan/desired.h"

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
