"""keybricks itself, run as a user would run it: a configuration file, a state directory, the real binary."""

import json
import os
import re
import subprocess

import realm

SECONDS = 120


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def value(thing):
    """A Python value in libconfig's syntax; lists are libconfig lists, so they may be empty."""
    if isinstance(thing, bool):
        return str(thing).lower()
    if isinstance(thing, (int, float)):
        return repr(thing)
    if isinstance(thing, str):
        return quoted(thing)
    if isinstance(thing, dict):
        return "{ " + " ".join(f"{key} = {value(inner)};" for key, inner in thing.items()) + " }"
    return ("[ {} ]" if all(isinstance(inner, str) for inner in thing) else "( {} )").format(", ".join(map(value, thing)))


class Keybricks:
    """One configuration and its state. run() gives what the process gave. keycloak: settings of that name, on top."""

    def __init__(self, binary, directory, keycloak_url, target, rules, guards=None, keycloak=None, secret=realm.CLIENT_SECRET,
                 **more):
        self.binary, self.directory, self.rules, self.secret = binary, directory, rules, secret
        directory.mkdir()
        self.secret_file = directory / "keycloak.secret"
        self.secret_file.write_text(secret, encoding="utf-8")
        self.secret_file.chmod(0o600)
        settings = {
            "version": 1, "state_dir": str(directory / "state"),
            "keycloak": {"url": keycloak_url, "realm": realm.REALM, "client_id": realm.CLIENT_ID,
                         "secret_file": str(self.secret_file), **(keycloak or {})},
            "targets": [target], "rules": rules,
            # The first run of a small company is the whole company; these limits are for the second.
            "guards": {"max_additions_total": 100000, "max_group_creations": 100, **(guards or {})},
            **more,
        }
        self.config = directory / "keybricks.conf"
        self.config.write_text("".join(f"{key} = {value(thing)};\n" for key, thing in settings.items()), encoding="utf-8")
        (directory / "state").mkdir(mode=0o700)

    def run(self, *arguments, code=0):
        """`code` is the exit code, or a tuple of those that are right."""
        environment = {key: os.environ[key] for key in ("PATH", "HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
                       if key in os.environ}
        done = subprocess.run([self.binary, "-c", str(self.config), *map(str, arguments)], cwd=self.directory, env=environment,
                              capture_output=True, timeout=SECONDS, check=False)
        stdout, stderr = done.stdout.decode(), done.stderr.decode()
        told = f"keybricks {' '.join(map(str, arguments))}: {done.returncode}\n{stdout[-3000:]}\n{stderr[-3000:]}"
        assert done.returncode in (code if isinstance(code, tuple) else (code,)), told
        counts = "" if done.returncode in (4, 5) else r"\(.*writes=\d+\)$"  # where there was a plan
        assert re.match(rf"keybricks: exit {done.returncode} [a-z]+: .+{counts}", stderr.splitlines()[-1]), told
        assert self.secret not in stdout + stderr
        return stdout, stderr

    def plan(self, *arguments, code=0):
        stdout, _ = self.run("plan", "--format", "json", *arguments, code=code)
        return json.loads(stdout)


def operations(plan, op):
    """{group: {name of the principal}} of a plan's operations, held ones too; each stands there once."""
    out = {}
    for group in plan["groups"]:
        names = [one["principal"]["name"] for one in group["operations"] if one["op"] == op]
        assert len(names) == len(set(names)), f"{group['name']}: an operation stands there twice"
        if names:
            out[group["name"]] = set(names)
    return out


def causes(plan, group, name):
    return [one["cause"] for entry in plan["groups"] if entry["name"] == group
            for one in entry["operations"] if one["principal"]["name"] == name]


def left_alone(plan, kind):
    return {(one["group"], one["name"]) for one in plan["left_alone"][kind]}


def writes(line):
    return int(re.search(r"writes=(\d+)", line.splitlines()[-1]).group(1))
