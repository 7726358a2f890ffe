/* reconciler/apply/apply.h: does what a plan says: intent (durable) -> PATCH -> read back -> outcome.
 *
 * Why:    the only room that may ask for a write. Each mutating request has a durable intent row before it
 * leaves; the outcome row is written when the group was read back, so it says what is true, not what the
 * server claimed. A run that is killed in between leaves open intents, and the next run resolves them by
 * reading (docs/decisions/0005). Owns:   struct apply belongs to the caller; everything it points to is
 * borrowed. Errors: what happens to single operations ends in op->result; a failing database ends the run
 * (KB_E_STORE): nothing further is sent. Source: interface.md sections 3 (proof, run.verify_s), 4
 * (write_errors), 6, 7; reliability 2.4.
 */
#ifndef KB_APPLY_APPLY_H
#define KB_APPLY_APPLY_H

#include "base/http.h"
#include "keycloak/reader.h"
#include "model/plan.h"
#include "reconciler/plan/guards.h"
#include "reconciler/plan/planner.h"
#include "reconciler/plan/scope.h"
#include "scim/patch.h"
#include "scim/reader.h"
#include "store/store.h"

struct work;

struct apply {
    struct kb_http *http;
    struct store *store;
    struct scim *scim;
    struct kc *kc;
    const struct kb_rules *rules;
    const struct kb_scope *scope;
    struct kb_realm *realm;
    struct kb_target *target;
    struct kb_plan *plan;
    const struct kb_plan *
        fresh; /* whose ledger rows and drift are recorded: the plan itself, or the one behind a saved plan */
    const char *run_id;
    int64_t verify_s;
    unsigned parallel; /* groups at the same time */
    struct kb_approval *approvals;
    size_t approvals_len;
    struct kb_stuck *stuck; /* as planned with */
    size_t stuck_len;

    /* Results. */
    uint32_t writes;                        /* mutating requests sent */
    uint32_t added, removed;                /* members, proven by reading back */
    uint32_t rejected, unverified, dropped; /* operations */
    uint32_t held_back;                     /* operations not sent because of guard write_errors */
    uint32_t moved;                         /* groups refused because their members changed since the plan */
    uint32_t unproven;                      /* operations left out by the proof */
    uint32_t
        contradicted; /* removals dropped: the person has the role through a client's role, and view-clients is missing */
    bool write_errors; /* guard write_errors stopped the run */
    bool stopped;      /* signal or deadline */

    /* Private. */
    uint32_t write_failures, failures_in_a_row;
    struct work *
        works; /* changed groups, in plan order: at most `parallel` of them are on their way at a time, so that
                           the breaker stops what was not begun, and what is read again is soon written */
    size_t works_len, works_next;
    unsigned in_flight;
    uint32_t requests;      /* numbers the requests of this run */
    struct kb_error failed; /* first failure of the database or of our own */
};

/* Leaves out what is not proven: for every ready removal two endpoints of Keycloak must agree (interface,
 * "Proof of absence"). What is left out becomes frozen, with a note, and stands in left_alone.unproven; what the missing
 * view-clients explains is taken out of the plan and counted (interface, "Client roles"). */
int apply_prove(struct apply *a, struct kb_error *err);

/* Writes what is ready. */
int apply_write(struct apply *a, struct kb_error *err);

/* Open intents of a killed run: reads their groups and records the outcome. Before anything is planned.
 * *ret_resolved counts. */
int apply_recover(struct apply *a, uint32_t *ret_resolved, struct kb_error *err);

/* Ledger rows that need no request (adopt, clean), and audit rows for drift. One transaction. */
int apply_ledger(struct apply *a, struct kb_error *err);

#endif
