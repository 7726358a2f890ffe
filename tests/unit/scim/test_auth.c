/* scim/auth: what the token endpoint is sent, and what its refusals mean. */
#include "base/ban.h"

#include "tests/unit/scim/golden.h"

#include "scim/auth.h"

#include "base/mem.h"

#include <fcntl.h>
#include <sys/stat.h>

#define CLIENT "5b1d0d4e-0000-4000-8000-0000000000aa"

static char file[] = "/tmp/kb-scim-auth-XXXXXX";

static int
make_file(void **state)
{
    (void) state;
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    (void) close(fd);
    return 0;
}

static int
drop_file(void **state)
{
    (void) state;
    return unlink(file);
}

static void
write_file(const char *text)
{
    int fd = open(file, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void) close(fd);
}

static void
done(struct kb_http_token_request *r)
{
    free(r->url);
    free(r->form);
    free(r->basic_user);
    free(r->basic_password);
    free(r->static_token);
    memset(r, 0, sizeof(*r));
}

static void
test_requests(void **state)
{
    const struct {
        const char *name;
        struct scim_auth_opts opts;
        const char *content; /* of the file */
        const char *url, *form, *user, *password, *token;
    } CASES[] = {
        {"m2m account",
         {.host = "https://h",
          .account_id = "acc-1",
          .account = true,
          .client_id = CLIENT,
          .method = SCIM_AUTH_M2M,
          .secret = {.file = file}},
         "s e+c%\n",
         "https://h/oidc/accounts/acc-1/v1/token",
         "token_m2m.txt",
         CLIENT,
         "s e+c%",
         NULL},
        {"m2m workspace",
         {.host = "https://h",
          .account_id = "",
          .client_id = CLIENT,
          .method = SCIM_AUTH_M2M,
          .secret = {.file = file}},
         "x",
         "https://h/oidc/v1/token",
         "token_m2m.txt",
         CLIENT,
         "x",
         NULL},
        {"exchange",
         {.host = "https://h",
          .account_id = "acc-1",
          .account = true,
          .client_id = "",
          .method = SCIM_AUTH_FEDERATION,
          .subject_file = file},
         "aaa.bbb.ccc\n",
         "https://h/oidc/accounts/acc-1/v1/token",
         "token_exchange.txt",
         NULL,
         NULL,
         NULL},
        {"exchange, no client at all",
         {.host = "https://h",
          .account_id = "acc-1",
          .account = true,
          .client_id = NULL,
          .method = SCIM_AUTH_FEDERATION,
          .subject_file = file},
         "aaa.bbb.ccc\n",
         "https://h/oidc/accounts/acc-1/v1/token",
         "token_exchange.txt",
         NULL,
         NULL,
         NULL},
        {"exchange for a service principal",
         {.host = "https://h",
          .account_id = "",
          .client_id = CLIENT,
          .method = SCIM_AUTH_FEDERATION,
          .subject_file = file},
         "aaa.bbb.ccc",
         "https://h/oidc/v1/token",
         "token_exchange_client.txt",
         NULL,
         NULL,
         NULL},
        {"token",
         {.host = "https://h", .account_id = "", .method = SCIM_AUTH_TOKEN, .secret = {.file = file}},
         "dapi123\n",
         NULL,
         NULL,
         NULL,
         NULL,
         "dapi123"},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        KB_CLEANUP(scim_auth) struct scim_auth *auth = NULL;
        struct kb_http_authority authority = {0};
        struct kb_http_token_request request = {0};
        struct kb_error err = {0};
        write_file(CASES[i].content);
        assert_int_equal(scim_auth_new(&CASES[i].opts, &auth, &err), 0);
        scim_auth_authority(auth, &authority);
        if (authority.build(authority.userdata, NULL, &request, &err) < 0)
            fail_msg("'%s': %s", CASES[i].name, err.msg);
        const char *const got[] = {request.url, request.basic_user, request.basic_password,
                                   request.static_token};
        const char *const want[] = {CASES[i].url, CASES[i].user, CASES[i].password, CASES[i].token};
        for (size_t k = 0; k < KB_LEN(got); k++)
            if (!got[k] != !want[k] || (got[k] && strcmp(got[k], want[k]) != 0))
                fail_msg("'%s': %s instead of %s", CASES[i].name, got[k] ? got[k] : "nothing",
                         want[k] ? want[k] : "nothing");
        if (CASES[i].form)
            golden(CASES[i].form, request.form);
        else
            assert_null(request.form);
        done(&request);
    }
}

/* Read at each request, so that a rotation needs no restart. */
static void
test_fresh(void **state)
{
    const struct scim_auth_opts opts = {
        .host = "https://h", .account_id = "", .method = SCIM_AUTH_TOKEN, .secret = {.file = file}};
    KB_CLEANUP(scim_auth) struct scim_auth *auth = NULL;
    struct kb_http_authority authority = {0};
    struct kb_http_token_request request = {0};
    struct kb_error err = {0};
    (void) state;

    assert_int_equal(scim_auth_new(&opts, &auth, &err), 0);
    scim_auth_authority(auth, &authority);
    for (int i = 0; i < 2; i++) {
        write_file(i ? "second" : "first");
        assert_int_equal(authority.build(authority.userdata, NULL, &request, &err), 0);
        assert_string_equal(request.static_token, i ? "second" : "first");
        done(&request);
    }
    write_file("");
    assert_int_equal(authority.build(authority.userdata, NULL, &request, &err), -KB_E_CONFIG);
    done(&request);
    assert_int_equal(chmod(file, 0644), 0);
    write_file("third");
    assert_int_equal(authority.build(authority.userdata, NULL, &request, &err), -KB_E_CONFIG);
    assert_null(strstr(err.msg, "third"));
    done(&request);
    assert_int_equal(chmod(file, 0600), 0);
}

static void
test_subject_of_peer(void **state)
{
    struct kb_http_peer *peer = (struct kb_http_peer *) (uintptr_t) 16; /* never looked into here */
    const struct scim_auth_opts opts = {.host = "https://h",
                                        .account_id = "acc-1",
                                        .account = true,
                                        .client_id = "",
                                        .method = SCIM_AUTH_FEDERATION,
                                        .subject_peer = peer};
    KB_CLEANUP(scim_auth) struct scim_auth *auth = NULL;
    KB_CLEANUP(kb_secret) struct kb_secret *subject = NULL;
    struct kb_http_authority authority = {0};
    struct kb_http_token_request request = {0};
    struct kb_error err = {0};
    (void) state;

    assert_int_equal(scim_auth_new(&opts, &auth, &err), 0);
    scim_auth_authority(auth, &authority);
    assert_ptr_equal(authority.subject_peer, peer);
    assert_int_equal(kb_secret_new("aaa.bbb.ccc", 11, &subject, &err), 0);
    assert_int_equal(authority.build(authority.userdata, subject, &request, &err), 0);
    golden("token_exchange.txt", request.form);
    done(&request);
    assert_true(authority.build(authority.userdata, NULL, &request, &err) < 0); /* nothing to exchange */
    done(&request);
}

static void
test_explain(void **state)
{
    static const struct {
        enum scim_auth_method method;
        int status;
        const char *body;
        const char *parts[2];
    } CASES[] = {
        {SCIM_AUTH_M2M,
         401,
         "{\"error\":\"invalid_client\",\"error_description\":\"Client authentication failed\"}",
         {"Client authentication failed", "secret"}},
        {SCIM_AUTH_M2M,
         400,
         "{\"error\":\"invalid_request\",\"error_description\":\"nope\"}",
         {"400", "nope"}},
        {SCIM_AUTH_M2M, 404, "<html>not here</html>", {"404", "host"}},
        {SCIM_AUTH_M2M,
         429,
         "{\"error\":\"x\",\"error_description\":\"Temporarily throttled, too many requests\"}",
         {"429", "throttled"}},
        {SCIM_AUTH_FEDERATION,
         400,
         "{\"error\":\"invalid_grant\",\"error_description\":\"issuer does not match\"}",
         {"issuer", "realm's URL"}},
        {SCIM_AUTH_FEDERATION,
         400,
         "{\"error\":\"invalid_grant\",\"error_description\":\"audience mismatch\"}",
         {"audience", "mapper"}},
        {SCIM_AUTH_FEDERATION,
         400,
         "{\"error\":\"invalid_grant\",\"error_description\":\"subject does not match\"}",
         {"subject", "policy"}},
        {SCIM_AUTH_FEDERATION,
         400,
         "{\"error\":\"invalid_grant\",\"error_description\":\"token expired\"}",
         {"expired", ""}},
        {SCIM_AUTH_FEDERATION, 400, "", {"400", ""}},
    };

    (void) state;

    for (size_t i = 0; i < KB_LEN(CASES); i++) {
        const struct scim_auth_opts opts = {.host = "https://h",
                                            .account_id = "acc-1",
                                            .account = true,
                                            .client_id = CLIENT,
                                            .method = CASES[i].method,
                                            .secret = {.file = file},
                                            .subject_file = file};
        KB_CLEANUP(scim_auth) struct scim_auth *auth = NULL;
        struct kb_http_authority authority = {0};
        struct kb_error err = {0};
        assert_int_equal(scim_auth_new(&opts, &auth, &err), 0);
        scim_auth_authority(auth, &authority);
        authority.explain(authority.userdata, CASES[i].status, CASES[i].body, &err);
        assert_int_equal(err.code, KB_E_AUTH);
        assert_int_equal(err.status, CASES[i].status);
        for (int k = 0; k < 2; k++)
            if (!strstr(err.msg, CASES[i].parts[k]))
                fail_msg("%d %s: no '%s' in: %s", CASES[i].status, CASES[i].body, CASES[i].parts[k], err.msg);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_requests), cmocka_unit_test(test_fresh),
                                       cmocka_unit_test(test_subject_of_peer),
                                       cmocka_unit_test(test_explain)};
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
