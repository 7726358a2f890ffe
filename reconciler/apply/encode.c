#include "base/ban.h"

#include "reconciler/apply/encode.h"

/* Keys are written in the order of RFC 8785 section 3.2.3 (all of them are plain ASCII). */

static void
add_ids(struct kb_buf *b, const char *key, struct encode_ids ids)
{
    kb_buf_addf(b, "\"%s\":[", key);
    for (size_t i = 0; i < ids.len; i++) {
        if (i)
            kb_buf_addc(b, ',');
        kb_buf_add_json(b, ids.v[i]);
    }
    kb_buf_addc(b, ']');
}

static void
add_text(struct kb_buf *b, const char *key, const char *value)
{
    kb_buf_addf(b, "\"%s\":", key);
    kb_buf_add_json(b, value ? value : "");
}

void
encode_intent(struct kb_buf *b, const char *request, const char *method, const char *group,
              struct encode_ids add, struct encode_ids remove)
{
    kb_buf_addc(b, '{');
    add_ids(b, "add", add);
    kb_buf_addc(b, ',');
    add_text(b, "group", group);
    kb_buf_addc(b, ',');
    add_text(b, "method", method);
    kb_buf_addc(b, ',');
    add_ids(b, "remove", remove);
    kb_buf_addc(b, ',');
    add_text(b, "request", request);
    kb_buf_addc(b, '}');
}

void
encode_outcome(struct kb_buf *b, const struct encode_outcome *o)
{
    kb_buf_addc(b, '{');
    add_ids(b, "add", o->add);
    kb_buf_addc(b, ',');
    add_text(b, "detail", o->detail);
    kb_buf_addc(b, ',');
    add_text(b, "group", o->group);
    kb_buf_addf(b, ",\"intent\":%lld,", (long long) o->intent);
    add_text(b, "method", o->method);
    kb_buf_addc(b, ',');
    add_ids(b, "remove", o->remove);
    kb_buf_addc(b, ',');
    add_text(b, "request", o->request);
    kb_buf_addc(b, ',');
    add_text(b, "request_id", o->request_id);
    kb_buf_addc(b, ',');
    add_text(b, "result", o->result);
    kb_buf_addf(b, ",\"status\":%d,", o->status);
    add_ids(b, "unverified", o->unverified);
    kb_buf_addc(b, '}');
}

void
encode_members(struct kb_buf *b, const char *group, struct encode_ids members)
{
    kb_buf_addc(b, '{');
    add_text(b, "group", group);
    kb_buf_addc(b, ',');
    add_ids(b, "members", members);
    kb_buf_addc(b, '}');
}
