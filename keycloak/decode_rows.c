/* Whole answers: lists that are decoded while they arrive, and single objects. */
#include "base/ban.h"

#include "keycloak/decode.h"

/* Bytes of one element. A client may carry a long policy, a group hundreds of role names. */
static const size_t element_max[] = {
    [KC_ROW_USER] = 256 * 1024,        [KC_ROW_ROLE] = 256 * 1024,       [KC_ROW_GROUP] = 1024 * 1024,
    [KC_ROW_CLIENT] = 4 * 1024 * 1024, [KC_ROW_COMPONENT] = 1024 * 1024,
};

struct kc_rows {
    struct kc_row_opts opts;
    struct kb_json_array *array;
};

static int
give(const struct kc_row_opts *opts, const struct json_object *obj, struct kb_error *err)
{
    struct kc_row row = {.kind = opts->kind};
    int r = 0;

    switch (opts->kind) {
    case KC_ROW_USER:
        r = kc_decode_user(obj, &opts->attributes, &row.user, err);
        row.id = row.user.id;
        break;
    case KC_ROW_ROLE:
        r = kc_decode_role(obj, &row.role, err);
        row.id = row.role.id;
        break;
    case KC_ROW_GROUP:
        r = kc_decode_group(obj, &row.group, err);
        row.id = row.group.id;
        break;
    case KC_ROW_CLIENT:
        r = kc_decode_client(obj, &row.client, err);
        row.id = row.client.id;
        break;
    case KC_ROW_COMPONENT:
        r = kc_decode_component(obj, &row.component, err);
        row.id = row.component.id;
        break;
    }
    return r < 0 ? r : opts->fn(opts->userdata, &row, err);
}

static int
on_element(void *userdata, size_t index, const struct json_object *element, struct kb_error *err)
{
    struct kc_rows *rows = userdata;

    (void) index;
    return give(&rows->opts, element, err);
}

int
kc_rows_new(const struct kc_row_opts *opts, struct kc_rows **ret, struct kb_error *err)
{
    KB_CLEANUP(kc_rows) struct kc_rows *rows = calloc(1, sizeof(*rows));

    if (!rows)
        return kb_fail(err, KB_E_NOMEM, "out of memory for a list of Keycloak's");
    rows->opts = *opts;
    if (kb_json_array_new(NULL, element_max[opts->kind], on_element, rows, &rows->array, err) < 0)
        return -(int) err->code;
    *ret = kb_steal(&rows);
    return 0;
}

void
kc_rows_reset(struct kc_rows *rows)
{
    kb_json_array_reset(rows->array);
}

int
kc_rows_feed(struct kc_rows *rows, const char *bytes, size_t size, struct kb_error *err)
{
    return kb_json_array_feed(rows->array, bytes, size, err);
}

int
kc_rows_end(struct kc_rows *rows, struct kb_error *err)
{
    return kb_json_array_end(rows->array, NULL, NULL, err);
}

void
kc_rows_free(struct kc_rows *rows)
{
    if (!rows)
        return;
    kb_json_array_free(rows->array);
    free(rows);
}

int
kc_decode_list(const char *body, size_t size, const struct kc_row_opts *opts, struct kb_error *err)
{
    KB_CLEANUP(kc_rows) struct kc_rows *rows = NULL;

    int r = kc_rows_new(opts, &rows, err);
    if (r < 0 || !rows)
        return r;
    r = kc_rows_feed(rows, body, size, err);
    return r < 0 ? r : kc_rows_end(rows, err);
}

int
kc_decode_object(const char *body, size_t size, const struct kc_row_opts *opts, struct kb_error *err)
{
    KB_CLEANUP(json) struct json_object *obj = NULL;

    if (size > element_max[opts->kind])
        return kb_fail(err, KB_E_PROTOCOL, "an object of %zu bytes", size);
    if (kb_json_parse(body, size, &obj, err) < 0)
        return -(int) err->code;
    return give(opts, obj, err);
}
