"""People who come through an identity provider: they exist in the realm only since their first login, with what the provider's
mappers gave them. A browser flow made them, over OpenID Connect and over SAML; keybricks treats them like anybody else."""

import os

import brokered
import product
import pytest
import small

if not os.environ.get("KEYBRICKS_BIN") or not os.environ.get("KEYBRICKS_SIM"):
    pytest.skip("needs KEYBRICKS_BIN and KEYBRICKS_SIM; scripts/test sets both", allow_module_level=True)

RULES = [{"path": "/partners/oidc", "group": "by oidc"}, {"path": "/partners", "group": "partners", "subgroups": True},
         {"role": "work", "group": "workers"}]
IDA, IVA = "ida@partner.example", "iva@partner.example"
NOA = "noa@partner.example"       # her user name; she has no e-mail address
BOSS = "boss@acme.example"        # somebody's address, and another's claim to it
PEOPLE = {"ida": {}, "iva": {}, NOA: {"email": None}, "mallory": {"email": BOSS}, "late": {}}
CLAIM = {("by oidc", BOSS), ("partners", BOSS), ("workers", BOSS)}


@pytest.fixture(scope="module")
def broker(admin):
    built = brokered.Broker(admin, PEOPLE)
    try:
        for name, way in (("ida", "oidc"), ("iva", "saml"), (NOA, "oidc"), ("mallory", "oidc")):
            built.login(name, way)
        yield built
    finally:
        built.partner.call("DELETE", "")


@pytest.fixture(scope="module")
def company(broker, tmp_path_factory):
    built = small.Small(broker.guests, tmp_path_factory.mktemp("guests"), RULES, [IDA, IVA, NOA, BOSS, "new@partner.example"])
    try:
        yield built
    finally:
        built.stop()


# The tests build on each other, in this order.


def test_the_logins_made_linked_users(broker):
    assert {name: broker.links(name) for name in ("ida", "iva", NOA)} == {"ida": {"oidc": "ida"}, "iva": {"saml": "iva"},
                                                                          NOA: {"oidc": NOA}}
    assert not broker.guests.user("ida")["emailVerified"] and broker.guests.user("iva")["emailVerified"]
    assert "federationLink" not in broker.guests.user("ida") and "email" not in broker.guests.user(NOA)
    assert broker.guests.get("/users?username=late&exact=true") == []  # has not logged in: does not exist


def test_unverified_addresses_of_a_provider_count_only_if_wanted(company):
    """Whoever may type any address at the provider could become anybody; the switch says no to that."""
    plan = company.configured(match={"verified_email_only": True}).plan()
    assert product.operations(plan, "add") == {"by oidc": {NOA}, "partners": {IVA, NOA}, "workers": {IVA, NOA}}
    assert product.left_alone(plan, "unmatched") == CLAIM | {(group, IDA) for group in company.groups}
    assert {one["note"] for one in plan["left_alone"]["unmatched"]} == {"the e-mail address is not verified in Keycloak"}


def test_brokered_people_are_added_like_others(company):
    company.sync()
    assert company.members() == {"by oidc": {IDA, NOA, BOSS}, "partners": {IDA, IVA, NOA, BOSS}, "workers": {IDA, IVA, NOA, BOSS}}


def test_the_first_login_puts_in_who_did_not_exist(broker, company):
    broker.login("late", "saml")
    plan = company.keybricks.plan()
    assert product.operations(plan, "add") == {}
    assert product.left_alone(plan, "unmatched") == {(group, "late@partner.example") for group in ("partners", "workers")}


def test_what_is_taken_away_in_the_realm_is_taken_away(broker, company):
    """The mapper gives only at the first login; a provider that was left does not bring it back, nor keep it."""
    broker.guests.revoke("iva", "work")
    broker.guests.call("DELETE", f"/users/{broker.guests.user(NOA)['id']}/federated-identity/oidc")
    plan = company.keybricks.plan()
    assert product.operations(plan, "remove") == {"workers": {IVA}} and product.operations(plan, "add") == {}
    assert product.causes(plan, "workers", IVA) == ["revoked"]
    company.sync()
    assert company.members() == {"by oidc": {IDA, NOA, BOSS}, "partners": {IDA, IVA, NOA, BOSS}, "workers": {IDA, NOA, BOSS}}


def test_a_provider_that_is_switched_off_or_gone_takes_nobody_out(broker, company):
    provider = broker.guests.get("/identity-provider/instances/saml")
    broker.guests.call("PUT", "/identity-provider/instances/saml", {**provider, "enabled": False})
    before = company.members()
    _, stderr = company.sync()
    assert product.writes(stderr) == 0
    broker.guests.call("DELETE", "/identity-provider/instances/saml")
    _, stderr = company.sync()
    assert product.writes(stderr) == 0 and company.members() == before
    assert broker.links("iva") == {}


def test_deleted_and_come_back_before_the_next_run(broker, company):
    """Another id, the same name: nothing to do. From then on the new id is asked for proof."""
    first = broker.guests.user("ida")["id"]
    company.delete("ida")
    broker.login("ida", "oidc")
    second = broker.guests.user("ida")["id"]
    assert first != second
    plan = company.keybricks.plan()
    assert plan["groups"] == [] and not product.left_alone(plan, "identity_changed")
    _, stderr = company.sync()
    assert product.writes(stderr) == 0
    broker.guests.revoke("ida", "work")
    plan = company.keybricks.plan()
    assert [(one["cause"], one["source_id"]) for group in plan["groups"] for one in group["operations"]] == [("revoked", second)]
    company.sync()
    assert IDA not in company.members()["workers"] and IDA in company.members()["by oidc"]


def test_deleted_goes_and_comes_back_with_the_next_login(broker, company):
    company.delete("ida")
    plan = company.keybricks.plan()
    assert product.operations(plan, "remove") == {"by oidc": {IDA}, "partners": {IDA}}
    assert product.causes(plan, "partners", IDA) == ["deleted"]
    company.sync()
    assert not [name for name, members in company.members().items() if IDA in members]
    broker.login("ida", "oidc")
    company.sync()
    assert all(IDA in members for members in company.members().values())


def test_the_same_user_name_with_another_address_is_somebody_else(broker, company):
    """Deleted, and the name given to another person: the first one's memberships end, the second has a key of his own."""
    company.delete("ida")
    company.person("ida", "/partners/oidc", email="new@partner.example", firstName="New", lastName="Ida")
    plan = company.keybricks.plan()
    assert product.operations(plan, "add") == {"by oidc": {"new@partner.example"}, "partners": {"new@partner.example"}}
    assert product.operations(plan, "remove") == {group: {IDA} for group in company.groups}
    company.sync()
    assert company.members() == {"by oidc": {"new@partner.example", NOA, BOSS}, "workers": {NOA, BOSS},
                                 "partners": {"new@partner.example", IVA, NOA, BOSS}}
