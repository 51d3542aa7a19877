"""Whom a policy's action group tells: users, user groups and roles, by name."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from streamproc.model.channel_settings import Frozen
from streamproc.model.user import PersonId, Role

MAX_RECIPIENTS = 100
"""Of each kind."""


def _few(value: object) -> object:
    listed = [value] if isinstance(value, str) else value
    if isinstance(listed, list | tuple) and len(listed) > MAX_RECIPIENTS:
        raise ValueError(f"has more than {MAX_RECIPIENTS} entries")
    return listed


class Recipients(Frozen):
    """Ids of users and of user groups, and roles, which mean every user who has them."""

    users: Annotated[tuple[PersonId, ...], BeforeValidator(_few)] = ()
    user_groups: Annotated[tuple[PersonId, ...], BeforeValidator(_few)] = ()
    roles: Annotated[tuple[Role, ...], BeforeValidator(_few)] = ()

    @property
    def named(self) -> bool:
        """Whether anybody is."""
        return bool(self.users or self.user_groups or self.roles)


DEFAULT_RECIPIENTS = Recipients(roles=("admin", "owner"))
"""Who is told by e-mail where nobody is named (CONTRACT "Delivery")."""
