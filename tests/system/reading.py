"""One world for the tests of broken answers: in sync, then a joiner and a leaver in each of three groups.

Whatever a server answers, what is written stays inside RIGHT, and the next clean run makes it END.
"""

import pytest
from keybricks import World

START = {"ml": {"ada", "bob", "out"}, "eng": {"bob", "eli"}, "ops": {"cyd", "dan"}}
END = {"ml": {"ada", "bob", "new"}, "eng": {"bob", "fay"}, "ops": {"cyd", "eve"}}
RIGHT = {("remove", "ml", "out"), ("add", "ml", "new"), ("remove", "eng", "eli"), ("add", "eng", "fay"),
         ("remove", "ops", "dan"), ("add", "ops", "eve")}

# Answers that stay broken however often one asks. Each is a doubt, never an absence.
BROKEN = {
    "500": {"status": 500, "body": "{}"},
    "503": {"status": 503, "body": ""},
    "403": {"status": 403, "body": {"error": "HTTP 403 Forbidden"}},
    "404": {"status": 404, "body": {"error": "HTTP 404 Not Found"}},
    "302": {"status": 302, "body": "", "headers": {"Location": "http://127.0.0.1:9/login"}},
    "html-200": "html_200",
    "empty-200": "empty_200",
    "204": {"status": 204, "body": ""},
    "null": {"status": 200, "body": "null"},
    "wrong-type": {"status": 200, "body": {"a": [1, 2, {"b": None}]}},
    "list-of-wrong": {"status": 200, "body": [1, "two", None]},
    "duplicate-key": {"status": 200, "body": '[{"id":"00000001-0000-4000-8000-000000000001","id":"x"}]', "content_type": "application/json"},
    "trailing": {"status": 200, "body": "[] []", "content_type": "application/json"},
    "cut-list": {"truncate": 1},
    "cut-whole": {"truncate_ok": 1},
    "reset": "reset",
    "closed": "close_before_headers",
    "401-forever": "unauthorized_401",
    "429-forever": {"status": 429, "body": "", "retry_after": "0"},
}
# Two or three broken answers, then good ones: nobody should notice.
PASSING = {
    "500": {"status": 500, "body": ""},
    "503": {"status": 503, "body": ""},
    "reset": "reset",
    "cut": {"truncate": 1},
    "429": {"status": 429, "body": ""},
    "429-retry-after": {"status": 429, "body": "", "retry_after": "1"},
    "401": "unauthorized_401",
}


def passing(paths):
    """Cases of parametrize: each of PASSING at each path. A refused login is final: trying on could lock the client out."""
    return [pytest.param(path, do, id=f"{path}-{name}") for path in paths for name, do in PASSING.items()
            if (path, name) != ("/token", "401")]


def company():
    world = World()
    world.role("ml")
    world.role("job", realm=["ml"])
    world.path("/eng/data", roles=["job"])
    world.user("ada", roles=["ml"])
    world.user("bob", groups=["/eng/data"])
    world.user("out", roles=["ml"])
    world.user("cyd", roles=["ops"])
    world.user("dan", roles=["ops"])
    world.user("eli", groups=["/eng"])
    for name in ("new", "eve", "fay"):
        world.user(name)
    world.rule(role="ml", group="ml")
    world.rule(path="/eng", group="eng", subgroups=True)
    world.rule(role="ops", group="ops")
    for name, members in START.items():
        world.group(name, *sorted(members))
    return world


def changed(stage, **settings):
    """The stage in sync, then with the joiners and leavers."""
    at = stage(company(), **{"run": {"tries": 2, "retry_budget_s": 5, "verify_s": 0, "deadline_s": 30}} | settings)
    at.sync()
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "out"}, {"op": "kc_role_grant", "role": "ml", "username": "new"},
            {"op": "kc_role_revoke", "role": "ops", "username": "dan"}, {"op": "kc_role_grant", "role": "ops", "username": "eve"},
            {"op": "kc_group_leave", "group": "/eng", "username": "eli"}, {"op": "kc_group_join", "group": "/eng", "username": "fay"})
    at.forget()
    return at


def state(at):
    return {name: at.members(name) for name in START}


def recover(at, frozen=()):
    """Nothing wrong was written, frozen groups not at all; the next clean run makes it right."""
    done = at.history()
    assert set(done) <= RIGHT and len(done) == len(set(done)), done
    assert not {group for _, group, _ in done} & set(frozen), done
    at.calm()
    at.sync()
    assert state(at) == END
    at.assert_settled()
