"""Faults of the catalogue (docs/faults.md) that no other file of this folder makes: names that do not resolve, hosts that do not
answer, compressed and foreign answers, rotated secrets, sizes at which servers cut lists, renamed and re-created objects."""

import json
import socket
import threading

import pytest
from keybricks import MAIL, OPEN, Stage, World, entry, ops
from reading import END, START, changed, recover, state
from test_tls import GOOD, TlsSim, certificate

SIDES = {"kc": 4, "dbx": 5}
NOWHERE = "https://" + "x" * 64 + ".invalid"  # a label of 64 letters: no resolver sends that anywhere


def point(at, side, url):
    """That server is at `url` now; the state begins anew, because it belongs to the old one."""
    (at.state / "acme.db").unlink()
    at.configure(**{"keycloak": {"url": url}} if side == "kc" else {"targets": [at.target(host=url)]})


# ---- the network ----

@pytest.mark.parametrize("side,code", SIDES.items())
def test_a_host_that_does_not_exist_is_named(stage, side, code):
    at = changed(stage)
    point(at, side, NOWHERE)
    result = at.sync(code=code)
    assert ".invalid" in result.message and at.writes() == []


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
def test_a_host_that_does_not_answer_ends_with_the_deadline(stage, side):
    """A full queue of connections: the kernel drops what comes, as a firewall does."""
    at = changed(stage, run={"deadline_s": 2})
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        waiting = []
        while True:
            waiting.append(socket.socket())
            waiting[-1].settimeout(0.2)
            try:
                waiting[-1].connect(deaf.getsockname())
            except TimeoutError:
                break
        point(at, side, f"http://127.0.0.1:{deaf.getsockname()[1]}")
        at.sync(code=75)
        for one in waiting:
            one.close()
    assert at.writes() == []


@pytest.mark.parametrize("side,path,code", [("kc", r"/roles\?", 4), ("dbx", r"/Groups\?", 5)])
def test_a_compressed_answer_is_refused(stage, side, path, code):
    at = changed(stage)
    at.fault("gzip", side, path_regex=path, times=-1)
    assert "compressed" in at.sync(code=code).message
    assert at.writes() == [] and not [one for one in at.log() if "Accept-Encoding" in one["headers"]]
    recover(at)


class Raw:
    """Answers every connection with the same bytes, and remembers what was asked."""

    def __init__(self, answer):
        self.server, self.answer, self.seen = socket.create_server(("127.0.0.1", 0)), answer, []
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                self.seen.append(connection.recv(65536))
                connection.sendall(self.answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


@pytest.mark.parametrize("side,code", SIDES.items())
@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\n\r\n" + b'{"access_token":"a.b.c","expires_in":60',  # no length: only the parser can tell that it is cut
    b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20000, b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 1000000, b"HTTP/2 200\r\n\r\n{}", b"",
    b"HTTP/1.1 302 Found\r\nLocation: https://login.example/?secret\r\nContent-Length: 0\r\n\r\n",
], ids=["cut without length", "header lines", "header line", "not HTTP/1", "nothing", "redirect"])
def test_a_server_that_is_none(stage, side, code, answer):
    """HTTP/1.1 is asked for and nothing newer, a redirect is not followed, and no write leaves."""
    at = changed(stage, run={"tries": 1})
    with Raw(answer) as raw:
        point(at, side, raw.url)
        result = at.sync(code=code)
        assert raw.seen and not [one for one in raw.seen if b" HTTP/1.1\r\n" not in one or b"Upgrade" in one or not one.startswith(b"POST /")]
    assert at.writes() == [] and "?secret" not in result.err


@pytest.mark.parametrize("days,said", [("13", True), ("20", False)])
@pytest.mark.parametrize("side", ["keycloak", "databricks"])
def test_a_certificate_that_ends_soon_is_said_and_all_goes_on(tmp_path, monkeypatch, side, days, said):
    certificate(tmp_path, **GOOD | {"days": days})
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    monkeypatch.setattr("keybricks.Sim", lambda *args: TlsSim(side, tmp_path, *args))
    with Stage(tmp_path, world) as at:
        ca = str(tmp_path / "ca.pem")
        at.configure(**{"keycloak": {"ca_file": ca}} if side == "keycloak" else {"targets": [at.target(ca_file=ca)]})
        result = at.sync()
        name = {"keycloak": "keycloak", "databricks": "acme"}[side]
        assert (f"the certificate of {name} ends on 20" in result.err) == said, str(result)
        assert result.err.count("the certificate of") == said
        assert at.members("ml") == {"ada"}


# ---- who we are ----

@pytest.mark.parametrize("side,code", SIDES.items())
def test_a_secret_that_is_changed_while_we_run_ends_the_run_and_leaves_the_journal_whole(stage, side, code):
    at = changed(stage)
    at.sim.knobs(token_life_s=1, dbx_token_life_s=1)
    secret, path = (("kc_secret", r"/roles\?"), ("dbx_secret", r"/Groups\?"))[side == "dbx"]
    at.fault({"delay_ms": 1100, "hook": [{"op": secret, "secret": "another"}]}, side, path_regex=path)
    result = at.sync(code=code)
    assert "401" in result.message and at.history() == []
    assert [row["body"].get("code") for row in at.audit("run")][-1:] == [code]
    at.assert_journal()
    at.secret({"kc": "keycloak", "dbx": "databricks"}[side], "another")
    at.sim.knobs(token_life_s=300, dbx_token_life_s=3600)
    recover(at)


# ---- content ----

def body_of(at, side, path):
    answer = at.sim.kc(path) if side == "kc" else at.sim.dbx("GET", path)
    return {"status": 200, "body": json.loads(answer.body)}


def test_the_answer_about_another_group_is_not_believed(stage):
    at = changed(stage)
    at.fault(body_of(at, "dbx", "/Groups/" + at.world.id("ops")), "dbx", method="GET", path_regex="/Groups/" + at.world.id("ml"), times=-1)
    at.sync(code=7)
    assert state(at) == END | {"ml": START["ml"]}
    recover(at, {"ml"})


def test_the_answer_about_another_person_proves_nothing(stage):
    """Somebody who is disabled, in place of the leaver."""
    at = changed(stage)
    at.edit({"op": "kc_user_add", "username": "zed", "enabled": False})
    zed = at.sim.kc("/users?exact=true&username=zed").json[0]["id"]
    at.fault(body_of(at, "kc", f"/users/{zed}"), "kc", path_regex=f"/users/{at.world.kc_id('dan')}$", times=-1)
    at.sync(code=7)
    assert at.members("ops") == {"cyd", "dan", "eve"}
    recover(at)


@pytest.mark.parametrize("page", [0, 100])
@pytest.mark.parametrize("people", [100, 101, 200])
def test_lists_of_the_size_at_which_servers_cut_them(stage, people, page):
    """100 members and 10 children of a group are what Keycloak gives when nobody asks for more; 100 is what Databricks gives."""
    world = World()
    names = world.users("p", people, roles=["ml"], groups=["/all"])
    for name in names[:11]:
        world.path(f"/all/{name}")
        world.people[int(name[1:])]["groups"] = [f"/all/{name}"]
    world.rule(role="ml", group="ml")
    world.rule(path="/all", group="all", subgroups=True)
    world.group("ml", *names)
    world.group("all", *names)
    at = stage(world, keycloak={"page_size": page})
    result = at.sync()
    assert result.counts == dict.fromkeys(result.counts, 0) and at.members("all") == at.members("ml") == set(names)
    assert len(at.audit()) and at.plan()["left_alone"]["foreign"] == []


@pytest.mark.parametrize("answers", [True, False], ids=["the name is answered", "it is not"])
@pytest.mark.parametrize("twin", [False, True], ids=["nobody shares it", "somebody does"])
def test_who_shares_a_name_with_somebody_in_a_list_that_failed(stage, answers, twin):
    """Two people of one address are ambiguous, also when only one of them can be seen: he is not added, and not removed."""
    world = World()
    for name, role in (("new", "ops"), ("leaver", "ops"), ("other", "ml")):
        world.user(name, roles=[role])
    for role in ("ml", "ops"):
        world.rule(role=role, group=role)
        world.group(role, *(["leaver"] if role == "ops" else []))
    at = stage(world, guards=OPEN)
    at.edit({"op": "kc_role_revoke", "role": "ops", "username": "new"})
    at.sync()
    at.edit({"op": "kc_role_grant", "role": "ops", "username": "new"}, {"op": "kc_role_revoke", "role": "ops", "username": "leaver"})
    if twin:
        at.edit(*({"op": "kc_user_add", "username": f"twin-{name}", "email": name + MAIL} for name in ("new", "leaver")),
                *({"op": "kc_role_grant", "role": "ml", "username": f"twin-{name}"} for name in ("new", "leaver")))
    at.fault({"status": 500, "body": ""}, "kc", path_regex="/roles/ml/users", times=-1)
    if not answers:
        at.fault({"status": 500, "body": ""}, "kc", path_regex=r"/users\?.*(email|username)=", times=-1)
    at.forget()
    result = at.sync(code=7)
    assert at.members("ops") == ({"new"} if answers and not twin else {"leaver"}), str(result)
    assert ("another user of Keycloak has that name" in result.out) == (answers and twin)
    at.calm()
    at.forget()
    at.sync()
    assert at.members("ops") == ({"leaver"} if twin else {"new"})
    assert not [one for one in at.log("kc") if "exact=true" in one["query"]]  # a complete reading asks for no name
    at.assert_settled()


@pytest.mark.parametrize("members", [{}, {"members": []}], ids=["without", "empty"])
def test_a_group_that_is_suddenly_empty_is_read_again(stage, members):
    """It had members: one such answer is not believed, and two remove nobody and add nobody who is not granted it."""
    at = changed(stage)
    path = "/Groups/" + at.world.id("ml")
    group = body_of(at, "dbx", path)
    group["body"].pop("members")
    group["body"] |= members
    at.fault(group, "dbx", method="GET", path_regex=path)
    at.sync()
    assert state(at) == END and len(at.log("dbx", kind="get_group")) > 3 * len(START) - 3
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "new"}, {"op": "kc_role_grant", "role": "ml", "username": "out"})
    at.fault(group, "dbx", method="GET", path_regex=path, times=-1)
    before = len(at.history())
    at.sync(code=7)
    assert set(at.history()[before:]) <= {("add", "ml", "out")} and {"ada", "bob"} <= at.members("ml")
    at.assert_converged()
    assert at.members("ml") == {"ada", "bob", "out"}


@pytest.mark.parametrize("edit,rule", [
    ({"op": "kc_role_rename", "role": "ml", "to": "machine"}, {"role": "ml"}), ({"op": "kc_group_rename", "group": "/ml", "to": "machine"}, {"path": "/ml"}),
    ({"op": "kc_role_delete", "role": "ml"}, {"role": "ml"}), ({"op": "kc_group_delete", "group": "/ml"}, {"path": "/ml"}),
], ids=["role renamed", "group renamed", "role deleted", "group deleted"])
def test_what_a_rule_names_is_gone(stage, edit, rule):
    """Everybody would go: held for a person to decide."""
    world = World()
    names = [f"p{i}" for i in range(4)]
    for name in names:
        world.user(name, **{"roles": ["ml"]} if "role" in rule else {"groups": ["/ml"]})
    world.user("bob", roles=["ops"])
    world.rule(role="ops", group="ops")
    world.group("ops", "bob")
    world.rule(group="ml", **rule)
    world.group("ml", *names)
    at = stage(world, guards=OPEN | {"source_object_gone": True})
    at.sync()
    at.edit(edit)
    result = at.sync(code=3)
    assert at.members("ml") == set(names) and at.writes() == []
    assert "source_object_gone" in result.message


@pytest.mark.parametrize("roles", [[], ["ml"]], ids=["without the role", "with the role"])
def test_somebody_re_created_with_the_same_name_is_somebody_else(stage, roles):
    """The ledger has the old id: he goes, proven by Keycloak's own 404, unless the new one is granted the same."""
    world = World()
    world.user("ada", roles=["ml"])
    world.user("bob", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml", "ada", "bob")
    at = stage(world, guards=OPEN)
    at.sync()
    old = at.world.kc_id("bob")
    at.edit({"op": "kc_user_remove", "username": "bob"}, {"op": "kc_user_add", "username": "bob", "email": "bob" + MAIL},
            *({"op": "kc_role_grant", "role": role, "username": "bob"} for role in roles))
    plan = at.plan()
    at.sync()
    assert at.members("ml") == {"ada"} | ({"bob"} if roles else set())
    if not roles:
        assert ops(plan, "ml") == {("remove", "deleted", "bob", "ready")}
        assert [one["source_id"] for one in entry(plan, "ml")["operations"]] == [old]
    at.assert_settled()


# ---- writes ----

@pytest.mark.parametrize("do,done", [({"status": 202, "body": ""}, False), ({"apply_then": 202}, True),
                                     ({"status": 200, "body": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400"}}, False),
                                     ({"status": 204, "body": "{}"}, False)], ids=["202", "202 done", "error in 200", "204 with a body"])
def test_what_the_answer_to_a_write_says_is_read_back(stage, do, done):
    at = changed(stage)
    at.fault(do, "dbx", method="PATCH", path_regex="/Groups/" + at.world.id("ml"), times=-1)
    at.sync(code=0 if done else 7)
    assert state(at) == (END if done else END | {"ml": START["ml"]})
    assert len([path for method, path, _ in at.writes() if method == "PATCH" and path.endswith(at.world.id("ml"))]) == 1
    recover(at)


def test_a_limit_of_the_target_is_a_refusal_of_that_group(stage):
    at = changed(stage)
    at.fault({"status": 400, "body": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400",
                                      "detail": "QUOTA_EXCEEDED: the maximum number of members is reached"}},
             "dbx", method="PATCH", path_regex="/Groups/" + at.world.id("ml"), times=-1)
    result = at.sync(code=7)
    assert state(at) == END | {"ml": START["ml"]} and at.results().count("rejected") == 1
    assert "QUOTA_EXCEEDED" in result.out + result.err, str(result)
    assert len(at.writes()) == 3
    recover(at)


