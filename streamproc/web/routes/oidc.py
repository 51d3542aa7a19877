"""Signing in with an identity provider: how one can sign in, the way out to the provider, and back.

The two ways are pages of the dashboard: what goes wrong is shown on the sign-in page, and said in the log.
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from aiohttp import web
from pydantic import BaseModel, Field

from streamproc.web.authenticating import give_session, over_https
from streamproc.web.oidc.attempt import COOKIE, HOME, SECONDS, Attempt, read_attempt
from streamproc.web.oidc.grants import NobodyError
from streamproc.web.oidc.opening import FAILURES, open_session
from streamproc.web.oidc.page import refusal_page
from streamproc.web.oidc.signing_in import RETURN, START, OidcSignIn, Reason, SignInError
from streamproc.web.problem import ApiError
from streamproc.web.route import Answer, Call, Route

log = structlog.get_logger(__name__)


class OidcWay(BaseModel):
    """An identity provider."""

    name: str = Field(description="What people call it.")
    path: str = Field(description="Where a browser goes for it; `?next=` is where in the dashboard it then leads.")


class Ways(BaseModel):
    """How one can sign in, beside with a key."""

    oidc: OidcWay | None


async def ways(call: Call[Any, None]) -> Answer:
    """What the sign-in page offers."""
    if not call.site.settings.oidc_issuer:
        return Ways(oidc=None)
    return Ways(oidc=OidcWay(name=call.site.part(OidcSignIn).provider.client.name, path=START))


async def begin(call: Call[Any, None]) -> Answer:
    """Sends the browser to the provider, with a cookie that knows it again."""
    sign_in = _configured(call)
    attempt = Attempt.begun(call.request.query.get("next", HOME), time.time())
    try:
        _check_rate(call)
        address = await sign_in.address(attempt)
    except SignInError as error:
        return _failed(error)
    response = _to(address)
    response.set_cookie(
        COOKIE,
        attempt.sealed(call.site.keyring),
        max_age=SECONDS,
        httponly=True,
        samesite="Lax",  # it must come back from the provider, on a navigation; nothing but this is done with it
        secure=over_https(call.site, call.request),
        path=START,
    )
    return response


async def finish(call: Call[Any, None]) -> Answer:
    """Where the provider sends the browser back to; with a session, if the provider knows them and they have a role."""
    sign_in, request = _configured(call), call.request
    attempt = read_attempt(request.cookies.get(COOKIE, ""), call.site.keyring, time.time())
    response: web.Response
    try:
        _check_rate(call)
        person = await sign_in.person(request.query, attempt)
        try:
            session = await open_session(call, person, sign_in.provider.client.issuer)
        except FAILURES as error:
            raise SignInError(Reason.KAFKA, f"no session: {str(error) or type(error).__name__}") from None
    except SignInError as error:
        response = _failed(error)
    except NobodyError as error:
        log.warning("oidc.refused", reason="nobody", detail=str(error))
        response = web.Response(text=refusal_page(str(error)), status=403, content_type="text/html")
    else:
        response = _to(f"/#{attempt.place if attempt is not None else HOME}")
        give_session(call.site, request, response, session)
    response.del_cookie(COOKIE, path=START, httponly=True, samesite="Lax", secure=over_https(call.site, request))
    return response


def _configured(call: Call[Any, Any]) -> OidcSignIn:
    if not call.site.settings.oidc_issuer:
        raise ApiError(404, "no identity provider is configured")
    return call.site.part(OidcSignIn)


def _check_rate(call: Call[Any, Any]) -> None:
    if call.site.rates.wait(f"sign-in {call.request.remote}"):
        raise SignInError(Reason.OFTEN, f"too many sign-ins from {call.request.remote}")


def _failed(error: SignInError) -> web.Response:
    """To the sign-in page, which has a sentence for each reason; nothing of what was sent goes with it."""
    log.warning("oidc.refused", reason=error.reason.value, detail=str(error))
    return _to(f"/#/sign-in?error={error.reason}")


def _to(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address})


ROUTES = (
    Route("GET", "/v1/sign-in", "Ways to sign in", None, ways, answers=Ways, tag="session"),
    Route("GET", START, "To the identity provider", None, begin, content_type="text/html", hidden=True),
    Route("GET", RETURN, "Back from the identity provider", None, finish, content_type="text/html", hidden=True),
)
