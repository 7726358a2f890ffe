"""sync: first a person decides, then it converges with the fewest requests, and the second time it writes nothing."""

import json
import re

import pytest
from keybricks import CANARIES, COUNTS, OPEN, World, ops

URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def company(people=3, members=()):
    world = World()
    world.users("p", people, roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml", *members)
    return world


def adds(body):
    return [[one["value"] for one in op["value"]] for op in body["Operations"] if op["op"] == "add"]


def removes(body):
    return [op["path"] for op in body["Operations"] if op["op"] == "remove"]


# ---- the first run ----

def test_first_sync_is_held_and_keeps_its_plan(stage):
    at = stage(company(), guards={"first_run": True})
    result = at.sync(code=3)
    assert "first_run" in result.err + result.out and result.counts["held"] == 3
    assert at.history() == [] and at.writes_seen() == 0
    held = at.state / "acme.held.plan"
    assert json.loads(held.read_text())["schema"] == "keybricks.plan/1"
    assert held.stat().st_mode & 0o077 == 0
    assert str(held) in result.out + result.err  # and what to type is said
    at.run("apply", held)
    assert at.members("ml") == {"p000", "p001", "p002"}
    assert at.sync().counts == dict.fromkeys(COUNTS, 0)


def test_save_and_apply_end_the_first_run(stage):
    at = stage(company(), guards={"first_run": True})
    result = at.run("apply", at.save())
    assert result.counts == {"add": 3, "remove": 0, "held": 0, "frozen": 0, "writes": 1}
    at.assert_settled()


def test_first_sync_with_nothing_to_write_is_no_decision(stage):
    at = stage(company(members=("p000", "p001", "p002")), guards={"first_run": True})
    assert at.sync().counts == dict.fromkeys(COUNTS, 0)


def test_held_plan_goes_away_when_nothing_is_held(stage):
    at = stage(company(), guards={"first_run": True})
    at.sync(code=3)
    at.run("apply", at.state / "acme.held.plan")
    at.sync()
    assert not (at.state / "acme.held.plan").exists()


# ---- converging ----

def test_sync_converges_and_the_second_writes_nothing(stage):
    world = company(5, ("p000", "stranger"))
    world.rule(role="ops", group="ops")
    world.group("ops")
    world.user("root", roles=["ops", "ml"])
    at = stage(world)
    first = at.sync()
    assert first.counts == {"add": 6, "remove": 0, "held": 0, "frozen": 0, "writes": 2}
    assert at.members("ml") == {"p000", "p001", "p002", "p003", "p004", "stranger", "root"} and at.members("ops") == {"root"}
    at.assert_settled()


def test_an_empty_run_leaves_a_checkpoint_too(stage):
    at = stage(company())
    at.sync()
    first, second = (at.sync().checkpoint for _ in range(2))
    assert int(first.split(":")[0]) < int(second.split(":")[0])
    assert at.run("audit", "verify", "--expect", first).out == f"ok {second}\n"


def test_changes_in_the_realm_arrive(stage):
    world = company()
    world.role("job", realm=["ml"])
    world.path("/team")
    world.user("late", groups=["/team"])
    at = stage(world)
    at.sync()
    at.edit({"op": "kc_role_grant", "role": "job", "group": "/team"})
    assert at.sync().counts["add"] == 1 and "late" in at.members("ml")
    at.edit({"op": "kc_composite_remove", "role": "job", "child": "ml"})
    assert at.sync().counts["remove"] == 1 and "late" not in at.members("ml")
    at.assert_settled()


# ---- the bodies ----

def test_patch_bodies_are_exactly_as_documented(stage):
    at = stage(company(2))
    at.sync()
    ids = at.world.ids
    method, path, body = at.writes()[0]
    assert (method, path) == ("PATCH", f"/Groups/{at.world.id('ml')}")
    assert body == {"schemas": [URN], "Operations": [{"op": "add", "path": "members",
                                                      "value": [{"value": ids["p000"]}, {"value": ids["p001"]}]}]}
    headers = {k.lower(): v for k, v in at.log("dbx", method="PATCH")[0]["headers"].items()}
    assert headers["content-type"] == "application/scim+json; charset=utf-8" and headers["accept"] == "application/json"
    at.forget()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p001"})
    at.sync()
    assert at.writes() == [("PATCH", f"/Groups/{at.world.id('ml')}", {
        "schemas": [URN], "Operations": [{"op": "remove", "path": f'members[value eq "{ids["p001"]}"]'}]})]


def test_removals_stand_before_additions_in_one_request(stage):
    at = stage(company(3))
    at.sync()
    at.world.user("next")
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"}, {"op": "kc_role_revoke", "role": "ml", "username": "p001"},
            {"op": "kc_user_add", "username": "new", "email": "new@acme.example"}, {"op": "dbx_user_add", "userName": "new@acme.example"},
            {"op": "kc_role_grant", "role": "ml", "username": "new"})
    at.forget()
    at.sync()
    (_, _, body), = at.writes()
    assert [op["op"] for op in body["Operations"]] == ["remove", "remove", "add"]
    assert at.members("ml") == {"p002", "new"}


def test_120_additions_are_one_request_with_three_operations(stage):
    at = stage(company(120))
    at.sync()
    (_, _, body), = at.writes()
    assert [len(ids) for ids in adds(body)] == [50, 50, 20] and len({i for ids in adds(body) for i in ids}) == 120
    assert len(at.members("ml")) == 120


def test_51_removals_are_two_requests(stage):
    at = stage(company(60), guards=OPEN)
    at.sync()
    at.forget()
    at.edit(*({"op": "kc_role_revoke", "role": "ml", "username": f"p{i:03}"} for i in range(51)))
    at.sync()
    bodies = [body for _, _, body in at.writes()]
    assert [len(body["Operations"]) for body in bodies] == [50, 1] and all(not adds(body) for body in bodies)
    assert len({path for body in bodies for path in removes(body)}) == 51
    assert len(at.members("ml")) == 9
    at.assert_settled()


def test_a_full_request_takes_removals_and_additions_together(stage):
    world = company(50)
    world.users("q", 101)
    at = stage(world, guards=OPEN)
    at.sync()
    at.forget()
    at.edit(*({"op": "kc_role_revoke", "role": "ml", "username": f"p{i:03}"} for i in range(48)),
            *({"op": "kc_role_grant", "role": "ml", "username": f"q{i:03}"} for i in range(101)))
    at.sync()
    bodies = [body for _, _, body in at.writes()]
    # 48 removals and two additions of 50 fill the first; one person is left for the second
    assert [len(body["Operations"]) for body in bodies] == [50, 1]
    assert [len(ids) for ids in adds(bodies[0])] == [50, 50] and [len(ids) for ids in adds(bodies[1])] == [1]
    at.assert_settled()


def test_one_patch_for_each_changed_group_and_none_for_the_others(stage):
    world = World()
    for i in range(30):
        world.rule(role=f"r{i}", group=f"g{i}")
        world.group(f"g{i}")
        world.user(f"u{i}", roles=[f"r{i}"])
    at = stage(world)
    assert at.sync().counts["writes"] == 30
    at.forget()
    at.edit(*({"op": "kc_role_grant", "role": f"r{i}", "username": "u0"} for i in range(1, 8)))
    assert at.sync().counts["writes"] == 7
    assert sorted(path for _, path, _ in at.writes()) == sorted(f"/Groups/{at.world.id(f'g{i}')}" for i in range(1, 8))
    assert at.kinds("dbx")["get_group"] >= 7  # a group is read again before it is written
    at.assert_settled()


# ---- creating groups, service principals ----

def test_a_group_is_made_by_post_then_patch(stage):
    world = World()
    world.user("ada", roles=["dbx-ml"])
    world.rule(role_glob="dbx-*", group="{1}", create=True)
    world.role("dbx-ops")
    at = stage(world)
    plan = at.plan()
    assert [(one["name"], one["action"], one["id"]) for one in plan["groups"]] == [("ml", "create", ""), ("ops", "create", "")]
    assert plan["summary"]["create_groups"] == 2 and plan["cost"]["post"] == 2
    result = at.sync()
    assert result.counts == {"add": 1, "remove": 0, "held": 0, "frozen": 0, "writes": 3}
    posts = [body for method, path, body in at.writes() if (method, path) == ("POST", "/Groups")]
    assert sorted(posts, key=str) == [{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name} for name in ("ml", "ops")]
    assert [method for method, _, _ in at.writes() if method != "POST"] == ["PATCH"]
    assert at.members("ml") == {"ada"} and at.members("ops") == set()
    at.assert_settled()


def test_service_principals_are_members_too(stage):
    world = company(1)
    app = world.bot("etl", roles=["ml"])
    at = stage(world)
    assert ("add", "granted", app, "ready") in ops(at.plan(), "ml")
    at.sync()
    assert at.members("ml") == {"p000", app}
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "service-account-etl"})
    assert at.sync().counts["remove"] == 1
    at.assert_settled()


def test_group_paths_and_subgroups(stage):
    world = World()
    world.path("/data/ml/deep")
    world.user("top", groups=["/data"])
    world.user("mid", groups=["/data/ml"])
    world.user("low", groups=["/data/ml/deep"])
    world.rule(path="/data", group="all", subgroups=True)
    world.rule(path="/data", group="direct")
    world.rule(path_glob="/data/*", group="team-{1}")
    for name in ("all", "direct", "team-ml"):
        world.group(name)
    at = stage(world)
    at.sync()
    assert (at.members("all"), at.members("direct"), at.members("team-ml")) == ({"top", "mid", "low"}, {"top"}, {"mid"})
    at.assert_settled()


def test_client_roles(stage):
    world = World()
    world.client("portal", "viewer")
    world.user("ada", clientRoles={"portal": ["viewer"]})
    world.path("/desk", client_roles={"portal": ["viewer"]})
    world.user("bob", groups=["/desk"])
    world.rules.append({"client_role": "portal:viewer", "group": "viewers"})
    world.group("viewers")
    at = stage(world)
    at.sync()
    assert at.members("viewers") == {"ada", "bob"}
    at.edit({"op": "kc_group_leave", "username": "bob", "group": "/desk"})
    at.sync()
    assert at.members("viewers") == {"ada"}
    at.assert_settled()


def test_two_rules_of_one_group_are_a_union(stage):
    world = company(2)
    world.user("ada", groups=["/team"])
    world.rule(path="/team", group="ml")
    at = stage(world)
    at.sync()
    assert at.members("ml") == {"p000", "p001", "ada"}


# ---- what is never written ----

def test_protected_members_are_left_alone_in_both_directions(stage):
    world = company(3)
    at = stage(world)
    at.sync()
    at.configure(protect={"members": ["p001@acme.example", "p002@acme.example"]})
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p001"},
            {"op": "dbx_member_remove", "group": "ml", "member": "p002@acme.example"})
    at.forget()
    at.sync("--refresh", "always", code=None)
    assert at.writes() == [] and at.members("ml") == {"p000", "p001"}


def test_a_protected_group_in_a_rule_is_a_configuration_error(stage):
    for name in ("admins", "users", "account users", "secret-society"):
        world = company(1)
        world.rule(role="ml", group=name)
        world.group("secret-society")
        at = stage(world, protect={"groups": ["secret-society"]})
        assert name in at.sync(code=78).err
        assert at.log("dbx") == []


def test_excluded_people_are_left_alone_in_both_directions(stage):
    at = stage(company(3))
    at.sync()
    at.configure(exclude={"users": ["p000", "P001@acme.example"]})
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"},
            {"op": "dbx_member_remove", "group": "ml", "member": "p001@acme.example"})
    at.forget()
    at.sync("--refresh", "always")
    assert at.writes() == []


def test_a_released_group_is_not_written_and_keeps_its_members(stage):
    world = company(3)
    world.user("ada", roles=["ops"])
    world.rule(role="ops", group="ops")
    world.group("ops")
    at = stage(world, guards={"rules_change_percent": 100})
    at.sync()
    at.configure(rules=[{"role": "ops", "group": "ops"}])
    at.forget()
    plan = at.plan()
    assert [one["group"] for one in plan["left_alone"]["released"]] == ["ml"]
    at.sync()
    assert at.writes() == [] and len(at.members("ml")) == 3


# ---- identity of requests, secrets ----

def test_every_request_carries_the_run_id(stage):
    at = stage(company())
    at.sync()
    agents = {one["user_agent"] for one in at.log()}
    assert len(agents) == 1
    run, = {row["run"] for row in at.audit()}
    assert re.fullmatch(rf"keybricks/\d+\.\d+\.\d+ \(run {run}\)", agents.pop())


@pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("broken", [None, "kc", "dbx"])
def test_no_secret_in_any_output_log_or_file(stage, auth, broken):
    at = stage(company(), keycloak={"auth": auth}, log={"level": "debug"})
    if broken:
        at.edit({"op": f"{broken}_secret", "secret": "other"})
    results = [at.run("-v", "--log-format", form, *command, code={None: 0, "kc": 4, "dbx": 5}[broken])
               for form in ("text", "json", "logfmt") for command in (("plan", "--save", "p.plan"), ("sync",))]
    results += [at.run(*command, code=None) for command in (("config", "show"), ("status",), ("history",))]
    for path in [*at.state.iterdir(), *at.dir.glob("*.plan")]:
        assert not [word for word in CANARIES if word.encode() in path.read_bytes()], path
    assert all(result.out or result.err for result in results)  # each was searched by the stage; there was something to search


def test_token_exchange_uses_keycloaks_token(stage):
    at = stage(company(2))
    at.configure(targets=[at.target(auth="token_federation", secret_file=None)])
    at.sync()
    assert at.members("ml") == {"p000", "p001"}
    assert at.kinds("kc")["token"] == 1 and at.kinds("dbx")["token"] == 1
