"""The headers of every response: what browsers may do with it, and who may read it."""

from __future__ import annotations

from aiohttp import web

from streamproc.settings import Settings
from streamproc.web.answering import REQUEST_ID

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Files of our own origin only: no inline scripts or styles, nothing from elsewhere, no framing."""

SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_CORS_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, X-Request-Id"
_CORS_METHODS = "GET, POST, PUT, PATCH, DELETE"


def add_headers(settings: Settings, request: web.Request, response: web.StreamResponse) -> None:
    """Set what each response has; what a handler has set stays."""
    headers = response.headers
    for name, value in SECURITY.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Request-Id"] = request.get(REQUEST_ID, "")
    headers.popall("Server", None)
    if settings.public_url.startswith("https:"):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if settings.cors_origins:
        headers["Vary"] = "Origin"
    origin = allowed_origin(settings, request)
    if origin is not None:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        headers["Access-Control-Expose-Headers"] = "ETag, Location, Retry-After, X-Request-Id"
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Headers"] = _CORS_HEADERS
            headers["Access-Control-Allow-Methods"] = _CORS_METHODS
            headers["Access-Control-Max-Age"] = "600"


def allowed_origin(settings: Settings, request: web.Request) -> str | None:
    """The page's origin where operators allow it; cookies are never allowed with it, only keys."""
    origin = request.headers.get("Origin")
    return origin if origin is not None and origin in settings.cors_origins else None
