"""Each page as it looks: accessible in both themes, inside a phone's width; and photographed for the documentation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.web.browser.conftest import SCREENSHOTS, NewPage
from tests.web.browser.running import Running

SERIOUS = ("serious", "critical")
PAGES = {
    "sign-in": "",
    "alerts": "/alerts",
    "alert": "/alerts/{alert}",
    "incidents": "/incidents",
    "incident": "/incidents/{incident}",
    "inbox": "/inbox",
    "rules": "/rules",
    "rule": "/rules/brute-force-login",
    "gallery": "/gallery",
    "lists": "/lists",
    "policies": "/policies",
    "policy": "/policies/default",
    "channels": "/channels",
    "channel": "/channels/new",
    "webhooks": "/webhooks",
    "webhook": "/webhooks/security",
    "templates": "/templates",
    "template": "/templates/short",
    "users": "/users",
    "silences": "/silences",
    "statistics": "/statistics",
    "dead-letters": "/dead-letters",
    "dead-letter": "/dead-letters/{letter}",
    "audit": "/audit",
    "keys": "/keys",
}
PHOTOGRAPHED = ("alerts", "alert", "rule", "policy", "statistics")
"""Those that the documentation shows."""


@pytest.fixture(scope="package")
def ids(site: Running) -> dict[str, str]:
    """What the addresses name."""
    alert = [one for one in site.alerts() if one["rule"]["id"] == "brute-force-login"][-1]
    export = next(one for one in site.alerts() if one["rule"]["id"] == "mass-export")
    if export["incident_id"] is None:
        site.ask("POST", f"/v1/alerts/{export['id']}/escalate", {"note": "Customer data left the house"})
    incident = site.until("the incident", lambda: site.ask("GET", "/v1/incidents")["items"])[0]["id"]
    letter = site.ask("GET", "/v1/dead-letters")["items"][0]["id"]
    return {"alert": alert["id"], "incident": incident, "letter": letter}


def opened(new_page: NewPage, name: str, ids: dict[str, str], **options: Any) -> Page:
    """The page, once it shows what it has."""
    if name == "sign-in":
        page = new_page(key="", **options)
        expect(page.get_by_label("API key")).to_be_visible()
        return page
    page = new_page(path=PAGES[name].format(**ids), **options)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator(".loading")).to_have_count(0)
    page.wait_for_timeout(400)  # what comes after the first answer, such as charts
    return page


def barriers(page: Page) -> list[Any]:
    """What axe-core holds to be serious."""
    return [
        (one["id"], one["help"], [node["target"] for node in one["nodes"]][:5], one["nodes"][0].get("failureSummary"))
        for one in Axe().run(page).response["violations"]
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("name", PAGES)
def test_no_serious_barrier_in_either_theme_or_on_a_phone(new_page: NewPage, ids: dict[str, str], name: str) -> None:
    page = opened(new_page, name, ids)
    assert barriers(page) == []
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert barriers(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert barriers(page) == []


def test_the_menu_of_a_phone(new_page: NewPage, ids: dict[str, str]) -> None:
    page = opened(new_page, "alerts", ids, width=390, height=844)
    expect(page.get_by_role("link", name="Statistics")).to_have_count(0)
    page.get_by_role("button", name="Pages").click()
    page.get_by_role("link", name="Statistics").click()
    expect(page.get_by_role("heading", name="Statistics", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Statistics")).to_have_count(0)
    page.get_by_role("button", name="Pages").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Statistics")).to_have_count(0)


def test_the_theme_is_kept(new_page: NewPage, ids: dict[str, str]) -> None:
    page = opened(new_page, "alerts", ids)
    light = page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor")
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") != light
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.skipif("STREAMPROC_TEST_SCREENSHOTS" not in os.environ, reason="STREAMPROC_TEST_SCREENSHOTS is not set")
@pytest.mark.parametrize("name", PAGES)
def test_photographs(new_page: NewPage, ids: dict[str, str], name: str) -> None:
    """Written where the variable says: `docs` for those of the documentation, or a directory for all of them."""
    where = os.environ["STREAMPROC_TEST_SCREENSHOTS"]
    if where == "docs" and name not in PHOTOGRAPHED:
        pytest.skip("not in the documentation")
    target = SCREENSHOTS if where == "docs" else Path(where)
    target.mkdir(parents=True, exist_ok=True)
    for width, height, dark in ((1440, 900, False), (390, 844, False), (1440, 900, True)):
        if where == "docs" and dark:
            continue
        page = opened(new_page, name, ids, width=width, height=height, dark=dark)
        file = target / f"{name}-{width}{'-dark' if dark else ''}.jpg"
        page.screenshot(path=file, type="jpeg", quality=80, full_page=where != "docs")
        assert file.stat().st_size < 150_000 or where != "docs"
