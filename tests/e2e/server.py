"""A real Keycloak for the tests: start and stop it (scripts/keycloak), and talk to its admin API. Standard library only."""

import http.client
import json
import os
import pathlib
import subprocess
import time
import urllib.parse

NEWEST, OLDER = "26.7.4", "26.4.0"
SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "keycloak"


def start(directory, realms, version=NEWEST):
    """realms: {name: representation}. Returns the URL; the caller calls stop(directory)."""
    files = []
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name, representation in realms.items():
        path = directory / f"{name}-realm.json"
        path.write_text(json.dumps(representation), encoding="utf-8")
        files.append(str(path))
    run = subprocess.run([SCRIPT, "start", str(directory / "server"), "0", *files], stdout=subprocess.PIPE, check=True,
                         env=os.environ | {"KEYCLOAK_VERSION": version})
    return run.stdout.decode().strip()


def home(version=NEWEST):
    """Where the distribution lies."""
    run = subprocess.run([SCRIPT, "home"], stdout=subprocess.PIPE, check=True, env=os.environ | {"KEYCLOAK_VERSION": version})
    return pathlib.Path(run.stdout.decode().strip())


def stop(directory):
    subprocess.run([SCRIPT, "stop", str(pathlib.Path(directory) / "server")], check=True)


def quote(segment):
    """A path segment: everything but unreserved characters is escaped, / ; % ? # + included."""
    return urllib.parse.quote(segment, safe="")


class Answer(Exception):
    """An answer that is not 2xx."""

    def __init__(self, method, path, status, body):
        super().__init__(f"{method} {path}: {status} {body[:300]!r}")
        self.status, self.body = status, body


class Admin:
    """The admin API of one realm over one connection. Without client: the administrator of master."""

    def __init__(self, url, realm, client=None, secret=None):
        self.host = urllib.parse.urlsplit(url).netloc
        self.realm, self.client, self.secret = realm, client, secret
        self.connection, self.token, self.renew = None, None, 0.0

    def _send(self, method, path, body=None, headers=None):
        for again in (False, True):
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, timeout=60)
            try:
                self.connection.request(method, path, body=body, headers=headers or {})
                answer = self.connection.getresponse()
                return answer.status, answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError):
                self.connection.close()
                self.connection = None  # an idle connection that the server closed
                if again:
                    raise
        raise AssertionError("not reached")

    def _bearer(self):
        if time.monotonic() >= self.renew:
            form = ({"grant_type": "client_credentials", "client_id": self.client, "client_secret": self.secret} if self.client
                    else {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": "admin"})
            realm = self.realm if self.client else "master"
            path = f"/realms/{quote(realm)}/protocol/openid-connect/token"
            status, body = self._send("POST", path, urllib.parse.urlencode(form),
                                      {"Content-Type": "application/x-www-form-urlencoded"})
            if status != 200:
                raise Answer("POST", path, status, body)
            token = json.loads(body)
            self.token, self.renew = token["access_token"], time.monotonic() + token["expires_in"] / 2
        return {"Authorization": "Bearer " + self.token}

    def raw(self, method, path, body=None):
        """(status, bytes) of a request below /admin/realms/{realm}; path starts with / and is sent as it is."""
        headers = self._bearer()
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body)
        return self._send(method, f"/admin/realms/{quote(self.realm)}{path}", body, headers)

    def call(self, method, path, body=None):
        status, answer = self.raw(method, path, body)
        if not 200 <= status < 300:
            raise Answer(method, path, status, answer)
        return json.loads(answer) if answer else None

    def get(self, path):
        return self.call("GET", path)

    # What an administrator does in the tests.

    def make(self, representation):
        """The realm itself. The administrator's token knows nothing of a realm that is made later, so a new one is taken."""
        status, answer = self._send("POST", "/admin/realms", json.dumps(representation),
                                    {**self._bearer(), "Content-Type": "application/json"})
        if status != 201:
            raise Answer("POST", "/admin/realms", status, answer)
        self.renew = 0.0

    def version(self):
        status, answer = self._send("GET", "/admin/serverinfo", headers=self._bearer())
        if status != 200:
            raise Answer("GET", "/admin/serverinfo", status, answer)
        return json.loads(answer)["systemInfo"]["version"]

    def user(self, username):
        found = self.get(f"/users?exact=true&username={quote(username)}")
        assert len(found) == 1, f"{username}: {len(found)} users"
        return self.get(f"/users/{found[0]['id']}")

    def grant(self, username, role):
        self.call("POST", f"/users/{self.user(username)['id']}/role-mappings/realm", [self.get(f"/roles/{quote(role)}")])

    def revoke(self, username, role):
        self.call("DELETE", f"/users/{self.user(username)['id']}/role-mappings/realm", [self.get(f"/roles/{quote(role)}")])

    def group(self, path):
        found = [group for group in self.get("/groups?search=%20&populateHierarchy=false&max=-1") if group["path"] == path]
        assert len(found) == 1, f"{path}: {len(found)} groups"
        return found[0]

    def join(self, username, path):
        self.call("PUT", f"/users/{self.user(username)['id']}/groups/{self.group(path)['id']}")

    def leave(self, username, path):
        self.call("DELETE", f"/users/{self.user(username)['id']}/groups/{self.group(path)['id']}")

    def right(self, client, name, method="POST"):
        """Gives the service account of a client a role of realm-management, or takes it (DELETE)."""
        management = self.get("/clients?clientId=realm-management")[0]["id"]
        account = self.user(f"service-account-{client}")["id"]
        self.call(method, f"/users/{account}/role-mappings/clients/{management}",
                  [self.get(f"/clients/{management}/roles/{name}")])

    def enable(self, username, enabled):
        user = self.user(username)
        user["enabled"] = enabled
        self.call("PUT", f"/users/{user['id']}", user)
