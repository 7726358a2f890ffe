"""A real OpenLDAP server on loopback, and a Keycloak realm federated with it. Standard library, slapd and ldapmodify.

slapd runs as whoever runs the tests, with a configuration and a database in a temporary directory, on a port of its own; it
can be stopped, frozen and started again. A small proxy in front of Keycloak lets a test act between two requests.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

import realm
import server

SUFFIX = "dc=acme,dc=example"
ADMIN = f"cn=admin,{SUFFIX}"
PASSWORD = "e2e"
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SECONDS = 20

CONFIG = """include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.32473.1.1 NAME 'userAccountControl' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.32473.1.2 NAME 'pwdLastSet' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {directory}/pid
argsfile {directory}/args
database mdb
suffix "{suffix}"
rootdn "{admin}"
rootpw {password}
directory {directory}/data
"""


def person_dn(name):
    return f"uid={name},ou=people,{SUFFIX}"


def group_dn(name):
    return f"cn={name},ou=groups,{SUFFIX}"


class Slapd:
    """people: names; groups: {name: names}. A group is never empty in LDAP, so each has the administrator, too."""

    def __init__(self, directory, people, groups):
        self.directory, self.process = directory, None
        (directory / "data").mkdir(parents=True)
        self.config = directory / "slapd.conf"
        self.config.write_text(CONFIG.format(directory=directory, suffix=SUFFIX, admin=ADMIN, password=PASSWORD), encoding="utf-8")
        with socket.socket() as probe:  # slapd cannot say which port it took
            probe.bind(("127.0.0.1", 0))
            self.url = f"ldap://127.0.0.1:{probe.getsockname()[1]}"
        self._run("slapadd", "-f", self.config, text=self._data(people, groups))
        self.start()

    @staticmethod
    def _data(people, groups):
        out = [f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: acme\no: Acme"]
        out += [f"dn: ou={unit},{SUFFIX}\nobjectClass: organizationalUnit\nou: {unit}" for unit in ("people", "groups")]
        out += [f"dn: {person_dn(name)}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\nmail: {name}@acme.example"
                for name in people]
        for name, members in groups.items():
            lines = "\n".join(f"member: {person_dn(one)}" for one in members)
            out.append(f"dn: {group_dn(name)}\nobjectClass: groupOfNames\ncn: {name}\nmember: {ADMIN}\n{lines}")
        return "\n\n".join(out) + "\n"

    def _run(self, command, *arguments, text):
        done = subprocess.run([shutil.which(command, path=PATH), *map(str, arguments)], input=text.encode(), capture_output=True,
                              timeout=SECONDS, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr.decode()}"

    def _answers(self):
        host = urllib.parse.urlsplit(self.url)
        try:
            with socket.create_connection((host.hostname, host.port), timeout=1):
                return True
        except OSError:
            return False

    def start(self):
        """Does nothing when it runs; thaws it when it is frozen."""
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            return
        self.process = subprocess.Popen([shutil.which("slapd", path=PATH), "-f", self.config, "-h", self.url, "-d", "0"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + SECONDS
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < end, "slapd did not start"
            threading.Event().wait(0.02)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(SECONDS)
            self.process = None

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def modify(self, text):
        self._run("ldapmodify", "-x", "-H", self.url, "-D", ADMIN, "-w", PASSWORD, text=text)

    def leave(self, name, group):
        self.modify(f"dn: {group_dn(group)}\nchangetype: modify\ndelete: member\nmember: {person_dn(name)}\n")

    def disable(self, name):
        """As Active Directory does it."""
        self.modify(f"dn: {person_dn(name)}\nchangetype: modify\nadd: objectClass\nobjectClass: extensibleObject\n-\n"
                    "add: userAccountControl\nuserAccountControl: 514\n")

    def delete(self, name):
        self.modify(f"dn: {person_dn(name)}\nchangetype: delete\n")

    def join(self, name, group):
        self.modify(f"dn: {group_dn(group)}\nchangetype: modify\nadd: member\nmember: {person_dn(name)}\n")


# ---- Keycloak's side ----

def keybricks_client():
    """(client, its account) as they stand in a realm that is imported or posted."""
    whole = realm.build()
    client = next(one for one in whole["clients"] if one["clientId"] == realm.CLIENT_ID)
    account = next(one for one in whole["users"] if one.get("serviceAccountClientId") == realm.CLIENT_ID)
    account = {**account, "realmRoles": []}
    for one in (client, account):
        one.pop("id", None)
    return client, account


# Small keys: with what a new realm gets by default the server computes for seconds.
KEYS = [{"name": kind, "providerId": f"{kind}-generated", "config": {"priority": ["100"], **config}}
        for kind, config in (("hmac", {"algorithm": ["HS512"]}), ("aes", {}), ("rsa", {"keySize": ["1024"]}))]


def post_realm(admin, body):
    """A realm made by the administrator of master."""
    body = {**body, "components": {**body.get("components", {}), "org.keycloak.keys.KeyProvider": KEYS}}
    made = server.Admin(f"http://{admin.host}", body["realm"])
    made.make(body)
    return made


def make_realm(admin, name):
    """An empty realm with the client keybricks."""
    client, account = keybricks_client()
    return post_realm(admin, {"realm": name, "enabled": True, "sslRequired": "none", "clients": [client], "users": [account]})


def federate(admin, url, mode, imported=True):
    """The user storage provider, its group mapper in the mode, and everything synchronised once. Time-outs of a
    second: a frozen server costs each look at it that long."""
    parent = admin.get("")["id"]
    edit = "WRITABLE" if mode == "LDAP_ONLY" else "READ_ONLY"  # Keycloak allows no other; nobody writes

    def add(body):
        admin.call("POST", "/components", body)
        return admin.get(f"/components?name={body['name']}&parent={body['parentId']}")[0]["id"]
    provider = add({
        "name": "corp", "providerId": "ldap", "providerType": "org.keycloak.storage.UserStorageProvider", "parentId": parent,
        "config": {key: [value] for key, value in {
            "enabled": "true", "vendor": "other", "editMode": edit, "importEnabled": str(imported).lower(), "connectionUrl": url,
            "usersDn": f"ou=people,{SUFFIX}", "authType": "simple", "bindDn": ADMIN, "bindCredential": PASSWORD,
            "usernameLDAPAttribute": "uid", "rdnLDAPAttribute": "uid", "uuidLDAPAttribute": "entryUUID",
            "userObjectClasses": "inetOrgPerson", "searchScope": "1", "pagination": "false", "connectionTimeout": "1000",
            "readTimeout": "1000", "connectionPooling": "false", "cachePolicy": "DEFAULT"}.items()}})
    mapper = add({
        "name": "groups", "providerId": "group-ldap-mapper", "providerType": "org.keycloak.storage.ldap.mappers.LDAPStorageMapper",
        "parentId": provider,
        "config": {key: [value] for key, value in {
            "mode": mode, "groups.dn": f"ou=groups,{SUFFIX}", "group.name.ldap.attribute": "cn",
            "group.object.classes": "groupOfNames", "preserve.group.inheritance": "false", "membership.ldap.attribute": "member",
            "membership.attribute.type": "DN", "membership.user.ldap.attribute": "uid", "groups.path": "/",
            "user.roles.retrieve.strategy": "LOAD_GROUPS_BY_MEMBER_ATTRIBUTE",
            "drop.non.existing.groups.during.sync": "false"}.items()}})
    admin.call("POST", f"/user-storage/{provider}/mappers/{mapper}/sync?direction=fedToKeycloak")
    if imported:
        admin.call("POST", f"/user-storage/{provider}/sync?action=triggerFullSync")
    return provider
