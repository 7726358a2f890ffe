/* User directories behind the realm: whom to ask, what was seen before, what is remembered for the next run.
 * Source: interface.md section 3 "Directories". */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/directories.h"
#include "store/ledger.h"

#define SEEN_APART_S 600 /* two complete readings at least so far apart */

/* ---- before the reading: who can be asked ---- */

static int
on_ledger_user(void *userdata, const char *user_id, const char *directory, struct kb_error *err)
{
    struct run *run = userdata;
    return kc_witness_know(run->kc, user_id, directory, err);
}

int
run_directories_know(struct run *run, struct kb_error *err)
{
    int e = 0;
    for (size_t i = 0; e >= 0 && i < run->targets_len; i++)
        if (run->targets[i].outcome.code == EXIT_OK && run->targets[i].store)
            e = store_ledger_users_each(run->targets[i].store, on_ledger_user, run, err);
    return e;
}

/* ---- after it: the witness ---- */

int
run_directories_ask(struct run *run, struct kb_error *err)
{
    int e = kc_witness(run->kc, err);
    return e < 0 ? e : kb_http_run(run->http, err);
}

bool
run_directories_down(const struct kb_realm *realm)
{
    for (uint32_t i = 0; i < realm->directories_len; i++)
        if (realm->directories[i].status == KB_DIRECTORY_DOWN)
            return true;
    return false;
}

void
run_directories_log(const struct run *run)
{
    static const char *const words[] = {"unwitnessed", "up", "down"};
    for (uint32_t i = 0; i < run->realm.directories_len; i++) {
        const struct kb_directory *d = &run->realm.directories[i];
        bool down = d->status == KB_DIRECTORY_DOWN;
        const char *name = kb_realm_directory_name(&run->realm, kb_realm_str(&run->realm, d->id));
        KB_LOG(down ? KB_LOG_WARN : KB_LOG_INFO, "directory",
               (KB_F("name", name), KB_F("status", words[d->status]),
                KB_F("note", kb_realm_str(&run->realm, d->note))),
               "directory %s is %s", name, words[d->status]);
    }
}

/* ---- who is disabled in a directory, and since when ---- */

static bool
only_shown_disabled(const struct kb_user *u)
{
    return u->directory && u->username &&
           !(u->flags & (KB_USER_ENABLED | KB_USER_DISABLED_STORED | KB_USER_LOCKED_OUT | KB_USER_GONE));
}

static int
on_disabled(void *userdata, const char *user_id, int64_t since_s, struct kb_error *err)
{
    const struct run_target *t = userdata;
    struct kb_realm *realm = &t->run->realm;
    uint32_t user = kb_realm_user(realm, user_id);
    if (user == KB_NONE || !only_shown_disabled(&realm->users[user]))
        return 0;
    if (!kb_grow(&realm->directory_disabled, &realm->directory_disabled_cap,
                 (size_t) realm->directory_disabled_len + 1, sizeof(*realm->directory_disabled), UINT32_MAX))
        return kb_fail(err, KB_E_NOMEM, "people disabled in a directory");
    realm->directory_disabled[realm->directory_disabled_len++] =
        (struct kb_directory_disabled){user, since_s};
    return 0;
}

/* After each round of reading, since a directory may have gone down or a stored flag come up. */
static void
believe(struct run_target *t)
{
    struct kb_realm *realm = &t->run->realm;
    for (uint32_t i = 0; i < realm->users_len; i++)
        realm->users[i].flags &= (uint16_t) ~KB_USER_DISABLED_BELIEVED;
    if (!t->run->config->rules.match.directory_disabled_remove ||
        !kb_read_ok(&realm->disabled_read)) /* the stored flag is not known */
        return;
    for (uint32_t i = 0; i < realm->directory_disabled_len; i++) {
        const struct kb_directory_disabled *d = &realm->directory_disabled[i];
        struct kb_user *u = &realm->users[d->user];
        if (only_shown_disabled(u) && kb_realm_directory_up(realm, kb_realm_str(realm, u->directory)) &&
            t->run->at_s - d->since_s >= SEEN_APART_S)
            u->flags |= KB_USER_DISABLED_BELIEVED;
    }
}

int
run_directories_believe(struct run_target *t, struct kb_error *err)
{
    t->run->realm.directory_disabled_len = 0;
    int e = t->store ? store_disabled_each(t->store, on_disabled, t, err) : 0;
    believe(t);
    return e;
}

/* What this reading saw, when it was complete. A directory that is not up was not seen at all. */
static int
save_disabled(struct run_target *t, struct kb_error *err)
{
    struct kb_realm *realm = &t->run->realm;
    int e = 0;
    for (uint32_t i = 0; e >= 0 && i < realm->directories_len; i++)
        if (realm->directories[i].status == KB_DIRECTORY_UP)
            e = store_disabled_clear(t->store, kb_realm_str(realm, realm->directories[i].id), err);
    for (uint32_t i = 0; e >= 0 && i < realm->users_len; i++) {
        const struct kb_user *u = &realm->users[i];
        const char *directory = kb_realm_str(realm, u->directory);
        if (only_shown_disabled(u) && kb_realm_directory_up(realm, directory))
            e = store_disabled_set(t->store, kb_realm_str(realm, u->id), directory,
                                   kb_realm_directory_disabled_since(realm, i, t->run->at_s), err);
    }
    return e;
}

/* ---- the ledger follows people who change directories ---- */

struct moved {
    const struct kb_realm *realm;
    struct kb_u32s users;
};

static int
on_moved(void *userdata, const char *user_id, const char *directory, struct kb_error *err)
{
    struct moved *m = userdata;
    uint32_t user = kb_realm_user(m->realm, user_id);
    if (user == KB_NONE)
        return 0;
    const struct kb_user *u = &m->realm->users[user];
    if (!u->username || u->flags & KB_USER_GONE || !strcmp(kb_realm_str(m->realm, u->directory), directory))
        return 0;
    return kb_u32s_add(&m->users, user) ? 0 : kb_fail(err, KB_E_NOMEM, "ledger");
}

static int
refresh_ledger(struct run_target *t, struct kb_error *err)
{
    struct moved m = {.realm = &t->run->realm};
    int e = store_ledger_users_each(t->store, on_moved, &m, err);
    kb_u32s_sort_unique(&m.users);
    for (uint32_t i = 0; e >= 0 && i < m.users.len; i++) {
        const struct kb_user *u = &m.realm->users[m.users.v[i]];
        e = store_ledger_directory(t->store, kb_realm_str(m.realm, u->id),
                                   kb_realm_str(m.realm, u->directory), err);
    }
    kb_u32s_done(&m.users);
    return e;
}

int
run_directories_save(struct run_target *t, struct kb_error *err)
{
    const struct kb_plan *plan = t->run->opts.command == RUN_APPLY ? &t->fresh : &t->plan;
    int e = plan->source_complete ? save_disabled(t, err) : 0;
    return e < 0 ? e : refresh_ledger(t, err);
}
