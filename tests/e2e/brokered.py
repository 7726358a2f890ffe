"""Two realms of one server, one the identity provider of the other: people of `partner` log in to `guests` with a browser.

`guests` has two ways in: OpenID Connect, whose e-mail addresses it does not trust, and SAML, whose addresses it does. Each puts
whoever comes through it into a group and gives a role, as an administrator would set it up.
"""

import json
import urllib.parse

import browser
import directory
import realm
import server

BACK = "http://127.0.0.1:9/back"  # nobody listens there: the browser stops before it
PASSWORD = "e2e"
SECRET = "broker-secret"
# An e-mail address is not required of anybody.
PROFILE = {"org.keycloak.userprofile.UserProfileProvider": [
    {"providerId": "declarative-user-profile", "config": {"kc.user.profile.config": [json.dumps(realm.PROFILE)]}}]}


def partner_realm(host, names):
    """The identity provider: people with a password, and one client for each way."""
    broker = f"http://{host}/realms/guests/broker"

    def attribute(name):
        return {"name": name, "protocol": "saml", "protocolMapper": "saml-user-property-mapper", "consentRequired": False,
                "config": {"user.attribute": name, "attribute.name": name, "attribute.nameformat": "Basic"}}
    users = [{"username": name, "enabled": True, "firstName": name, "lastName": "Partner", "emailVerified": True,
              "email": f"{name}@partner.example", **more,
              "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}]} for name, more in names.items()]
    return {
        "realm": "partner", "enabled": True, "sslRequired": "none", "users": users, "components": PROFILE,
        "clients": [
            {"clientId": "guests", "enabled": True, "secret": SECRET, "redirectUris": [f"{broker}/oidc/endpoint"]},
            {"clientId": f"http://{host}/realms/guests", "enabled": True, "protocol": "saml", "fullScopeAllowed": True,
             "redirectUris": [f"{broker}/saml/endpoint"], "frontchannelLogout": True,
             "attributes": {"saml.authnstatement": "true", "saml.client.signature": "false", "saml.server.signature": "false",
                            "saml.assertion.signature": "false", "saml.force.post.binding": "true",
                            "saml_force_name_id_format": "true", "saml_name_id_format": "username"},
             "protocolMappers": [attribute(name) for name in ("email", "firstName", "lastName")]}],
    }


def mapper(alias, kind, name, **config):
    """What the provider `alias` gives at a person's first login."""
    return {"name": name, "identityProviderAlias": alias, "identityProviderMapper": kind,
            "config": {"syncMode": "IMPORT", **config}}


def guests_realm(host, keybricks):
    """The realm that keybricks reads. `keybricks`: the client and its account, for the import."""
    idp = f"http://{host}/realms/partner/protocol"
    mappers = []
    for alias in ("oidc", "saml"):
        mappers.append(mapper(alias, "oidc-hardcoded-role-idp-mapper", "role", role="work"))
        mappers.append(mapper(alias, "oidc-hardcoded-group-idp-mapper", "group", group=f"/partners/{alias}"))
    for name in ("email", "firstName", "lastName"):
        mappers.append(mapper("saml", "saml-user-attribute-idp-mapper", name, **{"attribute.name": name, "user.attribute": name}))
    return {
        "realm": "guests", "enabled": True, "sslRequired": "none", "roles": {"realm": [{"name": "work"}]},
        "groups": [{"name": "partners", "subGroups": [{"name": "oidc"}, {"name": "saml"}]}],
        "clients": [keybricks[0], {"clientId": "portal", "enabled": True, "publicClient": True, "redirectUris": [BACK]}],
        "users": [keybricks[1]], "components": PROFILE,
        "identityProviders": [
            {"alias": "oidc", "providerId": "oidc", "enabled": True, "trustEmail": False,
             "firstBrokerLoginFlowAlias": "first broker login",
             "config": {"clientId": "guests", "clientSecret": SECRET, "clientAuthMethod": "client_secret_post",
                        "authorizationUrl": f"{idp}/openid-connect/auth", "tokenUrl": f"{idp}/openid-connect/token",
                        "jwksUrl": f"{idp}/openid-connect/certs", "useJwksUrl": "true", "validateSignature": "true",
                        "issuer": f"http://{host}/realms/partner", "defaultScope": "openid profile email"}},
            {"alias": "saml", "providerId": "saml", "enabled": True, "trustEmail": True,
             "firstBrokerLoginFlowAlias": "first broker login",
             "config": {"singleSignOnServiceUrl": f"{idp}/saml", "nameIDPolicyFormat":
                        "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", "principalType": "SUBJECT",
                        "postBindingResponse": "true", "postBindingAuthnRequest": "true", "validateSignature": "false",
                        "wantAuthnRequestsSigned": "false", "wantAssertionsSigned": "false",
                        "entityId": f"http://{host}/realms/guests", "idpEntityId": f"http://{host}/realms/partner"}}],
        "identityProviderMappers": mappers,
    }


class Broker:
    def __init__(self, admin, names):
        self.host = admin.host
        self.partner = directory.post_realm(admin, partner_realm(self.host, names))
        self.guests = directory.post_realm(admin, guests_realm(self.host, directory.keybricks_client()))

    def login(self, name, way):
        """The person arrives at the portal with a code; the way there is the whole browser flow."""
        query = urllib.parse.urlencode({"client_id": "portal", "redirect_uri": BACK, "response_type": "code", "scope": "openid",
                                        "kc_idp_hint": way})
        person = {"username": name, "password": PASSWORD}
        back = browser.Browser().visit(f"http://{self.host}/realms/guests/protocol/openid-connect/auth?{query}", BACK, person)
        assert "code=" in back, back

    def links(self, name):
        """{provider: user name there} of a user of guests."""
        user = self.guests.user(name)["id"]
        return {one["identityProvider"]: one["userName"] for one in self.guests.get(f"/users/{user}/federated-identity")}

    def stop(self):
        for one in (self.guests, self.partner):
            try:
                one.call("DELETE", "")
            except server.Answer as answer:
                assert answer.status == 404
