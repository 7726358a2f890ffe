/* reconciler/apply/question.h: what Keycloak is asked about people before somebody is removed; each person once.
 *
 * Why:    who leaves ten groups is one person: the proofs of ten removals share three requests.
 * Owns:   struct questions owns every question; a question stays where it is until questions_done. Errors: KB_E_NOMEM, and
 * KB_E_BUG for an id that Keycloak never gave; what Keycloak does not answer is told by the question itself.
 */
#ifndef KB_APPLY_QUESTION_H
#define KB_APPLY_QUESTION_H

#include "keycloak/reader.h"
#include "model/pool.h"

/* A name: and what its people have. Only a name: just who they are. */
enum question_kind {
    QUESTION_USER_ID,
    QUESTION_USER_NAME,
    QUESTION_SERVICE_NAME,
    QUESTION_ONLY_USER,
    QUESTION_ONLY_SERVICE
};

struct question {
    char *key; /* a letter for the kind, then the id or the name */
    struct kc_check check;
    struct kc_find find; /* of a name */
    bool answered, only;
    struct question **people; /* of a name that was found: one for each candidate, borrowed */
    size_t people_len;
    struct questions *all;
};

struct questions {
    struct kc *kc;
    const char **clients; /* uuids of the clients whose roles rules name; owned array, borrowed texts */
    size_t clients_len;
    struct question **v;
    size_t len, cap;
    struct kb_index index;
    struct kb_error failed; /* what kept candidates from being asked */
};

/* The question about that user or name: a new one is sent, one that was asked before is given again. */
int questions_ask(struct questions *all, enum question_kind kind, const char *what, struct question **ret,
                  struct kb_error *err);
void questions_done(struct questions *all);

#endif
