"""One world and its histories: edits, a run with faults, edits in between, then a run without, and what must hold.

The model is written from interface.md sections 3 and 7 and knows nothing of the program. What is judged:

- no addition of a person who was not desired at that time, no removal of one who was, none of a stranger who is to be kept;
- when the faults stop, one run makes every group right, and the next sends no write;
- nobody whom keybricks put in stays when no longer desired;
- the journal verifies.

A change of Keycloak in the middle of a run may be seen or not: then both states count as "at that time".
"""

import collections
import pathlib
import random
import shutil
import sqlite3
import subprocess
import tempfile

from keybricks import MAIL, OPEN, Stage, World

NOTHING = {"status": 200, "body": "{}"}
WORDS = ["scim_500", "detail_null", "throttled_500", "platform_504", "platform_403", "numeric_403", "plain_500", "api12_400", "html_503",
         "empty_502", "html_200", "empty_200", "unknown_500", "bare_503", "unauthorized_401", "reset", "close_before_headers",
         "empty_list", "repeat_page"]
SHAPES = {"truncate": {"truncate": 40}, "truncate_ok": {"truncate_ok": 40}, "drop_rows": {"drop_rows": 1}, "dup_rows": {"dup_rows": 1},
          "throttled_429": {"status": 429, "retry_after": "0"}, "apply_500": {"apply_then": 500}, "apply_504": {"apply_then": 504},
          "apply_reset": {"apply_then": "reset"}, "apply_close": {"apply_then": "close_before_headers"}, "gzip": "gzip"}
ON_PATCH = {"nothing_done": NOTHING, "stale": {"stale_reads": 1}, "stale_flip": {"stale_reads": 1, "flip_back": True},
            "half_500": {"fail_after_ops": 1}, "too_large": {"status": 413, "body": ""},
            "patch_apply_reset": {"apply_then": "reset"}, "patch_apply_500": {"apply_then": 500}, "patch_reset": "reset",
            "patch_409": {"status": 409, "body": {"detail": "conflict", "status": "409"}}}
HOOKS = ["hook_member", "hook_user", "hook_keycloak"]
KINDS = WORDS + list(SHAPES) + list(ON_PATCH) + HOOKS
EXTREMES = {7: (0, 5), 17: (40, 5), 27: (3, 0), 37: (3, 60)}  # of the seed modulo 40: groups and people at the start
ROWS = [(d, p, l) for d in (0, 1) for p in (0, 1) for l in (0, 1)]


class Wrong(AssertionError):
    pass


class Model:
    """Who holds what in Keycloak, and so who is desired where."""

    def __init__(self, seed, rng):
        self.rng, self.users, self.jobs, self.paths, self.rules = rng, {}, {}, {}, {}
        self.numbers = 0
        self.groups_at_start, people = EXTREMES.get(seed % 40) or (rng.randint(1, 6), rng.randint(1, 9))
        if rng.random() < 0.05:
            self.groups_at_start = rng.randint(7, 39)
        if rng.random() < 0.05:
            people = rng.randint(10, 59)
        self.people_at_start = people
        self.empty, size = self.groups_at_start == 0, max(1, self.groups_at_start)  # no group at all: the one rule makes it
        self.roles = [f"r{i}" for i in range(size)]
        self.jobs = {f"job{i}": set(rng.sample(self.roles, rng.randint(0, len(self.roles)))) for i in range(rng.randint(0, 2))}
        self.paths = {f"/p{i}": set(rng.sample(self.roles, rng.randint(0, 1))) for i in range(rng.randint(1, 3))}
        for i in range(size):
            self.rules[f"g{i}"] = {"role": self.roles[i]} if rng.random() < 0.7 else {"path": rng.choice(list(self.paths))}
            self.rules[f"g{i}"] |= {"foreign": rng.choice(("report", "remove")), "create": self.empty or rng.random() < 0.5}
        for _ in range(people):
            self.new_user()

    def new_user(self):
        name = f"u{self.numbers}"
        self.numbers += 1
        rng = self.rng
        self.users[name] = {"enabled": rng.random() < 0.9, "dbx": rng.random() < 0.9,
                            "roles": set(rng.sample(self.roles + list(self.jobs), rng.randint(0, 2) if len(self.roles) > 1 else 1)),
                            "paths": set(rng.sample(list(self.paths), rng.randint(0, 1)))}
        return name

    def effective(self, user):
        held = set(user["roles"])
        for path in user["paths"]:
            held |= self.paths[path]
        for job in [one for one in held if one in self.jobs]:
            held |= self.jobs[job]
        return held

    def desired(self):
        out = {}
        for group, rule in self.rules.items():
            out[group] = {name for name, one in self.users.items() if one["enabled"] and one["dbx"] and
                          (rule["role"] in self.effective(one) if "role" in rule else rule["path"] in one["paths"])}
        return out

    def world(self):
        world, rng = World(), self.rng
        for name in self.roles:
            world.role(name)
        for name, parts in self.jobs.items():
            world.role(name, realm=sorted(parts))
        for path, roles in self.paths.items():
            world.path(path, roles=sorted(roles))
        for name, one in self.users.items():
            world.user(name, roles=sorted(one["roles"]), groups=sorted(one["paths"]), dbx=one["dbx"], enabled=one["enabled"])
        for name in ("s0", "s1"):
            world.stranger(name)
        for number in range(110 if rng.random() < 0.3 else 0):  # more than a page: then few are looked up by name, and not listed
            world.stranger(f"x{number}")
        for group, rule in self.rules.items():
            world.rule(group=group, **rule)
            if not self.empty and (not rule["create"] or rng.random() < 0.8):
                known = [name for name, one in self.users.items() if one["dbx"]] + ["s0", "s1"]
                world.group(group, *rng.sample(known, rng.randint(0, min(4, len(known)))))
        return world


class Histories:
    """Runs `count` histories in one world; `seen` counts rows of the truth table and faults that acted."""

    def __init__(self, seed):
        self.seed, self.rng, self.seen = seed, random.Random(seed), collections.Counter()
        self.model = Model(seed, self.rng)
        self.seen[f"{self.model.groups_at_start} groups"] += 1
        self.seen[f"{self.model.people_at_start} people"] += 1
        self.steps, self.deck = [], []

    def run(self, count):
        where = tempfile.mkdtemp(prefix="keybricks-model-", dir="/dev/shm")
        try:
            guards = OPEN | {"max_group_creations": 9999, "max_additions_total": 9999, "rules_change_percent": 100, "first_run": False}
            with Stage(pathlib.Path(where), self.model.world(), guards=guards,
                       run={"verify_s": 0, "tries": 1, "retry_budget_s": 5, "deadline_s": 60}) as self.at:
                for number in range(count):
                    self.steps = [f"seed {self.seed}, history {number}"]
                    self.history(number)
        finally:
            shutil.rmtree(where)

    # ---- one history ----

    def history(self, number):
        rng = self.rng
        if number:
            for _ in range(rng.randint(1, 4)):
                self.edit()
        self.count_rows()
        for _ in range(rng.choice((1, 1, 1, 2))):
            self.faulty_run()
        self.calm()
        self.sync({0}, ("--refresh", "always"))  # a foreign edit shows in a snapshot's group only after snapshot.max_age_s
        self.judge_converged()
        before = self.at.writes_seen()
        self.sync({0})
        if self.at.writes_seen() != before:
            raise self.wrong("the run after the one that converged writes again")
        self.seen["histories"] += 1

    def wrong(self, what):
        shown = subprocess.run(self.at.command("plan", "-v", "--refresh", "always"), cwd=self.at.dir, env=self.at.environment(),
                               capture_output=True, timeout=60, check=False)
        rules = [f"{group}: {rule}" for group, rule in self.model.rules.items()]
        return Wrong("\n".join([what, *self.steps, *rules, shown.stdout.decode(), shown.stderr.decode()]))

    def sync(self, codes, more=()):
        done = subprocess.run(self.at.command("sync", *more), cwd=self.at.dir, env=self.at.environment(), capture_output=True, timeout=60,
                              check=False)
        self.steps.append(f"sync: {done.returncode} {done.stderr.decode().splitlines()[-1]}")
        nobody = not any(self.model.desired().values())
        if codes and done.returncode not in codes | ({3, 4} if nobody else set()):
            raise self.wrong(done.stdout.decode() + done.stderr.decode())
        if not 0 <= done.returncode <= 78 or "Sanitizer" in done.stderr.decode():
            raise self.wrong(done.stderr.decode())
        return done.returncode

    def faulty_run(self):
        kinds = [self.draw() for _ in range(self.rng.choice((1, 1, 2, 3)))]
        self.at.calm()
        self.at.forget()
        before, ledger, old = self.model.desired(), self.ledger(), len(self.at.sim.control("GET", "history"))
        later = []
        for kind in kinds:
            later.append(self.fault(kind))
        self.sync(set())
        for kind, fired, change in zip(kinds, self.at.fired(), later):
            self.seen[kind] += fired > 0
            if fired and change:
                change()
        self.judge_changes(before, self.model.desired(), ledger, old)

    def draw(self):
        """Without putting back, so that no kind is rare; those that need a PATCH come more often, as not every run sends one."""
        if not self.deck:
            self.deck = [kind for kind in KINDS for _ in range(3 if kind in ON_PATCH else 1)]
            self.rng.shuffle(self.deck)
        return self.deck.pop()

    def fault(self, kind):
        """Sets it; what to change in the model if it acts."""
        rng, change = self.rng, None
        side = rng.choice(("kc", "dbx", "dbx"))
        match = {"index": rng.randint(1, 9 if side == "kc" else 6 + 2 * len(self.model.rules))}
        if kind in ON_PATCH:
            do, side, match = ON_PATCH[kind], "dbx", {"method": "PATCH", "nth": rng.randint(1, 2) if rng.random() < 0.3 else 1}
        elif kind in HOOKS:
            edits, change = getattr(self, kind)()
            do = {"hook": edits, "when": rng.choice(("before", "after"))}
        else:
            do = SHAPES.get(kind, kind)
        if kind in ("empty_list", "repeat_page", "drop_rows", "dup_rows"):
            side = rng.choice(("kc", "dbx"))
            match = {"path_regex": "/(Groups|Users)\\?" if side == "dbx" else "/(users|groups|members|roles)(\\?|$)", "nth": rng.randint(1, 4)}
        self.steps.append(f"fault {kind} {side} {match} {do}")
        self.at.fault(do, side, **match)
        return change

    def calm(self):
        self.at.calm()
        for group in self.at.sim.control("GET", "state")["groups"]:  # what a stale read still holds back is read away
            for _ in range(3 if group["displayName"] in self.model.rules else 0):
                self.at.sim.dbx("GET", "/Groups/" + group["id"])

    # ---- changes ----

    def hook_member(self):
        return [self.member_edit()], None

    def hook_user(self):
        name = self.rng.choice(["s0", "s1"])
        return [{"op": "dbx_user_inactive", "userName": name + MAIL}], None

    def hook_keycloak(self):
        if not self.model.users:
            return self.hook_member()
        name = self.rng.choice(list(self.model.users))
        role = self.rng.choice(self.model.roles)
        held = self.model.users[name]["roles"]
        edit = {"op": "kc_role_revoke" if role in held else "kc_role_grant", "role": role, "username": name}
        return [edit], lambda: held.symmetric_difference_update({role})

    def member_edit(self):
        groups = [one for one in self.at.sim.control("GET", "state")["groups"] if one["displayName"] in self.model.rules]
        if not groups:
            return {"op": "dbx_user_inactive", "userName": "s0" + MAIL}
        group, known = self.rng.choice(groups), [name for name, one in self.model.users.items() if one["dbx"]] + ["s0", "s1"]
        if group["names"] and self.rng.random() < 0.5:
            return {"op": "dbx_member_remove", "group": group["displayName"], "member": self.rng.choice(group["names"])}
        return {"op": "dbx_member_add", "group": group["displayName"], "member": self.rng.choice(known) + MAIL}

    def edit(self):
        rng, model = self.rng, self.model
        what = rng.choice(("grant", "grant", "grant", "join", "join", "enable", "delete", "new", "member", "member", "dbx_user", "group", "composite"))
        name = rng.choice(list(model.users)) if model.users else None
        one = model.users.get(name)
        if what == "new" or not name:
            name = model.new_user()
            one = model.users[name]
            edits = [{"op": "kc_user_add", "username": name, "email": name + MAIL, "enabled": one["enabled"]}]
            edits += [{"op": "kc_role_grant", "role": role, "username": name} for role in sorted(one["roles"])]
            edits += [{"op": "kc_group_join", "group": path, "username": name} for path in sorted(one["paths"])]
            edits += [{"op": "dbx_user_add", "userName": name + MAIL}] if one["dbx"] else []
        elif what == "grant":
            role = rng.choice(model.roles + list(model.jobs))
            edits = [{"op": "kc_role_revoke" if role in one["roles"] else "kc_role_grant", "role": role, "username": name}]
            one["roles"] ^= {role}
        elif what == "join":
            path = rng.choice(list(model.paths))
            edits = [{"op": "kc_group_leave" if path in one["paths"] else "kc_group_join", "group": path, "username": name}]
            one["paths"] ^= {path}
        elif what == "enable":
            one["enabled"] = not one["enabled"]
            edits = [{"op": "kc_user_set", "username": name, "enabled": one["enabled"]}]
        elif what == "delete":
            del model.users[name]
            edits = [{"op": "kc_user_remove", "username": name}]
        elif what == "dbx_user":
            edits = [{"op": "dbx_user_delete" if one["dbx"] else "dbx_user_add", "userName": name + MAIL}]
            one["dbx"] = not one["dbx"]
        elif what == "composite" and model.jobs:
            job, role = rng.choice(list(model.jobs)), rng.choice(model.roles)
            edits = [{"op": "kc_composite_remove" if role in model.jobs[job] else "kc_composite_add", "role": job, "child": role}]
            model.jobs[job] ^= {role}
        elif what == "group":
            there = {group["displayName"] for group in self.at.sim.control("GET", "state")["groups"]}
            made = [group for group, rule in model.rules.items() if rule["create"] and group in there]
            edits = [{"op": "dbx_group_delete", "group": rng.choice(made)}] if made and rng.random() < 0.3 else [self.member_edit()]
        else:
            edits = [self.member_edit()]
        self.steps.append(f"edit {edits}")
        self.at.edit(*edits)

    # ---- what is there ----

    def ledger(self):
        """{(group, short name)}; groups by name, so that one made anew has none."""
        path = self.at.state / "acme.db"
        if not path.exists():
            return set()
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        rows = db.execute("SELECT target_group.id, principal.name FROM ledger JOIN target_group ON target_group.row = group_row"
                          " JOIN principal ON principal.row = principal_row").fetchall()
        db.close()
        names = {one["id"]: one["displayName"] for one in self.at.sim.control("GET", "state")["groups"]}
        return {(names[group], name.removesuffix(MAIL)) for group, name in rows if group in names}

    def present(self):
        return {one["displayName"]: {name.removesuffix(MAIL) for name in one["names"]}
                for one in self.at.sim.control("GET", "state")["groups"] if one["displayName"] in self.model.rules}

    def count_rows(self):
        desired, present, ledger = self.model.desired(), self.present(), self.ledger()
        rows = set()
        for group, members in present.items():
            everybody = set(self.model.users) | {"s0", "s1"} | members | {name for g, name in ledger if g == group}
            rows |= {(int(name in desired[group]), int(name in members), int((group, name) in ledger)) for name in everybody}
        for row in rows:
            self.seen[row] += 1

    # ---- what must hold ----

    def judge_changes(self, before, after, ledger, old):
        for one in self.at.sim.control("GET", "history")[old:]:
            group, name = one["group"], one["member"].removesuffix(MAIL)
            if one["by"] == "edit":
                continue
            if group not in self.model.rules:
                raise self.wrong(f"a group without a rule is changed: {one}")
            if one["op"] == "add":
                if name not in before[group] | after[group]:
                    raise self.wrong(f"added, and not desired: {one}")
                ledger.add((group, name))
            elif name in before[group] & after[group]:
                raise self.wrong(f"removed, and desired: {one}")
            elif (group, name) not in ledger and self.model.rules[group]["foreign"] == "report":
                raise self.wrong(f"a stranger is removed: {one}")

    def judge_converged(self):
        desired, present = self.model.desired(), self.present()
        if not any(desired.values()):
            return  # guard source_min_users holds everything
        by_us = {}
        for one in self.at.sim.control("GET", "history"):
            if one["op"] == "add":
                by_us[one["group_id"], one["member"].removesuffix(MAIL)] = one["by"] != "edit"
        ids = {one["displayName"]: one["id"] for one in self.at.sim.control("GET", "state")["groups"]}
        for group, rule in self.model.rules.items():
            members = present.get(group)
            if members is None:
                raise self.wrong(f"{group} does not exist")
            if desired[group] - members:
                raise self.wrong(f"{group} lacks {desired[group] - members}")
            for name in members - desired[group]:
                if rule["foreign"] == "remove" or by_us.get((ids[group], name)):
                    raise self.wrong(f"{name} is still in {group}")
