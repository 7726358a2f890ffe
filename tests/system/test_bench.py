"""scripts/bench works, and what it counts (requests, PATCHes) is what it must be. Its times are nobody's promise here."""

import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_smoke():
    if "KEYBRICKS_BIN" not in os.environ:
        pytest.skip("KEYBRICKS_BIN says which build is meant")
    build = os.path.dirname(os.path.dirname(os.environ["KEYBRICKS_BIN"]))
    done = subprocess.run([f"{ROOT}/scripts/bench", "--smoke"], capture_output=True, text=True, timeout=120, check=False,
                          env=os.environ | {"KEYBRICKS_BUILD": build})
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")]
            for line in done.stdout.splitlines() if line.startswith("| ")}
    assert {"first plan", "plan, nothing changed", "sync of a 1 % change", "`keybricks --version`"} <= rows.keys()
    for run in ("first plan", "plan, nothing changed"):
        requests, bound = rows[run][8:10]
        assert requests == bound and int(bound) > 50
    assert "PATCHes (bound" in done.stdout and "FAILED" not in done.stdout
