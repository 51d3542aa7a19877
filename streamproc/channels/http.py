"""The one HTTP client of all channels: POST, with the safeguards that addresses chosen by tenants need.

- The address of every connection is checked where the socket is made, so neither a literal, nor an odd spelling,
  nor a name that changes its mind between check and use gets around it.
- Redirects are not followed; proxies, netrc and cookies are not used; certificates are verified.
- Connecting takes at most 5 s, the whole request 30 s; of an answer at most 20 kB is read, uncompressed.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_reqrep import ClientResponse

from streamproc.alerting.retry import retry_after_seconds
from streamproc.channels.address import Network, permitted
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason, unusable
from streamproc.channels.resolver import Resolver
from streamproc.model.delivery import MAX_EXCERPT_BYTES

BODY_SECONDS = 5.0
"""The status decides; its body is waited for at most this long."""


class ForbiddenAddressError(OSError):
    """The address is one that deliveries may not reach. The text is the same for all, as aiohttp compares it."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "address not permitted")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. `complete`: the body did not break off and was not cut."""

    status: int
    retry_after: float | None
    body: bytes
    complete: bool
    latency_ms: int


class Http:
    """Use as an async context manager, one per process, within a running event loop."""

    def __init__(
        self,
        *,
        allowed_networks: Sequence[Network] = (),
        connect_seconds: float = 5.0,
        total_seconds: float = 30.0,
        read_limit: int = MAX_EXCERPT_BYTES,
        clock: Callable[[], float] = time.time,
        user_agent: str = "streamproc",
    ) -> None:
        self.allowed_networks = tuple(allowed_networks)
        self.connect_seconds, self.total_seconds = connect_seconds, total_seconds
        self._timeout = aiohttp.ClientTimeout(
            total=total_seconds, connect=connect_seconds, sock_connect=connect_seconds
        )
        self._body_seconds = min(BODY_SECONDS, total_seconds)
        self._read_limit = read_limit
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None
        self.clock = clock
        self.resolver: AbstractResolver

    async def __aenter__(self) -> Self:
        self.resolver = Resolver()
        connector = aiohttp.TCPConnector(
            limit=0,  # the outbox limits attempts per channel
            resolver=self.resolver,
            socket_factory=self._socket,
            keepalive_timeout=4.0,  # under the 5 s after which common servers close idle connections
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer | Outcome:
        """The answer to a POST; or, where there was none, the outcome that this means. Raises nothing else."""
        assert self._session is not None, "use `async with Http(...)`"
        started = time.monotonic()
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                content, complete = await self._read(response)
                return Answer(
                    response.status,
                    retry_after_seconds(response.headers.get("Retry-After"), self.clock()),
                    content,
                    complete,
                    _since(started),
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            kind, reason, detail = _failure(error)
            return Outcome(kind, reason, latency_ms=_since(started), detail=detail)

    def _socket(self, info: tuple[int, int, int, str, tuple[str | int, ...]]) -> socket.socket:
        """The socket for one address; refuses addresses that are not permitted."""
        family, kind, protocol, _, address = info
        if not permitted(str(address[0]), self.allowed_networks):
            raise ForbiddenAddressError
        return socket.socket(family=family, type=kind, proto=protocol)

    async def _read(self, response: ClientResponse) -> tuple[bytes, bool]:
        """(the beginning of the body, whether that is all of it)."""
        content = bytearray()
        try:
            async with asyncio.timeout(self._body_seconds):
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) > self._read_limit:
                        response.close()
                        return bytes(content[: self._read_limit]), False
            return bytes(content), True
        except (aiohttp.ClientError, TimeoutError, OSError):
            response.close()
            return bytes(content), False


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _failure(error: Exception) -> tuple[OutcomeKind, Reason, str]:
    """The class of a failed request. Texts are ours: those of the libraries may hold the address with its secrets."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return OutcomeKind.RETRY, Reason.CONNECTION, "the host name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ForbiddenAddressError):
        detail = "the address is private or reserved; an operator can permit its network in ALLOWED_NETWORKS"
        return OutcomeKind.PERMANENT, Reason.FORBIDDEN_ADDRESS, detail
    if isinstance(error, aiohttp.ClientSSLError):
        return OutcomeKind.RETRY, Reason.TLS, "TLS failed: check the endpoint's certificate"
    if isinstance(error, TimeoutError):
        return OutcomeKind.RETRY, Reason.TIMEOUT, "no answer in time"
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return OutcomeKind.PERMANENT, Reason.SETTINGS, "url: is not an http or https address"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return OutcomeKind.RETRY, Reason.CONNECTION, "the connection was closed without an answer"
    if isinstance(error, aiohttp.ClientOSError | ConnectionError):
        cause = error.strerror if isinstance(error, OSError) else None
        return OutcomeKind.RETRY, Reason.CONNECTION, f"connection failed: {cause or type(error).__name__}"
    if isinstance(error, aiohttp.ClientError):
        return OutcomeKind.RETRY, Reason.PROTOCOL, "the answer is not HTTP"
    if isinstance(error, OSError):
        return OutcomeKind.RETRY, Reason.CONNECTION, f"connection failed: {error.strerror}"
    outcome = unusable("the request cannot be built from these settings")
    return outcome.kind, outcome.reason, outcome.detail
