"""Who belongs in which Databricks group, computed the slow and obvious way, as a second opinion on keybricks.

keybricks reads lists of roles and groups and computes the closure itself. This asks the server about every person by
itself: `/users/{id}/role-mappings/realm/composite` and `/users/{id}/groups`, where Keycloak computes the closure. The
two share no code and no endpoint but the group tree. Meaning of rules and keys: the contract, section 3.
"""

import collections
import concurrent.futures
import re
import threading

from server import Admin, quote

GIVES = ("role", "role_glob", "path", "path_glob", "client_role")


class Person:
    """One user or service account with everything the server says about them."""

    def __init__(self, user, client_id=None):
        self.id, self.username, self.email = user["id"], user["username"], user.get("email")
        self.enabled, self.attributes = user["enabled"], user.get("attributes", {})
        self.service, self.client_id = client_id is not None, client_id
        self.roles, self.groups, self.client_roles = set(), set(), set()

    @property
    def locked_out(self):
        return not self.enabled and "disabledReason" in self.attributes

    def key(self, attribute):
        """What is compared with the target; None: nothing to compare with."""
        if self.service:
            return (self.attributes.get(attribute) or [None])[0]
        return self.email or self.username


class World:
    """Every person, and the group tree, read from a running server with the rights of the client keybricks."""

    def __init__(self, url, realm, client, secret, client_roles=False, workers=4):
        self.admin = Admin(url, realm, client, secret)
        self.groups = self._all_groups()
        self.parents = {group["id"]: group.get("parentId") for group in self.groups}
        clients = self.admin.get("/clients?max=-1")
        self.clients = {one["clientId"]: one["id"] for one in clients}
        people = [Person(user) for user in self.admin.get("/users?max=-1")]
        count = self.admin.get("/users/count")
        assert len(people) == count, f"{len(people)} users listed, {count} counted"
        for one in clients:
            if one.get("serviceAccountsEnabled"):
                people.append(Person(self.admin.get(f"/clients/{one['id']}/service-account-user"), one["clientId"]))
        self.people = people
        local = threading.local()

        def fill(person):
            if not hasattr(local, "admin"):
                local.admin = Admin(url, realm, client, secret)
            self._fill(local.admin, person, client_roles)

        with concurrent.futures.ThreadPoolExecutor(max_workers=workers) as pool:
            list(pool.map(fill, people))

    def _all_groups(self):
        """The tree by walking it, not by the flat list that keybricks uses."""
        out, todo = [], self.admin.get("/groups?max=-1")
        while todo:
            group = todo.pop()
            out.append(group)
            if group["subGroupCount"]:
                todo += self.admin.get(f"/groups/{group['id']}/children?max=-1")
        count = self.admin.get("/groups/count")["count"]
        assert len(out) == count, f"{len(out)} groups walked, {count} counted"
        return out

    def _fill(self, admin, person, client_roles):
        base = f"/users/{quote(person.id)}"
        person.roles = {role["name"] for role in admin.get(f"{base}/role-mappings/realm/composite")}
        person.groups = {group["id"] for group in admin.get(f"{base}/groups?max=-1")}
        if client_roles:
            for name in client_roles:
                answer = admin.get(f"{base}/role-mappings/clients/{self.clients[name]}/composite")
                person.client_roles |= {f"{name}:{role['name']}" for role in answer}

    def names(self, group_id):
        """A group's place as names from the top: the path without the doubt about slashes in names."""
        by_id = {group["id"]: group for group in self.groups}
        out = []
        while group_id:
            out.insert(0, by_id[group_id]["name"])
            group_id = self.parents[group_id]
        return out

    def below(self, group_id):
        """The group and everything below it."""
        out = {group_id}
        while True:
            more = {child for child, parent in self.parents.items() if parent in out} - out
            if not more:
                return out
            out |= more


def role_pattern(glob):
    return re.compile("(.*)".join(map(re.escape, glob.split("*"))), re.S)


def path_match(glob, names):
    """What the stars of a path glob matched, or None. * is one whole or part of one name, ** is any number of names."""
    def rest(parts, left):
        if not parts:
            return [] if not left else None
        if parts[0] == "**":
            for taken in range(len(left) + 1):
                tail = rest(parts[1:], left[taken:])
                if tail is not None:
                    return ["/".join(left[:taken]), *tail]
            return None
        if not left:
            return None
        match = role_pattern(parts[0]).fullmatch(left[0])
        tail = rest(parts[1:], left[1:]) if match else None
        return None if tail is None else [*match.groups(), *tail]
    return rest(glob.strip("/").split("/"), names)


def name_for(pattern, stars):
    return re.sub(r"\{(\d)\}", lambda match: stars[int(match.group(1)) - 1], pattern)


def members_of(world, rule):
    """{Databricks group: people} of one rule, whoever they are; None as people: the group is frozen."""
    out = {}
    if "role" in rule:
        out[rule["group"]] = {person for person in world.people if rule["role"] in person.roles}
    elif "client_role" in rule:
        out[rule["group"]] = {person for person in world.people if rule["client_role"] in person.client_roles}
    elif "role_glob" in rule:
        pattern = role_pattern(rule["role_glob"])
        for role in world.admin.get("/roles"):
            match = pattern.fullmatch(role["name"])
            if match:
                group = name_for(rule["group"], match.groups())
                out.setdefault(group, set()).update(person for person in world.people if role["name"] in person.roles)
    else:
        shared = {path for path, count in collections.Counter(group["path"] for group in world.groups).items() if count > 1}
        for group in world.groups:
            if "path" in rule:
                name = rule["group"] if group["path"] == rule["path"] else None
            else:
                stars = path_match(rule["path_glob"], world.names(group["id"]))
                name = None if stars is None else name_for(rule["group"], stars)
            if name is None or (name in out and out[name] is None):
                continue
            if group["path"] in shared:  # two groups of one path: which one is meant cannot be said
                out[name] = None
                continue
            ids = world.below(group["id"]) if rule.get("subgroups") else {group["id"]}
            out.setdefault(name, set()).update(person for person in world.people if ids & person.groups)
    return out


class Desired:
    """The answer: per Databricks group the keys that must be members, and who is left alone and why."""

    def __init__(self, world, rules, attribute, principals, exclude=()):
        """principals: {kind: names in the target} with kind user | service_principal; exclude: user names."""
        self.members, self.unmatched, self.ambiguous, self.locked_out = {}, set(), set(), set()
        self.frozen = set()
        known = {kind: {fold(name): name for name in names} for kind, names in principals.items()}
        owners = {}
        for person in world.people:
            key = person.key(attribute)
            if key:
                owners.setdefault((person.service, fold(key)), []).append(person)
        for rule in rules:
            assert sum(kind in rule for kind in GIVES) == 1, rule
            for group, people in members_of(world, rule).items():
                self.members.setdefault(group, set())
                if people is None:
                    self.frozen.add(group)
                    continue
                for person in people:
                    if person.username not in exclude:
                        self._judge(group, person, person.key(attribute), owners, known)
        for group in self.frozen:
            self.members[group] = set()

    def _judge(self, group, person, key, owners, known):
        if person.locked_out:
            self.locked_out.add((group, key))
        elif not person.enabled:
            pass
        elif key is None:
            self.unmatched.add((group, person.username))
        elif len(owners[person.service, fold(key)]) > 1:
            self.ambiguous.add((group, key))
        else:
            name = known["service_principal" if person.service else "user"].get(fold(key))
            if name is None:
                self.unmatched.add((group, key))
            else:
                self.members[group].add(name)


def fold(text):
    """ASCII case only: É and é stay different, as the contract says."""
    return "".join(chr(ord(char) + 32) if "A" <= char <= "Z" else char for char in text)
