/* Does this user still have it? Asked of the user's own endpoints, which the lists do not share, before somebody
 * is removed (interface, "Proof of absence"). Whatever is not answered well stays KC_UNKNOWN. */
#include "base/ban.h"

#include "base/mem.h"
#include "keycloak/internal.h"

#define IDS_MAX 100000

/* ---- arrays of ids ---- */

int
kc_ids_add(char ***ids, size_t *len, size_t *cap, const char *id, struct kb_error *err)
{
    if (*len >= IDS_MAX)
        return kb_fail(err, KB_E_PROTOCOL, "more than %d rows", IDS_MAX);
    if (!kb_grow(ids, cap, *len + 1, sizeof(**ids), IDS_MAX))
        return kb_fail(err, KB_E_NOMEM, "out of memory for ids");
    (*ids)[*len] = kb_strndup(id, strlen(id));
    if (!(*ids)[*len])
        return kb_fail(err, KB_E_NOMEM, "out of memory for ids");
    ++*len;
    return 0;
}

static int
compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

void
kc_ids_sort(char **ids, size_t *len)
{
    size_t kept = 0;

    if (*len == 0)
        return;
    qsort(ids, *len, sizeof(*ids), compare);
    for (size_t i = 0; i < *len; i++) {
        if (kept > 0 && strcmp(ids[kept - 1], ids[i]) == 0)
            free(ids[i]);
        else
            ids[kept++] = ids[i];
    }
    *len = kept;
}

void
kc_ids_done(char ***ids, size_t *len, size_t *cap)
{
    for (size_t i = 0; i < *len; i++)
        free((*ids)[i]);
    free(*ids);
    *ids = NULL;
    *len = *cap = 0;
}

/* ---- the check ---- */

static void
doubt(struct kc_check *check, const char *note)
{
    if (!check->note[0])
        (void) snprintf(check->note, sizeof(check->note), "%.*s", (int) sizeof(check->note) - 1, note);
}

static void
step(struct kc_check *check)
{
    if (--check->open > 0)
        return;
    kc_ids_sort(check->role_ids, &check->role_ids_len);
    kc_ids_sort(check->group_ids, &check->group_ids_len);
    check->on_done(check->userdata, check);
}

static int
role_row(void *userdata, const struct kc_row *row, struct kb_error *err)
{
    struct kc_check *check = userdata;

    return kc_ids_add(&check->role_ids, &check->role_ids_len, &check->role_ids_cap, row->id, err);
}

static int
group_row(void *userdata, const struct kc_row *row, struct kb_error *err)
{
    struct kc_check *check = userdata;

    return kc_ids_add(&check->group_ids, &check->group_ids_len, &check->group_ids_cap, row->id, err);
}

/* call->row: enum kc_row_kind. */
static void
list_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kc_check *check = call->userdata;
    bool roles = call->row == KC_ROW_ROLE;
    struct kc_row_opts opts = {
        .kind = roles ? KC_ROW_ROLE : KC_ROW_GROUP, .fn = roles ? role_row : group_row, .userdata = check};
    struct kb_error err = {0};
    char note[KC_NOTE_SIZE];

    if (reply->error->code != KB_OK || reply->status != 200) {
        (void) kc_judge(call->kc, call->what, "view-users (for clients: view-clients)", reply, note);
    } else if (kc_decode_list(reply->body, reply->body_size, &opts, &err) < 0) {
        if (err.code == KB_E_NOMEM)
            kc_fatal(call->kc, &err);
        (void) snprintf(note, sizeof(note), "%.200s: %s", call->what, err.msg);
    } else {
        step(check);
        return;
    }
    *(roles ? &check->roles_known : &check->groups_known) = false;
    doubt(check, note);
    step(check);
}

static void
ask(struct kc_check *check, const struct kc_endpoint *endpoint, enum kc_row_kind kind)
{
    struct kb_error err = {0};

    check->open++;
    if (kc_get(check->kc, endpoint, (uint32_t) kind, list_reply, check, &err) >= 0)
        return;
    *(kind == KC_ROW_ROLE ? &check->roles_known : &check->groups_known) = false;
    doubt(check, err.msg);
    check->open--;
}

static void
count_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kc_check *check = call->userdata;
    struct kb_error err = {0};
    char note[KC_NOTE_SIZE];

    if (reply->error->code != KB_OK || reply->status != 200) {
        (void) kc_judge(call->kc, call->what, "view-users", reply, note);
        doubt(check, note);
    } else if (kc_decode_group_count(reply->body, reply->body_size, &check->groups_count, &err) < 0) {
        (void) snprintf(note, sizeof(note), "%.200s: %s", call->what, err.msg);
        doubt(check, note);
    }
    step(check);
}

static void
ask_count(struct kc_check *check)
{
    struct kb_error err = {0};

    check->open++;
    if (kc_get(check->kc, &(struct kc_endpoint){{"users", check->user_id, "groups", "count"}, NULL}, 0,
               count_reply, check, &err) >= 0)
        return;
    doubt(check, err.msg);
    check->open--;
}

static void
ask_all(struct kc_check *check)
{
    const char *id = check->user_id;

    check->roles_known = check->groups_known = true; /* until one of the answers is none */
    ask(check, &(struct kc_endpoint){{"users", id, "role-mappings", "realm", "composite"}, NULL},
        KC_ROW_ROLE);
    ask(check, &(struct kc_endpoint){{"users", id, "groups"}, "briefRepresentation=true"}, KC_ROW_GROUP);
    for (size_t i = 0; i < check->clients_len; i++)
        ask(check,
            &(struct kc_endpoint){{"users", id, "role-mappings", "clients", check->clients[i], "composite"},
                                  NULL},
            KC_ROW_ROLE);
    if (check->kc->realm->users[check->user].directory)
        ask_count(check);
}

static void
judge_enabled(struct kc_check *check)
{
    const struct kb_user *user = &check->kc->realm->users[check->user];

    check->locked_out = user->flags & KB_USER_LOCKED_OUT;
    if (user->flags & KB_USER_ENABLED)
        check->enabled = KC_HAS;
    else if (check->locked_out)
        doubt(check, "the user is locked out, which is no decision");
    else if (user->flags & KB_USER_DISABLED_STORED)
        check->enabled = KC_HAS_NOT;
    else if (!user->directory) /* of a directory: whoever knows its witness decides */
        doubt(check, "the user is shown disabled, but is not in the list of disabled users");
}

static void
user_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kc_check *check = call->userdata;
    char note[KC_NOTE_SIZE];
    uint32_t user;

    switch (kc_user_answer(call, reply, check->user_id, &user, note)) {
    case KB_READ_COMPLETE:
        check->exists = KC_HAS;
        check->user = user;
        judge_enabled(check);
        /* A directory's "disabled" is an answer like the others. */
        if (check->enabled == KC_HAS ||
            (check->enabled == KC_UNKNOWN && !check->locked_out && check->kc->realm->users[user].directory))
            ask_all(check);
        break;
    case KB_READ_GONE:
        check->exists = KC_HAS_NOT;
        break;
    case KB_READ_NOT_ASKED:
    case KB_READ_PENDING:
    case KB_READ_DENIED:
    case KB_READ_FAILED:
    case KB_READ_SUSPECT:
    case KB_READ_MAX_:
        doubt(check, note);
        break;
    }
    step(check);
}

int
kc_check_user(struct kc *kc, struct kc_check *check, const char *const *clients, size_t clients_len,
              struct kb_error *err)
{
    const struct kc_endpoint endpoint = {{"users", check->user_id}, NULL};

    if (!kc_id_valid(check->user_id))
        return kb_fail(err, KB_E_BUG, "a user id that Keycloak never gave");
    check->kc = kc;
    check->clients = clients;
    check->clients_len = clients_len;
    check->user = check->groups_count = KB_NONE;
    check->exists = check->enabled = KC_UNKNOWN;
    check->locked_out = check->roles_known = check->groups_known = false;
    check->note[0] = '\0';
    check->open = 1;
    return kc_get(kc, &endpoint, 0, user_reply, check, err);
}

void
kc_check_done(struct kc_check *check)
{
    kc_ids_done(&check->role_ids, &check->role_ids_len, &check->role_ids_cap);
    kc_ids_done(&check->group_ids, &check->group_ids_len, &check->group_ids_cap);
}
