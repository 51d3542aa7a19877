"""A *user group*: users who are told together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from streamproc.model.channel_settings import Frozen
from streamproc.model.document import parsed
from streamproc.model.user import PersonId, PersonName

MAX_MEMBERS = 1000


def _few(value: object) -> object:
    if isinstance(value, list | tuple) and len(value) > MAX_MEMBERS:
        raise ValueError(f"has more than {MAX_MEMBERS} entries")
    return value


def _once(members: tuple[str, ...]) -> tuple[str, ...]:
    for place, member in enumerate(members):
        if member in members[:place]:
            raise ValueError(f"has {member!r} twice")
    return members


class UserGroup(Frozen):
    """A document of config kind `user_group`. Members that are not configured are told by whoever resolves them."""

    id: PersonId
    tenant_id: Annotated[str, Field(min_length=1, max_length=128)]
    name: PersonName
    members: Annotated[tuple[PersonId, ...], BeforeValidator(_few), AfterValidator(_once)] = ()
    """Ids of users."""
    enabled: bool = True


def parse_user_group(doc: Mapping[str, Any]) -> UserGroup:
    """A document of config kind `user_group`. Raises DocumentError."""
    return parsed(UserGroup, {name: value for name, value in doc.items() if name != "kind"})
