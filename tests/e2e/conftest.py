"""One real Keycloak of the newest version for the whole session, and one of an older one for whoever asks for it; see
README.md for what is in their realm."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import realm  # noqa: E402
import server  # noqa: E402


def running(version, directory, realms):
    """Yields the URL. For writing tests: KEYCLOAK_26_7_4=http://127.0.0.1:PORT uses a server that runs already."""
    there = os.environ.get("KEYCLOAK_" + version.replace(".", "_"))
    if there:
        yield there
        return
    try:
        yield server.start(directory, realms, version)
    finally:
        server.stop(directory)


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory):
    """The URL of a server with the realm acme."""
    yield from running(server.NEWEST, tmp_path_factory.mktemp("keycloak"), {realm.REALM: realm.build()})


@pytest.fixture(scope="session")
def admin(keycloak):
    return server.Admin(keycloak, realm.REALM)


@pytest.fixture(scope="session")
def reader(keycloak):
    """With the rights of the client keybricks."""
    return server.Admin(keycloak, realm.REALM, realm.CLIENT_ID, realm.CLIENT_SECRET)


@pytest.fixture(scope="session")
def older(tmp_path_factory):
    """The URL of a server of the older version, without a realm."""
    yield from running(server.OLDER, tmp_path_factory.mktemp("older"), {})
