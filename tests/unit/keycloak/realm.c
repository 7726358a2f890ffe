#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "realm.h"

#include "base/mem.h"
#include "support/reader.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "/admin/realms/my%20realm"
#define VIEWER \
    "{\"id\":\"k-1\",\"name\":\"viewer\",\"composite\":true,\"clientRole\":true,\"containerId\":\"c-1\"}"
#define ROLE_A \
    "{\"id\":\"r-a\",\"name\":\"a/b\",\"composite\":true,\"clientRole\":false,\"containerId\":\"my realm\"}"
#define ROLE_B \
    "{\"id\":\"r-b\",\"name\":\"b\",\"composite\":false,\"clientRole\":false,\"containerId\":\"my realm\"}"
#define ROLE_DOTS "{\"id\":\"r-c\",\"name\":\"..\",\"composite\":false,\"clientRole\":false}"

static const struct lie truth[] = {
    {"/roles?briefRepresentation=true", 200, "[" ROLE_B "," ROLE_A "]", 0},
    {"/roles-by-id/r-a/composites", 200, "[" ROLE_B "," VIEWER "]", 0},
    {"/roles-by-id/k-1/composites", 200, "[" ROLE_A "]", 0},
    {"/groups?search=%20&populateHierarchy=false&briefRepresentation=false&subGroupsCount=false&max=-1", 200,
     "[{\"id\":\"g-2\",\"name\":\"ml\",\"path\":\"/eng/ml\",\"parentId\":\"g-1\",\"realmRoles\":[],"
     "\"clientRoles\":{\"portal\":[\"viewer\"]}},"
     "{\"id\":\"g-1\",\"name\":\"eng\",\"path\":\"/eng\",\"realmRoles\":[\"b\"],\"clientRoles\":{}}]",
     0},
    {"/groups/count", 200, "{\"count\":2}", 0},
    {"/groups/g-1/members?briefRepresentation=true&max=-1", 200,
     "[" USER(BOT, "service-account-bot", "true") "]", 0},
    {"/groups/g-2/members?briefRepresentation=true&max=-1", 200, "[" USER(ANA, "ana", "true") "]", 0},
    {"/roles/a%2Fb/users?briefRepresentation=true&max=-1", 200,
     "[" USER(ANA, "ana", "true") "," USER(BOB, "bob", "false") "]", 0},
    {"/roles/b/users?briefRepresentation=true&max=-1", 200, "[]", 0},
    {"/clients?max=-1", 200, "[{\"id\":\"c-1\",\"clientId\":\"portal\",\"secret\":\"hush\"}]", 0},
    {"/clients/c-1/roles?briefRepresentation=true", 200, "[" VIEWER "]", 0},
    {"/clients/c-1/roles/viewer/users?briefRepresentation=true&max=-1", 200,
     "[" USER(BOB, "bob", "false") "]", 0},
    {"/clients/c-1/roles/viewer/groups?briefRepresentation=true&max=-1", 200,
     "[{\"id\":\"g-2\",\"name\":\"ml\",\"path\":\"/eng/ml\"}]", 0},
    {"/users?enabled=false&briefRepresentation=false&max=-1", 200,
     "[{\"id\":\"" BOB "\",\"username\":\"bob\",\"enabled\":false},"
     "{\"id\":\"u-9\",\"username\":\"zoe\",\"enabled\":false}]",
     0},
    {"/components?type=org.keycloak.storage.UserStorageProvider", 200,
     "[{\"id\":\"dir-1\",\"name\":\"corp\",\"config\":{\"bindCredential\":[\"**********\"]}}]", 0},
    {"/users/count", 200, "3", 0},
    {"/users?max=1&briefRepresentation=true", 200, "[" USER(ANA, "ana", "true") "]", 0},
    {"/users?briefRepresentation=true&max=1", 200, "[" USER(ANA, "ana", "true") "]", 0},
    {"/users/" BOT, 200,
     "{\"id\":\"" BOT
     "\",\"username\":\"service-account-bot\",\"enabled\":true,\"attributes\":{\"app\":[\"7\"]}}",
     0},
};

static const struct lie *
find(const struct lie *lies, size_t len, unsigned *told, const char *target)
{
    for (size_t i = 0; i < len; i++) {
        if (!lies[i].target || strncmp(target, lies[i].target, strlen(lies[i].target)) != 0)
            continue;
        if (told && lies[i].times && told[i] >= lies[i].times)
            continue;
        if (told)
            told[i]++;
        return &lies[i];
    }
    return NULL;
}

static void
serve(void *userdata, const struct wire_request *request, struct wire_answer *ret)
{
    struct bench *b = userdata;
    const char *target = request->target;
    const struct lie *say = NULL;

    if (strncmp(target, PREFIX, strlen(PREFIX)) == 0) {
        target += strlen(PREFIX);
        say = find(b->lies, KB_LEN(b->lies), b->told, target);
        if (!say && b->hostile && strncmp(target, "/roles?", 7) == 0) {
            wire_say(ret, 200, "", "[" ROLE_A "," ROLE_B "," ROLE_DOTS "]");
            return;
        }
        if (!say)
            say = find(truth, KB_LEN(truth), NULL, target);
    }
    if (say)
        wire_say(ret, say->status, "", say->body);
    else
        wire_say(ret, 404, "", "{\"error\":\"HTTP 404 Not Found\"}");
}

static void
on_catalog(void *userdata)
{
    struct bench *b = userdata;
    struct kb_error err = {0};

    b->catalogs++;
    b->failed = kc_failed(b->kc, &err) < 0;
    if (!b->lists || b->failed)
        return;
    for (uint32_t i = 0; i < b->realm.roles_len; i++)
        b->realm.roles[i].wanted = true;
    for (uint32_t i = 0; i < b->realm.groups_len; i++)
        b->realm.groups[i].wanted = true;
    if (kc_read_lists(b->kc, &err) < 0)
        assert_int_equal(err.code, KB_E_NOMEM);
}

static int
build_token(void *userdata, const struct kb_secret *subject, struct kb_http_token_request *ret,
            struct kb_error *err)
{
    const struct bench *b = userdata;

    (void) subject;
    ret->static_token = strdup(b->token);
    return ret->static_token ? 0 : kb_fail(err, KB_E_NOMEM, "out of memory");
}

void
bench_open(struct bench *b, const struct kc_opts *opts)
{
    bench_open_as(b, opts, NULL);
}

void
bench_open_as(struct bench *b, const struct kc_opts *opts, const char *token)
{
    struct kb_http_authority authority = {.build = build_token, .userdata = b};
    struct kb_error err = {0};
    struct kb_http_opts http = reader_opts();
    struct kc_opts own = opts ? *opts : (struct kc_opts){.service_attribute = "app"};

    *b = (struct bench){.lists = true, .token = token};
    b->wire = wire_start(serve, b);
    assert_non_null(b->wire);
    http.tries = 1;
    b->http = reader_open(&http);
    struct kb_http_peer_opts peer = reader_peer_opts(wire_url(b->wire));
    peer.authority = token ? &authority : NULL;
    b->peer = reader_peer(b->http, &peer);
    own.on_catalog = on_catalog;
    own.userdata = b;
    assert_int_equal(kc_new(b->peer, wire_url(b->wire), "my realm", &own, &b->realm, &b->kc, &err), 0);
}

void
bench_lie(struct bench *b, const char *target, int status, const char *body, unsigned times)
{
    for (size_t i = 0; i < KB_LEN(b->lies); i++) {
        if (b->lies[i].target)
            continue;
        b->lies[i] = (struct lie){target, status, body, times};
        return;
    }
    fail_msg("too many lies");
}

void
bench_run(struct bench *b)
{
    struct kb_error err = {0};

    assert_int_equal(kc_read_catalog(b->kc, &err), 0);
    assert_int_equal(kb_http_run(b->http, &err), 0);
    assert_int_equal(b->catalogs, 1);
}

void
bench_close(struct bench *b)
{
    kc_free(b->kc);
    kb_http_free(b->http);
    wire_stop(b->wire);
    kb_realm_done(&b->realm);
}

const char *
bench_note(const struct bench *b, const struct kb_read *read)
{
    return kb_realm_str(&b->realm, read->note);
}

struct kb_role *
bench_role(struct bench *b, const char *id)
{
    uint32_t index = kb_realm_role(&b->realm, id);

    assert_int_not_equal(index, KB_NONE);
    return &b->realm.roles[index];
}

struct kb_realm_group *
bench_group(struct bench *b, const char *id)
{
    uint32_t index = kb_realm_group(&b->realm, id);

    assert_int_not_equal(index, KB_NONE);
    return &b->realm.groups[index];
}

struct kb_user *
bench_user(struct bench *b, const char *id)
{
    uint32_t index = kb_realm_user(&b->realm, id);

    assert_int_not_equal(index, KB_NONE);
    return &b->realm.users[index];
}
