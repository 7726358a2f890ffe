/* tests/sim/company.c: a made-up company by seed and size; see company.h and README.md. */
#include "tests/sim/company.h"

#include <stdlib.h>
#include <string.h>

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

enum { N_GIVEN = 26, N_FAMILY = 20, N_DEPT = 10, N_TEAM = 10, N_ODD = 8, N_PRODUCT = 8 };

struct build {
    const struct company *c;
    struct ivec people, dbx_roles, job_roles, level[4];
    int admin_role, portal;
    int *role_ent, *dept_ent, *team_ent; /* by role or group: the Databricks group of its rule, -1 none */
    int *principal;                      /* by user: its Databricks entity, -1 unmatched */
};

static void
make_clients(struct build *b)
{
    W.default_role = role_new(-1, "default-roles-acme", NULL);
    comp_add(W.default_role, role_new(-1, "offline_access", NULL));
    comp_add(W.default_role, role_new(-1, "uma_authorization", NULL));
    int c = client_new(W.kc_client, NULL);
    char *name = xfmt("service-account-%s", W.kc_client);
    int account = user_new(name, NULL);
    free(name);
    user_grant(account, W.default_role);
    W.clients[c].account = account;
    b->portal = client_new("portal", NULL);
    role_new(b->portal, "viewer", NULL);
    role_new(b->portal, "editor", NULL);
}

/* Half the roles are targets (dbx-…), half are jobs made of them. One chain runs through client roles, one is
 * a cycle (S21). */
static void
make_roles(struct build *b)
{
    int n = b->c->roles;
    b->admin_role = role_new(-1, "platform-admin", NULL);
    for (int i = 0; i < n / 2 + n % 2; i++) {
        int k = i / N_PRODUCT;
        char *name = n >= 30 && i % 17 == 16 ? xfmt("dbx-%s %d", odd[(i / 17) % N_ODD], i)
                     : k == 0                ? xfmt("dbx-%s", product[i])
                                             : xfmt("dbx-%s-%d", product[i % N_PRODUCT], k + 1);
        ivec_push(&b->dbx_roles, role_new(-1, name, NULL));
        free(name);
    }
    for (int i = 0; i < n / 2; i++) {
        char *name = xfmt("job-%s-%d", team[i % N_TEAM], i);
        int r = role_new(-1, name, NULL);
        free(name);
        ivec_push(&b->job_roles, r);
        for (int k = 0; k <= i % 3 && b->dbx_roles.n > 0; k++)
            comp_add(r, b->dbx_roles.v[rng_below(&W.rng, b->dbx_roles.n)]);
    }
    if (b->job_roles.n >= 3 && b->dbx_roles.n > 0) {
        comp_add(b->job_roles.v[0], b->job_roles.v[1]);
        comp_add(b->job_roles.v[1], b->job_roles.v[0]);
        int viewer = role_find(b->portal, "viewer");
        comp_add(b->job_roles.v[2], viewer);
        comp_add(viewer, b->dbx_roles.v[0]);
    }
}

static bool
sibling_exists(int parent, const char *name)
{
    const struct ivec *v = parent < 0 ? &W.top : &W.groups[parent].kids;
    for (int i = 0; i < v->n; i++)
        if (strcmp(W.groups[v->v[i]].name, name) == 0)
            return true;
    return false;
}

static void
make_groups(struct build *b)
{
    int n = b->c->groups;
    for (int i = 0; i < n; i++) {
        int lv = i < (n + 9) / 10 ? 0 : i < n / 2 ? 1 : i < n * 8 / 10 ? 2 : 3;
        while (lv > 0 && b->level[lv - 1].n == 0)
            lv--;
        int parent = lv == 0 ? -1 : b->level[lv - 1].v[rng_below(&W.rng, b->level[lv - 1].n)];
        const char *word = lv == 0                             ? dept[i % N_DEPT]
                           : lv >= 2 && rng_chance(&W.rng, 60) ? odd[rng_below(&W.rng, N_ODD)]
                                                               : team[rng_below(&W.rng, N_TEAM)];
        char *name = xdup(word);
        for (int k = 2; sibling_exists(parent, name); k++) {
            free(name);
            name = xfmt("%s-%d", word, k);
        }
        int g = group_new(parent, name, NULL);
        free(name);
        ivec_push(&b->level[lv], g);
        const char *owner = "it@acme.example";
        if (i % 7 == 0)
            attr_set(&W.groups[g].attrs, "owner", &owner, 1);
        /* roles sit below the top, else they would be everybody's */
        if (lv > 0 && i % 3 == 0 && b->dbx_roles.n > 0)
            group_grant(g, rng_chance(&W.rng, 500) && b->job_roles.n > 0
                               ? b->job_roles.v[rng_below(&W.rng, b->job_roles.n)]
                               : b->dbx_roles.v[rng_below(&W.rng, b->dbx_roles.n)]);
    }
}

static char *
capital(const char *s)
{
    char *t = xdup(s);
    if (t[0] >= 'a' && t[0] <= 'z')
        t[0] = (char) (t[0] - 32);
    return t;
}

static void
make_users(struct build *b)
{
    for (int i = 0; i < b->c->users; i++) {
        const char *f = given[i % N_GIVEN], *l = family[i / N_GIVEN % N_FAMILY];
        int k = i / (N_GIVEN * N_FAMILY);
        char *name = k == 0 ? xfmt("%s.%s", f, l) : xfmt("%s.%s%d", f, l, k + 1);
        int u = user_new(name, NULL);
        struct user *x = &W.users[u];
        x->first = capital(f);
        x->last = capital(l);
        x->verified = !rng_chance(&W.rng, 50);
        x->enabled = !rng_chance(&W.rng, 15);
        if (!rng_chance(&W.rng, 20)) /* S17: some have no address */
            x->email = xfmt("%s@acme.example", name);
        free(name);
        user_grant(u, W.default_role);
        ivec_push(&b->people, u);
    }
    int bots = 2 + b->c->users / 200;
    for (int i = 0; i < bots; i++) {
        char *cid = xfmt("bot-%d", i), *name = xfmt("service-account-bot-%d", i), *app = rng_uuid(&W.rng);
        int c = client_new(cid, NULL), u = user_new(name, NULL);
        const char *val = app;
        attr_set(&W.users[u].attrs, "databricks_application_id", &val, 1);
        user_grant(u, W.default_role);
        W.clients[c].account = u;
        ivec_push(&b->people, u);
        free(cid), free(name), free(app);
    }
}

static void
make_memberships(struct build *b)
{
    for (int i = 0; i < 3 && i < b->people.n; i++)
        user_grant(b->people.v[i], b->admin_role);
    for (int i = 0, tries = 0; i < b->c->memberships && tries < b->c->memberships * 3; tries++) {
        int u = b->people.v[rng_below(&W.rng, b->people.n)];
        if (i % 2 == 0 && W.ngroups > 0)
            i += user_join(u, rng_below(&W.rng, W.ngroups));
        else if (b->dbx_roles.n > 0) {
            const struct ivec *from =
                rng_chance(&W.rng, 700) || b->job_roles.n == 0 ? &b->dbx_roles : &b->job_roles;
            i += user_grant(u, from->v[rng_below(&W.rng, from->n)]);
        }
    }
}

static int
group_ent(const struct build *b, const char *name)
{
    int e = ent_find('G', name, b->c->local);
    return e >= 0 ? e : ent_new('G', name, NULL, b->c->local);
}

/* One Databricks group for each thing the rules of config.c name. */
static void
make_targets(struct build *b)
{
    ent_make_system();
    b->role_ent = xalloc((size_t) W.nroles * sizeof(int));
    b->dept_ent = xalloc((size_t) (W.ngroups + 1) * sizeof(int));
    b->team_ent = xalloc((size_t) (W.ngroups + 1) * sizeof(int));
    for (int r = 0; r < W.nroles; r++)
        b->role_ent[r] = W.roles[r].client < 0 && strncmp(W.roles[r].name, "dbx-", 4) == 0
                             ? group_ent(b, W.roles[r].name + 4)
                             : -1;
    b->role_ent[b->admin_role] = group_ent(b, "dbx-platform-admins");
    for (int g = 0; g < W.ngroups; g++)
        b->dept_ent[g] = b->team_ent[g] = -1;
    for (int i = 0; i < b->level[0].n; i++) {
        char *name = xfmt("dept-%s", W.groups[b->level[0].v[i]].name);
        b->dept_ent[b->level[0].v[i]] = group_ent(b, name);
        free(name);
    }
    for (int i = 0; i < b->level[1].n; i++) {
        const struct group *g = &W.groups[b->level[1].v[i]];
        char *name = xfmt("team-%s-%s", W.groups[g->parent].name, g->name);
        b->team_ent[b->level[1].v[i]] = group_ent(b, name);
        free(name);
    }
    (void) group_ent(b, "not-managed");
}

/* Most people have an account there, a few have not (unmatched); some userNames differ by case. */
static void
make_principals(struct build *b)
{
    b->principal = xalloc((size_t) W.nusers * sizeof(int));
    for (int u = 0; u < W.nusers; u++)
        b->principal[u] = -1;
    ent_new_sp("keybricks", W.dbx_client);
    for (int i = 0; i < b->people.n; i++) {
        const struct user *x = &W.users[b->people.v[i]];
        if (rng_chance(&W.rng, 30))
            continue;
        const struct attr *app = attr_get(&x->attrs, "databricks_application_id");
        int e = -1;
        if (app != NULL) {
            e = ent_new_sp(x->name + 16, app->val[0]);
        } else if (!x->service) {
            char *name = xdup(x->email != NULL ? x->email : x->name);
            char *shown = rng_chance(&W.rng, 20) ? capital(name) : xdup(name);
            e = ent_new('U', shown, NULL, false);
            W.ents[e].display = xfmt("%s %s", x->first, x->last);
            W.ents[e].active = x->enabled || rng_chance(&W.rng, 500);
            free(name), free(shown);
        }
        b->principal[b->people.v[i]] = e;
    }
    for (int i = 0; i < 2 + b->c->users / 100; i++) {
        char *name = xfmt("contractor-%d@partner.example", i);
        int e = ent_new('U', name, NULL, false);
        W.ents[e].display = xfmt("Contractor %d", i);
        free(name);
    }
}

/* The members the rules ask for; drift leaves out one in a hundred. */
static void
fill(struct build *b, int u)
{
    int e = b->principal[u];
    struct ivec roles = {0}, want = {0};
    if (e < 0 || !W.users[u].enabled)
        return;
    user_effective(u, &roles);
    for (int i = 0; i < roles.n; i++)
        ivec_push(&want, b->role_ent[roles.v[i]]);
    for (int i = 0; i < W.users[u].groups.n; i++) {
        int g = W.users[u].groups.v[i];
        ivec_push(&want, b->team_ent[g]);
        while (W.groups[g].parent >= 0)
            g = W.groups[g].parent;
        ivec_push(&want, b->dept_ent[g]);
    }
    for (int i = 0; i < want.n; i++)
        if (want.v[i] >= 0 && !(b->c->start == START_DRIFT && rng_chance(&W.rng, 10)))
            member_add(want.v[i], e, 0, "start");
    ivec_free(&roles);
    ivec_free(&want);
}

static void
drift(struct build *b)
{
    for (int i = 0; i < W.dbx_groups.n; i++) {
        int g = W.dbx_groups.v[i];
        if (W.ents[g].system || !rng_chance(&W.rng, 200))
            continue;
        char *name = xfmt("contractor-%d@partner.example", rng_below(&W.rng, 2 + b->c->users / 100));
        int m = ent_find('U', name, false);
        free(name);
        if (m >= 0)
            member_add(g, m, 0, "start");
    }
}

void
company_make(const struct company *c)
{
    struct build b = {.c = c};
    make_clients(&b);
    make_roles(&b);
    make_groups(&b);
    make_users(&b);
    make_memberships(&b);
    make_targets(&b);
    make_principals(&b);
    for (int i = 0; i < b.people.n && c->start != START_EMPTY; i++)
        fill(&b, b.people.v[i]);
    if (c->start == START_DRIFT)
        drift(&b);
    world_settle();
    ivec_free(&b.people), ivec_free(&b.dbx_roles), ivec_free(&b.job_roles);
    for (int i = 0; i < 4; i++)
        ivec_free(&b.level[i]);
    free(b.role_ent), free(b.dept_ent), free(b.team_ent), free(b.principal);
}
