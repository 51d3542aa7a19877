"""An identity provider on loopback, with real keys, that lets everybody in at once; it can be told to misbehave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import threading
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

from aiohttp import BasicAuth, web
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

CLIENT_ID = "streamproc"
SECRET = "hush: 50 % & more"
SUBJECT = "248289761001"
PERSON = {
    "sub": SUBJECT,
    "email": "alice@example.com",
    "email_verified": True,
    "tenant": "acme",
    "roles": ["sec-oncall", "offline_access"],
}
Answer = Callable[[], web.Response]


def rsa(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


def ec(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})


def ed25519(kid: str) -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig"})


ALGORITHM = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}


def public(*keys: Key) -> dict[str, Any]:
    """As a JWKS has them."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def claims_of(issuer: str, nonce: str, /, **others: Any) -> dict[str, Any]:
    """Of an ID token that holds; None takes one away."""
    now = int(time.time())
    made = {"iss": issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce, **PERSON, **others}
    return {name: value for name, value in made.items() if value is not None}


def signed(claims: dict[str, Any], key: Key, alg: str | None = None) -> str:
    alg = alg or ALGORITHM[key.key_type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # of the name EdDSA, which providers use
        return jwt.encode({"alg": alg, "kid": key.kid}, claims, key, algorithms=[alg])


@dataclass
class Identity:
    """`claims` override those of tokens, None takes one away; `token` makes another token of them altogether.

    `answers` stand in for what is answered at a path. `asked` counts requests by path.
    """

    issuer: str = ""
    key: Key = field(default_factory=lambda: rsa("first"))
    published: list[Key] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=lambda: {"sub": SUBJECT})
    metadata: dict[str, Any] = field(default_factory=dict)
    token: Callable[[dict[str, Any]], str] | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    sent: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> web.Application:
        @web.middleware
        async def counted(request: web.Request, handler: Any) -> web.StreamResponse:
            self.asked[request.path] += 1
            other = self.answers.get(request.path)
            response: web.StreamResponse = await handler(request) if other is None else other()
            return response

        app = web.Application(middlewares=[counted])
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/userinfo", self._userinfo)
        return app

    async def _discovery(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                **self.metadata,
            }
        )

    async def _keys(self, _: web.Request) -> web.Response:
        return web.json_response(public(*(self.published or [self.key])))

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.sent.append(asked)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.issuer, "session_state": "added by some providers"}
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode(back)}")

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.sent.append(form)
        if not self._is_client(request, form):
            return web.json_response({"error": "invalid_client"}, status=401)
        begun = self.codes.pop(form["code"], None)  # each is good once
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        if (
            begun is None
            or begun["redirect_uri"] != form["redirect_uri"]
            or begun["code_challenge"] != challenge.rstrip("=")
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        claims = claims_of(self.issuer, begun["nonce"], **self.claims)
        token = signed(claims, self.key) if self.token is None else self.token(claims)
        return web.json_response({"token_type": "Bearer", "access_token": "for-userinfo", "id_token": token})

    def _is_client(self, request: web.Request, form: dict[str, str]) -> bool:
        authorization = request.headers.get("Authorization")
        if authorization is None:
            return form.get("client_id") == CLIENT_ID and form.get("client_secret", SECRET) == SECRET
        shown = BasicAuth.decode(authorization)
        return (unquote(shown.login), unquote(shown.password)) == (CLIENT_ID, SECRET)

    async def _userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer for-userinfo"
        return web.json_response(self.userinfo)


@asynccontextmanager
async def running_identity(host: str = "127.0.0.1") -> AsyncIterator[Identity]:
    """A provider that is running on 127.0.0.1, and calls itself by this name."""
    made = Identity()
    runner = web.AppRunner(made.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.issuer = f"http://{host}:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


@contextmanager
def identity_in_thread(host: str) -> Iterator[Identity]:
    """The same for tests that are not asynchronous."""
    started, ended = threading.Event(), asyncio.Event()
    found: list[tuple[Identity, asyncio.AbstractEventLoop]] = []

    async def run() -> None:
        async with running_identity(host) as made:
            found.append((made, asyncio.get_running_loop()))
            started.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(10)
    made, loop = found[0]
    try:
        yield made
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
