"""The identity provider as we speak with it: its discovery document, its keys, tokens for codes.

Every answer is limited in time and size; redirects are not followed, proxies and cookies not used; addresses are https,
or on loopback where the issuer is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import orjson
from joserfc.jwk import KeySet

from streamproc.settings import Settings, is_secure
from streamproc.web.oidc.attempt import Attempt
from streamproc.web.oidc.id_token import IdTokenError, key_set

DISCOVERY = "/.well-known/openid-configuration"
CONNECT_S, TOTAL_S = 5.0, 10.0
MAX_ANSWER = 256 * 1024
KEPT_S = 3600.0
"""How long the discovery document and the keys are used before they are read again."""


Content = TypeVar("Content")


class ProviderError(Exception):
    """The provider did not answer as it should; the text is one line for the log, without codes, tokens or secrets."""


@dataclass(frozen=True, slots=True)
class Client:
    """What we are to the provider. `secret` is empty for a public client; `name` is the provider's, for people."""

    issuer: str
    id: str
    secret: str
    scopes: str
    redirect_uri: str
    name: str

    @classmethod
    def of(cls, settings: Settings, path: str) -> Client:
        """As the settings have it; `path` is where the provider sends people back to."""
        secret = settings.oidc_client_secret
        return cls(
            issuer=settings.oidc_issuer,
            id=settings.oidc_client_id,
            secret="" if secret is None else secret.get_secret_value(),
            scopes=settings.oidc_scopes,
            redirect_uri=settings.public_url + path,
            name=settings.oidc_name or urlsplit(settings.oidc_issuer).hostname or "",
        )


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Of the discovery document, what we use. `basic`: how a client shows its secret; `names_itself`: RFC 9207."""

    authorization: str
    token: str
    keys: str
    userinfo: str
    basic: bool
    names_itself: bool


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code was worth."""

    id_token: str
    access_token: str


class _Kept(Generic[Content]):
    """Something that is read when it is first needed and again when it has grown old, once for all who wait for it."""

    def __init__(self, read: Callable[[], Awaitable[Content]], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._at = 0.0
        self._task: asyncio.Future[Content] | None = None

    async def get(self, *, anew: bool = False) -> Content:
        """It; what failed is tried again, and what is being read now is new enough. Raises what reading it raises."""
        task = self._task
        if task is None or (task.done() and (anew or self._clock() - self._at > KEPT_S or _failed(task))):
            self._at = self._clock()
            task = self._task = asyncio.ensure_future(self._read())
        return await asyncio.shield(task)

    def drop(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()


def _failed(task: asyncio.Future[Any]) -> bool:
    return task.cancelled() or task.exception() is not None


class Provider:
    """One per process. `clock`: monotonic seconds."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self.client = client
        self._session: aiohttp.ClientSession | None = None
        self._endpoints = _Kept(self._read_endpoints, clock)
        self._keys = _Kept(self._read_keys, clock)

    async def close(self) -> None:
        """Give up connections."""
        self._endpoints.drop()
        self._keys.drop()
        if self._session is not None:
            await self._session.close()

    async def address(self, attempt: Attempt) -> str:
        """Where to send the browser. Raises ProviderError."""
        endpoint = (await self.endpoints()).authorization
        asked = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": self.client.redirect_uri,
            "scope": self.client.scopes,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return endpoint + ("&" if urlsplit(endpoint).query else "?") + urlencode(asked)

    async def endpoints(self) -> Endpoints:
        """From the discovery document, which is kept for an hour. Raises ProviderError."""
        return await self._endpoints.get()

    async def keys(self, *, anew: bool = False) -> KeySet:
        """The provider's keys, kept for an hour; `anew` when it may have changed them. Raises ProviderError."""
        return await self._keys.get(anew=anew)

    async def redeem(self, code: str, verifier: str) -> Tokens:
        """The tokens for a code. Raises ProviderError, also for a code that holds no longer."""
        endpoints = await self.endpoints()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {}
        if self.client.secret and endpoints.basic:  # RFC 6749 2.3.1: both are form-encoded first
            login, password = quote(self.client.id, safe=""), quote(self.client.secret, safe="")
            headers["Authorization"] = aiohttp.encode_basic_auth(login, password)
        else:
            form["client_id"] = self.client.id
            if self.client.secret:
                form["client_secret"] = self.client.secret
        answer = await self._read("token", endpoints.token, form=form, headers=headers)
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise ProviderError("token: the answer has no id_token")
        return Tokens(id_token, access_token if isinstance(access_token, str) else "")

    async def userinfo(self, tokens: Tokens, subject: str) -> dict[str, Any]:
        """What more the provider says of `subject`; nothing where it says no more. Raises ProviderError."""
        address = (await self.endpoints()).userinfo
        if not address or not tokens.access_token:
            return {}
        found = await self._read("userinfo", address, headers={"Authorization": f"Bearer {tokens.access_token}"})
        if found.get("sub") != subject:
            raise ProviderError("userinfo: sub: is somebody else's")
        return found

    async def _read_endpoints(self) -> Endpoints:
        document = await self._read("discovery", self.client.issuer.rstrip("/") + DISCOVERY)
        if document.get("issuer") != self.client.issuer:
            said = document.get("issuer")
            raise ProviderError(f"discovery: issuer: {said!r:.200} is not {self.client.issuer!r}")
        methods, userinfo = document.get("token_endpoint_auth_methods_supported"), "userinfo_endpoint"
        return Endpoints(
            authorization=self._endpoint(document, "authorization_endpoint"),
            token=self._endpoint(document, "token_endpoint"),
            keys=self._endpoint(document, "jwks_uri"),
            userinfo=self._endpoint(document, userinfo) if document.get(userinfo) is not None else "",
            basic=not isinstance(methods, list) or "client_secret_basic" in methods or not methods,
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        )

    async def _read_keys(self) -> KeySet:
        document = await self._read("keys", (await self.endpoints()).keys)
        try:
            return key_set(document)
        except IdTokenError as error:
            raise ProviderError(f"keys: {error}") from None

    def _endpoint(self, document: Mapping[str, Any], name: str) -> str:
        found = document.get(name)
        scheme = urlsplit(found).scheme if isinstance(found, str) else ""
        plain_http = scheme == "http" and urlsplit(self.client.issuer).scheme == "http" and is_secure(str(found))
        if scheme != "https" and not plain_http:
            raise ProviderError(f"discovery: {name}: {found!r:.200} is not an https address")
        return str(found)

    async def _read(
        self,
        what: str,
        address: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON object at an address; with `form`, of a POST."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TOTAL_S, connect=CONNECT_S),
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "streamproc", "Accept": "application/json", "Accept-Encoding": "identity"},
            )
        try:
            async with self._session.request(
                "GET" if form is None else "POST", address, data=form, headers=headers, allow_redirects=False
            ) as response:
                content = await _limited(what, response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ProviderError(f"{what}: {type(error).__name__}: {str(error) or 'no answer in time'}") from None
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError:
            document = None
        if response.status != 200:
            said = document.get("error") if isinstance(document, dict) else None
            raise ProviderError(f"{what}: answered {response.status}" + (f" {said!r:.80}" if said is not None else ""))
        if not isinstance(document, dict):
            raise ProviderError(f"{what}: the answer is not a JSON object")
        return document


async def _limited(what: str, response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > MAX_ANSWER:
            response.close()
            raise ProviderError(f"{what}: the answer is larger than {MAX_ANSWER} bytes")
    return bytes(content)
