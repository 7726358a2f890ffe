/* reconciler/plan/event_match.h: which admin event explains which operation of a plan.
 *
 * Why:    "since when, and by whom" belongs to a reason. A reason is a chain (user in group, group carries
 * role, role in role); the last recorded act that made one of its links is what made the path. For a removal
 * it is the last act that took a link away, wrote the user as disabled, or deleted him. Rule: of acts that say
 * the same again (a role granted twice is recorded twice) the oldest since the opposite counts; of those that
 * were handed over. Events only explain: no operation, state, guard or fingerprint depends on one. Owns:
 * struct kb_event_match is the caller's (kb_event_match_free); it borrows plan and realm, which must not
 * change meanwhile. Source: keycloak-verified.md section 6.
 */
#ifndef KB_PLAN_EVENT_MATCH_H
#define KB_PLAN_EVENT_MATCH_H

#include "base/error.h"
#include "base/mem.h"
#include "model/event.h"
#include "model/plan.h"
#include "model/realm.h"

struct kb_event_match;

/* Events that a plan's removals have from the time they were granted are forgotten: they are not theirs. */
int kb_event_match_new(struct kb_plan *plan, const struct kb_realm *realm, struct kb_event_match **ret,
                       struct kb_error *err);
void kb_event_match_free(struct kb_event_match *match);
KB_DEFINE_CLEANUP(kb_event_match, struct kb_event_match *, kb_event_match_free)

/* Newest first; the same one twice does no harm. Without memory an event is as if it had not been there. */
void kb_event_match_take(struct kb_event_match *match, const struct kb_event *event);

uint32_t kb_event_match_asked(const struct kb_event_match *match); /* operations that an event may explain */
uint32_t kb_event_match_open(const struct kb_event_match *match);  /* of these, how many have none yet */

/* Who did what was chosen: ids, each once, and whether they belong to another realm. Call when all are taken. */
struct kb_event_actor {
    const char *id;       /* borrowed from the match */
    bool elsewhere, used; /* used: some reason will name it */
    const char *name;     /* in: what to write; NULL: the id. Borrowed until _write */
};

struct kb_event_actor *kb_event_match_actors(struct kb_event_match *match, size_t *ret_len);

/* Into plan->reasons. */
int kb_event_match_write(struct kb_event_match *match, struct kb_error *err);

#endif
