"""The fewest requests that read everything the rules of keybricks-sim's company need, computed from the servers' own answers.

Shares nothing with the program. Sources: section 1.5 of keycloak-api.md (roles once, the flat list of groups and its count once,
one level of each composite once, direct members of each wanted group and direct holders of each role that leads to a wanted one
once), docs/decisions/0004 (the stored flag of disabled people, once, when somebody in scope is shown disabled), interface.md
"Identity" (details of each service account in scope) and "Directories" (their list, once), databricks-api.md (100 rows a page; members by GET of a group).
"""

import urllib.parse

PAGE = 100


def quote(text):
    return urllib.parse.quote(text, safe="")


class Bound:
    """paths: {(side, path): times} that a full read asks; also what the reading holds, for the memory's bound."""

    def __init__(self, stage):
        self.stage = stage
        self.kc = f"/admin/realms/{stage.info['realm']}"
        self.dbx = f"/api/2.0/accounts/{stage.info['account_id']}/scim/v2"
        self.lists = {}  # path: user names with their enabled flag
        self.read_realm()
        self.read_target()

    # ---- the realm ----

    def composites(self, roles):
        """{role id: (role, ids of what it contains)}, client roles included; each composite is asked for once."""
        known, children, todo = {r["id"]: r for r in roles}, {}, [r for r in roles if r["composite"]]
        while todo:
            role = todo.pop()
            if role["id"] in children:
                continue
            found = self.stage.realm(f"/roles-by-id/{role['id']}/composites")
            children[role["id"]] = {r["id"] for r in found}
            known.update((r["id"], r) for r in found)
            todo += [r for r in found if r["composite"]]
        return known, children

    @staticmethod
    def leads_to(children, wanted):
        closure = set(wanted)
        while True:
            more = {parent for parent, kids in children.items() if kids & closure} - closure
            if not more:
                return closure
            closure |= more

    def users_of(self, path):
        rows = self.stage.realm(f"{path}?briefRepresentation=true&max=-1")
        self.lists[self.kc + path] = [(r["id"], r["username"], r["enabled"]) for r in rows]

    def read_realm(self):
        roles = self.stage.realm("/roles?briefRepresentation=true")
        groups = self.stage.realm("/groups?search=%20&populateHierarchy=false&briefRepresentation=false&max=-1")
        known, children = self.composites(roles)
        # The rules: dbx-* and platform-admin by role; /* with subgroups (all groups) and /*/* by path.
        targets = [r for r in roles if r["name"].startswith("dbx-") or r["name"] == "platform-admin"]
        closure = self.leads_to(children, {r["id"] for r in targets})
        for role in (known[i] for i in closure):
            owner = f"/clients/{role['containerId']}" if role["clientRole"] else ""
            self.users_of(f"{owner}/roles/{quote(role['name'])}/users")
        for group in groups:
            self.users_of(f"/groups/{group['id']}/members")
        self.groups = groups
        self.paths = {("kc", f"{self.kc}/roles"): 1, ("kc", f"{self.kc}/groups"): 1, ("kc", f"{self.kc}/groups/count"): 1}
        self.paths["kc", f"{self.kc}/components"] = 1  # which directories there are
        self.paths |= {("kc", f"{self.kc}/roles-by-id/{i}/composites"): 1 for i in children}
        self.paths |= {("kc", path): 1 for path in self.lists}
        people = {user for users in self.lists.values() for user in users}
        if any(not enabled for _, _, enabled in people):
            self.paths["kc", f"{self.kc}/users"] = 1
        for user, name, _ in people:
            if name.startswith("service-account-"):
                self.paths["kc", f"{self.kc}/users/{user}"] = 1
        self.users = len(people)
        self.source_rows = sum(map(len, self.lists.values()))
        self.names = {r["name"][4:] for r in targets if r["name"].startswith("dbx-")} | {"dbx-platform-admins"}
        by_id = {g["id"]: g for g in groups}
        for group in groups:
            parent = by_id.get(group.get("parentId"))
            if parent is None:
                self.names.add(f"dept-{group['name']}")
            elif parent.get("parentId") is None:
                self.names.add(f"team-{parent['name']}-{group['name']}")

    # ---- the target ----

    def read_target(self):
        state = self.stage.control("GET", "state")
        listed = [g for g in state["groups"] if g["level"] == "account"]
        managed = [g for g in listed if g["displayName"] in self.names]
        for kind, rows in (("Users", state["users"]), ("ServicePrincipals", state["service_principals"]), ("Groups", listed)):
            self.paths["dbx", f"{self.dbx}/{kind}"] = max(1, -(-len(rows) // PAGE))
        self.privileged = {("dbx", f"{self.dbx}/Groups/{g['id']}") for g in managed if g["displayName"] == "dbx-platform-admins"}
        self.target_groups = {("dbx", f"{self.dbx}/Groups/{g['id']}") for g in managed}
        self.principals = len(state["users"]) + len(state["service_principals"])
        self.target_rows = sum(len(g["members"]) for g in managed)

    # ---- the bounds ----

    def full(self, changes):
        """With changes to explain one more: the company's client may not see whether admin events are kept."""
        events = {("kc", f"{self.kc}/events/config"): 1} if changes else {}
        return self.paths | dict.fromkeys(self.target_groups, 1) | events

    def unchanged(self):
        """With a fresh snapshot only privileged groups are read."""
        return self.paths | dict.fromkeys(self.privileged, 1)

    def memory_mib(self):
        """24 MiB + 16 B a membership of each side + 160 B a user and principal."""
        return 24 + (16 * (self.source_rows + self.target_rows) + 160 * (self.users + self.principals)) / 2**20


def compare(requests, bound):
    """What differs from `bound`, in words; nothing when it is met."""
    seen, whole = {}, {}
    for r in requests:
        seen[r["side"], r["path"]] = seen.get((r["side"], r["path"]), 0) + 1
        key = r["method"], r["side"], r["path"], r["query"]
        whole[key] = whole.get(key, 0) + 1
    wrong = [f"asked twice: {key}" for key, times in whole.items() if times > 1]
    wrong += [f"{key}: {times} requests, bound {bound.get(key, 0)}" for key, times in seen.items() if times != bound.get(key, 0)]
    wrong += [f"{key}: never asked" for key in bound if key not in seen]
    wrong += [f"not a reading: {r['method']} {r['path']}" for r in requests if r["method"] != "GET"]
    return wrong
