/* tests/sim/knobs.c: the knobs and their names; see control.h and README.md. */
#include "tests/sim/control.h"

#include "tests/sim/record.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct knobs knobs;

static const char *const patch_replies[] = {"204", "200-empty", "200-object", "200-full", NULL};
static const char *const lockouts[] = {"none", "single", "lists", "all", NULL};
static const char *const unknown_ids[] = {"drop", "400", "404", NULL};

enum type { T_INT, T_BOOL, T_TEXT, T_WORD };

static const struct knob {
    const char *name;
    enum type type;
    void *at;
    const char *const *words;
} table[] = {
    {"latency_ms", T_INT, &knobs.latency_ms, NULL},
    {"token_life_s", T_INT, &knobs.token_life_s, NULL},
    {"dbx_token_life_s", T_INT, &knobs.dbx_token_life_s, NULL},
    {"post_status", T_INT, &knobs.post_status, NULL},
    {"page_max", T_INT, &knobs.page_max, NULL},
    {"dbx_expired_status", T_INT, &knobs.dbx_expired_status, NULL},
    {"items_per_page", T_INT, &knobs.items_per_page, NULL},
    {"workspace_member_status", T_INT, &knobs.workspace_member_status, NULL},
    {"list_members", T_BOOL, &knobs.list_members, NULL},
    {"resources_missing", T_BOOL, &knobs.resources_missing, NULL},
    {"filter_strict", T_BOOL, &knobs.filter_strict, NULL},
    {"wrong_urn_empties", T_BOOL, &knobs.wrong_urn_empties, NULL},
    {"extra_keys", T_BOOL, &knobs.extra_keys, NULL},
    {"events", T_BOOL, &knobs.events, NULL},
    {"events_details", T_BOOL, &knobs.events_details, NULL},
    {"kc_admin_api", T_BOOL, &knobs.kc_admin_api, NULL},
    {"not_found_variant", T_BOOL, &knobs.not_found_variant, NULL},
    {"fed_account_policy", T_BOOL, &knobs.fed_account_policy, NULL},
    {"aim", T_BOOL, &knobs.aim, NULL},
    {"post_members_fail", T_BOOL, &knobs.post_members_fail, NULL},
    {"token_lightweight", T_BOOL, &knobs.token_lightweight, NULL},
    {"cycles_400", T_BOOL, &knobs.cycles_400, NULL},
    {"escape_slashes", T_BOOL, &knobs.escape_slashes, NULL},
    {"workspace_id", T_TEXT, &knobs.workspace_id, NULL},
    {"content_type", T_TEXT, &knobs.content_type, NULL},
    {"retry_after", T_TEXT, &knobs.retry_after, NULL},
    {"token_aud", T_TEXT, &knobs.token_aud, NULL},
    {"fed_audience", T_TEXT, &knobs.fed_audience, NULL},
    {"fed_subject", T_TEXT, &knobs.fed_subject, NULL},
    {"fed_issuer", T_TEXT, &knobs.fed_issuer, NULL},
    {"patch_reply", T_WORD, &knobs.patch_reply, patch_replies},
    {"lockout_shows", T_WORD, &knobs.lockout_shows, lockouts},
    {"unknown_id", T_WORD, &knobs.unknown_id, unknown_ids},
};

/* Rule 43: the likeliest behaviour. */
void
knobs_default(void)
{
    int latency = knobs.latency_ms;
    knobs = (struct knobs){.latency_ms = latency,
                           .token_life_s = 300,
                           .dbx_token_life_s = 3600,
                           .patch_reply = REPLY_200_OBJECT,
                           .unknown_id = UNKNOWN_DROP,
                           .post_status = 201,
                           .page_max = 100,
                           .dbx_expired_status = 401,
                           .items_per_page = -1,
                           .workspace_member_status = 400,
                           .filter_strict = true,
                           .extra_keys = true,
                           .events_details = true,
                           .kc_version = VERSION(26, 7, 4),
                           .token_aud = keep("realm-management")};
}

bool
rule(const char *number)
{
    if (knobs.rules_off == NULL)
        return true;
    char *want = xfmt(",%s,", number);
    bool off = strstr(knobs.rules_off, want) != NULL;
    free(want);
    return !off;
}

static bool
set_rules_off(json_object *list)
{
    struct buf b = {0};
    if (!json_object_is_type(list, json_type_array))
        return false;
    buf_lit(&b, ",");
    for (size_t i = 0; i < json_object_array_length(list); i++)
        buf_f(&b, "%s,", json_object_get_string(json_object_array_get_idx(list, i)));
    knobs.rules_off = b.len > 1 ? keep(b.p) : NULL;
    buf_free(&b);
    return true;
}

static bool
set_version(const char *s)
{
    int v[3] = {0};
    if (s == NULL || sscanf(s, "%d.%d.%d", &v[0], &v[1], &v[2]) < 1)
        return false;
    knobs.kc_version = VERSION(v[0], v[1], v[2]);
    knobs.kc_admin_api = knobs.kc_version >= VERSION(26, 8, 2); /* S4 */
    return true;
}

static bool
set_rates(json_object *o)
{
    static const double documented[RATE_KINDS] = {20, 4, 2, 5}; /* databricks-api.md section 4, account */
    static const char *const names[RATE_KINDS] = {"get", "list", "patch", "post"};
    if (json_object_is_type(o, json_type_boolean) && json_object_get_boolean(o))
        memcpy(knobs.rate, documented, sizeof documented);
    else if (!json_object_is_type(o, json_type_object))
        return false;
    for (int i = 0; i < RATE_KINDS && json_object_is_type(o, json_type_object); i++) {
        json_object *v = NULL;
        if (json_object_object_get_ex(o, names[i], &v))
            knobs.rate[i] = json_object_get_double(v);
    }
    return true;
}

static bool
set_word(int *at, const char *const *words, json_object *v)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(json_object_get_string(v) != NULL ? json_object_get_string(v) : "", words[i]) == 0) {
            *at = i;
            return true;
        }
    return false;
}

static bool
set_one(const char *name, json_object *v)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct knob *k = &table[i];
        if (strcmp(k->name, name) != 0)
            continue;
        if (k->type == T_INT)
            *(int *) k->at = json_object_get_int(v);
        else if (k->type == T_BOOL)
            *(bool *) k->at = json_object_get_boolean(v);
        else if (k->type == T_TEXT)
            *(const char **) k->at = keep(json_object_get_string(v));
        else
            return set_word((int *) k->at, k->words, v);
        return true;
    }
    const char *s = json_object_get_string(v);
    if (strcmp(name, "readd") == 0)
        knobs.readd_409 = s != NULL && strcmp(s, "409") == 0;
    else if (strcmp(name, "reremove") == 0)
        knobs.reremove_400 = s != NULL && strcmp(s, "400") == 0;
    else if (strcmp(name, "rate") == 0)
        return set_rates(v);
    else if (strcmp(name, "rules_off") == 0)
        return set_rules_off(v);
    else if (strcmp(name, "kc_version") == 0)
        return set_version(s);
    else if (strcmp(name, "log") == 0)
        rec_quiet(!json_object_get_boolean(v));
    else if (strcmp(name, "base_path") == 0 && s != NULL)
        W.base = keep(s);
    else if (strcmp(name, "kc_client_public_key") == 0)
        W.kc_pubkey = keep(s);
    else if (strcmp(name, "defaults") == 0)
        knobs_default();
    else
        return false;
    return true;
}

bool
knobs_set(json_object *o, char **err)
{
    if (!json_object_is_type(o, json_type_object)) {
        *err = xdup("want a JSON object of knobs");
        return false;
    }
    json_object_object_foreach(o, name, v)
    {
        bool ok = set_one(name, v);
        if (strcmp(name, "escape_slashes") == 0)
            group_paths();
        if (!ok) {
            *err = xfmt("unknown knob or value: '%s'", name);
            return false;
        }
    }
    return true;
}
