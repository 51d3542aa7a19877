"""From what handlers answer, or raise, to HTTP responses."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel

from streamproc.web.problem import CONTENT_TYPE, ApiError
from streamproc.web.route import Answer, Reply, Route

JSON = "application/json"
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
KEY_ID: web.RequestKey[str] = web.RequestKey("key_id", str)
"""Who asked, for the access log."""


def answer_of(route: Route, answer: Answer) -> web.StreamResponse:
    """The response of a success."""
    if isinstance(answer, web.StreamResponse):
        return answer
    headers: dict[str, str] = {}
    status = route.status
    if isinstance(answer, Reply):
        headers, status, answer = dict(answer.headers), answer.status or status, answer.body
    if answer is None:
        return web.Response(status=204 if status == 200 else status, headers=headers)
    content = answer.model_dump(mode="json", by_alias=True) if isinstance(answer, BaseModel) else answer
    return web.Response(body=json_bytes(content), status=status, content_type=JSON, headers=headers)


def json_bytes(content: Any) -> bytes:
    """JSON; keys that are no text are written as text."""
    return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


def problem_response(error: ApiError, request: web.Request) -> web.Response:
    """The problem document, with the request's id."""
    content = {**error.document(), "request_id": request.get(REQUEST_ID, "")}
    return web.Response(body=json_bytes(content), status=error.status, content_type=CONTENT_TYPE, headers=error.headers)


def refused(error: web.HTTPException) -> ApiError:
    """What aiohttp itself refuses: unknown paths, other methods, bodies it cannot take."""
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return ApiError(405, f"{error.method} is not one of {allowed}", headers={"Allow": allowed})
        case web.HTTPNotFound():
            return ApiError(404, "there is nothing at this address")
        case _:
            return ApiError(error.status, error.text or error.reason)


def content_of(response: web.StreamResponse) -> str | None:
    """The text of a response that is a whole; None for streams and for bytes that are no text."""
    if not isinstance(response, web.Response):
        return None
    if response.body is None:
        return ""
    try:
        return response.body.decode() if isinstance(response.body, bytes | bytearray) else None
    except UnicodeDecodeError:
        return None
