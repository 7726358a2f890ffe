"""What a plan must be, written from product.md (truth table) and interface.md sections 3 and 5, not from the C.

Each (group, principal) is looked at by itself, as a person with the documents in hand would: is it desired, present, in
the ledger; who is behind it; then the first sentence of the documents that applies decides.
"""

import hashlib
import json

(MATCHED, NOT_ASKED, EXCLUDED, DISABLED, LOCKED_OUT, UNMATCHED, UNVERIFIED, NO_KEY, AMBIGUOUS, UNKNOWN, OFF) = range(11)
SNAPSHOT, NOW = 1, 2
NOT_READ, COMPLETE, GONE = 0, 2, 3
LISTS = ["ambiguous", "exceptions", "foreign", "frozen", "identity_changed", "locked_out", "released", "stuck", "unmatched",
         "unproven"]
SYSTEM = ["admins", "users", "account users"]


def lower(s):
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in s)


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha(text):
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def by_bytes(s):
    return s.encode()


class Model:
    def __init__(self, w):
        self.w = w
        self.users = {u["id"]: u for u in w["users"]}
        self.principals = {p["id"]: p for p in w["principals"]}
        self.groups, self.ledger, self.lookups, self.reread = [], [], set(), set()
        self.left = {name: set() for name in LISTS}
        self.left_out = self.ready_writes = 0
        self.seen = set()

    # ---- who ----

    def today(self, pid):
        """The user whom the principal's name belongs to now."""
        fits = [u for u in self.w["users"] if u["principal"] == pid]
        return min(fits, key=lambda u: (u["verdict"] != MATCHED, u["id"]), default=None)

    def selected_user(self, user):
        keys = self.w["select_users"]
        return keys is None or any(lower(k) in (lower(user["id"]), lower(user["username"]), lower(user["email"])) for k in keys)

    def selected(self, pid, uid):
        keys = self.w["select_users"]
        name = self.principals[pid]["name"]
        if keys is None or (name and any(lower(k) == lower(name) for k in keys)):
            return True
        if uid and (any(lower(k) == lower(uid) for k in keys) or (uid in self.users and self.selected_user(self.users[uid]))):
            return True
        return any(u["principal"] == pid and self.selected_user(u) for u in self.w["users"])

    def called(self, pid):
        return self.principals[pid]["name"] or pid

    def leave(self, which, group, name=""):
        self.left[which].add((group, name))
        self.seen.add("left " + which)

    # ---- one membership ----

    def doubt(self, group, pid, user):
        """True when what is known of the person ends the matter."""
        if user["verdict"] == EXCLUDED:
            self.seen.add("excluded")
            return True
        if user["verdict"] == LOCKED_OUT:
            self.leave("locked_out", group["name"], self.called(pid))
        elif user["verdict"] == AMBIGUOUS:
            self.leave("ambiguous", group["name"], self.called(pid))
        elif user["verdict"] == UNKNOWN:
            self.unknown(group, pid, user)
        else:
            return False
        return True

    def unknown(self, group, pid, user):
        self.leave("unproven", group["name"], self.called(pid))
        self.look_up(user)

    def look_up(self, user):
        """What is known of one person of a directory is a cache's; the lists ask the directory."""
        if not user["looked_up"] and not user["gone"] and not user["directory"]:
            self.lookups.add(user["id"])

    def witness(self, person):
        return self.w["directories"][person["directory"]]

    def silent(self, person):
        """Nothing speaks against people of a directory that is not up; one that the realm dropped keeps nobody who is gone."""
        if not person["directory"]:
            return False
        witness = self.witness(person)
        self.seen.add(f"directory {witness}, {'f: id' if person['id'].startswith('f:') else 'linked'}")
        return witness != "up" and not (person["gone"] and witness == "removed")

    def removal(self, group, pid, uid):
        """Cause of a removal, or None when the person is left alone."""
        today = self.today(pid)
        person = self.users.get(uid) if uid else today
        if today and self.doubt(group, pid, today):
            return None
        if person and self.doubt(group, pid, person):
            return None
        name = self.called(pid)
        if pid in self.w["doubtful"]:
            self.leave("ambiguous", group["name"], name)
        elif not self.principals[pid]["name"] or (person is None and not uid):
            self.leave("unproven", group["name"], name)
        elif person is None:
            self.lookups.add(uid)
            self.leave("unproven", group["name"], name)
        elif person["gone"]:
            return self.unless_silent("deleted", group, pid, person)
        elif person["locked_out"]:
            self.leave("locked_out", group["name"], name)
        elif person["stored"] or not person["enabled"]:
            if person["verdict"] != DISABLED and not person["looked_up"]:
                self.unknown(group, pid, person)
            elif person["directory"] and not person["stored"] and not person["believed"]:
                self.leave("unproven", group["name"], name)
            else:
                cause = "disabled_in_directory" if person["directory"] and not person["stored"] else "disabled"
                return self.unless_silent(cause, group, pid, person)
        elif person["id"] in group["holders"]:
            self.leave("identity_changed", group["name"], name)
        else:
            return self.unless_silent("revoked", group, pid, person)
        return None

    def unless_silent(self, cause, group, pid, person):
        if self.silent(person):
            self.leave("unproven", group["name"], self.called(pid))
            return None
        return cause, person["id"]

    def foreign(self, group, pid):
        today, name = self.today(pid), self.called(pid)
        only_reported = not group["remove_foreign"]
        if today and not (today["verdict"] == UNKNOWN and only_reported and today["id"] not in group["holders"]) and \
                self.doubt(group, pid, today):
            return None
        if any(e["group"] == group["name"] and e["until"] > self.w["at"] and
               (e["principal"] == pid or lower(e["principal"]) == lower(self.principals[pid]["name"] or "\0"))
               for e in self.w["exceptions"]):
            self.leave("exceptions", group["name"], name)
        elif only_reported:
            self.leave("foreign", group["name"], name)
        elif pid in self.w["doubtful"]:
            self.leave("ambiguous", group["name"], name)
        elif not self.principals[pid]["name"]:
            self.leave("unproven", group["name"], name)
        elif today:
            return self.unless_silent("foreign", group, pid, today)
        elif set(self.w["directories"].values()) & {"down", "unwitnessed"}:  # anybody may be hidden there
            self.seen.add("directory hides nobody knows whom")
            self.leave("unproven", group["name"], name)
        else:
            return "foreign", ""
        return None

    def membership(self, group, target, pid, plan):
        desired, present = pid in group["desired"], pid in target["members"]
        ledger, uid = pid in target["ledger"], target["ledger"].get(pid, "")
        if not self.selected(pid, uid):
            return
        self.seen.add(f"{desired:d} {present:d} {ledger:d}")
        if plan["protected"]:
            plan["dropped"]["protected_group"] += desired != present and (desired or ledger)
        elif desired and not present:
            if pid in self.w["doubtful"]:
                self.leave("ambiguous", group["name"], self.called(pid))
            elif self.today(pid)["directory"] and self.witness(self.today(pid)) == "down":
                self.leave("unproven", group["name"], self.called(pid))
            else:
                self.operation(plan, "add", "drift_removed" if ledger else "granted", pid, self.today(pid)["id"])
        elif desired:
            if not ledger or uid != self.today(pid)["id"]:
                self.ledger.append(["adopt", target["id"], pid, self.today(pid)["id"]])
        elif not present:
            if ledger:
                self.ledger.append(["clean", target["id"], pid, ""])
        else:
            why = self.removal(group, pid, uid) if ledger else self.foreign(group, pid)
            if why:
                self.operation(plan, "remove", why[0], pid, why[1])

    def operation(self, plan, op, cause, pid, uid):
        p = self.principals[pid]
        if pid == self.w["self"]:
            plan["dropped"]["self_check"] += 1
        elif any(lower(m) in (pid, lower(p["name"] or "\0")) for m in self.w["protect_members"]):
            plan["dropped"]["protected_member"] += 1
        elif op == "remove" and self.w["no_removals"]:
            self.left_out += 1
        else:
            self.seen.add("cause " + cause)
            who = {"kind": "service_principal" if p["service"] else "user", "id": pid, "name": self.called(pid)}
            if p["display"]:
                who["display"] = p["display"]
            plan["ops"].append({"op": op, "state": "ready", "cause": cause, "principal": who, "source_id": uid, "reasons": []})

    # ---- one group ----

    def why_frozen(self, group, protected):
        if group["frozen"] or group["ambiguous_path"] or self.w["groups_read"] != COMPLETE:
            return True, None
        named = [g for g in self.w["groups"] if g["listed"] and g["name"] == group["name"]]
        if len(named) > 1:
            return True, None
        if not named:
            other_case = any(g["listed"] and lower(g["name"]) == lower(group["name"]) for g in self.w["groups"])
            return other_case or protected or not group["create"], None
        g = named[0]
        bad = (g["local"] and self.w["level"] != "workspace") or (g["external_id"] and not group["adopt_external"]) or \
            g["read"] not in (NOT_READ, COMPLETE) or g["from"] not in (SNAPSHOT, NOW)
        return bool(bad), g

    def people(self, group):
        lists = {UNMATCHED: "unmatched", UNVERIFIED: "unmatched", NO_KEY: "unmatched", AMBIGUOUS: "ambiguous",
                 LOCKED_OUT: "locked_out", UNKNOWN: "unproven"}
        for uid in group["holders"]:
            u = self.users[uid]
            if u["verdict"] not in lists or not self.selected_user(u):
                continue
            name = self.principals[u["principal"]]["name"] if u["principal"] else u["username"] or uid
            self.leave(lists[u["verdict"]], group["name"], name or "")
            if u["verdict"] == UNKNOWN:
                self.look_up(u)

    def group(self, group):
        protected = lower(group["name"]) in [lower(n) for n in SYSTEM + self.w["protect_groups"]]
        frozen, target = self.why_frozen(group, protected)
        if frozen:
            self.leave("frozen", group["name"])
            return
        create = target is None
        target = target or {"id": "", "members": [], "ledger": {}, "from": NOW}
        plan = {"ops": [], "dropped": {"protected_group": 0, "protected_member": 0, "self_check": 0}, "protected": protected}
        if not protected:
            self.people(group)
        for pid in sorted(set(group["desired"]) | set(target["members"]) | set(target["ledger"])):
            self.membership(group, target, pid, plan)
        if create and self.w["select_users"] is not None and not plan["ops"]:
            return
        guards = [{"limit": 0, "name": n, "scope": "member", "tripped": True, "unit": "count", "value": v}
                  for n, v in plan["dropped"].items() if v]
        for g in guards:
            self.seen.add("guard " + g["name"])
        if plan["ops"] or guards or create:
            self.listed(group, target, create, plan["ops"], guards)

    def listed(self, group, target, create, ops, guards):
        ops.sort(key=lambda o: (o["op"], o["principal"]["kind"], by_bytes(o["principal"]["name"]), o["principal"]["id"]))
        adds = sum(o["op"] == "add" for o in ops)
        before = len(target["members"])
        digest = sha("\n".join(sorted(target["members"])))
        action = "create" if create else "update"
        lines = [json.dumps(group["name"], ensure_ascii=False), target["id"], action, digest]
        lines += [f"{o['op']} {o['principal']['kind']} {o['principal']['id']} {o['cause']}" for o in ops]
        if ops and target["from"] == SNAPSHOT:
            self.reread.add(target["id"])
        self.seen.add("action " + action)
        self.ready_writes += bool(ops) or create
        self.groups.append({"name": group["name"], "id": target["id"], "fingerprint": sha("".join(s + "\n" for s in lines)),
                            "action": action, "state": "ready", "before": before, "after": before + 2 * adds - len(ops),
                            "guards": guards, "precondition": {"members": before, "digest": digest}, "operations": ops})

    def group_selected(self, name):
        globs = self.w["select_groups"]  # only "x*" and whole names are made
        return globs is None or any(name == g or (g[-1:] == "*" and name.startswith(g[:-1])) for g in globs)

    def unnamed(self):
        managed = {g["name"] for g in self.w["managed"]}
        for g in self.w["groups"]:
            if not g["ledger"] or not self.group_selected(g["name"]):
                continue
            if not g["listed"] and g["read"] == GONE:
                if self.w["select_users"] is None:
                    self.ledger += [["clean", g["id"], pid, ""] for pid in g["ledger"]]
            elif g["name"] not in managed:
                self.leave("released", g["name"])

    # ---- the document ----

    def requests(self, ops):
        adds = sum(o["op"] == "add" for o in ops)
        return -(-(-(-adds // 50) + len(ops) - adds) // 50)

    def document(self, got):
        """The whole document; issuer, source and run are the reader's, not the planner's judgement."""
        for group in self.w["managed"]:
            if self.group_selected(group["name"]):
                self.group(group)
        self.unnamed()
        ops = [o for g in self.groups for o in g["operations"]]
        existing = [[g for g in self.w["groups"] if g["listed"] and g["name"] == m["name"]] for m in self.w["managed"]]
        existing = [e[0] for e in existing if len(e) == 1]
        causes = [o["cause"] for o in ops]
        creates = sum(g["action"] == "create" for g in self.groups)
        lines = ["keybricks.plan/1", self.w["target"], self.w["host"], self.w["rules_digest"]]
        lines += [g["fingerprint"] for g in self.groups]
        return {"schema": "keybricks.plan/1", "fingerprint": sha("".join(s + "\n" for s in lines)),
                "run": got["run"], "source": got["source"],
                "target": {"name": self.w["target"], "level": self.w["level"], "host": self.w["host"], "groups": len(existing),
                           "memberships": sum(len(g["members"]) for g in existing)},
                "rules": {"digest": self.w["rules_digest"], "changed_since_last_apply": False}, "guards": [],
                "summary": {"add": sum(o["op"] == "add" for o in ops), "remove": sum(o["op"] == "remove" for o in ops),
                            "create_groups": creates, "create_users": 0, "held": 0, "drift": causes.count("drift_removed"),
                            "foreign": causes.count("foreign") + len(self.left["foreign"]),
                            "unmatched": len(self.left["unmatched"]), "ambiguous": len(self.left["ambiguous"]),
                            "adopt": sum(r[0] == "adopt" for r in self.ledger)},
                "groups": self.groups,
                "left_alone": {k: [list(e) for e in sorted(v, key=lambda e: (by_bytes(e[0]), by_bytes(e[1])))]
                               for k, v in self.left.items()},
                "cost": {"get": sum(bool(g["operations"]) and g["action"] == "update" for g in self.groups),
                         "patch": sum(self.requests(g["operations"]) for g in self.groups), "post": creates}}

    def rest(self):
        return {"ledger": sorted(self.ledger, key=lambda r: (r[1], r[2])), "lookups": sorted(self.lookups),
                "reread": sorted(self.reread), "frozen": len({e[0] for e in self.left["frozen"]}), "left_out": self.left_out,
                "ready_writes": self.ready_writes}
