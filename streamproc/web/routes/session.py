"""Signing in with a key, as the dashboard does: the key is shown once, a cookie stands for it after that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from streamproc.model.rule import EVERY_TENANT
from streamproc.web.answering import JSON, json_bytes
from streamproc.web.authenticating import CHALLENGE, give_session, session_of
from streamproc.web.oidc.opening import end_session
from streamproc.web.principal import Principal, Scope
from streamproc.web.problem import ApiError
from streamproc.web.route import Answer, Call, Route
from streamproc.web.sessions import COOKIE, Session


class SignIn(BaseModel):
    """The key to sign in with."""

    key: str = Field(min_length=1, max_length=256, description="`sp_…`")


class SessionAnswer(BaseModel):
    """Who is signed in."""

    key_id: str
    name: str
    tenant_id: str
    operator: bool
    scopes: list[Scope]
    csrf_token: str | None = Field(description="Send it as `X-CSRF-Token` with every method but GET.")
    expires_at: str | None


async def sign_in(call: Call[Any, SignIn]) -> Answer:
    """Sets a cookie that is HttpOnly and SameSite=Strict. It holds as long as the key does, at most `SESSION_HOURS`."""
    wait = call.site.rates.wait(f"sign-in {call.request.remote}")
    if wait:
        raise ApiError(429, "too many sign-ins from this address", headers={"Retry-After": str(wait)})
    principal = call.site.keys.principal(call.body.key.strip())
    if principal is None:
        raise ApiError(401, "key: is not a key that holds", headers=CHALLENGE, errors=[("key", "does not hold")])
    session = call.site.sessions.open(principal)
    response = web.Response(
        body=json_bytes(_answer(call, principal, session).model_dump(mode="json")), content_type=JSON
    )
    give_session(call.site, call.request, response, session)
    return response


async def who(call: Call[Any, None]) -> Answer:
    """Who asks, by key or by session; the session's CSRF token."""
    if not call.principal.key_id:
        raise ApiError(401, "nobody is signed in", headers=CHALLENGE)
    by_key = "Authorization" in call.request.headers
    return _answer(call, call.principal, None if by_key else session_of(call.site, call.request))


async def sign_out(call: Call[Any, None]) -> Answer:
    """Takes the cookie away. A session by an identity provider is then over everywhere; one by a key ends with it."""
    session = session_of(call.site, call.request)
    if session is not None:
        await end_session(call, session)
    response = web.Response(status=204)
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
    return response


def _answer(call: Call[Any, Any], principal: Principal, session: Session | None) -> SessionAnswer:
    return SessionAnswer(
        key_id=principal.key_id,
        name=principal.name,
        tenant_id=principal.tenant,
        operator=principal.tenant == EVERY_TENANT,
        scopes=sorted(principal.scopes),
        csrf_token=None if session is None else call.site.sessions.csrf_token(session),
        expires_at=None if session is None else datetime.fromtimestamp(session.expires_at, UTC).isoformat(),
    )


ROUTES = (
    Route(
        "POST", "/v1/session", "Sign in", None, sign_in, body=SignIn, answers=SessionAnswer, refuses=(401, 429),
        tag="session",
    ),
    Route("GET", "/v1/session", "Who is signed in", None, who, answers=SessionAnswer, refuses=(401,), tag="session"),
    Route("DELETE", "/v1/session", "Sign out", None, sign_out, tag="session"),
)  # fmt: skip
