#include "base/ban.h"

#include "reconciler/plan/match_near.h"

#include "base/mem.h"
#include "base/str.h"
#include "model/near.h"

#define FOLD_SIZE_MAX 16384u
#define ROWS_MAX (1u << 29)

void
near_init(struct near *near)
{
    *near = (struct near){.buf = KB_BUF_INIT(FOLD_SIZE_MAX)};
}

void
near_done(struct near *near)
{
    kb_pool_done(&near->pool);
    kb_buf_done(&near->buf);
    kb_index_done(&near->index);
    free(near->folds);
    free(near->seekers);
}

static const char *
fold_text(const void *table, uint32_t row)
{
    const struct near *near = table;

    return kb_pool_str(&near->pool, near->folds[row].text);
}

/* *ret: the fold's row, KB_NONE when nobody seeks it. */
static bool
find_fold(struct near *near, bool service, const char *key, uint32_t *ret)
{
    *ret = KB_NONE;
    kb_buf_clear(&near->buf);
    kb_buf_addc(&near->buf, service ? 's' : 'u');
    if (!kb_near_fold(key, &near->buf))
        kb_buf_clear(&near->buf);
    else
        *ret = kb_index_find(&near->index, fold_text, near, kb_buf_str(&near->buf));
    return !near->buf.failed;
}

bool
near_seek(struct near *near, bool service, uint32_t user, const char *key)
{
    uint32_t row;

    if (!find_fold(near, service, key, &row))
        return false;
    if (!near->buf.len) /* too long, or not a name: like nobody's */
        return true;
    if (row == KB_NONE) {
        kb_text text = kb_pool_adds(&near->pool, kb_buf_str(&near->buf));
        row = near->folds_len;
        if (text == KB_NONE ||
            !kb_grow(&near->folds, &near->folds_cap, (size_t) row + 1, sizeof(*near->folds), ROWS_MAX))
            return false;
        near->folds[row] = (struct near_fold){.text = text};
        if (!kb_index_add(&near->index, fold_text, near, row))
            return false;
        near->folds_len++;
    }
    if (!kb_grow(&near->seekers, &near->seekers_cap, (size_t) near->seekers_len + 1, sizeof(*near->seekers),
                 ROWS_MAX))
        return false;
    near->seekers[near->seekers_len++] = (struct near_seeker){.key = key, .user = user, .fold = row};
    return true;
}

/* The order of answers shows nowhere. */
static bool
is_before(const struct near_one *a, const struct near_one *b)
{
    int c = !b->id ? -1 : strcmp(a->key, b->key);

    return c < 0 || (c == 0 && strcmp(a->id, b->id) < 0);
}

bool
near_offer_principal(struct near *near, bool service, const struct near_one *one)
{
    uint32_t row;

    if (!find_fold(near, service, one->key, &row))
        return false;
    if (row != KB_NONE && is_before(one, &near->folds[row].principal))
        near->folds[row].principal = *one;
    return true;
}

bool
near_offer_user(struct near *near, bool service, const struct near_one *one)
{
    struct near_one *users, pushed = *one;
    uint32_t row;

    if (!find_fold(near, service, one->key, &row))
        return false;
    if (row == KB_NONE)
        return true;
    users = near->folds[row].users;
    if (is_before(one, &users[0])) {
        pushed = users[0];
        users[0] = *one;
    }
    if (pushed.id && kb_ascii_casecmp(pushed.key, users[0].key) != 0 && is_before(&pushed, &users[1]))
        users[1] = pushed;
    return true;
}

static int
compare_near(const void *a, const void *b)
{
    const struct kb_near *x = a, *y = b;

    return x->user < y->user ? -1 : x->user > y->user;
}

bool
near_take(const struct near *near, struct kb_near **ret, uint32_t *ret_len)
{
    struct kb_near *list = calloc((size_t) near->seekers_len + 1, sizeof(*list));
    uint32_t len = 0;

    if (!list)
        return false;
    for (uint32_t i = 0; i < near->seekers_len; i++) {
        const struct near_seeker *seeker = &near->seekers[i];
        const struct near_fold *fold = &near->folds[seeker->fold];
        const struct near_one *other = &fold->principal;
        if (!other->id)
            other = &fold->users[fold->users[0].id && !kb_ascii_casecmp(fold->users[0].key, seeker->key)];
        if (other->id)
            list[len++] = (struct kb_near){.user = seeker->user,
                                           .principal = other == &fold->principal,
                                           .own = seeker->key,
                                           .key = other->key,
                                           .id = other->id};
    }
    if (len)
        qsort(list, len, sizeof(*list), compare_near);
    *ret = list;
    *ret_len = len;
    return true;
}

const struct kb_near *
kb_match_near(const struct kb_near *near, uint32_t near_len, uint32_t user)
{
    uint32_t low = 0, high = near_len;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (near[mid].user < user)
            low = mid + 1;
        else
            high = mid;
    }
    return low < near_len && near[low].user == user ? &near[low] : NULL;
}
