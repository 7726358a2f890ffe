/* tests/fuzz/fuzz_keycloak.c: every decoder of Keycloak's answers: safe, the same however the bytes are cut, strict about what decides
 * who is who. The first byte chooses the decoder. */
#include "base/buf.h"
#include "keycloak/decode.h"
#include "keycloak/event_decode.h"
#include "keycloak/token_decode.h"
#include "tests/fuzz/fuzz.h"

struct seen {
    struct kb_buf text; /* everything that was delivered, for comparing */
    size_t rows;
};

static void
add(struct kb_buf *b, const char *s)
{
    kb_buf_adds(b, s ? s : "(none)");
    kb_buf_addc(b, '\n');
}

/* What decides who is who is never empty, and fits the places that it is copied to. */
static void
check_name(const char *s)
{
    CHECK(s && *s && strlen(s) < KC_TEXT_SIZE && kb_utf8_valid(s, strlen(s)));
}

static int
on_grant(void *userdata, const char *client, const char *role, struct kb_error *err)
{
    struct seen *seen = userdata;

    (void) err;
    check_name(role);
    CHECK(!client || *client);
    add(&seen->text, client);
    add(&seen->text, role);
    return 0;
}

static void
see_user(struct seen *seen, const struct kc_user_row *u)
{
    CHECK(u->username && *u->username);
    CHECK(!u->email || *u->email);
    CHECK(!u->federation || *u->federation);
    CHECK(u->service_account == !strncmp(u->username, "service-account-", 16));
    add(&seen->text, u->username);
    add(&seen->text, u->email);
    add(&seen->text, u->federation);
    add(&seen->text, u->attribute);
    kb_buf_addf(&seen->text, "%d%d%d\n", u->enabled, u->email_verified, u->locked_out);
}

static int
on_row(void *userdata, const struct kc_row *row, struct kb_error *err)
{
    struct seen *seen = userdata;
    char component[KC_ID_SIZE];
    int r = 0;

    CHECK(row->id && kc_id_valid(row->id) && strlen(row->id) < KC_ID_SIZE);
    CHECK(kc_id_component(row->id, component) == (row->id[0] == 'f' && row->id[1] == ':'));
    seen->rows++;
    add(&seen->text, row->id);
    switch (row->kind) {
    case KC_ROW_USER:
        see_user(seen, &row->user);
        break;
    case KC_ROW_ROLE:
        check_name(row->role.name);
        add(&seen->text, row->role.name);
        add(&seen->text, row->role.container);
        kb_buf_addf(&seen->text, "%d%d\n", row->role.composite, row->role.client_role);
        break;
    case KC_ROW_GROUP:
        check_name(row->group.name);
        add(&seen->text, row->group.name);
        add(&seen->text, row->group.path);
        add(&seen->text, row->group.parent);
        r = kc_decode_grants(&row->group, on_grant, seen, err);
        break;
    case KC_ROW_CLIENT:
        check_name(row->client.client_id);
        add(&seen->text, row->client.client_id);
        break;
    case KC_ROW_COMPONENT:
        add(&seen->text, row->component.name);
        kb_buf_addf(&seen->text, "%d\n", row->component.off);
        break;
    }
    return r;
}

/* Piece 0: all at once. */
static int
read_list(const struct fuzz_input *in, enum kc_row_kind kind, size_t piece, struct seen *seen, bool again)
{
    const struct kc_row_opts opts = {
        .kind = kind, .attributes = {.of_people = "a", .of_services = "b"}, .fn = on_row, .userdata = seen};
    struct kb_error err = {0};
    struct kc_rows *rows = NULL;
    size_t step = piece ? piece : in->len + 1;
    int r = kc_rows_new(&opts, &rows, &err);

    CHECK(r == 0);
    if (again) { /* a first try that broke off leaves nothing behind */
        (void) kc_rows_feed(rows, in->p, in->len / 2, &err);
        kc_rows_reset(rows);
        kb_buf_clear(&seen->text);
        seen->rows = 0;
        err = (struct kb_error){0};
    }
    for (size_t at = 0; at < in->len && r == 0; at += step)
        r = kc_rows_feed(rows, in->p + at, in->len - at < step ? in->len - at : step, &err);
    if (r == 0)
        r = kc_rows_end(rows, &err);
    if (r < 0)
        fuzz_refused(r, &err, KB_E_PROTOCOL, KB_E_PROTOCOL);
    add(&seen->text, r < 0 ? err.msg : "fine");
    kc_rows_free(rows);
    return r;
}

static void
check_list(const struct fuzz_input *in, enum kc_row_kind kind)
{
    struct seen whole = {.text = KB_BUF_INIT(1 << 20)};
    struct json_object *doc = NULL;
    struct kb_error err = {0};
    int r = read_list(in, kind, 0, &whole, false);

    if (r == 0) { /* nothing was passed over */
        CHECK(kb_json_parse(in->p, in->len, &doc, &err) == 0);
        CHECK(json_object_array_length(doc) == whole.rows);
        json_object_put(doc);
    }
    for (size_t piece = 1; piece <= 7; piece += 3) {
        struct seen cut = {.text = KB_BUF_INIT(1 << 20)};
        CHECK(read_list(in, kind, piece, &cut, piece == 4) == r);
        CHECK(!strcmp(kb_buf_str(&whole.text), kb_buf_str(&cut.text)));
        kb_buf_done(&cut.text);
    }
    kb_buf_done(&whole.text);
}

static void
check_object(const struct fuzz_input *in, enum kc_row_kind kind)
{
    struct seen seen = {.text = KB_BUF_INIT(1 << 20)};
    const struct kc_row_opts opts = {.kind = kind, .fn = on_row, .userdata = &seen};
    struct kb_error err = {0};
    int r = kc_decode_object(in->p, in->len, &opts, &err);

    if (r < 0)
        fuzz_refused(r, &err, KB_E_PROTOCOL, KB_E_PROTOCOL);
    else
        CHECK(seen.rows == 1);
    kb_buf_done(&seen.text);
}

static void
on_event(void *userdata, const struct kb_event *event)
{
    struct seen *seen = userdata;

    CHECK(event->what < KB_EVENT_WHAT_MAX_ && event->holder && *event->holder && event->actor);
    seen->rows++;
    kb_buf_addf(&seen->text, "%d%d%d %lld\n", event->what, event->gave, event->actor_elsewhere,
                (long long) event->at_ms);
    add(&seen->text, event->holder);
    add(&seen->text, event->id);
    add(&seen->text, event->name);
    add(&seen->text, event->actor);
}

static void
read_events(const struct fuzz_input *in, size_t piece, struct seen *seen)
{
    struct kc_event_sink sink = {.fn = on_event, .userdata = seen};
    struct kc_event_rows *rows = NULL;
    struct kb_error err = {0};
    uint32_t count = 0, bad = 0;
    int r = kc_event_rows_new(&sink, &rows, &err);

    CHECK(r == 0);
    for (size_t at = 0; at < in->len && r == 0; at += piece)
        r = kc_event_rows_feed(rows, in->p + at, in->len - at < piece ? in->len - at : piece, &err);
    if (r == 0)
        r = kc_event_rows_end(rows, &count, &bad, &err);
    if (r < 0)
        fuzz_refused(r, &err, KB_E_PROTOCOL, KB_E_PROTOCOL);
    else
        CHECK(bad <= count);
    kb_buf_addf(&seen->text, "%u %u %d %s\n", count, bad, sink.bare, r < 0 ? err.msg : "fine");
    kc_event_rows_free(rows);
}

static void
check_events(const struct fuzz_input *in)
{
    struct seen whole = {.text = KB_BUF_INIT(1 << 20)}, cut = {.text = KB_BUF_INIT(1 << 20)};

    read_events(in, in->len + 1, &whole);
    read_events(in, 3, &cut);
    CHECK(whole.rows == cut.rows && !strcmp(kb_buf_str(&whole.text), kb_buf_str(&cut.text)));
    kb_buf_done(&whole.text);
    kb_buf_done(&cut.text);
}

static void
check_small(const struct fuzz_input *in)
{
    struct kc_refusal refusal;
    struct kb_error err = {0};
    uint32_t n = 0;
    bool on = false, details = false;
    char *name = NULL;

    if (kc_decode_refusal(in->p, in->len, &refusal)) {
        CHECK(!kb_has_control(refusal.error) && !kb_has_control(refusal.description));
        CHECK(kb_utf8_valid(refusal.error, strlen(refusal.error)));
        CHECK(kb_utf8_valid(refusal.description, strlen(refusal.description)));
    }
    if (kc_decode_group_count(in->p, in->len, &n, &err) == 0)
        CHECK(in->len > 9);
    if (kc_decode_user_count(in->p, in->len, &n, &err) == 0)
        CHECK(kb_utf8_valid(in->p, in->len) && memchr("0123456789", in->p[in->len - 1], 10) != NULL);
    (void) kc_decode_credentials(in->p, in->len, &err);
    (void) kc_decode_organizations(in->p, in->len, &on, &err);
    (void) kc_decode_events_config(in->p, in->len, &on, &details, &err);
    if (kc_decode_username(in->p, in->len, "id", &name, &err) == 0)
        CHECK(name && *name);
    free(name);
}

static void
check_token(const struct fuzz_input *in)
{
    char *payload = kb_strndup(in->p, in->len), *excess;

    CHECK(payload);
    excess = kc_token_excess(payload);
    CHECK(!excess || (*excess && !kb_has_control(excess) && kb_utf8_valid(excess, strlen(excess))));
    if (excess && !strchr(excess, ',') && !strchr(excess, '\\') && strcmp(excess, "admin") != 0 &&
        strcmp(excess, "create-realm") != 0)
        CHECK(kc_token_names(payload, excess)); /* both look at the same roles */
    CHECK(!kc_token_names(payload, ""));
    free(excess);
    free(payload);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *) data, size};
    unsigned which = fuzz_byte(&in) % 13;

    if (!in.len)
        return 0;
    if (which < 5)
        check_list(&in, (enum kc_row_kind) which);
    else if (which < 10)
        check_object(&in, (enum kc_row_kind)(which - 5));
    else if (which == 10)
        check_events(&in);
    else if (which == 11)
        check_small(&in);
    else
        check_token(&in);
    return 0;
}
