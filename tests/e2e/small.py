"""A company of a few people: one realm of the running server, one target, one configuration; for tests about single people."""

import os

import product
import realm
import target

GUARDS = {"first_run": False, "group_max_removals_percent": 100, "group_max_removals_small": 1000, "max_removals_percent": 100,
          "max_removals_total": 100000, "never_empty_from": 100000, "removal_window_percent": 100, "removal_window_total": 100000,
          "source_shrink_percent": 100}  # these tests are about single people; guards have their own


class Small:
    """principals: user names in Databricks. The groups of the rules exist and are empty."""

    def __init__(self, admin, base, rules, principals):
        self.admin, self.base, self.rules, self.made = admin, base, rules, 0
        self.groups = sorted({rule["group"] for rule in rules})
        self.target = target.Target(os.environ["KEYBRICKS_SIM"], base, {"user": sorted(principals), "service_principal": []},
                                    {name: set() for name in self.groups})
        self.keybricks = self.configured()

    def configured(self, rules=None, **more):
        """A configuration with a state of its own."""
        self.made += 1
        directory = self.base / f"keybricks-{self.made}"
        keycloak = {"url": f"http://{self.admin.host}", "realm": self.admin.realm, "client_id": realm.CLIENT_ID,
                    "secret_file": str(directory / "keycloak.secret")}
        return product.Keybricks(os.environ["KEYBRICKS_BIN"], directory, "", self.target.settings(),
                                 rules or self.rules, guards=GUARDS, keycloak=keycloak, run={"verify_s": 0}, **more)

    def sync(self, code=0):
        return self.keybricks.run("sync", code=code)

    def members(self):
        members = self.target.members()
        return {name: members[name] for name in self.groups}

    def person(self, username, *paths, **more):
        """A new user who is in these groups."""
        self.admin.call("POST", "/users", {"username": username, "enabled": True, "groups": list(paths), **more})

    def delete(self, username):
        self.admin.call("DELETE", f"/users/{self.admin.user(username)['id']}")

    def stop(self):
        self.target.stop()
        self.admin.call("DELETE", "")
