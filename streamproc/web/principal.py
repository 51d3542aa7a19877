"""Who asks: the tenant and the scopes that a key, or a signed-in session, stands for."""

from __future__ import annotations

from dataclasses import dataclass

from streamproc.model.key import Scope
from streamproc.model.rule import EVERY_TENANT

__all__ = ["ANONYMOUS", "Principal", "Scope"]


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


ANONYMOUS = Principal("", "anonymous", "", frozenset())
"""Whoever asks for what needs no key; no tenant is its own."""
