"""A realm to import into a real Keycloak: made up, the same bytes every time, and as awkward as real ones are.

`python3 realm.py > realm.json`, or `build()`. What is in it on purpose:
- 64 groups, four levels deep, the same name in two branches, names with / ; % ? # + blanks, quotes and umlauts, and two
  groups that share one path because a name holds a slash (/eng/ml);
- 34 realm roles, composites over three steps and across client roles of two clients, a cycle through a client role, a role
  inside the default role;
- 330 people: without e-mail, disabled, locked out for ever, two with one e-mail, one whose user name is another's e-mail;
- service accounts with and without the attribute databricks_application_id, one of them disabled;
- the client keybricks with the rights the manual asks for. No passwords: hashing them would make the import slow.
"""

import json
import random
import uuid

REALM = "acme"
CLIENT_ID = "keybricks"
CLIENT_SECRET = "e2e secret: a+b/c&d=%41 ü"  # every character here is wrong somewhere when it is not encoded
PEOPLE = 330
ATTRIBUTE = "databricks_application_id"
SPACE = uuid.UUID("5eed0000-0000-4000-8000-000000000003")

# Groups as nested names; every leaf list is a group without children.
TREE = {
    "data": {
        "science": {"vision": {"core": {}, "edge": {}}, "language": {"core": {}, "search & rank": {}}, "forecast": {}},
        "engineering": {"ingest": {"batch": {}, "stream": {}}, "lake": {"bronze": {}, "silver": {}, "gold": {}}},
        "analytics": {"finance": {"emea": {}, "apac": {}}, "marketing": {}},
    },
    "eng": {
        "ml": {"core": {}, "infra": {"gpu": {}}},
        "platform": {"core": {"on-call": {}}, "site reliability": {}},
        "c++": {}, "c#": {}, "50% time": {}, "what?": {},
    },
    "teams": {
        "red": {"leads": {}, "juniors": {"first year": {}}}, "blue": {"leads": {}}, "grün": {"leads": {}},
        "semi;colon": {}, "r&d": {"a+b": {}}, "100%25": {}, 'the "best"': {}, "back\\slash": {}, "[x]": {},
    },
    "Büro München": {"Empfang": {"Früh": {}, "Spät": {}}, "Küche": {}},
    "日本": {"東京": {}},
    "eng/ml": {},          # the same path as the group ml below eng
    "and/or": {"either": {}},
    "ops": {"core": {}, "night": {"shift": {"deep": {}}}},
}

# Realm roles: name, realm roles inside, client roles inside
ROLES = [
    ("ml-engineer", ["data-base"], {}), ("data-base", [], {}), ("data-lead", ["ml-engineer"], {}),
    ("head-of-data", ["data-lead"], {"portal": ["admin"]}), ("platform-admin", [], {}), ("auditor", [], {"wiki": ["editor"]}),
    ("contractor", [], {}), ("everyone", [], {}), ("empty-role", [], {}),
    ("ring-a", ["ring-b"], {}), ("ring-b", [], {"portal": ["ring"]}), ("ring-c", ["ring-c2"], {}), ("ring-c2", ["ring-c"], {}),
    ("dbx-portal", [], {}), ("dbx-wiki", [], {}), ("dbx-plain", [], {}), ("dbx-with space", [], {}),
    ("dbx-a/b", [], {}), ("dbx-a//b", [], {}), ("dbx-semi;colon", [], {}), ("dbx-100%", [], {}), ("dbx-%2F", [], {}),
    ("dbx-what?", [], {}), ("dbx-c#", [], {}), ("dbx-plus+", [], {}), ("dbx-Überblick", [], {}), ("dbx-日本", [], {}),
    ('dbx-quo"te', [], {}), ("dbx-back\\slash", [], {}), ("dbx-nobody", [], {}), ("dbx-ring", ["ring-a"], {}),
    ("DBX-upper", [], {}), ("dbx-UPPER", [], {}), ("dbx-", [], {}),
]

# Client roles: client, name, realm roles inside, client roles inside
CLIENT_ROLES = [
    ("portal", "viewer", [], {}), ("portal", "admin", ["dbx-portal"], {"portal": ["viewer"]}),
    ("portal", "ring", ["ring-a"], {}), ("wiki", "editor", ["dbx-wiki"], {"portal": ["viewer"]}), ("wiki", "reader", [], {}),
]

# Roles that a group gives to its members and to everybody below it
GROUP_ROLES = {
    "/data": (["data-base"], {}),
    "/data/science": (["ml-engineer"], {}),
    "/data/science/vision/core": (["dbx-a/b", "dbx-what?"], {"portal": ["admin"]}),
    "/data/engineering/lake": (["dbx-with space"], {"wiki": ["editor"]}),
    "/eng/platform": (["platform-admin"], {}),
    "/eng/c++": (["dbx-plus+", "dbx-c#"], {}),
    "/teams/red/juniors": (["dbx-100%", "dbx-%2F"], {}),
    "/teams/semi;colon": (["dbx-semi;colon"], {}),
    "/Büro München": (["dbx-Überblick"], {}),
    "/日本/東京": (["dbx-日本"], {}),
    "/and/or": (["dbx-a//b"], {}),
    "/ops/night": (["ring-c2", "dbx-back\\slash"], {}),
}

FIRST = ["Ada", "Björn", "Chloé", "Dag", "Éva", "Farid", "Grace", "Håkon", "İpek", "Jörg", "Kofi", "Łucja", "Mai", "Noor", "O'Neil"]
LAST = ["Okafor", "Müller", "Åström", "Nguyễn", "Smith", "de la Cruz", "Świątek", "O'Brien", "Yamada", "Kaya", "SSchwarz"]


def ident(*parts):
    return str(uuid.uuid5(SPACE, "/".join(map(str, parts))))


def groups(tree, parent=""):
    out = []
    for name, below in tree.items():
        path = f"{parent}/{name}"
        realm_roles, client_roles = GROUP_ROLES.get(path, ([], {}))
        # The two groups of path /eng/ml differ in their place in the tree, so their ids must too.
        out.append({"id": ident("group", parent, name, len(parent)), "name": name, "path": path, "realmRoles": realm_roles,
                    "clientRoles": client_roles, "subGroups": groups(below, path)})
    return out


def paths(nodes):
    for node in nodes:
        yield node["path"]
        yield from paths(node["subGroups"])


def role(name, realm_roles, client_roles, client=None):
    out = {"id": ident("role", client, name), "name": name, "composite": bool(realm_roles or client_roles),
           "clientRole": client is not None}
    if out["composite"]:
        out["composites"] = {"realm": realm_roles, "client": client_roles}
    return out


def client(name, **more):
    return {"id": ident("client", name), "clientId": name, "enabled": True, "protocol": "openid-connect",
            "standardFlowEnabled": False, "directAccessGrantsEnabled": False, "publicClient": False, **more}


def person(number, rng, group_paths):
    first, last = FIRST[number % len(FIRST)], LAST[number * 7 % len(LAST)]
    roles = [name for name, _, _ in ROLES if name not in ("dbx-nobody", "empty-role", "everyone")]
    user = {
        "id": ident("user", number), "username": f"u{number:03d}.{last.lower()}", "firstName": first, "lastName": last,
        "email": f"{first.lower()}.{number:03d}@acme.example", "emailVerified": number % 3 != 0, "enabled": number % 17 != 5,
        "groups": sorted(rng.sample(group_paths, rng.choice([0, 1, 1, 2, 3, 5]))),
        "realmRoles": sorted(rng.sample(roles, rng.choice([0, 0, 0, 1, 1, 2]))),
    }
    if number % 2 == 0:
        user["realmRoles"].append(f"default-roles-{REALM}")
    if number % 11 == 3:
        user["clientRoles"] = rng.choice([{"portal": ["viewer"]}, {"portal": ["admin"]}, {"wiki": ["editor"]}, {"portal": ["ring"]}])
    if number % 19 == 4:  # no e-mail: the user name is the key
        del user["email"], user["emailVerified"]
        user["username"] = f"{first.lower()}.{number:03d}@legacy.example"
    return user


def awkward():
    """People whose only purpose is to be difficult; all of them are wanted by some rule."""
    def one(name, **more):
        return {"id": ident("user", name), "username": name, "enabled": True, "groups": ["/teams/blue"],
                "realmRoles": ["ml-engineer"], **more}
    return [
        one("twin.one", email="twin@acme.example"), one("twin.two", email="twin@acme.example"),
        one("shadow@acme.example"), one("caster", email="shadow@acme.example"),
        one("plus+tag", email="plus+tag@acme.example"), one("ünïcode.ørsted", email=None), one("o'brien", email="o'brien@acme.example"),
        one("locked.out", email="locked.out@acme.example", enabled=False, attributes={"disabledReason": ["permanentLockout"]}),
        one("excluded.person", email="excluded@acme.example"),
        one("ring.only", email="ring.only@acme.example", groups=[], realmRoles=["ring-b"]),
        one("client.ring", email="client.ring@acme.example", groups=[], realmRoles=[], clientRoles={"portal": ["ring"]}),
        one("head", email="head@acme.example", groups=[], realmRoles=["head-of-data"]),
    ]


def service_accounts():
    """(client, user): etl-N work, etl-disabled is switched off, etl-nokey has no attribute."""
    out = []
    for number, name in enumerate(["etl-1", "etl-2", "etl-3", "etl 4/ä", "etl-disabled", "etl-nokey"], 1):
        user = {"id": ident("service", name), "username": f"service-account-{name}", "serviceAccountClientId": name,
                "enabled": name != "etl-disabled", "groups": ["/data/engineering/ingest/batch", "/teams/red"],
                "realmRoles": ["data-lead"] if number % 2 else [], "attributes": {ATTRIBUTE: [ident("application", name)]}}
        if name == "etl-nokey":
            del user["attributes"]
        out.append((client(name, serviceAccountsEnabled=True, secret="unused-" + ident("secret", name)), user))
    return out


# Attributes nobody declared are hidden from administrators unless the realm says otherwise; databricks_application_id is one.
PROFILE = {"attributes": [{"name": name, "permissions": {"view": ["admin", "user"], "edit": ["admin", "user"]}}
                          for name in ("username", "email", "firstName", "lastName")],
           "unmanagedAttributePolicy": "ADMIN_EDIT"}


def build():
    rng = random.Random(3)
    tree = groups(TREE)
    group_paths = sorted(set(paths(tree)))
    services = service_accounts()
    keybricks = {"id": ident("service", CLIENT_ID), "username": f"service-account-{CLIENT_ID}", "serviceAccountClientId": CLIENT_ID,
                 "enabled": True, "realmRoles": [f"default-roles-{REALM}"],
                 "clientRoles": {"realm-management": ["view-users", "view-realm", "view-clients"]}}
    client_roles = {}
    for owner, name, realm_inside, client_inside in CLIENT_ROLES:
        client_roles.setdefault(owner, []).append(role(name, realm_inside, client_inside, owner))
    default = {**role(f"default-roles-{REALM}", ["everyone", "offline_access", "uma_authorization"], {}),
               "description": "what everybody gets"}
    return {
        "id": REALM, "realm": REALM, "enabled": True, "sslRequired": "none",
        "duplicateEmailsAllowed": True, "loginWithEmailAllowed": False, "accessTokenLifespan": 300,
        "defaultRole": {"id": default["id"], "name": default["name"], "composite": True, "clientRole": False},
        "roles": {"realm": [role(*row) for row in ROLES] + [default, role("offline_access", [], {}),
                                                            role("uma_authorization", [], {})],
                  "client": client_roles},
        "groups": tree,
        "clients": [client("portal"), client("wiki"),
                    client(CLIENT_ID, secret=CLIENT_SECRET, serviceAccountsEnabled=True, fullScopeAllowed=True),
                    *(owner for owner, _ in services)],
        "users": [person(number, rng, group_paths) for number in range(PEOPLE - len(awkward()))] + awkward()
                 + [user for _, user in services] + [keybricks],
        "components": {"org.keycloak.userprofile.UserProfileProvider": [
            {"providerId": "declarative-user-profile", "config": {"kc.user.profile.config": [json.dumps(PROFILE)]}}]},
    }


def renamed(thing, name):
    """The same realm under another name, with other ids, so that a server can have both."""
    if isinstance(thing, dict):
        return {key: ident("realm", name, inner) if key == "id" and inner != REALM else renamed(inner, name)
                for key, inner in thing.items()}
    if isinstance(thing, list):
        return [renamed(inner, name) for inner in thing]
    return {REALM: name, f"default-roles-{REALM}": f"default-roles-{name}"}.get(thing, thing) if isinstance(thing, str) else thing


if __name__ == "__main__":
    print(json.dumps(build(), ensure_ascii=False, indent=1, sort_keys=True))
