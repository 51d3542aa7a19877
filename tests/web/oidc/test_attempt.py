"""What the browser keeps of a sign-in under way: sealed, for ten minutes, and never the way to another site."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.config.keyring import Keyring
from streamproc.web.oidc.attempt import HOME, SECONDS, Attempt, read_attempt

KEYRING = Keyring([b"k" * 32])
PLACES = ["/alerts", "/alerts/alt_1?status=open&q=a%20b", "/rules/r%2F1", "/"]
ELSEWHERE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    "",
    " /alerts",
    "/alerts\r\nSet-Cookie: a=b",
    "/alerts\n",
    "/\t/evil.example",
    "/ä",
    "/" + "a" * 512,
]


def test_it_comes_back_from_its_cookie_until_it_is_over() -> None:
    attempt = Attempt.begun("/rules", 1000.0)
    cookie = attempt.sealed(KEYRING)
    assert read_attempt(cookie, KEYRING, 1000.0 + SECONDS - 1) == attempt
    assert read_attempt(cookie, KEYRING, 1000.0 + SECONDS) is None
    assert all(secret not in cookie for secret in (attempt.state, attempt.nonce, attempt.verifier))
    assert len(cookie) < 1500
    assert len(Attempt.begun("/" + "a" * 511, 0).sealed(KEYRING)) < 4096 - 200


def test_no_two_are_alike() -> None:
    made = [Attempt.begun("/", 0.0) for _ in range(10)]
    secrets = {secret for one in made for secret in (one.state, one.nonce, one.verifier)}
    assert len(secrets) == 30
    assert all(43 <= len(secret) <= 128 for secret in secrets), "as RFC 7636 wants a verifier"


def test_a_cookie_that_is_not_ours_is_none() -> None:
    cookie = Attempt.begun("/", 0.0).sealed(KEYRING)
    other = Keyring([b"l" * 32])
    for wrong in (
        "",
        cookie[:-1] + ("A" if cookie[-1] != "A" else "B"),
        cookie[:-8],
        cookie + "é",
        "v1." + "A" * 5000,
        Attempt.begun("/", 0.0).sealed(other),
        KEYRING.seal({"state": "x"}, "oidc sign-in"),
        KEYRING.seal("text", "oidc sign-in"),
        KEYRING.seal({"state": "s", "nonce": "n", "verifier": "v", "place": "/", "ends_at": 9e9}, "acme/webhook/w"),
    ):
        assert read_attempt(wrong, KEYRING, 0.0) is None


def test_the_challenge_is_the_verifiers() -> None:
    """The example of RFC 7636, appendix B."""
    attempt = Attempt("s", "n", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "/", 0.0)
    assert attempt.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    made = Attempt.begun("/", 0.0)
    hashed = hashlib.sha256(made.verifier.encode()).digest()
    assert base64.urlsafe_b64decode(made.challenge + "=") == hashed


def test_an_answer_is_to_one_attempt() -> None:
    attempt = Attempt.begun("/", 0.0)
    assert attempt.answers(attempt.state)
    for wrong in ("", attempt.state[:-1], attempt.state + "a", Attempt.begun("/", 0.0).state, "ä", "\ud800"):
        assert not attempt.answers(wrong)


@pytest.mark.parametrize("place", PLACES)
def test_places_in_the_dashboard_are_kept(place: str) -> None:
    assert Attempt.begun(place, 0.0).place == place


@pytest.mark.parametrize("place", ELSEWHERE)
def test_other_places_are_the_first_page(place: str) -> None:
    assert Attempt.begun(place, 0.0).place == HOME


@given(st.text())
def test_a_place_is_always_one_behind_our_own_address(text: str) -> None:
    place = Attempt.begun(text, 0.0).place
    assert place.startswith("/")
    assert not place.startswith("//")
    assert place.isascii()
    assert place.isprintable()
    assert "\\" not in place
    assert " " not in place
