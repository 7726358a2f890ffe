#include "base/ban.h"

#include "reconciler/plan/fingerprint.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/target.h"
#include "reconciler/plan/file.h"

#define JSON_NAME_SIZE_MAX (1u << 20) /* a name of 64 KiB, every byte escaped */

static int
compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

bool
kb_members_digest(const char **ids, size_t len, char ret[KB_DIGEST_SIZE])
{
    struct kb_hash hash;

    if (len)
        qsort(ids, len, sizeof(*ids), compare_ids);
    kb_hash_init(&hash);
    for (size_t i = 0; i < len; i++) {
        if (i)
            kb_hash_add(&hash, "\n", 1);
        kb_hash_adds(&hash, ids[i]);
    }
    return kb_hash_final_digest(&hash, ret);
}

static void
add_line(struct kb_hash *hash, const char *s)
{
    kb_hash_adds(hash, s);
    kb_hash_add(hash, "\n", 1);
}

/* The name as a JSON string: a line feed in it cannot pretend to be another line. */
static bool
group_fingerprint(const struct kb_plan *plan, struct kb_plan_group *group)
{
    KB_CLEANUP(kb_buf) struct kb_buf name = KB_BUF_INIT(JSON_NAME_SIZE_MAX);
    struct kb_hash hash;

    kb_buf_add_json(&name, kb_plan_str(plan, group->name));
    if (name.failed)
        return false;
    kb_hash_init(&hash);
    add_line(&hash, kb_buf_str(&name));
    add_line(&hash, kb_plan_str(plan, group->id));
    add_line(&hash, group->create ? "create" : "update");
    add_line(&hash, group->precondition);
    for (uint32_t i = 0; i < group->ops_len; i++) {
        const struct kb_plan_op *op = &plan->ops[group->ops_start + i];
        kb_hash_adds(&hash, kb_op_name(op->op));
        kb_hash_adds(&hash, " ");
        kb_hash_adds(&hash, kb_principal_kind_name(op->kind));
        kb_hash_adds(&hash, " ");
        kb_hash_adds(&hash, kb_plan_str(plan, op->id));
        kb_hash_adds(&hash, " ");
        add_line(&hash, kb_cause_name(op->cause));
    }
    return kb_hash_final_digest(&hash, group->fingerprint);
}

int
kb_plan_fingerprint(struct kb_plan *plan, struct kb_error *err)
{
    struct kb_hash hash;

    for (uint32_t i = 0; i < plan->groups_len; i++) {
        if (!group_fingerprint(plan, &plan->groups[i]))
            return kb_fail(err, KB_E_NOMEM, "fingerprint of a group: out of memory");
    }
    kb_hash_init(&hash);
    add_line(&hash, "keybricks.plan/1");
    add_line(&hash, kb_plan_str(plan, plan->target_name));
    add_line(&hash, kb_plan_str(plan, plan->target_host));
    add_line(&hash, plan->rules_digest);
    for (uint32_t i = 0; i < plan->groups_len; i++)
        add_line(&hash, plan->groups[i].fingerprint);
    if (!kb_hash_final_digest(&hash, plan->fingerprint))
        return kb_fail(err, KB_E_NOMEM, "fingerprint of the plan: out of memory");
    return 0;
}

void
kb_fingerprint_short(const char *digest, char ret[20])
{
    const char *hex = strncmp(digest, "sha256:", 7) ? digest : digest + 7;
    size_t n = 0;

    for (size_t i = 0; i < 16 && hex[i]; i++) {
        if (i && i % 4 == 0)
            ret[n++] = '-';
        ret[n++] = hex[i];
    }
    ret[n] = '\0';
}
