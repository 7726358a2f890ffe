#include "base/ban.h"

#include "keycloak/endpoint.h"

#include "base/mem.h"
#include "base/str.h"

static bool
addressable(const char *segment)
{
    return *segment && strcmp(segment, ".") != 0 && strcmp(segment, "..") != 0;
}

bool
kc_endpoint_build(struct kb_buf *ret, const char *realm, const struct kc_endpoint *endpoint)
{
    if (!addressable(realm))
        return false;
    kb_buf_adds(ret, "/admin/realms/");
    kb_buf_add_segment(ret, realm);
    for (size_t i = 0; i < KB_LEN(endpoint->segments) && endpoint->segments[i]; i++) {
        if (!addressable(endpoint->segments[i]))
            return false;
        kb_buf_addc(ret, '/');
        kb_buf_add_segment(ret, endpoint->segments[i]);
    }
    if (endpoint->query) {
        kb_buf_addc(ret, '?');
        kb_buf_adds(ret, endpoint->query);
    }
    return !ret->failed;
}

void
kc_endpoint_param(struct kb_buf *b, const char *key, const char *value)
{
    kb_buf_addc(b, strchr(kb_buf_str(b), '?') ? '&' : '?');
    kb_buf_adds(b, key);
    kb_buf_addc(b, '=');
    kb_buf_add_segment(b, value);
}

static bool
plain(const char *s)
{
    for (; *s; s++) {
        char c = kb_ascii_lower(*s);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-_.", c)))
            return false;
    }
    return true;
}

static bool
add_term(struct kb_buf *ret, const char *s)
{
    if (!*s || strpbrk(s, "\"\\") || kb_has_control(s))
        return false;
    if (plain(s)) {
        kb_buf_adds(ret, s);
        return true;
    }
    kb_buf_addc(ret, '"');
    kb_buf_adds(ret, s);
    kb_buf_addc(ret, '"');
    return true;
}

bool
kc_endpoint_query_term(struct kb_buf *ret, const char *key, const char *value)
{
    if (!add_term(ret, key))
        return false;
    kb_buf_addc(ret, ':');
    return add_term(ret, value) && !ret->failed;
}
