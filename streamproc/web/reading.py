"""From what a request carries to a route's models: the query, and the body within its limits."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from streamproc.model.document import DocumentError, Problem, parsed, snake
from streamproc.web.problem import ApiError, of_document
from streamproc.web.route import Route

MAX_LEVELS = 48
"""How deep a JSON body may nest."""
BODY_SECONDS = 30.0
_FILTER = re.compile(r"filter\[(\w+)\]")


def query_of(route: Route, request: web.Request) -> BaseModel | None:
    """The query as the route's model; names in snake_case, camelCase, or as `filter[name]`. Raises ApiError 422."""
    model = route.query
    if model is None:
        return None
    lists = {name for name, field in model.model_fields.items() if "list[" in str(field.annotation)}
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for written in dict.fromkeys(request.query):
        values = request.query.getall(written)
        inner = _FILTER.fullmatch(written)
        name = snake(inner[1] if inner else written)
        if any("\0" in value or not _is_text(value) for value in values):
            problems.append(Problem(written, "holds characters that are not text"))
        elif name in found:
            problems.append(Problem(written, f"is given twice (as {name} too)"))
        elif name not in model.model_fields:
            problems.append(
                Problem(written, f"is not a known parameter; known are {', '.join(sorted(model.model_fields))}")
            )
        elif name in lists:
            found[name] = values
        elif len(values) > 1:
            problems.append(Problem(written, "is given more than once"))
        else:
            found[name] = values[0]
    try:
        if not problems:
            return parsed(model, found)
        parsed(model, found)
    except DocumentError as error:
        problems += error.problems
    raise of_document(DocumentError(tuple(problems)))


def _is_text(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


async def body_of(route: Route, request: web.Request) -> tuple[Any, bytes]:
    """The body as the route wants it, and its bytes. Raises ApiError (400, 408, 413, 415, 422)."""
    if route.body is None:
        return None, b""
    content = await read(request, route.max_bytes)
    if not content and may_be_absent(route):
        return parsed(route.body, {}, strict=True), content
    if request.content_type not in (route.body_type, *route.also_takes):
        accepted = " or ".join((route.body_type, *route.also_takes))
        raise ApiError(415, f"Content-Type: {request.content_type!r} is not {accepted}")
    if route.body is bytes:
        return content, content
    document = json_of(content)
    if not isinstance(document, dict):
        raise ApiError(422, "the body is not a JSON object", errors=[("", "is not a JSON object")])
    if route.body is dict:
        return document, content
    try:
        return parsed(route.body, document, strict=True), content
    except DocumentError as error:
        raise of_document(error) from None


def may_be_absent(route: Route) -> bool:
    """Whether a request may come without a body: when all of the model's fields have defaults."""
    if not isinstance(route.body, type) or not issubclass(route.body, BaseModel):
        return False
    try:
        route.body.model_validate({})
    except ValidationError:
        return False
    return True


def json_of(content: bytes) -> Any:
    """JSON as UTF-8. Raises ApiError 400, and 422 for what nests too deep."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not JSON: line {error.lineno} column {error.colno}: {error.msg}") from None
    level = [document]
    for _ in range(MAX_LEVELS):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node if type(node) is list else ())
            if type(child) in (dict, list)
        ]
        if not level:
            return document
    raise ApiError(422, f"the body nests deeper than {MAX_LEVELS} levels")


async def read(request: web.Request, limit: int) -> bytes:
    """The body's bytes, decompressed. Raises ApiError 413, or 408 when it does not come."""
    too_large = ApiError(413, f"the body is larger than {limit} bytes")
    if request.content_length is not None and request.content_length > limit:
        raise too_large
    parts: list[bytes] = []
    total = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.content.iter_chunked(1 << 16):
                total += len(part)
                if total > limit:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise ApiError(408, f"the body did not come within {BODY_SECONDS:g} s") from None
    except web.HTTPException:
        raise
    except (ValueError, RuntimeError) as error:  # a broken chunk, or what is not the encoding it says
        raise ApiError(400, f"the body cannot be read: {error}") from None
    return b"".join(parts)
