"""explain: why somebody is, or is not, in a group; the plan's own reasons, for one person, and never a write."""

import json

import pytest
from keybricks import World

MAIL = "@acme.example"


def company():
    world = World()
    world.permissions, world.knobs = ["view-users", "view-realm", "view-events"], {"events": True}
    world.role("job", realm=["ml"])
    world.path("/data/deep", roles=["job"])
    world.user("ada", roles=["ml"], groups=["/data/deep"])
    world.user("off", roles=["ml"], enabled=False)
    world.user("lost", roles=["ml"], dbx=False)
    world.user("shut", roles=["ml"])
    world.user("aside")  # in no role and no group of any rule
    world.user("boss")
    world.user("twin", roles=["ml"], email="twin" + MAIL)
    world.user("twin2", roles=["ml"], email="twin" + MAIL, dbx=False)
    world.rule(role="ml", group="ml")
    world.rule(path="/data", group="data", subgroups=True)
    world.rule(role="none", group="empty")
    world.group("ml", "eve")
    world.group("data")
    world.group("empty")
    return world


@pytest.fixture
def at(stage):
    return stage(company(), exclude={"users": ["shut"], "roles": [], "paths": []})


def explain(at, *args, **more):
    told = at.run("explain", *args, "--format", "json", **more).json
    assert told["schema"] == "keybricks.explain/1" and told["target"] == "acme"
    return told["people"]


def one(at, *args, **more):
    people = explain(at, *args, **more)
    assert len(people) == 1, people
    return people[0], {group["name"]: group for group in people[0]["groups"]}


def test_every_path_is_told(at):
    person, groups = one(at, "ada")
    assert person["verdict"] == "matched" and person["principal"]["name"] == "ada" + MAIL
    assert person["source"] == {"id": at.world.kc_id("ada"), "username": "ada", "email": "ada" + MAIL, "enabled": True}
    assert set(groups) == {"ml", "data"} and person["other_groups"] == 1
    assert [(r["role"], r["via"]) for r in groups["ml"]["reasons"]] == [("ml", []), ("ml", ["group /data/deep", "role job"])]
    assert [(r["path"], r["via"], r["rule"]) for r in groups["data"]["reasons"]] == [("/data", ["group /data/deep"], 2)]
    assert groups["ml"]["desired"] and groups["ml"]["present"] is False and groups["ml"]["ledger"] is None
    assert groups["ml"]["operation"] == {"op": "add", "cause": "granted", "state": "ready", "held_by": []}


@pytest.mark.parametrize("key", ["ada", "ADA", "ada@acme.example", "ID", "DBX"])
def test_a_person_goes_by_each_name(at, key):
    key = {"ID": at.world.kc_id("ada"), "DBX": at.world.ids["ada"]}.get(key, key)
    person, _ = one(at, key)
    assert person["source"]["username"] == "ada"


@pytest.mark.parametrize("name, verdict", [("off", "disabled"), ("lost", "unmatched"), ("shut", "excluded"), ("twin2", "ambiguous")])
def test_a_path_is_not_enough(at, name, verdict):
    person, groups = one(at, name)
    assert person["verdict"] == verdict
    assert groups["ml"]["holds"] and not groups["ml"]["desired"] and groups["ml"]["reasons"][0]["role"] == "ml"


def test_two_people_of_one_address_are_both_explained(at):
    assert {person["source"]["username"] for person in explain(at, "twin" + MAIL)} == {"twin", "twin2"}


def test_what_is_missing_is_named(at):
    person, groups = one(at, "aside", "ml")  # nobody reads this person for the rules: looked up by name
    assert person["verdict"] == "matched" and person["other_groups"] == 0
    assert groups == {"ml": groups["ml"]}
    assert groups["ml"]["asks"] == [{"role": "ml", "rule": 1}] and not groups["ml"]["holds"]
    told = at.run("explain", "aside", "data").out
    assert "rule 2 asks for group /data or one below it, which this person does not have" in told


def test_somebody_of_databricks_alone_is_foreign(at):
    person, groups = one(at, "eve" + MAIL)
    assert person["source"] is None and person["verdict"] == "not_in_keycloak"
    assert groups["ml"]["present"] is True and groups["ml"]["note"].startswith("not put in by keybricks")


def test_the_ledger_and_the_admin_event(at):
    at.edit({"op": "kc_role_grant", "role": "ml", "username": "aside", "by": "boss"})
    _, groups = one(at, "aside", "ml")
    assert groups["ml"]["reasons"][0]["event"]["by"] == "boss"
    at.sync()
    _, groups = one(at, "aside", "ml")
    assert groups["ml"]["ledger"]["since"].endswith("Z") and groups["ml"]["ledger"]["reasons"][0]["event"]["by"] == "boss"
    assert groups["ml"]["operation"] is None and groups["ml"]["present"] is True
    assert "in the ledger since" in at.run("explain", "aside").out and "direct  since" in at.run("explain", "aside").out
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "aside"})
    _, groups = one(at, "aside")
    assert groups["ml"]["operation"]["cause"] == "revoked" and groups["ml"]["asks"]


def test_a_held_operation_says_by_what(stage):
    at = stage(company(), guards={"max_additions_total": 0})
    _, groups = one(at, "ada")
    assert groups["ml"]["operation"]["held_by"] == ["max_additions_total"]
    assert "plan: add (granted), held by guard max_additions_total" in at.run("explain", "ada").out


@pytest.mark.parametrize("args, words", [
    (["adaa"], "nobody is called adaa in realm acme or in acme; did you mean ada?"),
    (["nosuchbodyatall"], "nobody is called nosuchbodyatall in realm acme or in acme"),
    (["ada", "mll"], "no rule of target acme names the group mll"),
    (["ada", "--format", "csv"], "--format is text or json"),
    ([], "keybricks explain needs USER [GROUP]"),
    (["ada", "ml", "more"], "unexpected word more"),
])
def test_what_is_not_there_is_a_mistake_of_the_command(at, args, words):
    result = at.run("explain", *args, code=64)
    assert words in result.message and result.out == ""


def test_it_writes_nothing_and_waits_for_nobody(at):
    assert not list(at.state.iterdir())
    explain(at, "ada")
    assert not list(at.state.iterdir())
    at.sync()
    before = {path.name: path.read_bytes() for path in at.state.iterdir() if path.suffix == ".db"}
    at.forget()
    explain(at, "ada")
    assert before == {path.name: path.read_bytes() for path in at.state.iterdir() if path.suffix == ".db"}
    assert {row["method"] for row in at.log() if row["kind"] != "token"} == {"GET"}


def test_a_frozen_group_is_said_and_ends_with_7(at):
    at.sim.fault({"status": 500}, "kc", substring="/roles/ml/users", times=-1)
    result = at.run("explain", "boss", "ml", code=7)
    assert "frozen: role ml: holders failed" in result.out
    at.sim.control("DELETE", "faults")
    assert at.run("explain", "boss", "ml").code == 0


def test_hostile_names_are_escaped(at):
    at.edit({"op": "kc_user_set", "username": "ada", "new_username": "ada\u202e\u001b[31m"})
    told = at.run("explain", "ada" + MAIL)
    assert "\u202e" not in told.out and "\x1b" not in told.out
    assert json.loads(at.run("explain", "ada" + MAIL, "--format", "json").out)["people"][0]["source"]["username"] == "ada\u202e\u001b[31m"


def test_several_targets_each_answer_for_themselves(stage):
    world = company()
    at = stage(world)
    second = at.target(name="second")
    at.configure(targets=[at.target(), second], rules=[{"role": "ml", "group": "ml"}, {"role": "ml", "group": "data", "targets": ["second"]}])
    rows = [json.loads(line) for line in at.run("explain", "ada", "--format", "json").out.splitlines()]
    assert [(row["target"], len(row["people"][0]["groups"])) for row in rows] == [("acme", 1), ("second", 2)]
    result = at.run("explain", "ada", "data", "--format", "json", code=64)
    assert [json.loads(line)["target"] for line in result.out.splitlines()] == ["second"]
    assert "no rule of target acme names the group data" in result.message
