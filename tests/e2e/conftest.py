"""One real Keycloak for the whole session; see README.md for what is in its realm."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import realm  # noqa: E402
import server  # noqa: E402


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory):
    """The URL of a server with the realm acme."""
    directory = tmp_path_factory.mktemp("keycloak")
    try:
        yield server.start(directory, {realm.REALM: realm.build()})
    finally:
        server.stop(directory)


@pytest.fixture(scope="session")
def admin(keycloak):
    return server.Admin(keycloak, realm.REALM)


@pytest.fixture(scope="session")
def reader(keycloak):
    """With the rights of the client keybricks."""
    return server.Admin(keycloak, realm.REALM, realm.CLIENT_ID, realm.CLIENT_SECRET)
