/* Is the directory up? Keycloak answers for one that is down as if everybody had left it, with 200
 * (keycloak-verified.md section 8). GET /users/{id}/credentials is the one request that asks the directory each
 * time, cached or not, and fails when it cannot. Source: interface.md section 3 "Directories";
 * docs/decisions/0008. */
#include "base/ban.h"

#include "base/mem.h"
#include "base/str.h"
#include "keycloak/internal.h"

#define WITNESSES_MAX 1024

/* One person's 500 may be the directory's, or that of somebody whom the directory has deleted and the cache still
 * knows (seen with users that are not imported, 26.4.0 and 26.7.4). So another one is asked, and if that one's
 * answer is good, the first once more: only who fails on both sides of a good answer is the cause himself. */
enum doubt { DOUBT_NONE, DOUBT_OTHER, DOUBT_AGAIN };

static int ask(struct kc *kc, uint32_t row, struct kb_error *err);

/* The directory's row, with room for its witnesses. KB_NONE: out of memory, or too many. */
static uint32_t
directory_row(struct kc *kc, const char *id)
{
    uint32_t row = kb_realm_directory(kc->realm, id);

    if (row != KB_NONE)
        return row;
    row = kc->realm->directories_len;
    if (!kb_grow(&kc->witnesses, &kc->witnesses_cap, (size_t) row + 1, sizeof(*kc->witnesses), WITNESSES_MAX))
        return KB_NONE;
    kc->witnesses[row] = (struct kc_witness){0};
    return kb_realm_directory_add(kc->realm, id);
}

static int
no_room(struct kb_error *err)
{
    return kb_fail(err, KB_E_NOMEM, "out of memory for the directories of the realm");
}

static void
add_witness(struct kc_witness *w, kb_text user)
{
    for (unsigned i = 0; i < w->len; i++)
        if (w->users[i] == user)
            return;
    if (w->len < KC_WITNESSES_MAX)
        w->users[w->len++] = user;
}

int
kc_directory_text(struct kc *kc, const char *id, kb_text *ret, struct kb_error *err)
{
    uint32_t row = directory_row(kc, id);

    if (row == KB_NONE)
        return no_room(err);
    *ret = kc->realm->directories[row].id;
    return 0;
}

int
kc_witness_know(struct kc *kc, const char *user_id, const char *directory, struct kb_error *err)
{
    char component[KC_ID_SIZE];
    kb_text text = 0;
    uint32_t row;

    if (!kc_id_valid(user_id))
        return 0;
    if (!*directory && !kc_id_component(user_id, component))
        return 0; /* a local user */
    row = directory_row(kc, *directory ? directory : component);
    if (row == KB_NONE)
        return no_room(err);
    if (kc->witnesses[row].len == KC_WITNESSES_MAX)
        return 0;
    if (kc_text(kc, user_id, &text, err) < 0)
        return -(int) err->code;
    add_witness(&kc->witnesses[row], text);
    return 0;
}

/* ---- answers ---- */

static void
down(struct kc *kc, uint32_t row, const char *note)
{
    struct kb_directory *d = &kc->realm->directories[row];
    kb_text text = kb_pool_adds(&kc->realm->pool, note);

    d->status = KB_DIRECTORY_DOWN;
    d->note = text == KB_NONE ? 0 : text; /* the status says enough */
    kc->witnesses[row].answered = kc->witnesses[row].before = false;
    kc->witnesses[row].doubt = DOUBT_NONE;
}

static void
good(struct kc *kc, uint32_t row)
{
    struct kc_witness *w = &kc->witnesses[row];

    w->answered = true;
    w->doubt = DOUBT_NONE;
    if (!kc->catalog_done)
        w->before = true;
    else if (w->before && !w->off)
        kc->realm->directories[row].status = KB_DIRECTORY_UP;
}

static int
ask_next(struct kc *kc, uint32_t row, enum doubt doubt, unsigned next, struct kb_error *err)
{
    struct kc_witness *w = &kc->witnesses[row];

    w->doubt = (uint8_t) doubt;
    w->next = next;
    return ask(kc, row, err);
}

/* w->next is who was asked; in DOUBT_OTHER the one before him is in question. */
static int
judge_witness(struct kc *kc, uint32_t row, enum kb_read_status status, bool failed, const char *note,
              struct kb_error *err)
{
    struct kc_witness *w = &kc->witnesses[row];
    bool gone = status == KB_READ_GONE;

    switch ((enum doubt) w->doubt) {
    case DOUBT_NONE:
        if (status == KB_READ_COMPLETE)
            good(kc, row);
        else if (gone) /* this one is gone; ask another */
            return ask_next(kc, row, DOUBT_NONE, w->next + 1, err);
        else if (failed && w->next + 1 < w->len)
            return ask_next(kc, row, DOUBT_OTHER, w->next + 1, err);
        else
            down(kc, row, note);
        return 0;
    case DOUBT_OTHER:
        if (status == KB_READ_COMPLETE)
            return ask_next(kc, row, DOUBT_AGAIN, w->next - 1, err);
        if (gone && w->next + 1 < w->len) {
            memmove(&w->users[w->next], &w->users[w->next + 1], (w->len - w->next - 1) * sizeof(w->users[0]));
            w->len--;
            return ask(kc, row, err);
        }
        break;
    case DOUBT_AGAIN:
        if (failed || gone) {
            w->next++; /* the good one is asked from now on */
            good(kc, row);
            return 0;
        }
        break;
    }
    down(kc, row, *note ? note : "it failed and came back between two questions");
    return 0;
}

/* call->row: the directory. */
static void
witness_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kc *kc = call->kc;
    uint32_t row = call->row;
    bool catalog = !kc->catalog_done;
    struct kb_error err = {0};
    char note[KC_NOTE_SIZE] = "";
    enum kb_read_status status = KB_READ_COMPLETE;

    if (reply->error->code != KB_OK || reply->status != 200) {
        status = kc_judge(kc, call->what, "view-users", reply, note);
    } else if (kc_decode_credentials(reply->body, reply->body_size, &err) < 0) {
        (void) snprintf(note, sizeof(note), "%.200s: %s", call->what, err.msg);
        status = KB_READ_FAILED;
    }
    kb_utf8_mend(note);
    if (judge_witness(kc, row, status, reply->error->code == KB_OK && reply->status == 500, note, &err) < 0)
        kc_fatal(kc, &err);
    if (catalog)
        kc_catalog_step(kc);
}

/* Nobody left to ask: nothing happens. */
static int
ask(struct kc *kc, uint32_t row, struct kb_error *err)
{
    struct kc_witness *w = &kc->witnesses[row];

    w->answered = false;
    if (w->next >= w->len)
        return 0;
    const struct kc_endpoint endpoint = {{"users", kc_str(kc, w->users[w->next]), "credentials"}, NULL};
    if (kc_get_once(kc, &endpoint, row, witness_reply, NULL, err) < 0)
        return -(int) err->code;
    kc->catalog_open += !kc->catalog_done;
    return 0;
}

/* ---- the directories by name ---- */

static struct kb_read *
directories_read(struct kc_call *call)
{
    return &call->kc->realm->directories_read;
}

static void
directories_endpoint(const struct kc_call *call, struct kc_endpoint *ret)
{
    (void) call;
    *ret = (struct kc_endpoint){{"components"}, "type=org.keycloak.storage.UserStorageProvider"};
}

static void
directories_reset(struct kc_call *call)
{
    for (uint32_t i = 0; i < call->kc->realm->directories_len; i++)
        call->kc->realm->directories[i].listed = false;
}

static int
directories_entry(struct kc_call *call, const struct kc_row *row, struct kb_error *err)
{
    struct kc *kc = call->kc;
    uint32_t index = directory_row(kc, row->id);

    if (index == KB_NONE)
        return no_room(err);
    kc->realm->directories[index].listed = true;
    kc->witnesses[index].off = row->component.off;
    return kc_text(kc, row->component.name, &kc->realm->directories[index].name, err);
}

static void
directories_end(struct kc_call *call)
{
    kc_catalog_step(call->kc);
}

static const struct kc_list directories_list = {.kind = KC_ROW_COMPONENT,
                                                .needs = "view-realm",
                                                .read = directories_read,
                                                .endpoint = directories_endpoint,
                                                .reset = directories_reset,
                                                .row = directories_entry,
                                                .end = directories_end};

int
kc_directories_submit(struct kc *kc, struct kb_error *err)
{
    uint32_t known = kc->realm->directories_len;

    kc->catalog_open++;
    if (kc_list_submit(kc, &directories_list, 0, false, err) < 0)
        return -(int) err->code;
    for (uint32_t i = 0; i < known; i++)
        if (ask(kc, i, err) < 0)
            return -(int) err->code;
    return 0;
}

/* ---- after a piece of reading ---- */

/* People of the lists can be asked about their directories. */
static int
find_witnesses(struct kc *kc, struct kb_error *err)
{
    for (uint32_t i = 0; i < kc->realm->users_len; i++) {
        const struct kb_user *user = &kc->realm->users[i];
        if (!user->directory || !user->username || user->flags & KB_USER_GONE)
            continue;
        uint32_t row = kb_realm_directory(kc->realm, kc_str(kc, user->directory));
        if (row == KB_NONE)
            return kb_fail(err, KB_E_BUG, "a user of a directory that nobody knows");
        if (kc->witnesses[row].next + 1 >= kc->witnesses[row].len) /* one to ask, and one in reserve */
            add_witness(&kc->witnesses[row], user->id);
    }
    return 0;
}

int
kc_witness(struct kc *kc, struct kb_error *err)
{
    if (!kc->catalog_done)
        return 0; /* nothing was read that could be believed */
    if (find_witnesses(kc, err) < 0)
        return -(int) err->code;
    for (uint32_t i = 0; i < kc->realm->directories_len; i++) {
        struct kb_directory *d = &kc->realm->directories[i];
        if (d->status == KB_DIRECTORY_DOWN)
            continue;
        d->status = KB_DIRECTORY_UNWITNESSED; /* until the answer */
        if (ask(kc, i, err) < 0)
            return -(int) err->code;
    }
    return 0;
}

/* ---- somebody of a directory that nobody in the lists belongs to ---- */

static int
search_row(void *userdata, const struct kc_row *row, struct kb_error *err)
{
    struct kc *kc = userdata;
    char component[KC_ID_SIZE];
    const char *id = row->user.federation;
    uint32_t index;
    kb_text text;

    if (!id && kc_id_component(row->id, component))
        id = component;
    index = id ? kb_realm_directory(kc->realm, id) : KB_NONE;
    if (index == KB_NONE || kc->witnesses[index].next < kc->witnesses[index].len ||
        kc->witnesses[index].len == KC_WITNESSES_MAX)
        return 0;
    if (kc_text(kc, row->id, &text, err) < 0)
        return -(int) err->code;
    add_witness(&kc->witnesses[index], text);
    return 0;
}

/* Nobody found: the directory stays without a witness. */
static void
search_reply(struct kc_call *call, const struct kb_http_reply *reply)
{
    struct kc_row_opts opts = {.kind = KC_ROW_USER, .fn = search_row, .userdata = call->kc};
    struct kb_error err = {0};
    char note[KC_NOTE_SIZE];

    if (reply->error->code != KB_OK || reply->status != 200)
        (void) kc_judge(call->kc, call->what, "view-users", reply, note);
    else if (kc_decode_list(reply->body, reply->body_size, &opts, &err) < 0 && err.code == KB_E_NOMEM)
        kc_fatal(call->kc, &err);
}

int
kc_witness_search(struct kc *kc, struct kb_error *err)
{
    const struct kc_endpoint endpoint = {{"users"}, "briefRepresentation=true&max=1000"};

    for (uint32_t i = 0; i < kc->realm->directories_len; i++) {
        const struct kc_witness *w = &kc->witnesses[i];
        if (kc->realm->directories[i].listed && kc->realm->directories[i].status != KB_DIRECTORY_DOWN &&
            w->next >= w->len)
            return kc_get(kc, &endpoint, 0, search_reply, NULL, err);
    }
    return 0;
}
