"""ID tokens: what holds, and each way in which one does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from streamproc.web.oidc.id_token import LEEWAY_S, IdTokenError, UnknownKeyError, key_set, verified
from tests.web.oidc.identity import CLIENT_ID, claims_of, ec, ed25519, public, rsa, signed

ISSUER = "https://login.example.com/realms/acme"
NONCE = "n-0S6_WzA2Mj"
RSA, OTHER_RSA, EC, ED = rsa("r"), rsa("r"), ec("e"), ed25519("d")
KEYS = key_set(public(RSA, EC, ED))


def check(token: str, keys: KeySet = KEYS, now: float | None = None) -> dict[str, Any]:
    now = time.time() if now is None else now
    return verified(token, keys, issuer=ISSUER, client_id=CLIENT_ID, nonce=NONCE, now=now)


def part(content: Any) -> str:
    text = json.dumps(content)  # which has numbers of any size, as whoever makes up a token has
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")]
)
def test_a_token_that_holds(key: Any, alg: str) -> None:
    claims = claims_of(ISSUER, NONCE)
    assert check(signed(claims, key, alg)) == claims


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": ISSUER + "/"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"aud": ["another", "third"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": [CLIENT_ID, "another"]}, "azp: is missing"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "azp: the token"),
        ({"azp": "another"}, "azp: the token"),
        ({"azp": [CLIENT_ID]}, "azp: the token"),
        ({"exp": None}, "exp"),
        ({"exp": 1}, "expired"),
        ({"exp": "2030-01-01"}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": lambda now: now + 10 * LEEWAY_S}, "future"),
        ({"nbf": lambda now: now + 10 * LEEWAY_S}, "not yet valid"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"nonce": [NONCE]}, "nonce"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"sub": "x" * 256}, "sub"),
    ],
)
def test_a_claim_that_is_wrong(wrong: dict[str, Any], message: str) -> None:
    claims = {name: value(time.time()) if callable(value) else value for name, value in wrong.items()}
    with pytest.raises(IdTokenError, match=message) as error:
        check(signed(claims_of(ISSUER, NONCE, **claims), RSA))
    assert "\n" not in str(error.value)


def test_several_audiences_where_we_are_the_one_it_was_issued_to() -> None:
    assert check(signed(claims_of(ISSUER, NONCE, aud=[CLIENT_ID, "another"], azp=CLIENT_ID), RSA))


def test_clocks_may_be_off_a_little() -> None:
    now = int(time.time())
    token = signed(claims_of(ISSUER, NONCE, iat=now, nbf=now, exp=now + 300), RSA)
    assert check(token, now=now - LEEWAY_S)
    assert check(token, now=now + 300 + LEEWAY_S - 1)
    for off in (now - LEEWAY_S - 1, now + 300 + LEEWAY_S):
        with pytest.raises(IdTokenError):
            check(token, now=off)


def test_nobody_signs_with_what_everybody_knows() -> None:
    """`none`, and HMAC with the public key as it is published in any form."""
    claims = part(claims_of(ISSUER, NONCE))
    with pytest.raises(IdTokenError, match="'none' is not one of"):
        check(f"{part({'alg': 'none', 'kid': 'r'})}.{claims}.")
    for alg in ("none", "None", "nOnE"):
        with pytest.raises(IdTokenError):
            check(f"{part({'alg': alg})}.{claims}.", key_set(public(RSA)))
    public_key = RSA.as_dict(private=False)
    for secret in (
        RSA.as_pem(private=False),
        RSA.as_der(private=False),
        orjson.dumps(public_key),
        str(public_key["n"]).encode(),
    ):
        head = f"{part({'alg': 'HS256', 'kid': 'r'})}.{claims}"
        mac = hmac.new(secret, head.encode(), hashlib.sha256).digest()
        with pytest.raises(IdTokenError, match="'HS256' is not one of"):
            check(f"{head}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


def test_the_key_is_the_providers_whatever_the_header_says() -> None:
    claims = claims_of(ISSUER, NONCE)
    with pytest.raises(IdTokenError, match="is not a token that the provider signed"):
        check(signed(claims, OTHER_RSA))
    for more in ({"jwk": OTHER_RSA.as_dict(private=False)}, {"jku": "https://evil.example/keys"}, {"x5c": ["x"]}):
        header = {"alg": "RS256", "kid": "r", **more}
        with pytest.raises(IdTokenError):
            check(jwt.encode(header, claims, OTHER_RSA, algorithms=["RS256"]))


def test_a_key_that_is_not_known_is_told_apart() -> None:
    with pytest.raises(UnknownKeyError):
        check(signed(claims_of(ISSUER, NONCE), rsa("second")))
    with pytest.raises(UnknownKeyError):
        check(signed(claims_of(ISSUER, NONCE), EC), key_set(public(RSA)))


def test_a_key_signs_only_as_it_is_meant_to() -> None:
    bound = RSAKey.import_key(RSA.as_dict(private=True) | {"alg": "PS256"})
    with pytest.raises(IdTokenError):
        check(signed(claims_of(ISSUER, NONCE), RSA, "RS256"), key_set(public(bound)))
    assert check(signed(claims_of(ISSUER, NONCE), RSA, "PS256"), key_set(public(bound)))


@pytest.mark.filterwarnings("ignore:Key size")
def test_keys_that_cannot_be_used_are_passed_over() -> None:
    weak = RSAKey.generate_key(1024, {"kid": "weak"})
    listed: list[Any] = [
        None,
        "text",
        {},
        {"kty": "lattice", "kid": "q"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        OctKey.import_key("shared secret, which must not be", {"kid": "s"}).as_dict(private=True),
        weak.as_dict(private=False),
        {**RSA.as_dict(private=False), "kid": "encrypts", "use": "enc"},
    ]
    found = key_set({"keys": [*listed, RSA.as_dict(private=False)]})
    assert [key.kid for key in found] == ["r"]
    for none_left in ({"keys": listed}, {"keys": []}, {"keys": {}}, {}):
        with pytest.raises(IdTokenError, match="none that can be used"):
            key_set(none_left)


def test_an_altered_token_does_not_hold() -> None:
    head, claims, signature = signed(claims_of(ISSUER, NONCE), RSA).split(".")
    other = part(claims_of(ISSUER, NONCE, roles=["sec-admins"]))
    for token in (f"{head}.{other}.{signature}", f"{head}.{claims}.", f"{head}.{claims}", f"{head}.{claims}.AAAA"):
        with pytest.raises(IdTokenError):
            check(token)


@given(st.one_of(st.text(), st.lists(st.text("ABab01-_=", max_size=20), max_size=5).map(".".join)))
def test_garbage_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(IdTokenError):
        check(text)


@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "x5c", "jwk"]),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.sampled_from(["RS256", "none", "r"]), st.lists(st.text())
        ),
    ),
    claims=st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.text(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=6,
    ),
)
def test_no_header_and_no_content_gets_past_the_signature(header: Any, claims: Any) -> None:
    with pytest.raises(IdTokenError):
        check(f"{part(header)}.{part(claims)}.AAAA")


def test_what_nests_without_end_is_refused() -> None:
    content = '{"a":' + "[" * 50_000 + "]" * 50_000 + "}"
    token = jws.serialize_compact({"alg": "RS256", "kid": "r"}, content, RSA, ["RS256"])
    with pytest.raises(IdTokenError):
        check(token)
