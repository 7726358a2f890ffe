"""Random inputs of the planner: matching is decided here, realm and target disagree in every way. Same seed, same world."""

import random

from planner_model import (AMBIGUOUS, COMPLETE, DISABLED, EXCLUDED, GONE, LOCKED_OUT, MATCHED, NO_KEY, NOT_ASKED, NOW, OFF,
                           SNAPSHOT, UNKNOWN, UNMATCHED, UNVERIFIED)

NAMES = ["admins", "ml", "ML", "data \"x\"", "größe\n", "team-a", "team-b", "Users", "z\u202e", "kept"]
PLAIN = [f"team-{i:02}" for i in range(30)]
DOUBTS = (EXCLUDED, LOCKED_OUT, AMBIGUOUS, UNKNOWN)


def chance(rnd, percent):
    return rnd.randrange(100) < percent


def make_principals(rnd):
    ret = []
    for i in range(rnd.choice([0, 3, 8, 8, 14, 14, rnd.randrange(61), 160 if chance(rnd, 70) else 25])):
        service = chance(rnd, 15)
        name = f"app-{i}" if service else rnd.choice([f"p{i}@acme.example", f"P{i}@Acme.example", f"ü{i}@acme.example"])
        ret.append({"id": str(rnd.randrange(10 ** rnd.randrange(2, 19)) + 1), "name": None if chance(rnd, 3) else name,
                    "display": f"Person {i}" if chance(rnd, 50) else None, "service": service})
    return list({p["id"]: p for p in ret}.values())


def user_id(rnd, n):
    """Of a local user or of one whose directory is not imported."""
    return f"f:c0ffee:u{n}" if chance(rnd, 15) else f"u{n}"


def home(rnd, uid, percent):
    return "c0ffee" if uid.startswith("f:") else "ldap" if chance(rnd, percent) else None


def make_user(rnd, uid, principal):
    """Flags that fit the verdict, as matching leaves them."""
    verdict = rnd.choice([MATCHED] * 24 + [EXCLUDED, DISABLED, DISABLED, DISABLED, LOCKED_OUT, UNVERIFIED, UNKNOWN, OFF]) if principal \
        else rnd.choice([UNMATCHED, UNMATCHED, NO_KEY, DISABLED, UNKNOWN, OFF, NOT_ASKED])
    u = {"id": uid, "username": f"user-{uid}", "email": f"{uid}@acme.example" if chance(rnd, 80) else "",
         "directory": home(rnd, uid, 15), "enabled": True, "stored": False, "locked_out": False, "gone": False, "believed": False,
         "looked_up": chance(rnd, 20), "verdict": verdict, "principal": principal}
    if verdict == DISABLED:
        if not principal and chance(rnd, 50):
            u |= {"gone": True, "looked_up": True, "enabled": False}
        else:
            u |= {"directory": home(rnd, uid, 40), "stored": chance(rnd, 50), "enabled": False}
            u["believed"] = bool(u["directory"]) and not u["stored"] and chance(rnd, 80)
    elif verdict == LOCKED_OUT:
        u |= {"locked_out": True, "enabled": False}
    elif verdict in (UNKNOWN, NOT_ASKED) and chance(rnd, 70):
        u |= {"enabled": False, "stored": chance(rnd, 20), "locked_out": verdict == NOT_ASKED and chance(rnd, 20)}
    return u


def make_users(rnd, principals):
    users = []
    for p in principals:
        if p["name"] and chance(rnd, 85):
            users.append(make_user(rnd, user_id(rnd, len(users)), p["id"]))
            if chance(rnd, 4):
                users[-1] |= {"verdict": AMBIGUOUS, "enabled": True, "stored": False, "locked_out": False}
                users.append({**users[-1], "id": f"u{len(users)}", "username": f"twin-{len(users)}"})
    return users + [make_user(rnd, user_id(rnd, len(users) + i), None) for i in range(rnd.randrange(8))]


def make_group(rnd, gid, name, principals, users):
    density = rnd.choice([0, 10, 40, 70])
    ids = [u["id"] for u in users]
    owner = {u["principal"]: u["id"] for u in users if u["principal"]}
    gone = [u["id"] for u in users if u["gone"]]
    g = {"id": gid, "name": name, "listed": chance(rnd, 93), "local": chance(rnd, 3), "external_id": "x" if chance(rnd, 5) else None,
         "from": rnd.choice([NOW] * 10 + [SNAPSHOT] * 8 + [0]), "read": rnd.choice([COMPLETE] * 9 + [0] * 9 + [GONE, 5]),
         "members": [p["id"] for p in principals if chance(rnd, density)], "ledger": {}}
    for p in principals:
        if chance(rnd, density):
            known = owner.get(p["id"], "") if chance(rnd, 80) else rnd.choice(["", "gone-1", "gone-2"] + ids + 12 * gone)
            g["ledger"][p["id"]] = known
    return g


def make_managed(rnd, name, w):
    density = rnd.choice([0, 10, 40, 70])
    holders = [u["id"] for u in w["users"] if chance(rnd, density)]
    desired = [u["principal"] for u in w["users"] if u["id"] in holders and u["verdict"] == MATCHED and
               (u["principal"] not in w["doubtful"] or chance(rnd, 10))]
    return {"name": name, "create": chance(rnd, 40), "adopt_external": chance(rnd, 30), "remove_foreign": chance(rnd, 40),
            "ambiguous_path": chance(rnd, 3), "frozen": "role r: holders failed" if chance(rnd, 4) else None,
            "holders": holders, "desired": desired}


def select(rnd, w):
    if chance(rnd, 12):
        w["select_groups"] = rnd.sample(["team-*", "ml", "k*", "nothing"], rnd.randrange(1, 3))
    if chance(rnd, 15):
        keys = [u["username"].upper() for u in w["users"]] + [u["id"] for u in w["users"]] + ["gone-1"] + \
            [p["name"] for p in w["principals"] if p["name"]] + [u["email"] for u in w["users"] if u["email"]]
        w["select_users"] = rnd.sample(keys, min(len(keys), rnd.randrange(1, 4)))
    w["no_removals"] = chance(rnd, 8)


def make(seed):
    rnd = random.Random(seed)
    principals = make_principals(rnd)
    users = make_users(rnd, principals)
    w = {"target": "acme", "level": rnd.choice(["account", "account", "workspace"]), "host": "https://dbx.example", "at": 5000,
         "rules_digest": "sha256:" + "0" * 64, "groups_read": 5 if chance(rnd, 2) else COMPLETE, "principals": principals,
         "users": users, "self": rnd.choice(principals)["id"] if principals and chance(rnd, 50) else None,
         "protect_groups": ["Kept"] if chance(rnd, 30) else [], "protect_members": [], "exceptions": [], "select_groups": None,
         "select_users": None, "groups": []}
    for p in principals:
        if chance(rnd, 3):
            w["protect_members"].append(rnd.choice([p["id"], (p["name"] or p["id"]).replace("p", "P")]))
    names = rnd.sample(NAMES, rnd.randrange(len(NAMES) + 1))
    if chance(rnd, 10) and len(principals) < 100:
        names += PLAIN[:rnd.choice([30, rnd.randrange(31)])]
    for i, name in enumerate(names + rnd.sample(names, min(len(names), chance(rnd, 10)))):
        if chance(rnd, 85):
            w["groups"].append(make_group(rnd, str(900 + i), name, principals, users))
    doubts = {u["id"]: u["principal"] for u in users if u["verdict"] in DOUBTS}
    w["doubtful"] = sorted({p for p in doubts.values() if p} |
                           {p for g in w["groups"] for p, u in g["ledger"].items() if u in doubts})
    w["managed"] = [make_managed(rnd, name, w) for name in sorted(names, key=str.encode) if chance(rnd, 93)]
    for m in w["managed"]:
        for p in principals:
            if chance(rnd, 3):
                w["exceptions"].append({"group": m["name"], "principal": rnd.choice([p["id"], (p["name"] or "?").upper()]),
                                        "until": rnd.choice([4999, 5000, 5001, 9000]), "reason": "pilot"})
    select(rnd, w)
    w["directories"] = {name: rnd.choice(["up"] * 5 + ["down"] * 2 + ["unwitnessed"] * 2 + ["removed"]) for name in ("ldap", "c0ffee")}
    return w


def shuffled(w, seed):
    """The same world, as the servers might also have told it."""
    rnd, ret = random.Random(seed), dict(w)
    for key in ("principals", "users", "groups"):
        ret[key] = rnd.sample(w[key], len(w[key]))
    ret["groups"] = [{**g, "members": rnd.sample(g["members"], len(g["members"]))} for g in ret["groups"]]
    ret["managed"] = [{**m, "holders": rnd.sample(m["holders"], len(m["holders"]))} for m in w["managed"]]
    return ret
