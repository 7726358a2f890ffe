/* tests/unit/support/wire.h: a server on loopback that sends exactly the bytes a test gives, also broken
 * ones.
 *
 * Why:     libmicrohttpd cannot send broken HTTP. One thread, poll, many kept connections; a handler of the
 * test looks at each request and says what goes back. Owns: wire_stop joins the thread and frees everything.
 * Threads: the handler runs in the server's thread: it must not assert (c-anchors section 5); what it counts
 * is read after wire_stop, or through wire_count. Port: any free one.
 */
#ifndef KB_TESTS_UNIT_SUPPORT_WIRE_H
#define KB_TESTS_UNIT_SUPPORT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct wire_request {
    unsigned number;        /* of all requests, from 0 */
    unsigned connection;    /* of all connections, from 0 */
    unsigned on_connection; /* of the requests on this connection, from 0 */
    const char *method, *target;
    const char *head; /* everything up to the empty line, terminated */
    const char *body;
};

enum wire_then {
    WIRE_KEEP,    /* wait for the next request on this connection */
    WIRE_CLOSE,   /* send all, then close */
    WIRE_RESET,   /* send all, then RST */
    WIRE_HANG,    /* send all, then neither close nor answer again */
    WIRE_DRIP,    /* send one byte every 100 ms for ever after `bytes` */
    WIRE_ENDLESS, /* send `repeat` again and again */
};

struct wire_answer {
    char bytes[4096]; /* status line, headers, beginning of the body */
    size_t size;
    const char *more; /* then these, borrowed */
    size_t more_size;
    const char *repeat; /* WIRE_ENDLESS */
    enum wire_then then;
};

typedef void (*wire_fn)(void *userdata, const struct wire_request *request, struct wire_answer *ret);

struct wire;

struct wire *wire_start(wire_fn fn, void *userdata); /* NULL: cannot */
const char *wire_url(const struct wire *w);          /* "http://127.0.0.1:PORT" */
unsigned wire_port(const struct wire *w);
unsigned wire_count(struct wire *w, const char *method, const char *target_prefix); /* NULL: any */
unsigned wire_connections(struct wire *w);
char *wire_head(struct wire *w, unsigned number); /* the head of a request seen; caller frees */
void wire_stop(struct wire *w);

/* For handlers: a whole answer with Content-Length. */
void wire_say(struct wire_answer *ret, int status, const char *headers, const char *body);
/* The value of a header in a request's head, copied into buf; "" if none. */
const char *wire_header(const char *head, const char *name, char *buf, size_t size);

#endif
