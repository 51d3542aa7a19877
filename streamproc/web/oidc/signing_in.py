"""The way of a sign-in: to the provider, back with a code, from the code to the person."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from streamproc.settings import Settings
from streamproc.web.oidc.attempt import Attempt
from streamproc.web.oidc.grants import Grants, Person, joined
from streamproc.web.oidc.id_token import IdTokenError, UnknownKeyError, verified
from streamproc.web.oidc.provider import Client, Provider, ProviderError, Tokens

START = "/sign-in/oidc"
RETURN = f"{START}/callback"
"""What is registered with the provider, below `STREAMPROC_PUBLIC_URL`."""
MAX_CODE = 8192
_ERROR = re.compile(r"[a-z_]{1,40}")


class Reason(StrEnum):
    """Why a sign-in came to nothing, as the sign-in page is told; the log has the details."""

    EXPIRED = "expired"
    DENIED = "denied"
    PROVIDER = "provider"
    TOKEN = "token"  # noqa: S105  # a word, no password
    OFTEN = "often"
    KAFKA = "kafka"


class SignInError(Exception):
    """A sign-in that came to nothing. The text is for the log: it holds no code, token or secret."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class OidcSignIn:
    """What the API process has for it: the provider, and how its claims are read. Raises SettingsError."""

    def __init__(self, settings: Settings) -> None:
        self.grants = Grants.of(settings)
        self.provider = Provider(Client.of(settings, RETURN))

    async def close(self) -> None:
        """Give up connections to the provider."""
        await self.provider.close()

    async def address(self, attempt: Attempt) -> str:
        """Where to send the browser. Raises SignInError."""
        try:
            return await self.provider.address(attempt)
        except ProviderError as error:
            raise SignInError(Reason.PROVIDER, str(error)) from None

    async def person(self, answer: Mapping[str, str], attempt: Attempt | None) -> Person:
        """Who comes back with this answer (the query). Raises SignInError, and NobodyError for who has no role."""
        if attempt is None:
            raise SignInError(Reason.EXPIRED, "the browser has no sign-in under way")
        if not attempt.answers(answer.get("state", "")):
            raise SignInError(Reason.EXPIRED, "state: is not that of the sign-in under way")
        try:
            await self._check_issuer(answer)
            if "error" in answer:
                said = answer["error"]
                detail = f"the provider said {said}" if _ERROR.fullmatch(said) else "the provider said some error"
                raise SignInError(Reason.DENIED, detail)
            code = answer.get("code", "")
            if not code or not code.isascii() or len(code) > MAX_CODE:
                raise SignInError(Reason.PROVIDER, "code: is missing, or no code")
            tokens = await self.provider.redeem(code, attempt.verifier)
            claims = await self._claims(tokens, attempt.nonce)
            if self.grants.missing(claims):
                claims = joined(claims, await self.provider.userinfo(tokens, claims["sub"]))
        except ProviderError as error:
            raise SignInError(Reason.PROVIDER, str(error)) from None
        except IdTokenError as error:
            raise SignInError(Reason.TOKEN, f"id_token: {error}") from None
        return self.grants.person(claims)

    async def _check_issuer(self, answer: Mapping[str, str]) -> None:
        """An answer that says whose it is must be the provider's (RFC 9207)."""
        said = answer.get("iss")
        if said is None and (await self.provider.endpoints()).names_itself:
            raise SignInError(Reason.PROVIDER, "iss: is missing, though the provider says that it sends it")
        if said is not None and said != self.provider.client.issuer:
            raise SignInError(Reason.PROVIDER, f"iss: {said!r:.200} is not {self.provider.client.issuer!r}")

    async def _claims(self, tokens: Tokens, nonce: str) -> dict[str, Any]:
        """Of the token. Whoever gets here had a code that was good: reading keys anew cannot be asked for by others."""
        client = self.provider.client
        wanted: dict[str, Any] = {"issuer": client.issuer, "client_id": client.id, "nonce": nonce}
        try:
            return verified(tokens.id_token, await self.provider.keys(), **wanted, now=time.time())
        except UnknownKeyError:
            return verified(tokens.id_token, await self.provider.keys(anew=True), **wanted, now=time.time())
