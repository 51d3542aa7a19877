"""Signing in at the real server, with a provider beside it: cookies, sessions, who did what, whom it keeps out."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiokafka.errors import KafkaTimeoutError

from streamproc.config.record import ConfigRecord
from streamproc.settings import HostPort, Settings, SettingsError
from streamproc.web.keys import KIND
from streamproc.web.oidc import attempt as attempts
from streamproc.web.oidc.signing_in import RETURN, START
from streamproc.web.server import serving
from streamproc.web.sessions import COOKIE
from tests.web.conftest import Api, Reply, running_api
from tests.web.oidc.identity import CLIENT_ID, PERSON, SECRET, Identity, public, rsa, running_identity, signed

pytestmark = pytest.mark.broker


def settings_for(identity: Identity, settings: Settings, **changed: Any) -> Settings:
    """Settings with the provider, and a port that is known beforehand: the provider sends people back to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: getattr(settings, name) for name in type(settings).model_fields}
    return Settings(
        **own
        | {
            "http": HostPort("127.0.0.1", port),
            "public_url": f"http://127.0.0.1:{port}",
            "rate_limit": 0.0,
            "oidc_issuer": identity.issuer,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": SECRET,
            "oidc_name": "Example & Sons",
            "oidc_tenant_claim": "tenant",
            "oidc_roles": "sec-admins=admin,sec-oncall=config:read+config:write+alerts:read",
            **changed,
        }
    )


@pytest.fixture
async def identity() -> AsyncIterator[Identity]:
    async with running_identity() as made:
        yield made


@pytest.fixture
async def served(identity: Identity, settings_with_topics: Settings) -> AsyncIterator[Api]:
    async with running_api(settings_for(identity, settings_with_topics)) as api:
        yield api


@dataclass
class Browser:
    """Keeps cookies and nothing else; leaves for the provider and comes back, step by step."""

    api: Api
    cookies: dict[str, str] = field(default_factory=dict)
    flags: dict[str, Morsel[str]] = field(default_factory=dict)
    csrf: str = ""

    async def get(self, path: str) -> Reply:
        """A page; 303 and 403 are answers too."""
        return await self("GET", path, status=(200, 303, 401, 403, 404, 503))

    async def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if self.csrf:
            headers["X-CSRF-Token"] = self.csrf
        reply = await self.api(method, path, body, token=None, headers=headers, **more)
        for line in reply.headers.getall("Set-Cookie", ()):
            for name, morsel in SimpleCookie(line).items():
                self.flags[name] = morsel
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return reply

    async def leave(self, query: str = "") -> str:
        """To the provider; answers where that sends the browser back to."""
        left = await self.get(START + query)
        assert left.status == 303, left.text
        async with self.api.session.get(left.headers["Location"], allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            return answer.headers["Location"].removeprefix(self.api.url)

    async def sign_in(self, query: str = "") -> Reply:
        """The whole way."""
        reply = await self.get(await self.leave(query))
        if COOKIE in self.cookies:
            self.csrf = (await self("GET", "/v1/session")).json["csrf_token"]
        return reply


def sessions(api: Api) -> list[ConfigRecord]:
    return [record for record in api.site.tailer.snapshot.records(KIND) if record.id.startswith("oidc-")]


def why(reply: Reply) -> str:
    """The reason that the sign-in page is given."""
    found = re.fullmatch(r"/#/sign-in\?error=([a-z]+)", reply.headers.get("Location", ""))
    assert reply.status == 303, reply.text
    assert found, reply.headers.get("Location")
    return found[1]


async def test_a_session_like_any_other(served: Api, identity: Identity) -> None:
    assert (await served("GET", "/v1/sign-in", token=None)).json == {"oidc": {"name": "Example & Sons", "path": START}}
    browser = Browser(served)
    back = await browser.leave("?next=/rules?q=a%2520b")
    kept = browser.flags[attempts.COOKIE]
    assert (kept["httponly"], kept["samesite"], kept["path"]) == (True, "Lax", START)
    assert kept["max-age"] == str(attempts.SECONDS)
    assert COOKIE not in browser.cookies

    arrived = await browser.get(back)
    assert (arrived.status, arrived.headers["Location"]) == (303, "/#/rules?q=a%20b")
    assert arrived.headers["Cache-Control"] == "no-store"
    cookie = browser.flags[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert int(cookie["max-age"]) == served.site.settings.session_hours * 3600
    assert attempts.COOKIE not in browser.cookies, "it is taken away"

    who = (await browser("GET", "/v1/session")).json
    assert (who["name"], who["tenant_id"], who["operator"]) == ("oidc:alice@example.com", "acme", False)
    assert who["scopes"] == ["alerts:read", "config:read", "config:write"]
    body = {"id": "by-alice", "values": ["a"]}
    await browser("POST", "/v1/lists", body, status=403)
    browser.csrf = who["csrf_token"]
    await browser("POST", "/v1/lists", body, status=201)
    await browser("GET", "/v1/rules", status=403)
    await browser("GET", "/v1/keys", status=403)

    entries = (await served("GET", "/v1/audit")).json["items"]
    made = next(entry for entry in entries if entry["target_id"] == "by-alice")
    assert (made["actor"]["name"], made["actor"]["key_id"]) == ("oidc:alice@example.com", who["key_id"])
    signed_in = next(entry for entry in entries if entry["target_id"] == who["key_id"])
    assert (signed_in["action"], signed_in["actor"]["name"]) == ("key.sign_in", "oidc:alice@example.com")

    other = Browser(served)
    await other.sign_in()
    assert [record.tenant for record in sessions(served)] == ["acme", "acme"]
    stolen = dict(browser.cookies)
    gone = await browser("DELETE", "/v1/session", status=204)
    assert "Max-Age=0" in gone.headers["Set-Cookie"]
    browser.cookies = stolen
    await browser("GET", "/v1/lists", status=401)
    assert (await other("GET", "/v1/session")).json["key_id"] != who["key_id"], "another one of hers goes on"

    await served("POST", f"/v1/keys/{sessions(served)[0].id}/revoke")
    await other("GET", "/v1/session", status=401)
    entries = (await served("GET", f"/v1/audit?target_id={who['key_id']}")).json["items"]
    assert [entry["action"] for entry in entries] == ["key.sign_out", "key.sign_in"]
    assert identity.asked["/token"] == 2


async def test_a_session_ends_with_its_time_and_has_no_text(identity: Identity, settings_with_topics: Settings) -> None:
    settings = settings_for(identity, settings_with_topics, session_hours=0.0008)  # not three seconds
    async with running_api(settings) as api:
        browser = Browser(api)
        await browser.sign_in()
        (record,) = sessions(api)
        for token in (f"sp_{record.id}_none", f"sp_{record.id}_", "none"):
            await api("GET", "/v1/lists", token=token, status=401)
        await api("POST", f"/v1/keys/{record.id}/rotate", {}, status=409)
        await api("PATCH", f"/v1/keys/{record.id}", {"expires_at": None}, status=409)
        for path in ("/v1/keys", f"/v1/keys/{api.token.split('_')[1]}"):
            method = "POST" if path == "/v1/keys" else "PATCH"
            sent = {"name": "oidc:alice@example.com", "scopes": ["admin"]}
            assert (await api(method, path, sent, status=422)).json["errors"][0]["path"] == "name"
        async with asyncio.timeout(10):
            while (await browser("GET", "/v1/lists", status=(200, 401))).status == 200:
                await asyncio.sleep(0.1)
        left = datetime.fromisoformat(record.spec["expires_at"]) - datetime.now(UTC)
        assert left.total_seconds() < 2, "the cookie counts whole seconds"
        await asyncio.sleep(max(0, left.total_seconds()))
        await Browser(api).sign_in()
        async with asyncio.timeout(10):
            while record.id in [one.id for one in sessions(api)]:  # what is over is taken out
                await asyncio.sleep(0.02)


async def test_one_tenant_does_not_see_another(served: Api, identity: Identity) -> None:
    acme, other = Browser(served), Browser(served)
    await acme.sign_in()
    identity.claims = {"tenant": "other", "roles": ["sec-admins"], "sub": "2", "email": "bob@example.net"}
    await other.sign_in()
    await acme("POST", "/v1/lists", {"id": "secret-plans", "values": ["a"]}, status=201)
    await other("GET", "/v1/lists/secret-plans", status=404)
    await other("DELETE", "/v1/lists/secret-plans", status=404)
    await other("GET", "/v1/lists?tenant_id=acme", status=403)
    await other("POST", "/v1/lists", {"id": "x", "values": [], "tenant_id": "acme"}, status=403)
    assert (await other("GET", "/v1/lists")).json["items"] == []
    names = {key["name"] for key in (await other("GET", "/v1/keys")).json["items"]}
    assert names == {"oidc:bob@example.net"}
    for tenant in ("*", "a/b", ["acme", "other"], None):
        identity.claims = {"tenant": tenant, "roles": ["sec-admins"]}
        stranger = Browser(served)
        refused = await stranger.sign_in()
        assert (refused.status, COOKIE in stranger.cookies) == (403, False)
        assert "tenant" in refused.text


async def test_nobody_is_kept_out_with_a_page_that_says_why(served: Api, identity: Identity) -> None:
    identity.claims = {"roles": ["<b>viewer</b>"]}
    browser = Browser(served)
    refused = await browser.sign_in()
    assert refused.status == 403
    assert refused.headers["Content-Type"].startswith("text/html")
    assert "“roles”" in refused.text
    assert "&lt;b&gt;viewer" in refused.text
    assert browser.cookies == {}
    assert sessions(served) == []


async def test_whatever_is_wrong_leads_to_the_sign_in_page(served: Api, identity: Identity) -> None:
    def token(**wrong: Any) -> Any:
        return lambda claims: signed({**claims, **wrong}, identity.key)

    for wrong in ({"nonce": "x"}, {"aud": "x"}, {"iss": "https://evil.example"}, {"exp": 1}):
        identity.token = token(**wrong)
        browser = Browser(served)
        assert why(await browser.sign_in()) == "token", wrong
        assert browser.cookies == {}
    identity.token = lambda claims: signed(claims, rsa("first"))
    assert why(await Browser(served).sign_in()) == "token"
    identity.token = None

    browser = Browser(served)
    back = await browser.leave()
    without, altered, late = Browser(served), Browser(served), Browser(served, dict(browser.cookies))
    assert why(await without.get(back)) == "expired", "somebody else's browser"
    altered.cookies[attempts.COOKIE] = browser.cookies[attempts.COOKIE][:-4] + "AAAA"
    assert why(await altered.get(back)) == "expired"
    assert why(await late.get(re.sub("state=[^&]+", "state=x", back))) == "expired"
    assert (await browser.get(back)).headers["Location"] == "/#/"
    again = Browser(served)
    back = await again.leave()
    saved = dict(again.cookies)
    await again.get(back)
    again.cookies = saved
    assert why(await again.get(back)) == "provider", "a code is good once"

    denied = Browser(served)
    state = dict(parse_qsl(urlsplit(await denied.leave()).query))["state"]
    assert why(await denied.get(f"{RETURN}?error=access_denied&state={state}")) == "denied"
    identity.answers["/token"] = identity.answers["/keys"] = lambda: aiohttp.web.Response(text="<html>", status=502)
    assert why(await Browser(served).sign_in()) == "provider"
    assert len(sessions(served)) == 2


async def test_without_kafka_nobody_gets_in_and_everybody_out(served: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = Browser(served), Browser(served)
    await inside.sign_in()

    async def failing(_: Any) -> None:
        raise KafkaTimeoutError

    monkeypatch.setattr(served.site.writer, "apply", failing)
    assert why(await outside.sign_in()) == "kafka"
    assert outside.cookies == {}
    await inside("DELETE", "/v1/session", status=204)
    assert inside.cookies == {}


async def test_keys_may_change_under_way(served: Api, identity: Identity) -> None:
    await Browser(served).sign_in()
    first, identity.key = identity.key, rsa("second")
    identity.published = [first, identity.key]
    assert len(public(*identity.published)["keys"]) == 2
    browser = Browser(served)
    await browser.sign_in()
    assert COOKIE in browser.cookies
    assert identity.asked["/keys"] == 2


@pytest.mark.parametrize(
    "place", ["//evil.example", "https://evil.example", "/%5Cevil.example", "%5C%5Cevil.example", "/%0d%0aLocation:x"]
)
async def test_it_never_leads_elsewhere(served: Api, place: str) -> None:
    arrived = await Browser(served).sign_in(f"?next={place}")
    assert arrived.headers["Location"] == "/#/"
    assert (await Browser(served).get(f"{START}?next=/&next=//evil.example")).status == 303


async def test_over_https_the_cookies_are_sent_over_tls_only(
    identity: Identity, settings_with_topics: Settings
) -> None:
    settings = settings_for(
        identity,
        settings_with_topics,
        public_url="https://alerts.example.com",
        rate_limit=0.001,
        rate_burst=3,
        oidc_tenant_claim="",
        oidc_tenant="*",
        oidc_client_secret=None,
    )
    async with running_api(settings) as api:
        browser = Browser(api)
        back = (await browser.leave()).removeprefix("https://alerts.example.com")
        await browser.get(back)
        assert all(browser.flags[name]["secure"] for name in (attempts.COOKIE, COOKIE))
        assert (await browser("GET", "/v1/session")).json["operator"]
        again = Browser(api)
        await again.leave()
        assert why(await again.get(START)) == "often"
        assert why(await again.get(back)) == "often"


async def test_without_settings_there_is_no_such_way(api: Api) -> None:
    assert (await api("GET", "/v1/sign-in", token=None)).json == {"oidc": None}
    for path in (START, f"{RETURN}?code=x&state=y"):
        await api("GET", path, token=None, status=404)


async def test_a_scope_that_is_none_is_told_at_the_start(identity: Identity, settings_with_topics: Settings) -> None:
    settings = settings_for(identity, settings_with_topics, oidc_roles="sec-admins=root")
    with pytest.raises(SettingsError, match="STREAMPROC_OIDC_ROLES: sec-admins: 'root' is not one of"):
        async with serving(settings):
            pass


def test_the_person_of_these_tests_has_no_role_of_operators() -> None:
    assert "sec-admins" not in PERSON["roles"]
