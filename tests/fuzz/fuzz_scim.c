/* tests/fuzz/fuzz_scim.c: every decoder of SCIM answers, and the PATCH encoder with its checker, which takes exactly the grammar that
 * is written down here a second time. The first byte chooses. */
#include "base/buf.h"
#include "base/json.h"
#include "scim/decode.h"
#include "scim/discover.h"
#include "scim/patch.h"
#include "tests/fuzz/fuzz.h"

#include <curl/curl.h>

struct seen {
    struct kb_buf text;
    size_t rows;
};

static int
on_row(void *userdata, const struct scim_row *row, struct kb_error *err)
{
    struct seen *seen = userdata;

    (void) err;
    CHECK(row->id && kb_is_digits(row->id, 1, SCIM_ID_MAX));
    CHECK(!row->name || kb_utf8_valid(row->name, strlen(row->name)));
    CHECK(row->display && row->external_id);
    seen->rows++;
    kb_buf_addf(&seen->text, "%s\n%s\n%s\n%s\n%d%d%d%d\n", row->id, row->name ? row->name : "", row->display,
                row->external_id, row->active, row->local, row->account, row->member);
    return 0;
}

static int
read_document(const struct fuzz_input *in, unsigned which, size_t piece, struct seen *seen)
{
    struct scim_rows *rows = NULL;
    struct kb_error err = {0};
    struct scim_row group = {0};
    int64_t total = -1, start = -1;
    bool found = false;
    int r = which == SCIM_KIND_MAX_ ? scim_rows_members(on_row, seen, &rows, &err)
                                    : scim_rows_list((enum scim_kind) which, on_row, seen, &rows, &err);

    CHECK(r == 0);
    if (piece == 3) { /* a try that broke off leaves nothing behind */
        (void) scim_rows_feed(rows, in->p, in->len / 2, &err);
        scim_rows_reset(rows);
        kb_buf_clear(&seen->text);
        seen->rows = 0;
        err = (struct kb_error){0};
    }
    for (size_t at = 0; at < in->len && r == 0; at += piece)
        r = scim_rows_feed(rows, in->p + at, in->len - at < piece ? in->len - at : piece, &err);
    if (r == 0)
        r = which == SCIM_KIND_MAX_ ? scim_rows_end_group(rows, &group, &err)
                                    : scim_rows_end_list(rows, &total, &start, &found, &err);
    if (r < 0)
        fuzz_refused(r, &err, KB_E_PROTOCOL, KB_E_PROTOCOL);
    else if (which == SCIM_KIND_MAX_)
        CHECK(kb_is_digits(group.id, 1, SCIM_ID_MAX) && *group.name);
    else
        CHECK(total >= 0 && start >= 0 && (found || !seen->rows));
    kb_buf_addf(&seen->text, "%lld %lld %d %s %s\n", (long long) total, (long long) start, found,
                group.name ? group.name : "", r < 0 ? err.msg : "fine");
    scim_rows_free(rows);
    return r;
}

static void
check_document(const struct fuzz_input *in, unsigned which)
{
    struct seen whole = {.text = KB_BUF_INIT(1 << 20)};
    int r = read_document(in, which, in->len + 1, &whole);

    for (size_t piece = 1; piece <= 3; piece += 2) {
        struct seen cut = {.text = KB_BUF_INIT(1 << 20)};
        CHECK(read_document(in, which, piece, &cut) == r);
        CHECK(cut.rows == whole.rows && !strcmp(kb_buf_str(&cut.text), kb_buf_str(&whole.text)));
        kb_buf_done(&cut.text);
    }
    kb_buf_done(&whole.text);
}

static void
check_small(const struct fuzz_input *in)
{
    struct seen seen = {.text = KB_BUF_INIT(1 << 20)};
    struct kb_error err = {0};
    char id[24] = "", *payload = kb_strndup(in->p, in->len), *claim, *said;

    for (int kind = 0; kind < SCIM_KIND_MAX_; kind++) {
        int r = scim_decode_one((enum scim_kind) kind, in->p, in->len, on_row, &seen, &err);
        if (r < 0)
            fuzz_refused(r, &err, KB_E_PROTOCOL, KB_E_PROTOCOL);
    }
    if (scim_decode_created(in->p, in->len, "g", id, &err) == 0)
        CHECK(kb_is_digits(id, 1, SCIM_ID_MAX));
    CHECK(payload);
    claim = scim_decode_claim(payload, "aud");
    CHECK(!claim || kb_utf8_valid(claim, strlen(claim)));
    said = scim_decode_error(in->p, in->len);
    CHECK(!said || kb_utf8_valid(said, strlen(said)));
    free(said);
    free(claim);
    free(payload);
    kb_buf_done(&seen.text);
}

/* ---- the grammar of interface.md section 7, over RFC 8785 text, where each document has one spelling ---- */

static bool
eat(const char **p, const char *literal)
{
    size_t len = strlen(literal);

    if (strncmp(*p, literal, len) != 0)
        return false;
    *p += len;
    return true;
}

static bool
eat_id(const char **p)
{
    size_t len = strspn(*p, "0123456789");

    *p += len;
    return len >= 1 && len <= 19;
}

static bool
eat_add(const char **p, size_t *adds)
{
    size_t n = 0;

    do {
        if (!eat(p, "{\"value\":\"") || !eat_id(p) || !eat(p, "\"}") || ++n > 50)
            return false;
    } while (eat(p, ","));
    *adds += n;
    return eat(p, "]}");
}

static bool
in_grammar(const char *p, size_t *removes, size_t *adds)
{
    size_t n = 0;

    *removes = *adds = 0;
    if (!eat(&p, "{\"Operations\":["))
        return false;
    do {
        if (++n > 50)
            return false;
        if (eat(&p, "{\"op\":\"remove\",\"path\":\"members[value eq \\\"")) {
            if (*adds || !eat_id(&p) || !eat(&p, "\\\"]\"}"))
                return false;
            ++*removes;
        } else if (!eat(&p, "{\"op\":\"add\",\"path\":\"members\",\"value\":[") || !eat_add(&p, adds)) {
            return false;
        }
    } while (eat(&p, ","));
    return eat(&p, "],\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:PatchOp\"]}") && !*p;
}

static void
check_checker(const struct fuzz_input *in)
{
    struct json_object *doc = NULL;
    struct kb_buf canonical = KB_BUF_INIT(1 << 20);
    struct kb_error err = {0};
    size_t removes = 0, adds = 0;
    bool expected = kb_json_parse(in->p, in->len, &doc, &err) == 0 &&
                    kb_json_canonical(doc, &canonical, &err) == 0 &&
                    in_grammar(kb_buf_str(&canonical), &removes, &adds);
    int r = scim_patch_check(in->p, in->len, SCIM_PATCH_ANY, SCIM_PATCH_ANY, &err);

    CHECK((r == 0) == expected);
    if (r < 0)
        fuzz_refused(r, &err, KB_E_BUG, KB_E_BUG);
    CHECK((scim_patch_check(in->p, in->len, removes, adds, &err) == 0) == expected);
    CHECK(scim_patch_check(in->p, in->len, removes + 1, adds, &err) < 0);
    CHECK(scim_patch_check(in->p, in->len, removes, adds + 1, &err) < 0);
    kb_buf_done(&canonical);
    json_object_put(doc);
}

/* ---- where the token endpoint is ---- */

#define HOST "adb-1.example"
#define PORT "8443"

/* Wherever the documents lead, a client's secret goes to the configured host: as libcurl reads the URL. */
static void
check_place(const char *text)
{
    static const struct {
        CURLUPart part;
        const char *want;
    } parts[] = {{CURLUPART_SCHEME, "https"},
                 {CURLUPART_HOST, HOST},
                 {CURLUPART_PORT, PORT},
                 {CURLUPART_USER, NULL},
                 {CURLUPART_PASSWORD, NULL}};

    CURLU *url = curl_url();

    CHECK(url && text && curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK);
    for (size_t i = 0; i < KB_LEN(parts); i++) {
        char *got = NULL;
        (void) curl_url_get(url, parts[i].part, &got, 0);
        CHECK(parts[i].want ? got && !kb_ascii_casecmp(got, parts[i].want) : !got);
        curl_free(got);
    }
    curl_url_cleanup(url);
}

static void
check_discovery(struct fuzz_input *in)
{
    struct kb_error err = {.code = KB_E_AUTH, .status = 404, .msg = "HTTP 404"};
    struct scim_discover d = {.host = "https://" HOST ":" PORT, .account_id = fuzz_byte(in) % 2 ? "a/b" : ""};
    char *bodies[] = {fuzz_line(in), fuzz_line(in)};

    CHECK(scim_discover_begin(&d, &err));
    for (size_t i = 0; i < KB_LEN(bodies) && d.step != SCIM_AT_FOUND; i++) {
        check_place(d.ask);
        int r = scim_discover_learn(&d, "https://" HOST ":" PORT "/oidc/v1/token", bodies[i][0] ? 200 : 404,
                                    bodies[i], &err);
        if (r < 0) {
            fuzz_refused(r, &err, KB_E_AUTH, KB_E_AUTH);
            break;
        }
    }
    if (d.step == SCIM_AT_FOUND)
        check_place(d.found);
    scim_discover_done(&d);
    free(bodies[0]);
    free(bodies[1]);
}

/* ---- the encoder ---- */

struct lists {
    char texts[260][24];
    const char *removes[130], *adds[130];
    size_t removes_len, adds_len;
};

/* Ids of digits, and now and then something else. */
static bool
make_lists(struct fuzz_input *in, struct lists *l)
{
    size_t used = 0;
    bool good = true;

    l->removes_len = fuzz_byte(in) % 130;
    l->adds_len = fuzz_byte(in) % 130;
    for (size_t i = 0; i < l->removes_len + l->adds_len; i++) {
        uint8_t c = fuzz_byte(in);
        char *text = l->texts[used++];
        if (c < 240) {
            (void) snprintf(text, 24, "%zu%u", i, c);
        } else {
            size_t len = in->len < c - 233u ? in->len : c - 233u;
            memcpy(text, in->p, len);
            text[len] = '\0';
        }
        good = good && kb_is_digits(text, 1, 19);
        if (i < l->removes_len)
            l->removes[i] = text;
        else
            l->adds[i - l->removes_len] = text;
    }
    return good;
}

static size_t
count(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
        n++;
    return n;
}

/* Whatever the limits become on the way: each body is in the grammar, and together they carry each id once, in order. */
static void
check_encoder(struct fuzz_input *in)
{
    static struct lists l;
    struct scim_limits limits = {.ops = SCIM_OPS_MAX, .members = SCIM_MEMBERS_MAX};
    size_t removes = 0, adds = 0, requests = 0;
    bool good = make_lists(in, &l), refused = false;

    for (;;) {
        struct scim_slice slice = scim_patch_next(removes, l.removes_len, adds, l.adds_len, &limits);
        struct kb_buf body = KB_BUF_INIT(1 << 20);
        struct kb_error err = {0};
        if (!slice.remove_len && !slice.add_len)
            break;
        CHECK(slice.remove_start == removes && slice.add_start == adds);
        if (scim_patch_slice(l.removes, l.adds, &slice, &limits, &body, &err) < 0) {
            CHECK(!good && err.code == KB_E_BUG);
            refused = true;
        } else {
            const char *text = kb_buf_str(&body), *at = text;
            CHECK(scim_patch_check(body.data, body.len, slice.remove_len, slice.add_len, &err) == 0);
            CHECK(count(text, "\"op\"") <= limits.ops);
            for (size_t i = 0; i < slice.remove_len + slice.add_len; i++) {
                char want[40];
                if (i < slice.remove_len)
                    (void) snprintf(want, sizeof(want), "eq \\\"%s\\\"]\"}", l.removes[removes + i]);
                else
                    (void) snprintf(want, sizeof(want), "{\"value\":\"%s\"}",
                                    l.adds[adds + i - slice.remove_len]);
                at = strstr(at, want);
                CHECK(at);
                at += strlen(want);
            }
        }
        kb_buf_done(&body);
        if (fuzz_byte(in) % 4 == 3 && scim_patch_halve(&limits, &slice)) {
            CHECK(limits.ops >= 1 && limits.members >= 1);
            continue;
        }
        removes += slice.remove_len;
        adds += slice.add_len;
        requests++;
    }
    CHECK(removes == l.removes_len && adds == l.adds_len && (good || refused));
    if (limits.ops == SCIM_OPS_MAX && limits.members == SCIM_MEMBERS_MAX)
        CHECK(requests == scim_patch_requests(removes, adds));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *) data, size};
    unsigned which = fuzz_byte(&in) % 8;

    if (!in.len)
        return 0;
    if (which < 4)
        check_document(&in, which);
    else if (which == 4)
        check_small(&in);
    else if (which == 5)
        check_checker(&in);
    else if (which == 6)
        check_encoder(&in);
    else
        check_discovery(&in);
    return 0;
}
