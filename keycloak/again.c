/* The lists that speak against people of a directory, read once more for a proof. What the plan was made of
 * stays as it is. Source: interface.md section 3 "Directories". */
#include "base/ban.h"

#include "base/mem.h"
#include "keycloak/internal.h"

#define AGAIN_MAX (1u << 20)

static struct kb_read *
again_read(struct kc_call *call)
{
    return &call->kc->again[call->row].read;
}

static void
again_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    const struct kc_again *again = &call->kc->again[call->row];

    if (again->role)
        kc_holders_endpoint(call->kc, again->row, ret);
    else
        kc_members_endpoint(call->kc, again->row, ret);
}

static void
again_reset(struct kc_call *call)
{
    call->kc->again[call->row].users.len = call->start;
}

static int
again_row(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    uint32_t user;

    if (kc_user_put(call->kc, &row->user, &user, err) < 0)
        return -(int) err->code;
    if (!kb_u32s_add(&call->kc->again[call->row].users, user))
        return kb_fail(err, KB_E_NOMEM, "out of memory for memberships");
    return 0;
}

static void
again_end(struct kc_call *call)
{
    kb_u32s_sort_unique(&call->kc->again[call->row].users);
}

static const struct kc_list again_list = {.kind = KC_ROW_USER,
                                          .needs = "view-users (a client role: view-clients)",
                                          .paged = true,
                                          .read = again_read,
                                          .endpoint = again_endpoint,
                                          .reset = again_reset,
                                          .row = again_row,
                                          .end = again_end};

static uint32_t
find(const struct kc *kc, bool role, uint32_t row)
{
    for (size_t i = 0; i < kc->again_len; i++)
        if (kc->again[i].role == role && kc->again[i].row == row)
            return (uint32_t) i;
    return KB_NONE;
}

int
kc_again_read(struct kc *kc, bool role, uint32_t row, struct kb_error *err)
{
    if (find(kc, role, row) != KB_NONE)
        return 0;
    if (!kb_grow(&kc->again, &kc->again_cap, kc->again_len + 1, sizeof(*kc->again), AGAIN_MAX))
        return kb_fail(err, KB_E_NOMEM, "out of memory for a second reading");
    kc->again[kc->again_len++] = (struct kc_again){.role = role, .row = row};
    return kc_list_submit(kc, &again_list, (uint32_t) kc->again_len - 1, false, err);
}

const struct kb_u32s *
kc_again(const struct kc *kc, bool role, uint32_t row)
{
    uint32_t at = find(kc, role, row);

    return at != KB_NONE && kb_read_ok(&kc->again[at].read) ? &kc->again[at].users : NULL;
}

void
kc_again_forget(struct kc *kc)
{
    for (size_t i = 0; i < kc->again_len; i++)
        kb_u32s_done(&kc->again[i].users);
    kc->again_len = 0;
}
