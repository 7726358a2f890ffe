"""Users and service principals: listed, or looked up by name where that takes fewer requests, and never less sure for it."""

import pytest
from keybricks import MAIL, OPEN, World, later, left, ops

STRANGERS = 250  # three pages, and one of service principals
PAGES = 4


def company(stage, people=6, strangers=STRANGERS, rule=None, **settings):
    """`p000` is in the group already, p001 in Databricks only; the first sync has stored everybody."""
    world = World()
    world.user("p000", roles=["ml"])
    for number in range(1, people):
        world.user(f"p{number:03}")
    world.rule(role="ml", group="ml", **(rule or {}))
    world.group("ml", "p000")
    for number in range(strangers):
        world.stranger(f"s{number:03}")
    at = stage(world, guards=OPEN | settings.pop("guards", {}), **settings)
    at.sync()
    at.forget()
    return at


def grant(*names, op="kc_role_grant"):
    return [{"op": op, "role": "ml", "username": name} for name in names]


def asked(at):
    """(pages of people that were listed, names that were looked up), and both forgotten."""
    log = [one for one in at.log("dbx") if one["method"] == "GET" and one["path"].endswith(("/Users", "/ServicePrincipals"))]
    at.forget()
    found = [one for one in log if "filter" in one["query"]]
    return len(log) - len(found), sorted(one["query"].split("%22")[1].replace("%40", "@").removesuffix(MAIL) for one in found)


def test_nothing_changed_and_nobody_is_asked_for(stage):
    at = company(stage)
    at.sync()
    assert {kind for kind in at.kinds("dbx")} == {"token", "list_groups"} and asked(at) == (0, [])
    at.run("plan")
    assert asked(at) == (0, [])


def test_whom_an_operation_names_is_looked_up(stage):
    at = company(stage)
    at.edit(*grant("p001"), *grant("p000", op="kc_role_revoke"))
    plan = at.plan()
    assert ops(plan, "ml") == {("add", "granted", "p001", "ready"), ("remove", "revoked", "p000", "ready")}
    assert asked(at) == (0, ["p000", "p001"])
    at.sync()
    assert asked(at) == (0, ["p000", "p001"]) and at.members("ml") == {"p001"}
    at.assert_settled()
    assert asked(at) == (0, [])


def test_the_plan_is_the_same_as_from_the_lists(stage):
    at = company(stage)
    at.edit(*grant("p001", "p002"), {"op": "dbx_member_add", "group": "ml", "member": "s007" + MAIL})
    short, whole = at.plan(), at.plan("--refresh", "always")
    assert ops(short) == ops(whole) and short["left_alone"] == whole["left_alone"] and short["fingerprint"] == whole["fingerprint"]


def test_who_seems_to_be_missing_is_looked_up_in_every_run(stage):
    at = company(stage)
    at.edit({"op": "kc_user_add", "username": "zoe", "email": "zoe" + MAIL}, *grant("zoe"))
    for _ in range(2):
        assert left(at.plan(), "unmatched") == {("ml", "zoe")} and asked(at) == (0, ["zoe"])
    at.edit({"op": "dbx_user_add", "userName": "Zoe" + MAIL})
    at.sync()
    assert asked(at) == (0, ["zoe"]) and at.members("ml") == {"p000", "Zoe"}


@pytest.mark.parametrize("many,pages", [(PAGES - 1, 0), (PAGES, PAGES)])
def test_the_lists_are_read_when_they_are_fewer_requests(stage, many, pages):
    at = company(stage)
    names = [f"p{number:03}" for number in range(1, 1 + many)]
    at.edit(*grant(*names))
    at.sync()
    assert asked(at) == (pages, [] if pages else names) and at.members("ml") == {"p000", *names}
    at.assert_settled()


@pytest.mark.parametrize("how", ["always", "max_age", "apply", "create", "old", "one page", "another name"])
def test_what_wants_the_lists(stage, how):
    settings = {"max_age": {"snapshot": {"max_age_s": 0}}, "create": {"match": {"missing_users": "create"}}}.get(how, {})
    at = company(stage, strangers=30 if how == "one page" else STRANGERS, **settings)
    pages = 2 if how == "one page" else PAGES
    at.edit(*grant("p001"))
    if how == "apply":
        saved = at.save()
        assert asked(at) == (0, ["p001"])
        at.run("apply", saved)
    elif how == "another name":  # how a filter quotes these bytes is not documented
        at.edit({"op": "kc_user_add", "username": "o'neil", "email": "o'neil" + MAIL}, {"op": "dbx_user_add", "userName": "o'neil" + MAIL},
                *grant("o'neil"))
        at.sync()
    else:
        at.sync(*(["--refresh", "always"] if how == "always" else []), env=later("2h") if how == "old" else None)
    assert asked(at) == (pages, [])
    assert at.members("ml") == {"p000", "p001"} | ({"o'neil"} if how == "another name" else set())


def test_a_user_who_was_made_anew_is_the_new_one(stage):
    at = company(stage)
    old = at.world.id("p001")
    at.edit({"op": "dbx_user_delete", "userName": "p001" + MAIL}, {"op": "dbx_user_add", "userName": "p001" + MAIL, "id": "100000000009999"},
            *grant("p001"))
    at.sync()
    assert asked(at) == (PAGES, ["p001"])  # the look-up contradicts the snapshot, so all of it is read
    assert at.members("ml") == {"p000", "p001"} and old not in str(at.writes())
    at.assert_settled()


def test_a_user_who_is_gone_is_not_added(stage):
    at = company(stage)
    at.edit({"op": "dbx_user_delete", "userName": "p001" + MAIL}, *grant("p001"))
    at.sync()
    assert at.writes() == [] and left(at.plan(), "unmatched") == {("ml", "p001")}


@pytest.mark.parametrize("op", ["kc_role_grant", "kc_role_revoke"])
def test_a_twin_that_came_later_is_seen(stage, op):
    """Two principals of one name: nobody is added or removed for it."""
    at = company(stage)
    name = "p001" if op == "kc_role_grant" else "p000"
    twins = [{"id": at.world.id(name), "userName": name + MAIL}, {"id": "100000000009999", "userName": name.upper() + MAIL}]
    at.edit(*grant(name, op=op))
    at.fault({"status": 200, "body": {"totalResults": 2, "Resources": twins}}, "dbx", substring="filter=", times=-1)
    plan = at.plan()
    assert ops(plan) == set() and plan["summary"]["ambiguous"] == 1
    at.sync()
    assert at.writes() == []


def everybody(at):
    return {"schemas": [], "totalResults": 2, "startIndex": 1,
            "Resources": [{"id": at.world.id(name), "userName": name + MAIL} for name in ("p001", "p002")]}


@pytest.mark.parametrize("do", [everybody, {"status": 400, "body": {"detail": "Given filter operator is not supported.", "status": "400"}},
                                "html_200", "truncate", "empty_list", {"status": 200, "body": {"totalResults": 0}},
                                {"status": 200, "body": {"totalResults": 2, "Resources": []}}],
                         ids=["filter ignored", "filter refused", "no JSON", "cut", "empty", "nobody", "more than came"])
def test_a_look_up_that_cannot_be_trusted_leads_to_the_lists(stage, do):
    at = company(stage)
    at.edit(*grant("p001"))
    do = do(at) if callable(do) else {"truncate_ok": 30} if do == "truncate" else do
    do = {"status": 200, "body": do} if "schemas" in do else do
    at.fault(do, "dbx", substring="filter=", times=-1)
    at.sync()
    pages, _ = asked(at)
    assert pages == PAGES and at.members("ml") == {"p000", "p001"}
    at.assert_settled()


def test_a_missing_person_whose_look_up_fails_is_looked_for_in_the_lists(stage):
    at = company(stage)
    at.edit({"op": "kc_user_add", "username": "zoe", "email": "zoe" + MAIL}, {"op": "dbx_user_add", "userName": "zoe" + MAIL}, *grant("zoe"))
    at.fault({"status": 400, "body": {"detail": "Given filter operator is not supported.", "status": "400"}}, "dbx", substring="filter=", times=-1)
    at.sync()
    assert asked(at) == (PAGES, ["zoe"]) and at.members("ml") == {"p000", "zoe"}


@pytest.mark.parametrize("kind", ["platform_403", "drop_rows"])
def test_lists_that_fail_then_are_as_bad_as_ever(stage, kind):
    at = company(stage)
    at.edit(*grant("p001"))
    at.fault({"status": 200, "body": {"totalResults": 0}}, "dbx", substring="filter=", times=-1)
    at.fault({"drop_rows": 1} if kind == "drop_rows" else kind, "dbx", path_regex="/Users\\?.*count=100$", times=-1)
    at.sync(code=5)
    assert at.writes() == []


@pytest.mark.parametrize("gone", [False, True])
def test_a_member_whom_the_snapshot_does_not_know(stage, gone):
    """Added by hand, and made after the lists were read: asked by id, and before the removal by name."""
    at = company(stage, rule={"foreign": "remove"})
    at.edit({"op": "dbx_user_add", "userName": "new" + MAIL}, {"op": "dbx_member_add", "group": "ml", "member": "new" + MAIL}, *grant("p001"))
    if gone:
        at.fault({"status": 404, "body": {"detail": "User not found.", "status": "404"}}, "dbx",
                 path_regex="/(Users|ServicePrincipals)/", times=-1)
    at.sync(code=5 if gone else 0)  # the only group cannot be read
    assert at.members("ml") == ({"p000", "new"} if gone else {"p000", "p001"})
    if not gone:
        assert asked(at) == (0, ["new", "p001"])
        at.assert_settled()


def test_a_member_who_was_deleted_in_a_group_read_before_the_lists(stage):
    """The lists come after the group (a privileged one is read at once) and do not explain a member: asked by id, and the group is left
    alone when nobody knows."""
    at = company(stage, rule={"foreign": "remove", "privileged": True})
    body = {"id": at.world.id("ml"), "displayName": "ml", "meta": {"resourceType": "Group"},
            "members": [{"value": at.world.id("p000")}, {"value": at.world.id("s007")}]}
    at.edit({"op": "dbx_user_delete", "userName": "s007" + MAIL}, *grant("p001"))
    at.fault({"status": 200, "body": body}, "dbx", method="GET", substring="/Groups/", times=-1)
    at.fault({"status": 200, "body": {"totalResults": 0}}, "dbx", substring="filter=", times=-1)
    at.forget()
    assert "neither a user nor a service principal" in at.run("plan", code=5).message
    at.forget()
    at.sync(code=5)
    assert asked(at)[0] == PAGES and at.writes() == []


def test_the_own_principal_is_known_without_a_list(stage):
    from keybricks import SELF
    at = company(stage, rule={"foreign": "remove"})
    at.edit({"op": "dbx_member_add", "group": "ml", "member": SELF}, *grant("p001"))
    at.sync(code=None)
    assert asked(at)[0] == 0 and at.members("ml") == {"p000", "p001", SELF}


def test_an_open_request_for_a_user_wants_the_lists(stage):
    """Whether it was made, only they can say."""
    at = company(stage, match={"missing_users": "create"})
    at.edit({"op": "kc_user_add", "username": "zoe", "email": "zoe" + MAIL}, *grant("zoe"))
    at.fault({"apply_then": "reset"}, "dbx", method="POST", substring="/Users")
    at.sync(code=7)
    at.calm()
    at.configure(match={"missing_users": "report"})
    at.forget()
    at.sync()
    assert asked(at)[0] == PAGES and at.members("ml") == {"p000", "zoe"}
    at.assert_settled()


def test_after_a_run_that_missed_many_the_lists_come_first(stage):
    """Who was missing will be missing again: then the lists are read while Keycloak is, not after."""
    at = company(stage, people=8)
    at.edit(*[{"op": "kc_user_add", "username": f"z{n}", "email": f"z{n}" + MAIL} for n in range(PAGES)], *grant(*[f"z{n}" for n in range(PAGES)]))
    for _ in range(2):
        at.sync()
        assert asked(at) == (PAGES, [])
    at.edit(*grant(*[f"z{n}" for n in range(2)], op="kc_role_revoke"))
    at.sync()
    assert asked(at) == (PAGES, [])
    at.sync()
    assert asked(at) == (0, ["z2", "z3"])
