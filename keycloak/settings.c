/* One setting of the realm, read only when somebody may ask why nobody holds a group: are organizations on? Keycloak
 * 26.7.4 shows groups of organizations in no list, and what they give in no role mapping of a person (seen:
 * tests/e2e/test_people.py). An answer that cannot be used says nothing: the line about it is missing then. */
#include "base/ban.h"

#include "keycloak/internal.h"

static void
on_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kb_error err = {0};

    if (reply->error->code != KB_OK || reply->status != 200)
        return;
    if (kc_decode_organizations(reply->body, reply->body_size, &call->kc->realm->organizations, &err) < 0 &&
        err.code == KB_E_NOMEM)
        kc_fatal(call->kc, &err);
}

int
kc_read_organizations(struct kc *kc, struct kb_error *err)
{
    kc->realm->organizations_asked = true;
    return kc_get(kc, &(struct kc_endpoint){{NULL}, NULL}, 0, on_reply, NULL, err);
}
