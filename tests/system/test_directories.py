"""User directories behind the realm. While one is down Keycloak answers 200 as if everybody had left it; nothing may follow
from that, and everything must when it is up again (interface, "Directories"; keycloak-verified.md section 8)."""

import re
import sqlite3
import zlib

import pytest
from keybricks import OPEN, World

DIRECTORY = "d1000000-0000-4000-8000-000000000001"
OTHER = "d2000000-0000-4000-8000-000000000002"
DOWN = "directory corp is down"
PEOPLE = {"ana", "bea", "cleo", "dora"}


def company(mode="READ_ONLY"):
    """Four people of directory corp and one of directory branch, by group and by the role it carries; two local people."""
    world = World()
    world.components = [{"id": DIRECTORY, "name": "corp"}, {"id": OTHER, "name": "branch"}]
    world.path("/staff", roles=["work"])
    fields = {} if mode != "none" else {"ids": True}
    for name in sorted(PEOPLE):
        world.user(name, groups=["/staff"], **({"federationLink": DIRECTORY} if not fields else {"id": f"f:{DIRECTORY}:{name}"}))
    world.user("otto", groups=["/staff"], federationLink=OTHER)
    world.user("lea", groups=["/staff"])
    world.user("leo", groups=["/staff"])
    world.user("new")
    world.rule(path="/staff", group="staff")
    world.rule(role="work", group="workers")
    for group in ("staff", "workers"):
        world.group(group, *sorted(PEOPLE), "otto", "lea", "leo")
    return world


ALL = PEOPLE | {"otto", "lea", "leo"}


def directory(at, **state):
    at.edit({"op": "kc_directory", "component": DIRECTORY} | state)


@pytest.fixture
def settled(stage):
    """mode -> a stage whose ledger knows everybody."""
    def make(mode="READ_ONLY", **settings):
        at = stage(company(mode), guards=OPEN | {"directory_contradicted_percent": 100} | settings.pop("guards", {}), **settings)
        directory(at, mode=mode, cache="warm")
        at.sync()
        assert at.members("staff") == at.members("workers") == ALL
        at.forget()
        return at
    return make


def unproven(plan):
    return {(one["group"], one["name"].partition("@")[0], one["note"]) for one in plan["left_alone"]["unproven"]}


@pytest.mark.parametrize("cache", ["warm", "cold"])
@pytest.mark.parametrize("mode", ["READ_ONLY", "IMPORT", "none"])
def test_down_removes_nobody_and_others_go_on(settled, mode, cache):
    at = settled(mode)
    directory(at, down=True, cache=cache)
    at.edit({"op": "kc_group_leave", "group": "/staff", "username": "leo"}, {"op": "kc_group_join", "group": "/staff", "username": "new"},
            {"op": "kc_group_leave", "group": "/staff", "username": "otto"})
    plan = at.plan(code=7)
    assert plan["source"]["complete"] is False
    if mode != "IMPORT" or cache == "cold":
        assert {(group, name, DOWN) for group in ("staff", "workers") for name in PEOPLE} <= unproven(plan)
    result = at.sync(code=7)
    assert "DIRECTORY DOWN  corp" in result.out.splitlines()[0] and DOWN in result.message, str(result)
    assert at.members("staff") == at.members("workers") == ALL - {"leo", "otto"} | {"new"}
    directory(at, down=False)
    at.sync()
    assert at.members("staff") == at.members("workers") == ALL - {"leo", "otto"} | {"new"}
    at.assert_settled()


def test_a_witness_is_asked_before_and_after(settled):
    at = settled()
    at.sync()
    kinds = [one["kind"] for one in at.log("kc")]
    lists = [i for i, kind in enumerate(kinds) if kind in ("members", "role_users")]
    asked = [i for i, kind in enumerate(kinds) if kind == "credentials"]
    assert len(asked) == 4 and kinds.count("components") == 1  # two directories, before and after
    assert max(asked[:2]) < min(lists) and min(asked[2:]) > max(lists)


@pytest.mark.parametrize("nth", [1, 3])
def test_one_bad_answer_of_the_witness_is_enough(settled, nth):
    """Down before the lists only, or after them only, while the lists themselves may be the truth or not."""
    at = settled()
    at.edit({"op": "kc_group_leave", "group": "/staff", "username": "ana"}, {"op": "kc_group_leave", "group": "/staff", "username": "leo"})
    at.fault({"status": 500, "body": {"error": "unknown_error"}}, "kc", path_regex="/credentials", nth=nth, times=2)  # of both directories
    at.sync(code=7)
    assert "ana" in at.members("staff") and "leo" not in at.members("staff")
    assert at.fired() == [2]
    at.calm()
    at.sync()
    assert at.members("staff") == at.members("workers") == ALL - {"ana", "leo"}


def test_down_between_plan_and_proof(settled):
    """The lists of the plan were the truth; those of the proof are not, and its witness says so."""
    at = settled()
    at.edit({"op": "kc_group_leave", "group": "/staff", "username": "ana"})
    at.fault({"hook": [{"op": "kc_directory", "component": DIRECTORY, "down": True, "cache": "cold"}], "when": "before"},
             "kc", path_regex=r"/users/[^/]*$")
    result = at.sync(code=7)
    assert result.out.startswith("DIRECTORY DOWN  corp"), str(result)
    assert at.fired() == [1] and at.members("staff") == ALL and at.writes() == []


@pytest.mark.parametrize("edit", [{"op": "kc_group_leave", "group": "/staff", "username": "ana"}, {"op": "kc_user_remove", "username": "ana"}],
                         ids=["left", "deleted"])
def test_the_witness_of_the_proof_counts_whatever_the_other_answers_say(settled, edit):
    """Two directories, each asked before the lists, after them and after a look-up: with the seventh question the proof begins."""
    at = settled()
    at.edit(edit)
    at.fault({"status": 500, "body": {"error": "unknown_error"}}, "kc", path_regex="/credentials", nth=7, times=-1)
    at.sync(code=7)
    assert at.fired() != [0] and at.members("staff") == ALL and at.writes() == []
    at.calm()
    at.sync()
    assert at.members("staff") == at.members("workers") == ALL - {"ana"}


def test_who_left_goes_although_the_cache_still_shows_the_group(settled):
    at = settled()
    directory(at, cache="warm")
    at.edit({"op": "kc_group_leave", "group": "/staff", "username": "ana"})
    shown = at.sim.kc(f"/users/{at.world.kc_id('ana')}/groups").json
    assert [one["path"] for one in shown] == ["/staff"]
    at.sync()
    assert at.members("staff") == at.members("workers") == ALL - {"ana"}
    at.assert_settled()


def test_a_role_that_no_left_group_explains_is_a_contradiction(settled):
    """ana leaves the group, and gets the role directly: the list of holders is hidden from the plan by a fault."""
    at = settled()
    directory(at, cache="warm")
    at.edit({"op": "kc_group_leave", "group": "/staff", "username": "ana"}, {"op": "kc_role_grant", "role": "work", "username": "ana"})
    at.fault("empty_list", "kc", path_regex="/roles/work/users")
    at.sync(code=7)
    assert "ana" not in at.members("staff") and "ana" in at.members("workers")


def test_contradicted_removals_have_a_guard(stage):
    """Half of a directory leaves its groups while the cache disagrees: a broken group search looks like that."""
    at = stage(company(), guards=OPEN | {"directory_contradicted_floor": 2})
    directory(at, cache="warm")
    at.sync()
    directory(at, cache="warm")
    at.edit(*({"op": "kc_group_leave", "group": "/staff", "username": name} for name in ("ana", "bea")),
            {"op": "kc_group_leave", "group": "/staff", "username": "leo"})
    result = at.sync(code=3)
    assert "directory_contradicted_percent" in result.out + result.message, str(result)
    assert at.members("staff") == ALL - {"leo"}
    assert "directory_contradicted_percent" in {row["body"]["name"] for row in at.audit("guard")}
    at.sync(code=3)  # the same without leo, who went
    at.approve(at.state / "acme.held.plan", "directory_contradicted_percent")
    at.sync()
    assert at.members("staff") == ALL - {"leo", "ana", "bea"}


def test_deleted_in_the_directory_goes_and_not_while_it_is_down(settled):
    at = settled()
    at.edit({"op": "kc_user_remove", "username": "ana"})
    directory(at, down=True)
    at.sync(code=7)
    assert "ana" in at.members("staff")
    directory(at, down=False)
    at.sync()
    assert at.members("staff") == ALL - {"ana"}


def test_a_removed_directory_has_no_witness_and_needs_none_for_deleted_people(settled):
    at = settled()
    at.edit(*({"op": "kc_user_remove", "username": name} for name in sorted(PEOPLE)))
    at.fault({"status": 200, "body": [{"id": OTHER, "name": "branch"}], "content_type": "application/json"}, "kc",
             path_regex="/components", times=-1)
    at.sync()
    assert at.members("staff") == ALL - PEOPLE


# ---- strangers ----

def test_nobody_of_that_name_proves_nothing_while_a_directory_is_down(stage):
    world = company()
    for rule in world.rules:
        rule["foreign"] = "remove"
    world.group("staff2", "eve")
    world.rule(role="other", group="staff2", foreign="remove")
    world.user("real", roles=["other"])
    at = stage(world, guards=OPEN)
    directory(at, down=True)
    plan = at.plan(code=7)
    assert ("staff2", "eve", DOWN) in unproven(plan)
    at.sync(code=7)
    assert "eve" in at.members("staff2")
    directory(at, down=False)
    at.sync()
    assert at.members("staff2") == {"real"}


def test_without_a_known_witness_the_lists_are_read_again(stage):
    """No ledger: who is in a directory is only known after the lists."""
    world = company()
    for rule in world.rules:
        rule["foreign"] = "remove"
    at = stage(world, guards=OPEN | {"directory_contradicted_percent": 100})
    at.edit({"op": "kc_group_leave", "group": "/staff", "username": "ana"})
    at.sync()
    assert at.members("staff") == ALL - {"ana"}
    kinds = [one["kind"] for one in at.log("kc")]
    first, last = kinds.index("credentials"), len(kinds) - 1 - kinds[::-1].index("credentials")
    assert first < kinds.index("members", first) < last


# ---- disabled in the directory ----

def age(at, seconds):
    """As if the first sight of people disabled in a directory were older."""
    def kb_sum(*values):
        data = b"".join(v.to_bytes(8, "big", signed=True) if isinstance(v, int) else v.encode() + b"\0" for v in values)
        return zlib.crc32(data)
    with sqlite3.connect(f"{at.state}/acme.db") as db:
        db.create_function("kb_sum", -1, kb_sum, deterministic=True)
        rows = db.execute("UPDATE directory_disabled SET since_s = since_s - ?1, "
                          "sum = kb_sum(user_id, directory, since_s - ?1)", (seconds,)).rowcount
    return rows


def disable(at, *names):
    at.edit(*({"op": "kc_user_set", "username": name, "disabled_in_directory": True} for name in names))
    directory(at, cache="cold")


def test_disabled_in_the_directory_is_believed_the_second_time(settled):
    at = settled()
    disable(at, "ana")
    result = at.sync()
    plan = at.plan()
    notes = {note for group, name, note in unproven(plan) if name == "ana"}
    assert result.counts["remove"] == 0 and at.members("staff") == ALL
    assert len(notes) == 1 and re.fullmatch(r"disabled in directory corp since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", notes.pop())
    assert age(at, 590) == 1
    at.sync()
    assert at.members("staff") == ALL
    age(at, 60)
    plan = at.plan()
    assert {op["cause"] for group in plan["groups"] for op in group["operations"]} == {"disabled_in_directory"}
    at.sync()
    assert at.members("staff") == at.members("workers") == ALL - {"ana"}
    at.assert_settled()


def test_enabled_again_in_between_starts_anew(settled):
    at = settled()
    disable(at, "ana")
    at.sync()
    age(at, 3600)
    at.edit({"op": "kc_user_set", "username": "ana", "disabled_in_directory": False})
    at.sync()
    assert age(at, 3600) == 0
    disable(at, "ana")
    at.sync()
    assert at.members("staff") == ALL


def test_report_never_removes(settled):
    at = settled(match={"directory_disabled": "report"})
    disable(at, "ana")
    at.sync()
    age(at, 3600)
    at.sync()
    assert at.members("staff") == ALL and "ana" in {name for _, name, _ in unproven(at.plan())}


def test_many_disabled_at_once_are_held(settled):
    at = settled(guards={"directory_disabled_floor": 2})
    disable(at, "ana", "bea", "cleo")
    at.sync()
    assert age(at, 3600) == 3
    result = at.sync(code=3)
    assert "directory_disabled_percent" in result.out + result.message and at.members("staff") == ALL


def test_poisoned_answers_of_an_outage_are_seen_through(settled):
    """26.4.0 keeps what it said while the directory was down: disabled, without groups; the live number disagrees."""
    at = settled()
    directory(at, cache="poisoned")
    at.sync()
    assert age(at, 3600) == 4
    at.sync(code=3)
    directory(at, cache="warm")
    at.sync()
    assert at.members("staff") == at.members("workers") == ALL


def test_poisoned_answers_are_not_proven(settled):
    at = settled(guards={"directory_disabled_percent": 100})
    directory(at, cache="poisoned")
    at.sync()
    age(at, 3600)
    at.sync(code=7)
    assert at.members("staff") == at.members("workers") == ALL


# ---- what the guards remember ----

def test_shrink_counts_people_of_a_down_directory_as_before(stage):
    at = stage(company(), guards=OPEN | {"source_shrink_percent": 20, "source_shrink_floor": 1})
    at.sync()
    directory(at, down=True, cache="cold")
    at.edit({"op": "kc_group_leave", "group": "/staff", "username": "leo"})
    at.sync(code=7)
    assert at.members("staff") == ALL - {"leo"}
