"""keybricks as a user runs it: a small world, a configuration, the real binary, and what both servers saw.

    world = World()
    world.user("ada", roles=["ml"])         # in Keycloak (ada@acme.example) and in Databricks
    world.group("ml", "eve")                # a Databricks group and who is in it
    world.rule(role="ml", group="ml")       # makes the realm role
    with Stage(tmp_path, world) as stage:
        assert stage.sync().counts["add"] == 1
        assert stage.members("ml") == {"ada", "eve"}

People are called by their short name everywhere: the stage turns ada@acme.example back into ada. Every run is checked for
what must hold always: the last line, no secret in any output, no write request from a command that never writes.
"""

import dataclasses
import glob
import json
import os
import re
import sqlite3
import subprocess

import pytest
from simulator import ROOT, Sim

MAIL = "@acme.example"
KC_SECRET = "kc\"CANARY7<%&+/:;=?'é\\$"
DBX_SECRET = "dose\"CANARY9 <&/:;=?'\\$"  # no % nor +: Databricks' own SDKs do not agree on encoding these
PAT = "dapiCANARY5abcdef"
CANARIES = ("CANARY7", "CANARY9", "CANARY5", "eyJ")  # the last is how each access token of Keycloak begins
ACCOUNT = "11111111-2222-4333-8444-555555555555"
SELF = "5b1d0d4e-0000-4000-8000-00000000000f"
NAMES = {0: "ok", 1: "error", 2: "changes", 3: "held", 4: "source", 5: "target", 6: "stale", 7: "partial", 8: "state",
         64: "usage", 75: "busy", 78: "config"}
LAST = re.compile(r"keybricks: exit (\d+) ([a-z]+): (.+?)(?: \(add=(\d+) remove=(\d+) held=(\d+) frozen=(\d+) writes=(\d+)\))?")
COUNTS = ("add", "remove", "held", "frozen", "writes")
WRITERS = {"sync", "apply"}


def binary():
    if "KEYBRICKS_BIN" in os.environ:
        return os.environ["KEYBRICKS_BIN"]
    found = glob.glob(f"{ROOT}/*/reconciler/keybricks")
    if not found:
        pytest.fail("keybricks is not built: set KEYBRICKS_BIN")
    return max(found, key=os.path.getmtime)


# ---- the world ----

class World:
    """Who is in Keycloak, who is in Databricks, and the rules between them."""

    def __init__(self):
        self.roles, self.paths, self.people, self.bots = {}, {}, [], []
        self.dbx_users, self.dbx_sps, self.dbx_groups = {}, {}, {}
        self.ids, self.rules, self.knobs, self.permissions, self.components = {}, [], {}, None, []
        self.clients, self.groups_made = {}, 0

    def role(self, name, realm=(), client=None):
        """A realm role; `realm` and `client` are what it is composed of."""
        composites = {"realm": list(realm)} | ({"client": client} if client else {})
        if name not in self.roles or realm or client:
            self.roles[name] = {"name": name} | ({"composites": composites} if realm or client else {})

    def client(self, name, *roles):
        self.clients[name] = {"clientId": name, "roles": list(roles)}

    def path(self, path, roles=(), client_roles=None):
        """A group of the realm, and those above it."""
        parent = path.rpartition("/")[0]
        if parent:
            self.path(parent)
        for role in roles:
            self.role(role)
        self.paths.setdefault(path, {})
        if roles or client_roles:
            self.paths[path] = {"realmRoles": list(roles), "clientRoles": client_roles or {}}

    def user(self, name, roles=(), groups=(), dbx=True, **fields):
        """A person in Keycloak; dbx False: unknown to Databricks. More fields as in a realm export."""
        for role in roles:
            self.role(role)
        for path in groups:
            self.path(path)
        number = len(self.people) + 1
        self.people.append({"id": f"{number:08x}-0000-4000-8000-{number:012x}", "username": name, "email": name + MAIL,
                            "firstName": name.title(), "lastName": "Test", "roles": list(roles), "groups": list(groups)} | fields)
        if dbx:
            self.stranger(name)

    def users(self, prefix, count, **more):
        names = [f"{prefix}{i:03}" for i in range(count)]
        for name in names:
            self.user(name, **more)
        return names

    def kc_id(self, name):
        return next(person["id"] for person in self.people if person["username"] == name)

    def stranger(self, name, **fields):
        """Somebody whom only Databricks knows."""
        self.ids[name] = str(100000000000001 + len(self.ids))
        self.dbx_users[name] = {"userName": name + MAIL, "id": self.ids[name], "displayName": name.title() + " Test"} | fields

    def bot(self, name, roles=(), groups=()):
        """A service account, and the service principal that its attribute names; returns the applicationId."""
        for role in roles:
            self.role(role)
        app = f"5b1d0d4e-0000-4000-8000-{len(self.bots) + 1:012x}"
        self.bots.append({"username": f"service-account-{name}", "roles": list(roles), "groups": list(groups),
                          "attributes": {"databricks_application_id": [app]}})
        self.ids[app] = str(200000000000001 + len(self.dbx_sps))
        self.dbx_sps[app] = {"applicationId": app, "displayName": name, "id": self.ids[app]}
        return app

    def group(self, name, *members, **fields):
        """A Databricks group. Members nobody has heard of become strangers."""
        for member in members:
            if member not in self.ids and member not in self.dbx_groups:
                self.stranger(member)
        self.groups_made += 1
        self.dbx_groups[name] = {"displayName": name, "id": str(900000000000100 + self.groups_made),
                                 "members": [{"id": self.id(member)} for member in members]} | fields

    def id(self, name):
        return self.dbx_groups[name]["id"] if name in self.dbx_groups else self.ids[name]

    def rule(self, **fields):
        if "role" in fields:
            self.role(fields["role"])
        if "path" in fields:
            self.path(fields["path"])
        self.rules.append(fields)

    def _tree(self, parent=""):
        here = [p for p in self.paths if p.rpartition("/")[0] == parent]
        return [{"name": p.rpartition("/")[2], "subGroups": self._tree(p)} | self.paths[p] for p in here]

    def document(self):
        clients = list(self.clients.values())
        clients += [{"clientId": bot["username"].removeprefix("service-account-"), "service_account": True} for bot in self.bots]
        realm = {"name": "acme", "client_id": "keybricks", "client_secret": KC_SECRET, "roles": list(self.roles.values()),
                 "clients": clients, "groups": self._tree(), "users": self.people + self.bots, "components": self.components}
        if self.permissions is not None:
            realm["permissions"] = self.permissions
        databricks = {"account_id": ACCOUNT, "client_id": SELF, "client_secret": DBX_SECRET, "token": PAT,
                      "users": list(self.dbx_users.values()),
                      "service_principals": list(self.dbx_sps.values())
                      + [{"applicationId": SELF, "displayName": "keybricks", "id": "299999999999999"}],
                      "groups": list(self.dbx_groups.values())}
        return {"realm": realm, "databricks": databricks, "config": self.knobs}


# ---- the configuration ----

def value(thing):
    """A Python value in libconfig's syntax; lists of texts are arrays, others libconfig lists, so they may be empty."""
    if isinstance(thing, bool):
        return str(thing).lower()
    if isinstance(thing, (int, float)):
        return repr(thing)
    if isinstance(thing, str):
        return '"' + thing.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(thing, dict):
        return "{ " + " ".join(f"{key} = {value(inner)};" for key, inner in thing.items()) + " }"
    return ("[ {} ]" if all(isinstance(inner, str) for inner in thing) else "( {} )").format(", ".join(map(value, thing)))


def merge(base, change):
    """`change` over `base`; dictionaries are merged, None removes a key."""
    out = dict(base)
    for key, new in change.items():
        if new is None:
            out.pop(key, None)
        elif isinstance(new, dict) and isinstance(out.get(key), dict):
            out[key] = merge(out[key], new)
        else:
            out[key] = new
    return out


# Every guard open that a small world would trip; a test of guards closes one again.
OPEN = {"max_removals_percent": 100, "max_removals_total": 9999, "group_max_removals_percent": 100, "group_max_removals_small": 9999,
        "never_empty_from": 9999, "removal_window_percent": 100, "removal_window_total": 9999, "source_shrink_percent": 100,
        "max_additions_percent": 100, "max_additions_floor": 9999, "privileged_additions": 9999, "source_object_gone": False}


# ---- what a run gave ----

@dataclasses.dataclass
class Result:
    args: tuple
    code: int
    out: str
    err: str

    def __str__(self):
        return f"keybricks {' '.join(self.args)}: {self.code}\n--- stdout\n{self.out[-4000:]}\n--- stderr\n{self.err[-4000:]}"

    @property
    def last(self):
        """The last line, checked against section 2: {code, name, message, counts or None}."""
        assert self.err.endswith("\n"), str(self)
        line = self.err.splitlines()[-1]
        if line.startswith("{"):
            told = json.loads(line)
            assert set(told) == {"code", "name", "message", "counts"}, str(self)
            return told
        found = LAST.fullmatch(line)
        assert found, str(self)
        code, name, message, *counts = found.groups()
        return {"code": int(code), "name": name, "message": message,
                "counts": None if counts[0] is None else dict(zip(COUNTS, map(int, counts)))}

    @property
    def counts(self):
        return self.last["counts"]

    @property
    def message(self):
        return self.last["message"]

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def checkpoint(self):
        """SIZE:HASH of the last checkpoint line on stdout."""
        found = re.findall(r"^checkpoint (\d+:[0-9a-f]{64})$", self.out, re.M)
        assert found, str(self)
        return found[-1]


class Stage:
    """The two servers, the configuration and the state directory of one test."""

    def __init__(self, tmp_path, world, **settings):
        self.world, self.dir, self.state = world, tmp_path, tmp_path / "state"
        (tmp_path / "world.json").write_text(json.dumps(world.document()), encoding="utf-8")
        self.sim = Sim("--world", str(tmp_path / "world.json"))
        self.names = {one["userName"]: name for name, one in world.dbx_users.items()}
        for name, text in (("keycloak", KC_SECRET), ("databricks", DBX_SECRET), ("pat", PAT)):
            self.secret(name, text)
        self.state.mkdir(mode=0o700)
        self.settings = merge({
            "version": 1,
            "state_dir": str(self.state),
            "keycloak": {"url": self.sim.info["keycloak"], "realm": "acme", "client_id": "keybricks",
                         "secret_file": str(tmp_path / "keycloak.secret")},
            "targets": [self.target()],
            "rules": world.rules,
            "run": {"verify_s": 0, "tries": 3, "retry_budget_s": 20, "deadline_s": 60},
            "guards": {"first_run": False},
        }, settings)
        self.config = tmp_path / "keybricks.conf"
        self.configure()

    def target(self, **change):
        return merge({"name": "acme", "level": "account", "host": self.sim.info["databricks"], "account_id": ACCOUNT,
                      "auth": "oauth_m2m", "client_id": SELF, "secret_file": str(self.dir / "databricks.secret"),
                      "rate": {kind: 1000.0 for kind in ("get", "list", "patch", "post")}}, change)

    def secret(self, name, text, mode=0o600):
        path = self.dir / f"{name}.secret"
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        return path

    def configure(self, **change):
        self.settings = merge(self.settings, change)
        text = "".join(f"{key} = {value(thing)};\n" for key, thing in self.settings.items())
        self.config.write_text(text, encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        status = self.sim.stop()
        if kind is None:
            assert status == 0
            for path in self.state.iterdir():  # no secret rests in the state either
                kept = path.read_bytes()
                assert not [word for word in CANARIES[:3] if word.encode() in kept], path

    # ---- running ----

    def command(self, *args):
        return [binary(), "-c", str(self.config), *map(str, args)]

    @staticmethod
    def environment(**more):
        kept = ("PATH", "HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
        return {key: os.environ[key] for key in kept if key in os.environ} | more

    def start(self, *args, **more):
        """A process that runs on; for signals."""
        return subprocess.Popen(self.command(*args), cwd=self.dir, env=self.environment(), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **more)

    def run(self, *args, code=0, env=None, timeout=60, **more):
        """Runs to the end; `code` None: any. The rest goes to subprocess.run."""
        before = self.writes_seen()
        done = subprocess.run(self.command(*args), cwd=self.dir, env=self.environment(**(env or {})), capture_output=True,
                              timeout=timeout, check=False, **more)
        result = Result(tuple(map(str, args)), done.returncode, done.stdout.decode(), done.stderr.decode())
        self.judge(result, before)
        assert code is None or result.code == code, str(result)
        return result

    def judge(self, result, writes_before):
        """What must hold after every run."""
        told = str(result)
        assert result.code in NAMES, told
        assert not [word for word in CANARIES if word in result.out + result.err], told
        assert "runtime error:" not in result.err and "AddressSanitizer" not in result.err, told
        silent = {"-q", "--quiet"} & set(result.args) and result.code == 0
        if silent:
            assert result.err == "", told
        elif not {"--help", "-h", "--version", "help"} & set(result.args):
            assert (result.last["code"], result.last["name"]) == (result.code, NAMES[result.code]), told
        if not WRITERS & set(result.args) or "--dry-run" in result.args:
            assert self.writes_seen() == writes_before, told

    def plan(self, *args, code=0, **more):
        """The plan as JSON."""
        return self.run("plan", "--format", "json", *args, code=code, **more).json

    def sync(self, *args, code=0, **more):
        return self.run("sync", *args, code=code, **more)

    def save(self, *args, name="saved.plan"):
        """plan --save; the path of the file."""
        self.run("plan", "--save", self.dir / name, *args, code=None)
        assert (self.dir / name).exists()
        return self.dir / name

    def approve(self, plan, guard, *args, code=0, reason="the change was announced"):
        return self.run("approve", plan, "--guard", guard, "--reason", reason, *args, code=code)

    # ---- the servers ----

    def edit(self, *edits):
        self.sim.edit(*edits)

    def fault(self, do, side=None, **match):
        self.sim.fault(do, side, **match)

    def fired(self):
        """How often the faults acted, in the order they were set."""
        return [one["fired"] for one in self.sim.control("GET", "faults")]

    def calm(self):
        self.sim.control("DELETE", "faults")

    def forget(self):
        self.sim.control("DELETE", "log")

    def log(self, side=None, kind=None, method=None):
        return [one for one in self.sim.control("GET", "log")
                if side in (None, one["side"]) and kind in (None, one["kind"]) and method in (None, one["method"])]

    def kinds(self, side):
        """{kind: requests} of one server."""
        return {kind: n for kind, n in self.sim.control("GET", "stats")[side]["kinds"].items() if n}

    def writes_seen(self):
        """Requests in the log that are neither GET nor login, to either side. Nothing ever replaces or deletes (issue 5, section 7)."""
        log = self.log()
        assert {one["method"] for one in log} <= {"GET", "POST", "PATCH"}, log
        return len([one for one in log if one["method"] != "GET" and "token" not in one["path"]])

    def writes(self):
        """[(method, path below the SCIM root, body)] that reached Databricks."""
        return [(one["method"], one["path"].rpartition("/scim/v2")[2], json.loads(one["body"]))
                for one in self.log("dbx") if "/scim/v2" in one["path"] and one["method"] != "GET"]

    def short(self, name):
        return self.names.get(name, name.removesuffix(MAIL))

    def members(self, group):
        """Short names; None when there is no such group."""
        for one in self.sim.control("GET", "state")["groups"]:
            if one["displayName"] == group:
                return {self.short(name) for name in one["names"]}
        return None

    def history(self):
        """[(op, group, short name)] of every change by a request since the start."""
        return [(one["op"], one["group"], self.short(one["member"])) for one in self.sim.control("GET", "history")
                if one["by"] != "edit"]

    # ---- the state ----

    def audit(self, kind=None, target="acme"):
        """[{seq, run, kind, body}] of the journal, read with sqlite3."""
        with sqlite3.connect(f"file:{self.state}/{target}.db?mode=ro", uri=True) as db:
            rows = [{"seq": seq, "run": run, "kind": k, "body": json.loads(body)}
                    for seq, run, k, body in db.execute("SELECT seq, run_id, kind, body FROM audit ORDER BY seq")]
        return [row for row in rows if kind in (None, row["kind"])]

    def assert_journal(self):
        """The chain verifies, and each intent has exactly one outcome about the same thing (I3)."""
        assert re.fullmatch(r"ok \d+:[0-9a-f]{64}\n", self.run("audit", "verify").out)

        def about(row):  # a POST has a name before and an id after
            body = row["body"]
            return body["request"], body["group"] if body["request"] == "PATCH" else "", tuple(body["add"]), tuple(body["remove"])
        assert sorted(map(about, self.audit("intent"))) == sorted(map(about, self.audit("outcome")))

    def results(self):
        return [row["body"]["result"] for row in self.audit("outcome")]

    def assert_converged(self):
        """When faults stop, one more run makes it right, and the run after that sends no write (I1)."""
        self.calm()
        self.sync()
        self.assert_settled()

    def assert_settled(self):
        before = self.writes_seen()
        result = self.sync()
        assert result.counts == dict.fromkeys(COUNTS, 0), str(result)
        assert self.writes_seen() == before
        self.assert_journal()


# ---- plans ----

def ops(plan, group=None):
    """{(op, cause, short name, state)} of a group, or of all groups with the group in front."""
    out = set()
    for entry in plan["groups"]:
        for one in entry["operations"]:
            row = one["op"], one["cause"], one["principal"]["name"].removesuffix(MAIL), one["state"]
            if group is None:
                out.add((entry["name"], *row))
            elif entry["name"] == group:
                out.add(row)
    return out


def entry(plan, group):
    return next(one for one in plan["groups"] if one["name"] == group)


def left(plan, kind):
    """{(group, short name)} of one list of left_alone."""
    return {(one["group"], one["name"].removesuffix(MAIL)) for one in plan["left_alone"][kind]}


def tripped(plan):
    """{(guard, group or None)}."""
    out = {(guard["name"], None) for guard in plan["guards"] if guard["tripped"]}
    return out | {(guard["name"], one["name"]) for one in plan["groups"] for guard in one["guards"] if guard["tripped"]}


# ---- time ----

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def later(span):
    """An environment in which it is that much later ("31m", "25h"); the package is called faketime."""
    found = [path for path in (FAKETIME, *glob.glob("/usr/lib/*/faketime/libfaketime.so.1")) if os.path.exists(path)]
    if not found or "ASAN_OPTIONS" in os.environ:
        pytest.skip("needs libfaketime, which does not go together with ASan")
    return {"LD_PRELOAD": found[0], "FAKETIME": "+" + span, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
