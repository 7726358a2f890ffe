"""Every write ends as what is true: too large, refused, accepted and not done, shown late, shown and taken back."""

import pytest
from keybricks import MAIL, OPEN, World, left, later, ops

SLOW = pytest.mark.slow


def one_group(*members, people=2, **fields):
    world = World()
    world.users("p", people, roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml", *members, **fields)
    return world


def sizes(at):
    """[(removals, [members of each add])] of the PATCHes that reached the server."""
    out = []
    for method, _, body in at.writes():
        if method == "PATCH":
            each = body["Operations"]
            out.append((sum(op["op"] == "remove" for op in each), [len(op["value"]) for op in each if op["op"] == "add"]))
    return out


def notes(at, result="unverified"):
    return [row["body"] for row in at.audit("outcome") if row["body"]["result"] == result]


# ---- too large: halve ----

TOO_LARGE = [{"status": 413, "body": "too big"},
             {"status": 400, "body": {"detail": "Too many operations in one request.", "status": "400"}}]


@pytest.mark.parametrize("do", TOO_LARGE, ids=["413", "400"])
def test_too_large_is_halved_until_it_fits(stage, do):
    at = stage(one_group(people=120), run={"verify_s": 0}, guards=OPEN)
    at.fault(do, "dbx", method="PATCH")
    at.sim.control("POST", "faults", [{"side": "dbx", "match": {"method": "PATCH", "nth": 2}, "do": do}])
    result = at.sync()
    assert sizes(at) == [(0, [50, 50, 20]), (0, [50])] + [(0, [25])] * 4 + [(0, [20])]
    assert result.counts == {"add": 120, "remove": 0, "held": 0, "frozen": 0, "writes": 7}
    assert at.results() == ["rejected"] * 2 + ["applied"] * 5
    at.assert_settled()


def test_too_large_removals_are_halved_too_and_stay_in_front(stage):
    world = one_group(people=30)
    world.rules[0]["foreign"] = "remove"
    world.group("ml", *[f"s{i}" for i in range(12)])
    at = stage(world, guards=OPEN)
    at.fault(TOO_LARGE[0], "dbx", method="PATCH")
    result = at.sync()
    assert sizes(at) == [(12, [30]), (6, []), (6, []), (0, [30])]
    assert result.counts["remove"] == 12 and result.counts["add"] == 30
    at.assert_settled()


def test_what_is_too_large_alone_is_rejected_and_the_others_go_on(stage):
    world = one_group(people=1)
    world.user("q", roles=["ops"])
    world.rule(role="ops", group="ops")
    world.group("ops")
    at = stage(world, guards=OPEN)
    at.fault(TOO_LARGE[0], "dbx", method="PATCH", substring=world.id("ml"))
    result = at.sync(code=7)
    assert at.members("ml") == set() and at.members("ops") == {"q"}
    assert "1 operations rejected" in result.message and at.results().count("rejected") == 1
    at.assert_converged()


# ---- accepted, and not done ----

NOTHING = {"status": 200, "body": "{}"}


def test_200_with_nothing_done_is_unverified_and_says_what_it_may_be(stage):
    at = stage(one_group(), guards=OPEN)
    at.fault(NOTHING, "dbx", method="PATCH")
    result = at.sync(code=7)
    assert result.counts["add"] == 0 and "2 unverified" in result.message
    outcome, = notes(at)
    assert len(outcome["unverified"]) == 2 and len(at.writes()) == 1  # no second corrective PATCH in one run
    at.assert_converged()


def test_an_id_that_is_dropped_is_judged_alone(stage):
    """One of two members is deleted between the listing and the PATCH: the other one is in."""
    at = stage(one_group(), guards=OPEN)
    at.sim.control("POST", "faults", [{"side": "dbx", "match": {"method": "PATCH"}, "do": {
        "hook": [{"op": "dbx_user_delete", "userName": "p000" + MAIL}], "when": "before"}}])
    result = at.sync(code=7)
    assert at.members("ml") == {"p001"} and result.counts["add"] == 1
    outcome, = notes(at)
    assert outcome["unverified"] == [at.world.id("p000")]
    at.assert_converged()


@pytest.mark.parametrize("mode", ["400", "404"])
def test_an_unknown_member_that_is_refused_is_rejected(stage, mode):
    world = one_group()
    world.knobs["unknown_id"] = mode
    at = stage(world, guards=OPEN)
    at.sim.control("POST", "faults", [{"side": "dbx", "match": {"method": "PATCH"}, "do": {
        "hook": [{"op": "dbx_user_delete", "userName": "p000" + MAIL}], "when": "before"}}])
    at.sync(code=7)
    assert "unverified" not in at.results()
    at.assert_converged()


@pytest.mark.parametrize("knob,value,change,status", [
    ("readd", "409", {"op": "dbx_member_add", "group": "ml", "member": "p000" + MAIL}, 409),
    ("reremove", "400", {"op": "dbx_member_remove", "group": "ml", "member": "old" + MAIL}, 400),
])
def test_refused_because_it_is_so_already(stage, knob, value, change, status):
    world = one_group(people=1)
    if knob == "reremove":
        world.dbx_groups.clear()
        world.group("ml", "p000", "old")
        world.rules[0]["foreign"] = "remove"
    world.knobs[knob] = value
    at = stage(world, guards=OPEN)
    at.sim.control("POST", "faults", [{"side": "dbx", "match": {"method": "PATCH"}, "do": {"hook": [change], "when": "before"}}])
    result = at.sync()
    assert at.results() == ["applied_already"] and [one["status"] for one in at.log("dbx", method="PATCH")] == [status]
    assert result.counts["add"] + result.counts["remove"] == 1
    at.assert_settled()


# ---- stuck pairs ----

def test_a_pair_that_never_works_is_stuck_and_tried_once_a_day(stage):
    at = stage(one_group(people=1), guards=OPEN)
    at.sim.control("POST", "faults", [{"side": "dbx", "match": {"method": "PATCH", "times": -1}, "do": NOTHING}])
    for _ in range(3):
        assert at.sync(code=7).counts["writes"] == 1
    for _ in range(2):
        result = at.sync(code=7)
        assert result.counts["writes"] == 0 and "stuck" in result.message
    plan = at.plan(code=7)
    assert left(plan, "stuck") == {("ml", "p000")} and ops(plan) == set()
    assert "3 runs" in plan["left_alone"]["stuck"][0]["note"]
    at.calm()
    assert at.sync(code=7).counts["writes"] == 0  # not yet
    assert at.sync(env=later("25h")).counts["add"] == 1
    assert left(at.plan(env=later("25h")), "stuck") == set()


def test_stuck_counts_runs_in_a_row_and_ends_when_somebody_else_did_it(stage):
    at = stage(one_group(people=1), guards=OPEN)
    at.sim.control("POST", "faults", [{"side": "dbx", "match": {"method": "PATCH", "times": -1}, "do": NOTHING}])
    for _ in range(3):
        at.sync(code=7)
    at.edit({"op": "dbx_member_add", "group": "ml", "member": "p000" + MAIL})
    assert left(at.plan("--refresh", "always"), "stuck") == set()
    at.sync("--refresh", "always")
    at.edit({"op": "dbx_member_remove", "group": "ml", "member": "p000" + MAIL})
    assert at.sync("--refresh", "always", code=7).counts["writes"] == 1  # counts from one again


def test_a_stuck_addition_says_nothing_about_the_removal(stage):
    at = stage(one_group(), guards=OPEN)
    at.sim.control("POST", "faults", [{"side": "dbx", "match": {"method": "PATCH", "times": -1}, "do": NOTHING}])
    for _ in range(3):
        at.sync(code=7)
    at.calm()
    at.edit({"op": "dbx_member_add", "group": "ml", "member": "p000" + MAIL}, {"op": "kc_role_revoke", "role": "ml", "username": "p000"})
    assert at.sync("--refresh", "always", code=7).counts["remove"] == 1  # the other one is still stuck


# ---- stale reads ----

@SLOW
@pytest.mark.parametrize("flip", [False, True])
def test_a_stale_reading_is_asked_again_until_two_agree(stage, flip):
    at = stage(one_group(), run={"verify_s": 20}, guards=OPEN)
    at.fault({"stale_reads": 1, "flip_back": flip}, "dbx", method="PATCH")
    result = at.sync()
    assert result.counts["add"] == 2 and result.counts["writes"] == 1 and at.results() == ["applied"]
    after = [one for one in at.log("dbx") if one["n"] > at.log("dbx", method="PATCH")[0]["n"] and one["kind"] == "get_group"]
    assert len(after) == (4 if flip else 3)  # old, new, new; or old, new, old, new, and run.verify_s is over
    at.calm()
    at.assert_settled()


def test_the_normal_case_is_one_reading_after_the_write(stage):
    at = stage(one_group(), run={"verify_s": 20}, guards=OPEN)
    at.sync()
    patch, = at.log("dbx", method="PATCH")
    assert [one["kind"] for one in at.log("dbx") if one["n"] > patch["n"]] == ["get_group"]


def test_a_stale_reading_at_the_end_is_unverified_and_not_remembered(stage):
    """The addition is done, but reads show the old state until the run is over; then the role is taken away."""
    at = stage(one_group(), guards=OPEN)
    at.fault({"stale_reads": 1}, "dbx", method="PATCH")
    at.sync(code=7)
    assert at.members("ml") == {"p000", "p001"} and at.results() == ["unverified"]
    at.calm()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"})
    assert at.sync().counts == {"add": 0, "remove": 1, "held": 0, "frozen": 0, "writes": 1}
    at.assert_settled()


def test_a_reading_that_flips_back_does_not_make_a_leaver_a_stranger(stage):
    """Added and verified; then revoked, while the next run reads the state of before the addition."""
    at = stage(one_group(), guards=OPEN)
    at.sync()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "p000"})
    old = {"id": at.world.id("ml"), "displayName": "ml", "meta": {"resourceType": "Group"}}
    at.fault({"status": 200, "body": old}, "dbx", method="GET", substring="/Groups/" + at.world.id("ml"), times=2)
    at.sync("--refresh", "always", code=7)  # read once more before writing: it moved
    assert at.fired() == [2]
    at.calm()
    assert at.sync("--refresh", "always").counts["remove"] == 1
    assert at.members("ml") == {"p001"}
    at.assert_settled()


def test_a_snapshot_of_before_a_killed_write_is_not_believed(stage):
    """The answer is lost and the run ends there: what the snapshot remembers of the group is older than the write."""
    at = stage(one_group(people=1), guards=OPEN)
    at.sync()
    at.edit({"op": "kc_user_add", "username": "new", "email": "new" + MAIL}, {"op": "dbx_user_add", "userName": "new" + MAIL},
            {"op": "kc_role_grant", "role": "ml", "username": "new"})
    at.fault({"apply_then": "reset"}, "dbx", method="PATCH")
    at.sim.control("POST", "faults", [{"side": "dbx", "match": {"method": "GET", "substring": at.world.id("ml"), "nth": 3, "times": -1},
                                       "do": "plain_500"}])
    at.sync(code=7)
    assert at.members("ml") == {"p000", "new"}
    at.calm()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "new"})
    at.sync()
    assert at.members("ml") == {"p000"}
    at.assert_settled()


@SLOW
def test_an_open_intent_of_just_now_is_not_judged_by_one_stale_reading(stage):
    at = stage(one_group(), guards=OPEN)
    at.fault({"stale_reads": 3, "apply_then": "reset"}, "dbx", method="PATCH")
    at.fault("plain_500", "dbx", method="GET", substring="/Groups/" + at.world.id("ml"), nth=3, times=-1)
    at.sync(code=7)
    assert at.results() == [] and at.members("ml") == {"p000", "p001"}
    at.calm()
    at.configure(run={"verify_s": 20})
    result = at.sync()
    assert at.results() == ["applied"] and result.counts["writes"] == 0
    at.assert_settled()


# ---- levels and rights ----

WRONG = [{"status": 400, "body": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400",
                                  "detail": "Request is unparsable, syntactically incorrect, or violates schema.",
                                  "scimType": "Members attribute not supported for current workspace."}},
         {"status": 400, "body": {"error_code": "MALFORMED_REQUEST",
                                  "message": "Group membership cannot be updated as ml can only be managed in account."}},
         {"status": 500, "body": {"detail": "Error in performing the patch operation on group resource.", "status": "500"}}]


def workspace(stage, **group):
    world = one_group(people=1, **group)
    at = stage(world, guards=OPEN)
    at.configure(targets=[at.target(level="workspace", account_id=None)])
    return at


@pytest.mark.parametrize("do", WRONG, ids=["members not supported", "managed in account", "500"])
def test_wrong_level_answers_are_named_and_not_retried(stage, do):
    at = workspace(stage, level="workspace")
    at.fault(do, "dbx", method="PATCH")
    result = at.sync(code=7)
    assert len(at.writes()) == 1
    assert "wrong level" in result.out + result.err and "workspace_proxy" in result.out + result.err


def test_an_account_group_is_never_written_through_a_workspace(stage):
    at = workspace(stage)
    result = at.sync(code=7)
    assert at.writes() == []
    note = at.plan(code=7)["left_alone"]["frozen"][0]["note"]
    assert "wrong level" in note and 'level = "account"' in note and result.counts["frozen"] == 1


def test_403_on_one_group_is_rejected_and_the_others_go_on(stage):
    world = one_group(people=1)
    world.user("q", roles=["ops"])
    world.rule(role="ops", group="ops")
    world.group("ops")
    at = stage(world, guards=OPEN)
    at.fault("platform_403", "dbx", method="PATCH", substring=world.id("ml"))
    result = at.sync(code=7)
    assert at.members("ml") == set() and at.members("ops") == {"q"}
    assert result.counts["add"] == 1 and "1 operations rejected" in result.message
    assert "manager of this group" in result.out + result.err
    at.assert_converged()


# ---- throttled, dressed as 500 ----

def test_a_patch_that_is_throttled_by_500_is_not_repeated_and_the_next_run_goes_on(stage):
    at = stage(one_group(), guards=OPEN)
    at.fault("throttled_500", "dbx", method="PATCH")
    result = at.sync(code=7)
    assert len(at.writes()) == 1 and result.counts["add"] == 0
    at.assert_converged()
    assert at.members("ml") == {"p000", "p001"}


def test_a_listing_that_is_throttled_by_500_is_asked_again(stage):
    at = stage(one_group(), guards=OPEN)
    at.fault("throttled_500", "dbx", method="GET", substring="/Groups?")
    at.sync()
    assert at.members("ml") == {"p000", "p001"}
    assert len([one for one in at.log("dbx", method="GET") if one["path"].endswith("/Groups")]) == 2
