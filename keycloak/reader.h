/* keycloak/reader.h: reads a realm into struct kb_realm.
 *
 * Why:    a set-based reading (keycloak-api.md 1.5): one request per list, nothing asked twice, each with a
 * completeness record. A list that failed or contradicts another is marked so in the model; it is never an
 * empty list. Owns:   the reader belongs to the caller (kc_free) and borrows peer and realm until then. Flow:
 * kc_read_catalog submits roles, flat groups and /groups/count, then composites of what it finds; when all of
 * these have answered, `on_catalog` is called once: the caller marks role->wanted, group->wanted and calls
 * kc_read_lists. All inside kb_http_run; nothing blocks. Errors: submitting functions return < 0 only for our
 * own failures (KB_E_NOMEM, KB_E_BUG). What the server does ends in kb_read records; kc_failed tells about
 * the whole. Source: keycloak-api.md sections 1, 2, 3; keycloak-verified.md sections 0, 1, 5 (wins).
 */
#ifndef KB_KEYCLOAK_READER_H
#define KB_KEYCLOAK_READER_H

#include "base/http.h"
#include "model/realm.h"

struct kc; /* owned: kc_free */

struct kc_opts {
    const char *user_attribute; /* match.users "attribute:NAME", or NULL; then member lists are read in full
                                   representation */
    const char
        *service_attribute; /* attribute of service accounts, or NULL when they are matched otherwise */
    bool clients;           /* a rule names client roles: read clients and their roles (view-clients) */
    unsigned page_size;     /* 0: one request per list (max=-1) */
    void (*on_catalog)(void *userdata);
    void *userdata;
};

int kc_new(struct kb_http_peer *peer, const char *base_url, const char *realm_name,
           const struct kc_opts *opts, struct kb_realm *realm, struct kc **ret, struct kb_error *err);
void kc_free(struct kc *kc);
KB_DEFINE_CLEANUP(kc, struct kc *, kc_free)

int kc_read_catalog(struct kc *kc, struct kb_error *err);

/* Holders of wanted roles, members of wanted groups. When these have answered and some user in them is shown
 * disabled: GET /users?enabled=false (stored flag and disabledReason), once; and the details of each service
 * account in them when service_attribute is set. */
int kc_read_lists(struct kc *kc, struct kb_error *err);

/* The lists a second time, in place of the first: after a good answer of the witnesses (kc_witness), so that a
 * directory whose people nobody knew before has been asked before them. */
int kc_reread_lists(struct kc *kc, struct kb_error *err);

/* ---- directories (interface, "Directories") ---- */

/* Before the catalog: somebody of a directory whom the ledger remembers ("" : as the id says), to be asked
 * before the lists are read. */
int kc_witness_know(struct kc *kc, const char *user_id, const char *directory, struct kb_error *err);

/* Asks a user of each directory that is known and not down: GET /users/{id}/credentials, which asks the
 * directory itself each time. To be called when no other request of the reader is open, after each piece of
 * reading that is to be believed; then run the loop. A directory is up when this answer and the one before the
 * lists were good; any other answer than 200 or "no such user": down for the rest of the run. */
int kc_witness(struct kc *kc, struct kb_error *err);

/* Before kc_witness, when a directory of the realm matters that nobody in the lists belongs to: looks for somebody
 * among the first users of the realm. */
int kc_witness_search(struct kc *kc, struct kb_error *err);

/* A second reading for a proof, kept apart from the realm's: holders of a role or members of a group. Each list
 * is read once until kc_again_forget. */
int kc_again_read(struct kc *kc, bool role, uint32_t row, struct kb_error *err);
/* NULL: not read, or not completely. */
const struct kb_u32s *kc_again(const struct kc *kc, bool role, uint32_t row);
void kc_again_forget(struct kc *kc);

/* GET /users/{id} for each id: sets the user's row, flags and KB_USER_LOOKED_UP, or KB_USER_GONE for
 * Keycloak's own 404. */
int kc_lookup_user(struct kc *kc, const char *id, struct kb_error *err);

/* For somebody without an e-mail address whose user name looks like one: GET /users?email=NAME&exact=true. Whoever
 * is found gets into the realm, so that the name is ambiguous; sets KB_USER_NAME_ASKED when it was answered. */
int kc_read_namesakes(struct kc *kc, uint32_t user, struct kb_error *err);

/* Does the realm have organizations? Sets realm->organizations. */
int kc_read_organizations(struct kc *kc, struct kb_error *err);

/* The error that makes the whole reading worthless (no token, realm not found, no permission at all, catalog
 * unread): 0 when there is none, else -code with *err filled (KB_E_AUTH, KB_E_HTTP, KB_E_NET, KB_E_PROTOCOL),
 * naming the cure. */
int kc_failed(const struct kc *kc, struct kb_error *err);

/* ---- point checks for proofs (interface, "Proof of absence") ---- */

enum kc_answer { KC_UNKNOWN, KC_HAS, KC_HAS_NOT };

struct kc_check {
    const char *user_id; /* borrowed until on_done */
    uint32_t user;       /* out: realm user index after GET /users/{id}, KB_NONE when gone or unknown */
    enum kc_answer exists, enabled; /* enabled HAS_NOT: not a lockout's */
    bool locked_out;
    /* Names and ids that Keycloak says the user has now. Filled by the two endpoints; owned by the check
     * (kc_check_done). */
    bool roles_known, groups_known;
    uint32_t groups_count; /* people of a directory: GET /users/{id}/groups/count, which asks the directory;
                              KB_NONE unknown */
    char **role_ids;
    size_t role_ids_len;
    char **group_ids;
    size_t group_ids_len;
    char note[256]; /* why something is unknown */
    void (*on_done)(void *userdata, struct kc_check *check);
    void *userdata;

    /* private */
    struct kc *kc;
    const char *const *clients;
    size_t clients_len, role_ids_cap, group_ids_cap;
    unsigned open;
};

/* GET /users/{id}, then (when it exists and is enabled) /users/{id}/role-mappings/realm/composite and
 * /users/{id}/groups, and for each client uuid in `clients` (borrowed until on_done)
 * /users/{id}/role-mappings/clients/{uuid}/composite. `check` stays the caller's and must not move. The ids
 * come sorted bytewise. For a user of a directory these are cached answers, which prove nothing by themselves
 * (interface, "Directories"); they are asked for also when the user is shown disabled.
 * < 0: nothing was sent and on_done will not be called. */
int kc_check_user(struct kc *kc, struct kc_check *check, const char *const *clients, size_t clients_len,
                  struct kb_error *err);
void kc_check_done(struct kc_check *check);

/* Exact look-up for a foreign member: GET /users?username=…&exact=true and ?email=…&exact=true; for a service
 * principal ?q=ATTRIBUTE:NAME, or without service_attribute the service account of the client NAME. KC_HAS_NOT
 * only when the same account sees somebody at the same time (GET /users?max=1). */
struct kc_find {
    const char *name; /* borrowed until on_done */
    enum kc_answer found;
    char **ids;
    size_t ids_len;
    char note[256];
    void (*on_done)(void *userdata, struct kc_find *find);
    void *userdata;

    /* private */
    struct kc *kc;
    size_t ids_cap;
    unsigned open;
    bool doubt, saw_somebody;
};

int kc_find_user(struct kc *kc, struct kc_find *find, bool by_service_attribute, struct kb_error *err);
void kc_find_done(struct kc_find *find);

#endif
