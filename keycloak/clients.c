/* Client roles, when a rule names some: clients, the roles of each, and which groups carry them.
 *
 * The rows of /clients hold secrets; only id and clientId are ever looked at, and nothing of a row is logged.
 * Source: keycloak-api.md 1.1; keycloak-verified.md section 5. */
#include "base/ban.h"

#include "base/mem.h"
#include "keycloak/internal.h"

static struct kb_read *
clients_read(struct kc_call *call)
{
    return &call->kc->realm->clients_read;
}

static void
clients_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    (void) call;
    *ret = (struct kc_endpoint){{"clients"}, "max=-1"};
}

static void
clients_reset(struct kc_call *call)
{
    call->kc->clients_len = 0;
}

static int
clients_row(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    struct kc *kc = call->kc;
    struct kc_client client = {0};

    if (!kb_grow(&kc->clients, &kc->clients_cap, kc->clients_len + 1, sizeof(*kc->clients), KC_ROWS_MAX))
        return kb_fail(err, KB_E_NOMEM, "out of memory for the clients of the realm");
    if (kc_text(kc, row->client.id, &client.id, err) < 0 ||
        kc_text(kc, row->client.client_id, &client.client_id, err) < 0)
        return -(int) err->code;
    kc->clients[kc->clients_len++] = client;
    return 0;
}

static void
clients_end(struct kc_call *call)
{
    struct kc *kc = call->kc;
    struct kb_read *read = &kc->realm->clients_read;

    read->distinct = read->rows;
    /* Every realm has clients of its own (account, admin-cli, …): with query-clients alone the list is empty.
     */
    if (kb_read_ok(read) && kc->clients_len == 0)
        kc_note(kc, read, KB_READ_DENIED,
                "/clients: 200 with nothing: the account lacks view-clients of realm-management");
    if (!kb_read_ok(read))
        kc->realm->client_composites_unread = true;
    if (read->status == KB_READ_DENIED)
        kc->clients_denied = true;
    kc->clients_done = true;
    kc_client_roles_follow(kc);
    kc_catalog_step(kc);
}

static const struct kc_list clients_list = {.kind = KC_ROW_CLIENT,
                                            .needs = "view-clients",
                                            .read = clients_read,
                                            .endpoint = clients_endpoint,
                                            .reset = clients_reset,
                                            .row = clients_row,
                                            .end = clients_end};

int
kc_clients_submit(struct kc *kc, struct kb_error *err)
{
    return kc_list_submit(kc, &clients_list, 0, false, err);
}

/* ---- the roles of one client ---- */

/* Their records are summed into realm->clients_read at the end of each. */
static struct kb_read *
client_roles_read(struct kc_call *call)
{
    return &call->kc->clients[call->row].read;
}

static void
client_roles_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    const struct kc *kc = call->kc;

    *ret = (struct kc_endpoint){{"clients", kc_str(kc, kc->clients[call->row].id), "roles"},
                                "briefRepresentation=true"};
}

static void
client_roles_reset(struct kc_call *call)
{
    (void) call; /* a role that was shown once is there; a second reading finds it again */
}

static int
client_roles_row(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    struct kc *kc = call->kc;
    const struct kc_client *client = &kc->clients[call->row];
    uint32_t role;

    if (!row->role.client_role || strcmp(row->role.container, kc_str(kc, client->id)) != 0)
        return kb_fail(err, KB_E_PROTOCOL, "a role of another container");
    if (kc_role_put(kc, &row->role, true, &role, err) < 0)
        return -(int) err->code;
    kc->realm->roles[role].client = client->client_id;
    return 0;
}

static void
client_roles_end(struct kc_call *call)
{
    struct kc *kc = call->kc;
    const struct kc_client *client = &kc->clients[call->row];
    struct kb_read *all = &kc->realm->clients_read;

    all->tries = (uint16_t) (all->tries + client->read.tries);
    if (!kb_read_ok(&client->read)) {
        kc->realm->client_composites_unread = true;
        if (kb_read_ok(all)) {
            all->status = client->read.status == KB_READ_GONE ? KB_READ_SUSPECT : client->read.status;
            all->http = client->read.http;
            all->note = client->read.note;
        }
    }
    for (uint32_t i = 0; i < kc->realm->roles_len; i++)
        if (kc->realm->roles[i].client == client->client_id && kc->realm->roles[i].client_role)
            kc_composites_follow(kc, i);
    kc_catalog_step(kc);
}

static const struct kc_list client_roles_list = {.kind = KC_ROW_ROLE,
                                                 .needs = "view-clients",
                                                 .read = client_roles_read,
                                                 .endpoint = client_roles_endpoint,
                                                 .reset = client_roles_reset,
                                                 .row = client_roles_row,
                                                 .end = client_roles_end};

void
kc_client_roles_follow(struct kc *kc)
{
    if (!kc->roles_done || !kc->clients_done)
        return;
    for (uint32_t i = 0; i < kc->clients_len && !kc->clients_denied; i++) {
        kc->catalog_open++;
        kc_list_follow(kc, &client_roles_list, i);
    }
}

/* ---- which groups carry client roles ---- */

bool
kc_client_grant_named(const struct kc *kc, uint32_t role)
{
    const char *name = kc_str(kc, kc->realm->roles[role].name);

    for (size_t i = 0; i < kc->grants_len; i++)
        if (kc->grants[i].client && strcmp(kc_str(kc, kc->grants[i].role), name) == 0)
            return true;
    return false;
}

/* The order of the sort and of the search: (clientId, role name). */
static int
compare_names(const struct kc *kc, kb_text client_a, kb_text role_a, kb_text client_b, kb_text role_b)
{
    int r = client_a == client_b ? 0 : strcmp(kc_str(kc, client_a), kc_str(kc, client_b));

    return r ? r : strcmp(kc_str(kc, role_a), kc_str(kc, role_b));
}

static int
compare_roles(const void *a, const void *b, void *userdata)
{
    const struct kc *kc = userdata;
    const struct kb_role *x = &kc->realm->roles[*(const uint32_t *) a];
    const struct kb_role *y = &kc->realm->roles[*(const uint32_t *) b];

    return compare_names(kc, x->client, x->name, y->client, y->name);
}

static uint32_t
find_role(const struct kc *kc, const uint32_t *sorted, uint32_t len, const struct kc_grant *grant)
{
    uint32_t low = 0;

    while (low < len) {
        uint32_t middle = low + (len - low) / 2;
        const struct kb_role *role = &kc->realm->roles[sorted[middle]];
        int r = compare_names(kc, role->client, role->name, grant->client, grant->role);
        if (r == 0)
            return sorted[middle];
        if (r < 0)
            low = middle + 1;
        else
            len = middle;
    }
    return KB_NONE;
}

static int
resolve_with(struct kc *kc, const uint32_t *sorted, uint32_t len, struct kb_error *err)
{
    struct kb_realm *realm = kc->realm;

    for (size_t i = 0; i < kc->grants_len; i++) {
        const struct kc_grant *grant = &kc->grants[i];
        uint32_t role;
        if (!grant->client)
            continue;
        role = find_role(kc, sorted, len, grant);
        if (role == KB_NONE)
            kc_suspect(
                kc, &realm->clients_read,
                "/clients: the role \"%.100s\" of client \"%.100s\" is not there, but a group carries it",
                kc_str(kc, grant->role), kc_str(kc, grant->client));
        else if (!kb_u32s_add(&realm->roles[role].groups, grant->group))
            return kb_fail(err, KB_E_NOMEM, "out of memory for the roles of groups");
    }
    for (uint32_t i = 0; i < len; i++) {
        struct kb_role *role = &realm->roles[sorted[i]];
        kb_u32s_sort_unique(&role->groups);
        role->groups_read = (struct kb_read){.status = realm->clients_read.status,
                                             .note = realm->clients_read.note,
                                             .rows = role->groups.len,
                                             .distinct = role->groups.len,
                                             .count = KB_NONE};
    }
    return 0;
}

int
kc_client_grants_resolve(struct kc *kc, struct kb_error *err)
{
    struct kb_realm *realm = kc->realm;
    uint32_t len = 0;

    if (!kb_read_ok(&realm->clients_read))
        return 0; /* then the groups of wanted client roles are asked for one by one */
    KB_CLEANUP(kb_free) uint32_t *sorted = malloc(((size_t) realm->roles_len + 1) * sizeof(*sorted));
    if (!sorted)
        return kb_fail(err, KB_E_NOMEM, "out of memory for client roles");
    for (uint32_t i = 0; i < realm->roles_len; i++)
        if (realm->roles[i].client_role && realm->roles[i].client)
            sorted[len++] = i;
    qsort_r(sorted, len, sizeof(*sorted), compare_roles, kc);
    return resolve_with(kc, sorted, len, err);
}
