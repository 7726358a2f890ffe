"""How keybricks logs in to Databricks: without any secret of it on disk, and what a refusal means."""

import base64
import http.server
import json
import threading

import pytest
from keybricks import ACCOUNT, DBX_SECRET, OPEN, PAT, SELF, World


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


# ---- a token endpoint that is not at the documented place ----

HOST, SERVER = "/.well-known/databricks-config", "/oidc/custom/.well-known/oauth-authorization-server"
ACCOUNT_TOKEN = f"/oidc/accounts/{ACCOUNT}/v1/token"


def moved(stage, level="workspace", account_id=None, **target):
    """A host whose documented token endpoint does not exist."""
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml", level=level)
    at = stage(world)
    at.configure(targets=[at.target(level=level, account_id=account_id, **target)])
    fixed = "/oidc/v1/token" if not account_id else ACCOUNT_TOKEN
    at.fault({"status": 404, "body": "no such page"}, "dbx", method="POST", path=fixed, times=-1)
    return at


def says(at, path, body, status=200):
    at.fault({"status": status, "body": body}, "dbx", method="GET", path=path, times=-1)


def gives(at, path):
    """A token endpoint whose token this level takes."""
    at.fault({"status": 200, "body": {"access_token": PAT, "token_type": "Bearer", "expires_in": 3600}}, "dbx", method="POST", path=path,
             times=-1)


def asked(at):
    return [(one["method"], one["path"]) for one in at.log("dbx") if "/scim/" not in one["path"]]


@pytest.mark.parametrize("endpoint,server", [
    ("{host}/oidc/custom", SERVER),
    ("{host}/oidc/accounts/{{account_id}}", f"/oidc/accounts/{ACCOUNT}/.well-known/oauth-authorization-server"),
    (None, "/oidc/.well-known/oauth-authorization-server"),
], ids=["named", "with a place for the account", "the classic place"])
def test_a_token_endpoint_elsewhere_is_found(stage, endpoint, server):
    at = moved(stage)
    host = at.sim.info["databricks"]
    says(at, HOST, {"oidc_endpoint": endpoint.format(host=host), "account_id": ACCOUNT} if endpoint else "nothing", 200 if endpoint else 404)
    says(at, server, {"token_endpoint": host + ACCOUNT_TOKEN})
    gives(at, ACCOUNT_TOKEN)
    at.sync()
    assert at.members("ml") == {"ada"}
    assert asked(at) == [("POST", "/oidc/v1/token"), ("GET", HOST), ("GET", server), ("POST", ACCOUNT_TOKEN)]
    for one in at.log("dbx"):
        if one["method"] == "GET" and "/scim/" not in one["path"]:
            assert not {"Authorization", "Content-Type"} & set(one["headers"]) and one["body"] == ""


def test_where_the_documented_place_exists_nobody_asks_for_another(stage):
    at = federated(stage)
    at.run("plan")
    assert asked(at) == [("POST", ACCOUNT_TOKEN)]


ELSEWHERE = "https://attacker.example/oidc"
NO_PLACE = [
    ("another host", {"oidc_endpoint": ELSEWHERE}, None, "names another one, which is not asked", 2),
    ("a longer host", {"oidc_endpoint": "{host}.attacker.example/oidc"}, None, "names another one, which is not asked", 2),
    ("another port", {"oidc_endpoint": "{host}1/oidc"}, None, "names another one, which is not asked", 2),
    ("a host as long", {"oidc_endpoint": "{other}/oidc"}, None, "names another one, which is not asked", 2),
    ("a user in front", {"oidc_endpoint": "http://127.0.0.1@attacker.example/oidc"}, None, "names another one", 2),
    ("the endpoint elsewhere", {"oidc_endpoint": "{host}/oidc/custom"}, {"token_endpoint": ELSEWHERE + "/v1/token"}, "names another one", 3),
    ("no endpoint", {"oidc_endpoint": "{host}/oidc/custom"}, {"token_endpoint": 7}, "no document of the host names one", 3),
    ("the same again", {"oidc_endpoint": "{host}/oidc/custom"}, {"token_endpoint": "{host}/oidc/v1/token"}, "it is the same", 3),
    ("no JSON", {"oidc_endpoint": "{host}/oidc/custom"}, "<html>", "no document of the host names one", 3),
    ("a bent URL", {"oidc_endpoint": "{host}/oidc/a b"}, None, "names another one", 2),
]


@pytest.mark.parametrize("first,second,words,requests", [row[1:] for row in NO_PLACE], ids=[row[0] for row in NO_PLACE])
def test_the_secret_goes_to_no_other_host(stage, first, second, words, requests):
    at = moved(stage)

    def here(document):
        host = at.sim.info["databricks"]
        return {key: text.replace("{host}", host).replace("{other}", host.replace("127.0.0.1", "127.0.0.2")) if isinstance(text, str) else text
                for key, text in document.items()}
    says(at, HOST, here(first))
    if second:
        says(at, SERVER, here(second) if isinstance(second, dict) else second)
    result = at.sync(code=5)
    assert words in result.message and len(asked(at)) == requests, result.message
    assert "HTTP 404" in result.message and "is the host right" in result.message  # what began it


def test_a_throttled_document_is_asked_again(stage):
    at = moved(stage)
    host = at.sim.info["databricks"]
    at.fault({"status": 429, "retry_after": "0"}, "dbx", path=HOST, times=2)
    says(at, HOST, {"oidc_endpoint": host + "/oidc/custom"})
    says(at, SERVER, {"token_endpoint": host + ACCOUNT_TOKEN})
    gives(at, ACCOUNT_TOKEN)
    at.sync()
    assert [path for _, path in asked(at)].count(HOST) == 3


# ---- one host for several workspaces ----

def routed(at, number="1234567890123456789", **target):
    given = {"name": "shop", "level": "workspace", "workspace_id": number, "auth": "token", "token_file": str(at.dir / "pat.secret"),
             "client_id": None, "secret_file": None}
    return at.target(**given | target)


def test_a_workspace_of_a_unified_host(stage):
    """The header goes to that target only, and not to Keycloak."""
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml", targets=["acme"])
    world.rule(role="ml", group="local", targets=["shop"])
    world.group("ml")
    world.group("local", level="workspace")
    at = stage(world)
    at.configure(targets=[at.target(), routed(at)])
    at.sync()
    assert at.members("ml") == at.members("local") == {"ada"}
    seen = 0
    for one in at.log():
        sent = {key.lower(): text for key, text in one["headers"].items()}.get("x-databricks-workspace-id")
        routes = one["path"].startswith("/api/2.0/preview/scim/v2/")
        assert sent == ("1234567890123456789" if routes else None), one
        seen += routes
    assert seen > 3
    assert at.run("plan", "--format", "json", "--target", "shop").json["target"]["host"] == at.sim.info["databricks"] + "/?o=1234567890123456789"
    at.run("audit", "verify")


@pytest.mark.parametrize("account_id,path", [(ACCOUNT, ACCOUNT_TOKEN), (None, "/oidc/v1/token")])
def test_the_token_of_a_unified_host_is_its_accounts(stage, account_id, path):
    """The login itself has no such header; without account_id the workspace's endpoint is tried, and the host asked when it has none."""
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml", level="workspace")
    at = stage(world)
    at.configure(targets=[routed(at, auth="oauth_m2m", account_id=account_id, token_file=None, client_id=SELF,
                                 secret_file=str(at.dir / "databricks.secret"))])
    gives(at, path)
    at.sync()
    assert asked(at) == [("POST", path)] and at.members("ml") == {"ada"}
    assert "x-databricks-workspace-id" not in map(str.lower, at.log("dbx", method="POST")[0]["headers"])


def test_another_workspace_of_the_host_is_another_target(stage):
    """Its database and its saved plans are not this one's."""
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml", level="workspace")
    at = stage(world)
    at.configure(targets=[routed(at)])
    at.run("apply", at.save())
    assert at.members("ml") == {"ada"}
    saved = at.save()
    at.configure(targets=[routed(at, "1234567890123456780")])
    assert "another host" in at.sync(code=8).message
    for path in at.state.iterdir():
        path.unlink()
    at.run("apply", saved, code=6)


@pytest.mark.parametrize("number,level", [("", "workspace"), ("x1", "workspace"), ("0", "workspace"), ("012", "workspace"), ("-1", "workspace"),
                                          ("1\r\nX-Evil: 1", "workspace"), ("12345678901234567890", "workspace"), ("1 2", "workspace"),
                                          ("1", "account")])
def test_a_workspace_id_that_cannot_be_one(stage, number, level):
    world = World()
    world.rule(role="ml", group="ml")
    at = stage(world, match={"service_principals": "off"})
    at.configure(targets=[routed(at, number, level=level, scim_version="2.1" if level == "account" else "2.0")])
    result = at.run("config", "check", code=None)
    assert (result.code == 78) == (number != "") and ("workspace_id" in result.err) == (number != ""), str(result)


# ---- who keybricks itself is ----

class Relay:
    """In front of the simulator's workspace: its own tokens, so that a test decides what they say of themselves."""

    def __init__(self, at, sub):
        payload = base64.urlsafe_b64encode(json.dumps({"sub": sub} if sub else {}).encode()).decode().rstrip("=")
        token = json.dumps({"access_token": f"x.{payload}.x", "token_type": "Bearer", "expires_in": 3600}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == "/oidc/v1/token":
                    status, answer = 200, token
                else:
                    told = at.sim.call("databricks", self.command, self.path, body, {"Authorization": "Bearer " + PAT})
                    status, answer = told.status, told.body
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            do_GET = do_POST = do_PATCH = serve

            def log_message(self, format, *args):  # pylint: disable=redefined-builtin
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.mark.parametrize("sub,known", [("{bot}", True), ("ADA@acme.example", True), ("nobody", False), (None, False)],
                         ids=["service principal", "user", "nobody", "no claim"])
def test_without_client_id_the_token_says_who_we_are(stage, sub, known):
    """Under an account-wide policy there is no client_id; whom the token names is never moved (guard self_check)."""
    world = World()
    bot = world.bot("own", roles=["ml"])
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml", level="workspace")
    at = stage(world, guards=OPEN)
    with Relay(at, sub.replace("{bot}", bot) if sub else None) as relay:
        at.configure(targets=[at.target(level="workspace", account_id=None, host=relay.url, auth="token_federation", client_id=None,
                                        secret_file=None)])
        result = at.sync(code=None)
    moved = at.members("ml")
    assert moved == ({"ada", bot} if not known else {"ada"} if sub == "{bot}" else {bot}), str(result)
    assert ("which principal of target acme keybricks itself is cannot be found" in result.err) == (not known)
