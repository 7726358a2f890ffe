#include "base/ban.h"

#include "reconciler/apply/decode.h"

#include "base/json.h"
#include "base/str.h"

static int
decode_ids(const struct json_object *doc, const char *key, char ***ret, size_t *ret_len, struct kb_error *err)
{
    const struct json_object *list = NULL;
    int e = kb_json_arr(doc, "", key, KB_JSON_REQUIRED, &list, err);
    if (e < 0)
        return e;
    size_t n = json_object_array_length(list);
    char **ids = calloc(n + 1, sizeof(*ids));
    if (!ids)
        return kb_fail(err, KB_E_NOMEM, "intent row");
    *ret = ids;
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(list, i);
        const char *s = json_object_is_type(o, json_type_string) ? json_object_get_string(o) : "";
        if (!kb_is_digits(s, 1, 19))
            return kb_fail(err, KB_E_STORE, "intent row: %s[%zu] is not an id", key, i);
        ids[i] = kb_strndup(s, strlen(s));
        if (!ids[i])
            return kb_fail(err, KB_E_NOMEM, "intent row");
        *ret_len = i + 1;
    }
    return 0;
}

int
decode_intent(const char *body, struct decoded_intent *ret, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *doc = NULL;
    const char *request = "", *method = "";
    int e = kb_json_parse(body, strlen(body), &doc, err);
    if (e >= 0)
        e = kb_json_str(doc, "", "request", KB_JSON_REQUIRED, &request, err);
    if (e >= 0)
        e = kb_json_str(doc, "", "method", KB_JSON_REQUIRED, &method, err);
    if (e >= 0)
        e = decode_ids(doc, "add", &ret->add, &ret->add_len, err);
    if (e >= 0)
        e = decode_ids(doc, "remove", &ret->remove, &ret->remove_len, err);
    ret->create = !strcmp(method, "POST");
    if (e >= 0 && (!*request || (!ret->create && strcmp(method, "PATCH") != 0)))
        return kb_fail(err, KB_E_STORE,
                       "an intent row names no request that is ours; the database is damaged");
    if (e >= 0 && !(ret->request = kb_strndup(request, strlen(request))))
        return kb_fail(err, KB_E_NOMEM, "intent row");
    if (e < 0 && err->code == KB_E_PROTOCOL)
        return kb_fail(err, KB_E_STORE, "an intent row cannot be read; the database is damaged");
    return e;
}

static void
free_ids(char **ids, size_t len)
{
    for (size_t i = 0; i < len; i++)
        free(ids[i]);
    free(ids);
}

void
decoded_intent_done(struct decoded_intent *intent)
{
    free(intent->request);
    free_ids(intent->add, intent->add_len);
    free_ids(intent->remove, intent->remove_len);
    *intent = (struct decoded_intent){0};
}
