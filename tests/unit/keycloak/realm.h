/* tests/unit/keycloak/realm.h: a small realm on a raw server, and lies about single paths of it.
 *
 * Why:    the simulator judges whole runs; here each list gets each wrong answer. The realm: role "a/b"
 * contains "b" and the client role viewer, which contains "a/b" again; role ".." cannot be addressed; group
 * /eng carries "b", /eng/ml below it viewer; ana is fine, bob is disabled, one service account. Owns:
 * bench_close frees all. Threads: lies are set before the loop runs.
 */
#ifndef KB_TESTS_UNIT_KEYCLOAK_REALM_H
#define KB_TESTS_UNIT_KEYCLOAK_REALM_H

#include "keycloak/reader.h"
#include "support/wire.h"

#define ANA "11111111-0000-4000-8000-000000000001"
#define BOB "11111111-0000-4000-8000-000000000002"
#define BOT "11111111-0000-4000-8000-000000000003"

#define USER(id, name, enabled)                                                                             \
    "{\"id\":\"" id "\",\"username\":\"" name "\",\"email\":\"" name "@x.example\",\"emailVerified\":true," \
    "\"enabled\":" enabled "}"

/* The answer for targets (path and query below the realm) that begin with `target`; the first that fits
 * wins, before the realm itself. times 0: always; otherwise used up. */
struct lie {
    const char *target;
    int status;
    const char *body;
    unsigned times;
};

struct bench {
    struct wire *wire;
    struct kb_http *http;
    struct kb_http_peer *peer;
    struct kc *kc;
    struct kb_realm realm;
    struct lie lies[8];
    unsigned told[8];
    bool lists;   /* want everything and read the lists */
    bool failed;  /* kc_failed after the catalog */
    bool hostile; /* the realm has the role ".." */
    const char *token;
    unsigned catalogs;
};

/* opts may be NULL; on_catalog is the bench's. token: a bearer token, or NULL for none. */
void bench_open(struct bench *b, const struct kc_opts *opts);
void bench_open_as(struct bench *b, const struct kc_opts *opts, const char *token);
void bench_lie(struct bench *b, const char *target, int status, const char *body, unsigned times);
void bench_run(struct bench *b); /* catalog, lists, and what follows */
void bench_close(struct bench *b);

/* By id; the test fails when it is not there. */
struct kb_role *bench_role(struct bench *b, const char *id);
struct kb_realm_group *bench_group(struct bench *b, const char *id);
struct kb_user *bench_user(struct bench *b, const char *id);
const char *bench_note(const struct bench *b, const struct kb_read *read);

#endif
