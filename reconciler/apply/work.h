/* reconciler/apply/work.h: one changed group on its way. Private to apply/.
 *
 * Owns: a work owns its arrays (work_done); ids are borrowed from the plan's pool.
 */
#ifndef KB_APPLY_WORK_H
#define KB_APPLY_WORK_H

#include "reconciler/apply/apply.h"

struct work_request {
    int64_t seq;   /* of its intent row, 0 none */
    char name[64]; /* "RUN-NUMBER": by this the outcome row answers the intent */
    struct scim_slice slice;
    bool sent, create;
    bool halved; /* the server found it too large: its members went on in smaller requests */
    struct scim_write write;
};

struct work {
    struct apply *a;
    uint32_t group;  /* index into plan->groups */
    uint32_t tgroup; /* index into target->groups, KB_NONE until it exists */
    bool create;     /* the first request is the POST */
    const char **add_ids, **remove_ids;
    uint32_t *add_ops, *remove_ops; /* plan operations, parallel to the ids */
    size_t add_len, remove_len;
    struct scim_limits limits; /* what one request may carry */
    struct work_request *requests;
    size_t requests_len, requests_cap;
    size_t removes_sent, adds_sent; /* covered by an intent so far: slices go in order, removals first */
    bool ended;                     /* nothing more will be sent */
    unsigned agreed;                /* readings in a row that show what was asked for */
    bool doubted;                   /* a reading did not: then one that does is not enough */
    bool unreadable;                /* no reading since the last write, or it failed */
};

/* write.c: what the guard write_errors counts; the first failure of our own, which ends the run. */
void work_count(struct apply *a, const struct scim_write *write, bool halved);
void work_fail(struct apply *a, const struct kb_error *why);

/* users.c: makes the users of operations whose principal is "new:…", and puts their ids into the plan. */
int work_users(struct apply *a, struct kb_error *err);

int work_new(struct apply *a, uint32_t group, struct work *ret, struct kb_error *err);
void work_done(struct work *w);

/* Intent row with its ledger rows and used approvals, in one durable transaction. */
int work_intent(struct work *w, struct work_request *r, struct kb_error *err);

/* Reads all written groups back, with pauses, until they agree or verify_s is over. Then outcome rows. */
int work_verify(struct apply *a, struct work *works, size_t len, struct kb_error *err);

/* Waits before reading once more: 1, 2, 5, 15, 45, 60 s by `round`. *ret_over: that would be over limit_s in all,
 * or the run is stopped. */
int work_pause(struct apply *a, size_t round, int64_t *waited_s, int64_t limit_s, bool *ret_over,
               struct kb_error *err);

/* Marks every operation that was not sent; `held`: by guard write_errors. */
void work_drop_rest(struct work *w, bool held, const char *note);

/* The last readings show what was asked for. */
bool work_agrees(const struct work *w);

/* One outcome row for each request whose outcome is known, with what follows for ledger, stuck pairs and the
 * window of removals; one transaction. */
int work_outcomes(struct work *w, struct kb_error *err);

/* Does the group (as last read) show the slice as asked for? Sets results of its operations when `settle`. */
size_t work_missing(const struct work *w, const struct work_request *r, bool settle);

const char *work_group_id(const struct work *w); /* "" until it exists */

#endif
