"""Random worlds: the C and a second implementation want the same people in the same groups, for the same reasons.

The driver is KEYBRICKS_DESIRED_DRIVER; KEYBRICKS_WORLDS and KEYBRICKS_SEED change how many worlds and which.
A failure prints the seed: world.make(seed) is the case.
"""

import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import desired_model  # noqa: E402
import world  # noqa: E402

WORLDS = int(os.environ.get("KEYBRICKS_WORLDS", "2000"))
SEED = int(os.environ.get("KEYBRICKS_SEED", "20261123"))
PATHS_CAP = 3000

# What must be in at least one world of a hundred, or the test does not test it.
KINDS = ["rule role", "rule role_glob", "rule path", "rule path_glob", "rule client_role", "rule subgroups", "rule other target",
         "two rules one group", "path direct role", "path composite", "path client role between", "path group", "path parent group",
         "path group below", "path direct group", "path over 16", "cycle", "diamond", "slash in name", "same name two branches",
         "ambiguous path", "gone role", "gone path", "gone client role", "config error", "excluded role", "excluded path",
         "verdict matched", "verdict excluded", "verdict disabled", "verdict locked_out", "verdict unmatched",
         "verdict unverified", "verdict no_key", "verdict ambiguous", "verdict unknown", "verdict off", "service matched",
         "two users one principal", "two principals one user", "gone user", "doubtful by ledger", "near-duplicate of a principal",
         "near-duplicate of a user", "user local", "user service account", "user disabled", "user locked out", "user LDAP", "user f: id",
         "user brokered", "user no e-mail", "user duplicate e-mail", "user unverified", "user excluded", "user made again",
         "user disabled in directory, believed", "user disabled in directory, doubted", "user without a name", "no group",
         "30 groups", "nobody", "45 people", "depth 4", "no e-mail matched", "f: id matched", "brokered matched",
         "frozen by roles_read", "frozen by groups_read", "frozen by clients_read", "frozen by children_read",
         "frozen by holders_read", "frozen by members_read"]


class Driver:
    def __init__(self):
        path = os.environ.get("KEYBRICKS_DESIRED_DRIVER")
        assert path, "KEYBRICKS_DESIRED_DRIVER does not say where the driver is"
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")

    def ask(self, w):
        self.process.stdin.write(json.dumps(w, ensure_ascii=False) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the driver ended with {self.process.wait()}"
        return json.loads(line)


@pytest.fixture(scope="module")
def driver():
    d = Driver()
    yield d
    d.process.stdin.close()
    assert d.process.wait(timeout=30) == 0


def plain(answer):
    """The driver's answer without the words of notes, in the model's order."""
    if "error" in answer:
        return {"error": answer["error"]}
    ret = {k: answer[k] for k in ("verdicts", "near", "users_behind", "objects_behind", "memberships")}
    ret |= {k: sorted(answer[k]) for k in ("doubtful", "wanted_roles", "wanted_groups")}
    ret["groups"] = [{"name": g["name"], "users": sorted(g["users"]), "principals": sorted(g["principals"]),
                      "frozen": g["frozen"] is not None, "gone": g["gone"] is not None} for g in answer["groups"]]
    return ret


def check_reasons(seed, model, managed, answer):
    """Everybody in a group has a reason; for some, all reasons are compared."""
    rnd = random.Random(seed)
    pairs = []
    for g in answer["groups"]:
        for user in g["users"]:
            assert answer["reasons"][g["name"]][user], f"seed {seed}: no reason for {user} in {g['name']}"
            pairs.append((g["name"], user))
    for name, user in rnd.sample(pairs, min(6, len(pairs))):
        want = model.reasons(user, managed[name], PATHS_CAP)
        if want is not None:
            assert answer["reasons"][name][user] == want, f"seed {seed}: reasons of {user} in {name}"


def tally_rules(w, model, managed, seen):
    for rule in w["rules"]:
        seen.add("rule " + rule["kind"])
        if rule["subgroups"] and rule["kind"].startswith("path"):
            seen.add("rule subgroups")
        if rule["targets"] == ["beta"]:
            seen.add("rule other target")
        if rule["kind"] == "role_glob" and any(
                r["client"] is None and desired_model.glob(rule["object"], r["name"], False) is not None and
                model.excluded("exclude_roles", r["name"], False) for r in w["roles"]):
            seen.add("excluded role")
        if rule["kind"] == "path_glob" and any(
                desired_model.glob(rule["object"], g["path"], True) is not None and
                model.excluded("exclude_paths", g["path"], True) for g in w["groups"]):
            seen.add("excluded path")
    for bindings in managed.values():
        if len({b[0] for b in bindings}) > 1:
            seen.add("two rules one group")
        paths = [model.groups[b[3]]["path"] for b in bindings if b[2] == "group" and b[3]]
        if len(set(paths)) < len({b[3] for b in bindings if b[2] == "group" and b[3]}):
            seen.add("ambiguous path")
        for _, rule, _, row in bindings:
            if row is None:
                seen.add("gone " + rule["kind"].replace("_", " "))


def tally_catalog(w, model, seen):
    for role in model.roles:
        if any(role in model.down[c] for c in model.children[role] if c != role):
            seen.add("cycle")
        children = [model.down[c] for c in model.children[role] if c != role]
        if any(a & b - {role} for i, a in enumerate(children) for b in children[:i]):
            seen.add("diamond")
    names = [g["name"] for g in w["groups"]]
    if any("/" in n for n in names):
        seen.add("slash in name")
    if len(set(names)) < len(names):
        seen.add("same name two branches")
    if any(len(list(model.upwards(g))) >= 4 for g in model.groups):
        seen.add("depth 4")
    for kind, there in (("no group", not names), ("30 groups", len(names) >= 30), ("nobody", not w["users"]),
                        ("45 people", len(w["users"]) >= 45)):
        if there:
            seen.add(kind)


def tally_people(w, model, answer, seen):
    for user, verdict in answer["verdicts"].items():
        seen.add("verdict " + verdict)
        u = model.users[user]
        if verdict == "matched" and u["service"]:
            seen.add("service matched")
        if u["gone"]:
            seen.add("gone user")
        if verdict in ("excluded", "locked_out", "ambiguous", "unknown") and any(r["user"] == user for r in w["ledger"]):
            seen.add("doubtful by ledger")
    judged = model.judge()
    if any(v == "ambiguous" and len(p) == 1 for v, p in judged.values()):
        seen.add("two users one principal")
    if any(v == "ambiguous" and len(p) > 1 for v, p in judged.values()):
        seen.add("two principals one user")
    for user in answer["near"]:
        seen.add("near-duplicate of a " + ("principal" if answer["near"][user] not in model.users else "user"))
    for u in w["users"]:
        kinds = user_kinds(w, u)
        seen |= {"user " + kind for kind in kinds}
        if answer["verdicts"][u["id"]] == "matched":
            seen |= {kind + " matched" for kind in kinds}


def user_kinds(w, u):
    """What there is to say of a user, as issue and interface name it."""
    mails = [desired_model.lower(other["email"] or "") for other in w["users"] if not other["gone"]]
    off = not u["enabled"] and not u["stored"] and not u["locked_out"]
    return {kind for kind, there in (
        ("service account", u["service"]), ("disabled", u["stored"] and not u["locked_out"]), ("locked out", u["locked_out"]),
        ("local", not u["directory"] and not u["service"] and not u.get("brokered")), ("LDAP", u["directory"] == "ldap"),
        ("f: id", u["id"].startswith("f:")), ("brokered", u.get("brokered")), ("no e-mail", not u["email"]),
        ("duplicate e-mail", u["email"] and mails.count(desired_model.lower(u["email"])) > 1),
        ("unverified", u["email"] and not u["verified"]), ("made again", u.get("again")), ("without a name", not u["username"]),
        ("excluded", u["id"] in w["exclude_users"]), ("disabled in directory, believed", u["directory"] and off and u["believed"]),
        ("disabled in directory, doubted", u["directory"] and off and not u["believed"])) if there}


def tally_paths(answer, model, seen):
    for users in answer["reasons"].values():
        for reasons in users.values():
            if len(reasons) == 16:
                seen.add("path over 16")
            for _, is_path, _, *via in reasons:
                groups = [v for v in via if v.startswith("group ")]
                roles = [v for v in via if v.startswith("role ")]
                if is_path:
                    seen.add("path group below" if groups else "path direct group")
                    continue
                seen.add(["path direct role", "path group", "path parent group"][len(groups)])
                if roles:
                    seen.add("path composite")
                if any(v.startswith(("role portal:", "role app:")) for v in roles):
                    seen.add("path client role between")


def tally_frozen(w, model, managed, seen):
    """A kind of list counts when it alone freezes something: with it complete, fewer groups are frozen."""
    frozen = {name for name, b in managed.items() if model.frozen(b)}
    if not frozen:
        return
    for kind, rows in (("roles_read", [w]), ("groups_read", [w]), ("clients_read", [w]), ("children_read", w["roles"]),
                       ("holders_read", w["roles"]), ("members_read", w["groups"])):
        saved = [row[kind] for row in rows]
        for row in rows:
            row[kind] = "complete"
        if {name for name, b in managed.items() if model.frozen(b)} < frozen:
            seen.add("frozen by " + kind)
        for row, state in zip(rows, saved):
            row[kind] = state


def check(seed, driver, histogram):
    w = world.make(seed)
    model = desired_model.World(w)
    want, answer = model.answer(), driver.ask(w)
    got, seen = plain(answer), set()
    assert got == want, f"seed {seed}"
    if "error" in want:
        histogram["config error"] += 1
        return
    managed = model.managed()
    check_reasons(seed, model, managed, answer)
    if seed % 4 == 0:
        again = driver.ask(world.shuffled(w, seed))
        assert plain(again) == got, f"seed {seed}: the order of answers shows"
        notes = [[(g["frozen"], g["gone"]) for g in a["groups"]] for a in (answer, again)]
        assert notes[0] == notes[1] and again["reasons"] == answer["reasons"], f"seed {seed}: the order of answers shows"
    tally_rules(w, model, managed, seen)
    tally_catalog(w, model, seen)
    tally_people(w, model, answer, seen)
    tally_paths(answer, model, seen)
    tally_frozen(w, model, managed, seen)
    histogram.update(seen)


def test_random_worlds(driver):
    histogram, start = collections.Counter(), time.monotonic()
    for seed in range(SEED, SEED + WORLDS):
        try:
            check(seed, driver, histogram)
        except AssertionError:
            print(f"FAILED seed {seed}", file=sys.stderr)
            raise
    for kind in KINDS:
        print(f"{histogram[kind]:6} {kind}")
    print(f"{WORLDS} worlds in {time.monotonic() - start:.1f} s, seeds from {SEED}")
    rare = {kind: histogram[kind] for kind in KINDS if histogram[kind] * 100 < WORLDS}
    assert not rare, f"in less than 1 % of the worlds: {rare}"


def test_the_histogram_names_every_verdict_and_rule():
    assert {"verdict " + v for v in ("matched", "excluded", "disabled", "locked_out", "unmatched", "unverified", "no_key",
                                     "ambiguous", "unknown", "off")} <= set(KINDS)
    assert {"rule " + k for k in ("role", "role_glob", "path", "path_glob", "client_role")} <= set(KINDS)
