"""People at the dashboard, in a real browser on a running installation: what they see, do and are told."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import APIResponse, Page, Route, expect

from tests.web.browser.conftest import NewPage
from tests.web.browser.running import HOSTILE, TENANT, Running


def guess(site: Running, address: str, count: int = 10) -> None:
    """Failed logins from an address, as many as the rule wants."""
    actor = {"id": "user_mallory", "type": "user", "email": "mallory@example.com", "ip": address}
    site.events(count, action="user.login", outcome="failure", actor=actor)


def alert_of(site: Running, address: str) -> dict[str, Any]:
    """The alert about it."""
    found = [one for one in site.alerts() if one["group"] == {"actor.ip": address}]
    return found[0] if found else {}


def row(page: Page, address: str) -> Any:
    """Its row in the list."""
    return page.locator(".alert-row", has_text=address)


def test_signing_in_and_out(site: Running, new_page: NewPage) -> None:
    page = new_page(key="")
    page.get_by_label("API key").fill("sp_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("does not open anything")
    page.get_by_label("API key").fill(site.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Alerts", level=1)).to_be_visible()
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    page.reload()
    expect(page.get_by_label("API key")).to_be_visible()


def test_an_attack_is_seen_arriving_and_dealt_with(site: Running, new_page: NewPage) -> None:
    page = new_page()
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate("window.same = true")
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        guess(site, address)
        expect(row(page, address)).to_be_visible(timeout=15_000)
    expect(page.locator("#said")).to_contain_text("New critical alert: Brute force")
    assert page.evaluate("window.same"), "without a reload"

    row(page, "192.0.2.1").get_by_role("link").focus()
    page.keyboard.press("a")
    page.get_by_label("Note (optional)").fill("on it")
    page.get_by_role("button", name="Acknowledge").last.click()
    expect(row(page, "192.0.2.1")).to_contain_text("Acknowledged", timeout=15_000)

    row(page, "192.0.2.2").get_by_role("link").click()
    expect(page.get_by_text("10 events in 60 s for actor.ip 192.0.2.2").first).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("the threshold 10"))).to_be_visible()
    page.get_by_role("button", name="Resolve", exact=True).click()
    page.get_by_label("How did it end?").select_option("false_positive")
    page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    expect(page.locator(".alert-head .status")).to_have_text("Resolved", timeout=15_000)
    expect(page.locator(".timeline")).to_contain_text("as false positive by Alice Example")
    assert alert_of(site, "192.0.2.2")["resolution"] == "false_positive"

    page.keyboard.press("u")
    row(page, "192.0.2.3").get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("e")
    page.get_by_label("Note (optional)").fill("A real one")
    page.get_by_role("dialog").get_by_role("button", name="Escalate").click()
    expect(page.locator(".alert-head .status")).to_have_text("Escalated", timeout=15_000)
    incident = alert_of(site, "192.0.2.3")["incident_id"]
    page.get_by_role("link", name=incident).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Brute force from one address")
    expect(page.get_by_text("“A real one”")).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Incidents").click()
    expect(page.get_by_role("cell", name=re.compile("inc_"))).to_have_count(1)


def test_who_was_told_and_who_was_not(site: Running, new_page: NewPage) -> None:
    (alert,) = [one for one in site.alerts() if one["rule"]["id"] == "mass-deletion-own"]
    site.until("its deliveries", lambda: len(_ended(site, alert["id"])) >= 4)
    page = new_page(path=f"/alerts/{alert['id']}")
    told = page.locator("section", has=page.get_by_role("heading", name="Who was told"))
    expect(told).to_contain_text("channel inbox")
    expect(told.get_by_role("listitem").filter(has_text="webhook security")).to_contain_text("delivered")
    expect(told.get_by_role("listitem").filter(has_text="webhook ticketing")).to_contain_text(
        "refused the message (4xx)"
    )
    expect(told.get_by_role("listitem").filter(has_text="Everybody")).to_contain_text("within the rule's cooldown")
    page.get_by_text("document.delete").first.click()
    expect(page.locator("pre.code").first).to_contain_text('"action": "document.delete"')


def _ended(site: Running, id: str) -> list[dict[str, Any]]:
    found = site.ask("GET", f"/v1/deliveries?alert_id={id}")["items"]
    return [one for one in found if one["state"] not in ("pending", "retrying")]


def test_an_action_on_a_stale_alert_says_what_changed(site: Running, new_page: NewPage) -> None:
    guess(site, "192.0.2.7")
    alert = site.until("the alert", lambda: alert_of(site, "192.0.2.7"))
    page = new_page(path=f"/alerts/{alert['id']}")
    page.get_by_role("button", name="Acknowledge").click()
    site.ask("POST", f"/v1/alerts/{alert['id']}/resolve", {"note": "I was faster"})
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    stale = page.locator(".stale")
    expect(stale).to_contain_text("has changed since you saw it", timeout=15_000)
    expect(stale).to_contain_text("I was faster")
    expect(stale).to_contain_text("Open → Resolved")


def test_without_the_stream_the_list_refreshes_by_itself(site: Running, new_page: NewPage) -> None:
    page = new_page(key="")
    page.route("**/v1/stream*", lambda route: route.abort())
    page.get_by_label("API key").fill(site.key)
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_have_text("Every 10 s", timeout=15_000)
    guess(site, "192.0.2.8")
    expect(row(page, "192.0.2.8")).to_be_visible(timeout=25_000)


def test_an_older_answer_takes_no_alert_away(site: Running, new_page: NewPage) -> None:
    """The stream is faster than the list's answer, which may also come from an API process that is behind."""
    page = new_page(path="/silences")
    expect(page.locator("#live")).to_have_text("Live")
    asked: list[Route] = []
    older: list[APIResponse] = []

    def answer(route: Route) -> None:
        asked.append(route)
        if not older:
            older.append(route.fetch())
        else:
            route.fulfill(response=older[0])

    page.route("**/v1/alerts?*", answer)
    page.get_by_role("navigation").get_by_role("link", name="Alerts").click()
    expect(page.get_by_role("heading", name="Alerts", level=1)).to_be_visible()
    guess(site, "192.0.2.61")
    expect(row(page, "192.0.2.61")).to_be_visible(timeout=15_000)
    asked[0].fulfill(response=older[0])
    expect(page.locator(".alert-row")).not_to_have_count(1)
    expect(row(page, "192.0.2.61")).to_be_visible()
    with page.expect_response(lambda response: "severity=critical" in response.url):
        page.get_by_role("button", name=re.compile("^Critical")).click()
    expect(page.get_by_text(re.compile(r"\d+ alerts?(?: and more)?, the newest first"))).to_be_visible()
    expect(row(page, "192.0.2.61")).to_be_visible()


def test_what_comes_before_the_stream_is_open_is_shown(site: Running, new_page: NewPage) -> None:
    page = new_page(path="/silences")
    expect(page.locator("#live")).to_have_text("Live")
    held: list[Route] = []
    page.route("**/v1/stream*", lambda route: held.append(route))
    page.goto("/#/alerts")
    page.reload()
    expect(page.locator(".alert-row").first).to_be_visible()
    guess(site, "192.0.2.62")
    site.until("the alert", lambda: alert_of(site, "192.0.2.62"))
    expect(page.locator("#live")).to_have_text("Connecting")
    held[0].continue_()
    expect(row(page, "192.0.2.62")).to_be_visible()


def test_new_alerts_move_neither_scroll_nor_selection(site: Running, new_page: NewPage) -> None:
    page = new_page(height=420)
    expect(row(page, "203.0.113")).to_be_visible()
    link = row(page, "203.0.113").get_by_role("link")
    link.focus()
    page.keyboard.press("x")
    expect(page.get_by_role("toolbar")).to_contain_text("1 selected")
    before = link.bounding_box()
    guess(site, "192.0.2.9")
    expect(row(page, "192.0.2.9")).to_be_attached(timeout=15_000)
    after = link.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 4
    assert page.evaluate("document.activeElement.textContent") == "Brute force from one address"
    expect(page.get_by_role("toolbar")).to_contain_text("1 selected")


def test_filters_search_and_bulk_actions(site: Running, new_page: NewPage) -> None:
    for address in ("192.0.2.11", "192.0.2.12"):
        guess(site, address)
        site.until("its alert", lambda address=address: alert_of(site, address))
    page = new_page()
    expect(row(page, "192.0.2.12")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("192.0.2.1*")
    page.get_by_role("button", name=re.compile("^Medium")).click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Medium")).click()
    expect(row(page, "192.0.2.12")).to_be_visible()
    assert "q=192.0.2.1" in page.url, "filters stand in the address"
    page.get_by_label("Select all that are shown").check()
    page.get_by_role("toolbar").get_by_role("button", name="Resolve").click()
    page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
    for address in ("192.0.2.11", "192.0.2.12"):  # each has a key of its own, so they need not go at once
        expect(row(page, address)).to_have_count(0, timeout=15_000)
        assert alert_of(site, address)["status"] == "resolved"


def test_the_keyboard_alone_will_do(site: Running, new_page: NewPage) -> None:
    guess(site, "192.0.2.21")
    site.until("its alert", lambda: alert_of(site, "192.0.2.21"))
    page = new_page()
    expect(row(page, "192.0.2.21")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("j")
    expect(row(page, "192.0.2.21").get_by_role("link")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Brute force from one address", level=1)).to_be_focused()
    page.keyboard.press("a")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Tab")  # over "Cancel"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".alert-head .status")).to_have_text("Acknowledged", timeout=15_000)
    expect(page.locator(".timeline")).to_contain_text("by keyboard")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", name="Rules", level=1)).to_be_focused()
    focus = page.evaluate("getComputedStyle(document.querySelector('.side a[aria-current]')).outlineStyle")
    assert focus == "none"
    page.locator(".side a[aria-current]").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", "the focus shows"


def test_what_events_say_is_text(site: Running, new_page: NewPage) -> None:
    page = new_page()
    title = f"Renamed to {HOSTILE}"
    page.get_by_role("link", name=title).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.locator("pre.code").first).to_contain_text("window.hacked")
    for path in ("/inbox", "/statistics", "/dead-letters"):
        page.goto(f"/#{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img:not([src='/static/icon.svg'])").count() == 0


def test_a_key_that_may_only_look_is_offered_nothing_else(site: Running, new_page: NewPage) -> None:
    made = site.ask("POST", "/v1/keys", {"name": "Reader", "scopes": ["alerts:read", "rules:read"]})
    page = new_page(key=made["token"])
    expect(page.locator(".alert-row").first).to_be_visible()
    expect(page.get_by_role("navigation").get_by_role("link", name="API keys")).to_have_count(0)
    page.locator(".alert-title").first.click()
    expect(page.get_by_role("heading", name="Why", exact=True)).to_be_visible()
    for action in ("Acknowledge", "Resolve", "Escalate"):
        expect(page.get_by_role("button", name=action, exact=True)).to_have_count(0)
    page.goto("/#/keys")
    expect(page.get_by_text("It needs the scope admin.")).to_be_visible()


def test_operators_see_every_tenant_or_one(site: Running, new_page: NewPage) -> None:
    page = new_page(key=site.operator)
    expect(page.locator(".alert-row").first).to_contain_text(TENANT)
    page.goto("/#/rules")
    expect(page.get_by_role("columnheader", name="Tenant")).to_be_visible()
    page.get_by_label("Tenant").select_option(TENANT)
    expect(page.get_by_role("columnheader", name="Tenant")).to_have_count(0)
    page.get_by_role("link", name="Mass deletion").click()
    expect(page.get_by_role("textbox", name="The rule, as YAML or JSON")).to_have_value(re.compile("count: 20"))
