"""Who asks, by key or by session, and whether they may."""

from __future__ import annotations

from aiohttp import web

from streamproc.web.principal import ANONYMOUS, Principal
from streamproc.web.problem import ApiError
from streamproc.web.route import Route
from streamproc.web.sessions import COOKIE, CSRF_HEADER, SAFE_METHODS, Session
from streamproc.web.site import Site

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="streamproc"'}


def principal_of(site: Site, route: Route, request: web.Request) -> Principal:
    """Who asks. A key counts before a session. Raises ApiError 401, or 403 for a request that other pages could make.

    Where the route needs no key, whoever shows none, or a wrong one, is anonymous.
    """
    try:
        return _known(site, request)
    except ApiError:
        if route.scope is None:
            return ANONYMOUS
        raise


def session_of(site: Site, request: web.Request) -> Session | None:
    """The session of the request's cookie, if that holds."""
    cookie = request.cookies.get(COOKIE)
    return site.sessions.read(cookie) if cookie else None


def give_session(site: Site, request: web.Request, response: web.Response, session: Session) -> None:
    """Set the session's cookie, which scripts cannot read and other sites' pages do not send."""
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=int(site.settings.session_hours * 3600),
        httponly=True,
        samesite="Strict",
        secure=over_https(site, request),
        path="/",
    )


def over_https(site: Site, request: web.Request) -> bool:
    """Whether people reach us over TLS, if only as far as a proxy."""
    return site.settings.public_url.startswith("https:") or request.secure


def check_scope(route: Route, principal: Principal) -> None:
    """Raise ApiError 403 where the key lacks the route's scope."""
    if route.scope is not None and not principal.may(route.scope):
        raise ApiError(403, f"the key has not the scope {route.scope.value}", scope=route.scope.value)


def _known(site: Site, request: web.Request) -> Principal:
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        principal = site.keys.principal(token.strip()) if scheme.lower() == "bearer" else None
        if principal is None:
            raise ApiError(401, "Authorization: is not a key that holds", headers=CHALLENGE)
        return principal
    session = session_of(site, request)
    holder = site.sessions.principal(session) if session is not None else None
    if session is None or holder is None:
        raise ApiError(401, "a key is needed: Authorization: Bearer sp_…", headers=CHALLENGE)
    if request.method not in SAFE_METHODS and not site.sessions.is_ours(session, request.headers.get(CSRF_HEADER, "")):
        raise ApiError(403, f"{CSRF_HEADER}: is not the session's token")
    return holder
