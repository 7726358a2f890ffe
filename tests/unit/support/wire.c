#include "support/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 64
#define IN_SIZE ((size_t) 256 * 1024)

struct connection {
    int fd; /* -1: free */
    unsigned number, requests;
    char *in;
    size_t in_len;
    bool answering, dripping;
    struct wire_answer answer;
    size_t sent; /* of bytes, more and repeat together */
};

struct seen {
    char *method, *target, *head;
};

struct wire {
    int listener, wake[2];
    char url[64];
    unsigned port;
    wire_fn fn;
    void *userdata;
    pthread_t thread;
    pthread_mutex_t lock;
    struct seen *seen;
    size_t seen_len, seen_cap;
    unsigned connections;
    struct connection at[CONNECTIONS];
};

static void
drop(struct connection *c, bool reset)
{
    if (reset) {
        const struct linger now = {.l_onoff = 1, .l_linger = 0};
        (void) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    (void) close(c->fd);
    free(c->in);
    *c = (struct connection){.fd = -1};
}

/* The part of the answer that goes out next. */
static const char *
rest_of(const struct connection *c, size_t *ret_size)
{
    const struct wire_answer *a = &c->answer;
    size_t at = c->sent;
    if (at < a->size) {
        *ret_size = a->size - at;
        return a->bytes + at;
    }
    at -= a->size;
    if (at < a->more_size) {
        *ret_size = a->more_size - at;
        return a->more + at;
    }
    at -= a->more_size;
    if (a->then == WIRE_ENDLESS) {
        size_t len = strlen(a->repeat);
        *ret_size = len - at % len;
        return a->repeat + at % len;
    }
    *ret_size = 0;
    return "";
}

static void
push(struct connection *c)
{
    while (c->answering && !c->dripping) {
        size_t size = 0;
        const char *bytes = rest_of(c, &size);
        if (size) {
            ssize_t n = send(c->fd, bytes, size, MSG_NOSIGNAL);
            if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
            if (n < 0) {
                drop(c, false);
                return;
            }
            c->sent += (size_t) n;
            continue;
        }
        if (c->answer.then == WIRE_DRIP)
            c->dripping = true;
        else if (c->answer.then == WIRE_CLOSE || c->answer.then == WIRE_RESET) {
            drop(c, c->answer.then == WIRE_RESET);
            return;
        } else if (c->answer.then == WIRE_HANG)
            return;
        else
            c->answering = false;
    }
}

static void
remember(struct wire *w, const struct wire_request *request)
{
    (void) pthread_mutex_lock(&w->lock);
    if (w->seen_len == w->seen_cap) {
        size_t cap = w->seen_cap ? w->seen_cap * 2 : 64;
        struct seen *longer = realloc(w->seen, cap * sizeof(*longer));
        if (!longer)
            abort();
        w->seen = longer;
        w->seen_cap = cap;
    }
    w->seen[w->seen_len++] = (struct seen){
        .method = strdup(request->method), .target = strdup(request->target), .head = strdup(request->head)};
    (void) pthread_mutex_unlock(&w->lock);
}

const char *
wire_header(const char *head, const char *name, char *buf, size_t size)
{
    size_t len = strlen(name);
    buf[0] = '\0';
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *value = line + len + 1 + strspn(line + len + 1, " ");
            (void) snprintf(buf, size, "%.*s", (int) strcspn(value, "\r"), value);
            break;
        }
    }
    return buf;
}

/* One whole request at the beginning of `in`: answer it and cut it off. False: not whole yet. */
static bool
serve(struct wire *w, struct connection *c)
{
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!end)
        return false;
    size_t head_size = (size_t) (end - c->in) + 4;
    char *head = strndup(c->in, head_size - 4), number[32];
    size_t body_size = strtoul(wire_header(head, "content-length", number, sizeof(number)), NULL, 10);
    if (c->in_len < head_size + body_size) {
        free(head);
        return false;
    }
    char *body = strndup(c->in + head_size, body_size);
    char method[16] = "", target[2048] = "";
    (void) sscanf(head, "%15s %2047s", method, target);
    struct wire_request request = {.number = (unsigned) w->seen_len,
                                   .connection = c->number,
                                   .on_connection = c->requests++,
                                   .method = method,
                                   .target = target,
                                   .head = head,
                                   .body = body};
    remember(w, &request);
    c->answer = (struct wire_answer){0};
    w->fn(w->userdata, &request, &c->answer);
    c->sent = 0;
    c->answering = true;
    memmove(c->in, c->in + head_size + body_size, c->in_len - head_size - body_size);
    c->in_len -= head_size + body_size;
    free(head);
    free(body);
    return true;
}

static void
pull(struct wire *w, struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, IN_SIZE - c->in_len, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        drop(c, false);
        return;
    }
    c->in_len += n > 0 ? (size_t) n : 0;
    while (c->fd >= 0 && !c->answering && serve(w, c))
        push(c);
}

static void
welcome(struct wire *w)
{
    int fd = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < CONNECTIONS; i++) {
        if (w->at[i].fd >= 0)
            continue;
        (void) pthread_mutex_lock(&w->lock);
        w->at[i] = (struct connection){.fd = fd, .number = w->connections++, .in = malloc(IN_SIZE)};
        (void) pthread_mutex_unlock(&w->lock);
        return;
    }
    if (fd >= 0)
        (void) close(fd);
}

static void *
run(void *userdata)
{
    struct wire *w = userdata;
    sigset_t all; /* a signal of the test is for the test's thread */
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        struct pollfd fds[CONNECTIONS + 2] = {{.fd = w->wake[0], .events = POLLIN},
                                              {.fd = w->listener, .events = POLLIN}};
        bool drips = false;
        for (size_t i = 0; i < CONNECTIONS; i++) {
            struct connection *c = &w->at[i];
            size_t size = 0;
            bool wants = c->fd >= 0 && c->answering && !c->dripping && (rest_of(c, &size), size > 0);
            fds[i + 2] = (struct pollfd){.fd = c->fd, .events = (short) (wants ? POLLIN | POLLOUT : POLLIN)};
            drips = drips || c->dripping;
        }
        (void) poll(fds, CONNECTIONS + 2, drips ? 100 : -1);
        if (fds[0].revents)
            return NULL;
        for (size_t i = 0; i < CONNECTIONS; i++) {
            struct connection *c = &w->at[i];
            if (c->fd >= 0 && c->dripping && send(c->fd, "x", 1, MSG_NOSIGNAL) < 0)
                drop(c, false);
            if (c->fd >= 0 && (fds[i + 2].revents & POLLOUT))
                push(c);
            if (c->fd >= 0 && (fds[i + 2].revents & (POLLIN | POLLHUP | POLLERR)))
                pull(w, c);
        }
        if (fds[1].revents)
            welcome(w);
    }
}

struct wire *
wire_start(wire_fn fn, void *userdata)
{
    struct wire *w = calloc(1, sizeof(*w));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    if (!w)
        return NULL;
    w->fn = fn;
    w->userdata = userdata;
    for (size_t i = 0; i < CONNECTIONS; i++)
        w->at[i].fd = -1;
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (w->listener < 0 || bind(w->listener, (struct sockaddr *) &address, size) < 0 ||
        listen(w->listener, CONNECTIONS) < 0 ||
        getsockname(w->listener, (struct sockaddr *) &address, &size) < 0 || pipe2(w->wake, O_CLOEXEC) < 0 ||
        pthread_mutex_init(&w->lock, NULL) != 0)
        abort();
    w->port = ntohs(address.sin_port);
    (void) snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u", w->port);
    if (pthread_create(&w->thread, NULL, run, w) != 0)
        abort();
    return w;
}

const char *
wire_url(const struct wire *w)
{
    return w->url;
}

unsigned
wire_port(const struct wire *w)
{
    return w->port;
}

unsigned
wire_count(struct wire *w, const char *method, const char *target_prefix)
{
    unsigned count = 0;
    (void) pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->seen_len; i++)
        if ((!method || strcmp(w->seen[i].method, method) == 0) &&
            (!target_prefix || strncmp(w->seen[i].target, target_prefix, strlen(target_prefix)) == 0))
            count++;
    (void) pthread_mutex_unlock(&w->lock);
    return count;
}

unsigned
wire_connections(struct wire *w)
{
    (void) pthread_mutex_lock(&w->lock);
    unsigned count = w->connections;
    (void) pthread_mutex_unlock(&w->lock);
    return count;
}

char *
wire_head(struct wire *w, unsigned number)
{
    (void) pthread_mutex_lock(&w->lock);
    char *head = number < w->seen_len ? strdup(w->seen[number].head) : NULL;
    (void) pthread_mutex_unlock(&w->lock);
    return head;
}

void
wire_stop(struct wire *w)
{
    if (!w)
        return;
    if (write(w->wake[1], "x", 1) != 1)
        abort();
    (void) pthread_join(w->thread, NULL);
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (w->at[i].fd >= 0)
            drop(&w->at[i], false);
    for (size_t i = 0; i < w->seen_len; i++) {
        free(w->seen[i].method);
        free(w->seen[i].target);
        free(w->seen[i].head);
    }
    free(w->seen);
    (void) close(w->listener);
    (void) close(w->wake[0]);
    (void) close(w->wake[1]);
    (void) pthread_mutex_destroy(&w->lock);
    free(w);
}

void
wire_say(struct wire_answer *ret, int status, const char *headers, const char *body)
{
    int n = snprintf(ret->bytes, sizeof(ret->bytes), "HTTP/1.1 %d Said\r\n%sContent-Length: %zu\r\n\r\n%s",
                     status, headers, strlen(body), body);
    ret->size = n > 0 && (size_t) n < sizeof(ret->bytes) ? (size_t) n : 0;
}
