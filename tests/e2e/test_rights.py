"""What the service account may see, judged by a real server: with too little nobody is removed, and the message names what is
missing; with too much there is a warning."""

import os
import re

import pytest
from office import ENOUGH, RULES, Office, account, client

if not os.environ.get("KEYBRICKS_BIN") or not os.environ.get("KEYBRICKS_SIM"):
    pytest.skip("needs KEYBRICKS_BIN and KEYBRICKS_SIM; scripts/test sets both", allow_module_level=True)

# client: its rights, and what the message must name
TOO_FEW = {
    "none": ([], ["view-realm", "view-users"]),
    "query-users": (["query-users"], ["view-realm", "view-users"]),
    "query-groups": (["query-groups"], ["view-realm", "view-users"]),
    "all-queries": (["query-users", "query-groups", "query-clients", "query-realms"], ["view-realm", "view-users"]),
    "view-users": (["view-users"], ["view-realm"]),
    "view-realm": (["view-realm"], ["view-users"]),
    "realm-and-query-users": (["view-realm", "query-users"], ["view-users"]),
    "realm-and-queries": (["view-realm", "query-users", "query-groups"], ["view-users"]),
    "out-of-scope": (ENOUGH, ["view-realm", "view-users", "Full scope allowed"]),
}
TOO_MANY = {"manager": ([*ENOUGH, "manage-users", "manage-realm"], ["manage-realm", "manage-users"]),
            "administrator": (["realm-admin"], ["impersonation", "manage-clients", "manage-users", "realm-admin"])}


@pytest.fixture(scope="module")
def office(keycloak, tmp_path_factory):
    rights = {name: given for name, (given, _) in {**TOO_FEW, **TOO_MANY}.items()} | {"losing": ENOUGH}
    built = Office(keycloak, tmp_path_factory.mktemp("rights"), "rights",
                   [client(name, fullScopeAllowed=name != "out-of-scope") for name in rights],
                   [account(name, given) for name, given in rights.items()])
    try:
        yield built
    finally:
        built.stop()


@pytest.mark.parametrize("name", TOO_FEW)
def test_too_few_rights(office, name):
    line = office.refused(client_id=name)
    assert [word for word in TOO_FEW[name][1] if word not in line] == [], line
    assert [word for word in ENOUGH if word in line and word not in TOO_FEW[name][1]] == [], line


def test_a_realm_without_groups(keycloak, tmp_path):
    """Only the empty list of holders could tell, and it says that nobody has the role."""
    bare = Office(keycloak, tmp_path, "bare", [client("few")], [account("few", ["view-realm", "query-users", "query-groups"])])
    try:
        bare.admin.call("DELETE", f"/groups/{bare.admin.group('/data')['id']}")
        line = bare.refused(client_id="few", rules=RULES[:1])
        assert "view-users" in line and "query-users is not enough" in line
    finally:
        bare.stop()


@pytest.mark.parametrize("path, right", [("/roles", "view-realm"), ("/groups", "view-users"), ("/roles/ml/users|/members", "view-users")])
def test_a_right_that_goes_during_the_reading(office, path, right):
    keybricks, taken = office.keybricks("losing"), []

    def before(asked):
        if asked.partition("?")[0].endswith(tuple(path.split("|"))) and not taken:
            office.admin.right("losing", right, "DELETE")
            taken.append(asked)
    office.between.before = before
    try:
        line = office.refusal(keybricks)
    finally:
        office.admin.right("losing", right)
    assert taken and right in line


def test_client_roles_need_a_third_right(office):
    rules = [*RULES, {"client_role": "account:view-profile", "group": "profiles"}]
    stdout, stderr = office.keybricks(rules=rules).run("plan", code=7)
    assert re.search("frozen      profiles: .*the account lacks view-clients", stdout)
    assert re.search("role is not seen: the account lacks view-clients of realm-management", stdout)
    assert "the realm has no" not in stderr  # nothing is known about it


@pytest.mark.parametrize("name", TOO_MANY)
def test_too_many_rights_are_a_warning(office, name):
    stdout, stderr = office.keybricks(name).run("plan")
    warning, = [line for line in stderr.splitlines() if "account may do more" in line]
    assert [word for word in TOO_MANY[name][1] if word not in warning] == [], warning
    assert "\nNothing to do: 3 memberships in 2 groups are as Keycloak says.\n" in stdout


def test_enough_is_no_warning(office):
    _, stderr = office.keybricks().run("plan")
    assert "may do more" not in stderr
