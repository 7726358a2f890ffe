"""Who is desired where, written from product.md and interface.md section 3, not from the C.

Everything is asked user by user and forwards, as Keycloak itself decides: what roles does this person have in the end, is
the rule's role among them? The C goes backwards from the rule. Slow, small, and with other mistakes.
"""

import re

import near_model

REALM_ROLE, CLIENT_ROLE = "role", "client_role"


class Config(Exception):
    pass


def lower(s):
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in s)


def glob(pattern, s, path):
    """Captures, or None. '*' stays within one level of a path, '**' crosses; the first star takes the least."""
    out, i = [], 0
    while i < len(pattern):
        if pattern[i] == "*":
            double = pattern[i:i + 2] == "**"
            out.append("([^/]*?)" if path and not double else "(.*?)")
            i += 1 + double
        else:
            out.append(re.escape(pattern[i]))
            i += 1
    found = re.fullmatch("".join(out), s, re.S)
    return found and found.groups()


def expand(rule, captures):
    name = rule["group"]
    if captures is not None:
        name = re.sub(r"\{([1-9])\}", lambda m: captures[int(m.group(1)) - 1], name)
    if not name or len(name.encode()) > 255:
        raise Config("name")
    return name


class World:
    def __init__(self, w):
        self.w = w
        self.roles = {r["id"]: r for r in w["roles"]}
        self.groups = {g["id"]: g for g in w["groups"]}
        self.users = {u["id"]: u for u in w["users"]}
        self.children = {r["id"]: r["children"] for r in w["roles"]}
        self.carried = {g["id"]: set(g["roles"]) for g in w["groups"]}
        for r in w["roles"]:
            for g in r["groups"]:
                self.carried[g].add(r["id"])
        self.direct = {u: {r["id"] for r in w["roles"] if u in r["holders"]} for u in self.users}
        self.member_of = {u: [g["id"] for g in w["groups"] if u in g["members"]] for u in self.users}
        self.down = {r: self.closure({r}) for r in self.roles}
        self.effective = {u: self.closure(self.mapped(u)) for u in self.users}

    def closure(self, start):
        seen, todo = set(start), list(start)
        while todo:
            for child in self.children[todo.pop()]:
                if child not in seen:
                    seen.add(child)
                    todo.append(child)
        return seen

    def upwards(self, group):
        while group is not None:
            yield group
            group = self.groups[group]["parent"]

    def mapped(self, user):
        roles = set(self.direct[user])
        for g in self.member_of[user]:
            for a in self.upwards(g):
                roles |= self.carried[a]
        return roles

    def below(self, top):
        return {g for g in self.groups if top in self.upwards(g)}

    # ---- rules ----

    def excluded(self, key, s, path):
        return any(p == s or glob(p, s, path) is not None for p in self.w[key])

    def objects(self, rule):
        """(table, id or None, captures) that the rule means."""
        kind, what = rule["kind"], rule["object"]
        if kind == "role":
            hits = [r["id"] for r in self.w["roles"] if r["client"] is None and r["name"] == what]
            return [("role", hit, None) for hit in hits] or [("role", None, None)]
        if kind == "client_role":
            hits = [r["id"] for r in self.w["roles"] if r["client"] == rule["client"] and r["name"] == what]
            return [("role", hit, None) for hit in hits] or [("role", None, None)]
        if kind == "path":
            hits = [g["id"] for g in self.w["groups"] if g["path"] == what]
            return [("group", hit, None) for hit in hits] or [("group", None, None)]
        if kind == "role_glob":
            pairs = [("role", r["id"], glob(what, r["name"], False)) for r in self.w["roles"]
                     if r["client"] is None and not self.excluded("exclude_roles", r["name"], False)]
        else:
            pairs = [("group", g["id"], glob(what, g["path"], True)) for g in self.w["groups"]
                     if not self.excluded("exclude_paths", g["path"], True)]
        return [p for p in pairs if p[2] is not None]

    def managed(self):
        """name -> list of (rule number, rule, table, id)"""
        ret = {}
        for number, rule in enumerate(self.w["rules"], 1):
            if rule["targets"] and self.w["target"] not in rule["targets"]:
                continue
            for table, row, captures in self.objects(rule):
                ret.setdefault(expand(rule, captures), []).append((number, rule, table, row))
        for bindings in ret.values():
            for key in ("create", "privileged", "min_members", "remove_foreign", "adopt_external"):
                if len({b[1][key] for b in bindings}) > 1:
                    raise Config(key)
        return ret

    def is_in(self, user, binding):
        _, rule, table, row = binding
        if row is None:
            return False
        if table == "role":
            return row in self.effective[user]
        if rule["subgroups"]:
            return any(row in self.upwards(g) for g in self.member_of[user])
        return row in self.member_of[user]

    # ---- what must have been read ----

    def lists_of(self, binding):
        """(roles, groups) whose lists decide the binding"""
        _, rule, table, row = binding
        if row is None:
            return set(), set()
        if table == "group":
            return set(), self.below(row) if rule["subgroups"] else {row}
        up = {r for r in self.roles if row in self.down[r]}
        groups = set()
        for g in self.groups:
            if any(self.carried[a] & up for a in self.upwards(g)):
                groups.add(g)
        return up, groups

    def composites_in_doubt(self):
        for r in self.w["roles"]:
            state = r["children_read"]
            if not r["composite"] or state == "complete":
                continue
            if r["client"] is not None and (state == "denied" or
                                            state == "not_asked" and self.w["client_composites_unread"]):
                continue
            return True
        return False

    def frozen(self, bindings):
        w = self.w
        if w["groups_read"] != "complete":
            return True
        paths = [self.groups[b[3]]["path"] for b in bindings if b[2] == "group" and b[3]]
        ids = {}
        for b in bindings:
            if b[2] == "group" and b[3]:
                ids.setdefault(self.groups[b[3]]["path"], set()).add(b[3])
        if paths and any(len(v) > 1 for v in ids.values()):
            return True
        if any(b[2] == "role" for b in bindings):
            if w["roles_read"] != "complete" or w["clients_read"] not in ("complete", "not_asked", "denied"):
                return True
            if self.composites_in_doubt():
                return True
        if any(b[1]["kind"] == "client_role" for b in bindings) and w["clients_read"] != "complete":
            return True
        for b in bindings:
            roles, groups = self.lists_of(b)
            for r in roles:
                role = self.roles[r]
                if role["holders_read"] != "complete":
                    return True
                if role["client"] is not None and role["groups_read"] != "complete":
                    return True
            if any(self.groups[g]["members_read"] != "complete" for g in groups):
                return True
        return False

    def gone(self, bindings):
        w = self.w
        for _, rule, table, row in bindings:
            if row is None and (w["groups_read"] if table == "group" else w["roles_read"]) == "complete" and (
                    rule["kind"] != "client_role" or w["clients_read"] == "complete"):
                return True
        return False

    # ---- identity ----

    def key(self, u):
        """What a person or service account is compared by: (kind, folded text), or None"""
        value = self.raw_key(u)
        return ("s" if u["service"] else "u", lower(value)) if value else None

    def key_field(self, u):
        for what in self.w["match"]["users"]:
            if u["attribute"] if what.startswith("attribute:") else u[what]:
                return what
        return None

    def principal_key(self, p):
        if not (p["listed"] or p["looked_up"]):
            return None
        if p["service"]:
            value = p["display"] if self.w["match"]["service"] == "client_id" else p["name"]
            return ("s", lower(value)) if value else None
        return ("u", lower(p["name"])) if p["name"] else None

    def judge(self):
        """user id -> (verdict, principal ids of that name)"""
        names, people = {}, {}
        for p in self.w["principals"]:
            names.setdefault(self.principal_key(p), []).append(p["id"])
        names.pop(None, None)
        for u in self.w["users"]:
            if not u["gone"] and self.key(u):
                people.setdefault(self.key(u), []).append(u["id"])
        out = {lower(x) for x in self.w["exclude_users"]}
        ret = {}
        for u in self.w["users"]:
            key = None if u["gone"] else self.key(u)
            ret[u["id"]] = (self.verdict(u, key, len(names.get(key, [])), len(people.get(key, [])), out),
                            names.get(key, []))
        return ret

    def near(self, verdicts):
        """user id -> id of whoever the unmatched user looks like: a principal if there is one, else another user; first by name"""
        principals, people, ret = {}, {}, {}
        for p in self.w["principals"]:
            if self.principal_key(p):
                name = p["display"] if p["service"] and self.w["match"]["service"] == "client_id" else p["name"]
                principals.setdefault((p["service"], near_model.fold(name)), []).append((name.encode(), p["id"]))
        for u in self.w["users"]:
            name = None if u["gone"] else self.raw_key(u)
            if name:
                people.setdefault((u["service"], near_model.fold(name)), []).append((name.encode(), u["id"], lower(name)))
        for u in self.w["users"]:
            name = self.raw_key(u)
            if verdicts[u["id"]][0] != "unmatched" or near_model.fold(name) is None:
                continue
            fold = u["service"], near_model.fold(name)
            others = [one for one in people.get(fold, []) if one[2] != lower(name)]
            if principals.get(fold) or others:
                ret[u["id"]] = min(principals.get(fold) or others)[1]
        return ret

    def raw_key(self, u):
        """As key(), with its letters as they are."""
        if u["service"]:
            mode = self.w["match"]["service"]
            if mode == "client_id":
                return u["username"][len("service-account-"):] or None
            return u["attribute"] if mode == "attribute" and u["looked_up"] else None
        values = (u["attribute"] if what.startswith("attribute:") else u[what] for what in self.w["match"]["users"])
        return next((value for value in values if value), None)

    def verdict(self, u, key, principals, users, out):
        match = self.w["match"]
        if u["gone"]:
            return "disabled"
        if {lower(x) for x in (u["id"], u["username"], u["email"]) if x} & out:
            return "excluded"
        if u["service"] and match["service"] == "off":
            return "off"
        if users > 1 or principals > 1:
            return "ambiguous"
        if u["stored"] or not u["enabled"]:
            if u["locked_out"]:
                return "locked_out"
            return "disabled" if u["stored"] or u["believed"] else "unknown"
        if u["service"] and match["service"] == "attribute" and not u["looked_up"]:
            return "unknown"
        if key is None:
            return "no_key"
        if not u["service"] and match["verified_email_only"] and self.key_field(u) == "email" and not u["verified"]:
            return "unverified"
        return "matched" if principals else "unmatched"

    # ---- reasons ----

    def label(self, role):
        r = self.roles[role]
        return r["name"] if r["client"] is None else f"{r['client']}:{r['name']}"

    def paths_to(self, user, goal, cap):
        """Every simple path as a tuple of words, or None when there are more than `cap`."""
        starts = [((), r) for r in self.direct[user]]
        for own in self.member_of[user]:
            for a in self.upwards(own):
                words = ((f"group {self.groups[own]['path']}",) if a != own else ()) + (f"group {self.groups[a]['path']}",)
                starts += [(words, r) for r in self.carried[a]]
        found, steps = set(), 0
        for words, first in starts:
            stack = [(first, words, frozenset())]
            while stack:
                steps += 1
                if steps > cap:
                    return None
                role, via, seen = stack.pop()
                if role == goal:
                    found.add(via)
                elif goal in self.down[role]:
                    stack += [(c, via + (f"role {self.label(role)}",), seen | {role})
                              for c in self.children[role] if c not in seen and c != role]
        return found

    def reasons(self, user, bindings, cap):
        found = set()
        for binding in bindings:
            number, rule, table, row = binding
            if row is None:
                continue
            if table == "role":
                paths = self.paths_to(user, row, cap)
                if paths is None:
                    return None
                found |= {(len(via), self.label(row), via, number, False) for via in paths}
                continue
            path = self.groups[row]["path"]
            for own in self.member_of[user]:
                if own == row:
                    found.add((0, path, (), number, True))
                elif rule["subgroups"] and row in self.upwards(own):
                    found.add((1, path, (f"group {self.groups[own]['path']}",), number, True))
        order = sorted(found, key=lambda f: (f[0], f[1].encode(), tuple(v.encode() for v in f[2]), f[3]))
        return [[f[3], f[4], f[1], *f[2]] for f in order[:16]]

    # ---- all of it ----

    def answer(self):
        try:
            managed = self.managed()
        except Config:
            return {"error": "config"}
        verdicts = self.judge()
        ret = {"groups": [], "verdicts": {u: v for u, (v, _) in verdicts.items()}, "near": self.near(verdicts)}
        behind, objects, roles, groups = set(), set(), set(), set()
        for name in sorted(managed, key=lambda n: n.encode()):
            bindings = managed[name]
            users = {u for u in self.users if any(self.is_in(u, b) for b in bindings)}
            behind |= users
            objects |= {b[2:] for b in bindings if b[3] is not None}
            for b in bindings:
                r, g = self.lists_of(b)
                roles |= r
                groups |= g
            ret["groups"].append({
                "name": name, "users": sorted(users), "frozen": self.frozen(bindings), "gone": self.gone(bindings),
                "principals": sorted(verdicts[u][1][0] for u in users if verdicts[u][0] == "matched")})
        doubtful = set()
        for u, (verdict, principals) in verdicts.items():
            if verdict in ("excluded", "locked_out", "ambiguous", "unknown"):
                doubtful |= set(principals)
                doubtful |= {row["principal"] for row in self.w["ledger"] if row["user"] == u}
        ret |= {"users_behind": len(behind), "objects_behind": len(objects), "doubtful": sorted(doubtful),
                "memberships": sum(len(g["users"]) for g in ret["groups"]),
                "wanted_roles": sorted(roles), "wanted_groups": sorted(groups)}
        return ret
