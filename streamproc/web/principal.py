"""Who asks: the tenant and the scopes that a key, or a signed-in session, stands for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from streamproc.model.rule import EVERY_TENANT


class Scope(StrEnum):
    """What a key may do; `admin` may do all of it, and manage keys."""

    EVENTS_WRITE = "events:write"
    ALERTS_READ = "alerts:read"
    ALERTS_WRITE = "alerts:write"
    RULES_READ = "rules:read"
    RULES_WRITE = "rules:write"
    CONFIG_READ = "config:read"
    CONFIG_WRITE = "config:write"
    SENTINEL_RESPOND = "sentinel:respond"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """`name` is what `history` and the audit log say; `tenant` is one, or `*` for operators."""

    key_id: str
    name: str
    tenant: str
    scopes: frozenset[Scope]

    @property
    def operator(self) -> bool:
        """Whether it may see and change every tenant's things."""
        return self.tenant == EVERY_TENANT

    def may(self, scope: Scope) -> bool:
        """Whether it has the scope, or all of them."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def sees(self, tenant: str) -> bool:
        """Whether that tenant's things are its own."""
        return self.operator or self.tenant == tenant
