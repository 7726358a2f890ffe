"""An older Keycloak beside the newest: the same realm gives the same plan, letter for letter, with pages too; and a directory
that goes down there."""

import os
import re
import urllib.parse

import between
import product
import pytest
import realm
import server
import test_directory as newest
from company import FOREIGN, Company, desired, differences
from test_directory import up  # noqa: F401

if not os.environ.get("KEYBRICKS_BIN") or not os.environ.get("KEYBRICKS_SIM"):
    pytest.skip("needs KEYBRICKS_BIN and KEYBRICKS_SIM; scripts/test sets both", allow_module_level=True)

TWIN, CROWD, PEOPLE, PAGE = "twin", "/teams/grün", 130, 20
# Lists of which a server gives 10 or 100 rows when nothing is said (keycloak-api.md 1.1); /groups for older ones.
LIMITED = re.compile(r"/(users|groups|members|children|admin-events|organizations)$")


def twin():
    """Half the people of the realm; a group and a role of more people than a server lists when no limit is asked for."""
    whole = realm.renamed(realm.build(), TWIN)
    whole["users"] = [user for user in whole["users"] if not re.match(r"u\d", user["username"])
                      or int(user["username"][1:4]) < PEOPLE - len(realm.awkward())]
    for user in whole["users"]:
        if "serviceAccountClientId" not in user:
            user["groups"] = sorted({CROWD, *user["groups"]})
            user["realmRoles"] = sorted({f"default-roles-{TWIN}", *user["realmRoles"]})
    return whole


class Both:
    """The realm twin on both servers, and one target for all of keybricks."""

    def __init__(self, urls, directory):
        whole = twin()
        self.admins = {version: server.Admin(url, TWIN) for version, url in urls.items()}
        for admin in self.admins.values():
            admin.make(whole)
        self.between = {version: between.Between(admin.host) for version, admin in self.admins.items()}
        self.company = Company(urls[server.OLDER], directory, TWIN)
        self.directory, self.plans, self.asked = directory, {}, {}

    def plan(self, version, size=0):
        """A plan without what differs between two servers; the requests it took are in `asked`."""
        key = version, size
        if key not in self.plans:
            there = self.between[version]
            there.forget()
            plan = self.company.reader(self.directory / f"{version} {size}", there.url, page_size=size).plan()
            assert plan["source"].pop("issuer") == f"{there.url}/realms/{TWIN}"
            del plan["run"], plan["digest"]
            self.plans[key], self.asked[key] = plan, [urllib.parse.urlsplit(path) for path in there.paths]
        return self.plans[key]

    def stop(self):
        for one in self.between.values():
            one.stop()
        self.company.target.stop()
        for admin in self.admins.values():
            admin.call("DELETE", "")


@pytest.fixture(scope="module")
def both(keycloak, older, tmp_path_factory):
    built = Both({server.NEWEST: keycloak, server.OLDER: older}, tmp_path_factory.mktemp("both"))
    try:
        yield built
    finally:
        built.stop()


VERSIONS = pytest.mark.parametrize("version", [server.NEWEST, server.OLDER])


@VERSIONS
def test_it_is_this_version(both, version):
    assert both.admins[version].version() == version


def test_what_the_older_server_says_of_everybody_is_wanted(both):
    first, plan = both.company.first, both.plan(server.OLDER)
    assert plan["source"]["complete"] is True
    assert sum(map(len, first.members.values())) > 500 and not first.frozen
    assert len(first.members["team grün"]) > 100 and len(first.members["everyone"]) > 100
    assert product.operations(plan, "add") == differences(both.company.present, first.members)
    assert product.operations(plan, "remove") == {}
    assert product.left_alone(plan, "ambiguous") >= first.ambiguous
    assert {group["name"] for group in plan["groups"] if group["action"] == "create"} == (
        first.members.keys() - both.company.present.keys())


@VERSIONS
@pytest.mark.parametrize("size", [0, PAGE])
def test_version_and_pages_make_no_difference(both, version, size):
    assert both.plan(version, size) == both.plan(server.OLDER)


@VERSIONS
@pytest.mark.parametrize("size", [0, PAGE])
def test_no_limit_is_left_to_the_server(both, version, size):
    both.plan(version, size)
    limits, pages = {}, set()
    for path in both.asked[version, size]:
        found = LIMITED.search(path.path)
        if found and path.path.startswith("/admin/"):
            query = dict(urllib.parse.parse_qsl(path.query))
            limits.setdefault("one user" if "exact" in query else found[1], set()).add(query.get("max"))
            pages |= {query["first"]} if "first" in query else set()
    whole = {"-1"}
    assert limits.keys() >= {"users", "groups", "members"} and limits["groups"] == limits.get("one user", whole) == whole
    assert limits["users"] == limits["members"] == ({str(size)} if size else whole)
    assert len(pages) > 5 if size else not pages


def test_changes_are_followed_and_explained_on_the_older_server(both):
    """All of it once: the first apply, admin events, a removal that is proven, and silence in the end."""
    company, admin = both.company, both.admins[server.OLDER]
    admin.call("PUT", "/events/config", {"adminEventsEnabled": True, "adminEventsDetailsEnabled": True})
    admin.right(realm.CLIENT_ID, "view-events")
    plan_file = company.keybricks.directory / "first.plan"
    company.keybricks.run("plan", "--save", plan_file)
    company.keybricks.run("apply", plan_file)
    before = company.target.members()
    assert {name: before[name] - {FOREIGN} for name in company.first.members} == company.first.members

    mail = "o'brien@acme.example"
    admin.grant("o'brien", "dbx-nobody")
    admin.leave("o'brien", "/teams/blue")
    _, want = desired(company.url, company.principals, name=TWIN)
    assert differences(company.first.members, want.members) == {"kb-nobody": {mail}}
    lost = differences(want.members, company.first.members)
    assert lost["team blue"] == {mail}
    plan = company.keybricks.plan()
    assert product.operations(plan, "add") == {"kb-nobody": {mail}} and product.operations(plan, "remove") == lost
    told = {op["cause"]: op["reasons"][0]["event"]["by"] for group in plan["groups"] for op in group["operations"]
            if group["name"] in ("kb-nobody", "team blue")}
    assert told["granted"] == told["revoked"] == admin.get("/admin-events")[0]["authDetails"]["userId"]
    company.keybricks.run("sync")
    after = company.target.members()
    assert differences(before, after) == {"kb-nobody": {mail}} and differences(after, before) == lost
    company.target.forget_requests()
    company.keybricks.run("sync")
    assert company.target.writes() == []


# ---- a directory: the older server goes on saying after an outage that everybody has left ----


@pytest.fixture(scope="module")
def company(older, tmp_path_factory):
    built = newest.Company(server.Admin(older, "master"), "READ_ONLY", tmp_path_factory.mktemp("older-directory"))
    try:
        built.warm()
        built.sync()
        built.assert_right()
        yield built
    finally:
        built.stop()


@pytest.mark.usefixtures("up")
class TestDirectory:
    """Each does what its namesake of test_directory.py does; frozen costs seconds, so only once each."""

    @pytest.mark.parametrize("how, cache", [("stopped", "warm"), ("stopped", "cold"), ("frozen", "cold")])
    def test_down_before_the_reading(self, company, how, cache):
        newest.test_down_before_the_reading(company, how, cache)

    @pytest.mark.parametrize("how, cache", [("stopped", "warm"), ("stopped", "cold"), ("frozen", "warm")])
    def test_down_from_the_first_list_on(self, company, how, cache):
        newest.test_down_from_the_first_list_on(company, how, cache)

    @pytest.mark.parametrize("cache", ["warm", "cold"])
    def test_down_during_the_lists_only(self, company, cache):
        newest.test_down_during_the_lists_only(company, cache)

    def test_down_after_the_reading(self, company):
        newest.test_down_after_the_reading(company)

    def test_who_leaves_an_ldap_group_goes_in_the_next_run(self, company):
        newest.test_who_leaves_an_ldap_group_goes_in_the_next_run(company)

    def test_the_memory_of_an_outage_removes_nobody_and_keeps_nobody(self, company):
        """Somebody left meanwhile, and everybody looks disabled and without groups."""
        company.slapd.stop()
        company.cache("warm")
        company.slapd.start()
        poisoned = company.admin.user("user00")
        assert poisoned["enabled"] is False and company.admin.get(f"/users/{poisoned['id']}/groups") == []
        company.slapd.leave("user01", "science")
        company.state["science"] -= newest.mails(["user01"])
        company.move_leo()
        company.sync()
        company.assert_right()


@pytest.mark.parametrize("version, mode", [(server.OLDER, "IMPORT"), (server.OLDER, "LDAP_ONLY"), (server.NEWEST, "LDAP_ONLY")])
def test_every_other_mode_of_the_group_mapper(keycloak, older, tmp_path, version, mode):
    """One walk through it: up, down with a cold cache, up with what the caches heard meanwhile, and a leaver."""
    there = newest.Company(server.Admin({server.NEWEST: keycloak, server.OLDER: older}[version], "master"), mode, tmp_path)
    try:
        there.warm()
        there.sync()
        there.assert_right()
        there.slapd.stop()
        there.cache("cold")
        there.move_leo()
        stdout, _ = there.sync(code=7)
        assert stdout.startswith("DIRECTORY DOWN  corp")
        there.assert_right()
        there.cache("warm")
        there.slapd.start()
        there.slapd.leave("user01", "staff")  # and stays in science
        if mode == "LDAP_ONLY":  # an imported membership stays until it is synchronised
            for group in ("staff", "workers"):
                there.state[group] -= newest.mails(["user01"])
        there.sync()
        there.assert_right()
    finally:
        there.stop()
