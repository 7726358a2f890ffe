/* The reader as a whole: made, freed, and what makes all of its reading worthless. */
#include "base/ban.h"

#include "base/mem.h"
#include "keycloak/internal.h"

static char *
copy(const char *s)
{
    return kb_strndup(s, strlen(s));
}

static int
set_texts(struct kc *kc, const char *base_url, const char *realm_name, const struct kc_opts *opts)
{
    kc->base_url = copy(base_url);
    kc->realm_name = copy(realm_name);
    kc->user_attribute = opts->user_attribute ? copy(opts->user_attribute) : NULL;
    kc->service_attribute = opts->service_attribute ? copy(opts->service_attribute) : NULL;
    return kc->base_url && kc->realm_name && (kc->user_attribute || !opts->user_attribute) &&
                   (kc->service_attribute || !opts->service_attribute)
               ? 0
               : -1;
}

int
kc_new(struct kb_http_peer *peer, const char *base_url, const char *realm_name, const struct kc_opts *opts,
       struct kb_realm *realm, struct kc **ret, struct kb_error *err)
{
    KB_CLEANUP(kc) struct kc *kc = calloc(1, sizeof(*kc));
    KB_CLEANUP(kb_buf) struct kb_buf target = KB_BUF_INIT(KC_TARGET_SIZE);
    const struct kc_endpoint whole = {0};

    if (!kc)
        return kb_fail(err, KB_E_NOMEM, "out of memory for the reader of Keycloak");
    if (!kc_endpoint_build(&target, realm_name, &whole) && !target.failed)
        return kb_fail(err, KB_E_CONFIG, "keycloak.realm: this name cannot stand in a URL");
    kc->peer = peer;
    kc->realm = realm;
    kc->with_clients = opts->clients;
    kc->page_size = opts->page_size == 1 ? 2 : opts->page_size; /* pages overlap by a row */
    kc->on_catalog = opts->on_catalog;
    kc->userdata = opts->userdata;
    KB_CLEANUP(kb_buf) struct kb_buf issuer = KB_BUF_INIT(KC_TARGET_SIZE);
    kb_buf_adds(&issuer, base_url);
    kb_buf_adds(&issuer, "/realms/");
    kb_buf_add_segment(&issuer, realm_name);
    if (target.failed || set_texts(kc, base_url, realm_name, opts) < 0 || issuer.failed ||
        kc_text(kc, kb_buf_str(&issuer), &realm->issuer, err) < 0 ||
        kc_text(kc, realm_name, &realm->name, err) < 0)
        return kb_fail(err, KB_E_NOMEM, "out of memory for the reader of Keycloak");
    *ret = kb_steal(&kc);
    return 0;
}

void
kc_free(struct kc *kc)
{
    if (!kc)
        return;
    kc_calls_free(kc);
    kb_u32s_done(&kc->stored);
    kc_again_forget(kc);
    free(kc->again);
    free(kc->witnesses);
    free(kc->parents);
    free(kc->grants);
    free(kc->clients);
    free(kc->base_url);
    free(kc->realm_name);
    free(kc->user_attribute);
    free(kc->service_attribute);
    free(kc);
}

void
kc_fatal(struct kc *kc, const struct kb_error *err)
{
    kb_error_gather(&kc->fatal, err);
}

const char *
kc_str(const struct kc *kc, kb_text text)
{
    return kb_realm_str(kc->realm, text);
}

int
kc_text(struct kc *kc, const char *s, kb_text *ret, struct kb_error *err)
{
    kb_text text = kb_pool_adds(&kc->realm->pool, s);

    if (text == KB_NONE)
        return kb_fail(err, KB_E_NOMEM, "out of memory for the texts of the realm");
    *ret = text;
    return 0;
}

/* Keeps the text that is there when it is the same: a user stands in many lists. */
static int
set_text(struct kc *kc, const char *s, kb_text *text, struct kb_error *err)
{
    if (*text && strcmp(kc_str(kc, *text), s) == 0)
        return 0;
    return kc_text(kc, s, text, err);
}

static int
set_directory(struct kc *kc, const struct kc_user_row *row, kb_text *directory, struct kb_error *err)
{
    char component[KC_ID_SIZE];

    if (row->federation)
        return kc_directory_text(kc, row->federation, directory, err);
    if (kc_id_component(row->id, component))
        return kc_directory_text(kc, component, directory, err);
    return 0;
}

int
kc_user_put(struct kc *kc, const struct kc_user_row *row, uint32_t *ret, struct kb_error *err)
{
    uint32_t index = kb_realm_user_add(kc->realm, row->id);
    struct kb_user *user;
    unsigned flags;

    if (index == KB_NONE)
        return kb_fail(err, KB_E_NOMEM, "out of memory for the users of the realm");
    user = &kc->realm->users[index];
    if (set_text(kc, row->username, &user->username, err) < 0 ||
        set_directory(kc, row, &user->directory, err) < 0)
        return -(int) err->code;
    flags = user->flags & ~(unsigned) (KB_USER_ENABLED | KB_USER_SERVICE_ACCOUNT);
    flags |= row->enabled ? KB_USER_ENABLED : 0;
    flags |= row->service_account ? KB_USER_SERVICE_ACCOUNT : 0;
    flags |= row->locked_out ? KB_USER_LOCKED_OUT : 0;
    /* The user profile may hide an address in one list and show it in another (keycloak-api.md 2.4): what was
     * shown once counts, so that the order of the answers does not. */
    if (row->email) {
        if (strcmp(row->email, row->username) == 0)
            user->email = user->username;
        else if (set_text(kc, row->email, &user->email, err) < 0)
            return -(int) err->code;
        flags &= ~(unsigned) KB_USER_EMAIL_VERIFIED;
        flags |= row->email_verified ? KB_USER_EMAIL_VERIFIED : 0;
    }
    if (row->attribute && set_text(kc, row->attribute, &user->attribute, err) < 0)
        return -(int) err->code;
    user->flags = (uint16_t) flags;
    *ret = index;
    return 0;
}

/* ---- what makes the whole reading worthless ---- */

static int
fail_read(const struct kc *kc, const struct kb_read *read, struct kb_error *err)
{
    enum kb_code code = KB_E_PROTOCOL;

    if (read->status == KB_READ_NOT_ASKED || read->status == KB_READ_PENDING)
        return kb_fail(err, KB_E_STOPPED, "the roles and groups of realm \"%s\" were not read to the end",
                       kc->realm_name);
    if (read->http > 0 && read->http != 200)
        code = KB_E_HTTP;
    else if (kc->broken.code != KB_OK)
        code = kc->broken.code;
    (void) kb_fail(err, code, "realm \"%s\": %s", kc->realm_name, kc_str(kc, read->note));
    err->status = read->http;
    err->sub = kc->broken.sub;
    err->retry = read->http == 0 ? kc->broken.retry : read->http >= 500;
    return -(int) code;
}

static int
fail_rights(const struct kc *kc, const char *roles, struct kb_error *err)
{
    int r =
        kb_fail(err, KB_E_HTTP,
                "realm \"%s\": 403: the service account of the client lacks %s: assign these client roles "
                "of realm-management to it (and to its client's scope, where \"Full scope allowed\" is off)",
                kc->realm_name, roles);
    err->status = 403;
    return r;
}

/* The first list of direct members or holders when lists were asked for and none is complete, else NULL. */
static const struct kb_read *
every_unit_failed(const struct kb_realm *realm)
{
    const struct kb_read *first = NULL;

    for (uint32_t i = 0; i < realm->roles_len + realm->groups_len; i++) {
        const struct kb_read *unit = i < realm->roles_len ? &realm->roles[i].holders_read
                                                          : &realm->groups[i - realm->roles_len].members_read;
        if (kb_read_ok(unit))
            return NULL;
        if (!first && unit->status != KB_READ_NOT_ASKED)
            first = unit;
    }
    return first;
}

int
kc_failed(const struct kc *kc, struct kb_error *err)
{
    const struct kb_read *unit = every_unit_failed(kc->realm);
    const struct kb_read *roles = &kc->realm->roles_read, *groups = &kc->realm->groups_read;

    if (kc->groups_hidden && roles->status == KB_READ_DENIED && kc->fatal.status == 200)
        return fail_rights(kc, "view-realm and view-users", err);
    if (kc->fatal.code != KB_OK) {
        *err = kc->fatal;
        return -(int) err->code;
    }
    if (roles->status == KB_READ_DENIED && groups->status == KB_READ_DENIED)
        return fail_rights(kc, "view-realm and view-users", err);
    if (roles->status == KB_READ_DENIED)
        return fail_rights(kc, "view-realm", err);
    if (groups->status == KB_READ_DENIED)
        return fail_rights(kc, "view-users", err);
    if (!kb_read_ok(roles) && roles->status != KB_READ_SUSPECT)
        return fail_read(kc, roles, err);
    if (!kb_read_ok(groups) && groups->status != KB_READ_SUSPECT)
        return fail_read(kc, groups, err);
    return unit ? fail_read(kc, unit, err) : 0;
}
