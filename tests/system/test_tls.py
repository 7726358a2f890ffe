"""TLS end to end: a certificate that does not fit ends the run before a secret leaves; there is no switch to go on."""

import subprocess

import pytest
from keybricks import Stage, World
from simulator import Sim

GOOD = {"days": "30", "san": "IP:127.0.0.1"}
CASES = {
    "own-ca": ({}, True, 0), "expired": ({"days": "-1"}, True, 4), "other-host": ({"san": "DNS:sso.acme.example"}, True, 4),
    "other-address": ({"san": "IP:127.0.0.2"}, True, 4), "unknown-ca": ({}, False, 4),
}


def openssl(directory, *args):
    subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)


def certificate(directory, days, san):
    """ca.pem and server.pem with server.key; days may be negative."""
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "30", "-subj", "/CN=test ca")
    openssl(directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=127.0.0.1")
    (directory / "ext").write_text(f"subjectAltName={san}\nbasicConstraints=CA:FALSE\n")
    openssl(directory, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
            "-days", days, "-extfile", "ext")


class TlsSim(Sim):
    """One side speaks TLS; its control paths are asked on the other."""

    def __init__(self, side, directory, *args):
        self.plain = {"keycloak": "databricks", "databricks": "keycloak"}[side]
        option = {"keycloak": "--tls-kc", "databricks": "--tls-dbx"}[side]
        super().__init__(*args, option, f"{directory}/server.pem:{directory}/server.key")

    def call(self, side, *args, **more):
        return super().call(self.plain, *args, **more)


@pytest.mark.parametrize("change,known,code", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("side", ["keycloak", "databricks"])
def test_certificates(tmp_path, monkeypatch, side, change, known, code):
    certificate(tmp_path, **GOOD | change)
    world = World()
    world.user("ada", roles=["ml"])
    world.rule(role="ml", group="ml")
    world.group("ml")
    monkeypatch.setattr("keybricks.Sim", lambda *args: TlsSim(side, tmp_path, *args))
    with Stage(tmp_path, world) as at:
        ca = str(tmp_path / "ca.pem") if known else ""
        at.configure(**{"keycloak": {"ca_file": ca}} if side == "keycloak" else {"targets": [at.target(ca_file=ca)]})
        result = at.sync(code={0: 0, 4: 4 if side == "keycloak" else 5}[code])
        if code == 0:
            assert at.members("ml") == {"ada"}
        else:
            assert "certificate" in result.message.lower() or "ssl" in result.message.lower(), result.message
            assert at.log({"keycloak": "kc", "databricks": "dbx"}[side]) == [] and at.writes() == []
