/* Bearer tokens: when a new one is needed, how it is asked for, what a refusal means.
 *
 * A token lives 1..3600 s whatever the server says and is renewed at 70 % of that, by the monotonic clock,
 * before the next request is sent. One request at a time; whoever waits for it waits in the peer's queue.
 * Only this file sends a POST on a transport that is open for reading, and only to the URL its authority
 * built. A refusal stays for the life of the kb_http: trying on would lock the client out (reliability F20).
 * A token server that cannot be reached is asked again in the next kb_http_run. Source: RFC 6749; RFC 8693;
 * reliability F20-F24. */
#include "base/ban.h"

#include "base/clock.h"
#include "base/http_decode.h"
#include "base/http_internal.h"
#include "base/random.h"

static void
wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

static void
request_done(struct kb_http_token_request *request)
{
    wipe(&request->url);
    wipe(&request->form);
    wipe(&request->basic_user);
    wipe(&request->basic_password);
    wipe(&request->static_token);
}

void
kb_http_token_done(struct kb_http_token *token)
{
    if (token->slot.busy)
        kb_http_land(&token->slot);
    curl_easy_cleanup(token->slot.easy);
    kb_http_response_free(token->slot.answer);
    curl_slist_free_all(token->headers);
    request_done(&token->request);
    kb_secret_free(token->value);
    free(token->payload);
}

static void
adopt(struct kb_http_peer *peer, struct kb_secret *value, int64_t life_s)
{
    struct kb_http_token *token = &peer->token;
    size_t size = 0;
    const char *bytes = kb_secret_bytes(value, &size);
    kb_secret_free(token->value);
    free(token->payload);
    token->value = value;
    token->payload = kb_http_decode_jwt_payload(bytes, size);
    token->gen++;
    token->unproven = token->invalid;
    token->invalid = false;
    token->renew_at = kb_mono_ms() + life_s * 700; /* 70 % */
    token->tries = 0;
}

/* The end of all tries. */
static int
give_up(struct kb_http_peer *peer, const struct kb_error *why, struct kb_error *err)
{
    peer->token.failed = *why;
    peer->token.tries = 0;
    *err = *why;
    return -(int) why->code;
}

static int
build(struct kb_http_peer *peer, struct kb_error *err)
{
    struct kb_http_token *token = &peer->token;
    const struct kb_http_peer *subject = peer->authority.subject_peer;
    request_done(&token->request);
    if (peer->authority.build(peer->authority.userdata, subject ? subject->token.value : NULL,
                              &token->request, err) < 0)
        return -(int) err->code;
    if (token->request.static_token)
        return 0;
    if (!token->request.url || (!token->request.form && !peer->authority.learn))
        return kb_fail(err, KB_E_BUG, "%s: a token request without URL or form", peer->name);
    if (kb_http_check_url(token->request.url, true, err) < 0)
        return kb_fail_prefix(err, "%s: token URL", peer->name);
    return 0;
}

static int
adopt_static(struct kb_http_peer *peer, struct kb_error *err)
{
    const char *text = peer->token.request.static_token;
    struct kb_secret *value = NULL;
    int r = 0;
    if (!kb_http_token_spelling(text, strlen(text)))
        r = kb_fail(err, KB_E_CONFIG, "%s: the token has bytes that no token may have", peer->name);
    else
        r = kb_secret_new(text, strlen(text), &value, err);
    request_done(&peer->token.request);
    if (r >= 0)
        adopt(peer, value, KB_HTTP_TOKEN_LIFE_MAX_S); /* then its file is read again */
    return r;
}

static int
ask(struct kb_http_peer *peer, struct kb_error *err)
{
    struct kb_http_token *token = &peer->token;
    if (!token->headers) {
        struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/x-www-form-urlencoded");
        if (!list || !curl_slist_append(list, "Accept: application/json") ||
            !curl_slist_append(list, "Expect:")) {
            curl_slist_free_all(list);
            return kb_fail(err, KB_E_NOMEM, "out of memory");
        }
        token->headers = list;
    }
    kb_http_response_free(token->slot.answer);
    token->slot.answer = kb_http_response_new();
    if (!token->slot.answer)
        return kb_fail(err, KB_E_NOMEM, "out of memory");
    if (kb_http_slot_dress_token(&token->slot, &token->request, token->headers, err) < 0 ||
        kb_http_launch(&token->slot, err) < 0)
        return -(int) err->code;
    token->pending = true;
    token->tries++;
    peer->stats.requests++;
    peer->stats.token_requests++;
    return 0;
}

static bool
usable(const struct kb_http_peer *peer, int64_t now)
{
    const struct kb_http_token *token = &peer->token;
    return !peer->has_authority || (token->value && !token->invalid && now < token->renew_at);
}

int64_t
kb_http_token_wake_at(const struct kb_http_peer *peer, int64_t now)
{
    if (usable(peer, now))
        return now;
    if (peer->token.pending)
        return INT64_MAX;
    if (peer->token.not_before_at > now)
        return peer->token.not_before_at;
    return peer->authority.subject_peer ? kb_http_token_wake_at(peer->authority.subject_peer, now) : now;
}

int
kb_http_token_ensure(struct kb_http_peer *peer, int64_t now, struct kb_error *err)
{
    struct kb_http_token *token = &peer->token;
    if (usable(peer, now))
        return 1;
    if (token->failed.code != KB_OK) {
        *err = token->failed;
        return -(int) err->code;
    }
    if (token->pending || now < token->not_before_at)
        return 0;
    struct kb_http_peer *subject = peer->authority.subject_peer;
    if (subject) {
        int r = kb_http_token_ensure(subject, now, err);
        if (r <= 0)
            return r;
    }
    struct kb_error why = {0};
    if (build(peer, &why) < 0)
        return give_up(peer, &why, err);
    if (token->request.static_token)
        return adopt_static(peer, &why) < 0 ? give_up(peer, &why, err) : 1;
    return ask(peer, &why) < 0 ? give_up(peer, &why, err) : 0;
}

/* A refusal in words. The status decides the code; the authority knows the cure. */
static void
explain_refusal(struct kb_http_peer *peer, const struct kb_http_response *answer, struct kb_error *ret)
{
    bool busy = kb_http_again_status(answer->status, true);
    if (peer->authority.explain)
        peer->authority.explain(peer->authority.userdata, answer->status, answer->body ? answer->body : "",
                                ret);
    if (ret->code == KB_OK)
        (void) kb_fail(ret, busy ? KB_E_HTTP : KB_E_AUTH, "%s: the token endpoint answered %d", peer->name,
                       answer->status);
    if (busy)
        ret->code = KB_E_HTTP; /* not a refusal of us: a later run may succeed */
    ret->status = answer->status;
    ret->retry = busy;
}

static void
judge(struct kb_http_peer *peer, CURLcode result, struct kb_error *ret)
{
    struct kb_http_token *token = &peer->token;
    const struct kb_http_response *answer = token->slot.answer;
    const char *body = answer->body ? answer->body : "";
    result = kb_http_result(answer, result);
    if (result != CURLE_OK || answer->flaw != KB_HTTP_FINE) {
        kb_http_explain(&token->slot, answer, token->request.form ? "POST" : "GET", token->request.url,
                        result, ret);
        return;
    }
    bool final = !kb_http_again_status(answer->status, true);
    if (!token->request.form && final) {
        (void) peer->authority.learn(peer->authority.userdata, answer->status, body, ret);
        token->tries = 0;
        return;
    }
    if (answer->status != 200) {
        if (final && peer->authority.elsewhere &&
            peer->authority.elsewhere(peer->authority.userdata, answer->status, body))
            token->tries = 0; /* the next is another question */
        else
            explain_refusal(peer, answer, ret);
        return;
    }
    struct kb_secret *value = NULL;
    int64_t life_s = 0;
    if (kb_http_decode_token(body, answer->len, &value, &life_s, ret) < 0) {
        (void) kb_fail_prefix(ret, "%s: token endpoint", peer->name);
        ret->retry = true; /* the page of a gateway, usually (F21) */
        return;
    }
    adopt(peer, value, life_s);
}

void
kb_http_token_settle(struct kb_http_peer *peer, CURLcode result)
{
    struct kb_http_token *token = &peer->token;
    struct kb_error why = {0};
    kb_http_land(&token->slot);
    token->pending = false;
    peer->stats.bytes += token->slot.answer->total;
    kb_http_note_date(peer, token->slot.answer->date_s);
    kb_http_note_certificate(&token->slot);
    judge(peer, result, &why);
    int status = token->slot.answer->status;
    int64_t retry_after_s = token->slot.answer->retry_after_s;
    kb_http_response_free(token->slot.answer); /* it holds the token in clear */
    token->slot.answer = NULL;
    request_done(&token->request);
    if (why.code == KB_OK)
        return;

    int64_t ms =
        kb_http_backoff(peer->http->backoff_ms, token->tries, status == 429, retry_after_s, kb_random_u64());
    if (why.retry && token->tries < peer->http->tries && kb_http_afford(peer, ms, ms)) {
        token->not_before_at = kb_mono_ms() + ms;
        return;
    }
    struct kb_error copy = {0};
    (void) give_up(peer, &why, &copy);
}

void
kb_http_token_abort(struct kb_http_peer *peer)
{
    struct kb_http_token *token = &peer->token;
    if (!token->pending)
        return;
    kb_http_land(&token->slot);
    token->pending = false;
    kb_http_response_free(token->slot.answer);
    token->slot.answer = NULL;
    request_done(&token->request);
}

bool
kb_http_token_refused(struct kb_http_peer *peer, uint64_t gen)
{
    struct kb_http_token *token = &peer->token;
    if (gen != token->gen)
        return true; /* somebody else got a new one meanwhile */
    if (token->unproven)
        return false; /* it is new, and nothing has accepted it */
    token->invalid = true;
    return true;
}

void
kb_http_token_worked(struct kb_http_peer *peer, uint64_t gen)
{
    if (gen == peer->token.gen)
        peer->token.unproven = false;
}

const char *
kb_http_peer_token_payload(const struct kb_http_peer *peer)
{
    return peer->token.payload;
}
