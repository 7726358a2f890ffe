"""What a company made for the tests is: rules of every kind, a target that knows most of the people, and keybricks between the
realm and the target. Shared by the tests of both server versions."""

import os

import oracle
import product
import realm
import target

# Every kind of rule, every awkward name. Groups of globs and the first two are made by keybricks, the others exist.
RULES = [
    {"role": "ml-engineer", "group": "ml engineers"},
    {"role": "ml-engineer", "group": "union"},
    {"path": "/Büro München", "group": "union", "subgroups": True},
    {"role": "everyone", "group": "everyone"},
    {"role": "ring-a", "group": "ring a", "create": True},
    {"role": "ring-c", "group": "ring c", "create": True},
    {"role_glob": "dbx-*", "group": "kb-{1}", "create": True},
    {"path": "/data/science", "group": "data scientists", "subgroups": True},
    {"path": "/data/science", "group": "data science itself", "create": True},
    {"path": "/and/or", "group": "and/or", "create": True, "subgroups": True},
    {"path": "/eng/50% time", "group": "50% time", "create": True},
    {"path": "/日本/東京", "group": "東京", "create": True},
    {"path_glob": "/teams/*", "group": "team {1}", "create": True, "subgroups": True},
    {"path_glob": "/**/leads", "group": "leads of {1}", "create": True},
    {"client_role": "portal:viewer", "group": "portal-viewers"},
    {"client_role": "wiki:editor", "group": "wiki-editors", "create": True},
]
EXISTING = ("ml engineers", "union", "everyone", "data scientists", "portal-viewers", "not ours")
EXCLUDED = ("excluded.person",)
# Guards would hold what the proof must refuse; here the proof is on its own.
NO_GUARD = {"group_max_removals_percent": 100, "group_max_removals_small": 1000, "max_removals_percent": 100,
            "max_removals_total": 100000, "never_empty_from": 100000}
FOREIGN = "boss@databricks.example"


def desired(url, principals, rules=tuple(RULES), name=realm.REALM):
    world = oracle.World(url, name, realm.CLIENT_ID, realm.CLIENT_SECRET, client_roles=("portal", "wiki"))
    return world, oracle.Desired(world, rules, realm.ATTRIBUTE, principals, EXCLUDED)


def upper(text):
    return "".join(char.upper() if char.isascii() else char for char in text)


def principals_for(world):
    """The people of the target: most of the realm's, with the letter case of another source; some are missing, and one is
    there only in a case that is not ASCII, which is somebody else."""
    keys = sorted({person.key(realm.ATTRIBUTE) for person in world.people
                   if not person.service and person.key(realm.ATTRIBUTE)})
    users = [FOREIGN]
    for number, key in enumerate(keys):
        if number % 23 == 7:
            continue
        if number % 23 == 8 and not key.isascii():
            users.append(key.upper())
        else:
            users.append(upper(key) if number % 5 == 1 else key)
    services = [key for person in world.people if person.service for key in [person.key(realm.ATTRIBUTE)] if key]
    return {"user": sorted(set(users)), "service_principal": sorted(services)}


class Company:
    """The server, the target, the configuration, and the oracle's first answer."""

    def __init__(self, url, directory, name=realm.REALM):
        self.url, self.name = url, name
        world = oracle.World(url, name, realm.CLIENT_ID, realm.CLIENT_SECRET, client_roles=("portal", "wiki"))
        self.principals = principals_for(world)
        self.first = oracle.Desired(world, RULES, realm.ATTRIBUTE, self.principals, EXCLUDED)
        # Half of what is wanted is there already (to adopt), and one person whom nobody in Keycloak put there.
        self.present = {name: set() for name in EXISTING}
        for name in EXISTING[:-1]:
            self.present[name] = set(sorted(self.first.members[name])[::2])
        self.present["ml engineers"].add(FOREIGN)
        self.present["not ours"].add(FOREIGN)
        self.target = target.Target(os.environ["KEYBRICKS_SIM"], directory, self.principals, self.present)
        self.keybricks = self.reader(directory / "keybricks", url)

    def reader(self, directory, url, **keycloak):
        """keybricks with a state of its own; keycloak: its settings."""
        return product.Keybricks(os.environ["KEYBRICKS_BIN"], directory, url, self.target.settings(), RULES,
                                 keycloak={"realm": self.name, **keycloak}, exclude={"users": list(EXCLUDED)})


def differences(before, after):
    """What changes from one {group: names} to the other, without the groups where nothing does."""
    out = {group: after.get(group, set()) - before.get(group, set()) for group in after.keys() | before.keys()}
    return {group: names for group, names in out.items() if names}
