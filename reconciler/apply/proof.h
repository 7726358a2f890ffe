/* reconciler/apply/proof.h: one operation that is to be proven; what the files of the proof share. */
#ifndef KB_APPLY_PROOF_H
#define KB_APPLY_PROOF_H

#include "reconciler/apply/apply.h"
#include "reconciler/apply/question.h"

struct proof {
    struct apply *a;
    uint32_t op; /* plan operation */
    const struct kb_managed *managed;
    const struct question *question; /* NULL: nothing is asked, the verdict stands */
    char verdict[192];               /* "" proven */
    bool contradicted; /* a list that decides the group lacks what the person's own record has */
    bool by_role;      /* contradicted: the person still has a role that a rule names */
    const char *stale; /* directory whose cached rows contradict it and were not believed; NULL: none */
};

struct proofs {
    struct proof *v;
    size_t len;
    struct questions questions;
};

bool proof_has_id(char *const *ids, size_t len, const char *id);
/* Does what the person's own endpoints showed satisfy this binding of a rule? */
bool proof_binding_holds(const struct apply *a, const struct kb_binding *b, const struct kc_check *check);

/* ---- proof_unique.c: one person behind each name, where a list of the realm failed ---- */

/* Asks nothing after a complete reading. `ret`: only v and len are filled; v is the caller's to free. */
int proof_unique_ask(struct apply *a, struct questions *questions, struct proofs *ret, struct kb_error *err);
void proof_unique_judge(struct proofs *all);

/* ---- proof_directory.c: people of a directory (interface, "Directories") ---- */

/* The directory of whoever is checked, "" a local user. */
const char *proof_directory(const struct proof *p, const struct kc_check *check);

/* After the checks: the lists behind each removal of somebody of a directory once more, then the witnesses. */
int proof_read_again(const struct apply *a, const struct proofs *all, struct kb_error *err);

/* Adds the directories that are down to the plan's. */
int proof_name_directories(struct apply *a, struct kb_error *err);

/* Sets the verdict while the directory is not up. False: it is, or it does not matter. */
bool proof_directory_forbids(struct proof *p, const char *directory, bool gone);
bool proof_any_directory_forbids(struct proof *p); /* for "nobody of that name" */

/* The verdict for somebody whose directory is up and who exists, not disabled in Keycloak itself. */
int proof_judge_directory(struct proof *p, const struct kc_check *check, struct kb_error *err);

/* Guard directory_contradicted_percent, over all that is proven against cached rows. */
int proof_guard_contradicted(struct apply *a, const struct proofs *all, struct kb_error *err);

#endif
