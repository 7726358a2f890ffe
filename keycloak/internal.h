/* keycloak/internal.h: what the files of the reader share. Nobody else may include it.
 *
 * Why:    the reader is one small machine in several files: state.c makes it and says what went wrong with
 * the whole, call.c sends one request and judges its answer, catalog.c reads roles and groups, clients.c
 * client roles, lists.c holders and members, users.c single users, witness.c directories, check.c, again.c
 * and find.c prove things at apply time. Owns:   struct kc owns its calls; a call is freed after its last reply, or with the kc when the loop
 * ended before. Rows of the realm are named by index, since the arrays move.
 */
#ifndef KB_KEYCLOAK_INTERNAL_H
#define KB_KEYCLOAK_INTERNAL_H

#include "keycloak/decode.h"
#include "keycloak/endpoint.h"
#include "keycloak/reader.h"

#define KC_NOTE_SIZE 800
#define KC_ROWS_MAX (1u << 26)
#define KC_RESTARTS_MAX 3

/* A role that a group carries, by name; resolved when all roles are known. */
struct kc_grant {
    uint32_t group;
    kb_text client; /* clientId, 0: a realm role */
    kb_text role;
};

struct kc_client {
    kb_text id, client_id;
    struct kb_read read; /* its roles */
};

#define KC_WITNESSES_MAX 5

/* Who can be asked about a directory; parallel to realm->directories. */
struct kc_witness {
    kb_text users[KC_WITNESSES_MAX];
    unsigned len, next;
    bool before;   /* a good answer came before the lists */
    bool answered; /* the last asking had a good answer */
    bool off;      /* switched off in Keycloak, which then shows its people disabled and without groups */
    uint8_t doubt; /* enum, witness.c: whom the open question is about */
};

struct kc_again {
    struct kb_u32s users;
    struct kb_read read;
    uint32_t row;
    bool role;
};

struct kc_call;

struct kc {
    struct kb_http_peer *peer;
    struct kb_realm *realm;
    char *realm_name, *base_url, *user_attribute, *service_attribute;
    bool with_clients;
    unsigned page_size; /* 0: none, else at least 2 */
    void (*on_catalog)(void *userdata);
    void *userdata;

    struct kc_call *calls;
    unsigned catalog_open, lists_open; /* requests that a phase waits for */
    bool catalog_done;
    bool roles_done, clients_done; /* for the client roles, which need both */
    bool clients_denied;           /* a 403 on a client role: the others are not asked */
    struct kb_error fatal;
    struct kb_error broken; /* the first answer that did not come or could not be read */

    /* While the catalog is read. */
    kb_text *parents; /* by group: the parent's id */
    size_t parents_cap;
    struct kc_grant *grants;
    size_t grants_len, grants_cap;
    struct kc_client *clients;
    size_t clients_len, clients_cap;
    struct kb_read count_read;
    uint32_t role_duplicates, group_duplicates;
    bool roles_again, groups_again; /* read a second time already */
    bool grants_shown;              /* some group came with its roles */
    bool groups_hidden;             /* 200 with nothing, where groups are */

    /* After the lists. */
    struct kb_read users_count_read, users_probe_read;
    struct kb_u32s stored; /* user * 2 + locked out */

    struct kc_witness *witnesses;
    size_t witnesses_cap;
    struct kc_again *again;
    size_t again_len, again_cap;
};

/* One kind of list. */
struct kc_list {
    enum kc_row_kind kind;
    const char *needs; /* the realm-management role whose lack is a 403 */
    bool paged;        /* by kc->page_size */
    struct kb_read *(*read)(struct kc_call *call);
    void (*endpoint)(const struct kc_call *call, struct kc_endpoint *ret);
    void (*reset)(struct kc_call *call); /* back to what there was at call->start */
    int (*row)(struct kc_call *call, const struct kc_row *row, struct kb_error *err);
    void (*end)(struct kc_call *call); /* the record is final; the rows are gone unless kb_read_ok */
};

struct kc_paging {
    unsigned first, restarts;
    bool overlap; /* the first row of this page must be `last` */
    bool moved;   /* it was not */
    char last[KC_ID_SIZE], page_last[KC_ID_SIZE];
};

typedef void (*kc_reply_fn)(struct kc_call *call, const struct kb_http_reply *reply);

struct kc_call {
    struct kc *kc;
    struct kc_call *prev, *next;
    const struct kc_list *list; /* NULL: one object, `on_reply` gets it */
    kc_reply_fn on_reply;
    void *userdata;
    uint32_t row;   /* of the role, group or client the list belongs to */
    uint32_t start; /* rows there were before this page */
    uint32_t page_rows;
    struct kc_rows *rows;
    struct kc_paging *paging; /* NULL: one request */
    char *what;               /* single objects: "GET /users/ID", for messages */
};

/* ---- call.c ---- */

/* A failure to send is the list's own (record and `end`) unless it is ours (< 0). */
int kc_list_submit(struct kc *kc, const struct kc_list *list, uint32_t row, bool front, struct kb_error *err);
/* As above where nobody can take an error: inside a reply. Remembers it for kc_failed. */
void kc_list_follow(struct kc *kc, const struct kc_list *list, uint32_t row);
int kc_get(struct kc *kc, const struct kc_endpoint *endpoint, uint32_t row, kc_reply_fn on_reply,
           void *userdata, struct kb_error *err);
/* As kc_get; the first answer counts. */
int kc_get_once(struct kc *kc, const struct kc_endpoint *endpoint, uint32_t row, kc_reply_fn on_reply,
                void *userdata, struct kb_error *err);
int kc_get_target(struct kc *kc, const char *target, uint32_t row, kc_reply_fn on_reply, void *userdata,
                  struct kb_error *err);
/* What an answer that is not a good 200 means, and in words. Notes what is fatal for the whole reading. */
enum kb_read_status kc_judge(struct kc *kc, const char *what, const char *needs,
                             const struct kb_http_reply *reply, char note[KC_NOTE_SIZE]);
void kc_note(struct kc *kc, struct kb_read *read, enum kb_read_status status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with KB_READ_SUSPECT, but only on a record that is complete: the first contradiction is told. */
void kc_suspect(struct kc *kc, struct kb_read *read, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void kc_calls_free(struct kc *kc);

/* ---- state.c ---- */

void kc_fatal(struct kc *kc, const struct kb_error *err); /* the first one stays */
const char *kc_str(const struct kc *kc, kb_text text);
/* Adds or updates; *ret the index. */
int kc_user_put(struct kc *kc, const struct kc_user_row *row, uint32_t *ret, struct kb_error *err);
int kc_text(struct kc *kc, const char *s, kb_text *ret, struct kb_error *err);

/* ---- catalog.c ---- */

/* A role as another list shows it; *ret the index. Asks for its composites when they are not yet. */
int kc_role_put(struct kc *kc, const struct kc_role_row *row, bool listed, uint32_t *ret,
                struct kb_error *err);
void kc_composites_follow(struct kc *kc, uint32_t index);
void kc_catalog_step(struct kc *kc); /* one request of the catalog is done */
void kc_catalog_judge(struct kc *kc);

/* ---- clients.c ---- */

int kc_clients_submit(struct kc *kc, struct kb_error *err);
void kc_client_roles_follow(struct kc *kc); /* when roles and clients are there */
int kc_client_grants_resolve(struct kc *kc, struct kb_error *err);
/* Some group carries a client role of this name, whichever client's. */
bool kc_client_grant_named(const struct kc *kc, uint32_t role);

/* ---- lists.c ---- */

void kc_lists_step(struct kc *kc);
void kc_holders_endpoint(const struct kc *kc, uint32_t index, struct kc_endpoint *ret);
void kc_members_endpoint(const struct kc *kc, uint32_t group, struct kc_endpoint *ret);

/* ---- witness.c ---- */

/* With the catalog: the directories' names, and what can be asked before the lists. */
int kc_directories_submit(struct kc *kc, struct kb_error *err);
/* The one text of a directory's id, which is remembered. */
int kc_directory_text(struct kc *kc, const char *id, kb_text *ret, struct kb_error *err);

/* ---- users.c ---- */

void kc_users_follow(struct kc *kc); /* all lists have answered */
/* The answer of GET /users/{id}: into the realm (COMPLETE, GONE; *ret_user is its row) or not (KB_NONE, and
 * why). */
enum kb_read_status kc_user_answer(struct kc_call *call, const struct kb_http_reply *reply, const char *id,
                                   uint32_t *ret_user, char note[KC_NOTE_SIZE]);

/* ---- check.c ---- */

/* A copy of the id at the end of the array. */
int kc_ids_add(char ***ids, size_t *len, size_t *cap, const char *id, struct kb_error *err);
void kc_ids_sort(char **ids, size_t *len); /* ascending, without repetitions */
void kc_ids_done(char ***ids, size_t *len, size_t *cap);

#endif
