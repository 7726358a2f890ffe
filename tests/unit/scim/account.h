/* tests/unit/scim/account.h: a small scripted account: lists, groups and rules for what goes wrong.
 *
 * Why:     keybricks-sim is faithful; here each test says exactly which bytes come back, also wrong ones.
 * Owns:    account_start/account_stop the server, the loop, the peer and the target. Threads: the handler
 * runs in the server's thread and only reads what a test set before the requests, and its own counters.
 */
#ifndef TESTS_UNIT_SCIM_ACCOUNT_H
#define TESTS_UNIT_SCIM_ACCOUNT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scim/patch.h"
#include "scim/reader.h"
#include "support/reader.h"
#include "support/wire.h"

#include <stdatomic.h>

#define BASE "/api/2.0/accounts/acc-1/scim/v2"

struct listing {
    const char *const *items; /* JSON of each element */
    size_t len;
    size_t clamp;      /* page size of the server, 0: as asked */
    int64_t total;     /* what totalResults says; -1: the truth */
    size_t lie_until;  /* so many pages come with `total`, then the truth; 0: all */
    bool without_key;  /* no "Resources" when a page is empty */
    bool never_key;    /* no "Resources" at all */
    size_t short_page; /* this page (1-based) has one element fewer than it should; 0: none */
    bool overlap;      /* each page but the first starts one element before */
    bool ignore_start; /* always the first page */
    atomic_uint pages;
};

struct say {                   /* first match wins */
    const char *method, *path; /* below BASE, without query */
    unsigned from, count;      /* of the requests that match the path: from 0; count 0: for ever */
    int status;
    const char *headers, *body;
    atomic_uint seen;
};

struct account {
    struct listing users, services, groups;
    struct say *says;
    size_t says_len;

    struct wire *wire;
    struct kb_http *http;
    struct kb_http_peer *peer;
    struct kb_target target;
    struct scim *scim;
    unsigned lists_called;
    atomic_uint buffer;
};

void account_start(struct account *a, const struct scim_opts *opts /* NULL: account level */);
void account_stop(struct account *a);
void account_lists(struct account *a);                 /* reads the listings with principals */
void account_group(struct account *a, const char *id); /* adds it when missing, reads it */
void account_run(struct account *a);
void account_group_done(void *userdata, uint32_t group);     /* userdata: an unsigned, counted up */
unsigned account_count(struct account *a, const char *path); /* GETs below BASE that start so */
struct kb_target_group *account_the_group(struct account *a, const char *id);
const char *account_note(struct account *a, const struct kb_read *read);

#define SAY(m, p, s, b)                                                       \
    {                                                                         \
        .method = (m), .path = (p), .status = (s), .headers = "", .body = (b) \
    }

#endif
