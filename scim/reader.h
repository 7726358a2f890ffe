/* scim/reader.h: reads one Databricks target into struct kb_target.
 *
 * Why:    listings are checked against totalResults and distinct ids; members come only from GET of each
 * group (an account-level list never has them); a member that no listing explains is looked up by id: unknown
 * is a doubt, not an absence. Owns:   the reader belongs to the caller (scim_free) and borrows peer and
 * target. Errors: as keycloak/reader.h: server behaviour ends in kb_read records. Source:
 * databricks-api.md 1.1, 2.1-2.4, 3.1-3.3, 3.7.
 */
#ifndef KB_SCIM_READER_H
#define KB_SCIM_READER_H

#include "base/buf.h"
#include "base/http.h"
#include "model/target.h"

struct scim; /* owned: scim_free */

enum scim_level { SCIM_ACCOUNT, SCIM_WORKSPACE, SCIM_PROXY };

struct scim_opts {
    enum scim_level level;
    const char *account_id;           /* account level */
    const char *version;              /* "2.0", "2.1" */
    const char *self_client;          /* own applicationId, "" unknown: sets target->self */
    void (*on_lists)(void *userdata); /* all three listings have answered (well or not) */
    void *userdata;
};

int scim_new(struct kb_http_peer *peer, const struct scim_opts *opts, struct kb_target *target,
             struct scim **ret, struct kb_error *err);
void scim_free(struct scim *scim);
KB_DEFINE_CLEANUP(scim, struct scim *, scim_free)

/* Groups (id, displayName, externalId, meta), users (id, userName, displayName, active), service principals
 * (id, applicationId, displayName, active): count=100, 1-based, advance by what came, empty page ends, unique
 * ids == totalResults or the list is read once more, then suspect. Users and service principals only when
 * `principals`. */
int scim_read_lists(struct scim *scim, bool principals, struct kb_error *err);

/* Only users and service principals; whoever was marked listed before is not any more. */
int scim_read_people(struct scim *scim, struct kb_error *err);

/* Requests that a listing of so many takes. */
uint32_t scim_list_pages(uint32_t rows);

/* Everybody of a name (userName; applicationId, or displayName when `by_display`), ASCII case aside: into the
 * target, as listed and named. One request of class list. doubt->code KB_OK: `found` is how many there are. */
typedef void (*scim_find_fn)(void *userdata, uint32_t found, const struct kb_error *doubt);
int scim_find_people(struct scim *scim, enum kb_principal_kind kind, bool by_display, const char *name,
                     scim_find_fn fn, void *userdata, struct kb_error *err);
/* A filter can ask for this name and be understood: how other bytes are quoted is not documented
 * (databricks-api.md 3.4). */
bool scim_can_find(const char *name);

/* GET /Groups/{id}: members, displayName, externalId; answers for another id are refused. Members that no
 * listing explains are asked by id (users, then service principals), before `on_done`. group->read tells how
 * it went. */
int scim_read_group(struct scim *scim, uint32_t group, void (*on_done)(void *userdata, uint32_t group),
                    void *userdata, struct kb_error *err);

int scim_failed(const struct scim *scim,
                struct kb_error *err); /* a listing is not complete, no token: as kc_failed */

/* The path below the host of a resource: for writers in this room and for messages. */
int scim_path(const struct scim *scim, const char *resource, const char *id, struct kb_buf *ret);

#endif
