#include "base/ban.h"

#include "model/known.h"

#include "base/mem.h"

#define ROWS_MAX (1u << 24)

void
kb_known_done(struct kb_known *known)
{
    kb_pool_done(&known->pool);
    free(known->v);
    *known = (struct kb_known){0};
}

bool
kb_known_add(struct kb_known *known, const char *managed, const char *rule, const char *id, const char *name)
{
    struct kb_known_object o = {kb_pool_adds(&known->pool, managed), kb_pool_adds(&known->pool, rule),
                                kb_pool_adds(&known->pool, id), kb_pool_adds(&known->pool, name), NULL};

    if (o.managed == KB_NONE || o.rule == KB_NONE || o.id == KB_NONE || o.name == KB_NONE ||
        !kb_grow(&known->v, &known->cap, (size_t) known->len + 1, sizeof(*known->v), ROWS_MAX))
        return false;
    known->v[known->len++] = o;
    return true;
}

bool
kb_known_resolve(struct kb_known *known, const struct kb_rules *rules, const char *target)
{
    for (size_t r = 0; r < rules->rules_len; r++) {
        KB_CLEANUP(kb_free) char *text = kb_rule_text(&rules->rules[r]);
        if (!text)
            return false;
        for (uint32_t i = 0; kb_rule_for_target(&rules->rules[r], target) && i < known->len; i++) {
            if (!strcmp(kb_known_str(known, known->v[i].rule), text))
                known->v[i].now = &rules->rules[r];
        }
    }
    return true;
}

static int
compare_in(const struct kb_known *a, const struct kb_known_object *x, const struct kb_known *b,
           const struct kb_known_object *y)
{
    int c = strcmp(kb_known_str(a, x->managed), kb_known_str(b, y->managed));

    if (!c)
        c = strcmp(kb_known_str(a, x->rule), kb_known_str(b, y->rule));
    return c ? c : strcmp(kb_known_str(a, x->id), kb_known_str(b, y->id));
}

static int
compare(const void *a, const void *b, void *userdata)
{
    return compare_in(userdata, a, userdata, b);
}

void
kb_known_sort(struct kb_known *known)
{
    uint32_t kept = 0;

    if (!known->len)
        return;
    qsort_r(known->v, known->len, sizeof(*known->v), compare, known);
    for (uint32_t i = 1; i < known->len; i++) {
        if (compare(&known->v[kept], &known->v[i], known) != 0)
            known->v[++kept] = known->v[i];
    }
    known->len = kept + 1;
}

bool
kb_known_equal(const struct kb_known *a, const struct kb_known *b)
{
    if (a->len != b->len)
        return false;
    for (uint32_t i = 0; i < a->len; i++) {
        if (compare_in(a, &a->v[i], b, &b->v[i]) != 0 ||
            strcmp(kb_known_str(a, a->v[i].name), kb_known_str(b, b->v[i].name)) != 0)
            return false;
    }
    return true;
}

uint32_t
kb_known_first(const struct kb_known *known, const char *managed)
{
    uint32_t low = 0, high = known->len;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (strcmp(kb_known_str(known, known->v[mid].managed), managed) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < known->len && !strcmp(kb_known_str(known, known->v[low].managed), managed) ? low
                                                                                            : known->len;
}
