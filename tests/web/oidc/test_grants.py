"""From claims to who somebody is here, and the settings that say how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.model.key import MAX_NAME, Scope
from streamproc.settings import Settings, SettingsError, load_settings
from streamproc.web.oidc.grants import Grants, NobodyError
from streamproc.web.oidc.page import refusal_page
from streamproc.web.oidc.provider import Client
from tests.web.oidc.identity import PERSON, SUBJECT

FULL: dict[str, Any] = {
    "oidc_issuer": "https://login.example.com/realms/acme",
    "oidc_client_id": "streamproc",
    "oidc_roles": "sec-admins=admin,sec-oncall=alerts:read+alerts:write,readers=alerts:read",
    "oidc_tenant": "acme",
    "public_url": "https://alerts.example.com/",
}


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)


def grants(**changed: Any) -> Grants:
    return Grants.of(Settings(**(FULL | changed)))


def by_claim(**changed: Any) -> Grants:
    return grants(oidc_tenant="", oidc_tenant_claim="tenant", **changed)


def test_a_person_has_the_scopes_of_all_their_roles() -> None:
    person = grants().person(PERSON | {"roles": ["readers", "sec-oncall", "offline_access", 7, None]})
    assert (person.subject, person.name, person.tenant) == (SUBJECT, "oidc:alice@example.com", "acme")
    assert person.scopes == {Scope.ALERTS_READ, Scope.ALERTS_WRITE}
    assert grants().person(PERSON | {"roles": "sec-admins"}).scopes == {Scope.ADMIN}


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        (None, "did not send"),
        ([], "names none"),
        ({"sec-admins": True}, "names none"),
        (["viewer", "other"], "“viewer”, “other”, which opens nothing"),
        (["SEC-ADMINS", "sec-admins "], "opens nothing"),
        ("sec-admins,sec-oncall", "opens nothing"),
        (["\ud800", "a\nb"], "names none"),
        ([f"role {n}" for n in range(50)], "…"),
    ],
)
def test_whoever_has_no_role_that_is_mapped_is_nobody(roles: Any, said: str) -> None:
    claims = {**PERSON, "roles": roles}
    if roles is None:
        del claims["roles"]
    with pytest.raises(NobodyError, match=said) as error:
        grants().person(claims)
    assert "“roles”" in str(error.value), "the claim that was looked at"
    refusal_page(str(error.value)).encode()


def test_what_the_provider_sends_cannot_become_markup() -> None:
    with pytest.raises(NobodyError) as error:
        grants().person(PERSON | {"roles": ["<script>alert(1)</script>"]})
    assert "<script" not in refusal_page(str(error.value))


def test_claims_below_others_and_with_dots_in_their_name() -> None:
    keycloak = {**PERSON, "realm_access": {"roles": ["sec-admins"]}, "roles": []}
    assert grants(oidc_roles_claim="realm_access.roles").person(keycloak).scopes == {Scope.ADMIN}
    named = {**PERSON, "https://example.com/roles": ["sec-admins"]}
    assert grants(oidc_roles_claim="https://example.com/roles").person(named).scopes == {Scope.ADMIN}
    for wrong in ({"realm_access": ["roles"]}, {"realm_access": "roles"}, {"realm_access": {}}):
        with pytest.raises(NobodyError):
            grants(oidc_roles_claim="realm_access.roles").person({**PERSON, **wrong})


@pytest.mark.parametrize("tenant", ["acme", "büro 7", ["acme"]])
def test_a_claim_may_name_the_tenant(tenant: Any) -> None:
    assert by_claim().person({**PERSON, "tenant": tenant}).tenant in ("acme", "büro 7")


@pytest.mark.parametrize("tenant", ["*", "", " ", "a/b", "acme*", "a\nb", "x" * 129, 7, None, [], ["a", "b"], {"a": 1}])
def test_no_claim_names_every_tenant_or_none(tenant: Any) -> None:
    with pytest.raises(NobodyError, match="“tenant” does not name a tenant"):
        by_claim().person({**PERSON, "tenant": tenant})


def test_operators_are_made_by_the_settings_alone() -> None:
    assert grants(oidc_tenant="*").person({**PERSON, "tenant": "acme"}).tenant == "*"


def test_an_address_counts_only_when_it_is_verified() -> None:
    by_address = grants(oidc_roles_claim="email", oidc_roles="alice@example.com=admin")
    assert by_address.person(PERSON).scopes == {Scope.ADMIN}
    for verified in (False, None, "false", 1, "yes"):
        with pytest.raises(NobodyError, match="not verified"):
            by_address.person({**PERSON, "email_verified": verified})
        assert grants().person({**PERSON, "email_verified": verified}).name == f"oidc:{SUBJECT}"
    with pytest.raises(NobodyError):
        grants(oidc_tenant="", oidc_tenant_claim="email").person({**PERSON, "email_verified": False})


def test_a_name_is_a_short_text() -> None:
    assert grants(oidc_name_claim="preferred_username").person({**PERSON, "preferred_username": "al"}).name == "oidc:al"
    for wrong in (None, 7, "", " ", "a\nb"):
        assert grants(oidc_name_claim="nick").person({**PERSON, "nick": wrong}).name == f"oidc:{SUBJECT}"
    assert len(grants(oidc_name_claim="nick").person({**PERSON, "nick": "x" * 300}).name) == MAX_NAME


def test_it_is_known_when_a_claim_is_missing() -> None:
    assert not by_claim().missing(PERSON)
    for name in ("tenant", "roles", "email"):
        assert by_claim().missing({key: value for key, value in PERSON.items() if key != name})
    assert not grants().missing({key: value for key, value in PERSON.items() if key != "tenant"})


@given(
    claims=st.dictionaries(
        st.sampled_from(["roles", "tenant", "email", "email_verified", "a"]),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.text(max_size=6), st.sampled_from(["readers", "acme", "*"])),
            lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner)),
        ),
    )
)
def test_whatever_is_claimed_nobody_gets_more_than_their_roles(claims: dict[str, Any]) -> None:
    try:
        person = by_claim().person({"sub": SUBJECT, **claims})
    except NobodyError:
        return
    held = claims["roles"] if isinstance(claims["roles"], list) else [claims["roles"]]
    assert "readers" in held
    assert person.scopes == {Scope.ALERTS_READ}
    assert person.tenant not in ("", "*")
    assert person.tenant in (claims["tenant"], claims["tenant"][0])


# Settings


def test_nothing_is_needed_where_nothing_is_set() -> None:
    assert load_settings().oidc_issuer == ""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"oidc_issuer": ""}, "STREAMPROC_OIDC_ISSUER: is not set, but STREAMPROC_OIDC_CLIENT_ID needs it"),
        ({"oidc_client_id": ""}, "STREAMPROC_OIDC_CLIENT_ID: is not set, but STREAMPROC_OIDC_ISSUER needs it"),
        ({"oidc_roles": ""}, "STREAMPROC_OIDC_ROLES: is not set, but STREAMPROC_OIDC_ISSUER needs it"),
        ({"public_url": ""}, "STREAMPROC_PUBLIC_URL: is not set, but STREAMPROC_OIDC_ISSUER needs it"),
        ({"oidc_tenant": ""}, "STREAMPROC_OIDC_TENANT, STREAMPROC_OIDC_TENANT_CLAIM: are both not set"),
        ({"oidc_tenant_claim": "t"}, "STREAMPROC_OIDC_TENANT, STREAMPROC_OIDC_TENANT_CLAIM: are both set"),
        ({"oidc_issuer": "http://login.example.com"}, "STREAMPROC_OIDC_ISSUER: 'http://login.example.com' is not an"),
        ({"oidc_issuer": "https://a@b.example"}, "STREAMPROC_OIDC_ISSUER: 'https://a@b.example' is not an address"),
        ({"oidc_issuer": "https://b.example/?x=1"}, "STREAMPROC_OIDC_ISSUER: 'https://b.example/?x=1' is not an"),
        ({"oidc_scopes": "email"}, "STREAMPROC_OIDC_SCOPES: 'email' is without openid"),
        ({"oidc_roles": "sec-admins"}, "STREAMPROC_OIDC_ROLES: 'sec-admins' is not a list such as sec-admins=admin"),
        ({"oidc_roles": "a=admin,a=events:write"}, "STREAMPROC_OIDC_ROLES: 'a=admin,a=events:write' names a twice"),
        ({"oidc_roles": {"a": []}}, "STREAMPROC_OIDC_ROLES: {'a': []} names a without a scope"),
    ],
)
def test_a_part_of_them_is_refused_by_name(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(**(FULL | changed))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_secret_alone_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(oidc_client_secret="hush")
    assert "hush" not in str(error.value)
    assert "hush" not in repr(Settings(**FULL, oidc_client_secret="hush"))


def test_scopes_are_those_of_keys() -> None:
    with pytest.raises(SettingsError, match="STREAMPROC_OIDC_ROLES: a: 'alerts' is not one of events:write, "):
        grants(oidc_roles="a=alerts")


def test_roles_are_written_in_either_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "streamproc.toml").write_text(
        "\n".join(f'{name} = "{value}"' for name, value in FULL.items() if name != "oidc_roles")
        + '\n[oidc_roles]\n"cn=admins,dc=example" = ["admin"]\nreaders = "alerts:read+rules:read"\n'
    )
    written = Grants.of(load_settings()).roles
    assert written == {"cn=admins,dc=example": {Scope.ADMIN}, "readers": {Scope.ALERTS_READ, Scope.RULES_READ}}
    monkeypatch.setenv("STREAMPROC_OIDC_ROLES", " Sec Admins = admin , a+b@example.com=alerts:read + rules:read,")
    monkeypatch.setenv("STREAMPROC_OIDC_SCOPES", "")
    settings = load_settings()
    assert Grants.of(settings).roles == {
        "Sec Admins": {Scope.ADMIN},
        "a+b@example.com": {Scope.ALERTS_READ, Scope.RULES_READ},
    }
    assert settings.oidc_scopes == "openid email profile"


def test_what_we_are_to_the_provider(new_settings: Callable[..., Settings]) -> None:
    client = Client.of(new_settings(**FULL), "/back")
    assert client.redirect_uri == "https://alerts.example.com/back"
    assert (client.name, client.secret) == ("login.example.com", "")
    assert Client.of(new_settings(**FULL, oidc_name="Acme"), "/back").name == "Acme"
