/* tests/unit/support/reader.h: what the tests of base/http share: a reader that remembers what it was given,
 * a loop with short defaults, and a clock that jumps over every wait. Owns: reader_open and reader_peer
 * return what the test frees with kb_http_free; failures end the test. */
#ifndef KB_TESTS_UNIT_SUPPORT_READER_H
#define KB_TESTS_UNIT_SUPPORT_READER_H

#include "base/http.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    unsigned replies, begins, pieces;
    struct kb_error error;
    int status;
    bool sent;
    unsigned tries;
    char body[1024]; /* the beginning */
    size_t body_size;
    char request_id[80], redirect_host[256];
    int64_t date_s, ms;
    size_t data_size, piece_max;    /* since the last begin */
    uint32_t sum;                   /* of the data since the last begin */
    size_t refuse_at;               /* on_data fails when so much has come; 0: never */
    void (*then)(struct reader *r); /* called at the end of a reply */
    void *more;
};

uint32_t reader_sum(uint32_t sum, const char *bytes, size_t size);

void reader_begin(void *userdata);
int reader_data(void *userdata, const char *bytes, size_t size, struct kb_error *err);
void reader_reply(void *userdata, const struct kb_http_reply *reply);

/* Stands still and jumps over waits from now on (2025-11-24T16:00:00Z); reader_clock_moved: how far, in ms. */
void reader_clock_start(void);
int64_t reader_clock_moved(void);
void reader_clock_move(int64_t ms);
void reader_clock_stop(void);

/* opts may be NULL: 5 tries, a budget of 300 s, backoff_ms 1, waits jumped over. */
struct kb_http *reader_open(const struct kb_http_opts *opts);
struct kb_http_opts reader_opts(void);
struct kb_http_peer_opts reader_peer_opts(const char *url);
struct kb_http_peer *reader_peer(struct kb_http *http, const struct kb_http_peer_opts *opts);

void reader_get(struct kb_http_peer *peer, const char *target, struct reader *r);  /* collected */
void reader_read(struct kb_http_peer *peer, const char *target, struct reader *r); /* with on_data */
void reader_write(struct kb_http_peer *peer, const char *method, const char *target, const char *body,
                  bool replay, struct reader *r);

#endif
