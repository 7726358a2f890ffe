"""The manual and the README say what the program says."""

import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def keybricks(*words):
    done = subprocess.run([os.environ["KEYBRICKS_BIN"], *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_manual_has_the_table_of_all_keys():
    manual = (ROOT / "docs" / "manual.md").read_text(encoding="utf-8")
    assert manual.endswith(keybricks("config", "table")), "run: keybricks config table, and put it at the manual's end"


def test_every_command_of_the_help_is_in_the_readme_or_the_manual():
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "docs" / "manual.md").read_text(encoding="utf-8")
    commands = re.findall(r"^  (\w+) ", keybricks("--help").split("options of every command")[0], re.M)
    assert len(commands) >= 9
    missing = [word for word in commands if word not in ("help", "history") and f"keybricks {word}" not in text
               and f"`{word}`" not in text and f" {word} " not in text]
    assert not missing


def test_readme_exit_codes_are_those_of_the_help():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for code, name in re.findall(r"\b(\d+) (\w+)", keybricks("--help").split("exit codes")[1].split("keybricks help")[0]):
        assert f"| {code} | {name} |" in readme
