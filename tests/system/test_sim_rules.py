"""The table of rules in tests/sim/README.md: each rule has a switch that the simulator knows and a test that exists; and tests
of the rules that the other files of this name do not show."""

import ast
import glob
import json
import re

import pytest
from simulator import ANA, APP, BOT, ML, PATCH_URN, ROOT, WORLD, Sim, add, names, remove

WORKSPACE = "/api/2.0/preview/scim/v2"


@pytest.fixture
def sim(tmp_path):
    world = json.loads(json.dumps(WORLD))
    world["realm"]["default_groups"] = ["/ops/t00"]
    world["realm"]["users"].append({"username": "lea", "federationLink": "c-1", "groups": ["/eng"], "roles": ["lonely"]})
    path = tmp_path / "world.json"
    path.write_text(json.dumps(world))
    simulator = Sim("--world", str(path))
    yield simulator
    assert simulator.stop() == 0


def table():
    with open(f"{ROOT}/tests/sim/README.md", encoding="utf-8") as readme:
        rows = re.findall(r"^\| (S?\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", readme.read(), re.M)
    return [(number, switch, test) for number, _, switch, test in rows]


def test_the_table_has_every_rule_once():
    numbers = [row[0] for row in table()]
    assert numbers == [f"S{i}" for i in range(1, 27)] + [str(i) for i in range(1, 44) if i not in (40, 42)]


@pytest.mark.parametrize("number,switch,test", table(), ids=[row[0] for row in table()])
def test_a_rule_has_a_switch_and_a_test(number, switch, test):
    sources = "".join(open(path, encoding="utf-8").read() for path in glob.glob(f"{ROOT}/tests/sim/*.[ch]"))
    switches = re.findall(r"`([^`]+)`", switch)
    assert switches
    for name in switches:
        if name == "rules_off":
            assert f'rule("{number}")' in sources
        else:
            assert re.search(rf'["(]{re.escape(name.lstrip("-"))}[",]', sources), name
    tests = re.findall(r"`(test_\w+)`", test)
    assert tests
    known = {}
    for path in glob.glob(f"{ROOT}/tests/system/test_sim*.py"):
        with open(path, encoding="utf-8") as text:
            known |= {node.name: node for node in ast.parse(text.read()).body if isinstance(node, ast.FunctionDef)}
    assert all(name in known for name in tests)


# ---- Keycloak ----

def holders(sim, role="lonely"):
    return names(sim.kc(f"/roles/{role}/users"))


def test_versions(sim):
    """S4, S13, S15, S18, S20: what a version does otherwise."""
    sim.edit(*({"op": "kc_role_grant", "role": "lonely", "group": f"/ops/t{i:02}"} for i in range(13)))
    assert len(sim.kc("/roles/lonely/groups?max=5").json) == 5
    for version in ("26.7.0", "26.7.1"):
        sim.knobs(kc_version=version)
        assert len(sim.kc("/roles/lonely/groups?first=0&max=5").json) == 13
    sim.knobs(kc_version="26.7.2")
    assert len(sim.kc("/roles/lonely/groups?max=5").json) == 5
    assert sim.kc("//roles").status == 400 and "service-account-bot" not in names(sim.kc("/users?max=-1"))
    sim.knobs(kc_version="26.3.1")
    assert sim.kc("//roles").status != 400 and "service-account-bot" in names(sim.kc("/users?max=-1"))
    sim.knobs(kc_version="26.8.2")
    assert sim.kc("/roles").status == 401
    assert sim.kc_token("grant_type=client_credentials&scope=kc-admin-api").status == 200
    sim.knobs(kc_version="22.0.5")
    top = sim.kc("/groups").json
    assert [g["name"] for g in top[1]["subGroups"]][:2] == ["ml", "t00"] and "subGroupCount" not in top[0]
    assert top[0]["subGroups"][1]["subGroups"][0]["name"] == "deep"
    assert sim.kc(f"/groups/{top[0]['id']}/children").status == 404
    sim.knobs(kc_version="23.0.0")
    assert sim.kc("/groups").json[0]["subGroups"] == []
    assert sim.kc(f"/groups/{top[0]['id']}/children").status == 200


def test_defaults_and_numbers_switched_off(sim):
    members = "/groups/" + sim.kc("/groups").json[1]["id"] + "/members"
    assert len(sim.kc(members).json) == 100 and sim.kc(members + "?max=x").status == 404
    sim.knobs(rules_off=["S6", "S7"])
    assert len(sim.kc(members).json) == 120 == len(sim.kc(members + "?max=x").json)
    sim.knobs(rules_off=[])
    assert len(sim.kc(members).json) == 100


def test_role_order_switched_off(sim):
    sim.knobs(rules_off=["S8"])
    rows = names(sim.kc("/roles"), "name")
    assert rows == sorted(rows)


def test_direct_holders_only(sim):
    assert holders(sim, "job") == []
    sim.knobs(rules_off=["S12"])
    assert "ana" in holders(sim, "job")  # by way of /eng


def test_slashes_in_paths(sim):
    def paths():
        return [g["path"] for g in sim.kc("/groups?search=a%2Fb&populateHierarchy=false").json]
    assert paths() == ["/eng/a/b"]
    sim.knobs(escape_slashes=True)
    assert paths() == ["/eng/a~/b"]


@pytest.mark.parametrize("word,seen", [("none", ""), ("single", "S"), ("lists", "SL"), ("all", "SLM")])
def test_a_lockout(sim, word, seen):
    sim.knobs(lockout_shows=word)
    sim.edit({"op": "kc_user_set", "username": "ana", "locked": True})
    ana = sim.kc("/users?username=ana&exact=true").json[0]
    shown = {"S": sim.kc(f"/users/{ana['id']}").json, "L": ana, "M": sim.kc("/groups/g-ml/members").json[0]}
    assert "".join(k for k, row in shown.items() if not row["enabled"]) == seen
    assert names(sim.kc("/users?enabled=false")) == ["bob"]  # the filter reads what is stored
    sim.edit({"op": "kc_user_set", "username": "ana", "enabled": False, "attributes": {"disabledReason": ["permanentLockout"]}})
    row = sim.kc("/users?enabled=false&briefRepresentation=true").json[0]
    assert row["username"] == "ana" and row["attributes"] == {"disabledReason": ["permanentLockout"]}


def test_a_stranger_key(sim):
    assert sum("simFuture" in u for u in sim.kc("/users?max=-1").json) > 5
    sim.knobs(extra_keys=False)
    assert not any("simFuture" in u for u in sim.kc("/users?max=-1").json)


def test_paths_switched_off(sim):
    assert sim.kc("/roles/semi;colon").status == 400
    sim.knobs(rules_off=["S18"])
    assert sim.kc("/roles/semi;colon").status == 200


def test_what_a_new_user_gets(sim):
    assert names(sim.kc("/default-groups"), "path") == ["/ops/t00"]
    sim.edit({"op": "kc_user_add", "username": "neu"}, {"op": "kc_user_add", "username": "alt", "default_role": False})
    got = names(sim.kc("/roles/default-roles-acme/users?max=-1"))
    assert "neu" in got and "alt" not in got
    assert "neu" in names(sim.kc(f"/groups/{sim.kc('/default-groups').json[0]['id']}/members"))


def test_a_rotated_secret(sim):
    old = sim.info["client_secret"]
    client = sim.kc("/clients?clientId=keybricks").json[0]["id"]
    rotated = f"/clients/{client}/client-secret/rotated"
    assert sim.kc(rotated).json == {"error": "Client does not have a rotated secret"}
    sim.edit({"op": "kc_secret", "secret": "new", "rotate": True})
    assert sim.kc_token(secret="new").status == 200 == sim.kc_token(secret=old).status
    assert sim.kc(rotated).json["value"] == old
    sim.edit({"op": "kc_secret", "secret": "newer"})
    assert [sim.kc_token(secret=s).status for s in (old, "new", "newer")] == [401, 401, 200]


def test_a_directory_goes_down(sim):
    """S26: the columns of keycloak-verified.md section 8, READ_ONLY: up, warm, cold; then IMPORT; then not imported."""
    lea = sim.kc("/users?username=lea&exact=true").json[0]["id"]
    eng = sim.kc("/groups").json[0]["id"]

    def answers():
        return ("lea" in names(sim.kc(f"/groups/{eng}/members")), len(sim.kc(f"/users/{lea}/groups").json),
                sim.kc(f"/users/{lea}/groups/count").json["count"], sim.kc(f"/users/{lea}").json.get("enabled"),
                "job" in names(sim.kc(f"/users/{lea}/role-mappings/realm/composite"), "name"),
                sim.kc(f"/users/{lea}/credentials").status)

    def directory(**fields):
        sim.edit({"op": "kc_directory", "component": "c-1"} | fields)

    assert answers() == (True, 1, 1, True, True, 200)
    directory(cache="warm", down=True)
    assert answers() == (False, 1, 0, True, True, 500)
    directory(cache="cold")
    assert answers() == (False, 0, 0, False, False, 500)
    directory(mode="IMPORT")
    assert answers()[:3] == (True, 1, 1)
    directory(mode="none")
    assert "lea" not in names(sim.kc("/users?max=-1")) and sim.kc(f"/users/{lea}").status == 500
    directory(mode="READ_ONLY", cache="poisoned", down=False)
    assert answers() == (True, 0, 1, False, False, 200)
    directory(cache="cold")
    assert answers() == (True, 1, 1, True, True, 200)


# ---- Databricks ----

def off(sim, *rules):
    sim.knobs(rules_off=list(rules))


def create(sim, name, **fields):
    return sim.dbx("POST", "/Groups", {"displayName": name} | fields)


def test_levels_switched_off(sim):
    def shown():
        return {g["displayName"] for g in sim.dbx("GET", "/Groups").json["Resources"]}
    assert "local" not in shown()
    off(sim, "1")
    assert "local" in shown()


def test_ids_are_never_used_twice(sim):
    sim.edit({"op": "dbx_user_add", "userName": "big@x.example", "id": "9223372036854775807"})
    assert sim.patch(ML, add("9223372036854775807")).status == 200 and "big@x.example" in sim.members()
    ids = []
    for _ in range(2):
        ids.append(create(sim, "again").json["id"])
        sim.edit({"op": "dbx_group_delete", "group": "again"})
    assert ids[0] != ids[1] and all(len(i) == 15 and i.isdigit() for i in ids)


def test_members_as_other_servers_show_them(sim):
    fresh = create(sim, "fresh").json["id"]
    assert "members" not in sim.dbx("GET", f"/Groups/{fresh}").json
    off(sim, "4", "5")
    assert sim.dbx("GET", f"/Groups/{fresh}").json["members"] == []
    assert all("type" in m for m in sim.dbx("GET", f"/Groups/{ML}?attributes=id").json["members"])
    off(sim, "5")
    assert "displayName" in sim.dbx("GET", f"/Groups/{ML}?attributes=id").json
    off(sim)
    assert set(sim.dbx("GET", f"/Groups/{ML}?attributes=id").json) == {"id"}


def test_the_lenient_filter(sim):
    assert sim.dbx("GET", "/Groups?filter=displayName%20eq%20ml").status == 400
    sim.knobs(filter_strict=False)
    for text in ("displayName%20eq%20ml", "displayName%20eq%20'ml'"):
        assert sim.dbx("GET", "/Groups?filter=" + text).json["totalResults"] == 1


def test_names_that_differ_by_case(sim):
    assert create(sim, "ML").status == 201
    off(sim, "8")
    assert create(sim, "mL").status == 409


@pytest.mark.parametrize("number,operation,status,members", [
    ("10", remove(ANA) | {"value": None}, 200, 2), ("11", {"op": "replace", "path": "members", "value": BOT}, 200, 1),
    ("12", {"op": "add", "value": {"members": [{"value": BOT}]}}, 400, 3),
    ("13", {"op": "remove", "path": f"members[value eq '{ANA}']"}, 200, 2), ("14", add(APP), 400, 3)])
def test_patch_rules_switched_off(sim, number, operation, status, members):
    off(sim, number)
    assert sim.patch(ML, operation).status == status and len(sim.members()) == members


def test_the_old_words_for_not_found(sim):
    sim.knobs(not_found_variant=True)
    assert sim.dbx("GET", "/Groups/1").json["detail"] == "Group with id 1 is not found"


def test_the_wrong_level(sim):
    for status in (400, 500):
        sim.knobs(workspace_member_status=status)
        assert sim.patch(ML, remove(ANA), base=WORKSPACE, token="dapi1").status == status
    assert len(sim.members()) == 3


def test_system_groups_and_names_switched_off(sim):
    system = next(g["id"] for g in sim.control("GET", "state")["groups"] if g["displayName"] == "account users")
    rename = {"schemas": [PATCH_URN], "Operations": [{"op": "replace", "path": "userName", "value": "x@y"}]}
    off(sim, "31", "32", "33")
    assert sim.patch(system, add(ANA)).status == 200 == sim.patch(system, remove(ANA)).status
    assert sim.dbx("PATCH", f"/Users/{ANA}", rename).status == 200
    assert sim.dbx("GET", f"/Users/{ANA}").json["userName"] == "x@y"
    assert sim.dbx("PUT", f"/Groups/{ML}", {"displayName": "ml"}).status == 200 and len(sim.members()) == 3
    assert sim.dbx("DELETE", f"/Groups/{system}").status == 204


def test_tokens_of_the_other_level(sim):
    assert sim.dbx("GET", "/Groups", base=WORKSPACE).status == 401
    off(sim, "35")
    assert sim.dbx("GET", "/Groups", base=WORKSPACE).status == 200


def test_documented_rates_and_answers_in_disguise(sim):
    sim.knobs(rate=True)
    answers = [sim.patch(ML, add(ANA)).status for _ in range(4)]
    assert answers[:2] == [200, 200] and answers[3] == 429  # two a second
    sim.control("POST", "clock", {"advance_ms": 1000})
    for text in ("none", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "99999999"):
        sim.knobs(rate={"patch": 0.001}, retry_after=text)
        refused = [a for a in (sim.patch(ML, add(ANA)) for _ in range(2)) if a.status == 429][0]
        assert refused.headers["Retry-After"] == (None if text == "none" else text)
    sim.knobs(rate={"patch": 0})
    for preset, status, word in (("throttled_500", 500, "REQUEST_LIMIT_EXCEEDED"), ("html_503", 503, "<pre>"),
                                 ("empty_502", 502, ""), ("platform_504", 504, "TEMPORARILY_UNAVAILABLE"),
                                 ("detail_null", 500, '"null"'), ("numeric_403", 403, '"error_code":403')):
        sim.fault(preset, method="PATCH")
        answer = sim.patch(ML, add(ANA))
        assert answer.status == status and word in answer.body.decode()
    sim.fault("token_throttled", substring="token")
    assert sim.dbx_token().json["error_description"] == "Temporarily throttled, too many requests"


def test_a_delete_that_fails_after_it_worked(sim):
    gone = create(sim, "gone").json["id"]
    sim.fault({"apply_then": 500}, method="DELETE")
    assert [sim.dbx("DELETE", f"/Groups/{gone}").status for _ in range(2)] == [500, 404]


def test_answers_of_the_wrong_type(sim):
    sim.knobs(content_type="text/plain")
    assert sim.dbx("GET", "/Groups").headers["Content-Type"] == "text/plain"
    sim.knobs(defaults=True)
    assert "json" in sim.dbx("GET", "/Groups").headers["Content-Type"]


def test_no_log_and_no_request_id(sim):
    assert "x-databricks-request-id" in sim.dbx("GET", "/Groups").headers
    off(sim, "41")
    sim.knobs(log=False)
    sim.control("DELETE", "log")
    assert "x-databricks-request-id" not in sim.dbx("GET", "/Groups").headers
    assert sim.control("GET", "log") == [] and sim.control("GET", "stats")["dbx"]["requests"] == 1


def test_ten_levels_and_1500_parents(sim):
    ids = [create(sim, f"n{i}").json["id"] for i in range(12)]
    answers = [sim.patch(a, add(b)) for a, b in zip(ids, ids[1:])]
    assert [a.status for a in answers] == [200] * 10 + [400] and "10 levels" in answers[-1].json["detail"]
    off(sim, "39")
    assert sim.patch(ids[10], add(ids[11])).status == 200
    sim.edit(*({"op": "dbx_group_add", "group": f"p{i}"} for i in range(1500)),
             *({"op": "dbx_member_add", "group": f"p{i}", "member": "eve@x.example"} for i in range(1500)))
    eve = next(u["id"] for u in sim.control("GET", "state")["users"] if u["userName"] == "eve@x.example")
    assert sim.patch(ML, add(eve)).status == 200
    off(sim)
    assert sim.patch(ids[0], add(eve)).status == 400


def test_discovery_and_the_unified_host(sim):
    url = sim.info["databricks"]
    config = sim.call("databricks", "GET", "/.well-known/databricks-config").json
    assert config["account_id"] == sim.account and config["oidc_endpoint"] == f"{url}/oidc/accounts/{sim.account}"
    assert config["token_federation_default_oidc_audiences"] == [sim.account] and "workspace_id" not in config
    for at in (f"/oidc/accounts/{sim.account}", "/oidc"):
        found = sim.call("databricks", "GET", at + "/.well-known/oauth-authorization-server").json
        assert found["token_endpoint"] == f"{url}{at}/v1/token"
        assert sim.dbx_token(f"{at}/v1/token").status == 200
    assert sim.call("databricks", "GET", "/oidc/.well-known/nope").status == 404
    sim.knobs(workspace_id="4711")
    assert sim.call("databricks", "GET", "/.well-known/databricks-config").json["workspace_id"] == "4711"
    token = {"Authorization": "Bearer dapi1"}
    assert sim.call("databricks", "GET", WORKSPACE + "/Groups", None, token).status == 400
    assert sim.call("databricks", "GET", WORKSPACE + "/Groups", None, token | {"X-Databricks-Workspace-Id": "1"}).status == 400
    for name in ("X-Databricks-Workspace-Id", "X-Databricks-Org-Id"):
        answer = sim.call("databricks", "GET", WORKSPACE + "/Groups", None, token | {name: "4711"})
        assert answer.status == 200 and answer.headers["X-Databricks-Org-Id"] == "4711"
    assert "X-Databricks-Org-Id" not in sim.dbx("GET", "/Groups").headers
