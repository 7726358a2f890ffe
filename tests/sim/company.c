/* tests/sim/company.c: a made-up company by seed and size; and the configuration that fits it; see control.h and README.md. */
#include "tests/sim/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const given[] = {"ana",  "bo",   "chloe", "dag",  "eva",  "finn", "grace",
                                    "hugo", "ines", "jonas", "kira", "leo",  "mia",  "nils",
                                    "olga", "paul", "quinn", "rosa", "sven", "tara", "ugo",
                                    "vera", "wim",  "xenia", "yara", "zeno"};
static const char *const family[] = {"lopez", "meyer",  "novak",  "okafor", "petit",  "quist",  "rossi",
                                     "silva", "tanaka", "ullman", "varga",  "weber",  "xu",     "yilmaz",
                                     "zhang", "adler",  "brandt", "costa",  "dubois", "eriksen"};
static const char *const dept[] = {"data",  "platform", "finance",  "sales",  "support",
                                   "legal", "research", "security", "people", "marketing"};
static const char *const team[] = {"ml", "etl", "bi", "core", "ops", "qa", "web", "mobile", "infra", "tools"};
/* S14, S17: names with slashes, blanks, percent signs, umlauts, quotes */
static const char *const odd[] = {"R&D / Labs", "grüne Wiese", "50% squad", "a;b",
                                  "two words",  "say \"hi\"",  "o'hara",    "x/y"};
static const char *const product[] = {"ml-engineers", "data-scientists", "analysts", "etl-runners",
                                      "bi-readers",   "auditors",        "stewards", "warehouse"};

struct build {
    const struct company *c;
    struct pool pool; /* of names; emptied now and then */
    struct list people, dbx_roles, job_roles, level[4];
    struct thing *portal, *admin_role;
};

#define ANY(words) words[rng_below(&W.rng, COUNT(words))]

static struct thing *
any(const struct list *l)
{
    return l->v[rng_below(&W.rng, l->n)];
}

static struct thing *
new_role(const char *name, struct thing *client)
{
    return thing_new(ROLE, name, NULL, client, false);
}

static struct thing *
new_client(const char *cid)
{
    struct thing *c = thing_new(CLIENT, cid, NULL, NULL, false);
    c->up = thing_new(USER, tf("service-account-%s", cid), NULL, NULL, false);
    tie(c->up, W.default_role, true);
    return c;
}

/* Half the roles are targets (dbx-…), half are jobs made of them. One chain runs through client roles, one is a cycle
 * (S21). */
static void
make_roles(struct build *b)
{
    int n = b->c->roles, products = (int) COUNT(product);
    W.default_role = new_role("default-roles-acme", NULL);
    tie(W.default_role, new_role("offline_access", NULL), true);
    tie(W.default_role, new_role("uma_authorization", NULL), true);
    (void) new_client(W.kc_client);
    b->portal = thing_new(CLIENT, "portal", NULL, NULL, false);
    (void) new_role("viewer", b->portal);
    (void) new_role("editor", b->portal);
    b->admin_role = new_role("platform-admin", NULL);
    for (int i = 0; i < n / 2 + n % 2; i++) {
        int k = i / products;
        const char *name = n >= 30 && i % 17 == 16 ? tf("dbx-%s %d", odd[(size_t) (i / 17) % COUNT(odd)], i)
                           : k == 0                ? tf("dbx-%s", product[i])
                                                   : tf("dbx-%s-%d", product[i % products], k + 1);
        list_add(&b->dbx_roles, new_role(name, NULL));
    }
    for (int i = 0; i < n / 2; i++) {
        struct thing *r = new_role(tf("job-%s-%d", team[(size_t) i % COUNT(team)], i), NULL);
        list_add(&b->job_roles, r);
        for (int k = 0; k <= i % 3 && b->dbx_roles.n > 0; k++)
            tie(r, any(&b->dbx_roles), true);
    }
    if (b->job_roles.n < 3 || b->dbx_roles.n == 0)
        return;
    tie(b->job_roles.v[0], b->job_roles.v[1], true);
    tie(b->job_roles.v[1], b->job_roles.v[0], true);
    tie(b->job_roles.v[2], role_find(b->portal, "viewer"), true);
    tie(role_find(b->portal, "viewer"), b->dbx_roles.v[0], true);
}

static bool
sibling_exists(const struct thing *parent, const char *name)
{
    const struct list *v = parent == NULL ? &W.top : &parent->groups;
    for (int i = 0; i < v->n; i++)
        if (strcmp(v->v[i]->name, name) == 0)
            return true;
    return false;
}

static void
make_groups(struct build *b)
{
    int n = b->c->groups;
    json_object *owner = json_parse("\"it@acme.example\"");
    for (int i = 0; i < n; i++) {
        int lv = i < (n + 9) / 10 ? 0 : i < n / 2 ? 1 : i < n * 8 / 10 ? 2 : 3;
        while (lv > 0 && b->level[lv - 1].n == 0)
            lv--;
        struct thing *parent = lv == 0 ? NULL : any(&b->level[lv - 1]);
        const char *word = lv == 0                             ? dept[(size_t) i % COUNT(dept)]
                           : lv >= 2 && rng_chance(&W.rng, 60) ? ANY(odd)
                                                               : ANY(team);
        const char *name = word;
        for (int k = 2; sibling_exists(parent, name); k++)
            name = tf("%s-%d", word, k);
        struct thing *g = thing_new(GROUP, name, NULL, parent, false);
        list_add(&b->level[lv], g);
        if (i % 7 == 0)
            attr_set(g, "owner", owner);
        /* roles sit below the top, else they would be everybody's */
        if (lv > 0 && i % 3 == 0 && b->dbx_roles.n > 0)
            tie(g, any(rng_chance(&W.rng, 500) && b->job_roles.n > 0 ? &b->job_roles : &b->dbx_roles), true);
    }
}

static const char *
capital(const char *s)
{
    char *t = tsub(s, strlen(s));
    if (t[0] >= 'a' && t[0] <= 'z')
        t[0] = (char) (t[0] - 32);
    return keep(t);
}

static void
make_users(struct build *b)
{
    for (int i = 0; i < b->c->users; i++) {
        int families = (int) COUNT(family), firsts = (int) COUNT(given), k = i / (firsts * families);
        const char *f = given[i % firsts], *l = family[i / firsts % families];
        const char *name = k == 0 ? tf("%s.%s", f, l) : tf("%s.%s%d", f, l, k + 1);
        struct thing *u = thing_new(USER, name, NULL, NULL, false);
        u->first = capital(f);
        u->last = capital(l);
        u->verified = !rng_chance(&W.rng, 50);
        u->enabled = !rng_chance(&W.rng, 15);
        if (!rng_chance(&W.rng, 20)) /* S17: some have no address */
            u->email = keep(tf("%s@acme.example", name));
        tie(u, W.default_role, true);
        list_add(&b->people, u);
        pool_free(&b->pool);
    }
    for (int i = 0; i < 2 + b->c->users / 200; i++) {
        const struct thing *c = new_client(tf("bot-%d", i));
        attr_set(c->up, "databricks_application_id", json_parse(tf("%q", rng_uuid(&W.rng))));
        list_add(&b->people, c->up);
    }
}

static void
make_memberships(struct build *b)
{
    for (int i = 0; i < 3 && i < b->people.n; i++)
        tie(b->people.v[i], b->admin_role, true);
    for (int i = 0, tries = 0; i < b->c->memberships && tries < b->c->memberships * 3; tries++) {
        struct thing *u = any(&b->people);
        if (i % 2 == 0 && W.all[GROUP].n > 0)
            i += tie(u, any(&W.all[GROUP]), true);
        else if (b->dbx_roles.n > 0)
            i += tie(u, any(rng_chance(&W.rng, 700) || b->job_roles.n == 0 ? &b->dbx_roles : &b->job_roles),
                     true);
    }
}

/* The Databricks group that the rules of config.c name for a role or group, NULL: none. */
static const char *
target_of(const struct build *b, const struct thing *x)
{
    if (x == b->admin_role)
        return "dbx-platform-admins";
    if (x->kind == ROLE)
        return x->up == NULL && begins(x->name, "dbx-") ? x->name + 4 : NULL;
    if (x->up == NULL)
        return tf("dept-%s", x->name);
    return x->up->up == NULL ? tf("team-%s-%s", x->up->name, x->name) : NULL;
}

static void
make_targets(const struct build *b)
{
    const struct list *all[] = {&W.all[ROLE], &b->level[0], &b->level[1]};
    dbx_make_system();
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < all[k]->n; i++) {
            const char *name = target_of(b, all[k]->v[i]);
            if (name != NULL && dbx_find_name(DBX_GROUP, name, b->c->local) == NULL)
                (void) thing_new(DBX_GROUP, name, NULL, NULL, b->c->local);
        }
    (void) thing_new(DBX_GROUP, "not-managed", NULL, NULL, b->c->local);
}

static struct thing *
new_account(const char *name, const char *display)
{
    struct thing *x = thing_new(DBX_USER, name, NULL, NULL, false);
    x->display = keep(display);
    return x;
}

static void
fill_one(const struct build *b, const struct thing *x, struct thing *account)
{
    const char *name = target_of(b, x);
    struct thing *g = name == NULL ? NULL : dbx_find_name(DBX_GROUP, name, b->c->local);
    if (g != NULL && !(b->c->start == START_DRIFT && rng_chance(&W.rng, 10)))
        tie(account, g, true);
}

/* The members the rules ask for; drift leaves out one in a hundred. */
static void
fill(const struct build *b, const struct thing *u, struct thing *account)
{
    if (!u->enabled || b->c->start == START_EMPTY)
        return;
    struct list roles = effective_roles(u);
    for (int i = 0; i < roles.n; i++)
        fill_one(b, roles.v[i], account);
    for (int i = 0; i < u->groups.n; i++) {
        const struct thing *g = u->groups.v[i];
        if (g->up != NULL)
            fill_one(b, g, account);
        while (g->up != NULL)
            g = g->up;
        fill_one(b, g, account);
    }
}

/* Most people have an account there, a few have not (unmatched); some userNames differ by case. */
static void
make_principals(struct build *b)
{
    (void) dbx_sp_new("keybricks", W.dbx_client);
    for (int i = 0; i < b->people.n; i++) {
        const struct thing *u = b->people.v[i];
        struct thing *x = NULL;
        if (rng_chance(&W.rng, 30))
            continue;
        if (u->service)
            x = dbx_sp_new(u->name + 16,
                           json_str(json_at(json_get(u->attrs, "databricks_application_id"), 0)));
        else {
            const char *name = u->email != NULL ? u->email : u->name;
            x = new_account(rng_chance(&W.rng, 20) ? capital(name) : name, tf("%s %s", u->first, u->last));
            x->enabled = u->enabled || rng_chance(&W.rng, 500);
        }
        fill(b, u, x);
        pool_free(&b->pool);
    }
    for (int i = 0; i < 2 + b->c->users / 100; i++)
        (void) new_account(tf("contractor-%d@partner.example", i), tf("Contractor %d", i));
    for (int i = 0; i < W.all[DBX_GROUP].n && b->c->start == START_DRIFT; i++) { /* some strangers */
        struct thing *g = W.all[DBX_GROUP].v[i];
        int who = rng_below(&W.rng, 2 + b->c->users / 100);
        if (!g->system && rng_chance(&W.rng, 200))
            tie(dbx_find_name(DBX_USER, tf("contractor-%d@partner.example", who), false), g, true);
    }
}

void
company_make(const struct company *c)
{
    struct build b = {.c = c};
    struct pool *before = pool_use(&b.pool);
    make_roles(&b);
    make_groups(&b);
    make_users(&b);
    make_memberships(&b);
    make_targets(&b);
    make_principals(&b);
    world_settle();
    struct list *mine[] = {&b.people,   &b.dbx_roles, &b.job_roles, &b.level[0],
                           &b.level[1], &b.level[2],  &b.level[3]};
    for (size_t i = 0; i < COUNT(mine); i++)
        free(mine[i]->v);
    pool_free(&b.pool);
    (void) pool_use(before);
}

/* ---- secrets and a keybricks.conf for the running simulator. Source: interface.md section 3 ---- */

/* These name exactly what company.c fills. */
static const char company_rules[] = "rules = (\n"
                                    "  { role_glob = \"dbx-*\";  group = \"{1}\";  create = true; },\n"
                                    "  { path_glob = \"/*\";  group = \"dept-{1}\";  subgroups = true; },\n"
                                    "  { path_glob = \"/*/*\";  group = \"team-{1}-{2}\"; },\n"
                                    "  { role = \"platform-admin\";  group = \"dbx-platform-admins\";  "
                                    "privileged = true;  min_members = 2; }\n"
                                    ");\n";

static const char *
put_file(const char *dir, const char *name, const char *text, mode_t mode)
{
    const char *path = tf("%s/%s", dir, name);
    (void) unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    size_t n = strlen(text);
    bool ok = fd >= 0 && write(fd, text, n) == (ssize_t) n;
    ok = fd >= 0 && close(fd) == 0 && ok;
    return ok ? NULL : tf("cannot write %s: %s", path, strerror(errno));
}

const char *
config_write(const struct config_out *c)
{
    char real[4096]; /* PATH_MAX */
    if ((mkdir(c->dir, 0700) != 0 && errno != EEXIST) || realpath(c->dir, real) == NULL)
        return tf("cannot make %s: %s", c->dir, strerror(errno));
    const char *ca[2] = {c->kc_ca, c->dbx_ca};
    for (int i = 0; i < 2; i++)
        ca[i] = ca[i] == NULL ? "" : tf("    ca_file = '%s';\n", ca[i]);
    const char *target =
        c->local
            ? tf("    level = 'workspace';\n    host = '%s';\n    auth = 'token';\n    token_file = "
                 "'%s/databricks.secret';\n",
                 c->dbx_url, real)
            : tf("    level = 'account';\n    host = '%s';\n    account_id = '%s';\n    auth = 'oauth_m2m';\n"
                 "    client_id = '%s';\n    secret_file = '%s/databricks.secret';\n",
                 c->dbx_url, W.account, W.dbx_client, real);
    const char *text =
        tf("# written by keybricks-sim; it is the configuration of that process only\n"
           "version = 1;\nstate_dir = '%s/state';\n\n"
           "keycloak = {\n    url = '%s%s';\n    realm = '%s';\n    client_id = '%s';\n    secret_file = "
           "'%s/keycloak.secret';\n%s};\n\n"
           "targets = (\n  { name = 'acme';\n%s%s    rate = { get = 1000.0; list = 1000.0; patch = 1000.0; "
           "post = 1000.0; }; }\n);\n\n%s\n",
           real, c->kc_url, W.base, W.realm, W.kc_client, real, ca[0], target, ca[1],
           c->rules != NULL ? c->rules : company_rules);
    const char *bad = put_file(real, "keycloak.secret", W.kc_secret, 0600);
    bad = bad != NULL ? bad : put_file(real, "databricks.secret", c->local ? W.pat : W.dbx_secret, 0600);
    return bad != NULL ? bad : put_file(real, "keybricks.conf", text, 0644);
}
