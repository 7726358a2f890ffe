"""Judges that we did not write: the official SDK against our simulator, a foreign server against our client."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))


@pytest.fixture
def stage(tmp_path):
    from keybricks import Stage  # pylint: disable=import-outside-toplevel
    made = []

    def make(world, **settings):
        made.append(Stage(tmp_path, world, **settings))
        return made[-1]
    yield make
    for one in made:
        one.__exit__(None)
