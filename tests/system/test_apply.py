"""apply PLANFILE: exactly the saved plan, and only where nothing moved since."""

import json

import plandoc
import pytest
from keybricks import COUNTS, World, later, left

TWO = {"ml": ("p000", "p001"), "ops": ("q000", "q001")}


def company():
    world = World()
    world.users("p", 2, roles=["ml"])
    world.users("q", 2, roles=["ops"])
    for name in TWO:
        world.rule(role=name, group=name)
        world.group(name)
    return world


@pytest.fixture
def at(stage):
    return stage(company())


def grown(at):
    """A world in sync, then two leavers and one joiner, and the plan of that."""
    at.sync()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"}, {"op": "kc_role_grant", "role": "ml", "username": "q000"},
            {"op": "kc_role_revoke", "role": "ops", "username": "q001"})
    saved = at.save()
    at.forget()
    return saved


def test_apply_does_exactly_the_plan(at):
    saved = grown(at)
    plan = json.loads(saved.read_text())
    result = at.run("apply", saved)
    assert result.counts == {"add": 1, "remove": 2, "held": 0, "frozen": 0, "writes": 2}
    assert len(at.writes()) == plan["cost"]["patch"] == 2
    assert at.members("ml") == {"p001", "q000"} and at.members("ops") == {"q000"}
    at.assert_settled()


def test_what_changed_elsewhere_is_not_applied(at):
    """Only what the file says: a later grant waits for the next plan."""
    at.sync()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"})
    saved = at.save()
    at.edit({"op": "kc_role_grant", "role": "ops", "username": "p001"}, {"op": "kc_role_grant", "role": "ml", "username": "q001"})
    at.run("apply", saved)
    assert at.members("ml") == {"p001"} and at.members("ops") == {"q000", "q001"}
    assert at.sync().counts["add"] == 2


@pytest.mark.parametrize("where", [0.02, 0.2, 0.4, 0.6, 0.8, 0.98])
def test_one_flipped_byte_is_refused(at, where):
    saved = grown(at)
    raw = bytearray(saved.read_bytes())
    raw[int(len(raw) * where)] ^= 1
    saved.write_bytes(raw)
    result = at.run("apply", saved, code=None)
    assert result.code in (6, 64), str(result)  # 64: what is flipped is the JSON itself
    assert at.writes_seen() == 0 or at.writes() == []


@pytest.mark.parametrize("change", [
    lambda p: p["groups"][0]["operations"].pop(),
    lambda p: p["groups"][0]["operations"][0]["principal"].update(id="100000000000999"),
    lambda p: p["run"].update(at="2099-01-01T00:00:00Z"),
    lambda p: p["summary"].update(add=7),
    lambda p: p["groups"][0].update(state="held"),
], ids=["operation", "principal", "time", "summary", "state"])
def test_an_altered_value_is_refused(at, change):
    saved = grown(at)
    plan = json.loads(saved.read_text())
    assert saved.read_bytes() == plandoc.saved(plan)
    change(plan)
    assert saved.read_bytes() != plandoc.saved(plan)
    saved.write_bytes(plandoc.saved(plan))
    assert at.run("apply", saved, code=6).counts is None
    assert at.writes() == []


def test_a_forged_plan_grants_nothing_that_keycloak_does_not(at):
    """Somebody who can compute all three hashes: each operation is still checked against Keycloak."""
    saved = grown(at)
    plan = json.loads(saved.read_text())
    ml = next(one for one in plan["groups"] if one["name"] == "ml")
    add = next(one for one in ml["operations"] if one["op"] == "add")
    add["principal"].update(id=at.world.ids["q001"], name="q001@acme.example")
    add["source_id"] = at.world.kc_id("q001")
    saved.write_bytes(plandoc.sign(plan))
    result = at.run("apply", saved, code=6)
    assert "q001" in result.message and result.counts["writes"] == 1
    assert at.members("ml") == {"p000", "p001"} and at.members("ops") == {"q000"}


def test_a_forged_plan_cannot_touch_a_group_without_a_rule(at):
    at.world.group("vault", "eve")
    at.edit({"op": "dbx_group_add", "group": "vault"}, {"op": "dbx_user_add", "userName": "eve@acme.example"},
            {"op": "dbx_member_add", "group": "vault", "member": "eve@acme.example"})
    saved = grown(at)
    plan = json.loads(saved.read_text())
    vault = next(one for one in at.sim.control("GET", "state")["groups"] if one["displayName"] == "vault")
    ops = next(one for one in plan["groups"] if one["name"] == "ops")
    ops.update(name="vault", id=vault["id"], before=1, after=0,
               precondition={"members": 1, "digest": plandoc.members_digest(vault["members"])})
    ops["operations"][0]["principal"].update(id=vault["members"][0], name="eve@acme.example")
    saved.write_bytes(plandoc.sign(plan))
    at.run("apply", saved, code=6)
    assert at.members("vault") == {"eve"} and at.members("ml") == {"p001", "q000"}


def test_a_group_that_moved_is_refused_saying_what_moved_and_the_others_go_on(at):
    saved = grown(at)
    at.edit({"op": "dbx_member_add", "group": "ml", "member": "q001@acme.example"})
    result = at.run("apply", saved, code=6)
    assert "ml" in result.message and "member" in result.message
    assert at.members("ml") == {"p000", "p001", "q001"} and at.members("ops") == {"q000"}
    assert result.counts["remove"] == 1 and result.counts["writes"] == 1
    at.assert_converged()


@pytest.mark.parametrize("edit,word", [
    ({"op": "kc_role_revoke", "role": "ml", "username": "q000"}, "q000"),
    ({"op": "kc_role_grant", "role": "ml", "username": "p000"}, "p000"),
    ({"op": "kc_user_set", "username": "q000", "enabled": False}, "q000"),
    ({"op": "dbx_group_delete", "group": "ml"}, "ml"),
    ({"op": "dbx_group_rename", "group": "ml", "to": "ml2"}, "ml"),
], ids=["no longer granted", "no longer withheld", "disabled", "group deleted", "group renamed"])
def test_the_source_or_the_group_changed(at, edit, word):
    saved = grown(at)
    at.edit(edit)
    result = at.run("apply", saved, code=None)
    assert result.code in (6, 7) and word in result.err + result.out
    assert at.members("ops") == {"q000"}  # the other group was applied
    assert [path for _, path, _ in at.writes()] == [f"/Groups/{at.world.id('ops')}"]


def test_rules_changed(at):
    saved = grown(at)
    at.configure(rules=[*at.world.rules, {"role": "ml", "group": "ops"}])
    assert "rules" in at.run("apply", saved, code=6).message
    assert at.writes() == []


def test_a_comment_in_the_configuration_does_not_make_a_plan_stale(at):
    saved = grown(at)
    at.config.write_text("# a comment\n" + at.config.read_text())
    at.run("apply", saved)


def test_plan_of_another_target(at):
    saved = grown(at)
    at.configure(targets=[at.target(name="other")])
    assert at.run("apply", saved, code=6).counts is None
    at.configure(targets=[at.target(), at.target(name="other")])
    at.run("--target", "other", "apply", saved, code=6)
    assert at.writes() == []


def test_plan_of_another_host(at, stage):
    saved = grown(at)
    twin = stage(company())
    twin.run("apply", saved, code=6)
    assert twin.writes() == []


def test_an_old_plan_is_stale(at):
    at.configure(guards={"plan_max_age_s": 60})
    saved = grown(at)
    at.run("apply", saved, code=6, env=later("61s"))
    assert at.writes() == []
    at.run("apply", saved, env=later("30s"))
    assert at.members("ops") == {"q000"}


def test_a_plan_from_the_future_is_stale(at):
    at.sync()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"})
    at.run("plan", "--save", "future.plan", env=later("2h"))
    at.forget()
    at.run("apply", at.dir / "future.plan", code=6)
    assert at.writes() == []


def test_a_spent_plan_is_refused(at):
    saved = grown(at)
    at.run("apply", saved)
    at.forget()
    assert at.run("apply", saved, code=6).counts["writes"] == 0
    assert at.writes() == []


def test_a_plan_half_applied_by_hand_is_refused_group_by_group(at):
    saved = grown(at)
    at.edit({"op": "dbx_member_remove", "group": "ops", "member": "q001@acme.example"})
    at.run("apply", saved, code=6)
    assert at.members("ml") == {"p001", "q000"}


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"hello\n", b'{"schema":"keybricks.plan/2"}', b"\xff\xfe\x00", b"[" * 100000,
                                     b'{"a":1,"a":2}'], ids=lambda c: repr(c[:12]))
def test_not_a_plan_file(at, content):
    (at.dir / "x.plan").write_bytes(content)
    at.run("apply", "x.plan", code=64)
    assert at.log() == []


def test_a_plan_file_that_cannot_be_read(at):
    assert "missing.plan" in at.run("apply", "missing.plan", code=64).message
    at.run("apply", str(at.dir), code=64)
    at.run("apply", code=64)
    at.run("apply", "a", "b", code=64)
    assert at.log() == []


def test_a_truncated_plan(at):
    saved = grown(at)
    saved.write_bytes(saved.read_bytes()[:-40])
    assert at.run("apply", saved, code=None).code in (6, 64)
    assert at.writes() == []


def test_an_empty_plan_applies_to_nothing(at):
    at.sync()
    saved = at.save()
    assert at.run("apply", saved).counts == dict.fromkeys(COUNTS, 0)


def test_a_narrowed_plan_stays_narrow(at):
    at.sync()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"}, {"op": "kc_role_revoke", "role": "ops", "username": "q000"})
    saved = at.save("--group", "ml")
    at.run("apply", saved)
    assert at.members("ml") == {"p001"} and at.members("ops") == {"q000", "q001"}


def test_apply_creates_groups(stage):
    world = World()
    world.user("ada", roles=["dbx-ml"])
    world.rule(role_glob="dbx-*", group="{1}", create=True)
    at = stage(world)
    saved = at.save()
    assert at.run("apply", saved).counts == {"add": 1, "remove": 0, "held": 0, "frozen": 0, "writes": 2}
    assert at.members("ml") == {"ada"}
    at.assert_settled()


def test_somebody_made_the_group_meanwhile(stage):
    world = World()
    world.user("ada", roles=["dbx-ml"])
    world.rule(role_glob="dbx-*", group="{1}", create=True)
    at = stage(world)
    saved = at.save()
    at.edit({"op": "dbx_group_add", "group": "ml"})
    at.forget()
    at.run("apply", saved, code=6)
    assert at.writes() == [] and at.members("ml") == set()
    at.assert_converged()


def test_foreign_members_are_not_adopted_by_apply_of_a_plan_without_them(at):
    saved = grown(at)
    at.run("apply", saved)
    assert left(at.plan("--refresh", "always"), "foreign") == set()
