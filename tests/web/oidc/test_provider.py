"""The whole way of a sign-in against a provider that is running: what it is asked, and each way in which it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiohttp import web

from streamproc.settings import Settings
from streamproc.web.oidc.attempt import Attempt
from streamproc.web.oidc.grants import NobodyError, Person
from streamproc.web.oidc.provider import KEPT_S, MAX_ANSWER, Client, Provider, ProviderError
from streamproc.web.oidc.signing_in import RETURN, OidcSignIn, Reason, SignInError
from tests.web.oidc.identity import (
    CLIENT_ID,
    PERSON,
    SECRET,
    SUBJECT,
    Identity,
    claims_of,
    ec,
    public,
    rsa,
    running_identity,
    signed,
)

DISCOVERY = "/.well-known/openid-configuration"
PUBLIC_URL = "https://alerts.example.com"
New = Callable[..., OidcSignIn]


@pytest.fixture
async def identity() -> AsyncIterator[Identity]:
    async with running_identity() as made:
        yield made


@pytest.fixture
async def new(identity: Identity, new_settings: Callable[..., Settings]) -> AsyncIterator[New]:
    """Makes our side of it."""
    made: list[OidcSignIn] = []

    def make(**changed: Any) -> OidcSignIn:
        given: dict[str, Any] = {
            "oidc_issuer": identity.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": SECRET,
            "oidc_tenant_claim": "tenant",
            "oidc_roles": "sec-oncall=alerts:read+alerts:write",
            "public_url": PUBLIC_URL,
        }
        made.append(OidcSignIn(new_settings(**(given | changed))))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def approved(sign_in: OidcSignIn, attempt: Attempt) -> dict[str, str]:
    """What the browser brings back from the provider."""
    address = await sign_in.address(attempt)
    async with aiohttp.ClientSession() as browser, browser.get(address, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        location = answer.headers["Location"]
    assert location.startswith(f"{PUBLIC_URL}{RETURN}?")
    return dict(parse_qsl(urlsplit(location).query))


async def arrive(sign_in: OidcSignIn, **changed: str | None) -> Person:
    """The whole way; `changed` in what the browser brings back."""
    attempt = Attempt.begun("/", 0.0)
    answer = {**await approved(sign_in, attempt), **changed}
    return await sign_in.person({name: value for name, value in answer.items() if value is not None}, attempt)


async def refused(sign_in: OidcSignIn, reason: Reason, said: str, **changed: str | None) -> None:
    with pytest.raises(SignInError) as error:
        await arrive(sign_in, **changed)
    assert (error.value.reason, said in str(error.value)) == (reason, True), str(error.value)
    shown = str(error.value)
    assert SECRET not in shown
    assert "eyJ" not in shown, "no token"


async def test_somebody_is_let_in(identity: Identity, new: New) -> None:
    person = await arrive(new())
    assert (person.subject, person.name, person.tenant) == (SUBJECT, "oidc:alice@example.com", "acme")
    asked, redeemed = identity.sent
    assert asked["redirect_uri"] == redeemed["redirect_uri"] == f"{PUBLIC_URL}{RETURN}"
    assert asked["scope"] == "openid email profile"
    assert "code_verifier" not in asked
    assert "client_secret" not in redeemed, "it is shown in a header"
    assert identity.asked["/userinfo"] == 0, "nothing was missing"


@pytest.mark.parametrize(("methods", "in_form"), [(["client_secret_post"], True), (["client_secret_basic"], False)])
async def test_the_secret_is_shown_as_the_provider_wants_it(
    identity: Identity, new: New, methods: list[str], in_form: bool
) -> None:
    identity.metadata = {"token_endpoint_auth_methods_supported": methods}
    await arrive(new())
    assert (identity.sent[1].get("client_secret") == SECRET) is in_form
    await refused(new(oidc_client_secret="wrong"), Reason.PROVIDER, "token: answered 401 'invalid_client'")


async def test_a_public_client_has_no_secret(identity: Identity, new: New) -> None:
    await arrive(new(oidc_client_secret=None))
    assert identity.sent[1]["client_id"] == CLIENT_ID
    assert "client_secret" not in identity.sent[1]


async def test_an_answer_is_to_the_browsers_own_sign_in(identity: Identity, new: New) -> None:
    sign_in = new()
    await refused(sign_in, Reason.EXPIRED, "state", state="another")
    await refused(sign_in, Reason.EXPIRED, "state", state=None)
    with pytest.raises(SignInError) as error:
        await sign_in.person(await approved(sign_in, Attempt.begun("/", 0.0)), None)
    assert error.value.reason == Reason.EXPIRED
    # what somebody else began, brought to this browser
    theirs = await approved(sign_in, Attempt.begun("/", 0.0))
    with pytest.raises(SignInError) as error:
        await sign_in.person(theirs, Attempt.begun("/", 0.0))
    assert error.value.reason == Reason.EXPIRED
    assert identity.asked["/token"] == 0, "no code of it was sent"


async def test_a_code_of_somebody_else_is_of_no_use(identity: Identity, new: New) -> None:
    """Their code with our state: the verifier is not theirs; and if the provider did not look, the nonce is not."""
    sign_in = new()
    theirs = await approved(sign_in, Attempt.begun("/", 0.0))
    await refused(sign_in, Reason.PROVIDER, "'invalid_grant'", code=theirs["code"])
    nonce = Attempt.begun("/", 0.0).nonce
    identity.token = lambda claims: signed({**claims, "nonce": nonce}, identity.key)
    await refused(sign_in, Reason.TOKEN, "nonce")


async def test_a_code_is_good_once(identity: Identity, new: New) -> None:
    sign_in, attempt = new(), Attempt.begun("/", 0.0)
    answer = await approved(sign_in, attempt)
    await sign_in.person(answer, attempt)
    with pytest.raises(SignInError, match="invalid_grant") as error:
        await sign_in.person(answer, attempt)
    assert error.value.reason == Reason.PROVIDER


async def test_what_the_provider_refuses(identity: Identity, new: New) -> None:
    await refused(new(), Reason.DENIED, "said access_denied", error="access_denied", code=None)
    await refused(new(), Reason.DENIED, "some error", error="<script>\n", code=None)
    for code in (None, "", "ä", "x" * 9000):
        await refused(new(), Reason.PROVIDER, "code", code=code)
    assert identity.asked["/token"] == 0


async def test_an_answer_of_another_provider(identity: Identity, new: New) -> None:
    """RFC 9207: an answer that names its issuer."""
    await refused(new(), Reason.PROVIDER, "iss", iss="https://evil.example")
    assert await arrive(new(), iss=None)
    identity.metadata = {"authorization_response_iss_parameter_supported": True}
    await refused(new(), Reason.PROVIDER, "iss", iss=None)
    assert identity.asked["/token"] == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "azp"),
        ({"exp": 1}, "expired"),
        ({"nonce": "another"}, "nonce"),
    ],
)
async def test_a_token_that_does_not_hold(identity: Identity, new: New, wrong: dict[str, Any], said: str) -> None:
    identity.token = lambda claims: signed({**claims, **wrong}, identity.key)
    await refused(new(), Reason.TOKEN, said)


async def test_a_token_by_somebody_else(identity: Identity, new: New) -> None:
    identity.token = lambda claims: signed(claims, rsa("first"))
    await refused(new(), Reason.TOKEN, "id_token")


async def test_keys_are_read_once_and_again_when_one_is_new(identity: Identity, new: New) -> None:
    sign_in = new()
    for _ in range(3):
        await arrive(sign_in)
    assert (identity.asked["/keys"], identity.asked[DISCOVERY]) == (1, 1)
    identity.key = ec("second")
    await arrive(sign_in)
    assert identity.asked["/keys"] == 2
    await arrive(sign_in)
    assert identity.asked["/keys"] == 2
    identity.published = [identity.key]
    identity.key = rsa("never published")
    await refused(sign_in, Reason.TOKEN, "id_token")
    assert identity.asked["/keys"] == 3, "once for a sign-in"


async def test_what_is_kept_is_read_again_after_an_hour(identity: Identity, new: New) -> None:
    clock = [0.0]
    provider = Provider(new().provider.client, lambda: clock[0])
    for at, times in ((0.0, 1), (KEPT_S, 1), (KEPT_S + 1, 2)):
        clock[0] = at
        await provider.keys()
        assert (identity.asked["/keys"], identity.asked[DISCOVERY]) == (times, times)
    await provider.close()


def _answer(body: bytes | str = b"", status: int = 200, **headers: str) -> Callable[[], web.Response]:
    content = body.encode() if isinstance(body, str) else body
    return lambda: web.Response(body=content, status=status, headers=headers)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_answer("<html>down for maintenance</html>"), "is not a JSON object"),
        (_answer("[]"), "is not a JSON object"),
        (_answer(b"\xff\xfe"), "is not a JSON object"),
        (_answer(""), "is not a JSON object"),
        (_answer("[" * 100_000), "is not a JSON object"),
        (_answer('{"error": "<b>no\\n"}', 500), "answered 500"),
        (_answer("", 302, Location="https://evil.example/"), "answered 302"),
        (_answer(b'{"a":"' + b"x" * MAX_ANSWER + b'"}'), "is larger than"),
        (_answer(b"\x1f\x8b" + b"\0" * 50, **{"Content-Encoding": "gzip"}), "is not a JSON object"),
    ],
)
@pytest.mark.parametrize("path", [DISCOVERY, "/keys", "/token", "/userinfo"])
async def test_a_provider_that_answers_anything(
    identity: Identity, new: New, answer: Any, said: str, path: str
) -> None:
    identity.answers[path] = answer
    identity.claims = {"roles": None}  # so that userinfo is asked for
    identity.userinfo = PERSON
    sign_in = new()
    await refused(sign_in, Reason.PROVIDER, said)
    del identity.answers[path]
    assert (await arrive(sign_in)).tenant == "acme", "what failed is not remembered"


async def test_a_provider_that_is_down(new: New) -> None:
    sign_in = new(oidc_issuer="http://127.0.0.1:9")
    with pytest.raises(SignInError, match="discovery") as error:
        await sign_in.address(Attempt.begun("/", 0.0))
    assert error.value.reason == Reason.PROVIDER


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": None},
        {"token_endpoint": "http://login.example.com/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": 7},
        {"userinfo_endpoint": "http://login.example.com/userinfo"},
    ],
)
async def test_a_discovery_document_that_cannot_be_used(identity: Identity, new: New, wrong: dict[str, Any]) -> None:
    identity.metadata = wrong
    (name,) = wrong
    with pytest.raises(SignInError, match=f"discovery: {name}: "):
        await new().address(Attempt.begun("/", 0.0))


async def test_a_provider_on_https_has_nothing_in_the_clear() -> None:
    provider = Provider(Client("https://login.example.com", CLIENT_ID, "", "openid", "https://a.example", "x"))
    with pytest.raises(ProviderError, match=r"token_endpoint: .* is not an https address"):
        provider._endpoint({"token_endpoint": "http://127.0.0.1/token"}, "token_endpoint")


async def test_keys_that_are_none(identity: Identity, new: New) -> None:
    identity.answers["/keys"] = lambda: web.json_response({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "first"}]})
    await refused(new(), Reason.PROVIDER, "keys: there is none that can be used")


async def test_tokens_that_are_none(identity: Identity, new: New) -> None:
    for answer in ({}, {"id_token": 7}, {"id_token": None}):
        identity.answers["/token"] = lambda answer=answer: web.json_response(answer)  # type: ignore[misc]
        await refused(new(), Reason.PROVIDER, "has no id_token")


async def test_what_the_token_does_not_say_may_stand_in_userinfo(identity: Identity, new: New) -> None:
    identity.claims = {"roles": None, "email": None}
    identity.userinfo = {**PERSON, "email": "alice@example.org", "tenant": "other", "iss": "x"}
    person = await arrive(new())
    assert person.name == "oidc:alice@example.org"
    assert person.tenant == "acme", "what is signed counts before what is not"
    identity.userinfo = {**PERSON, "email": "boss@example.org", "email_verified": False}
    assert (await arrive(new())).name == f"oidc:{SUBJECT}", "an address and whether it is verified belong together"
    identity.userinfo = {**PERSON, "sub": "somebody else"}
    await refused(new(), Reason.PROVIDER, "userinfo: sub")
    identity.metadata = {"userinfo_endpoint": None}
    with pytest.raises(NobodyError, match="did not send"):
        await arrive(new())


async def test_whoever_has_no_role_is_nobody(identity: Identity, new: New) -> None:
    identity.claims = {"roles": ["viewer"]}
    with pytest.raises(NobodyError, match="“roles” says “viewer”"):
        await arrive(new())


def test_the_provider_of_the_tests_publishes_no_private_key() -> None:
    assert public(rsa("x"))["keys"][0].keys().isdisjoint({"d", "p", "q"})
    assert claims_of("i", "n", roles=None).keys().isdisjoint({"roles"})
