"""deploy/: the systemd units and the Kubernetes manifests are valid, tight, and retry exactly what the contract says.

Needs systemd-analyze, and PyYAML and kubernetes-validate in the Python that runs this; scripts/test provides them.
"""

import pathlib
import re
import subprocess

import kubernetes_validate
import pytest
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
MANIFESTS = sorted(path for path in BASE.glob("*.yaml") if path.name != "kustomization.yaml")

# The contract's exit codes but 0 and 2 (only plan --exit-code): who tries again?
AT_ONCE = {75}
ON_SCHEDULE = {4, 5, 7}
PERSON = {1, 3, 6, 8, 64, 78}


@pytest.fixture
def units(tmp_path):
    """The units with a program that exists on this machine: verify looks for it."""
    for path in sorted((DEPLOY / "systemd").iterdir()):
        text = path.read_text().replace("/usr/bin/keybricks ", "/bin/true ")
        (tmp_path / path.name).write_text(text)
    return tmp_path


def setting(unit, key):
    return re.findall(rf"^{key}=(.*)$", (DEPLOY / "systemd" / unit).read_text(), re.M)


def test_units_are_valid(units):
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", units / "keybricks.service", units / "keybricks.timer"],
                         capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_service_is_exposed_little(units):
    run = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", units / "keybricks.service"],
                         capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level for keybricks\.service: (\d+\.\d)", run.stdout)
    assert level, run.stdout + run.stderr
    assert float(level.group(1)) <= 2.0


def test_service_retries_what_the_contract_says():
    assert setting("keybricks.service", "Restart") == ["on-failure"]
    assert {int(code) for code in setting("keybricks.service", "RestartPreventExitStatus")[0].split()} == ON_SCHEDULE | PERSON
    assert setting("keybricks.service", "SuccessExitStatus") == []  # a partial run must not look green


def test_start_limit_never_refuses_an_ordinary_run():
    interval = int(re.fullmatch(r"(\d+)min", setting("keybricks.service", "StartLimitIntervalSec")[0]).group(1))
    every = int(re.fullmatch(r"\*:0/(\d+)", setting("keybricks.timer", "OnCalendar")[0]).group(1))
    assert interval < every


def test_secrets_come_as_credentials():
    assert {line.split(":")[0] for line in setting("keybricks.service", "LoadCredential")} == {"keycloak", "databricks"}


def load(name):
    return yaml.safe_load((BASE / name).read_text())


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifest_is_valid(path):
    kubernetes_validate.validate(load(path.name), "1.31", strict=True)


def test_validation_can_fail():
    broken = load("cronjob.yaml")
    broken["spec"]["jobTemplate"]["spec"]["backofLimit"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.31", strict=True)


def test_base_names_every_file_once():
    base = load("kustomization.yaml")
    assert sorted(base["resources"]) == [path.name for path in MANIFESTS]
    for generator in base["configMapGenerator"]:
        for name in generator["files"]:
            assert (BASE / name).is_file()


def test_job_retries_what_the_contract_says():
    job = load("cronjob.yaml")["spec"]["jobTemplate"]["spec"]
    ignore, fail = job["podFailurePolicy"]["rules"]
    assert ignore["action"] == "Ignore" and ignore["onPodConditions"][0]["type"] == "DisruptionTarget"
    assert fail["action"] == "FailJob" and fail["onExitCodes"]["operator"] == "In"
    assert set(fail["onExitCodes"]["values"]) == ON_SCHEDULE | PERSON
    assert not set(fail["onExitCodes"]["values"]) & AT_ONCE
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # podFailurePolicy needs it


def test_pod_has_no_right_it_does_not_need():
    spec = load("cronjob.yaml")["spec"]
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    container, = pod["containers"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert pod["automountServiceAccountToken"] is False and load("serviceaccount.yaml")["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                            "capabilities": {"drop": ["ALL"]}}
    modes = [volume["secret"]["defaultMode"] for volume in pod["volumes"] if "secret" in volume]
    assert modes == [0o440]


def test_network_policy_and_pod_agree():
    policy = load("networkpolicy.yaml")["spec"]
    labels = load("cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["policyTypes"] == ["Ingress", "Egress"] and policy["ingress"] == []
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 443}
