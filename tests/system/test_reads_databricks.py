"""Broken answers of Databricks: no wrong write, the right exit code, and the next clean run converges."""

import pytest
from reading import BROKEN, END, START, changed, passing, recover, state

LISTS = {"users": r"/Users\?", "service-principals": r"/ServicePrincipals\?", "groups": r"/Groups\?"}
UNAUTHORIZED = "unauthorized_401"


def faulty(at, do, regex, **more):
    at.fault(do, "dbx", path_regex=regex, times=-1, **more)


@pytest.mark.parametrize("do", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("regex", LISTS.values(), ids=LISTS.keys())
def test_a_broken_listing_is_a_failed_target(stage, regex, do):
    at = changed(stage)
    faulty(at, do, regex)
    at.sync(code=5)
    assert at.fired()[0] > 0 and at.writes() == []
    recover(at)


@pytest.mark.parametrize("do", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_group_is_frozen_and_the_others_go_on(stage, do):
    at = changed(stage)
    faulty(at, do, f"/Groups/{at.world.id('ml')}")
    result = at.sync(code=None)
    assert result.code in ((5, 7) if do == UNAUTHORIZED else (7,)), str(result)
    if result.code == 7:
        assert result.counts["frozen"] == 1 and state(at) == END | {"ml": START["ml"]}
    recover(at, {"ml"})


@pytest.mark.parametrize("do", BROKEN.values(), ids=BROKEN.keys())
def test_every_group_broken_is_a_failed_target(stage, do):
    at = changed(stage)
    faulty(at, do, r"/Groups/[0-9]+")
    result = at.sync(code=None)
    assert result.code == 5, str(result)
    assert at.writes() == []
    recover(at)


@pytest.mark.parametrize("regex,do", passing(["/token", r"/Users\?", r"/ServicePrincipals\?", r"/Groups\?", r"/Groups/[0-9]+"]))
def test_trouble_that_passes_is_not_noticed(stage, regex, do):
    at = changed(stage, run={"tries": 4, "retry_budget_s": 30, "verify_s": 0})
    at.fault(do, "dbx", path_regex=regex, method="GET" if regex != "/token" else "POST")
    at.sync()
    assert at.fired() == [1] and state(at) == END
    at.assert_settled()


# ---- lists that lie ----

@pytest.mark.parametrize("do", [{"drop_rows": 1}, {"dup_rows": 1}, "empty_list"], ids=str)
@pytest.mark.parametrize("regex", LISTS.values(), ids=LISTS.keys())
def test_a_listing_that_lies_removes_nobody(stage, regex, do):
    at = changed(stage)
    faulty(at, do, regex)
    at.sync(code=None)
    recover(at)


def test_pages_that_repeat_are_not_trusted(stage):
    at = changed(stage)
    at.sim.knobs(page_max=3)
    faulty(at, "repeat_page", r"/Users\?")
    at.sync(code=None)
    recover(at)


def test_a_member_that_no_listing_explains_is_never_removed(stage):
    """The listing is short of one person, consistently: the member is a doubt, not an absence."""
    at = changed(stage)
    at.fault({"hook": [{"op": "dbx_user_add", "userName": "late@acme.example"},
                       {"op": "dbx_member_add", "group": "ml", "member": "late@acme.example"}]}, "dbx", path_regex=r"/Users\?")
    at.sync(code=None)
    assert "late" in at.members("ml")


# ---- who we are ----

def test_a_refused_login_is_a_sentence_with_the_cure(stage):
    at = changed(stage)
    at.edit({"op": "dbx_secret", "secret": "other"})
    result = at.sync(code=5)
    assert "401" in result.message and "secret" in result.message
    assert at.writes() == [] and at.kinds("dbx") == {"token": 1}


def test_a_wrong_account_id_is_named(stage):
    at = changed(stage)
    (at.state / "acme.db").unlink()
    at.configure(targets=[at.target(account_id="99999999-2222-4333-8444-555555555555")])
    result = at.sync(code=5)
    assert "account" in result.message and at.writes() == []


def test_nobody_listens(stage):
    at = changed(stage)
    (at.state / "acme.db").unlink()
    at.configure(targets=[at.target(host="http://127.0.0.1:1")])
    assert "127.0.0.1" in at.sync(code=5).message
    assert at.writes() == []


def test_both_sides_down_is_the_sources_code(stage):
    at = changed(stage)
    faulty(at, {"status": 503, "body": ""}, "Groups")
    at.fault({"status": 503, "body": ""}, "kc", path_regex="/admin/", times=-1)
    at.sync(code=4)
    recover(at)


def test_a_token_that_ends_in_the_middle_is_renewed(stage):
    at = changed(stage)
    at.sim.knobs(dbx_token_life_s=1)
    at.fault({"delay_ms": 1100}, "dbx", path_regex=r"/Groups\?")
    at.sync()
    assert at.kinds("dbx")["token"] >= 2 and state(at) == END


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_expired_token_in_the_middle_is_replaced_once(stage, status):
    at = changed(stage)
    at.sim.knobs(dbx_expired_status=status)
    at.sync(code=None)
    recover(at)


@pytest.mark.slow
@pytest.mark.parametrize("regex", ["/token", r"/Users\?", r"/Groups/[0-9]+"])
def test_silence_ends_with_the_deadline(stage, regex):
    at = changed(stage)
    at.configure(run={"deadline_s": 2})
    faulty(at, "hang", regex)
    at.sync(code=75)
    assert at.writes() == []
    at.configure(run={"deadline_s": 60})
    recover(at)


@pytest.mark.slow
def test_rate_limits_are_obeyed(stage):
    """429 with Retry-After for everything above four a second: it takes longer, and all goes well."""
    at = changed(stage, run={"tries": 5, "retry_budget_s": 60, "verify_s": 0})
    at.sim.knobs(rate={"get": 2, "list": 2, "patch": 1})
    at.sync()
    assert state(at) == END


def test_a_dead_target_does_not_stop_the_other(stage):
    at = changed(stage)
    dead = at.target(name="dead", host="http://127.0.0.1:1")
    at.configure(targets=[dead, at.target()])
    at.sync(code=5)
    assert state(at) == END
