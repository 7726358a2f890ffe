"""Broken answers to writes: never the same PATCH twice, an outcome row for each, and the next run converges."""

import pytest
from keybricks import OPEN, World, later
from reading import END, START, changed, recover, state

NOTHING_DONE = {
    "500": {"status": 500, "body": "{}"}, "scim-500": "scim_500", "html-503": "html_503", "504": "platform_504", "reset": "reset",
    "closed": "close_before_headers", "400": {"status": 400, "body": "{}"}, "403": "platform_403", "404": {"status": 404, "body": "{}"},
    "409": {"status": 409, "body": "{}"}, "412": {"status": 412, "body": "{}"},
    "302": {"status": 302, "body": "", "headers": {"Location": "/"}}, "html-200": "html_200", "200-that-did-nothing": {"status": 200, "body": "{}"},
    "204-that-did-nothing": {"status": 204, "body": ""},
}
ALL_DONE = {
    "500": {"apply_then": 500}, "502": {"apply_then": 502}, "504": {"apply_then": "platform_504"}, "reset": {"apply_then": "reset"},
    "closed": {"apply_then": "close_before_headers"}, "html": {"apply_then": "html_503"}, "empty": {"apply_then": "empty_200"},
    "cut": {"truncate_ok": 1},
}


def patch_of(at, group="ml"):
    return {"method": "PATCH", "path_regex": f"/Groups/{at.world.id(group)}"}


def about(body):
    return body["group"], body["add"], body["remove"], body["request"]


def patches(at, group="ml"):
    return len([path for method, path, _ in at.writes() if method == "PATCH" and path.endswith(at.world.id(group))])


# ---- PATCH ----

@pytest.mark.parametrize("do", NOTHING_DONE.values(), ids=NOTHING_DONE.keys())
def test_a_patch_that_did_nothing_is_not_repeated(stage, do):
    at = changed(stage)
    at.fault(do, "dbx", **patch_of(at), times=-1)
    result = at.sync(code=7)
    assert patches(at) == 1, "it may have been applied: nobody knows before reading"
    assert state(at) == END | {"ml": START["ml"]} and (result.counts["add"], result.counts["remove"]) == (2, 2)
    recover(at)  # the intent has its one outcome at the latest now
    intent = next(row["body"] for row in at.audit("intent") if at.world.id("ml") in row["body"]["group"] and row["body"]["remove"])
    outcome, = (row["body"] for row in at.audit("outcome") if about(row["body"]) == about(intent))
    assert outcome["result"] in ("rejected", "unverified")


@pytest.mark.parametrize("do", ALL_DONE.values(), ids=ALL_DONE.keys())
def test_a_patch_that_was_done_although_the_answer_is_bad(stage, do):
    at = changed(stage)
    at.fault(do, "dbx", **patch_of(at), times=-1)
    result = at.sync()  # what the reading shows counts, not what the answer said
    assert patches(at) == 1 and state(at) == END
    assert (result.counts["add"], result.counts["remove"], result.counts["writes"]) == (3, 3, 3)
    assert set(at.results()) == {"applied"}
    recover(at)


@pytest.mark.parametrize("done", [1, 2])
def test_a_patch_that_was_done_by_half(stage, done):
    """fail_after_ops: so many operations happen, then 500."""
    at = stage(company := _two_and_two())
    at.sync()
    at.edit(*_swap())
    at.forget()
    at.fault({"fail_after_ops": done}, "dbx", **patch_of(at))
    result = at.sync(code=7)
    assert patches(at) == 1
    assert result.counts["remove"] == done and result.counts["add"] == 0
    at.assert_converged()
    row = next(row["body"] for row in at.audit("outcome") if company.ids["n0"] in row["body"]["add"])
    assert row["result"] not in ("applied", "rejected")
    assert at.members("ml") == {"p2", "n0", "n1"}


def _two_and_two():
    world = World()
    for name in ("p0", "p1", "p2"):
        world.user(name, roles=["ml"])
    world.user("n0")
    world.user("n1")
    world.rule(role="ml", group="ml")
    world.group("ml")
    return world


def _swap():
    return ({"op": "kc_role_revoke", "role": "ml", "username": "p0"}, {"op": "kc_role_revoke", "role": "ml", "username": "p1"},
            {"op": "kc_role_grant", "role": "ml", "username": "n0"}, {"op": "kc_role_grant", "role": "ml", "username": "n1"})


@pytest.mark.parametrize("retry", [None, "0", "1", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-5", "1.5"])
def test_429_says_that_nothing_was_done_so_it_is_sent_again(stage, retry):
    at = changed(stage)
    at.fault({"status": 429, "body": "", **({"retry_after": retry} if retry else {})}, "dbx", **patch_of(at))
    at.sync()
    assert patches(at) == 2 and state(at) == END
    at.assert_settled()


def test_429_for_ever_is_given_up(stage):
    at = changed(stage)
    at.fault({"status": 429, "body": "", "retry_after": "0"}, "dbx", **patch_of(at), times=-1)
    at.sync(code=7)
    assert at.members("ml") == START["ml"]
    at.assert_journal()
    recover(at)


@pytest.mark.parametrize("retry", ["999999999999999999999", "86400", "Fri, 31 Dec 2066 23:59:59 GMT"], ids=["huge", "a day", "a date"])
def test_a_wait_that_is_longer_than_the_budget_ends_that_write_at_once(stage, retry):
    """Retry-After is obeyed up to 120 s and within run.retry_budget_s: no waiting for nothing."""
    at = changed(stage, run={"retry_budget_s": 5})
    at.fault({"status": 429, "body": "", "retry_after": retry}, "dbx", **patch_of(at), times=-1)
    result = at.sync(code=7)
    assert patches(at) == 1 and at.members("ml") == START["ml"], str(result)
    recover(at)


def test_401_once_gets_a_new_token_and_is_sent_again(stage):
    at = changed(stage)
    at.fault("unauthorized_401", "dbx", **patch_of(at))
    at.sync()
    assert at.kinds("dbx")["token"] == 2 and state(at) == END


def test_401_for_ever(stage):
    at = changed(stage)
    at.fault("unauthorized_401", "dbx", method="PATCH", times=-1)
    result = at.sync(code=None)
    assert result.code in (5, 7), str(result)
    assert state(at) == START
    recover(at)


@pytest.mark.parametrize("knobs", [{"patch_reply": "204"}, {"patch_reply": "200-empty"}, {"patch_reply": "200-object"},
                                   {"patch_reply": "200-full"}, {"content_type": "text/plain"}, {"readd": "409", "reremove": "400"},
                                   {"readd": "400", "reremove": "409"}, {"unknown_id": "404"}, {"list_members": True},
                                   {"items_per_page": 0}, {"resources_missing": True}], ids=str)
def test_each_way_databricks_has_been_seen_to_answer(stage, knobs):
    at = changed(stage)
    at.sim.knobs(**knobs)
    at.sync()
    assert state(at) == END
    at.assert_settled()


def test_a_silently_dead_connection_carries_each_patch_once(stage):
    """libcurl sends a request again on a new connection when a kept one died; for a write it must not."""
    at = changed(stage)
    at.fault("close_before_headers", "dbx", method="PATCH", times=-1)
    at.sync(code=None)
    assert [patches(at, group) for group in START] == [1, 1, 1]
    assert state(at) == START
    recover(at)


# ---- reading back ----

@pytest.mark.slow
def test_stale_reads_are_waited_for(stage):
    at = changed(stage, run={"verify_s": 10})
    at.fault({"stale_reads": 2}, "dbx", **patch_of(at))
    at.sync()
    assert patches(at) == 1 and state(at) == END


@pytest.mark.slow
def test_reads_that_flip_back_are_waited_for(stage):
    at = changed(stage, run={"verify_s": 10})
    at.fault({"stale_reads": 1, "flip_back": True}, "dbx", **patch_of(at))
    at.sync(code=None)
    assert patches(at) == 1 and state(at) == END
    recover(at)


def test_stale_reads_longer_than_verify_s_are_unverified(stage):
    at = changed(stage)
    at.fault({"stale_reads": 1}, "dbx", **patch_of(at))
    result = at.sync(code=7)
    assert "unverified" in result.message
    at.forget()
    at.calm()
    at.sync()
    assert at.writes() == [] and state(at) == END  # it had arrived all along


def test_a_pair_that_stays_unverified_is_stuck_and_tried_once_a_day(stage):
    at = changed(stage)
    at.fault({"status": 200, "body": "{}"}, "dbx", **patch_of(at), times=-1)
    for _ in range(3):
        at.sync(code=7)
    assert patches(at) == 3
    plan = at.plan(code=7)
    assert {one["group"] for one in plan["left_alone"]["stuck"]} == {"ml"}
    at.sync(code=7)
    assert patches(at) == 3
    at.sync(code=7, env=later("25h"))
    assert patches(at) == 4
    at.calm()
    at.sync(env=later("50h"))
    assert state(at) == END


# ---- somebody else writes too ----

def hand(op, member):
    return {"hook": [{"op": op, "group": "ml", "member": member + "@acme.example"}]}


def test_a_group_that_moves_between_reading_and_writing_is_refused(stage):
    at = changed(stage)
    at.fault(hand("dbx_member_add", "dan"), "dbx", method="GET", path_regex=f"/Groups/{at.world.id('ml')}")
    result = at.sync(code=None)
    assert result.code in (0, 7), str(result)
    assert "dan" in at.members("ml")  # what somebody added stays: nobody decided about it
    if result.code == 7:
        assert patches(at) == 0
    at.assert_journal()
    at.calm()
    at.sync()
    assert at.members("ml") == END["ml"] | {"dan"}


@pytest.mark.parametrize("op,member", [("dbx_member_add", "new"), ("dbx_member_remove", "out"), ("dbx_member_remove", "ada")])
@pytest.mark.parametrize("knobs", [{}, {"readd": "409", "reremove": "409"}], ids=["ok", "409"])
def test_somebody_edits_just_before_the_patch(stage, knobs, op, member):
    at = changed(stage)
    at.sim.knobs(**knobs)
    at.fault(hand(op, member) | {"when": "before"}, "dbx", **patch_of(at))
    at.sync(code=None)
    assert patches(at) == 1
    at.assert_journal()
    at.calm()
    at.sync("--refresh", "always")
    assert state(at) == END
    at.assert_settled()


def test_a_person_deleted_in_databricks_meanwhile(stage):
    at = changed(stage)
    at.sim.knobs(unknown_id="404")
    at.fault({"hook": [{"op": "dbx_user_delete", "userName": "new@acme.example"}], "when": "before"}, "dbx", **patch_of(at))
    at.sync(code=7)
    at.assert_journal()
    at.calm()
    at.sync()  # now without a principal: unmatched, and nothing to do
    assert at.members("ml") == {"ada", "bob"}
    at.assert_settled()


def test_a_group_deleted_meanwhile(stage):
    at = changed(stage)
    at.fault({"hook": [{"op": "dbx_group_delete", "group": "ml"}], "when": "before"}, "dbx", **patch_of(at))
    at.sync(code=7)
    assert at.members("ops") == END["ops"]
    at.assert_journal()
    at.sync(code=7)  # no such group


# ---- POST ----

def creating(stage, **settings):
    world = World()
    for name in ("ml", "ops"):
        world.user(f"u-{name}", roles=[f"dbx-{name}"])
    world.rule(role_glob="dbx-*", group="{1}", create=True)
    return stage(world, **{"run": {"tries": 2, "retry_budget_s": 5, "verify_s": 0}} | settings)


@pytest.mark.parametrize("do", [{"apply_then": 500}, {"apply_then": "reset"}, {"apply_then": "close_before_headers"}, {"apply_then": "html_200"},
                                {"apply_then": "empty_200"}, {"status": 500, "body": ""}, "reset", "html_200", "platform_403",
                                {"status": 201, "body": "{}"}, {"status": 201, "body": {"id": "not-a-number", "displayName": "ml"}}], ids=str)
def test_a_post_with_a_bad_answer_makes_one_group_in_the_end(stage, do):
    at = creating(stage)
    at.fault(do, "dbx", method="POST", path_regex="/Groups", body='"ml"')
    result = at.sync(code=None)
    assert result.code in (0, 7), str(result)
    assert at.members("ops") == {"u-ops"}
    at.assert_converged()
    groups = [one["displayName"] for one in at.sim.control("GET", "state")["groups"]]
    assert groups.count("ml") == 1 and at.members("ml") == {"u-ml"}


def test_somebody_makes_the_group_just_before(stage):
    at = creating(stage)
    at.fault({"hook": [{"op": "dbx_group_add", "group": "ml"}], "when": "before"}, "dbx", method="POST", path_regex="/Groups", body='"ml"')
    result = at.sync(code=None)
    assert result.code in (0, 7), str(result)
    at.assert_converged()
    assert at.members("ml") == {"u-ml"}


def test_post_answers_200(stage):
    at = creating(stage)
    at.sim.knobs(post_status=200)
    at.sync()
    assert at.members("ml") == {"u-ml"}
    at.assert_settled()


# ---- the breaker ----

def many(stage, groups):
    world = World()
    for i in range(groups):
        world.user(f"u{i:02}", roles=[f"r{i:02}"])
        world.rule(role=f"r{i:02}", group=f"g{i:02}")
        world.group(f"g{i:02}")
    at = stage(world, guards=OPEN, run={"tries": 1})
    at.configure(targets=[at.target(concurrency=1)])
    return at


def test_write_errors_stop_after_five_in_a_row(stage):
    at = many(stage, 9)
    at.fault({"status": 403, "body": "{}"}, "dbx", method="PATCH", times=-1)
    result = at.sync(code=3)
    assert "write_errors" in result.message and len(at.writes()) == 5
    assert result.counts["held"] == 4 and result.counts["writes"] == 5
    at.assert_journal()
    at.assert_converged()


def test_write_errors_lets_four_in_a_row_pass(stage):
    at = many(stage, 9)
    at.fault({"status": 403, "body": "{}"}, "dbx", method="PATCH", times=4)
    result = at.sync(code=7)
    assert result.counts["held"] == 0 and result.counts["add"] == 5
    at.assert_converged()


def test_write_errors_stop_at_a_fifth_of_many(stage):
    at = many(stage, 30)
    for i in range(0, 30, 3):
        at.fault({"status": 403, "body": "{}"}, "dbx", method="PATCH", path_regex=at.world.id(f"g{i:02}"), times=-1)
    result = at.sync(code=3)
    assert "write_errors" in result.message and 10 <= len(at.writes()) < 30
    at.assert_converged()


def test_one_bad_group_in_twenty_stops_nothing(stage):
    at = many(stage, 20)
    at.fault({"status": 403, "body": "{}"}, "dbx", method="PATCH", path_regex=at.world.id("g03"), times=-1)
    assert at.sync(code=7).counts["add"] == 19


# ---- the end of time ----

@pytest.mark.slow
@pytest.mark.parametrize("do", ["hang", {"apply_then": "hang"}], ids=["not-done", "done"])
def test_a_patch_without_an_answer_is_resolved_by_the_next_run(stage, do):
    at = changed(stage, run={"deadline_s": 3})
    at.fault(do, "dbx", **patch_of(at))
    at.sync(code=75)
    assert patches(at) == 1
    at.configure(run={"deadline_s": 60})
    recover(at)


@pytest.mark.slow
def test_a_run_that_cannot_finish_leaves_whole_groups_and_says_what_is_left(stage):
    """One PATCH, then the rate has no other for a hundred seconds, and the deadline comes first."""
    at = many(stage, 6)
    at.configure(run={"deadline_s": 6}, targets=[at.target(rate={"patch": 0.01})])
    result = at.sync(code=75)
    sent = result.counts["writes"]
    assert sent <= 1 and [len(at.members(f"g{n:02}")) for n in range(6)].count(1) == sent
    left = result.out.count("[not sent: ") + result.out.count("[rejected: the time allowed for this run is over]")
    assert left == 6 - sent and "the next run goes on" in result.message, str(result)
    assert len(at.audit("intent")) - len(at.audit("outcome")) == sent  # only what was sent is to be resolved
    at.configure(run={"deadline_s": 60}, targets=[at.target()])
    at.sync()
    assert all(len(at.members(f"g{n:02}")) == 1 for n in range(6))
    at.assert_settled()
