"""Lists: how many, from where, and what says where to go on."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, Field

from streamproc.web.problem import ApiError

MAX_LIMIT = 500
Item = TypeVar("Item")


class PageQuery(BaseModel):
    """The parameters of every list."""

    limit: int = Field(default=50, ge=1, le=MAX_LIMIT, description="How many at most.")
    cursor: str | None = Field(default=None, max_length=1024, description="`next_cursor` of the page before.")
    tenant_id: str | None = Field(
        default=None, min_length=1, max_length=128, description="Whose; operators' keys only, which else list all."
    )


class TenantQuery(BaseModel):
    """The parameter of what names one thing."""

    tenant_id: str | None = Field(
        default=None, min_length=1, max_length=128, description="Whose; needed with operators' keys, and only there."
    )


class Page(BaseModel, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


def encode_cursor(place: Any) -> str:
    """JSON as text that is safe in an address; it means nothing to clients."""
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def decode_cursor(text: str) -> Any:
    """The inverse. Raises ApiError 422."""
    try:
        return orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise ApiError(422, "cursor: is not one of ours", errors=[("cursor", "is not one of ours")]) from None
