/* After the lists: is anybody there at all, who is disabled by decision, details of service accounts; and the
 * look-up of one user. */
#include "base/ban.h"

#include "base/mem.h"
#include "keycloak/internal.h"

/* ---- one user ---- */

struct lookup {
    struct kc *kc;
    const char *id;
    uint32_t user; /* out */
};

/* GET /users/{id} of some versions shows a temporary lockout as disabled (keycloak-api.md 2.5), the list of the
 * stored column does not; somebody whom the lists showed disabled and that list does not know is in doubt. */
static bool
stored_contradicts(const struct kc *kc, const struct kb_user *before)
{
    return before->username && !(before->flags & (KB_USER_LOOKED_UP | KB_USER_DISABLED_STORED)) &&
           kb_read_ok(&kc->realm->disabled_read);
}

static int
lookup_row(void *userdata, const struct kc_row *row, struct kb_error *err)
{
    struct lookup *look = userdata;
    struct kc *kc = look->kc;
    struct kb_user before = {0}, *user;
    uint32_t index = kb_realm_user(kc->realm, look->id);
    unsigned flags;

    if (strcmp(row->id, look->id) != 0)
        return kb_fail(err, KB_E_PROTOCOL, "the answer is about another user");
    if (index != KB_NONE) {
        before = kc->realm->users[index];
        kc->realm->users[index].attribute = 0;
    }
    if (kc_user_put(kc, &row->user, &index, err) < 0)
        return -(int) err->code;
    user = &kc->realm->users[index];
    flags = user->flags & ~(unsigned) (KB_USER_DISABLED_STORED | KB_USER_LOCKED_OUT | KB_USER_GONE);
    flags |= KB_USER_LOOKED_UP;
    /* A directory's user is also shown disabled while the directory is down: that is no stored decision
     * (keycloak-verified.md section 8). */
    if (!row->user.enabled && !user->directory && !stored_contradicts(kc, &before))
        flags |= KB_USER_DISABLED_STORED;
    if (row->user.locked_out)
        flags |= KB_USER_LOCKED_OUT;
    user->flags = (uint16_t) flags;
    look->user = index;
    return 0;
}

enum kb_read_status
kc_user_answer(struct kc_call *call, const struct kb_http_reply *reply, const char *id, uint32_t *ret_user,
               char note[KC_NOTE_SIZE])
{
    struct kc *kc = call->kc;
    struct lookup look = {.kc = kc, .id = id, .user = KB_NONE};
    struct kc_row_opts opts = {.kind = KC_ROW_USER,
                               .attributes = {kc->user_attribute, kc->service_attribute},
                               .fn = lookup_row,
                               .userdata = &look};
    struct kb_error err = {0};

    note[0] = '\0';
    *ret_user = KB_NONE;
    if (reply->error->code != KB_OK || reply->status != 200) {
        enum kb_read_status status = kc_judge(kc, call->what, "view-users", reply, note);
        if (status == KB_READ_GONE)
            *ret_user = kb_realm_user_add(kc->realm, id);
        if (*ret_user != KB_NONE)
            kc->realm->users[*ret_user].flags |= KB_USER_GONE;
        return status;
    }
    if (kc_decode_object(reply->body, reply->body_size, &opts, &err) >= 0) {
        *ret_user = look.user;
        return KB_READ_COMPLETE;
    }
    if (err.code != KB_E_PROTOCOL)
        kc_fatal(kc, &err);
    (void) snprintf(note, KC_NOTE_SIZE, "%.200s: %s", call->what, err.msg);
    return KB_READ_FAILED;
}

/* An answer that cannot be used leaves the user as it was: not looked up, which is a doubt and not an
 * absence. call->row is the id's text. */
static void
lookup_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    char note[KC_NOTE_SIZE];
    uint32_t ignored;

    (void) kc_user_answer(call, reply, kc_str(call->kc, call->row), &ignored, note);
}

static int
lookup_submit(struct kc *kc, kb_text id, struct kb_error *err)
{
    const struct kc_endpoint endpoint = {{"users", kc_str(kc, id)}, NULL};

    return kc_get(kc, &endpoint, id, lookup_reply, NULL, err);
}

int
kc_lookup_user(struct kc *kc, const char *id, struct kb_error *err)
{
    kb_text text;

    if (!kc_id_valid(id))
        return 0; /* Keycloak never gave it: it stays unknown */
    if (kc_text(kc, id, &text, err) < 0)
        return -(int) err->code;
    return lookup_submit(kc, text, err);
}

/* ---- who is disabled by a stored decision ---- */

static struct kb_read *
disabled_read(struct kc_call *call)
{
    return &call->kc->realm->disabled_read;
}

/* In full, for the attribute disabledReason. */
static void
disabled_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    (void) call;
    *ret = (struct kc_endpoint){{"users"}, "enabled=false&briefRepresentation=false"};
}

static void
disabled_reset(struct kc_call *call)
{
    call->kc->stored.len = call->start;
}

/* Kept apart until the list is complete; users who stand in no other list count as KB_NONE. */
static int
disabled_row(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    struct kc *kc = call->kc;
    uint32_t user = kb_realm_user(kc->realm, row->id);
    uint32_t value = user == KB_NONE ? KB_NONE : user * 2 + (row->user.locked_out ? 1 : 0);

    if (!kb_u32s_add(&kc->stored, value))
        return kb_fail(err, KB_E_NOMEM, "out of memory for the disabled users");
    return 0;
}

static void
disabled_end(struct kc_call *call)
{
    struct kc *kc = call->kc;

    kc->realm->disabled_read.distinct = kc->realm->disabled_read.rows;
    for (uint32_t i = 0; i < kc->stored.len; i++) {
        uint32_t value = kc->stored.v[i];
        if (value == KB_NONE)
            continue;
        kc->realm->users[value / 2].flags |= KB_USER_DISABLED_STORED;
        if (value % 2)
            kc->realm->users[value / 2].flags |= KB_USER_LOCKED_OUT;
    }
    kb_u32s_done(&kc->stored);
}

static const struct kc_list disabled_list = {.kind = KC_ROW_USER,
                                             .needs = "view-users",
                                             .paged = true,
                                             .read = disabled_read,
                                             .endpoint = disabled_endpoint,
                                             .reset = disabled_reset,
                                             .row = disabled_row,
                                             .end = disabled_end};

/* ---- nobody was read: is nobody there, or may this account not see them? ---- */

static void
doubt_lists(struct kc *kc, const char *why)
{
    struct kb_realm *realm = kc->realm;

    for (uint32_t i = 0; i < realm->roles_len; i++)
        kc_suspect(kc, &realm->roles[i].holders_read,
                   "nobody, and it is not known if this account may see "
                   "users: %s",
                   why);
    for (uint32_t i = 0; i < realm->groups_len; i++)
        kc_suspect(kc, &realm->groups[i].members_read,
                   "nobody, and it is not known if this account may see "
                   "users: %s",
                   why);
}

static void
judge_probe(struct kc *kc)
{
    const struct kb_read *count = &kc->users_count_read, *probe = &kc->users_probe_read;
    const struct kb_read *bad = kb_read_ok(count) ? probe : count;
    struct kb_error err;

    if (count->status == KB_READ_PENDING || probe->status == KB_READ_PENDING)
        return;
    if (kb_read_ok(count) && kb_read_ok(probe)) {
        if (count->count == 0 || probe->rows > 0)
            return; /* nobody is there, or somebody is seen: the empty lists are the truth */
        (void) kb_fail(
            &err, KB_E_HTTP,
            "realm \"%s\": GET /users answers 200 with nobody, though %u users are there: the "
            "service account of the client lacks view-users of realm-management (query-users is not "
            "enough)",
            kc->realm_name, count->count);
        err.status = 200;
        kc_fatal(kc, &err);
    } else if (bad->status == KB_READ_DENIED) {
        (void) kb_fail(&err, KB_E_HTTP, "realm \"%s\": %s", kc->realm_name, kc_str(kc, bad->note));
        err.status = 403;
        kc_fatal(kc, &err);
    }
    doubt_lists(kc, kb_read_ok(bad) ? "view-users is missing" : kc_str(kc, bad->note));
}

static int
probe_row(void *userdata, const struct kc_row *row, struct kb_error *err)
{
    (void) row;
    (void) err;
    ++*(uint32_t *) userdata;
    return 0;
}

/* call->row: 0 the count, 1 the list. */
static void
probe_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kc *kc = call->kc;
    struct kb_read *read = call->row ? &kc->users_probe_read : &kc->users_count_read;
    struct kc_row_opts opts = {.kind = KC_ROW_USER, .fn = probe_row, .userdata = &read->rows};
    struct kb_error err = {0};
    char note[KC_NOTE_SIZE];
    int r;

    read->status = KB_READ_COMPLETE;
    read->http = (uint16_t) reply->status;
    if (reply->error->code != KB_OK || reply->status != 200) {
        enum kb_read_status status = kc_judge(kc, call->what, "view-users", reply, note);
        kc_note(kc, read, status, "%s", note);
    } else {
        r = call->row ? kc_decode_list(reply->body, reply->body_size, &opts, &err)
                      : kc_decode_user_count(reply->body, reply->body_size, &read->count, &err);
        if (r < 0)
            kc_note(kc, read, KB_READ_FAILED, "%s: %s", call->what, err.msg);
    }
    judge_probe(kc);
}

static int
probe_submit(struct kc *kc, struct kb_error *err)
{
    const struct kc_endpoint count = {{"users", "count"}, NULL};
    const struct kc_endpoint list = {{"users"}, "max=1&briefRepresentation=true"};

    kc->users_count_read = kc->users_probe_read =
        (struct kb_read){.status = KB_READ_PENDING, .count = KB_NONE};
    if (kc_get(kc, &count, 0, probe_reply, NULL, err) < 0)
        return -(int) err->code;
    return kc_get(kc, &list, 1, probe_reply, NULL, err);
}

/* ---- what the lists make necessary ---- */

static bool
somebody_asked(const struct kc *kc)
{
    const struct kb_realm *realm = kc->realm;

    for (uint32_t i = 0; i < realm->roles_len; i++)
        if (kb_read_ok(&realm->roles[i].holders_read))
            return true;
    for (uint32_t i = 0; i < realm->groups_len; i++)
        if (kb_read_ok(&realm->groups[i].members_read))
            return true;
    return false;
}

static int
follow_users(struct kc *kc, struct kb_error *err)
{
    struct kb_realm *realm = kc->realm;
    bool disabled = false;

    for (uint32_t i = 0; i < realm->users_len; i++) {
        unsigned flags = realm->users[i].flags;
        disabled = disabled || !(flags & (KB_USER_ENABLED | KB_USER_LOOKED_UP | KB_USER_GONE));
        if (kc->service_attribute && (flags & KB_USER_SERVICE_ACCOUNT) && !(flags & KB_USER_LOOKED_UP) &&
            lookup_submit(kc, realm->users[i].id, err) < 0)
            return -(int) err->code;
    }
    if (disabled && realm->disabled_read.status == KB_READ_NOT_ASKED)
        kc_list_follow(kc, &disabled_list, 0);
    return 0;
}

void
kc_users_follow(struct kc *kc)
{
    struct kb_error err = {0};
    int r = 0;

    if (kc->realm->users_len > 0)
        r = follow_users(kc, &err);
    else if (kc->users_count_read.status == KB_READ_NOT_ASKED && somebody_asked(kc))
        r = probe_submit(kc, &err);
    if (r < 0)
        kc_fatal(kc, &err);
}
