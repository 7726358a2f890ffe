#include "base/ban.h"

/* A saved plan comes from outside. First the digest over the raw bytes, then every field typed and bounded,
 * then order and uniqueness, then the plan is written again and must give the same bytes: a field that this
 * program does not know, or a count that does not fit the operations, cannot get through.
 *
 * The digest is no signature: who may write the file may also compute it. What keeps a forged plan from doing
 * harm is that apply asks the realm and the target again. */

#include "reconciler/plan/file.h"

#include "base/json.h"
#include "base/str.h"
#include "model/target.h"
#include "reconciler/plan/file_fields.h"
#include "reconciler/plan/recount.h"

static const char SCHEMA[] = "keybricks.plan/1";
static const char START[] = "{\"cost\":{";
static const char DIGEST_KEY[] = ",\"digest\":\"";

static int
not_a_plan(struct kb_error *err, const char *why)
{
    return kb_fail(err, KB_E_USAGE, "not a plan file: %s", why);
}

static int
altered(struct kb_error *err, const char *what)
{
    return kb_fail(err, KB_E_STALE, "the plan file was altered: %s", what);
}

/* Offset of the `,"digest":"sha256:…"` behind the cost object, 0 if it is not where the writer puts it. */
static size_t
find_digest(const char *bytes, size_t size)
{
    const char *end;
    size_t at;

    if (size < sizeof(START) - 1 || memcmp(bytes, START, sizeof(START) - 1) != 0)
        return 0;
    end = memchr(bytes, '}', size);
    if (!end)
        return 0;
    at = (size_t) (end - bytes) + 1;
    if (size - at < sizeof(DIGEST_KEY) - 1 + KB_DIGEST_SIZE ||
        memcmp(bytes + at, DIGEST_KEY, sizeof(DIGEST_KEY) - 1) != 0 ||
        bytes[at + sizeof(DIGEST_KEY) - 1 + KB_DIGEST_SIZE - 1] != '"')
        return 0;
    return at;
}

/* The digest is over the document without the member "digest" and its comma, without the last LF. */
static int
check_digest(const char *bytes, size_t size, struct kb_error *err)
{
    size_t at = find_digest(bytes, size), rest;
    char digest[KB_DIGEST_SIZE];
    struct kb_hash hash;

    if (!at || bytes[size - 1] != '\n') {
        if (memmem(bytes, size, "\"keybricks.plan/1\"", sizeof(SCHEMA) + 1) ||
            (size >= sizeof(START) - 1 && !memcmp(bytes, START, sizeof(START) - 1)))
            return altered(err, "it is not in the form in which it was saved");
        return not_a_plan(err, "it does not begin as one");
    }
    rest = at + sizeof(DIGEST_KEY) - 1 + KB_DIGEST_SIZE;
    kb_hash_init(&hash);
    kb_hash_add(&hash, bytes, at);
    kb_hash_add(&hash, bytes + rest, size - 1 - rest);
    if (!kb_hash_final_digest(&hash, digest))
        return kb_fail(err, KB_E_NOMEM, "plan file: out of memory");
    if (memcmp(digest, bytes + at + sizeof(DIGEST_KEY) - 1, KB_DIGEST_SIZE - 1) != 0)
        return altered(err, "its digest does not fit its content");
    return 0;
}

static int
compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Two operations on one member could be sent in either order. */
static int
check_group(const struct kb_plan *plan, const struct kb_plan_group *group, struct kb_error *err)
{
    KB_CLEANUP(kb_free) const char **ids = calloc((size_t) group->ops_len + 1, sizeof(*ids));

    if (!ids)
        return kb_fail(err, KB_E_NOMEM, "plan file: out of memory");
    for (uint32_t i = 0; i < group->ops_len; i++)
        ids[i] = kb_plan_str(plan, plan->ops[group->ops_start + i].id);
    qsort(ids, group->ops_len, sizeof(*ids), compare_texts);
    for (uint32_t i = 1; i < group->ops_len; i++) {
        if (!strcmp(ids[i - 1], ids[i]))
            return not_a_plan(err, "two operations for one member of a group");
    }
    if (group->create != !group->id)
        return not_a_plan(err, "a group's action does not fit its id");
    return 0;
}

static int
check_groups(const struct kb_plan *plan, struct kb_error *err)
{
    for (uint32_t i = 0; i < plan->groups_len; i++) {
        const struct kb_plan_group *group = &plan->groups[i];
        int r = check_group(plan, group, err);
        if (r < 0)
            return r;
        if (i && strcmp(kb_plan_str(plan, plan->groups[i - 1].name), kb_plan_str(plan, group->name)) >= 0)
            return not_a_plan(err, "its groups are not sorted by name");
    }
    return 0;
}

static int
check_bytes(const char *bytes, size_t size, struct kb_plan *plan, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf again = KB_BUF_INIT(KB_PLAN_FILE_SIZE_MAX);
    char fingerprint[KB_DIGEST_SIZE];
    int r;

    memcpy(fingerprint, plan->fingerprint, sizeof(fingerprint));
    for (uint32_t i = 0; i < plan->groups_len; i++) {
        const struct kb_plan_group *group = &plan->groups[i];
        if (group->ops_len > UINT32_MAX - group->before)
            return not_a_plan(err, "a count is out of range");
    }
    kb_plan_recount(plan);
    r = kb_plan_write(plan, &again, err);
    if (r < 0)
        return r;
    if (strcmp(fingerprint, plan->fingerprint) != 0)
        return altered(err, "its fingerprint does not fit its operations");
    if (again.len != size || memcmp(again.data, bytes, size) != 0)
        return altered(err, "a field is unknown, missing, out of order or does not fit the operations");
    return 0;
}

static int
on_group(void *userdata, size_t index, const struct json_object *element, struct kb_error *err)
{
    return kb_plan_group_fields(element, index, userdata, err);
}

static int
read_fields(const char *bytes, size_t size, struct kb_plan *plan, struct kb_error *err)
{
    KB_CLEANUP(kb_json_array) struct kb_json_array *groups = NULL;
    const struct json_object *doc = NULL;
    const char *schema = NULL;
    bool found = false;
    int r = kb_json_array_new("groups", KB_PLAN_FILE_SIZE_MAX, on_group, plan, &groups, err);

    if (r >= 0)
        r = kb_json_array_feed(groups, bytes, size, err);
    if (r >= 0)
        r = kb_json_array_end(groups, &doc, &found, err);
    if (r >= 0)
        r = kb_json_str(doc, "", "schema", KB_JSON_REQUIRED, &schema, err);
    if (r >= 0 && strcmp(schema, SCHEMA) != 0)
        return kb_fail(err, KB_E_PROTOCOL, "another schema; this program reads keybricks.plan/1");
    if (r >= 0 && !found)
        return kb_fail(err, KB_E_PROTOCOL, "groups: missing");
    return r < 0 ? r : kb_plan_fields(doc, plan, err);
}

static int
read_document(const char *bytes, size_t size, struct kb_plan *plan, struct kb_error *err)
{
    int r;

    r = check_digest(bytes, size, err);
    if (r < 0)
        return r;
    r = read_fields(bytes, size, plan, err);
    if (r < 0) {
        if (err->code == KB_E_NOMEM)
            return r;
        err->code = KB_E_USAGE;
        return kb_fail_prefix(err, "not a plan file");
    }
    r = check_groups(plan, err);
    return r < 0 ? r : check_bytes(bytes, size, plan, err);
}

int
kb_plan_read(const char *bytes, size_t size, struct kb_plan *ret, struct kb_error *err)
{
    struct kb_plan plan = {0};
    int r;

    if (!size || size > KB_PLAN_FILE_SIZE_MAX)
        return not_a_plan(err, size ? "it is too large" : "it is empty");
    r = read_document(bytes, size, &plan, err);
    if (r < 0) {
        kb_plan_done(&plan);
        return r;
    }
    *ret = plan;
    return 0;
}
