"""Fixtures of the system tests: a stage is two servers, a configuration and a state directory, gone after the test."""

import contextlib

import pytest
from keybricks import Stage


def pytest_addoption(parser):
    parser.addoption("--sample", type=int, default=1, metavar="N",
                     help="of each parametrized test only every Nth case: for the sanitizer build, which is slow")


def pytest_collection_modifyitems(config, items):
    """The slow ones first, so that no worker starts one when the others have nothing left to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    step, seen, kept, left = config.getoption("--sample"), {}, [], []
    for item in items:
        name = (item.fspath, item.originalname)
        seen[name] = seen.get(name, -1) + 1
        (kept if seen[name] % step == 0 else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than three seconds; scripts/test --quick leaves it out")


@pytest.fixture
def stage(tmp_path):
    """stage(world, **settings) -> Stage; several in one test get directories of their own."""
    with contextlib.ExitStack() as stack:
        made = []

        def make(world, **settings):
            directory = tmp_path / f"stage{len(made)}"
            directory.mkdir()
            made.append(stack.enter_context(Stage(directory, world, **settings)))
            return made[-1]
        yield make
