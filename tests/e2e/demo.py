"""What scripts/quickstart --keycloak plays: a small company in a real Keycloak, its Databricks account in keybricks-sim.

  demo.py files DIR            writes acme-realm.json (to import) and world.json (for keybricks-sim --world)
  demo.py config DIR URL       writes DIR/keybricks.conf for the two servers that run now
  demo.py change URL           a colleague gets a role, another is disabled, through Keycloak's admin API
"""

import json
import os
import pathlib
import re
import sys

import server

SECRET = "demo secret: a+b/c&d"
ROLES = ["ml-engineer", "finance-analyst", "platform-admin", {"data-base": ["ml-engineer"]}]
PEOPLE = {  # user name: (groups, roles, display name)
    "ada.okafor": (["/data/ml"], [], "Ada Okafor"), "bo.nygaard": (["/finance/emea"], [], "Bo Nygaard"),
    "chen.li": ([], ["finance-analyst"], "Chen Li"), "dag.ruud": (["/finance"], [], "Dag Ruud"),
    "eva.kraus": (["/data/ml"], [], "Eva Kraus"), "femi.ade": (["/data"], [], "Femi Ade"),
    "ines.duarte": (["/finance"], [], "Ines Duarte"), "tomas.hale": ([], ["platform-admin"], "Tomas Hale"),
    "uma.rao": ([], ["platform-admin"], "Uma Rao"), "jo.new": (["/finance/emea"], [], None),
}
RULES = """rules = (
  { role = "ml-engineer";  group = "ml-engineers"; },
  { role = "finance-analyst";  group = "finance-analysts"; },
  { path = "/data";  group = "data-people";  subgroups = true; },
  { path_glob = "/data/*";  group = "team-{1}";  create = true; },
  { role = "platform-admin";  group = "dbx-platform-admins";  privileged = true; }
);
"""


def mail(name):
    return f"{name}@acme.example"


def realm():
    def role(entry):
        if isinstance(entry, str):
            return {"name": entry}
        (name, inside), = entry.items()
        return {"name": name, "composite": True, "composites": {"realm": inside}}
    users = [{"username": name, "email": mail(name), "emailVerified": True, "enabled": True, "firstName": name.split(".")[0].title(),
              "lastName": name.split(".")[1].title(), "groups": groups, "realmRoles": roles}
             for name, (groups, roles, _) in PEOPLE.items()]
    users.append({"username": "service-account-keybricks", "enabled": True, "serviceAccountClientId": "keybricks",
                  "clientRoles": {"realm-management": ["view-users", "view-realm"]}})
    return {
        "realm": "acme", "enabled": True, "roles": {"realm": [role(entry) for entry in ROLES]}, "users": users,
        "groups": [{"name": "data", "subGroups": [{"name": "ml", "realmRoles": ["data-base"]}]},
                   {"name": "finance", "realmRoles": ["finance-analyst"], "subGroups": [{"name": "emea"}]}],
        "clients": [{"clientId": "keybricks", "secret": SECRET, "publicClient": False, "serviceAccountsEnabled": True,
                     "standardFlowEnabled": False, "directAccessGrantsEnabled": False}],
    }


def world():
    return {
        "databricks": {
            "users": [{"userName": mail(name), "displayName": display} for name, (_, _, display) in PEOPLE.items() if display]
            + [{"userName": "test.acct@acme.example", "displayName": "Test Account"}],
            "groups": [{"displayName": "ml-engineers", "members": [mail("ada.okafor"), "test.acct@acme.example"]},
                       {"displayName": "finance-analysts", "members": [mail("dag.ruud")]}, {"displayName": "data-people"},
                       {"displayName": "dbx-platform-admins", "members": [mail("tomas.hale"), mail("uma.rao")]}],
        },
        "rules": RULES,
    }


def files(directory):
    (directory / "acme-realm.json").write_text(json.dumps(realm()), encoding="utf-8")
    (directory / "world.json").write_text(json.dumps(world()), encoding="utf-8")


def config(directory, url):
    path = directory / "keybricks.conf"
    text = path.read_text(encoding="utf-8")
    text = text.replace("# written by keybricks-sim; it is the configuration of that process only\n", "")
    path.write_text(re.sub(r'(keycloak = \{\s*url = )"[^"]*"', rf'\1"{url}"', text), encoding="utf-8")
    secret = os.open(directory / "keycloak.secret", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(secret, SECRET.encode())
    os.close(secret)


def change(url):
    admin = server.Admin(url, "acme")
    admin.grant("femi.ade", "finance-analyst")
    admin.enable("dag.ruud", False)
    print("(femi.ade gets role finance-analyst; dag.ruud is disabled)")


if __name__ == "__main__":
    word, rest = sys.argv[1], sys.argv[2:]
    if word == "files":
        files(pathlib.Path(rest[0]))
    elif word == "config":
        config(pathlib.Path(rest[0]), rest[1])
    elif word == "change":
        change(rest[0])
    else:
        sys.exit(__doc__)
