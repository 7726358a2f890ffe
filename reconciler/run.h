/* reconciler/run.h: one execution: configuration and options in, plans and outcomes out.
 *
 * Why:    plan, sync and apply are the same straight page (architecture, section 3); nothing has its own
 * reader or planner. Owns:   run_new makes, run_free frees everything below struct run.
 */
#ifndef KB_RUN_H
#define KB_RUN_H

#include "keycloak/auth.h"
#include "keycloak/events.h"
#include "keycloak/reader.h"
#include "reconciler/apply/apply.h"
#include "reconciler/config/config.h"
#include "reconciler/outcome.h"
#include "reconciler/plan/planner.h"
#include "scim/auth.h"
#include "store/runs.h"

enum run_command { RUN_PLAN, RUN_SYNC, RUN_APPLY };

enum run_refresh { RUN_REFRESH_AUTO, RUN_REFRESH_ALWAYS, RUN_REFRESH_NEVER };

struct run;

struct run_target {
    struct run *run;
    const struct config_target *config;
    struct store *store;
    bool no_ledger; /* the state could not be read: said in the first line */
    char no_ledger_why[200];
    struct kb_http_peer *peer;
    struct scim_auth *auth;
    struct scim *scim;
    struct kb_target target;
    struct kb_scope scope;
    struct kb_known known;
    bool scoped, listed;   /* the two halves that reading single groups waits for */
    bool remembered;       /* who bears which name is the snapshot's word, but for those looked up by name */
    bool surprised;        /* a look-up contradicted it */
    uint32_t people_pages; /* requests that the lists of people would take */
    struct kb_u32s asked;  /* realm users without a match who were looked up */
    struct kb_desired desired;
    struct kb_plan plan;
    struct kb_plan fresh; /* apply: what would be planned now, behind the saved plan */
    bool planned;
    struct kb_stuck *stuck; /* pairs that stay unverified */
    size_t stuck_len;
    struct kb_history history;
    struct kb_approval *approvals;
    size_t approvals_len;
    struct store_approval *approval_rows; /* what the approvals borrow from */
    struct apply apply;
    uint32_t resolved; /* open intents of a killed run */
    uint32_t refused;  /* groups of a saved plan that moved since: stale, which is less than frozen */
    struct outcome outcome;
    char checkpoint[96];    /* "SIZE:HASH" of the chain when the run was recorded, "" before */
    struct kb_error failed; /* first failure inside a callback */
};

struct run_opts {
    enum run_command command;
    enum run_refresh refresh;
    struct kb_strings groups, users; /* selectors */
    bool no_removals;
    struct kb_plan *saved; /* apply: the plan from the file; its target takes it, and leaves an empty one */
    bool quiet;
    const char *who; /* explain: somebody to look for; the state is only read then */
    /* Called for each target whose plan is made and judged (and proven), before anything is written. */
    int (*show)(void *userdata, struct run_target *target, struct kb_error *err);
    /* Called for each target after it was applied, and for those without a plan too. */
    void (*shown)(void *userdata, struct run_target *target);
    void *userdata;
};

struct run {
    const struct config *config;
    struct run_opts opts;
    char id[KB_UUID_SIZE];
    int64_t at_s;
    struct kb_http *http;
    struct kc_auth *kc_auth;
    struct kb_http_peer *kc_peer;
    struct kc *kc;
    struct kb_realm realm;
    bool reread; /* the lists were read a second time, for directories without a known witness */
    char issuer[2200];
    struct run_target *targets;
    size_t targets_len;
    enum kc_events_end events; /* OFF or DENIED: was asked once, holds for all targets */
    struct outcome outcome;    /* of the whole */
};

/* `targets`: chosen ones, in the order of the file. Opens nothing yet. */
int run_new(const struct config *config, const struct config_target *const *targets, size_t targets_len,
            const struct run_opts *opts, struct run **ret, struct kb_error *err);
void run_free(struct run *run);

/* Everything; what happened stands in run->outcome. */
void run_execute(struct run *run);

/* ---- the parts, in files of their own ---- */

/* run_open.c: transport, peers, readers; databases and locks. */
int run_open_http(struct run *run, struct kb_error *err);
int run_open_target(struct run_target *t, struct kb_error *err);

/* run_read.c: both servers at the same time. */
void run_read(struct run *run);
void run_on_catalog(void *userdata); /* struct run: what must be read is known */
void run_on_lists(void *userdata);   /* struct run_target: the listings have answered */
int run_read_needs(struct run_target *t, struct kb_plan_needs *needs, struct kb_error *err);

/* run_people.c: users and service principals, from the snapshot where that is enough. _need: after a plan was made;
 * *ret_again: it must be made anew. `last`: no further round of look-ups. */
int run_people_remember(struct run_target *t, struct kb_error *err);
void run_people_self(struct run_target *t);
int run_people_need(struct run_target *t, bool last, bool *ret_again, struct kb_error *err);

/* run_directories.c: user directories behind the realm. */
int run_directories_know(struct run *run, struct kb_error *err); /* before the reading */
int run_directories_ask(struct run *run, struct kb_error *err);  /* after each piece of it */
void run_directories_log(const struct run *run);
bool run_directories_down(const struct kb_realm *realm); /* one of them: the reading is not complete */
int run_directories_believe(struct run_target *t, struct kb_error *err); /* before the target is planned */
int run_directories_save(struct run_target *t, struct kb_error *err);

/* run_users.c: people whom match.missing_users = "create" would make. After _forget no snapshot keeps them. */
int run_users_new(struct run_target *t, bool *ret_added, struct kb_error *err);
void run_users_forget(struct run_target *t);

/* run_check.c: what the configuration or the command line names and nobody has. */
int run_read_vanished(struct run_target *t, struct kb_error *err);
int run_keep_vanished(struct run_target *t, struct kb_error *err);
void run_say_selectors(const struct run_target *t);
void run_say_gone(const struct run_target *t);
void run_say_rights(const struct run *run); /* after the reading */
uint32_t run_unlisted(const struct run_target *t);

/* run_history.c: what the guards need from the store, and what the store keeps for them. */
int run_history_load(struct run_target *t, struct kb_error *err);
int run_history_save(struct run_target *t, struct kb_error *err);
int run_approvals_load(struct run_target *t, struct kb_error *err);

/* run_known.c: which roles and groups the rules meant, for guard source_object_gone. */
int run_known_load(struct run_target *t, struct kb_error *err);
int run_known_save(struct run_target *t, struct kb_error *err);

/* run_events.c: which admin event explains which operation of `plan`; asked once, and what goes wrong is a line
 * of the report. < 0: out of memory. */
int run_events(struct run_target *t, struct kb_plan *plan, struct kb_error *err);

/* run_who.c: the person of `explain`, after the reading. */
int run_who(struct run *run, struct kb_error *err);

/* run_saved.c: a saved plan against a fresh one. */
int run_saved_plan(struct run_target *t, struct kb_error *err);

/* run_record.c: run rows, guards, checkpoint, held plan. */
int run_record_start(struct run_target *t, struct kb_error *err);
int run_record_guards(struct run_target *t, struct kb_error *err);
int run_record_end(struct run_target *t, struct kb_error *err);

#endif
