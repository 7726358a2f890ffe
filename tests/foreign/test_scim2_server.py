"""scim2-server (PyPI), a SCIM server of other people, as a workspace-level target: our client converges from empty, from drift,
and back.

Its paths are moved below /api/2.0/preview/scim/v2 and its ids are digits, as Databricks has them; it knows no service
principals, so that list is empty; a group's meta says WorkspaceGroup. Everything else, above all what a PATCH means, is its own.
"""

import itertools
import json
import threading
import wsgiref.simple_server

import pytest

scim2_server = pytest.importorskip("scim2_server")
from keybricks import MAIL, OPEN, PAT, World  # noqa: E402  pylint: disable=wrong-import-position
from scim2_server.memory import InMemoryStorage  # noqa: E402  pylint: disable=wrong-import-position
from scim2_server.testserver.application import BearerTokenApplication  # noqa: E402  pylint: disable=wrong-import-position
from scim2_server.utils import load_default_provider  # noqa: E402  pylint: disable=wrong-import-position

BASE = "/api/2.0/preview/scim/v2"
EMPTY = json.dumps({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0, "startIndex": 1}).encode()


class Storage(InMemoryStorage):
    numbers = itertools.count(100000000000001)

    def generate_id(self, resource_type, resource):
        return str(next(self.numbers))


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass


class Server:
    def __init__(self):
        self.app = BearerTokenApplication(Storage(), load_default_provider(), bearer_tokens=[PAT])
        self.requests = []
        self.http = wsgiref.simple_server.make_server("127.0.0.1", 0, self.handle, handler_class=Quiet)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def handle(self, environ, start):
        path = environ["PATH_INFO"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.requests.append((environ["REQUEST_METHOD"], path, body))
        if path == BASE + "/ServicePrincipals":
            start("200 OK", [("Content-Type", "application/scim+json")])
            return [EMPTY]
        if not path.startswith(BASE + "/"):
            start("404 Not Found", [("Content-Type", "application/json")])
            return [b"{}"]
        status, answer = self.inside(environ["REQUEST_METHOD"], path.removeprefix(BASE), body, environ)
        start(status, [("Content-Type", "application/scim+json")])
        return [answer.replace(b'"resourceType": "Group"', b'"resourceType": "WorkspaceGroup"')
                .replace(b'"resourceType":"Group"', b'"resourceType":"WorkspaceGroup"')]

    def inside(self, method, path, body, environ):
        import io  # pylint: disable=import-outside-toplevel
        told = {}
        inner = dict(environ, PATH_INFO=path, SCRIPT_NAME=BASE, REQUEST_METHOD=method, CONTENT_LENGTH=str(len(body)))
        inner["wsgi.input"] = io.BytesIO(body)
        chunks = self.app(inner, lambda status, headers, exc=None: told.update(status=status))
        return told["status"], b"".join(chunks)

    def call(self, method, path, data=None):
        environ = {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": str(self.http.server_port), "wsgi.url_scheme": "http",
                   "HTTP_AUTHORIZATION": "Bearer " + PAT, "CONTENT_TYPE": "application/scim+json", "QUERY_STRING": "",
                   "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.errors": None, "wsgi.multithread": False, "wsgi.multiprocess": False,
                   "wsgi.run_once": False, "wsgi.version": (1, 0)}
        status, answer = self.inside(method, path, json.dumps(data).encode() if data else b"", environ)
        assert status[0] == "2", answer
        return json.loads(answer) if answer else None

    def user(self, name):
        return self.call("POST", "/Users", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name + MAIL})["id"]

    def group(self, name, *ids):
        return self.call("POST", "/Groups", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name,
                                             "members": [{"value": one, "type": "User"} for one in ids]})["id"]

    def groups(self):
        names = {one["id"]: one["userName"].removesuffix(MAIL) for one in self.call("GET", "/Users").get("Resources", [])}
        return {one["displayName"]: {names[m["value"]] for m in one.get("members", [])}
                for one in self.call("GET", "/Groups").get("Resources", [])}

    def writes(self):
        return [one for one in self.requests if one[0] != "GET"]


@pytest.fixture
def server():
    one = Server()
    yield one
    one.stop()


@pytest.fixture
def at(stage, server):
    world = World()
    for name in ("ada", "bob", "cyd"):
        world.user(name, roles=["ml"], groups=["/ops"] if name == "cyd" else [])
    world.user("dan", groups=["/ops"])
    world.rule(role="ml", group="ml", create=True)
    world.rule(path="/ops", group="ops", foreign="remove")
    at = stage(world, guards=OPEN)
    at.configure(targets=[at.target(level="workspace", host=server.url, account_id=None, auth="token", client_id=None, secret_file=None,
                                    token_file=str(at.dir / "pat.secret"))])
    return at


def settled(at, server):
    before = len(server.writes())
    assert at.sync("--refresh", "always").counts["writes"] == 0 and len(server.writes()) == before


def test_from_empty_from_drift_and_back(at, server):
    ids = {name: server.user(name) for name in ("ada", "bob", "cyd", "dan", "eve")}
    ops = server.group("ops", ids["eve"])
    result = at.sync()
    assert server.groups() == {"ml": {"ada", "bob", "cyd"}, "ops": {"cyd", "dan"}}
    assert result.counts == {"add": 5, "remove": 1, "held": 0, "frozen": 0, "writes": 3}
    settled(at, server)

    server.call("PATCH", f"/Groups/{ops}", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
        {"op": "remove", "path": f'members[value eq "{ids["dan"]}"]'}, {"op": "add", "path": "members", "value": [{"value": ids["eve"]}]}]})
    assert server.groups()["ops"] == {"cyd", "eve"}
    assert at.sync("--refresh", "always").counts == {"add": 1, "remove": 1, "held": 0, "frozen": 0, "writes": 1}
    assert server.groups()["ops"] == {"cyd", "dan"}
    settled(at, server)

    at.edit(*[{"op": "kc_role_revoke", "role": "ml", "username": name} for name in ("ada", "bob")],
            {"op": "kc_group_leave", "group": "/ops", "username": "dan"})
    assert at.sync().counts == {"add": 0, "remove": 3, "held": 0, "frozen": 0, "writes": 2}
    assert server.groups() == {"ml": {"cyd"}, "ops": {"cyd"}}
    settled(at, server)


def test_missing_users_are_made_there_too(at, server):
    server.group("ops")
    at.configure(match={"missing_users": "create"})
    at.sync()
    assert server.groups() == {"ml": {"ada", "bob", "cyd"}, "ops": {"cyd", "dan"}}
    settled(at, server)


def test_many_members_in_one_patch(stage, server):
    world = World()
    world.users("p", 120, roles=["ml"])
    world.rule(role="ml", group="ml")
    for name in world.dbx_users:
        server.user(name)
    server.group("ml")
    at = stage(world, guards=OPEN)
    at.configure(targets=[at.target(level="workspace", host=server.url, account_id=None, auth="token", client_id=None, secret_file=None,
                                    token_file=str(at.dir / "pat.secret"))])
    del server.requests[:]
    at.sync()
    assert len(server.groups()["ml"]) == 120 and [method for method, _, _ in server.writes()] == ["PATCH"]
    settled(at, server)
