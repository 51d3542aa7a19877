"""Who somebody is here, from what the provider says of them: their tenant, their scopes, their name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamproc.model.key import MAX_NAME, PERSON, Scope
from streamproc.model.rule import EVERY_TENANT
from streamproc.settings import PREFIX, Settings, SettingsError

EMAIL, VERIFIED = "email", "email_verified"
MAX_TENANT = 128
SHOWN = 10
"""Roles that are named in a refusal."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is let in. `subject` is the provider's own name for them, which never changes."""

    subject: str
    name: str
    tenant: str
    scopes: frozenset[Scope]


class NobodyError(Exception):
    """Somebody whom the provider knows, and who is not let in; the text, for them, says which claim was looked at."""


@dataclass(frozen=True, slots=True)
class Grants:
    """How claims are read. `tenant` is fixed, or empty: then `tenant_claim` names it."""

    tenant: str
    tenant_claim: str
    roles_claim: str
    name_claim: str
    roles: Mapping[str, frozenset[Scope]]

    @classmethod
    def of(cls, settings: Settings) -> Grants:
        """As the settings have it. Raises SettingsError for a scope that is none."""
        roles = {}
        for role, scopes in settings.oidc_roles:
            for scope in scopes:
                if scope not in list(Scope):
                    raise SettingsError(f"{PREFIX}OIDC_ROLES: {role}: {scope!r} is not one of {', '.join(Scope)}")
            roles[role] = frozenset(Scope(scope) for scope in scopes)
        return cls(
            settings.oidc_tenant,
            settings.oidc_tenant_claim,
            settings.oidc_roles_claim,
            settings.oidc_name_claim,
            roles,
        )

    def missing(self, claims: Mapping[str, Any]) -> bool:
        """Whether a claim that is looked at is not there; the provider may have it elsewhere."""
        looked_at = (self.tenant_claim, self.roles_claim, self.name_claim)
        return any(name and claim(claims, name) is None for name in looked_at)

    def person(self, claims: Mapping[str, Any]) -> Person:
        """Who it is. `claims` are those of an ID token that holds. Raises NobodyError."""
        scopes: frozenset[Scope] = frozenset()
        for role in self._held(claims):
            scopes |= self.roles.get(role, frozenset())
        if not scopes:
            raise NobodyError(self._refusal(claims))
        return Person(claims["sub"], self._name(claims), self.tenant or self._tenant(claims), scopes)

    def _held(self, claims: Mapping[str, Any]) -> list[str]:
        found = _sure(claims, self.roles_claim)
        listed = found if isinstance(found, list) else [found]
        return [role for role in listed if isinstance(role, str) and role.isprintable()]

    def _refusal(self, claims: Mapping[str, Any]) -> str:
        name, held = self.roles_claim, self._held(claims)
        if held:
            shown = ", ".join(f"“{role:.80}”" for role in held[:SHOWN]) + (", …" if len(held) > SHOWN else "")
            return f"The claim “{name}” says {shown}, which opens nothing here."
        if claim(claims, name) is None:
            return f"Your roles are looked for in the claim “{name}”, which the provider did not send."
        if name == EMAIL and _sure(claims, name) is None:
            return f"Your role is looked for in the claim “{name}”, which the provider has not verified."
        return f"Your roles are looked for in the claim “{name}”, which names none."

    def _tenant(self, claims: Mapping[str, Any]) -> str:
        found = _sure(claims, self.tenant_claim)
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        wrong = not isinstance(found, str) or not found.strip() or not found.isprintable() or len(found) > MAX_TENANT
        if wrong or "/" in found or EVERY_TENANT in found:
            raise NobodyError(f"The claim “{self.tenant_claim}” does not name a tenant.")
        return str(found)

    def _name(self, claims: Mapping[str, Any]) -> str:
        found = _sure(claims, self.name_claim)
        usable = isinstance(found, str) and found.strip() and found.isprintable()
        return f"{PERSON}{found if usable else claims['sub']}"[:MAX_NAME]


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the way to it through objects; None where there is none."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def joined(signed: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """What a token says, and what its provider says beside it where the token is silent."""
    own = signed if EMAIL in signed else {name: value for name, value in signed.items() if name != VERIFIED}
    return {**more, **own}


def _sure(claims: Mapping[str, Any], name: str) -> Any:
    """As `claim`; an address only if the provider has made sure that it is theirs: else anybody may write any."""
    if name == EMAIL:
        verified = claims.get(VERIFIED)
        if verified is not True and verified != "true":  # a text, as some providers have it
            return None
    return claim(claims, name)
