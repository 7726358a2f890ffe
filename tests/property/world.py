"""Random realms, rules and targets, small and nasty. The same seed gives the same world.

Names come from short lists so that they meet: the same group name in two branches, names with '/', e-mail addresses that
differ in case or in a letter that only looks the same.
"""

import random

STATES = ["not_asked", "pending", "gone", "denied", "failed", "suspect"]
GROUP_NAMES = ["ml", "data", "science", "a/b", "b", "teams", "red", "blue", "x y", "größe", "a", "ML"]
ROLE_NAMES = ["dbx-ml", "dbx-eng", "dbx-a-b", "base", "viewer", "admin", "dbx-ro", "x;y", "50%", "größe", "team-red", "DBX-ml"]
MAILS = ["ada@acme.example", "ADA@acme.example", "bo@acme.example", "\u0430da@acme.example", "\u212aim@acme.example",
         "kim@acme.example", "eva@acme.example", "fay@acme.example", "e\u0301va@acme.example", "gus@acme.example",
         "i\u0307vy@acme.example", "\u0130vy@acme.example", "hal@acme.example", "jon@acme.example", "ha\u200bl@acme.example",
         "jon@acme.example ", "J0n@acme.example", "\u00e9va@acme.example"]
TARGET_GROUPS = ["engineers", "scientists", "readers", "g"]


def chance(rnd, percent):
    return rnd.randrange(100) < percent


def make_groups(rnd):
    groups = []
    for i in range(rnd.choice([0, 1, 3, 6, 10, 20, rnd.randrange(41)])):
        parent = rnd.choice(groups) if groups and chance(rnd, 70) else None
        name = rnd.choice(GROUP_NAMES)
        taken = {g["name"] for g in groups if g["parent"] == (parent and parent["id"])}
        if name in taken:
            name += str(i)
        groups.append({"id": f"g{i}", "name": name, "path": (parent["path"] if parent else "") + "/" + name,
                       "parent": parent and parent["id"], "roles": [], "members": [], "members_read": "complete"})
    if groups and chance(rnd, 15):  # /x/y beside /x + y: one text for two groups
        child = rnd.choice(groups)
        top = next((g for g in groups if g["id"] == child["parent"]), None)
        if top:
            groups.append({**child, "id": "twin", "name": f"{top['name']}/{child['name']}", "parent": top["parent"]})
    return groups


def make_roles(rnd, groups):
    roles = []
    names = rnd.sample(ROLE_NAMES, rnd.randrange(len(ROLE_NAMES) + 1))
    if chance(rnd, 3):
        names.append("dbx-")
    if chance(rnd, 2):
        names.append("dbx-" + "x" * 256)
    for i, name in enumerate(names):
        roles.append({"id": f"r{i}", "name": name, "client": None})
    for i in range(rnd.choice([0, 0, 1, 3])):
        roles.append({"id": f"c{i}", "name": rnd.choice(ROLE_NAMES) + str(i), "client": rnd.choice(["portal", "app"])})
    edges = rnd.choice([0, 10, 25])
    for r in roles:
        r["children"] = [c["id"] for c in roles if c is not r and chance(rnd, edges)]
        if edges and chance(rnd, 3):
            r["children"].append(r["id"])
        r["composite"] = bool(r["children"]) or chance(rnd, 5)
        r["groups"] = [g["id"] for g in groups if r["client"] is not None and chance(rnd, 8)]
        r["holders"] = []
        r.update(children_read="complete" if r["composite"] else "not_asked", holders_read="complete",
                 groups_read="complete" if r["client"] is not None else "not_asked")
    for g in groups:
        g["roles"] = [r["id"] for r in roles if r["client"] is None and chance(rnd, 8)]
    return roles


def make_users(rnd):
    users = []
    for i in range(rnd.choice([0, 1, 5, 12, 25, rnd.randrange(61)])):
        service = chance(rnd, 12)
        shared = chance(rnd, 25)
        foreign = not service and chance(rnd, 8)
        u = {"id": f"f:c0ffee:u{i}" if foreign else f"u{i}", "username": f"service-account-app{i}" if service else f"user{i}", "email": None,
             "directory": "c0ffee" if foreign else "ldap" if chance(rnd, 10) else None, "believed": False, "attribute": None, "service": service,
             "enabled": True, "verified": chance(rnd, 80), "stored": False, "locked_out": False,
             "gone": chance(rnd, 2), "looked_up": chance(rnd, 90 if service else 5)}
        if not service and chance(rnd, 90):
            u["email"] = rnd.choice(MAILS) if shared else f"user{i}@acme.example"
        if not service and chance(rnd, 8):  # came in through another identity provider: a name of that one's, often no e-mail
            u |= {"username": f"{rnd.choice(['github', 'okta', 'saml'])}.{i}", "brokered": True}
            u["email"] = u["email"] if chance(rnd, 50) else None
        if users and not service and chance(rnd, 3):  # deleted, and made again with everything the same but the id
            old = rnd.choice(users)
            old |= {"gone": True, "looked_up": True}
            u |= {"username": old["username"], "email": old["email"], "again": True} if not old["service"] else {}
        if chance(rnd, 85 if service else 40):
            u["attribute"] = f"attr-{rnd.randrange(20)}" if shared else f"attr-{i}-x"
        if chance(rnd, 12):
            u["enabled"] = chance(rnd, 10)
            u["stored"] = chance(rnd, 65)
            u["locked_out"] = chance(rnd, 30)
            u["believed"] = bool(u["directory"]) and not u["stored"] and not u["locked_out"] and chance(rnd, 60)
        if chance(rnd, 1):
            u["username"] = None
        if service and u["username"] is None:
            u["username"] = "service-account-"
        users.append(u)
    return users


def make_principals(rnd, users):
    principals, n = [], 100

    def add(**more):
        nonlocal n
        n += 1
        principals.append({"id": str(n), "name": None, "display": None, "service": False, "listed": chance(rnd, 97),
                           "looked_up": chance(rnd, 3), **more})

    def recase(s):
        return "".join(c.upper() if "a" <= c <= "z" and chance(rnd, 30) else c for c in s)

    for u in users:
        if chance(rnd, 12):
            continue
        if u["service"]:
            add(service=True, name=recase(u["attribute"] or f"sp-{n}"), display=recase(u["username"][16:] or "none"))
            if chance(rnd, 5):
                add(service=True, name=f"other-{n}", display=u["username"][16:])
        else:
            add(name=recase(rnd.choice([u["email"], u["email"], u["username"], u["attribute"]]) or f"nobody{n}"))
    for mail in rnd.sample(MAILS, rnd.randrange(4)):
        add(name=mail)
    rnd.shuffle(principals)
    return principals


def make_rule(rnd, roles, groups):
    kind = rnd.choice(["role", "role", "role_glob", "path", "path", "path_glob", "client_role"])
    rule = {"kind": kind, "client": None, "group": rnd.choice(TARGET_GROUPS), "subgroups": chance(rnd, 50), "create": False,
            "privileged": False, "min_members": 0, "remove_foreign": False, "adopt_external": False,
            "targets": rnd.choice([[], [], [], ["acme"], ["acme", "beta"], ["beta"]])}
    if kind == "role":
        known = [r["name"] for r in roles if r["client"] is None]
        rule["object"] = rnd.choice(known) if known and chance(rnd, 93) else rnd.choice(ROLE_NAMES + ["nothing"])
    elif kind == "client_role":
        known = [r for r in roles if r["client"] is not None]
        found = rnd.choice(known) if known and chance(rnd, 95) else {"client": "portal", "name": "viewer"}
        rule["client"], rule["object"] = found["client"], found["name"]
    elif kind == "path":
        known = [g["path"] for g in groups]
        rule["object"] = rnd.choice(known) if known and chance(rnd, 93) else "/" + rnd.choice(GROUP_NAMES)
        if "twin" in {g["id"] for g in groups} and chance(rnd, 25):
            rule["object"] = groups[-1]["path"]
    elif kind == "role_glob":
        rule["object"], rule["group"] = rnd.choice([("dbx-*", "{1}"), ("*-*", "{2}-{1}"), ("*", "r {1}"), ("dbx-*", "g{1}"),
                                                    ("*e*", "engineers")])
    else:
        rule["object"], rule["group"] = rnd.choice([("/*", "t-{1}"), ("/**", "{1}"), ("/teams/*", "team-{1}"), ("/*/*", "{2}"),
                                                    ("/**/ml", "ml {1}"), ("/data/**", "scientists")])
    return rule


def spoil(rnd, w):
    """Some lists were not read, or look wrong."""
    for _ in range(rnd.choice([1, 1, 2, 4])):
        state = rnd.choice(STATES)
        what = rnd.choice(["realm", "realm", "children", "children", "holders", "groups", "members", "members", "holders"])
        if what == "realm":
            w[rnd.choice(["roles_read", "groups_read", "clients_read"])] = state
        elif what == "members" and w["groups"]:
            rnd.choice(w["groups"])["members_read"] = state
        elif what != "members" and w["roles"]:
            rnd.choice(w["roles"])[what + "_read"] = state


def make(seed):
    rnd = random.Random(seed)
    groups = make_groups(rnd)
    roles = make_roles(rnd, groups)
    service_kind = rnd.choice(["attribute", "attribute", "client_id", "off"])
    users = make_users(rnd)
    density = rnd.choice([3, 10, 30])
    for table, key in ((groups, "members"), (roles, "holders")):
        for row in table:
            row[key] = [u["id"] for u in users if chance(rnd, density)]
            rnd.shuffle(row[key])
    w = {"target": "acme", "users": users, "roles": roles, "groups": groups,
         "principals": make_principals(rnd, users),
         "match": {"users": rnd.choice([["email", "username"], ["email", "username"], ["username"], ["attribute:x", "email"],
                                        ["email"]]),
                   "verified_email_only": chance(rnd, 25), "service": service_kind},
         "exclude_users": [], "exclude_roles": rnd.choice([[], [], ["dbx-eng"], ["*ml"]]),
         "exclude_paths": rnd.choice([[], [], ["/teams/red"], ["/data/**"], ["/*"], [g["path"] for g in groups[:2]]]), "ledger": [],
         "roles_read": "complete", "groups_read": "complete", "disabled_read": "complete",
         "clients_read": rnd.choice(["complete", "complete", "complete", "not_asked", "denied"]),
         "client_composites_unread": chance(rnd, 30),
         "rules": [make_rule(rnd, roles, groups) for _ in range(rnd.randrange(1, 6))]}
    for u in users:
        if chance(rnd, 4):
            w["exclude_users"].append(rnd.choice([u["id"], (u["username"] or "x").upper(), u["email"] or "y"]))
    if chance(rnd, 6):
        rule = rnd.choice(w["rules"])
        key = rnd.choice(["create", "privileged", "min_members", "remove_foreign", "adopt_external"])
        rule[key] = 3 if key == "min_members" else True
    for p in w["principals"]:
        if users and chance(rnd, 10):
            w["ledger"].append({"group": f"t{rnd.randrange(3)}", "principal": p["id"], "user": rnd.choice(users)["id"]})
    if chance(rnd, 35):
        spoil(rnd, w)
    return w


def shuffled(w, seed):
    """The same world, as a server might also have told it."""
    rnd = random.Random(seed)
    ret = dict(w)
    for table, keys in (("users", ()), ("principals", ()), ("roles", ("children", "holders", "groups")),
                        ("groups", ("roles", "members"))):
        ret[table] = [{**row, **{k: rnd.sample(row[k], len(row[k])) for k in keys}} for row in w[table]]
        rnd.shuffle(ret[table])
    return ret
