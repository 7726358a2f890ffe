"""Starts keybricks-sim and talks to it with http.client, never with the program it will judge.

The binary: $KEYBRICKS_SIM, else the newest one below a build directory of this tree.
"""

import base64
import glob
import http.client
import json
import os
import socket
import subprocess
import threading
import urllib.parse

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
APP = "5b1d0d4e-0000-4000-8000-0000000000aa"

# A small realm with everything that is awkward, and what Databricks knows of it. tests/sim/README.md has the schema.
WORLD = {
    "realm": {
        "name": "acme",
        "client_secret": "a:b%/+ &c",
        "roles": [
            "dbx-ml", "a/b", "semi;colon", "100%", "ü b", "target", "lonely",
            {"name": "job", "composites": {"realm": ["dbx-ml"], "client": {"portal": ["viewer"]}}},
            {"name": "ring1", "composites": {"realm": ["ring2"]}},
            {"name": "ring2", "composites": {"realm": ["ring1"]}},
        ],
        "clients": [
            {"clientId": "portal", "roles": [{"name": "viewer", "composites": {"realm": ["target"]}}]},
            {"clientId": "bot", "service_account": True},
        ],
        "groups": [
            {"name": "eng", "realmRoles": ["job"], "clientRoles": {"portal": ["viewer"]},
             "subGroups": [{"name": "ml", "id": "g-ml", "subGroups": [{"name": "deep"}]}, {"name": "a/b"}]},
            {"name": "ops", "subGroups": [{"name": f"t{i:02}"} for i in range(13)] + [{"name": "ml"}]},
        ],
        "users": [
            {"username": "ana", "email": "ana@acme.example", "groups": ["g-ml"], "roles": ["dbx-ml"]},
            {"username": "bob", "enabled": False, "groups": ["/eng"]},
            {"username": "cyd", "roles": ["ring1"], "attributes": {"dept": ["ml"]}, "default_role": False},
            {"username": "service-account-bot", "attributes": {"databricks_application_id": [APP]},
             "groups": ["g-ml"]},
        ] + [{"username": f"u{i:03}", "groups": ["/ops"]} for i in range(120)],
        "components": [{"id": "c-1", "name": "ldap"}],
    },
    "databricks": {
        "account_id": "acc-1", "client_id": "0000-sp", "client_secret": "dose", "token": "dapi1",
        "users": [{"userName": "Ana@acme.example", "id": "100000000000007", "displayName": "Ana"},
                  "bob@acme.example", "eve@x.example"] + [f"n{i}@x.example" for i in range(110)],
        "service_principals": [{"applicationId": APP, "displayName": "bot", "id": "200000000000003"}],
        "groups": [{"displayName": "ml", "id": "900000000000101",
                    "members": ["ana@acme.example", "bob@acme.example", APP]},
                   {"displayName": "outer", "members": ["ml"]},
                   {"displayName": "local", "level": "workspace", "members": ["eve@x.example"]}],
    },
}


def binary():
    if "KEYBRICKS_SIM" in os.environ:
        return os.environ["KEYBRICKS_SIM"]
    found = glob.glob(f"{ROOT}/*/tests/sim/keybricks-sim")
    if not found:
        pytest.skip("keybricks-sim is not built")
    return max(found, key=os.path.getmtime)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Sim:
    plain = "keycloak"  # the side whose control paths are asked, without TLS

    def __init__(self, *args):
        self.process = subprocess.Popen([binary(), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.info = json.loads(self.process.stdout.readline())
        self.hosts = {k: urllib.parse.urlsplit(self.info[k]).netloc for k in ("keycloak", "databricks")}
        self.account = self.info["account_id"]
        self.tokens, self.wires = {}, threading.local()

    def call(self, side, method, path, body=None, headers=None, host=None):
        connection = http.client.HTTPConnection(self.hosts[side], timeout=20)
        try:
            connection.putrequest(method, path, skip_host=host is not None)
            if host is not None:
                connection.putheader("Host", host)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def control(self, method, what, data=None):
        """Over a connection that stays open (one a thread), by hand: thousands of these calls are most of some tests' own work."""
        body = b"" if data is None else json.dumps(data).encode()
        head = f"{method} /_sim/{what} HTTP/1.1\r\nHost: {self.hosts[self.plain]}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        for _ in range(2):
            wire = getattr(self.wires, "wire", None)
            if wire is None:
                host, port = self.hosts[self.plain].rsplit(":", 1)
                wire = self.wires.wire = socket.create_connection((host, int(port)), timeout=20)
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                wire.sendall(head + body)
                with wire.makefile("rb") as reader:
                    status = reader.readline().split()
                    length = 0
                    while line := reader.readline().strip():
                        name, _, text = line.partition(b":")
                        length = int(text) if name.lower() == b"content-length" else length
                    answer = reader.read(length)
                if status:
                    assert status[1] == b"200", answer
                    return json.loads(answer)
            except OSError:
                pass  # it was idle for long and is closed
            wire.close()
            self.wires.wire = None
        raise AssertionError("the simulator does not answer")

    def edit(self, *edits):
        self.control("POST", "edit", list(edits))

    def fault(self, do, side=None, **match):
        self.control("POST", "faults", [{"match": match, "do": do} | ({"side": side} if side else {})])

    def knobs(self, **knobs):
        self.control("POST", "config", knobs)

    def kc_token(self, body="grant_type=client_credentials", secret=None, headers=None):
        quote = urllib.parse.quote_plus
        pair = f"{quote(self.info['client_id'])}:{quote(self.info['client_secret'] if secret is None else secret)}"
        basic = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        return self.call("keycloak", "POST", "/realms/acme/protocol/openid-connect/token", body.encode(),
                         basic if headers is None else headers)

    def kc(self, path, fresh=False, method="GET", host=None, **headers):
        if fresh or "kc" not in self.tokens:
            self.tokens["kc"] = self.kc_token().json["access_token"]
        return self.call("keycloak", method, "/admin/realms/acme" + path, None,
                         {"Authorization": "Bearer " + self.tokens["kc"]} | headers, host)

    def dbx_token(self, path=None, body="grant_type=client_credentials&scope=all-apis", auth=True):
        pair = f"{self.info['dbx_client_id']}:{self.info['dbx_secret']}".encode()
        headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()} if auth else {}
        return self.call("databricks", "POST", path or f"/oidc/accounts/{self.account}/v1/token", body.encode(), headers)

    def dbx(self, method, path, data=None, base=None, token=None):
        if "dbx" not in self.tokens:
            self.tokens["dbx"] = self.dbx_token().json["access_token"]
        body = None if data is None else data if isinstance(data, bytes) else json.dumps(data).encode()
        base = f"/api/2.0/accounts/{self.account}/scim/v2" if base is None else base
        return self.call("databricks", method, base + path, body,
                         {"Authorization": "Bearer " + (token or self.tokens["dbx"])})

    def patch(self, group, *operations, **kwargs):
        return self.dbx("PATCH", f"/Groups/{group}", {"schemas": [PATCH_URN], "Operations": list(operations)}, **kwargs)

    def members(self, name="ml"):
        return next(g for g in self.control("GET", "state")["groups"] if g["displayName"] == name)["names"]

    def stop(self):
        self.process.stdin.close()
        return self.process.wait(timeout=10)


ML = "900000000000101"
ANA = "100000000000007"
BOT = "200000000000003"


def add(*ids):
    return {"op": "add", "path": "members", "value": [{"value": i} for i in ids]}


def remove(i):
    return {"op": "remove", "path": f'members[value eq "{i}"]'}


def names(answer, key="username"):
    assert answer.status == 200, answer.body
    return [row[key] for row in answer.json]
