/* tests/fuzz/part_identity.c: who is taken for whom, against a slow second opinion: every user is compared with every principal, one
 * letter at a time. Input: lines; the first letter says what the rest is the name of. */
#include "base/hash.h"
#include "model/near.h"
#include "model/near_table.h"
#include "reconciler/plan/match.h"
#include "tests/fuzz/fuzz.h"

#define ROWS_MAX 12

/* One user or principal as the lines say it; texts NULL when there are none. */
struct one {
    bool principal, service;
    unsigned flags;         /* of a user: enum kb_user_flag */
    bool listed, looked_up; /* of a principal */
    const char *id, *username, *email, *attribute, *name, *display;
};

struct world {
    struct one v[ROWS_MAX];
    size_t len;
    char *lines[ROWS_MAX], *excluded;
    char ids[ROWS_MAX][8];
    struct kb_rules rules;
    char *keys[3], *exclude[1];
    struct kb_realm realm;
    struct kb_target target;
};

static char email_word[] = "email", username_word[] = "username", attribute_word[] = "attribute:x";

/* A field of a line, up to '|'; NULL when it is empty. */
static const char *
field(char **at)
{
    char *p = *at, *bar = p ? strchr(p, '|') : NULL;

    if (bar)
        *bar = '\0';
    *at = bar ? bar + 1 : NULL;
    return p && *p ? p : NULL;
}

static void
read_one(struct world *w, struct fuzz_input *in)
{
    struct one *one = &w->v[w->len];
    uint8_t kind = fuzz_byte(in), flags = fuzz_byte(in);
    char *at = w->lines[w->len] = fuzz_line(in);

    (void) snprintf(w->ids[w->len], sizeof(w->ids[0]), "%zu", w->len + 1);
    *one = (struct one){.id = w->ids[w->len], .principal = kind & 1, .service = kind & 2};
    if (one->principal) {
        one->listed = !(flags & 1);
        one->looked_up = flags & 2;
        one->name = field(&at);
        one->display = field(&at);
    } else {
        one->flags = (flags & ~(unsigned) KB_USER_SERVICE_ACCOUNT) ^ KB_USER_ENABLED;
        one->flags |= one->service ? KB_USER_SERVICE_ACCOUNT : 0;
        one->username = field(&at);
        one->email = field(&at);
        one->attribute = field(&at);
    }
    w->len++;
}

static void
read_world(struct world *w, struct fuzz_input *in)
{
    uint8_t what = fuzz_byte(in);

    *w = (struct world){0};
    kb_target_init(&w->target);
    w->keys[0] = what & 1 ? attribute_word : email_word;
    w->keys[1] = what & 2 ? email_word : username_word;
    w->keys[2] = attribute_word;
    w->rules.match = (struct kb_match){.users = {.v = w->keys, .len = what / 4 % 3 + 1},
                                       .verified_email_only = what & 16,
                                       .service = (enum kb_match_service)(what / 32 % 3)};
    w->excluded = fuzz_line(in);
    w->exclude[0] = w->excluded;
    w->rules.exclude_users = (struct kb_strings){.v = w->exclude, .len = *w->excluded ? 1 : 0};
    while (in->len && w->len < ROWS_MAX)
        read_one(w, in);
    for (size_t i = 0; i < w->len; i++) {
        const struct one *one = &w->v[i];
        if (one->principal) {
            uint32_t row = kb_target_principal_add(&w->target, one->id);
            struct kb_principal *p = &w->target.principals[row];
            p->name = kb_pool_adds(&w->target.pool, one->name);
            p->display = kb_pool_adds(&w->target.pool, one->display);
            p->kind = one->service ? KB_PRINCIPAL_SERVICE : KB_PRINCIPAL_USER;
            p->listed = one->listed;
            p->looked_up = one->looked_up;
            p->active = true;
        } else {
            uint32_t row = kb_realm_user_add(&w->realm, one->id);
            struct kb_user *u = &w->realm.users[row];
            u->username = kb_pool_adds(&w->realm.pool, one->username);
            u->email = kb_pool_adds(&w->realm.pool, one->email);
            u->attribute = kb_pool_adds(&w->realm.pool, one->attribute);
            u->flags = (uint16_t) one->flags;
        }
    }
}

static void
world_done(struct world *w)
{
    for (size_t i = 0; i < w->len; i++)
        free(w->lines[i]);
    free(w->excluded);
    kb_realm_done(&w->realm);
    kb_target_done(&w->target);
}

/* ---- the second opinion ---- */

/* The same name: letter by letter, where only A-Z and a-z are one. */
static bool
same(const char *a, const char *b)
{
    for (; a && b; a++, b++) {
        int x = *a >= 'A' && *a <= 'Z' ? *a - 'A' + 'a' : *a,
            y = *b >= 'A' && *b <= 'Z' ? *b - 'A' + 'a' : *b;
        if (x != y)
            return false;
        if (!x)
            return true;
    }
    return false;
}

static const char *
text_of(const struct one *user, const char *word)
{
    return word == email_word ? user->email : word == username_word ? user->username : user->attribute;
}

/* What somebody is compared by; *ret_email: it is the e-mail address. */
static const char *
key_of(const struct world *w, const struct one *one, bool *ret_email)
{
    enum kb_match_service by = w->rules.match.service;

    *ret_email = false;
    if (one->principal) {
        if (!one->listed && !one->looked_up)
            return NULL;
        return one->service && by == KB_MATCH_SERVICE_CLIENT_ID ? one->display : one->name;
    }
    if (one->service && by == KB_MATCH_SERVICE_ATTRIBUTE)
        return one->flags & KB_USER_LOOKED_UP ? one->attribute : NULL;
    if (one->service)
        return by == KB_MATCH_SERVICE_CLIENT_ID && one->username &&
                       !strncmp(one->username, "service-account-", 16) && one->username[16]
                   ? one->username + 16
                   : NULL;
    for (size_t i = 0; i < w->rules.match.users.len; i++)
        if (text_of(one, w->keys[i])) {
            *ret_email = w->keys[i] == email_word;
            return text_of(one, w->keys[i]);
        }
    return NULL;
}

static bool
excluded(const struct world *w, const struct one *user)
{
    return *w->excluded && (same(user->id, w->excluded) || same(user->username, w->excluded) ||
                            same(user->email, w->excluded));
}

static enum kb_match_verdict
enabled(unsigned flags)
{
    bool stored = flags & KB_USER_DISABLED_STORED;

    if (flags & KB_USER_ENABLED && !stored)
        return KB_MATCHED;
    if (flags & KB_USER_LOCKED_OUT)
        return KB_MATCH_LOCKED_OUT;
    return stored || flags & KB_USER_DISABLED_BELIEVED ? KB_MATCH_DISABLED : KB_MATCH_UNKNOWN;
}

/* interface.md section 3, "Identity" and "Disabled", in the order in which the words bind. */
static enum kb_match_verdict
judge(const struct world *w, const struct one *user, const struct one **ret_first)
{
    bool email, other;
    const char *key = key_of(w, user, &email);
    unsigned users = 0, principals = 0;

    *ret_first = NULL;
    for (size_t i = 0; key && i < w->len; i++) {
        const struct one *one = &w->v[i];
        if (one->service != user->service || (!one->principal && one->flags & KB_USER_GONE) ||
            !same(key, key_of(w, one, &other)))
            continue;
        users += !one->principal;
        if (one->principal && !principals++)
            *ret_first = one;
    }
    if (user->flags & KB_USER_GONE) {
        *ret_first = NULL;
        return KB_MATCH_DISABLED;
    }
    if (excluded(w, user))
        return KB_MATCH_EXCLUDED;
    if (user->service && w->rules.match.service == KB_MATCH_SERVICE_OFF)
        return KB_MATCH_OFF;
    if (users > 1 || principals > 1)
        return KB_MATCH_AMBIGUOUS;
    if (enabled(user->flags) != KB_MATCHED)
        return enabled(user->flags);
    if (user->service && w->rules.match.service == KB_MATCH_SERVICE_ATTRIBUTE &&
        !(user->flags & KB_USER_LOOKED_UP))
        return KB_MATCH_UNKNOWN;
    if (!key)
        return KB_MATCH_NO_KEY;
    if (!user->service && w->rules.match.verified_email_only && email &&
        !(user->flags & KB_USER_EMAIL_VERIFIED))
        return KB_MATCH_UNVERIFIED;
    return principals ? KB_MATCHED : KB_MATCH_UNMATCHED;
}

static void
check_matches(struct fuzz_input *in)
{
    struct world w;
    struct kb_matches matches = {0};
    struct kb_error err = {0};

    read_world(&w, in);
    CHECK(kb_matches_make(&w.rules, &w.realm, &w.target, &matches, &err) == 0);
    for (size_t i = 0; i < w.len; i++) {
        const struct one *first;
        if (w.v[i].principal)
            continue;
        uint32_t row = kb_realm_user(&w.realm, w.v[i].id), got = matches.v[row].principal;
        CHECK(judge(&w, &w.v[i], &first) == matches.v[row].verdict);
        CHECK(first ? got == kb_target_principal(&w.target, first->id) : got == KB_NONE);
    }
    kb_matches_done(&matches);
    world_done(&w);
}

/* Names that are the same have one hash and compare equal; the order is that of the folded bytes. */
static void
check_names(struct fuzz_input *in)
{
    char *a = fuzz_line(in), *b = fuzz_line(in), *folded_a = kb_strndup(a, strlen(a)),
         *folded_b = kb_strndup(b, strlen(b));
    int order = kb_ascii_casecmp(a, b), plain;

    CHECK(folded_a && folded_b);
    CHECK((order == 0) == same(a, b));
    CHECK(order != 0 || kb_hash_folded(a) == kb_hash_folded(b));
    kb_ascii_lower_inplace(folded_a);
    kb_ascii_lower_inplace(folded_b);
    CHECK(same(a, folded_a) && kb_hash_folded(a) == kb_hash_folded(folded_a));
    plain = strcmp(folded_a, folded_b);
    CHECK((order < 0) == (plain < 0) && (order > 0) == (plain > 0));
    free(a);
    free(b);
    free(folded_a);
    free(folded_b);
}

/* ---- near-duplicates: the fold, step by step over whole texts ---- */

#define LETTERS_MAX 4096

struct letters {
    uint32_t v[LETTERS_MAX];
    size_t len;
};

static void
put(struct letters *t, uint32_t c)
{
    CHECK(t->len < LETTERS_MAX);
    t->v[t->len++] = c;
}

static void
take_out(struct letters *t, size_t at)
{
    memmove(&t->v[at], &t->v[at + 1], (t->len - at - 1) * sizeof(t->v[0]));
    t->len--;
}

static const struct near_entry *
entry_of(uint32_t c)
{
    for (uint32_t i = 0; i < near_entries_len; i++)
        if (near_entries[i].code == c)
            return &near_entries[i];
    return NULL;
}

static unsigned
order_of(uint32_t c)
{
    const struct near_entry *entry = entry_of(c);

    return entry ? entry->order : 0;
}

/* RFC 3629; the text is known to be well-formed. */
static struct letters *
decode(const char *name, struct letters *t)
{
    t->len = 0;
    for (const unsigned char *p = (const unsigned char *) name; *p;) {
        unsigned n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        uint32_t c = n == 1 ? *p : *p & (0x7fu >> n);
        for (p++; n > 1; n--)
            c = c << 6 | (*p++ & 0x3f);
        put(t, c);
    }
    return t;
}

static void
expand(const struct letters *from, struct letters *to)
{
    to->len = 0;
    for (size_t i = 0; i < from->len; i++) {
        uint32_t c = from->v[i];
        const struct near_entry *entry = entry_of(c);
        if (c >= 0xac00 && c <= 0xd7a3) { /* Unicode 3.12 */
            put(to, 0x1100 + (c - 0xac00) / 588);
            put(to, 0x1161 + (c - 0xac00) % 588 / 28);
            if ((c - 0xac00) % 28)
                put(to, 0x11a7 + (c - 0xac00) % 28);
        } else if (!entry) {
            put(to, c);
        } else {
            for (unsigned k = 0; k < entry->len; k++)
                put(to, near_pool[entry->at + k]);
        }
    }
}

static void
sort_marks(struct letters *t)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i + 1 < t->len; i++) {
            uint32_t a = t->v[i], b = t->v[i + 1];
            if (a < 0x300 || b < 0x300 || !order_of(b) || order_of(a) <= order_of(b))
                continue;
            t->v[i] = b;
            t->v[i + 1] = a;
            moved = true;
        }
    }
}

static void
join(struct letters *t)
{
    for (size_t i = 0; i < t->len; i++)
        if (t->v[i] == 0x345)
            t->v[i] = 'i';
    for (size_t i = 1; i < t->len;)
        if (t->v[i] == 0x307 && (t->v[i - 1] == 'i' || t->v[i - 1] == 'j'))
            take_out(t, i);
        else
            i++;
    for (size_t i = 0; i + 1 < t->len; i++) {
        bool m = t->v[i] == 'r' && t->v[i + 1] == 'n', w = t->v[i] == 'v' && t->v[i + 1] == 'v';
        if (m || w) {
            t->v[i] = m ? 'm' : 'w';
            take_out(t, i + 1);
        }
    }
    while (t->len && t->v[0] == ' ')
        take_out(t, 0);
    while (t->len && t->v[t->len - 1] == ' ')
        t->len--;
}

static void
check_fold(struct fuzz_input *in)
{
    static struct letters plain, folded, got;
    char *name = fuzz_line(in), *lower;
    struct kb_buf b = KB_BUF_INIT(1 << 16), same_name = KB_BUF_INIT(1 << 16);
    bool fine;

    if (strlen(name) > 60 && strlen(name) <= 512)
        name[60] = '\0'; /* the second opinion is slow */
    lower = kb_strndup(name, strlen(name));
    CHECK(lower);
    fine = kb_near_fold(name, &b);
    if (!kb_utf8_valid(name, strlen(name)) || strlen(name) > 512) {
        CHECK(!fine && b.len == 0);
    } else {
        expand(decode(name, &plain), &folded);
        sort_marks(&folded);
        join(&folded);
        CHECK(fine == (folded.len > 0) && !b.failed && kb_utf8_valid(kb_buf_str(&b), b.len));
        decode(kb_buf_str(&b), &got);
        CHECK(got.len == folded.len && !memcmp(got.v, folded.v, got.len * sizeof(got.v[0])));
        kb_ascii_lower_inplace(lower); /* who is matched is near, too */
        CHECK(kb_near_fold(lower, &same_name) == fine && !strcmp(kb_buf_str(&b), kb_buf_str(&same_name)));
    }
    kb_buf_done(&b);
    kb_buf_done(&same_name);
    free(lower);
    free(name);
}

int
fuzz_identity(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *) data, size};
    unsigned which = fuzz_byte(&in) % 8;

    if (which == 0)
        check_names(&in);
    else if (which == 2 || which == 4)
        check_fold(&in);
    else
        check_matches(&in);
    return 0;
}
