"""ID tokens: whether the provider signed one, for us, now, and for this very sign-in (OpenID Connect Core 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key, KeySet, RSAKey, import_key
from joserfc.jws import JWSRegistry

ALGORITHMS = frozenset({"RS256", "PS256", "ES256", "EdDSA", "Ed25519"})
"""Asymmetric ones only: with `none` or HS256, whoever has read the public keys could sign."""
KEY_TYPES = ("RSA", "EC", "OKP")
LEEWAY_S = 60
"""How far the provider's clock may be off ours."""
MIN_RSA_BITS = 2048
MAX_HEADER = 8 * 1024
"""Bytes of a token's header, which may carry certificates; they are not looked at."""
MAX_SUBJECT = 255


class IdTokenError(ValueError):
    """A token that does not hold; the text is one line for the log, without the token."""


class UnknownKeyError(IdTokenError):
    """The token names a key that is not among the provider's; it may have new ones."""


class _Algorithms(JWSRegistry):
    """Ours alone, whatever else the library knows."""

    max_header_length = MAX_HEADER

    def __init__(self) -> None:
        super().__init__(algorithms=ALGORITHMS, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"{name!r:.20} is not one of {', '.join(sorted(ALGORITHMS))}")
        return self.algorithms[name]


def key_set(document: Mapping[str, Any]) -> KeySet:
    """The keys of a JWKS that can sign ID tokens; others are passed over. Raises IdTokenError when none is left."""
    keys: list[Key] = []
    listed = document.get("keys")
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, dict) or one.get("kty") not in KEY_TYPES or one.get("use", "sig") != "sig":
            continue
        try:
            key = import_key(one)
        except (JoseError, ValueError, TypeError):
            continue
        if not isinstance(key, RSAKey) or key.raw_value.key_size >= MIN_RSA_BITS:
            keys.append(key)
    if not keys:
        raise IdTokenError("there is none that can be used")
    return KeySet(keys)


def verified(token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, now: float) -> dict[str, Any]:
    """The claims of a token that holds. `now`: seconds since the epoch. Raises IdTokenError."""
    try:
        claims = jwt.decode(token, keys, registry=_Algorithms()).claims
    except InvalidKeyIdError as error:
        raise UnknownKeyError(str(error)) from None
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise IdTokenError(f"is not a token that the provider signed ({error})") from None
    registry = jwt.JWTClaimsRegistry(
        now=int(now),
        leeway=LEEWAY_S,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        registry.validate(claims)
    except JoseError as error:
        raise IdTokenError(str(error)) from None
    _check_party(claims, client_id)
    if claims.get("nonce") != nonce:
        raise IdTokenError("nonce: is not that of this sign-in")
    subject = claims["sub"]
    if not subject.isprintable() or len(subject) > MAX_SUBJECT:
        raise IdTokenError(f"sub: is not a text of 1 to {MAX_SUBJECT} printable characters")
    return claims


def _check_party(claims: Mapping[str, Any], client_id: str) -> None:
    """A token may be meant for several; then it says whom it was issued to, which must be us."""
    party, audience = claims.get("azp"), claims["aud"]
    if party is None and isinstance(audience, list) and len(audience) > 1:
        raise IdTokenError("azp: is missing, though the token is for several")
    if party is not None and party != client_id:
        raise IdTokenError("azp: the token was issued to another client")
