/* tests/sim/knobs.c: the knobs, their names and their defaults (rule 43: the likeliest); see control.h, README.md. */
#include "tests/sim/control.h"
#include "tests/sim/record.h"

#include <stdio.h>
#include <string.h>

struct knobs knobs;

static const char *const lockouts[] = {"none", "single", "lists", "all", NULL};
static const char *const patch_replies[] = {"204", "200-empty", "200-object", "200-full", NULL};
static const char *const unknown_ids[] = {"drop", "400", "404", NULL};
static const char *const readds[] = {"ok", "409", NULL};
static const char *const reremoves[] = {"ok", "400", NULL};

static const struct knob {
    const char *name;
    int *number; /* one of number, flag, text; with words a number that is chosen by one */
    bool *flag;
    const char **text;
    const char *const *words;
    int normal;
    const char *normal_text;
} table[] = {
    {"latency_ms", &knobs.latency_ms},
    {"token_life_s", &knobs.token_life_s, .normal = 300},
    {"dbx_token_life_s", &knobs.dbx_token_life_s, .normal = 3600},
    {"post_status", &knobs.post_status, .normal = 201},
    {"page_max", &knobs.page_max, .normal = 100},
    {"dbx_expired_status", &knobs.dbx_expired_status, .normal = 401},
    {"items_per_page", &knobs.items_per_page, .normal = -1},
    {"workspace_member_status", &knobs.workspace_member_status, .normal = 400},
    {"lockout_shows", &knobs.lockout_shows, .words = lockouts},
    {"patch_reply", &knobs.patch_reply, .words = patch_replies, .normal = REPLY_200_OBJECT},
    {"unknown_id", &knobs.unknown_id, .words = unknown_ids},
    {"readd", &knobs.readd, .words = readds},
    {"reremove", &knobs.reremove, .words = reremoves},
    {"list_members", .flag = &knobs.list_members},
    {"resources_missing", .flag = &knobs.resources_missing},
    {"filter_strict", .flag = &knobs.filter_strict, .normal = true},
    {"wrong_urn_empties", .flag = &knobs.wrong_urn_empties},
    {"extra_keys", .flag = &knobs.extra_keys, .normal = true},
    {"events", .flag = &knobs.events},
    {"events_details", .flag = &knobs.events_details, .normal = true},
    {"kc_admin_api", .flag = &knobs.kc_admin_api},
    {"not_found_variant", .flag = &knobs.not_found_variant},
    {"fed_account_policy", .flag = &knobs.fed_account_policy},
    {"aim", .flag = &knobs.aim},
    {"post_members_fail", .flag = &knobs.post_members_fail},
    {"token_lightweight", .flag = &knobs.token_lightweight},
    {"cycles_400", .flag = &knobs.cycles_400},
    {"escape_slashes", .flag = &knobs.escape_slashes},
    {"workspace_id", .text = &knobs.workspace_id},
    {"content_type", .text = &knobs.content_type},
    {"retry_after", .text = &knobs.retry_after},
    {"token_aud", .text = &knobs.token_aud, .normal_text = "realm-management"},
    {"fed_audience", .text = &knobs.fed_audience},
    {"fed_subject", .text = &knobs.fed_subject},
    {"fed_issuer", .text = &knobs.fed_issuer},
    {"base_path", .text = &W.base},
    {"kc_client_public_key", .text = &W.kc_pubkey},
};

bool
rule(const char *number)
{
    size_t n = strlen(number);
    for (const char *p = knobs.rules_off; p != NULL && *p != '\0'; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && memcmp(p, number, n) == 0)
            return false;
    return true;
}

void
knobs_default(void)
{
    int latency = knobs.latency_ms; /* an option of the command line */
    knobs = (struct knobs){.kc_version = VERSION(26, 7, 4)};
    for (const struct knob *k = table; k < table + COUNT(table); k++)
        if (k->number != NULL)
            *k->number = k->normal;
        else if (k->flag != NULL)
            *k->flag = k->normal;
        else if (k->text != &W.base && k->text != &W.kc_pubkey)
            *k->text = k->normal_text;
    knobs.latency_ms = latency;
}

static bool
set_rates(json_object *o)
{
    static const char *const names[RATE_KINDS] = {"get", "list", "patch", "post"};
    static const double documented[RATE_KINDS] = {20, 4, 2, 5}; /* databricks-api.md section 4, account */
    for (int i = 0; i < RATE_KINDS; i++) {
        json_object *v = json_get(o, names[i]);
        if (json_object_is_type(o, json_type_boolean))
            knobs.rate[i] = json_object_get_boolean(o) ? documented[i] : 0;
        else if (v != NULL)
            knobs.rate[i] = json_object_get_double(v);
    }
    return json_object_is_type(o, json_type_boolean) || json_object_is_type(o, json_type_object);
}

static bool
set_rules_off(json_object *list)
{
    const char *all = "";
    for (size_t i = 0; i < json_len(list); i++)
        all = tf("%s%s,", all, json_str(json_at(list, i)));
    knobs.rules_off = keep(all);
    return json_object_is_type(list, json_type_array);
}

static bool
set_version(const char *s)
{
    int v[3] = {0};
    if (sscanf(s, "%d.%d.%d", &v[0], &v[1], &v[2]) < 1)
        return false;
    knobs.kc_version = VERSION(v[0], v[1], v[2]);
    knobs.kc_admin_api = knobs.kc_version >= VERSION(26, 8, 2); /* S4 */
    return true;
}

static bool
set_word(const struct knob *k, const char *s)
{
    for (int i = 0; k->words[i] != NULL; i++)
        if (strcmp(s, k->words[i]) == 0) {
            *k->number = i;
            return true;
        }
    return false;
}

static bool
set_one(const char *name, json_object *v)
{
    for (const struct knob *k = table; k < table + COUNT(table); k++) {
        if (strcmp(k->name, name) != 0)
            continue;
        if (k->words != NULL)
            return set_word(k, json_str(v));
        if (k->number != NULL)
            *k->number = json_object_get_int(v);
        else if (k->flag != NULL)
            *k->flag = json_object_get_boolean(v);
        else
            *k->text = keep(json_object_get_string(v));
        return true;
    }
    if (strcmp(name, "rate") == 0)
        return set_rates(v);
    if (strcmp(name, "rules_off") == 0)
        return set_rules_off(v);
    if (strcmp(name, "kc_version") == 0)
        return set_version(json_str(v));
    if (strcmp(name, "log") == 0)
        rec_quiet(!json_object_get_boolean(v));
    else if (strcmp(name, "defaults") == 0)
        knobs_default();
    else
        return false;
    return true;
}

const char *
knobs_set(json_object *o)
{
    if (!json_object_is_type(o, json_type_object))
        return "want a JSON object of knobs";
    json_object_object_foreach(o, name, v)
    {
        if (!set_one(name, v))
            return tf("unknown knob or value: '%s'", name);
    }
    return NULL;
}
