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

/* Operations are numbered removals first; a request carries SCIM_OPS_MAX of them. */
static struct scim_slice
slice_of(size_t remove_len, size_t add_len, size_t request)
{
    size_t first = request * SCIM_OPS_MAX, last = first + SCIM_OPS_MAX;
    struct scim_slice s = {0};
    s.remove_start = first < remove_len ? first : remove_len;
    s.remove_len = (last < remove_len ? last : remove_len) - s.remove_start;
    size_t add_first = first > remove_len ? (first - remove_len) * SCIM_MEMBERS_MAX : 0;
    size_t add_last = last > remove_len ? (last - remove_len) * SCIM_MEMBERS_MAX : 0;
    s.add_start = add_first < add_len ? add_first : add_len;
    s.add_len = (add_last < add_len ? add_last : add_len) - s.add_start;
    return s;
}

int
scim_patch_body(const char *const *remove_ids, size_t remove_len, const char *const *add_ids, size_t add_len,
                size_t request, struct kb_buf *ret, struct scim_slice *ret_slice, struct kb_error *err)
{
    struct scim_slice s = slice_of(remove_len, add_len, request);
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
        if (i % SCIM_MEMBERS_MAX == 0)
            kb_buf_addf(ret, "%s{\"op\":\"add\",\"path\":\"members\",\"value\":[",
                        i || s.remove_len ? "," : "");
        kb_buf_addf(ret, "%s{\"value\":\"%s\"}", i % SCIM_MEMBERS_MAX ? "," : "", add_ids[s.add_start + i]);
        if (i % SCIM_MEMBERS_MAX == SCIM_MEMBERS_MAX - 1 || i + 1 == s.add_len)
            kb_buf_adds(ret, "]}");
    }
    kb_buf_adds(ret, "]}");
    if (ret->failed)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a PATCH");
    *ret_slice = s;
    return 0;
}
