"""Signing in with an identity provider, in a real browser: another site, which sends people back."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from playwright.sync_api import Page, expect

from tests.faults.harness import Process
from tests.web.browser.conftest import NewPage
from tests.web.browser.running import Running
from tests.web.browser.test_looking import barriers
from tests.web.oidc.identity import CLIENT_ID, SECRET, Identity, identity_in_thread

EVERYTHING = "alerts:read+alerts:write+rules:read+config:read"


@dataclass
class Provided:
    """An API process with a provider beside it."""

    url: str
    identity: Identity


@pytest.fixture(scope="module")
def provided(site: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provided]:
    """A further API process on the same topics. To a browser `localhost` is another site than 127.0.0.1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    directory: Path = tmp_path_factory.mktemp("provided")
    with identity_in_thread("localhost") as identity:
        environment = {
            "STREAMPROC_HTTP": url.removeprefix("http://"),
            "STREAMPROC_PUBLIC_URL": url,
            "STREAMPROC_RATE_LIMIT": "0",
            "STREAMPROC_OIDC_ISSUER": identity.issuer,
            "STREAMPROC_OIDC_CLIENT_ID": CLIENT_ID,
            "STREAMPROC_OIDC_CLIENT_SECRET": SECRET,
            "STREAMPROC_OIDC_NAME": "Example Login",
            "STREAMPROC_OIDC_TENANT_CLAIM": "tenant",
            "STREAMPROC_OIDC_ROLES": f"sec-oncall={EVERYTHING}",
        }
        process = Process(["api"], site.settings, directory, "api", environment)
        process.start()
        try:
            site.until("an API with a provider", lambda: ready(url) or not process.alive)
            assert process.alive, process.tail()
            yield Provided(url, identity)
        finally:
            process.stop()


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(autouse=True)
def _well_behaved(provided: Provided) -> Iterator[None]:
    yield
    provided.identity.claims, provided.identity.answers = {}, {}


def opened(new_page: NewPage, provided: Provided, path: str) -> Page:
    page = new_page(key="")
    page.goto(f"{provided.url}/#{path}")
    expect(page.get_by_role("link", name="Sign in with Example Login")).to_be_visible()
    return page


def test_there_and_back_again(provided: Provided, new_page: NewPage) -> None:
    page = opened(new_page, provided, "/rules?q=brute")
    assert barriers(page) == []
    page.get_by_role("link", name="Sign in with Example Login").click()
    expect(page.get_by_role("heading", name="Rules", level=1)).to_be_visible()
    assert page.url == f"{provided.url}/#/rules?q=brute"
    expect(page.get_by_text("oidc:alice@example.com · acme")).to_be_visible()
    expect(page.get_by_role("link", name="API keys")).to_have_count(0)
    (cookie,) = page.context.cookies(provided.url)
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("streamproc_session", True, "Strict")
    page.reload()
    expect(page.get_by_role("heading", name="Rules", level=1)).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in with Example Login")).to_be_visible()
    page.context.add_cookies([cookie])
    page.reload()
    expect(page.get_by_role("link", name="Sign in with Example Login")).to_be_visible()


def test_whoever_has_no_role_is_told_which_claim_says_so(provided: Provided, new_page: NewPage) -> None:
    provided.identity.claims = {"roles": ["<i>viewer</i>"]}
    page = opened(new_page, provided, "/alerts")
    page.get_by_role("link", name="Sign in with Example Login").click()
    expect(page.get_by_role("heading", name="You are not let in")).to_be_visible()
    expect(page.get_by_text("The claim “roles” says “<i>viewer</i>”")).to_be_visible()
    assert barriers(page) == []
    page.get_by_role("link", name="To the sign-in page").click()
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_provider_that_fails(provided: Provided, new_page: NewPage) -> None:
    provided.identity.answers["/token"] = lambda: web.Response(status=503)
    page = opened(new_page, provided, "/alerts")
    page.get_by_role("link", name="Sign in with Example Login").click()
    expect(page.get_by_text("The identity provider did not answer as it should.")).to_be_visible()
    assert page.url == f"{provided.url}/#/alerts"
    page.goto(f"{provided.url}/#/sign-in?error=constructor")
    page.reload()
    expect(page.get_by_label("API key")).to_be_visible()
    del provided.identity.answers["/token"]
    page.get_by_role("link", name="Sign in with Example Login").click()
    expect(page.get_by_role("heading", name="Alerts", level=1)).to_be_visible()
