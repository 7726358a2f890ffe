/* Lifecycle, paths, and what a failed reading is called. */
#include "base/ban.h"

#include "scim/internal.h"

#include "base/str.h"

int
scim_new(struct kb_http_peer *peer, const struct scim_opts *opts, struct kb_target *target, struct scim **ret,
         struct kb_error *err)
{
    KB_CLEANUP(scim) struct scim *scim = calloc(1, sizeof(*scim));
    KB_CLEANUP(kb_buf) struct kb_buf base = KB_BUF_INIT(4096);
    if (!scim)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a target");
    /* databricks-api.md 1.1 */
    if (opts->level == SCIM_ACCOUNT) {
        kb_buf_addf(&base, "/api/%s/accounts/", opts->version);
        kb_buf_add_segment(&base, opts->account_id);
        kb_buf_adds(&base, "/scim/v2");
    } else {
        kb_buf_adds(&base,
                    opts->level == SCIM_WORKSPACE ? "/api/2.0/preview/scim/v2" : "/api/2.0/account/scim/v2");
    }
    scim->peer = peer;
    scim->target = target;
    scim->level = opts->level;
    scim->on_lists = opts->on_lists;
    scim->userdata = opts->userdata;
    scim->base = kb_buf_steal(&base);
    scim->self_client = kb_strndup(opts->self_client, strlen(opts->self_client));
    if (!scim->base || !scim->self_client)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a target");
    *ret = kb_steal(&scim);
    return 0;
}

void
scim_free(struct scim *scim)
{
    if (!scim)
        return;
    scim_lookups_free(scim);
    free(scim->base);
    free(scim->self_client);
    free(scim);
}

int
scim_path(const struct scim *scim, const char *resource, const char *id, struct kb_buf *ret)
{
    kb_buf_adds(ret, scim->base);
    kb_buf_addc(ret, '/');
    kb_buf_adds(ret, resource);
    if (id) {
        kb_buf_addc(ret, '/');
        kb_buf_add_segment(ret, id);
    }
    return ret->failed ? -1 : 0;
}

struct kb_read *
scim_listing_read(struct scim *scim, enum scim_kind kind)
{
    struct kb_target *t = scim->target;
    return kind == SCIM_GROUPS ? &t->groups_read : kind == SCIM_USERS ? &t->users_read : &t->services_read;
}

void
scim_read_set(struct scim *scim, struct kb_read *read, enum kb_read_status status,
              const struct kb_http_reply *reply, const char *why)
{
    read->status = (uint8_t) status;
    if (reply && reply->status > 0)
        read->http = (uint16_t) reply->status;
    if (reply)
        read->tries = (uint16_t) (read->tries + reply->tries);
    kb_text note = why && *why ? kb_pool_adds(&scim->target->pool, why) : 0;
    read->note =
        note == KB_NONE ? 0 : note; /* without memory the status still says that it is not complete */
}

void
scim_error_text(const char *body, size_t size, int status, char *ret, size_t ret_size)
{
    KB_CLEANUP(kb_free) char *said = body ? scim_decode_error(body, size) : NULL;
    KB_CLEANUP(kb_buf) struct kb_buf out = KB_BUF_INIT(8192);
    bool html = body && (strstr(body, "<html") || strstr(body, "<HTML") || strstr(body, "<!DOCTYPE"));
    kb_buf_addf(&out, "HTTP %d", status);
    if (said || (body && size && !html)) {
        KB_CLEANUP(kb_free) char *cut = kb_strndup(said ? said : body, strnlen(said ? said : body, 200));
        kb_buf_adds(&out, ": ");
        kb_buf_add_visible(&out, cut ? cut : "");
    } else if (html) {
        kb_buf_adds(&out, ": an HTML page (a proxy, a gateway or a login page in front?)");
    }
    (void) snprintf(ret, ret_size, "%s", kb_buf_str(&out));
    kb_utf8_mend(ret);
}

static const char *
collection_words(enum scim_kind kind)
{
    static const char *const words[] = {"groups", "users", "service principals"};
    return words[kind];
}

int
scim_failed(const struct scim *scim, struct kb_error *err)
{
    if (scim->failed.code) {
        *err = scim->failed;
        return -(int) err->code;
    }
    const struct kb_target *t = scim->target;
    const struct kb_read *reads[] = {&t->groups_read, &t->users_read, &t->services_read};
    for (unsigned i = 0; i < KB_LEN(reads); i++)
        if (reads[i]->status != KB_READ_COMPLETE && reads[i]->status != KB_READ_NOT_ASKED)
            return kb_fail(err, KB_E_PROTOCOL, "the listing of %s is not complete: %s",
                           collection_words((enum scim_kind) i),
                           reads[i]->note ? kb_target_str(t, reads[i]->note)
                                          : kb_read_status_name(reads[i]->status));
    return 0;
}
