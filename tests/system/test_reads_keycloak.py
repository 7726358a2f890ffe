"""Broken answers of Keycloak: no wrong write, the right exit code, and the next clean run converges."""

import pytest
from reading import BROKEN, END, changed, passing, recover, state

# What is asked, and what depends on it: None means everything.
LISTS = {
    "roles": (r"/roles\?", None),
    "groups": (r"/groups\?", None),
    "holders": (r"/roles/ops/users", {"ops"}),
    "composite-holders": (r"/roles/job/users", {"ml"}),
    "composites": (r"/roles-by-id/[^/]*/composites", {"ml"}),
}


def faulty(at, do, regex, **more):
    at.fault(do, "kc", path_regex=regex, times=-1, **more)


@pytest.mark.parametrize("do", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("regex,frozen", LISTS.values(), ids=LISTS.keys())
def test_a_broken_list_writes_nothing_wrong(stage, regex, frozen, do):
    at = changed(stage)
    faulty(at, do, regex)
    result = at.sync(code=None)
    assert at.fired()[0] > 0
    if frozen is None:
        assert result.code == 4 and at.writes() == [], str(result)
        recover(at)
    else:
        assert result.code in ((4, 7) if do == "unauthorized_401" else (7,)), str(result)
        if result.code == 7:
            assert result.counts["frozen"] >= len(frozen)
        recover(at, frozen)


@pytest.mark.parametrize("do", BROKEN.values(), ids=BROKEN.keys())
def test_broken_member_lists_freeze_what_they_feed(stage, do):
    at = changed(stage)
    faulty(at, do, r"/groups/[^/]*/members")
    result = at.sync(code=None)
    assert result.code in ((4, 7) if do == "unauthorized_401" else (7,)), str(result)
    if result.code == 7:
        assert at.members("ops") == END["ops"]  # what does not depend on them goes on
    recover(at, {"ml", "eng"})


@pytest.mark.parametrize("do", BROKEN.values(), ids=BROKEN.keys())
def test_every_unit_broken_is_a_failed_source(stage, do):
    at = changed(stage)
    faulty(at, do, r"/members|/roles/[^/]*/users")
    at.sync(code=4)
    assert at.writes() == []
    recover(at)


@pytest.mark.parametrize("do", [do for name, do in BROKEN.items() if name != "404"], ids=[name for name in BROKEN if name != "404"])
def test_a_removal_without_proof_is_not_sent(stage, do):
    at = changed(stage)
    faulty(at, do, r"/users/[-0-9a-f]{36}/")
    result = at.sync(code=None)
    assert result.code in ((4, 7) if do == "unauthorized_401" else (7,)), str(result)
    assert not [row for row in at.history() if row[0] == "remove"]
    if result.code == 7:
        assert {name: at.members(name) for name in END} == {"ml": {"ada", "bob", "out", "new"}, "eng": {"bob", "eli", "fay"},
                                                            "ops": {"cyd", "dan", "eve"}}
    recover(at)


@pytest.mark.parametrize("regex,do", passing(["/token", r"/roles\?", r"/groups\?", "/roles/ops/users", "/members", "/composite"]))
def test_trouble_that_passes_is_not_noticed(stage, regex, do):
    at = changed(stage, run={"tries": 4, "retry_budget_s": 30, "verify_s": 0})
    at.fault(do, "kc", path_regex=regex)
    at.sync()
    assert at.fired() == [1] and state(at) == END
    at.assert_settled()


# ---- lists that lie ----

LIES = {"empty": "empty_list", "rows-dropped": {"drop_rows": 1}, "rows-twice": {"dup_rows": 1}}


@pytest.mark.parametrize("do", LIES.values(), ids=LIES.keys())
@pytest.mark.parametrize("regex", [r"/roles\?", r"/groups\?", "/roles/ops/users", "/roles/ml/users", r"/groups/[^/]*/members",
                                   "/roles-by-id/[^/]*/composites"])
def test_a_list_that_lies_removes_nobody(stage, regex, do):
    """Short lists look like good ones; the second endpoint knows better."""
    at = changed(stage, guards={"source_object_gone": False})
    faulty(at, do, regex)
    at.sync(code=None)
    done = at.history()
    assert {row for row in done if row[0] == "remove"} <= {("remove", "ml", "out"), ("remove", "ops", "dan"), ("remove", "eng", "eli")}
    recover(at)


def test_no_permission_is_an_empty_list_and_names_the_missing_role(stage):
    """With query-* only, Keycloak answers 200 with []."""
    at = changed(stage)
    at.edit({"op": "kc_permissions", "permissions": ["query-users", "query-groups", "query-clients", "view-realm"]})
    result = at.sync(code=4)
    assert "view-users" in result.message
    assert at.writes() == []
    at.edit({"op": "kc_permissions", "permissions": ["view-users", "view-realm", "view-clients"]})
    recover(at)


@pytest.mark.parametrize("permissions,word", [([], "view-"), (["view-users"], "view-realm"), (["view-realm"], "view-users")], ids=str)
def test_a_missing_permission_is_named(stage, permissions, word):
    at = changed(stage)
    at.edit({"op": "kc_permissions", "permissions": permissions})
    assert word in at.sync(code=4).message
    assert at.writes() == []


# ---- who we are ----

@pytest.mark.parametrize("edit", [{"op": "kc_secret", "secret": "other"}, {"op": "kc_client", "enabled": False}], ids=["secret", "client"])
def test_a_refused_login_is_a_sentence_with_the_cure(stage, edit):
    at = changed(stage)
    at.edit(edit)
    result = at.sync(code=4)
    assert "401" in result.message and "client" in result.message
    assert at.writes() == [] and at.kinds("kc") == {"token": 1}  # not tried again and again


@pytest.mark.parametrize("settings,word", [({"realm": "nowhere"}, "nowhere"), ({"client_id": "nobody"}, "nobody")], ids=["realm", "client"])
def test_a_wrong_name_is_named(stage, settings, word):
    at = changed(stage)
    at.configure(keycloak=settings)
    (at.state / "acme.db").unlink()
    result = at.sync(code=4)
    assert word in result.message
    assert at.writes() == []


def test_nobody_listens(stage):
    at = changed(stage)
    at.configure(keycloak={"url": "http://127.0.0.1:1"})
    (at.state / "acme.db").unlink()
    result = at.sync(code=4)
    assert "127.0.0.1" in result.message and at.writes() == []


def test_a_token_that_ends_in_the_middle_is_renewed(stage):
    at = changed(stage)
    at.sim.knobs(token_life_s=1)
    at.fault({"delay_ms": 1100}, "kc", path_regex=r"/roles\?")
    at.sync()
    assert at.kinds("kc")["token"] >= 2 and state(at) == END


def test_client_roles_broken_freeze_what_they_could_give(stage):
    at = changed(stage)
    at.configure(rules=[*at.world.rules, {"client_role": "portal:viewer", "group": "view"}])
    at.edit({"op": "dbx_group_add", "group": "view"})
    faulty(at, {"status": 500, "body": ""}, r"/clients\?")
    assert at.sync(code=7).counts["frozen"] >= 1
    assert at.members("eng") == END["eng"]  # client roles may give realm roles, but never group memberships
    recover(at, {"view"})


@pytest.mark.slow
@pytest.mark.parametrize("regex", ["/token", r"/roles\?", "/roles/ops/users"])
def test_silence_ends_with_the_deadline(stage, regex):
    at = changed(stage)
    at.configure(run={"deadline_s": 2})
    faulty(at, "hang", regex)
    at.sync(code=75)
    assert at.writes() == []
    at.configure(run={"deadline_s": 60})
    recover(at)


def test_slow_answers_are_no_fault(stage):
    at = changed(stage)
    faulty(at, {"drip_ms": 1, "drip_bytes": 16}, "/admin/")
    at.sync()
    assert state(at) == END


@pytest.mark.parametrize("size", [1, 2])
def test_a_body_over_the_cap_is_refused(stage, size):
    at = changed(stage)
    at.configure(keycloak={"max_body_mib": 1})
    faulty(at, {"pad": size * (1 << 20) - 512}, r"/roles\?")
    result = at.sync(code=0 if size == 1 else 4)
    assert size == 1 or "larger" in result.message
    recover(at)


def test_pages_that_repeat_are_not_trusted(stage):
    at = changed(stage)
    at.configure(keycloak={"page_size": 2})
    faulty(at, "repeat_page", "/roles/ml/users")
    at.sync(code=None)
    recover(at)
