#include "base/ban.h"

#include "reconciler/apply/question.h"

#include "base/mem.h"
#include "base/str.h"

#define QUESTIONS_MAX (1u << 28)

static const char *
key_of(const void *table, uint32_t row)
{
    const struct questions *all = table;

    return all->v[row]->key;
}

static void
question_free(struct question *q)
{
    if (!q)
        return;
    kc_check_done(&q->check);
    kc_find_done(&q->find);
    free(q->people);
    free(q->key);
    free(q);
}

static void
on_check(void *userdata, struct kc_check *check)
{
    struct question *q = userdata;

    (void) check;
    q->answered = true;
}

static void
on_find(void *userdata, struct kc_find *find)
{
    struct question *q = userdata;
    struct kb_error err = {0};
    int e = 0;

    q->answered = true;
    if (find->found != KC_HAS || find->ids_len == 0 || q->only)
        return;
    q->people = calloc(find->ids_len, sizeof(struct question *));
    if (!q->people)
        e = kb_fail(&err, KB_E_NOMEM, "proof");
    for (size_t i = 0; e >= 0 && i < find->ids_len; i++) {
        e = questions_ask(q->all, QUESTION_USER_ID, find->ids[i], &q->people[i], &err);
        q->people_len += e >= 0;
    }
    if (e < 0)
        kb_error_gather(&q->all->failed, &err);
}

static int
ask_keycloak(struct question *q, enum question_kind kind, struct kb_error *err)
{
    const struct questions *all = q->all;

    if (kind == QUESTION_USER_ID) {
        q->check.user_id = q->key + 1;
        q->check.on_done = on_check;
        q->check.userdata = q;
        return kc_check_user(all->kc, &q->check, all->clients, all->clients_len, err);
    }
    q->only = kind == QUESTION_ONLY_USER || kind == QUESTION_ONLY_SERVICE;
    q->find.name = q->key + 1;
    q->find.on_done = on_find;
    q->find.userdata = q;
    return kc_find_user(all->kc, &q->find, kind == QUESTION_SERVICE_NAME || kind == QUESTION_ONLY_SERVICE,
                        err);
}

static int
keep(struct questions *all, struct question *q, struct kb_error *err)
{
    if (!kb_grow(&all->v, &all->cap, all->len + 1, sizeof(struct question *), QUESTIONS_MAX))
        return kb_fail(err, KB_E_NOMEM, "proof");
    all->v[all->len] = q;
    if (!kb_index_add(&all->index, key_of, all, (uint32_t) all->len))
        return kb_fail(err, KB_E_NOMEM, "proof");
    all->len++;
    return 0;
}

int
questions_ask(struct questions *all, enum question_kind kind, const char *what, struct question **ret,
              struct kb_error *err)
{
    static const char letters[] = {
        [QUESTION_USER_ID] = 'i',   [QUESTION_USER_NAME] = 'u',    [QUESTION_SERVICE_NAME] = 's',
        [QUESTION_ONLY_USER] = 'n', [QUESTION_ONLY_SERVICE] = 'm',
    };
    KB_CLEANUP(kb_free) char *key = kb_asprintf("%c%s", letters[kind], what);
    uint32_t row = key ? kb_index_find(&all->index, key_of, all, key) : KB_NONE;
    struct question *q;

    if (row != KB_NONE) {
        *ret = all->v[row];
        return 0;
    }
    q = key ? calloc(1, sizeof(*q)) : NULL;
    if (!q)
        return kb_fail(err, KB_E_NOMEM, "proof");
    q->all = all;
    q->key = kb_steal(&key);
    int e = keep(all, q, err);
    if (e < 0) {
        question_free(q);
        return e;
    }
    *ret = q;
    return ask_keycloak(q, kind, err);
}

void
questions_done(struct questions *all)
{
    for (size_t i = 0; i < all->len; i++)
        question_free(all->v[i]);
    free(all->v);
    free(all->clients);
    kb_index_done(&all->index);
    *all = (struct questions){0};
}
