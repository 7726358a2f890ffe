"""The official Python SDK (databricks-sdk, PyPI) lists, gets and patches against keybricks-sim: what our tests are made with is
what a client of other people understands, at account and at workspace level."""

import json

import pytest

pytest.importorskip("databricks.sdk")
from databricks.sdk import AccountClient, WorkspaceClient  # noqa: E402  pylint: disable=wrong-import-position
from databricks.sdk.errors import BadRequest, NotFound  # noqa: E402  pylint: disable=wrong-import-position
from databricks.sdk.service import iam  # noqa: E402  pylint: disable=wrong-import-position
from simulator import ANA, APP, BOT, ML, WORLD, Sim  # noqa: E402  pylint: disable=wrong-import-position

SCHEMA = [iam.PatchSchema.URN_IETF_PARAMS_SCIM_API_MESSAGES_2_0_PATCH_OP]


@pytest.fixture
def sim(tmp_path):
    path = tmp_path / "world.json"
    path.write_text(json.dumps(WORLD))
    simulator = Sim("--world", str(path))
    yield simulator
    assert simulator.stop() == 0


@pytest.fixture
def account(sim, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    return AccountClient(host=sim.info["databricks"], account_id=sim.account, client_id=sim.info["dbx_client_id"],
                         client_secret=sim.info["dbx_secret"], auth_type="oauth-m2m")


@pytest.fixture
def workspace(sim, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    return WorkspaceClient(host=sim.info["databricks"], token=sim.info["workspace_token"], auth_type="pat")


def ids(members):
    return {one.value for one in members or []}


def test_account_lists(account):
    names = {one.display_name for one in account.groups.list(attributes="id,displayName")}
    assert {"ml", "outer"} <= names and "local" not in names
    assert all(not one.members for one in account.groups.list())  # since 2025-08-22
    people = list(account.users.list(attributes="id,userName"))
    assert len(people) == len({one.id for one in people}) == len(WORLD["databricks"]["users"])
    assert {one.application_id for one in account.service_principals.list()} >= {APP}


def test_account_filters(account):
    assert [one.id for one in account.groups.list(filter='displayName eq "ML"')] == [ML]
    assert [one.id for one in account.users.list(filter='userName eq "ana@acme.example"')] == [ANA]
    with pytest.raises(BadRequest):
        list(account.groups.list(filter="displayName what ml"))


def test_account_gets(account):
    group = account.groups.get(ML)
    assert group.display_name == "ml" and {ANA, BOT} <= ids(group.members) and group.meta.resource_type == "Group"
    assert {one.ref.split("/")[0] for one in group.members} == {"Users", "ServicePrincipals"}
    assert account.users.get(ANA).user_name == "Ana@acme.example"
    assert account.service_principals.get(BOT).application_id == APP
    with pytest.raises(NotFound):
        account.groups.get("900000000000998")


def test_account_patches(account, sim):
    account.groups.patch(ML, schemas=SCHEMA, operations=[
        iam.Patch(op=iam.PatchOp.REMOVE, path=f'members[value eq "{ANA}"]'),
        iam.Patch(op=iam.PatchOp.ADD, path="members", value=[{"value": account.service_principals.get(BOT).id}])])
    assert ANA not in ids(account.groups.get(ML).members) and "Ana@acme.example" not in sim.members()
    account.groups.patch(ML, schemas=SCHEMA, operations=[iam.Patch(op=iam.PatchOp.ADD, value={"members": [{"value": ANA}]})])
    assert ANA in ids(account.groups.get(ML).members)


def test_account_creates_and_deletes(account):
    user = account.users.create(user_name="new@acme.example", display_name="New")
    group = account.groups.create(display_name="fresh")
    account.groups.patch(group.id, schemas=SCHEMA, operations=[iam.Patch(op=iam.PatchOp.ADD, path="members", value=[{"value": user.id}])])
    assert ids(account.groups.get(group.id).members) == {user.id}
    account.groups.delete(group.id)
    account.users.delete(user.id)
    with pytest.raises(NotFound):
        account.users.get(user.id)


def test_workspace_lists_gets_patches(workspace, sim):
    local = next(one for one in workspace.groups.list() if one.display_name == "local")
    assert local.meta.resource_type == "WorkspaceGroup" and len(local.members) == 1
    assert {one.application_id for one in workspace.service_principals.list()} >= {APP}
    workspace.groups.patch(local.id, schemas=SCHEMA, operations=[iam.Patch(op=iam.PatchOp.ADD, path="members", value=[{"value": ANA}])])
    assert ANA in ids(workspace.groups.get(local.id).members) and "Ana@acme.example" in sim.members("local")
    assert workspace.users.get(ANA).user_name == "Ana@acme.example"


def test_a_group_of_the_account_is_refused_at_workspace_level(workspace, sim):
    before = sim.members()
    with pytest.raises(BadRequest):
        workspace.groups.patch(ML, schemas=SCHEMA, operations=[iam.Patch(op=iam.PatchOp.REMOVE, path=f'members[value eq "{ANA}"]')])
    assert sim.members() == before
