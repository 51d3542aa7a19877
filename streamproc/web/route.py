"""A *route* of the API, declared as data: what it takes, what it answers, which scope it needs.

The server, the OpenAPI document and the tests of isolation are all made from these declarations.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel

from streamproc.model.rule import EVERY_TENANT
from streamproc.web.principal import Principal, Scope
from streamproc.web.problem import ApiError

if TYPE_CHECKING:
    from streamproc.web.site import Site

Query = TypeVar("Query", bound=BaseModel)
Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Call(Generic[Query, Body]):
    """One request, checked: `query` and `body` are what the route's models made of it.

    `body` is the model where the route declares one, the decoded JSON object where it declares `dict`, the raw bytes
    where it declares `bytes`, and None where it takes none. `path` holds the path's parameters.
    """

    site: Site
    principal: Principal
    path: Mapping[str, str]
    query: Query
    body: Body
    request: web.Request

    def tenant(self, named: str | None = None) -> str:
        """The tenant to act for: the key's own; an operator names one (in the body or `?tenant_id=`).

        Raises ApiError: 403 for somebody else's, 422 when an operator names none.
        """
        if not self.principal.operator:
            if named not in (None, self.principal.tenant):
                raise ApiError(403, f"the key is {self.principal.tenant}'s; it cannot act for {named}")
            return self.principal.tenant
        if named is None:
            raise ApiError(422, "tenant_id: is required with an operator's key", errors=[("tenant_id", "is required")])
        return named

    def tenant_filter(self, named: str | None = None) -> str | None:
        """Whose things to list: None means everybody's, which only operators get. Raises ApiError 403."""
        if self.principal.operator and named in (None, EVERY_TENANT):
            return None
        return self.tenant(named)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer other than the route's plain success: another status, or headers with it."""

    body: BaseModel | Mapping[str, Any] | None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = BaseModel | Mapping[str, Any] | Reply | web.StreamResponse | None
Handler = Callable[[Call[Any, Any]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is written as in OpenAPI (`/v1/alerts/{id}`); `scope` None needs no key at all.

    `answers` is the model of a success (None: no content, 204); `content_type` other than JSON: then the handler
    answers a `web.StreamResponse` itself. `refuses`: statuses it may answer beside those that every route may
    (400, 401, 403, 404, 408, 413, 415, 422, 429, 503 as they apply; 409 of every POST).
    """

    method: str
    path: str
    summary: str
    scope: Scope | None
    handler: Handler
    query: type[BaseModel] | None = None
    body: type[Any] | None = None
    answers: type[BaseModel] | None = None
    status: int = 200
    refuses: tuple[int, ...] = ()
    tag: str = ""
    description: str = ""
    body_type: str = "application/json"
    body_schema: type[BaseModel] | None = None
    """What the document says of the body, where `body` is dict or bytes."""
    example: Any = None
    """A body, for the document."""
    also_takes: tuple[str, ...] = ()
    """Further content types of the body, beside `body_type`."""
    content_type: str = "application/json"
    also_answers: tuple[int, ...] = ()
    """Further statuses of a success, with the same model."""
    max_bytes: int = 1 << 20
    """Largest body; beyond it the answer is 413."""
    hidden: bool = False
    """Not in the OpenAPI document: pages, and other products' routes."""
