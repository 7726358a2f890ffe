"""The Databricks side: keybricks-sim with a world made for the test. Its realm is not used. See tests/sim/README.md."""

import json
import subprocess
import urllib.request

READS = ("GET", "HEAD")


class Target:
    """principals: {"user": names, "service_principal": application ids}; groups: {name: names of members}."""

    def __init__(self, binary, directory, principals, groups):
        world = {"databricks": {
            "level": "account", "users": principals["user"], "service_principals": principals["service_principal"],
            "groups": [{"displayName": name, "members": sorted(members)} for name, members in sorted(groups.items())]}}
        path = directory / "world.json"
        path.write_text(json.dumps(world, ensure_ascii=False), encoding="utf-8")
        # It ends with our end of the pipe, so a test that dies leaves nothing behind.
        self.process = subprocess.Popen([binary, "--world", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        assert line, "keybricks-sim did not start"
        self.told = json.loads(line)
        self.secret = directory / "databricks.secret"
        self.secret.write_text(self.told["dbx_secret"], encoding="utf-8")
        self.secret.chmod(0o600)

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)

    def settings(self):
        """The entry of `targets` in a configuration."""
        return {"name": "acme", "level": "account", "host": self.told["databricks"], "account_id": self.told["account_id"],
                "auth": "oauth_m2m", "client_id": self.told["dbx_client_id"], "secret_file": str(self.secret),
                "rate": {"get": 1000.0, "list": 1000.0, "patch": 1000.0, "post": 1000.0}}

    def _control(self, method, what):
        request = urllib.request.Request(f"{self.told['databricks']}/_sim/{what}", method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def members(self):
        """{group: names of its members} as the simulator has them, asked without keybricks."""
        out = {}
        for group in self._control("GET", "state")["groups"]:
            assert group["displayName"] not in out, f"two groups named {group['displayName']}"
            out[group["displayName"]] = set(group["names"])
        return out

    def writes(self):
        """(method, path) of each request that was no read, since the start or forget_requests; tokens are not writes."""
        return [(one["method"], one["path"]) for one in self._control("GET", "log")
                if one["side"] == "dbx" and one["method"] not in READS and one["kind"] != "token"]

    def forget_requests(self):
        self._control("DELETE", "log")
