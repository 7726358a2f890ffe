/* Is there anybody of this name? For a member of a group who is in no list: nobody may be the proof to remove a
 * stranger, so an answer that filters less or more than it was asked to is no answer.
 * Source: keycloak-api.md 1.1, 1.4; keycloak-verified.md section 1 (a query that does not parse is dropped). */
#include "base/ban.h"

#include "base/mem.h"
#include "base/str.h"
#include "keycloak/internal.h"

enum find_by { BY_USERNAME, BY_EMAIL, BY_ATTRIBUTE, BY_ACCOUNT, ANYBODY };

static const char account_prefix[] = "service-account-";

struct found {
    struct kc_find *find;
    enum find_by by;
};

static void
doubt(struct kc_find *find, const char *note)
{
    find->doubt = true;
    if (!find->note[0])
        (void) snprintf(find->note, sizeof(find->note), "%.*s", (int) sizeof(find->note) - 1, note);
}

static bool
fits(const struct kc_find *find, enum find_by by, const struct kc_user_row *user)
{
    size_t len = sizeof(account_prefix) - 1;

    switch (by) {
    case BY_USERNAME:
        return kb_ascii_casecmp(user->username, find->name) == 0;
    case BY_EMAIL: /* it may be hidden in the answer */
        return !user->email || kb_ascii_casecmp(user->email, find->name) == 0;
    case BY_ATTRIBUTE:
        return user->attribute && kb_ascii_casecmp(user->attribute, find->name) == 0;
    case BY_ACCOUNT:
        return strncmp(user->username, account_prefix, len) == 0 &&
               kb_ascii_casecmp(user->username + len, find->name) == 0;
    case ANYBODY:
        break;
    }
    return true;
}

static int
on_row(void *userdata, const struct kc_row *row, struct kb_error *err)
{
    const struct found *found = userdata;
    struct kc_find *find = found->find;

    if (found->by == ANYBODY) {
        find->saw_somebody = true;
        return 0;
    }
    if (!fits(find, found->by, &row->user))
        return kb_fail(err, KB_E_PROTOCOL, "the answer holds users who were not asked for");
    return kc_ids_add(&find->ids, &find->ids_len, &find->ids_cap, row->id, err);
}

static void
step(struct kc_find *find)
{
    if (--find->open > 0)
        return;
    kc_ids_sort(find->ids, &find->ids_len);
    if (find->doubt)
        find->found = KC_UNKNOWN;
    else if (find->ids_len > 0)
        find->found = KC_HAS;
    else if (find->saw_somebody)
        find->found = KC_HAS_NOT;
    else
        doubt(find, "GET /users: the account sees nobody at all");
    find->on_done(find->userdata, find);
}

/* call->row: enum find_by. */
static void
on_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kc_find *find = call->userdata;
    struct found found = {find, (enum find_by) call->row};
    struct kc_row_opts opts = {.kind = KC_ROW_USER,
                               .attributes = {NULL, call->kc->service_attribute},
                               .fn = on_row,
                               .userdata = &found};
    struct kb_error err = {0};
    char note[KC_NOTE_SIZE];

    if (reply->error->code != KB_OK || reply->status != 200) {
        (void) kc_judge(call->kc, call->what, "view-users", reply, note);
        doubt(find, note);
    } else if (kc_decode_list(reply->body, reply->body_size, &opts, &err) < 0) {
        if (err.code == KB_E_NOMEM)
            kc_fatal(call->kc, &err);
        (void) snprintf(note, sizeof(note), "%.200s: %s", call->what, err.msg);
        doubt(find, note);
    }
    step(find);
}

static void
ask(struct kc_find *find, enum find_by by, const char *query, const char *key, const char *value)
{
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(KC_TARGET_SIZE);
    const struct kc_endpoint endpoint = {{"users"}, query};
    struct kb_error err = {0};

    if (!kc_endpoint_build(&target, find->kc->realm_name, &endpoint)) {
        doubt(find, "the request cannot be written");
        return;
    }
    if (key)
        kc_endpoint_param(&target, key, value);
    find->open++;
    if (!target.failed &&
        kc_get_target(find->kc, kb_buf_str(&target), (uint32_t) by, on_reply, find, &err) >= 0)
        return;
    find->open--;
    doubt(find, target.failed ? "the name is too long for a URL" : err.msg);
}

static void
ask_attribute(struct kc_find *find, const char *value)
{
    KB_CLEANUP(kb_buf) struct kb_buf term = KB_BUF_INIT(KC_TARGET_SIZE);

    if (kc_endpoint_query_term(&term, find->kc->service_attribute, value))
        ask(find, BY_ATTRIBUTE, "briefRepresentation=false&max=-1", "q", kb_buf_str(&term));
    else
        doubt(find, "the attribute cannot be written as a query");
}

/* Keycloak compares values of attributes with case. */
static void
ask_service(struct kc_find *find)
{
    if (!find->kc->service_attribute) {
        KB_CLEANUP(kb_free) char *account = kb_asprintf("%s%s", account_prefix, find->name);
        if (account)
            ask(find, BY_ACCOUNT, "briefRepresentation=true&exact=true&max=-1", "username", account);
        else
            doubt(find, "out of memory");
        return;
    }
    KB_CLEANUP(kb_free) char *lower = kb_strndup(find->name, strlen(find->name));
    KB_CLEANUP(kb_free) char *upper = kb_strndup(find->name, strlen(find->name));
    if (!lower || !upper) {
        doubt(find, "out of memory");
        return;
    }
    kb_ascii_lower_inplace(lower);
    for (char *at = upper; *at; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char) (*at - 'a' + 'A');
    ask_attribute(find, find->name);
    if (strcmp(lower, find->name) != 0)
        ask_attribute(find, lower);
    if (strcmp(upper, find->name) != 0)
        ask_attribute(find, upper);
}

int
kc_find_user(struct kc *kc, struct kc_find *find, bool by_service_attribute, struct kb_error *err)
{
    if (!*find->name)
        return kb_fail(err, KB_E_BUG, "a look-up without a name");
    find->kc = kc;
    find->found = KC_UNKNOWN;
    find->note[0] = '\0';
    find->doubt = find->saw_somebody = false;
    find->open = 0;
    ask(find, ANYBODY, "briefRepresentation=true&max=1", NULL, NULL);
    if (find->open == 0)
        return kb_fail(err, KB_E_NOMEM, "%s", find->note);
    if (by_service_attribute) {
        ask_service(find);
    } else {
        ask(find, BY_USERNAME, "briefRepresentation=true&exact=true&max=-1", "username", find->name);
        ask(find, BY_EMAIL, "briefRepresentation=true&exact=true&max=-1", "email", find->name);
    }
    return 0;
}

void
kc_find_done(struct kc_find *find)
{
    kc_ids_done(&find->ids, &find->ids_len, &find->ids_cap);
}
