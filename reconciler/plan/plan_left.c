#include "base/ban.h"

#include "reconciler/plan/plan_left.h"

#include "base/mem.h"
#include "model/near.h"
#include "reconciler/plan/plan_directory.h"

#define NOTE_SIZE 512

int
kb_left_freeze(struct kb_plan_work *work, const struct kb_plan_job *job, const char *note)
{
    return kb_left_add(work, KB_LEFT_FROZEN, job->text, 0, note);
}

int
kb_left_unknown(struct kb_plan_work *work, const struct kb_plan_job *job, kb_text name, uint32_t user)
{
    const struct kb_realm *realm = work->in->realm;
    const struct kb_user *u = &realm->users[user];
    int r = 0;

    /* The record of somebody of a directory comes from a cache that may say enabled for ever; the lists ask the
     * directory itself. */
    if (u->directory)
        return kb_directory_leave_disabled(work, job, name, user);
    if (!(u->flags & (KB_USER_LOOKED_UP | KB_USER_GONE)))
        r = kb_plan_need_lookup(work, kb_realm_str(realm, u->id));
    if (r < 0)
        return r;
    return kb_left_add(work, KB_LEFT_UNPROVEN, job->text, name,
                       "Keycloak's details of this account could not be read");
}

/* As they are called in Databricks when the match says so, else by the key that was looked for. */
static kb_text
person_name(struct kb_plan_work *work, uint32_t user)
{
    const struct kb_realm *realm = work->in->realm;
    uint32_t principal = work->in->desired->matches[user].principal;
    const char *key;

    if (principal < work->in->target->principals_len)
        return kb_plan_principal_text(work, principal, KB_PART_NAME);
    key = kb_match_key(work->in->rules, realm, &realm->users[user]);
    if (!key || realm->users[user].flags & KB_USER_SERVICE_ACCOUNT)
        key = kb_realm_str(realm, realm->users[user].username);
    if (!*key)
        key = kb_realm_str(realm, realm->users[user].id);
    return kb_pool_adds(&work->plan->pool, key);
}

/* The likeness is told by the other one's id and by where the two part: names that look alike would show
 * nothing, and masking knows no ids. */
static const char *
unmatched_note(const struct kb_plan_work *work, uint32_t user, char buf[NOTE_SIZE])
{
    const struct kb_realm *realm = work->in->realm;
    const struct kb_user *u = &realm->users[user];
    bool service = u->flags & KB_USER_SERVICE_ACCOUNT;
    const struct kb_near *near = kb_match_near(work->in->desired->near, work->in->desired->near_len, user);
    const char *note = service ? "no Databricks service principal for it" : "no Databricks user of that name";
    char difference[KB_NEAR_DIFFERENCE_SIZE];

    if (!near)
        return note;
    (void) kb_near_difference(near->own, near->key, difference);
    (void) snprintf(buf, NOTE_SIZE, "%s; near-duplicate of %s %.200s (%s)", note,
                    !near->principal ? "Keycloak user"
                    : service        ? "Databricks service principal"
                                     : "Databricks user",
                    near->id, difference);
    return buf;
}

static int
left_person(struct kb_plan_work *work, const struct kb_plan_job *job, uint32_t user)
{
    enum kb_left list = KB_LEFT_UNMATCHED;
    const char *note = NULL;
    char buf[NOTE_SIZE];

    switch ((enum kb_match_verdict) work->in->desired->matches[user].verdict) {
    case KB_MATCH_UNMATCHED:
        note = unmatched_note(work, user, buf);
        break;
    case KB_MATCH_UNVERIFIED:
        note = "the e-mail address is not verified in Keycloak";
        break;
    case KB_MATCH_NO_KEY:
        note = "no e-mail, name or attribute in Keycloak to compare";
        break;
    case KB_MATCH_AMBIGUOUS:
        list = KB_LEFT_AMBIGUOUS;
        note = "two people in Keycloak for one in Databricks, or the other way round";
        break;
    case KB_MATCH_LOCKED_OUT:
        list = KB_LEFT_LOCKED_OUT;
        note = "locked out after failed logins; a lockout is not a decision";
        break;
    case KB_MATCH_UNKNOWN:
        return kb_left_unknown(work, job, person_name(work, user), user);
    case KB_MATCHED:
    case KB_MATCH_NOT_ASKED:
    case KB_MATCH_EXCLUDED:
    case KB_MATCH_DISABLED:
    case KB_MATCH_OFF:
        return 0;
    }
    return note ? kb_left_add(work, list, job->text, person_name(work, user), note) : 0;
}

int
kb_left_people(struct kb_plan_work *work, const struct kb_plan_job *job)
{
    const struct kb_desired *desired = work->in->desired;

    for (uint32_t i = 0; i < job->desired->users.len; i++) {
        uint32_t user = job->desired->users.v[i];
        int r;
        if (user >= desired->matches_len || (work->user_selected && !work->user_selected[user]))
            continue;
        r = left_person(work, job, user);
        if (r < 0)
            return r;
    }
    return 0;
}

static int
compare_left(const void *a, const void *b, void *userdata)
{
    const struct kb_left_alone *x = a, *y = b;
    const struct kb_plan *plan = userdata;
    int c = (x->list > y->list) - (x->list < y->list);

    if (!c)
        c = strcmp(kb_plan_str(plan, x->group), kb_plan_str(plan, y->group));
    if (!c)
        c = strcmp(kb_plan_str(plan, x->name), kb_plan_str(plan, y->name));
    return c ? c : strcmp(kb_plan_str(plan, x->note), kb_plan_str(plan, y->note));
}

void
kb_left_sort(struct kb_plan *plan)
{
    uint32_t kept = 0;

    if (!plan->left_len)
        return;
    qsort_r(plan->left, plan->left_len, sizeof(*plan->left), compare_left, plan);
    for (uint32_t i = 1; i < plan->left_len; i++) {
        const struct kb_left_alone *last = &plan->left[kept], *this = &plan->left[i];
        if (last->list == this->list &&
            !strcmp(kb_plan_str(plan, last->group), kb_plan_str(plan, this->group)) &&
            !strcmp(kb_plan_str(plan, last->name), kb_plan_str(plan, this->name)))
            continue;
        plan->left[++kept] = *this;
    }
    plan->left_len = kept + 1;
}
