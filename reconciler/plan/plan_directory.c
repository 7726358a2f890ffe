#include "base/ban.h"

#include "reconciler/plan/plan_directory.h"

#include "base/mem.h"
#include "base/str.h"

#define DIRECTORIES_MAX 65536

bool
kb_directory_forbids(const struct kb_plan_work *work, const char *directory, bool gone)
{
    const struct kb_realm *realm = work->in->realm;

    if (!*directory || kb_realm_directory_up(realm, directory))
        return false;
    return !gone || !kb_realm_directory_removed(realm, directory);
}

bool
kb_directory_down(const struct kb_plan_work *work, const char *directory)
{
    uint32_t row = kb_realm_directory(work->in->realm, directory);

    return row != KB_NONE && work->in->realm->directories[row].status == KB_DIRECTORY_DOWN;
}

int
kb_directory_leave(struct kb_plan_work *work, const struct kb_plan_job *job, kb_text name,
                   const char *directory)
{
    uint32_t row = kb_realm_directory(work->in->realm, directory);
    char note[320];

    if (row != KB_NONE)
        work->directory_mattered[row] = true;
    if (!kb_directory_down(work, directory))
        work->needs->witness = true;
    kb_plan_note(note, sizeof(note), "directory ", kb_realm_directory_name(work->in->realm, directory),
                 " is down");
    return kb_left_add(work, KB_LEFT_UNPROVEN, job->text, name, note);
}

bool
kb_directory_forbids_nobody(struct kb_plan_work *work, const struct kb_plan_job *job, kb_text name, int *ret)
{
    const struct kb_realm *realm = work->in->realm;
    char note[320];

    if (!kb_realm_directory_doubt(realm))
        return false;
    for (uint32_t i = 0; i < realm->directories_len; i++) {
        const char *id = kb_realm_str(realm, realm->directories[i].id);
        if (kb_directory_forbids(work, id, true)) {
            *ret = kb_directory_leave(work, job, name, id);
            return true;
        }
    }
    kb_plan_note(note, sizeof(note), "nobody of that name, but ", kb_realm_directory_doubt(realm), "");
    *ret = kb_left_add(work, KB_LEFT_UNPROVEN, job->text, name, note);
    return true;
}

int
kb_directory_leave_disabled(struct kb_plan_work *work, const struct kb_plan_job *job, kb_text name,
                            uint32_t user)
{
    const struct kb_realm *realm = work->in->realm;
    const char *id = kb_realm_str(realm, realm->users[user].directory);
    char note[384], time[KB_TIME_SIZE], since[KB_TIME_SIZE + 16];
    int r;

    if (kb_directory_down(work, id))
        return kb_directory_leave(work, job, name, id);
    (void) snprintf(since, sizeof(since), " since %s",
                    kb_time_format(kb_realm_directory_disabled_since(realm, user, work->in->at_s), time));
    kb_plan_note(note, sizeof(note), "disabled in directory ", kb_realm_directory_name(realm, id), since);
    r = kb_left_add(work, KB_LEFT_UNPROVEN, job->text, name, note);
    if (r >= 0)
        work->plan->left[work->plan->left_len - 1].waits = true;
    return r;
}

static int
compare(const void *a, const void *b, void *userdata)
{
    const struct kb_plan_directory *x = a, *y = b;
    const struct kb_plan *plan = userdata;
    int c = strcmp(kb_plan_str(plan, x->name), kb_plan_str(plan, y->name));

    return c ? c : strcmp(kb_plan_str(plan, x->note), kb_plan_str(plan, y->note));
}

int
kb_directory_describe(struct kb_plan_work *work)
{
    const struct kb_realm *realm = work->in->realm;
    struct kb_plan *plan = work->plan;

    for (uint32_t i = 0; i < realm->directories_len; i++) {
        const struct kb_directory *d = &realm->directories[i];
        bool down = d->status == KB_DIRECTORY_DOWN;
        if (!down && !work->directory_mattered[i])
            continue;
        if (!kb_grow(&plan->directories, &plan->directories_cap, (size_t) plan->directories_len + 1,
                     sizeof(*plan->directories), DIRECTORIES_MAX))
            return kb_plan_nomem(work);
        struct kb_plan_directory *row = &plan->directories[plan->directories_len++];
        *row = (struct kb_plan_directory){
            .name = kb_pool_adds(&plan->pool, kb_realm_directory_name(realm, kb_realm_str(realm, d->id))),
            .note = kb_pool_adds(&plan->pool, kb_realm_str(realm, d->note)),
            .down = down};
        if (row->name == KB_NONE || row->note == KB_NONE)
            return kb_plan_nomem(work);
        plan->source_complete = plan->source_complete && !down;
    }
    if (plan->directories_len)
        qsort_r(plan->directories, plan->directories_len, sizeof(*plan->directories), compare, plan);
    return 0;
}
