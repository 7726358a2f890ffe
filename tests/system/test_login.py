"""How keybricks logs in to Databricks: without any secret of it on disk, and what a refusal means."""

import json

import pytest
from keybricks import ACCOUNT, DBX_SECRET, PAT, SELF, World


def federated(stage, client_id=True, target=None, **knobs):
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    world.knobs.update(knobs)
    at = stage(world)
    change = {"auth": "token_federation", "secret_file": None} | ({} if client_id else {"client_id": None}) | (target or {})
    at.configure(targets=[at.target(**change)])
    for name in ("databricks", "pat"):
        (at.dir / f"{name}.secret").unlink()
    return at


@pytest.mark.parametrize("client_id", [True, False], ids=["service principal policy", "account policy"])
def test_federation_needs_no_databricks_secret_on_disk(stage, client_id):
    at = federated(stage, client_id, fed_account_policy=not client_id, fed_audience="databricks",
                   token_aud="databricks")
    at.sync()
    assert at.members("ml") == {"ada"}
    for path in at.dir.rglob("*"):
        if path.is_file() and path.name != "world.json":  # the simulator's own
            assert DBX_SECRET.encode() not in path.read_bytes() and PAT.encode() not in path.read_bytes(), path
    exchange, = at.log("dbx", kind="token")
    assert exchange["path"] == f"/oidc/accounts/{ACCOUNT}/v1/token" and "Authorization" not in exchange["headers"]
    assert ("client_id=" + SELF in exchange["body"]) == client_id
    at.assert_settled()


@pytest.mark.parametrize("level,path", [("workspace", "/oidc/v1/token"), ("account", f"/oidc/accounts/{ACCOUNT}/v1/token")])
def test_the_token_endpoint_is_that_of_the_level(stage, level, path):
    at = federated(stage, target={"level": level} | ({"account_id": None} if level == "workspace" else {}))
    at.run("plan", code=None)
    assert {one["path"] for one in at.log("dbx", kind="token")} == {path}


def test_a_projected_token_is_exchanged(stage):
    """token_file instead of Keycloak's token; it is read anew for each exchange."""
    at = federated(stage)
    token = json.loads(at.sim.kc_token().body)["access_token"]
    subject = at.secret("subject", token)
    at.configure(targets=[at.target(auth="token_federation", secret_file=None, token_file=str(subject))])
    at.sync()
    assert at.members("ml") == {"ada"}
    subject.write_text("not a token")
    assert "token" in at.run("plan", code=5).message
    subject.unlink()  # the canary of the stage: a token must not stay in a file of the test either


REFUSALS = [
    ("issuer", {"fed_issuer": "https://other.example/realms/acme"}, ["issuer", "this token's iss is http"]),
    ("audience", {"fed_audience": "databricks"}, ["audience mapper", "this token's aud is realm-management"]),
    ("subject", {"fed_subject": "somebody-else"}, ["id of the client's service account", "this token's sub is "]),
    ("lightweight", {"token_lightweight": True, "fed_audience": "databricks"}, ["no sub", "lightweight access token"]),
    ("policy", {"fed_account_policy": True}, ["client_id", "account-wide"]),
]


@pytest.mark.parametrize("knobs,words", [(k, w) for _, k, w in REFUSALS], ids=[name for name, _, _ in REFUSALS])
def test_each_refusal_of_an_exchange_is_explained(stage, knobs, words):
    at = federated(stage, **knobs)
    result = at.sync(code=5)
    assert not [word for word in words if word not in result.message], result.message
    assert at.writes() == [] and len(at.log("dbx", kind="token")) == 1  # not tried again: it could lock the client out


def test_an_expired_token_is_explained(stage):
    at = federated(stage)
    at.fault({"status": 400, "body": {"error": "invalid_grant", "error_description": "subject_token is expired"}}, "dbx", substring="/token")
    assert "clocks" in at.sync(code=5).message


def test_one_token_for_each_host_and_a_new_one_when_it_ends(stage):
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    at = stage(world)
    at.sync()
    assert at.kinds("dbx")["token"] == 1
    at.edit({"op": "kc_role_revoke", "role": "ml", "username": "ada"}, {"op": "kc_role_grant", "role": "ml", "username": "ada"})
    at.fault("unauthorized_401", "dbx", substring="/Groups?")
    at.forget()
    at.run("plan")
    assert len(at.log("dbx", kind="token")) == 2
