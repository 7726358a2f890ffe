/* The bodies of section 7 of the interface, and nothing else: there is no function here that takes an operation's name or path. */
#include "base/ban.h"

#include "scim/patch.h"

#include "base/str.h"

static const char head[] =
    "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"],\"Operations\":[";

size_t
scim_patch_requests(size_t removals, size_t additions)
{
    size_t operations = removals + (additions + SCIM_MEMBERS_MAX - 1) / SCIM_MEMBERS_MAX;
    return (operations + SCIM_OPS_MAX - 1) / SCIM_OPS_MAX;
}

static int
check_ids(const char *const *ids, size_t start, size_t len, struct kb_error *err)
{
    for (size_t i = start; i < start + len; i++)
        if (!kb_is_digits(ids[i], 1, 19))
            return kb_fail(err, KB_E_BUG, "a member id is not 1 to 19 digits; nothing is sent");
    return 0;
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct scim_slice
scim_patch_next(size_t removes_sent, size_t remove_len, size_t adds_sent, size_t add_len,
                const struct scim_limits *limits)
{
    struct scim_slice s = {.remove_start = removes_sent, .add_start = adds_sent};
    s.remove_len = least(remove_len - removes_sent, limits->ops);
    s.add_len = least(add_len - adds_sent, (limits->ops - s.remove_len) * limits->members);
    return s;
}

bool
scim_patch_halve(struct scim_limits *limits, const struct scim_slice *slice)
{
    size_t operations = slice->remove_len + (slice->add_len + limits->members - 1) / limits->members;
    if (operations > 1)
        limits->ops = operations / 2;
    else if (slice->add_len > 1)
        limits->members = slice->add_len / 2;
    else
        return false;
    return true;
}

int
scim_patch_slice(const char *const *remove_ids, const char *const *add_ids, const struct scim_slice *slice,
                 const struct scim_limits *limits, struct kb_buf *ret, struct kb_error *err)
{
    const struct scim_slice s = *slice;
    size_t members = limits->members;
    int e = check_ids(remove_ids, s.remove_start, s.remove_len, err);
    if (e >= 0)
        e = check_ids(add_ids, s.add_start, s.add_len, err);
    if (e < 0)
        return e;
    if (!s.remove_len && !s.add_len)
        return kb_fail(err, KB_E_BUG, "a PATCH without operations");
    kb_buf_adds(ret, head);
    for (size_t i = 0; i < s.remove_len; i++)
        kb_buf_addf(ret, "%s{\"op\":\"remove\",\"path\":\"members[value eq \\\"%s\\\"]\"}", i ? "," : "",
                    remove_ids[s.remove_start + i]);
    for (size_t i = 0; i < s.add_len; i++) {
        if (i % members == 0)
            kb_buf_addf(ret, "%s{\"op\":\"add\",\"path\":\"members\",\"value\":[",
                        i || s.remove_len ? "," : "");
        kb_buf_addf(ret, "%s{\"value\":\"%s\"}", i % members ? "," : "", add_ids[s.add_start + i]);
        if (i % members == members - 1 || i + 1 == s.add_len)
            kb_buf_adds(ret, "]}");
    }
    kb_buf_adds(ret, "]}");
    return ret->failed ? kb_fail(err, KB_E_NOMEM, "out of memory for a PATCH") : 0;
}

int
scim_patch_body(const char *const *remove_ids, size_t remove_len, const char *const *add_ids, size_t add_len,
                size_t request, struct kb_buf *ret, struct scim_slice *ret_slice, struct kb_error *err)
{
    const struct scim_limits limits = {SCIM_OPS_MAX, SCIM_MEMBERS_MAX};
    struct scim_slice s = scim_patch_next(0, remove_len, 0, add_len, &limits);
    for (size_t i = 0; i < request; i++)
        s = scim_patch_next(s.remove_start + s.remove_len, remove_len, s.add_start + s.add_len, add_len,
                            &limits);
    int e = scim_patch_slice(remove_ids, add_ids, &s, &limits, ret, err);
    if (e >= 0)
        *ret_slice = s;
    return e;
}
