/* tests/sim/fault.c: see fault.h. */
#include "tests/sim/http.h"

#include <pthread.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct fault {
    json_object *match;
    regex_t re;
    bool has_re, dead;
    int64_t seen, fired;
    struct act act;
};

const struct act fault_none = {ACTS(SLOT_NORMAL, SLOT_NORMAL, SLOT_NORMAL).number = -1};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fault **faults;
static int nfaults, capfaults;

#define SCIM(detail)                                                                      \
    "{\"schemas\":[\"urn:ietf:params:scim:api:messages:2.0:Error\"],\"detail\":\"" detail \
    "\",\"status\":\"500\"}"
#define PLATFORM(code, message) "{\"error_code\":" code ",\"message\":\"" message "\"}"
#define JSON "application/json"

/* Rules 26, 27 and S19: answers as seen in the wild. Source: databricks-api.md section 3.8, keycloak-api.md 3. */
static const struct preset {
    const char *name;
    int status;
    const char *type, *body, *retry;
} presets[] = {
    {"scim_500", 500, JSON, SCIM("Error in performing the patch operation on group resource."), NULL},
    {"detail_null", 500, JSON, SCIM("null"), NULL},
    {"throttled_429", 429, JSON, PLATFORM("\"REQUEST_LIMIT_EXCEEDED\"", "Too many requests"), "1"},
    {"throttled_500", 500, JSON,
     SCIM("REQUEST_LIMIT_EXCEEDED: Workspace 1234 exceeded the concurrent limit of 4 requests."), NULL},
    {"platform_504", 504, JSON,
     PLATFORM("\"TEMPORARILY_UNAVAILABLE\"", "The service at /api/2.0/preview/scim/v2/Groups is taking too "
                                             "long to process your request. Please try "
                                             "again later or try a faster operation. [TraceId: 00-5f]"),
     NULL},
    {"platform_403", 403, JSON, PLATFORM("\"PERMISSION_DENIED\"", "This API is only accessible by admins"),
     NULL},
    {"numeric_403", 403, JSON, PLATFORM("403", "Invalid access token."), NULL},
    {"plain_500", 500, "text/plain", "INTERNAL_ERROR: something broke", NULL},
    {"api12_400", 400, JSON, "{\"error\":\"bad request\"}", NULL},
    {"html_503", 503, "text/html", "<html><body><pre>503 Service Unavailable</pre></body></html>", NULL},
    {"empty_502", 502, "", "", NULL},
    {"html_200", 200, "text/html",
     "<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>", NULL},
    {"empty_200", 200, JSON, "", NULL},
    {"unknown_500", 500, JSON,
     "{\"error\":\"unknown_error\",\"error_description\":\"For more on this error consult the server log.\"}",
     NULL},
    {"bare_503", 503, "", "", NULL},
    {"token_throttled", 429, JSON,
     "{\"error\":\"invalid_request\",\"error_description\":\"Temporarily throttled, too many requests\"}",
     NULL},
    {"unauthorized_401", 401, JSON, "{\"error\":\"HTTP 401 Unauthorized\"}", NULL},
};

#define ROW_INT(name, normal) {#name, SLOT_INT, offsetof(struct act, name), NULL, 0},
#define ROW_FLAG(name, normal) {#name, SLOT_FLAG, offsetof(struct act, name), NULL, 0},
#define ROW_TEXT(name, normal) {#name, SLOT_TEXT, offsetof(struct act, name), NULL, 0},

static const struct slot slots[] = {ACTS(ROW_INT, ROW_FLAG, ROW_TEXT)};

/* A fault of one word: a flag or a preset. */
static bool
word(struct act *a, const char *w)
{
    const struct slot *s = slot_find(slots, COUNT(slots), w);
    for (const struct preset *p = presets; p < presets + COUNT(presets); p++)
        if (strcmp(w, p->name) == 0) {
            a->status = p->status;
            a->body = p->body;
            a->content_type = p->type;
            a->retry_after = p->retry;
            return true;
        }
    return s != NULL && s->type == SLOT_FLAG && slot_set(a, s, json_parse("true"));
}

static bool
set(struct act *a, const char *key, json_object *v)
{
    const struct slot *s = slot_find(slots, COUNT(slots), key);
    if (s != NULL)
        return slot_set(a, s, v);
    if (strcmp(key, "when") == 0)
        a->hook_first = strcmp(json_str(v), "before") == 0;
    else if (strcmp(key, "headers") == 0 && json_is(v, json_type_object))
        a->headers = json_object_get(v);
    else if (strcmp(key, "apply_then") == 0) {
        a->apply = true;
        a->status = json_is(v, json_type_string) ? 0 : json_object_get_int(v);
        a->body = SCIM("Max retries exhausted with RPC");
        return a->status != 0 || word(a, json_str(v));
    } else
        return false;
    return true;
}

static const char *
parse_match(struct fault *f, json_object *m)
{
    static const char known[] = " method path path_regex substring body nth index times ";
    json_object_object_foreach(m, key, val)
    {
        (void) val;
        if (strstr(known, tf(" %s ", key)) == NULL)
            return tf("unknown match field '%s'", key);
    }
    const char *re = json_text(m, "path_regex");
    f->has_re = re != NULL && regcomp(&f->re, re, REG_EXTENDED | REG_NOSUB) == 0;
    f->match = json_object_get(m);
    return re != NULL && !f->has_re ? tf("bad path_regex '%s'", re) : NULL;
}

static const char *
parse_fault(struct fault *f, json_object *o)
{
    json_object *m = json_get(o, "match"), *d = json_get(o, "do");
    const char *side = json_text(o, "side"), *bad = parse_match(f, m != NULL ? m : json_parse("{}"));
    f->act = fault_none;
    if (bad != NULL || d == NULL)
        return bad != NULL ? bad : "a fault needs \"do\"";
    if (side != NULL)
        json_object_object_add(f->match, "side", json_object_new_string(side));
    if (json_is(d, json_type_string))
        return word(&f->act, json_str(d)) ? NULL : tf("unknown fault '%s'", json_str(d));
    if (json_is(d, json_type_object)) {
        json_object_object_foreach(d, key, val)
        {
            if (!set(&f->act, key, val))
                return tf("unknown fault field '%s'", key);
        }
    }
    return NULL;
}

static void
fault_free(struct fault *f)
{
    if (f->has_re)
        regfree(&f->re);
    json_object_put(f->match);
    json_object_put(f->act.headers);
    free(f);
}

const char *
fault_add(json_object *list)
{
    if (!json_is(list, json_type_array))
        return "want a JSON list of faults";
    const char *bad = NULL;
    pthread_mutex_lock(&lock);
    int before = nfaults;
    for (size_t i = 0; i < json_len(list) && bad == NULL; i++) {
        struct fault *f = xalloc(sizeof *f);
        faults = xgrow(faults, nfaults + 1, &capfaults, sizeof(struct fault *));
        faults[nfaults] = f;
        bad = parse_fault(f, json_at(list, i));
        f->act.number = nfaults++;
    }
    while (bad != NULL && nfaults > before)
        fault_free(faults[--nfaults]);
    pthread_mutex_unlock(&lock);
    return bad;
}

void
fault_clear(void)
{
    pthread_mutex_lock(&lock);
    for (int i = 0; i < nfaults; i++)
        faults[i]->dead = true;
    pthread_mutex_unlock(&lock);
}

static bool
matches(const struct fault *f, const struct req *r)
{
    const char *side = json_text(f->match, "side"), *method = json_text(f->match, "method"),
               *path = json_text(f->match, "path"), *part = json_text(f->match, "substring"),
               *body = json_text(f->match, "body");
    return (side == NULL || (strcmp(side, "kc") == 0) == (r->side == SIDE_KC)) &&
           (method == NULL || req_is(r, method)) && (path == NULL || strcmp(path, r->path) == 0) &&
           (part == NULL || strstr(r->uri, part) != NULL) &&
           (body == NULL || strstr(r->body.p, body) != NULL) && r->nside >= json_int(f->match, "index", 0) &&
           (!f->has_re || regexec(&f->re, r->uri, 0, NULL, 0) == 0);
}

/* Every fault counts its matches; the first one that is due acts. */
const struct act *
fault_match(const struct req *r)
{
    const struct act *found = &fault_none;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < nfaults; i++) {
        struct fault *f = faults[i];
        if (f->dead || !matches(f, r))
            continue;
        int64_t times = json_int(f->match, "times", 1);
        f->seen++;
        if (found != &fault_none || f->seen < json_int(f->match, "nth", 1) ||
            (times >= 0 && f->fired >= times))
            continue;
        f->fired++;
        found = &f->act;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void
fault_dump(struct buf *out)
{
    pthread_mutex_lock(&lock);
    buf_s(out, "[");
    for (int i = 0; i < nfaults; i++)
        if (!faults[i]->dead) {
            buf_item(out, "{'fault':%d,'seen':%l,'fired':%l}", i, faults[i]->seen, faults[i]->fired);
        }
    buf_s(out, "]\n");
    pthread_mutex_unlock(&lock);
}
