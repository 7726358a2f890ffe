#include "base/ban.h"

#include "model/rules.h"

#include "base/mem.h"
#include "base/str.h"

#define GROUP_NAME_LEN_MAX 255u

bool
kb_rule_for_target(const struct kb_rule *rule, const char *target)
{
    for (size_t i = 0; i < rule->targets.len; i++) {
        if (!strcmp(rule->targets.v[i], target))
            return true;
    }
    return rule->targets.len == 0;
}

char *
kb_rule_text(const struct kb_rule *r)
{
    static const char *const kinds[KB_RULE_KIND_MAX_] = {"role", "role_glob", "path", "path_glob",
                                                         "client_role"};

    return kb_asprintf("%s=%s%s%s%s group=%s", kinds[r->kind], r->client ? r->client : "",
                       r->client ? ":" : "", r->object, r->subgroups ? "/**" : "", r->group);
}

bool
kb_rule_group_name(const struct kb_rule *rule, const char *object, const struct kb_glob_match *match,
                   char ret[256])
{
    size_t len = 0;

    for (const char *p = rule->group; *p;) {
        const char *from = p;
        size_t n = 1;
        if (match && p[0] == '{' && p[1] >= '1' && p[1] <= '9' && p[2] == '}') {
            unsigned star = (unsigned) (p[1] - '1');
            if (star >= match->len) /* the configuration lets no such rule through */
                return false;
            from = object + match->cap[star].start;
            n = match->cap[star].len;
            p += 3;
        } else {
            p++;
        }
        if (n > GROUP_NAME_LEN_MAX - len)
            return false;
        memcpy(ret + len, from, n);
        len += n;
    }
    ret[len] = '\0';
    return true;
}
