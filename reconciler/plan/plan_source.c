#include "base/ban.h"

#include "reconciler/plan/plan_source.h"

#include "base/mem.h"

static void
count_read(struct kb_plan *plan, const struct kb_read *read)
{
    if (read->status == KB_READ_NOT_ASKED)
        return;
    plan->source_lists++;
    plan->source_lists_ok += kb_read_ok(read);
}

static void
describe_source(struct kb_plan *plan, const struct kb_plan_input *in)
{
    const struct kb_realm *realm = in->realm;

    for (uint32_t i = 0; i < realm->roles_len; i++) {
        const struct kb_role *role = &realm->roles[i];
        plan->source_roles += role->wanted;
        count_read(plan, &role->children_read);
        count_read(plan, &role->holders_read);
        count_read(plan, &role->groups_read);
    }
    for (uint32_t i = 0; i < realm->groups_len; i++) {
        plan->source_groups += realm->groups[i].wanted;
        count_read(plan, &realm->groups[i].members_read);
    }
    count_read(plan, &realm->roles_read);
    count_read(plan, &realm->groups_read);
    count_read(plan, &realm->clients_read);
    count_read(plan, &realm->disabled_read);
    count_read(plan, &realm->directories_read);
    plan->source_users = in->desired->users_behind;
    plan->source_complete = plan->source_lists == plan->source_lists_ok;
    plan->client_composites_unread = realm->client_composites_unread;
    plan->clients_denied = realm->clients_read.status == KB_READ_DENIED;
    plan->organizations = realm->organizations;
}

static int
compare_users(const void *a, const void *b, void *userdata)
{
    const struct kb_realm *realm = userdata;

    return strcmp(kb_realm_str(realm, realm->users[*(const uint32_t *) a].id),
                  kb_realm_str(realm, realm->users[*(const uint32_t *) b].id));
}

static void
hash_group(struct kb_hash *hash, const struct kb_realm *realm, const uint32_t *sorted, struct kb_u32s *ranks)
{
    kb_u32s_sort_unique(ranks);
    for (uint32_t i = 0; i < ranks->len; i++) {
        kb_hash_adds(hash, kb_realm_str(realm, realm->users[sorted[ranks->v[i]]].id));
        kb_hash_add(hash, "\n", 1);
    }
}

/* Over each managed group's name and the Keycloak ids that hold it. Users are put in order once, by id: their
 * places in the arrays follow the order of the answers and must show nowhere. */
static int
source_digest(struct kb_plan_work *work)
{
    const struct kb_realm *realm = work->in->realm;
    const struct kb_desired *desired = work->in->desired;
    size_t users = (size_t) realm->users_len + 1;
    KB_CLEANUP(kb_free) uint32_t *sorted = malloc(users * sizeof(*sorted));
    KB_CLEANUP(kb_free) uint32_t *rank = malloc(users * sizeof(*rank));
    struct kb_u32s ranks = {0};
    struct kb_hash hash;
    bool ok = sorted && rank;

    if (!ok)
        return kb_plan_nomem(work);
    for (uint32_t u = 0; u < realm->users_len; u++)
        sorted[u] = u;
    qsort_r(sorted, realm->users_len, sizeof(*sorted), compare_users, (void *) (uintptr_t) realm);
    for (uint32_t u = 0; u < realm->users_len; u++)
        rank[sorted[u]] = u;
    kb_hash_init(&hash);
    for (uint32_t g = 0; ok && g < desired->groups_len; g++) {
        const struct kb_u32s *holders = &desired->groups[g].users;
        ranks.len = 0;
        for (uint32_t i = 0; ok && i < holders->len; i++)
            ok = holders->v[i] >= realm->users_len || kb_u32s_add(&ranks, rank[holders->v[i]]);
        kb_hash_adds(&hash, work->in->scope->managed[desired->groups[g].managed].name);
        kb_hash_add(&hash, "\n\n", 2);
        hash_group(&hash, realm, sorted, &ranks);
    }
    kb_u32s_done(&ranks);
    if (!kb_hash_final_digest(&hash, work->plan->source_digest) || !ok)
        return kb_plan_nomem(work);
    return 0;
}

static void
describe_target(struct kb_plan_work *work)
{
    const struct kb_target *target = work->in->target;
    struct kb_plan *plan = work->plan;

    for (uint32_t i = 0; i < work->in->scope->managed_len; i++) {
        const char *other;
        bool twice;
        uint32_t at = kb_plan_find_group(work, work->in->scope->managed[i].name, &other, &twice);
        const struct kb_target_group *group;
        if (at == KB_NONE || twice)
            continue;
        group = &target->groups[at];
        plan->target_groups++;
        plan->target_memberships += group->members.len;
        plan->target_read_now += group->from == KB_MEMBERS_NOW;
        if (group->from == KB_MEMBERS_SNAPSHOT &&
            (!plan->target_snapshot_s || group->read_at_s < plan->target_snapshot_s))
            plan->target_snapshot_s = group->read_at_s;
    }
}

int
kb_plan_describe(struct kb_plan_work *work)
{
    const struct kb_plan_input *in = work->in;
    struct kb_plan *plan = work->plan;

    const struct {
        kb_text *to;
        const char *from;
    } texts[] = {{&plan->tool, in->tool},
                 {&plan->issuer, kb_realm_str(in->realm, in->realm->issuer)},
                 {&plan->realm, kb_realm_str(in->realm, in->realm->name)},
                 {&plan->target_name, kb_target_str(in->target, in->target->name)},
                 {&plan->target_level, kb_target_str(in->target, in->target->level)},
                 {&plan->target_host, kb_target_str(in->target, in->target->host)}};

    for (size_t i = 0; i < KB_LEN(texts); i++) {
        *texts[i].to = kb_pool_adds(&plan->pool, texts[i].from);
        if (*texts[i].to == KB_NONE)
            return kb_plan_nomem(work);
    }
    if (strlen(in->run_id) >= sizeof(plan->run_id) || strlen(in->rules->digest) >= sizeof(plan->rules_digest))
        return kb_fail(work->err, KB_E_BUG, "plan: a run id or rules digest is too long");
    memcpy(plan->run_id, in->run_id, strlen(in->run_id) + 1);
    memcpy(plan->rules_digest, in->rules->digest, strlen(in->rules->digest) + 1);
    plan->at_s = in->at_s;
    plan->rules_changed =
        *in->applied_rules_digest && strcmp(in->applied_rules_digest, in->rules->digest) != 0;
    plan->no_ledger = in->no_ledger;
    plan->narrowed = in->groups || in->users || in->no_removals;
    describe_source(plan, in);
    describe_target(work);
    return source_digest(work);
}
