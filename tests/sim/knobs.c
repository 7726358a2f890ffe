/* tests/sim/knobs.c: the knobs by name; see control.h, README.md. */
#include "tests/sim/control.h"
#include "tests/sim/http.h"

#include <stdio.h>
#include <string.h>

struct knobs knobs;

#define ROW_INT(name, normal) {#name, SLOT_INT, offsetof(struct knobs, name), NULL, 0},
#define ROW_FLAG(name, normal) {#name, SLOT_FLAG, offsetof(struct knobs, name), NULL, 0},
#define ROW_TEXT(name, normal) {#name, SLOT_TEXT, offsetof(struct knobs, name), NULL, 0},
#define ROW_WORD(name, normal, words) {#name, SLOT_INT, offsetof(struct knobs, name), words, 0},

static const struct slot table[] = {KNOBS(ROW_INT, ROW_FLAG, ROW_TEXT, ROW_WORD)};

bool
rule(const char *number)
{
    return knobs.rules_off == NULL || strstr(knobs.rules_off, tf(",%s,", number)) == NULL;
}

void
knobs_default(void)
{
    int latency = knobs.latency_ms; /* an option of the command line */
    knobs = (struct knobs){KNOBS(SLOT_NORMAL, SLOT_NORMAL, SLOT_NORMAL, SLOT_NORMAL).kc_version =
                               VERSION(26, 7, 4)};
    knobs.latency_ms = latency;
}

static bool
set_rates(json_object *o)
{
    static const char *const names[RATE_KINDS] = {"get", "list", "patch", "post"};
    static const double documented[RATE_KINDS] = {20, 4, 2, 5}; /* databricks-api.md section 4, account */
    bool whole = json_is(o, json_type_boolean);
    for (int i = 0; i < RATE_KINDS; i++)
        if (whole)
            knobs.rate[i] = json_object_get_boolean(o) ? documented[i] : 0;
        else if (json_get(o, names[i]) != NULL)
            knobs.rate[i] = json_object_get_double(json_get(o, names[i]));
    return whole || json_is(o, json_type_object);
}

static bool
set_rules_off(json_object *list)
{
    const char *all = ",";
    for (size_t i = 0; i < json_len(list); i++)
        all = tf("%s%s,", all, json_str(json_at(list, i)));
    knobs.rules_off = json_len(list) > 0 ? keep(all) : NULL;
    return json_is(list, json_type_array);
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
set_one(const char *name, json_object *v)
{
    const struct slot *s = slot_find(table, COUNT(table), name);
    if (s != NULL)
        return slot_set(&knobs, s, v);
    if (strcmp(name, "base_path") == 0)
        W.base = keep(json_str(v));
    else if (strcmp(name, "kc_client_public_key") == 0)
        W.kc_pubkey = keep(json_object_get_string(v));
    else if (strcmp(name, "rate") == 0)
        return set_rates(v);
    else if (strcmp(name, "rules_off") == 0)
        return set_rules_off(v);
    else if (strcmp(name, "kc_version") == 0)
        return set_version(json_str(v));
    else if (strcmp(name, "log") == 0)
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
    if (!json_is(o, json_type_object))
        return "want a JSON object of knobs";
    json_object_object_foreach(o, name, v)
    {
        if (!set_one(name, v))
            return tf("unknown knob or value: '%s'", name);
    }
    return NULL;
}
