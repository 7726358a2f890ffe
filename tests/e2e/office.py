"""A small realm in which keybricks is in step with its target, for tests of rights, tokens and refusals: ada and tom have the role
ml, ada is in /data, and everything that could go wrong in reading would take them out of a group."""

import os
import threading
import time

import between
import product
import server
import target

SECRET = "office secret: a+b/c&d=%41 ü"
TOM = "tom@office.example"
STATE = {"ml": {"ada@office.example", TOM}, "data": {"ada@office.example"}}
RULES = [{"role": "ml", "group": "ml"}, {"path": "/data", "group": "data"}]
# Nothing but the reading itself may keep people where they are.
OPEN = {"first_run": False, "group_max_removals_percent": 100, "group_max_removals_small": 1000, "max_removals_percent": 100,
        "max_removals_total": 100000, "never_empty_from": 100000, "removal_window_percent": 100, "removal_window_total": 100000,
        "source_shrink_percent": 100, "source_min_users": 1, "source_object_gone": False}
ENOUGH = ["view-users", "view-realm"]


def client(name, **more):
    return {"clientId": name, "secret": SECRET, "publicClient": False, "serviceAccountsEnabled": True, "standardFlowEnabled": False,
            "directAccessGrantsEnabled": False, "fullScopeAllowed": True, **more}


def account(name, rights, **more):
    return {"username": f"service-account-{name}", "enabled": True, "serviceAccountClientId": name,
            "clientRoles": {"realm-management": rights}, **more}


def representation(name, clients, accounts):
    """clients and accounts on top of the client keybricks, which has enough rights."""
    def person(short, **more):
        return {"username": short, "email": f"{short}@office.example", "enabled": True, **more}
    return {
        "realm": name, "enabled": True, "sslRequired": "none", "roles": {"realm": [{"name": "ml"}]}, "groups": [{"name": "data"}],
        "users": [person("ada", realmRoles=["ml"], groups=["/data"]), person("tom", realmRoles=["ml"]),
                  account("keybricks", ENOUGH), *accounts],
        "clients": [client("keybricks"), *clients]}


class Office:
    def __init__(self, keycloak_url, directory, name, clients=(), accounts=()):
        self.directory, self.configurations, self.state = directory, 0, {name: set(members) for name, members in STATE.items()}
        self.admin = server.Admin(keycloak_url, name)
        self.admin.make(representation(name, clients, accounts))
        self.between = between.Between(self.admin.host)
        self.target = target.Target(os.environ["KEYBRICKS_SIM"], directory, {"user": sorted(STATE["ml"]), "service_principal": []},
                                    {"ml": set(), "data": set()})
        (directory / "state").mkdir(mode=0o700)
        self.keybricks().run("sync")
        self.assert_members()
        self.target.forget_requests()

    def keybricks(self, client_id="keybricks", rules=None, secret=SECRET, state_dir=None, **keycloak):
        """One state for all configurations: whoever is in it would be removed if a reading lacked him."""
        self.configurations += 1
        self.between.forget()
        self.between.before = lambda path: None
        return product.Keybricks(os.environ["KEYBRICKS_BIN"], self.directory / str(self.configurations), self.between.url,
                                 self.target.settings(), rules or RULES, guards=OPEN, secret=secret,
                                 keycloak={"realm": self.admin.realm, "client_id": client_id, **keycloak},
                                 state_dir=str(state_dir or self.directory / "state"), run={"tries": 2, "retry_budget_s": 2})

    def refused(self, code=4, **settings):
        """sync ends so and changes nothing; returns its last line."""
        return self.refusal(self.keybricks(**settings), code)

    def refusal(self, keybricks, code=4):
        _, stderr = keybricks.run("sync", code=code)
        self.assert_members()
        assert self.target.writes() == []
        return stderr.splitlines()[-1]

    def assert_members(self):
        """Everybody is where Keycloak wants him; when something was refused: where he was."""
        members = self.target.members()
        assert {name: members[name] for name in self.state} == self.state

    def move_tom(self):
        """A change that a run has to carry out."""
        (self.admin.leave if TOM in self.state["data"] else self.admin.join)("tom", "/data")
        self.state["data"] ^= {TOM}

    def once(self, act):
        """act() before the first list of people is asked for; the returned list has something in it when that was done."""
        done = []

        def before(path):
            if path.partition("?")[0].endswith(("/roles/ml/users", "/members")) and not done:
                done.append(path)
                act()
        self.between.before = before
        return done

    def applied(self, keybricks):
        """sync carries out the move of tom; returns stderr."""
        self.move_tom()
        _, stderr = keybricks.run("sync")
        self.assert_members()
        assert len(self.target.writes()) == 1
        self.target.forget_requests()
        return stderr

    def end_tokens(self):
        """The realm refuses every token of before this second, and takes those of this one."""
        begun = int(time.time())
        while int(time.time()) == begun:
            threading.Event().wait(begun + 1.01 - time.time())
        self.change("", notBefore=int(time.time()))

    def client_uuid(self, name):
        return self.admin.get(f"/clients?clientId={server.quote(name)}")[0]["id"]

    def change(self, path, **fields):
        """Some fields of an object: "" is the realm."""
        self.admin.call("PUT", path, {**self.admin.get(path), **fields})

    def change_client(self, name, attributes=None, **fields):
        path = f"/clients/{self.client_uuid(name)}"
        there = self.admin.get(path)
        self.admin.call("PUT", path, {**there, **fields, "attributes": {**there.get("attributes", {}), **(attributes or {})}})

    def stop(self):
        self.between.stop()
        self.target.stop()
        self.admin.call("DELETE", "")
