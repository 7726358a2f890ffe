/* Is the user name of somebody who has no e-mail address another person's address? Both would be one person in
 * Databricks, and the other one may stand in no list. Keycloak 26.7.4 refuses such a name only in a realm with login
 * by e-mail address, and only what does not come by import.
 * Source: interface.md section 3 "Identity"; keycloak-api.md 1.1, 2.4. */
#include "base/ban.h"

#include "base/mem.h"
#include "base/str.h"
#include "keycloak/internal.h"

struct asked {
    struct kc *kc;
    const char *name;
};

static int
on_row(void *userdata, const struct kc_row *row, struct kb_error *err)
{
    const struct asked *asked = userdata;
    struct kc_user_row user = row->user;
    uint32_t ignored;

    if (user.email && kb_ascii_casecmp(user.email, asked->name) != 0)
        return kb_fail(err, KB_E_PROTOCOL, "the answer holds users who were not asked for");
    if (user.service_account)
        return 0;
    user.email = asked->name; /* it may be hidden in the answer */
    return kc_user_put(asked->kc, &user, &ignored, err);
}

/* call->row is the user. An answer that cannot be used leaves the user as it was: in doubt. */
static void
on_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kc *kc = call->kc;
    const char *name = kc_str(kc, kc->realm->users[call->row].username);
    KB_CLEANUP(kb_free) char *copy = kb_strndup(name, strlen(name)); /* the pool moves when rows come in */
    struct asked asked = {kc, copy};
    struct kc_row_opts opts = {
        .kind = KC_ROW_USER, .attributes = {kc->user_attribute, NULL}, .fn = on_row, .userdata = &asked};
    struct kb_error err = {0};
    char note[KC_NOTE_SIZE];

    if (!copy) {
        (void) kb_fail(&err, KB_E_NOMEM, "out of memory for a name");
        kc_fatal(kc, &err);
        return;
    }
    if (reply->error->code != KB_OK || reply->status != 200)
        (void) kc_judge(kc, call->what, "view-users", reply, note);
    else if (kc_decode_list(reply->body, reply->body_size, &opts, &err) >= 0)
        kc->realm->users[call->row].flags |= KB_USER_NAME_ASKED;
    else if (err.code == KB_E_NOMEM)
        kc_fatal(kc, &err);
}

int
kc_read_namesakes(struct kc *kc, uint32_t user, struct kb_error *err)
{
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(KC_TARGET_SIZE);
    const struct kc_endpoint endpoint = {{"users"},
                                         kc->user_attribute ? "briefRepresentation=false&exact=true&max=-1"
                                                            : "briefRepresentation=true&exact=true&max=-1"};

    if (!kc_endpoint_build(&target, kc->realm_name, &endpoint))
        return kb_fail(err, KB_E_NOMEM, "out of memory for a request");
    kc_endpoint_param(&target, "email", kc_str(kc, kc->realm->users[user].username));
    if (target.failed)
        return 0; /* too long for a URL: it stays in doubt */
    return kc_get_target(kc, kb_buf_str(&target), user, on_reply, NULL, err);
}
