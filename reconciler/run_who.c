/* explain: a person whom no list of the rules shows is looked for by name, so that the answer is about him too. */
#include "base/ban.h"

#include "reconciler/run.h"

#include "base/mem.h"
#include "reconciler/plan/explain.h"

static void
on_found(void *userdata, struct kc_find *find)
{
    (void) userdata;
    (void) find; /* who was found stands in it */
}

int
run_who(struct run *run, struct kb_error *err)
{
    struct kb_u32s known = {0};
    struct kc_find find = {.name = run->opts.who, .on_done = on_found};
    bool fine = kb_explain_users(&run->realm, run->opts.who, &known);
    bool there = known.len > 0;
    kb_u32s_done(&known);
    if (!fine)
        return kb_fail(err, KB_E_NOMEM, "explain");
    if (there)
        return 0;
    int e = kc_find_user(run->kc, &find, false, err);
    if (e >= 0)
        e = kb_http_run(run->http, err);
    for (size_t i = 0; e >= 0 && i < find.ids_len; i++)
        e = kc_lookup_user(run->kc, find.ids[i], err);
    if (e >= 0 && !find.ids_len && strlen(run->opts.who) == 36) /* an id? */
        e = kc_lookup_user(run->kc, run->opts.who, err);
    if (e >= 0)
        e = kb_http_run(run->http, err);
    kc_find_done(&find);
    return e;
}
