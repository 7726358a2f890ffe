"""A keybricks-sim with a company of one size, the configuration for it, and the two things that are timed: keybricks and curl."""

import base64
import http.client
import json
import os
import shutil
import subprocess
import urllib.parse

BUILD = os.environ["KEYBRICKS_BUILD"]
KEYBRICKS = f"{BUILD}/reconciler/keybricks"
LAUNCH = f"{BUILD}/tests/bench/bench-launch"
CONCURRENCY = 8

# A bench changes more at once than the guards let a scheduler change; the guards are still evaluated.
GUARDS = """guards = { max_removals_total = 999999; max_removals_percent = 100; max_additions_total = 999999;
  max_additions_percent = 100; group_max_removals_percent = 100; group_max_removals_small = 999999;
  source_shrink_percent = 100; removal_window_percent = 100; removal_window_total = 999999; };
"""


class Failed(Exception):
    pass


def launch(runs, commands, log, cwd=None):
    """Starts the commands at the same time, `runs` times; a list of what bench-launch says."""
    argv = [LAUNCH, str(runs)]
    for command in commands:
        argv += ["--", *command]
    with open(log, "wb") as err:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=err, cwd=cwd, check=False)
    if done.returncode:
        raise Failed(f"{argv}: exit {done.returncode}, see {log}")
    return [json.loads(line) for line in done.stdout.splitlines()]


class Stage:
    def __init__(self, folder, users=0, groups=0, roles=0, rows=0, world=None):
        self.folder, self.latency_ms = folder, 0
        os.makedirs(folder)
        what = ["--world", world] if world else ["--users", str(users), "--groups", str(groups), "--roles", str(roles),
                                                 "--memberships", str(rows)]
        self.process = subprocess.Popen([f"{BUILD}/tests/sim/keybricks-sim", *what, "--config-out", folder],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.info = json.loads(self.process.stdout.readline())
            self.config = f"{folder}/bench.conf"
            with open(f"{folder}/keybricks.conf", encoding="utf-8") as file:
                text = file.read()
            for line in (f'realm = "{self.info["realm"]}";', 'level = "account";'):
                if text.count(line) != 1:
                    raise Failed(f"keybricks.conf of the simulator changed: {line} is not there once")
                text = text.replace(line, f"{line} concurrency = {CONCURRENCY};")
            with open(self.config, "w", encoding="utf-8") as file:
                file.write(text + GUARDS)
            self.tokens = {"kc": self._kc_token(), "dbx": self._dbx_token()}
        except BaseException:
            self.close()
            raise

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()

    # ---- the servers ----

    def base(self, side):
        return self.info["keycloak" if side == "kc" else "databricks"]

    def call(self, side, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.base(side)).netloc, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Failed(f"{method} {path}: {answer.status} {data[:200]}")
        return json.loads(data) if data else None

    def set_latency(self, latency_ms):
        self.control("POST", "config", {"latency_ms": latency_ms})
        self.latency_ms = latency_ms

    def control(self, method, what, data=None):
        return self.call("kc", method, f"/_sim/{what}", None if data is None else json.dumps(data))

    def _token(self, side, path, user, secret):
        pair = f"{urllib.parse.quote(user, '')}:{urllib.parse.quote(secret, '')}" if side == "kc" else f"{user}:{secret}"
        scope = "" if side == "kc" else "&scope=all-apis"
        return self.call(side, "POST", path, "grant_type=client_credentials" + scope,
                         {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
                          "Content-Type": "application/x-www-form-urlencoded"})["access_token"]

    def _kc_token(self):
        self.control("POST", "config", {"token_life_s": 3600})
        return self._token("kc", f"/realms/{self.info['realm']}/protocol/openid-connect/token", self.info["client_id"],
                           self.info["client_secret"])

    def _dbx_token(self):
        return self._token("dbx", f"/oidc/accounts/{self.info['account_id']}/v1/token", self.info["dbx_client_id"],
                           self.info["dbx_secret"])

    def realm(self, path):
        return self.call("kc", "GET", f"/admin/realms/{self.info['realm']}{path}",
                         headers={"Authorization": f"Bearer {self.tokens['kc']}", "Accept": "application/json"})

    # ---- what is timed ----

    def forget(self):
        shutil.rmtree(f"{self.folder}/state", ignore_errors=True)

    def keybricks(self, *args, ok=(0,)):
        """One run: (result of bench-launch, what it asked)."""
        self.control("DELETE", "log")
        result = launch(1, [[KEYBRICKS, *args, "-c", self.config]], f"{self.folder}/keybricks.log")[0]
        if result["commands"][0]["exit"] not in ok:
            raise Failed(f"keybricks {args}: exit {result['commands'][0]['exit']}, see {self.folder}/keybricks.log")
        return result, [r for r in self.control("GET", "log") if r["kind"] != "token"]

    def curl(self, requests):
        """The GETs among `requests` that got an answer, one curl process a server, both at the same time."""
        commands, requests = [], [r for r in requests if r["method"] == "GET" and r["status"] == 200]
        for side in ("kc", "dbx"):
            urls = [self.base(side) + r["path"] + ("?" + r["query"] if r["query"] else "")
                    for r in requests if r["side"] == side]
            with open(f"{self.folder}/curl-{side}.conf", "w", encoding="utf-8") as file:
                file.write(f'header = "Authorization: Bearer {self.tokens[side]}"\nheader = "Accept: application/json"\n')
                file.writelines(f'url = "{url}"\noutput = "/dev/null"\n' for url in urls)
            commands.append(["curl", "--no-progress-meter", "--silent", "--show-error", "--fail", "--globoff", "--parallel", "--parallel-max",
                             str(CONCURRENCY), "--config", f"{self.folder}/curl-{side}.conf"])
        self.control("DELETE", "log")
        result = launch(1, commands, f"{self.folder}/curl.log")[0]
        seen = self.control("GET", "log")
        exits = [c["exit"] for c in result["commands"]]
        if any(exits) or len(seen) < len(requests):  # --fail: a status of 400 or more is an exit
            raise Failed(f"curl: exits {exits}, {len(seen)} of {len(requests)} requests, see {self.folder}/curl.log")
        return result
