/* A principal that no listing explains, asked by id. Many groups may have the same stranger: one question for all. */
#include "base/ban.h"

#include "scim/internal.h"

struct waiter {
    scim_lookup_fn fn;
    void *userdata;
    struct waiter *next;
};

struct scim_lookup {
    struct scim *scim;
    uint32_t principal;
    bool service, second; /* which collection is asked; the id was in the first one not */
    struct waiter *waiters;
    struct scim_lookup *next;
};

static void on_lookup(void *userdata, const struct kb_http_reply *reply);

static const char *
id_of(const struct scim_lookup *l)
{
    return kb_target_str(l->scim->target, l->scim->target->principals[l->principal].id);
}

static int
ask(struct scim_lookup *l, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(8192);

    (void) scim_path(l->scim, l->service ? "ServicePrincipals" : "Users", id_of(l), &target);
    kb_buf_adds(&target, l->service ? "?attributes=id,applicationId,displayName,active"
                                    : "?attributes=id,userName,displayName,active");
    const struct kb_http_request request = {.method = "GET",
                                            .target = kb_buf_str(&target),
                                            .class = KB_HTTP_GET,
                                            .front = true,
                                            .on_reply = on_lookup,
                                            .userdata = l};
    return target.failed ? kb_fail(err, KB_E_NOMEM, "out of memory for a look-up")
                         : kb_http_submit(l->scim->peer, &request, err);
}

static int
take(void *userdata, const struct scim_row *row, struct kb_error *err)
{
    const struct scim_lookup *l = userdata;
    struct kb_target *t = l->scim->target;
    struct kb_principal *p = &t->principals[l->principal];

    if (strcmp(row->id, id_of(l)) != 0)
        return kb_fail(err, KB_E_PROTOCOL, "the answer is about %s", row->id);
    kb_text name = kb_pool_adds(&t->pool, row->name), display = kb_pool_adds(&t->pool, row->display);
    if (name == KB_NONE || display == KB_NONE)
        return kb_fail(err, KB_E_NOMEM, "out of memory for principals");
    p->name = name;
    p->display = display;
    p->active = row->active;
    p->kind = l->service ? KB_PRINCIPAL_SERVICE : KB_PRINCIPAL_USER;
    p->looked_up = true;
    return 0;
}

static void
unlink_lookup(struct scim_lookup *l)
{
    struct scim_lookup **at = &l->scim->lookups;

    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
}

/* Everybody who waits is told; what they ask from now on is a new question. */
static void
finish(struct scim_lookup *l, struct kb_error *doubt)
{
    unlink_lookup(l);
    if (doubt->code)
        (void) kb_fail_prefix(doubt, "member %s", id_of(l));
    while (l->waiters) {
        struct waiter *w = l->waiters;
        l->waiters = w->next;
        w->fn(w->userdata, doubt);
        free(w);
    }
    free(l);
}

static void
on_lookup(void *userdata, const struct kb_http_reply *reply)
{
    struct scim_lookup *l = userdata;
    struct kb_error doubt = {0};

    if (reply->error->code) {
        doubt = *reply->error;
    } else if (reply->status == 200) {
        (void) scim_decode_one(l->service ? SCIM_SERVICES : SCIM_USERS, reply->body, reply->body_size, take,
                               l, &doubt);
    } else if (reply->status == 404 && !l->second && l->scim->level != SCIM_PROXY) {
        l->second = true;
        l->service = !l->service;
        if (ask(l, &doubt) >= 0)
            return;
    } else {
        (void) kb_fail(&doubt, KB_E_PROTOCOL,
                       "neither a user nor a service principal that can be read (HTTP %d)", reply->status);
        doubt.status = reply->status;
    }
    finish(l, &doubt);
}

int
scim_lookup(struct scim *scim, uint32_t principal, scim_lookup_fn fn, void *userdata, struct kb_error *err)
{
    struct waiter *w = calloc(1, sizeof(*w));
    struct scim_lookup *l = scim->lookups;

    if (!w)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a look-up");
    *w = (struct waiter){.fn = fn, .userdata = userdata};
    while (l && l->principal != principal)
        l = l->next;
    if (l) {
        w->next = l->waiters;
        l->waiters = w;
        return 0;
    }
    l = calloc(1, sizeof(*l));
    if (!l) {
        free(w);
        return kb_fail(err, KB_E_NOMEM, "out of memory for a look-up");
    }
    /* A $ref, or what the database remembers, says where it probably is. */
    bool service =
        scim->level != SCIM_PROXY && scim->target->principals[principal].kind == KB_PRINCIPAL_SERVICE;
    *l = (struct scim_lookup){.scim = scim, .principal = principal, .service = service, .waiters = w};
    int e = ask(l, err);
    if (e < 0) {
        free(l);
        free(w);
        return e;
    }
    l->next = scim->lookups;
    scim->lookups = l;
    return 0;
}

void
scim_lookups_free(struct scim *scim)
{
    while (scim->lookups) {
        struct scim_lookup *l = scim->lookups;
        scim->lookups = l->next;
        while (l->waiters) {
            struct waiter *w = l->waiters;
            l->waiters = w->next;
            free(w);
        }
        free(l);
    }
}
