"""The aiohttp application, made from the declared routes: everything that holds for each request is done here once.

In this order: who asks (401), how often (429), whether they may (403), what they send (400, 408, 413, 415, 422),
whether it was answered before (`Idempotency-Key`); then the route's handler. Whatever fails becomes a problem document.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from aiohttp import web
from aiokafka.errors import KafkaError

from streamproc.config.keyring import SealError
from streamproc.config.quota import QuotaError
from streamproc.config.record import RecordError
from streamproc.metrics import HTTP_SECONDS
from streamproc.model.document import DocumentError
from streamproc.web.answering import KEY_ID, REQUEST_ID, answer_of, content_of, problem_response, refused
from streamproc.web.authenticating import check_scope, principal_of
from streamproc.web.headers import add_headers, allowed_origin
from streamproc.web.idempotency import MAX_KEY, DifferentRequestError, InProgressError, Kept, fingerprint
from streamproc.web.principal import Principal
from streamproc.web.problem import ApiError, of_document
from streamproc.web.reading import body_of, query_of
from streamproc.web.route import Call, Route
from streamproc.web.site import Site

log = structlog.get_logger(__name__)

SITE: web.AppKey[Site] = web.AppKey("site", Site)
IDEMPOTENCY = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(site: Site, routes: Iterable[Route]) -> web.Application:
    """The application that serves `routes`."""
    app = web.Application(middlewares=[_outermost], client_max_size=64 << 20)
    app[SITE] = site
    app.on_response_prepare.append(_prepare)
    for route in routes:
        app.router.add_route(route.method, route.path, _serve(site, route), name=None)
    return app


async def _prepare(request: web.Request, response: web.StreamResponse) -> None:
    add_headers(request.app[SITE].settings, request, response)


@web.middleware
async def _outermost(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Request ids, the access log, and problem documents for whatever went wrong."""
    given = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    began = time.monotonic()
    status = 500
    with structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID]):
        try:
            response = await _answered(request, handler)
            status = response.status
        except (ConnectionResetError, ConnectionError) as error:
            if request.transport is not None and not request.transport.is_closing():
                log.warning("http.connection", error=str(error))
            raise
        finally:
            seconds = time.monotonic() - began
            resource = request.match_info.route.resource
            path = resource.canonical if resource is not None else "(none)"
            HTTP_SECONDS.labels(request.method if path != "(none)" else "", path, str(status)).observe(seconds)
            log.info(
                "http.request",
                method=request.method,
                path=path,
                status=status,
                ms=round(seconds * 1000, 1),
                key=request.get(KEY_ID, ""),
            )
    return response


async def _answered(request: web.Request, handler: _Handler) -> web.StreamResponse:
    origin = allowed_origin(request.app[SITE].settings, request)
    if origin is not None and request.method == "OPTIONS":
        return web.Response(status=204)
    try:
        return await handler(request)
    except ApiError as error:
        return problem_response(error, request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return problem_response(refused(error), request)
    except (ConnectionResetError, web.GracefulExit):
        raise
    except Exception as error:
        known = _known(error)
        if known is None:
            log.exception("http.failed", path=request.path)
            known = ApiError(500, "a defect of ours; the log has it under the request id")
        elif known.status == 503:
            log.warning("http.unavailable", path=request.path, error=str(error) or type(error).__name__)
        return problem_response(known, request)


def _known(error: Exception) -> ApiError | None:
    """Failures that any handler may run into, as answers."""
    match error:
        case DocumentError():
            return of_document(error)
        case QuotaError():
            return ApiError(409, str(error), quota=True)
        case RecordError() | SealError():
            return ApiError(422, str(error), errors=[("", str(error))])
        case KafkaError() | TimeoutError() | ConnectionError():
            return ApiError(503, "Kafka did not answer in time; ask again", headers={"Retry-After": "2"})
        case _:
            return None


def _serve(site: Site, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        principal = principal_of(site, route, request)
        request[KEY_ID] = principal.key_id
        if principal.key_id:
            wait = site.rates.wait(principal.key_id)
            if wait:
                raise ApiError(429, "too many requests with this key", headers={"Retry-After": str(wait)})
        check_scope(route, principal)
        _check_path(request)
        query = query_of(route, request)
        body, content = await body_of(route, request)
        call: Call[Any, Any] = Call(site, principal, request.match_info, query, body, request)
        name = request.headers.get(IDEMPOTENCY)
        if name is None or request.method != "POST" or not principal.key_id:
            return answer_of(route, await route.handler(call))
        return await _once(route, call, name, content)

    return serve


def _check_path(request: web.Request) -> None:
    for name, value in request.match_info.items():
        if not value.isprintable() or len(value) > 256:
            raise ApiError(404, f"there is no {name} like that")


async def _once(route: Route, call: Call[Any, Any], name: str, content: bytes) -> web.StreamResponse:
    """The handler's answer, or that which the same request got before."""
    request, answers, owner = call.request, call.site.answers, _owner(call.principal)
    if not 1 <= len(name) <= MAX_KEY or not name.isprintable() or not name.isascii():
        raise ApiError(422, f"{IDEMPOTENCY}: is not 1 to {MAX_KEY} printable ASCII characters")
    try:
        kept = answers.begin(owner, name, fingerprint(request.method, request.path_qs, request.content_type, content))
    except DifferentRequestError as error:
        raise ApiError(422, str(error)) from None
    except InProgressError as error:
        raise ApiError(409, str(error), headers={"Retry-After": "1"}) from None
    if kept is not None:
        return web.Response(text=kept.body, status=kept.status, headers={**kept.headers, REPLAYED: "true"})
    response: web.StreamResponse
    try:
        response = answer_of(route, await route.handler(call))
    except BaseException as error:
        known = error if isinstance(error, ApiError) else _known(error) if isinstance(error, Exception) else None
        if known is None or known.status >= 500:
            answers.forget(owner, name)  # what became of it is not certain: it may be tried again
            raise
        response = problem_response(known, request)
    text = content_of(response)
    if text is None:
        answers.forget(owner, name)  # a stream is not kept
    else:
        headers = {str(k): v for k, v in response.headers.items() if k.lower() in ("content-type", "etag", "location")}
        answers.finish(owner, name, Kept(response.status, text, headers))
    return response


def _owner(principal: Principal) -> str:
    return f"{principal.tenant}/{principal.key_id}"
