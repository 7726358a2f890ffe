/* The plan document: round trip to the byte, every byte guarded, every field typed, ledger reasons. */
#include "tests/unit/plan/plan_world.h"

#include "base/buf.h"
#include "base/hash.h"

#define DOC_SIZE_MAX (1u << 20)

static void
add_reason(struct kb_plan *plan, struct kb_plan_op *op, struct kb_reason reason, const char *via)
{
    assert_true(
        kb_grow(&plan->reasons, &plan->reasons_cap, plan->reasons_len + 1u, sizeof(*plan->reasons), 64));
    assert_true(kb_grow(&plan->via, &plan->via_cap, plan->via_len + 1u, sizeof(*plan->via), 64));
    if (!op->reasons_len)
        op->reasons_start = plan->reasons_len;
    reason.via_start = plan->via_len;
    reason.via_len = via != NULL;
    if (via)
        plan->via[plan->via_len++] = kb_pool_adds(&plan->pool, via);
    plan->reasons[plan->reasons_len++] = reason;
    op->reasons_len++;
}

/* Every kind of field is in it: a creation, an update, held, guards of all scopes, reasons, names that bite. */
static void
full_plan(struct world *w)
{
    uint32_t ada, bo, g, u;
    char self[] = "1003", *members[] = {self};
    struct kb_guard_input in;
    struct kb_history history = {0};
    struct kb_plan *plan = &w->plan;

    world_init(w);
    (void) world_managed(w, "a \"quoted\"\n\xe2\x80\xae name");
    (void) world_managed(w, "ml");
    (void) world_managed(w, "none");
    w->scope.managed[0].create = true;
    w->scope.managed[1].foreign = KB_FOREIGN_REMOVE;
    g = world_group(w, "900", "ml");
    ada = world_principal(w, "1001", "ada@acme.example");
    w->target.principals[ada].display = kb_pool_adds(&w->target.pool, "Ada Ok\xc3\xa1"
                                                                      "for");
    bo = world_principal(w, "1002", "bo");
    w->target.principals[bo].kind = KB_PRINCIPAL_SERVICE;
    u = world_user(w, "u1", "ada@acme.example", ada);
    world_hold(w, 0, u);
    world_hold(w, 1, u);
    world_hold(w, 1, world_user(w, "u2", "nobody@acme.example", KB_NONE));
    world_hold(w, 1,
               world_user(w, "u3", "glass@acme.example", world_principal(w, "1003", "glass@acme.example")));
    world_member(w, g, bo);
    w->rules.protect_members = (struct kb_strings){members, 1};
    world_plan(w);
    w->rules.protect_members = (struct kb_strings){0};
    for (uint32_t i = 0; i < plan->ops_len; i++) {
        if (plan->ops[i].op != KB_OP_ADD)
            continue;
        add_reason(plan, &plan->ops[i],
                   (struct kb_reason){.rule = 2, .object = kb_pool_adds(&plan->pool, "ml-engineer")}, NULL);
        add_reason(plan, &plan->ops[i],
                   (struct kb_reason){.rule = 7,
                                      .object = kb_pool_adds(&plan->pool, "/data/ml"),
                                      .is_path = true,
                                      .event_at_s = 1795369931,
                                      .event_by = kb_pool_adds(&plan->pool, "p.okafor")},
                   "group /data");
    }
    in = (struct kb_guard_input){.limits = &w->rules.limits,
                                 .history = &history,
                                 .rules = &w->rules,
                                 .self_id = "",
                                 .at_s = w->in.at_s};
    w->rules.limits.quarantine = 9;
    w->rules.limits.max_removals_percent = 7;
    w->rules.limits.max_additions_total = w->rules.limits.max_group_creations = 100;
    w->rules.limits.group_max_removals_small = 0;
    w->rules.limits.never_empty_from = 9;
    w->rules.limits.removal_window_total = w->rules.limits.max_removals_total = 100;
    w->rules.limits.removal_window_floor = 100;
    assert_int_equal(kb_guards_judge(&in, plan, &w->err), 0);
    plan->summary.adopt = 12;
}

static void
write_doc(struct world *w, struct kb_buf *ret)
{
    if (kb_plan_write(&w->plan, ret, &w->err) < 0)
        fail_msg("kb_plan_write: %s", w->err.msg);
}

static void
test_document(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf doc = KB_BUF_INIT(DOC_SIZE_MAX);
    static const char *const parts[] = {
        "{\"cost\":{\"get\":1,\"patch\":2,\"post\":1},\"digest\":\"sha256:",
        "\",\"fingerprint\":\"sha256:",
        "\"groups\":[{\"action\":\"create\",\"after\":1,\"before\":0,\"fingerprint\":\"sha256:",
        ",\"id\":\"\",\"name\":\"a \\\"quoted\\\"\\n\xe2\x80\xae "
        "name\",\"operations\":[{\"cause\":\"granted\","
        "\"op\":\"add\",\"principal\":{\"display\":\"Ada Ok\xc3\xa1"
        "for\",\"id\":\"1001\",\"kind\":\"user\",\"name\":"
        "\"ada@acme.example\"},\"reasons\":[{\"role\":\"ml-engineer\",\"rule\":2,\"via\":[]},{\"event\":{"
        "\"at\":"
        "\"2026-11-22T17:52:11Z\",\"by\":\"p.okafor\"},\"path\":\"/data/ml\",\"rule\":7,\"via\":[\"group "
        "/data\"]}],"
        "\"source_id\":\"u1\",\"state\":\"ready\"}],\"precondition\":{\"digest\":\"sha256:"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"members\":0},\"state\":"
        "\"ready\"},",
        "\"guards\":[{\"limit\":0,\"name\":\"group_max_removals_small\",\"scope\":\"group\",\"tripped\":true,"
        "\"unit\":\"count\",\"value\":1},{\"limit\":0,\"name\":\"protected_member\",\"scope\":\"member\","
        "\"tripped\":true,\"unit\":\"count\",\"value\":1}],\"id\":\"900\",\"name\":\"ml\"",
        "{\"cause\":\"foreign\",\"op\":\"remove\",\"principal\":{\"id\":\"1002\",\"kind\":\"service_"
        "principal\","
        "\"name\":\"bo\"},\"reasons\":[],\"source_id\":\"\",\"state\":\"held\"}]",
        "],\"guards\":[{\"limit\":7,\"name\":\"max_removals_percent\",\"scope\":\"run\",\"tripped\":true,"
        "\"unit\":\"percent\",\"value\":100}",
        "\"left_alone\":{\"ambiguous\":[],\"exceptions\":[],\"foreign\":[],\"frozen\":[{\"group\":\"none\","
        "\"name\":"
        "\"\",\"note\":\"no such "
        "group\"}],\"identity_changed\":[],\"locked_out\":[],\"released\":[],\"stuck\":[],"
        "\"unmatched\":[{\"group\":\"ml\",\"name\":\"nobody@acme.example\",\"note\":\"no Databricks user of "
        "that "
        "name\"}],\"unproven\":[]},\"rules\":{\"changed_since_last_apply\":false,\"digest\":\"sha256:aaaa",
        "\"run\":{\"at\":\"2026-11-23T06:00:00Z\",\"id\":\"0198c0de-0000-7000-8000-000000000001\",\"tool\":"
        "\"keybricks "
        "1.0.0\"},\"schema\":\"keybricks.plan/1\",\"source\":{\"complete\":true,\"digest\":\"sha256:",
        ",\"groups\":0,\"issuer\":\"https://sso.example/realms/"
        "acme\",\"roles\":0,\"users\":0},\"summary\":{\"add\":2,"
        "\"adopt\":12,\"ambiguous\":0,\"create_groups\":1,\"create_users\":0,\"drift\":0,\"foreign\":1,"
        "\"held\":1,"
        "\"remove\":0,\"unmatched\":1},\"target\":{\"groups\":1,\"host\":\"https://"
        "accounts.example\",\"level\":"
        "\"account\",\"memberships\":1,\"name\":\"acme\"}}\n",
    };
    const char *at;
    struct world w;

    (void) state;
    full_plan(&w);
    write_doc(&w, &doc);
    at = kb_buf_str(&doc);
    for (size_t i = 0; i < KB_LEN(parts); i++) { /* in this order */
        const char *found = strstr(at, parts[i]);
        if (!found)
            fail_msg("not in the document, or not in its place: %s\n%s", parts[i], kb_buf_str(&doc));
        at = found + strlen(parts[i]);
    }
    assert_int_equal(*at, '\0');
    world_done(&w);
}

static void
test_round_trip(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf doc = KB_BUF_INIT(DOC_SIZE_MAX), again = KB_BUF_INIT(DOC_SIZE_MAX);
    struct kb_plan read = {0};
    struct world w;

    (void) state;
    full_plan(&w);
    write_doc(&w, &doc);
    if (kb_plan_read(doc.data, doc.len, &read, &w.err) < 0)
        fail_msg("kb_plan_read: %s", w.err.msg);
    assert_string_equal(read.digest, w.plan.digest);
    assert_string_equal(read.fingerprint, w.plan.fingerprint);
    assert_int_equal(read.ops_len, 3);
    assert_int_equal(read.ops[2].state, KB_OP_HELD);
    assert_int_equal(read.ops[2].held_by, 0); /* which guard it was follows from judging it again */
    assert_int_equal(read.groups[0].create_state, KB_OP_READY);
    assert_int_equal(read.at_s, w.in.at_s);
    assert_int_equal(kb_plan_write(&read, &again, &w.err), 0);
    assert_string_equal(kb_buf_str(&doc), kb_buf_str(&again));
    kb_plan_done(&read);
    world_done(&w);
}

static void
test_empty_plan(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf doc = KB_BUF_INIT(DOC_SIZE_MAX), again = KB_BUF_INIT(DOC_SIZE_MAX);
    struct kb_plan read = {0};
    struct world w;

    (void) state;
    world_init(&w);
    world_plan(&w);
    write_doc(&w, &doc);
    assert_int_equal(kb_plan_read(doc.data, doc.len, &read, &w.err), 0);
    assert_int_equal(kb_plan_write(&read, &again, &w.err), 0);
    assert_string_equal(kb_buf_str(&doc), kb_buf_str(&again));
    kb_plan_done(&read);
    world_done(&w);
}

/* Two changed bits at every place; bytes cut off, bytes added. */
static void
test_every_byte(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf doc = KB_BUF_INIT(DOC_SIZE_MAX);
    unsigned stale = 0;
    struct world w;

    (void) state;
    full_plan(&w);
    write_doc(&w, &doc);
    assert_true(doc.len > 1000);
    for (size_t i = 0; doc.len && i < 2 * doc.len; i++) {
        struct kb_plan read = {0};
        char bit = i < doc.len ? 1 : 0x20, *byte = &doc.data[i % doc.len];
        int r;
        *byte = (char) (*byte ^ bit);
        r = kb_plan_read(doc.data, doc.len, &read, &w.err);
        if (r != -KB_E_STALE && r != -KB_E_USAGE)
            fail_msg("byte %zu changed, result %d", i % doc.len, r);
        stale += r == -KB_E_STALE;
        *byte = (char) (*byte ^ bit);
    }
    assert_int_equal(stale, 2 * doc.len); /* it is still seen to be a plan */
    for (size_t len = 0; len < doc.len; len++) {
        struct kb_plan read = {0};
        assert_true(kb_plan_read(doc.data, len, &read, &w.err) < 0);
    }
    kb_buf_addc(&doc, '\n');
    assert_int_equal(kb_plan_read(doc.data, doc.len, &(struct kb_plan){0}, &w.err), -KB_E_STALE);
    world_done(&w);
}

/* The digest over what is there, as somebody who edits a plan with care would make it. */
static void
sign(struct kb_buf *doc)
{
    char *at = strstr(doc->data, ",\"digest\":\"");
    char digest[KB_DIGEST_SIZE];
    struct kb_hash hash;
    size_t start, rest;

    assert_non_null(at);
    start = (size_t) (at - doc->data);
    rest = start + strlen(",\"digest\":\"") + KB_DIGEST_SIZE - 1 + 1;
    kb_hash_init(&hash);
    kb_hash_add(&hash, doc->data, start);
    kb_hash_add(&hash, doc->data + rest, doc->len - 1 - rest);
    assert_true(kb_hash_final_digest(&hash, digest));
    memcpy(at + strlen(",\"digest\":\""), digest, KB_DIGEST_SIZE - 1);
}

static void
test_edited(void **state)
{
    static const struct {
        const char *find, *replace;
        enum kb_code code;
    } cases[] = {
        /* other operations, the same fingerprints */
        {"\"id\":\"1001\"", "\"id\":\"1009\"", KB_E_STALE},
        {"\"kind\":\"service_principal\"", "\"kind\":\"user\"", KB_E_STALE},
        {"\"cause\":\"foreign\"", "\"cause\":\"revoked\"", KB_E_STALE},
        {"\"id\":\"900\"", "\"id\":\"901\"", KB_E_STALE},
        {"\"name\":\"ml\"", "\"name\":\"mm\"", KB_E_STALE},
        {"\"name\":\"acme\"}", "\"name\":\"other\"}", KB_E_STALE},
        {"\"host\":\"https://accounts.example\"", "\"host\":\"https://evil.example\"", KB_E_STALE},
        {"\"digest\":\"sha256:aaaa", "\"digest\":\"sha256:baaa", KB_E_STALE},
        {"sha256:e3b0", "sha256:e3b1", KB_E_STALE},
        /* counts that do not fit the operations */
        {"\"after\":1,", "\"after\":2,", KB_E_STALE},
        {"\"add\":2", "\"add\":3", KB_E_STALE},
        {"\"held\":1", "\"held\":0", KB_E_STALE},
        {"\"get\":1", "\"get\":2", KB_E_STALE},
        {"\"foreign\":1", "\"foreign\":0", KB_E_STALE},
        {"\"members\":0},\"state\":\"ready\"}", "\"members\":0},\"state\":\"frozen\"}", KB_E_STALE},
        /* unknown, missing and reordered fields */
        {"\"get\":1,", "\"get\":1,\"got\":1,", KB_E_STALE},
        {"\"op\":\"add\",", "\"op\":\"add\",\"opp\":\"add\",", KB_E_STALE},
        {"{\"ambiguous\":[],", "{\"ambiguous\":[],\"another\":[],", KB_E_STALE},
        {"\"rule\":2,\"via\":[]", "\"via\":[],\"rule\":2", KB_E_STALE},
        {"\"members\":0}", "\"members\": 0}", KB_E_STALE},
        {"\"rule\":2", "\"rule\":2.0", KB_E_USAGE},
        {"\"op\":\"add\",", "", KB_E_USAGE},
        {"\"source_id\":\"u1\",", "", KB_E_USAGE},
        {"\"source_id\":\"\",", "", KB_E_USAGE},
        {",\"kind\":\"user\"", "", KB_E_USAGE},
        {"\"reasons\":[],", "", KB_E_USAGE},
        {"\"stuck\":[],", "", KB_E_USAGE},
        {",\"note\":\"no such group\"", "", KB_E_USAGE},
        {"\"schema\":\"keybricks.plan/1\",", "", KB_E_USAGE},
        {"\"scope\":\"member\",", "", KB_E_USAGE},
        {"\"by\":\"p.okafor\"", "\"bye\":\"p.okafor\"", KB_E_USAGE},
        {",\"via\":[]", "", KB_E_USAGE},
        {",\"members\":0", "", KB_E_USAGE},
        {"\"adopt\":12,", "", KB_E_USAGE},
        {"\"complete\":true,", "", KB_E_USAGE},
        {"\"level\":\"account\",", "", KB_E_USAGE},
        /* other types and out of range */
        {"\"schema\":\"keybricks.plan/1\"", "\"schema\":\"keybricks.plan/2\"", KB_E_USAGE},
        {"\"after\":1,", "\"after\":\"1\",", KB_E_USAGE},
        {"\"after\":1,", "\"after\":-1,", KB_E_USAGE},
        {"\"after\":1,", "\"after\":4294967296,", KB_E_USAGE},
        {"\"id\":\"1001\"", "\"id\":1001", KB_E_USAGE},
        {"\"id\":\"1001\"", "\"id\":\"\"", KB_E_USAGE},
        {"\"id\":\"1001\"", "\"id\":\"10 01\"", KB_E_USAGE},
        {"\"id\":\"1001\"", "\"id\":\"12345678901234567890\"", KB_E_USAGE},
        {"\"id\":\"900\"", "\"id\":\"../9\"", KB_E_USAGE},
        {"\"id\":\"900\"", "\"id\":\"\"", KB_E_USAGE},
        {"\"id\":\"\"", "\"id\":\"900\"", KB_E_USAGE},
        {"\"action\":\"create\"", "\"action\":\"delete\"", KB_E_USAGE},
        {"\"op\":\"remove\"", "\"op\":\"replace\"", KB_E_USAGE},
        {"\"cause\":\"granted\"", "\"cause\":\"because\"", KB_E_USAGE},
        {"\"state\":\"held\"}]", "\"state\":\"applied\"}]", KB_E_USAGE},
        {"\"kind\":\"user\"", "\"kind\":\"group\"", KB_E_USAGE},
        {"\"name\":\"bo\"", "\"name\":null", KB_E_USAGE},
        {"\"name\":\"bo\"", "\"name\":\"b\\u0000\"", KB_E_USAGE},
        {"\"reasons\":[]", "\"reasons\":{}", KB_E_USAGE},
        {"\"reasons\":[]", "\"reasons\":[1]", KB_E_USAGE},
        {"\"via\":[\"group /data\"]", "\"via\":[7]", KB_E_USAGE},
        {"\"role\":\"ml-engineer\"", "\"role\":\"ml-engineer\",\"path\":\"/x\"", KB_E_USAGE},
        {"\"at\":\"2026-11-22T17:52:11Z\"", "\"at\":\"yesterday\"", KB_E_USAGE},
        {"\"at\":\"2026-11-23T06:00:00Z\"", "\"at\":\"2026-11-23T06:00:00+01:00\"", KB_E_USAGE},
        {"\"at\":\"2026-11-23T06:00:00Z\"", "\"at\":\"2026-11-23\"", KB_E_STALE},
        {"\"digest\":\"sha256:aaaa", "\"digest\":\"md5:aaaa", KB_E_USAGE},
        {"\"digest\":\"sha256:aaaa", "\"digest\":\"sha256:AAAA", KB_E_USAGE},
        {"\"tripped\":true", "\"tripped\":1", KB_E_USAGE},
        {"\"unit\":\"percent\"", "\"unit\":\"permille\"", KB_E_USAGE},
        {"\"name\":\"max_removals_percent\"", "\"name\":\"max_removals\"", KB_E_USAGE},
        {"\"scope\":\"run\"", "\"scope\":\"group\"", KB_E_USAGE},
        {"\"scope\":\"group\"", "\"scope\":\"run\"", KB_E_USAGE},
        {"\"operations\":[{", "\"operations\":[{},{", KB_E_USAGE},
        {"\"ambiguous\":[]", "\"ambiguous\":[\"x\"]", KB_E_USAGE},
        {"\"ambiguous\":[]", "\"ambiguous\":null", KB_E_USAGE},
        {"\"complete\":true", "\"complete\":\"true\"", KB_E_USAGE},
        {"\"name\":\"ml\"", "\"name\":\"Z\"", KB_E_USAGE}, /* sorted before the other group */
        {"\"add\":2", "\"add\":2,\"add\":2", KB_E_USAGE},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf doc = KB_BUF_INIT(DOC_SIZE_MAX), edited = KB_BUF_INIT(DOC_SIZE_MAX);
        struct kb_plan read = {0};
        const char *at;
        struct world w;
        int r;
        full_plan(&w);
        write_doc(&w, &doc);
        at = strstr(doc.data, cases[i].find);
        if (!at)
            fail_msg("%s is not in the document", cases[i].find);
        kb_buf_add(&edited, doc.data, (size_t) (at - doc.data));
        kb_buf_adds(&edited, cases[i].replace);
        kb_buf_adds(&edited, at + strlen(cases[i].find));
        sign(&edited);
        r = kb_plan_read(edited.data, edited.len, &read, &w.err);
        if (r != -(int) cases[i].code)
            fail_msg("%s -> %s: result %d, %s", cases[i].find, cases[i].replace, r, w.err.msg);
        assert_int_equal(read.groups_len, 0); /* untouched */
        world_done(&w);
    }
}

static void
test_not_a_plan(void **state)
{
    static const struct {
        const char *bytes;
        enum kb_code code;
    } cases[] = {
        {"", KB_E_USAGE},
        {"\n", KB_E_USAGE},
        {"{}", KB_E_USAGE},
        {"{}\n", KB_E_USAGE},
        {"null\n", KB_E_USAGE},
        {"version = 1;\n", KB_E_USAGE},
        {"{\"schema\":\"other/1\"}\n", KB_E_USAGE},
        {"{\"schema\": \"keybricks.plan/1\"}\n", KB_E_STALE}, /* through a formatter */
        {"{\"cost\":{\"get\":1}}\n", KB_E_STALE},
        {"{\"cost\":{", KB_E_STALE},
    };
    struct kb_error err;

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        struct kb_plan read = {0};
        int r = kb_plan_read(cases[i].bytes, strlen(cases[i].bytes), &read, &err);
        if (r != -(int) cases[i].code)
            fail_msg("'%s': result %d", cases[i].bytes, r);
    }
}

static void
test_reasons(void **state)
{
    static const struct {
        const char *json;
        int len; /* -1: refused */
    } cases[] = {
        {"[]", 0},
        {"[{\"role\":\"r\",\"rule\":1,\"via\":[]}]", 1},
        {"[{\"path\":\"/a\",\"rule\":1,\"via\":[\"group /a/b\",\"role "
         "x\"]},{\"role\":\"r\",\"rule\":2,\"via\":[]}]",
         2},
        {"[{\"event\":{\"at\":\"2026-11-22T17:52:11Z\",\"by\":\"p\"},\"role\":\"r\",\"rule\":1,\"via\":[]}]",
         1},
        {"", -1},
        {"{}", -1},
        {"null", -1},
        {"[", -1},
        {"[1]", -1},
        {"[{}]", -1},
        {"[{\"role\":\"r\",\"rule\":1}]", -1},
        {"[{\"role\":\"r\",\"rule\":-1,\"via\":[]}]", -1},
        {"[{\"role\":\"r\",\"path\":\"/r\",\"rule\":1,\"via\":[]}]", -1},
        {"[{\"role\":1,\"rule\":1,\"via\":[]}]", -1},
        {"[{\"event\":{\"at\":\"x\",\"by\":\"p\"},\"role\":\"r\",\"rule\":1,\"via\":[]}]", -1},
        {"[{\"event\":{},\"role\":\"r\",\"rule\":1,\"via\":[]}]", -1},
        {"[{\"role\":\"r\",\"rule\":1,\"via\":[{}]}]", -1},
        {"[{\"role\":\"r\",\"rule\":1,\"via\":[]}] x", -1},
    };

    (void) state;
    for (size_t i = 0; i < KB_LEN(cases); i++) {
        KB_CLEANUP(kb_buf) struct kb_buf again = KB_BUF_INIT(DOC_SIZE_MAX);
        struct kb_plan plan = {0};
        struct kb_plan_op op = {0};
        struct kb_error err;
        int r = kb_reasons_read(&plan, &op, cases[i].json, strlen(cases[i].json), &err);
        if ((r < 0) != (cases[i].len < 0) ||
            op.reasons_len != (unsigned) (cases[i].len < 0 ? 0 : cases[i].len))
            fail_msg("%s: result %d, %u reasons", cases[i].json, r, op.reasons_len);
        if (r < 0) {
            assert_int_equal(plan.reasons_len + plan.via_len, 0); /* nothing half read stays */
        } else {
            assert_int_equal(kb_reasons_write(&plan, &op, &again, &err), 0);
            assert_string_equal(kb_buf_str(&again), cases[i].json);
        }
        kb_plan_done(&plan);
    }
}

/* Expected by hand: printf of the lines of interface.md section 5 into sha256sum. */
static void
test_fingerprint(void **state)
{
    struct world w;
    char group[KB_DIGEST_SIZE], plan[KB_DIGEST_SIZE], brief[20];
    struct kb_hash hash;

    (void) state;
    full_plan(&w);
    kb_hash_init(&hash);
    kb_hash_adds(&hash, "\"a \\\"quoted\\\"\\n\xe2\x80\xae name\"\n\ncreate\n"
                        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
                        "add user 1001 granted\n");
    assert_true(kb_hash_final_digest(&hash, group));
    assert_string_equal(w.plan.groups[0].fingerprint, group);
    kb_hash_init(&hash);
    kb_hash_adds(&hash, "\"ml\"\n900\nupdate\n");
    kb_hash_adds(&hash, w.plan.groups[1].precondition);
    kb_hash_adds(&hash, "\nadd user 1001 granted\nremove service_principal 1002 foreign\n");
    assert_true(kb_hash_final_digest(&hash, group));
    assert_string_equal(w.plan.groups[1].fingerprint, group);
    kb_hash_init(&hash);
    kb_hash_adds(&hash, "keybricks.plan/1\nacme\nhttps://accounts.example\n");
    kb_hash_adds(&hash, w.rules.digest);
    for (unsigned i = 0; i < 2; i++) {
        kb_hash_adds(&hash, "\n");
        kb_hash_adds(&hash, w.plan.groups[i].fingerprint);
    }
    kb_hash_adds(&hash, "\n");
    assert_true(kb_hash_final_digest(&hash, plan));
    assert_string_equal(w.plan.fingerprint, plan);
    world_done(&w);

    kb_fingerprint_short("sha256:4c7e19b2a0d377f1e3b0c442", brief);
    assert_string_equal(brief, "4c7e-19b2-a0d3-77f1");
    kb_fingerprint_short("sha256:4c7e1", brief);
    assert_string_equal(brief, "4c7e-1");
    kb_fingerprint_short("", brief);
    assert_string_equal(brief, "");
}

/* A text that is not UTF-8 cannot be written, and says so. */
static void
test_not_utf8(void **state)
{
    KB_CLEANUP(kb_buf) struct kb_buf doc = KB_BUF_INIT(DOC_SIZE_MAX);
    struct world w;

    (void) state;
    full_plan(&w);
    w.plan.ops[0].name = kb_pool_adds(&w.plan.pool, "ad\xff");
    assert_true(kb_plan_write(&w.plan, &doc, &w.err) < 0);
    world_done(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document),   cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty_plan), cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_edited),     cmocka_unit_test(test_not_a_plan),
        cmocka_unit_test(test_reasons),    cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_not_utf8),
    };

    return cmocka_run_group_tests_name("plan file", tests, NULL, NULL);
}
