"""What people configure at the dashboard, in a real browser on a running installation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.web.browser.conftest import NewPage
from tests.web.browser.running import Running

TEXT = "The rule, as YAML or JSON"


def write(page: Page, name: str, change: Any) -> None:
    """Change the text of an editor by a function."""
    area = page.get_by_role("textbox", name=name)
    area.fill(change(area.input_value()))


def test_a_rule_from_a_template_is_simulated_broken_and_fixed(site: Running, new_page: NewPage) -> None:
    page = new_page(path="/gallery")
    page.get_by_label("Search templates").fill("privilege")
    page.get_by_role("button", name="Enable Administrator role granted").click()
    page.get_by_label("Severity").last.select_option("critical")
    page.get_by_role("dialog").get_by_role("button", name="Enable").click()
    expect(page.get_by_role("heading", name="Administrator role granted", level=1)).to_be_visible()
    expect(page.locator(".verdict")).to_contain_text("Valid")

    page.get_by_role("button", name="Simulate", exact=True).click()
    expect(page.locator("main")).to_contain_text(re.compile(r"Would have fired \d+ times?"), timeout=30_000)

    write(page, TEXT, lambda text: text.replace("severity: critical", "severity: dreadful"))
    expect(page.locator(".verdict")).to_contain_text("1 error")
    line = page.locator(".editor pre .is-wrong")
    expect(line).to_contain_text("severity: dreadful")
    expect(line).to_contain_text("dreadful' is not")
    expect(page.locator(".problems")).to_contain_text("severity")
    page.locator(".problems button").click()
    selected = "({value, selectionStart, selectionEnd}) => value.slice(selectionStart, selectionEnd)"
    chosen = page.get_by_role("textbox", name=TEXT).evaluate(selected)
    assert chosen == "severity: dreadful"
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast.is-bad")).to_contain_text("has errors")

    write(page, TEXT, lambda text: text.replace("severity: dreadful", "severity: {oops"))
    expect(page.locator(".verdict")).to_contain_text("1 error")
    write(page, TEXT, lambda text: text.replace("severity: {oops", "severity: low"))
    expect(page.locator(".verdict")).to_contain_text("Valid")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved as revision 2.")).to_be_visible()

    page.get_by_role("tab", name="Versions").click()
    page.get_by_role("button", name="What it changed").click()
    expect(page.get_by_role("row", name=re.compile("^severity"))).to_contain_text("criticallow")


def test_a_rule_that_somebody_else_changed_is_not_overwritten(site: Running, new_page: NewPage) -> None:
    page = new_page(path="/rules/policy-read")
    write(page, TEXT, lambda text: text.replace("severity: informational", "severity: low"))
    site.ask("PATCH", "/v1/rules/policy-read", {"description": "Changed meanwhile"})
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Somebody changed this since you opened it")).to_be_visible()
    expect(page.locator("main")).to_contain_text("by Alice Example")
    page.once("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Load what is there now").click()
    expect(page.get_by_role("textbox", name=TEXT)).to_have_value(re.compile("Changed meanwhile"))


def test_events_of_ones_own_and_a_backtest(site: Running, new_page: NewPage) -> None:
    page = new_page(path="/rules/new")
    write(page, TEXT, lambda text: text.replace("count: 5", "count: 2"))
    page.get_by_text("On events of your own").click()
    event = '{"action": "user.login", "outcome": "failure", "actor": {"ip": "192.0.2.99"}}'
    page.get_by_role("textbox", name="Events, a JSON list").fill(f"[{event}, {event}]")
    page.get_by_role("button", name="Simulate these").click()
    expect(page.locator("main")).to_contain_text("Would have fired 1 time", timeout=30_000)
    page.get_by_role("tab", name="Backtest").click()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("tabpanel")).to_contain_text(re.compile(r"Would have fired \d+ time"), timeout=60_000)


def test_a_webhooks_secret_is_rotated_and_shown_once(site: Running, new_page: NewPage) -> None:
    page = new_page(path="/webhooks/security")
    page.get_by_role("button", name="Rotate the secret").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    shown = page.get_by_role("dialog").locator(".secret code")
    expect(shown).to_contain_text("whsec_")
    secret = shown.inner_text()
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    expect(page.get_by_text("Messages are signed.")).to_be_visible()
    assert secret not in page.content()
    expect(page.get_by_role("textbox", name="The webhook, as YAML or JSON")).to_have_value(
        re.compile(r"secret: \(sealed\)")
    )

    before = len(site.received)
    page.get_by_role("button", name="Send a test").click()
    page.get_by_role("button", name="Send the test").click()
    expect(page.get_by_role("dialog")).to_contain_text("HTTP 200")
    assert len(site.received) == before + 1


def test_other_documents_are_checked_as_one_writes_too(site: Running, new_page: NewPage) -> None:
    page, name = new_page(path="/webhooks/security"), "The webhook, as YAML or JSON"
    expect(page.locator(".verdict")).to_contain_text("Valid")
    write(page, name, lambda text: text + "\nmode: heap\n")
    expect(page.locator(".verdict")).to_contain_text("1 error")
    expect(page.locator(".editor pre .is-wrong")).to_contain_text("mode: heap")
    write(page, name, lambda text: text.replace("mode: heap", "mode: single"))
    expect(page.locator(".verdict")).to_contain_text("Valid")


def test_users_from_a_csv_file_with_errors(site: Running, new_page: NewPage, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    header = "ID,Name,Enable,Phone,SMS,Voice,Mailbox\n"
    file.write_text(header + "dave1,Dave,true,,false,false,dave@example.com\nerin1,Erin,true,123,true,false,erin\n")
    page = new_page(path="/users")
    page.get_by_role("button", name="Import CSV").click()
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("dialog").get_by_role("button", name="Import").click()
    errors = page.get_by_role("dialog").get_by_role("table")
    expect(errors).to_contain_text("Line 3")
    expect(errors).to_contain_text("erin1,Erin")
    expect(page.get_by_role("dialog")).to_contain_text("nothing was imported")
    assert "dave1" not in str(site.ask("GET", "/v1/users"))
    page.get_by_label("Or its text").fill(
        file.read_text().replace("123,true", ",false").replace(",erin\n", ",erin@example.com\n")
    )
    page.get_by_role("dialog").get_by_role("button", name="Import").click()
    expect(page.get_by_text("Imported: 2 new, 0 changed.")).to_be_visible()
    expect(page.get_by_role("cell", name="Erin erin1")).to_be_visible()


def test_users_and_groups_by_hand(site: Running, new_page: NewPage) -> None:
    page = new_page(path="/users")
    page.get_by_role("button", name="New user").click()
    page.get_by_label("Id", exact=True).fill("x")
    page.get_by_label("Name", exact=True).fill("Frank")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_label("Id", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.locator("dialog .field-error:visible")).to_contain_text("is not an id")
    page.get_by_label("Id", exact=True).fill("frank")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="Frank frank")).to_be_visible()
    page.get_by_role("tab", name="Groups").click()
    page.get_by_role("button", name="Edit SOC").click()
    page.get_by_role("checkbox", name="Frank (frank)").check()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name=re.compile("3 members"))).to_be_visible()


def test_a_policy_is_a_tree_and_a_dry_run_shows_the_way(site: Running, new_page: NewPage) -> None:
    page = new_page(path="/policies/default")
    tree = page.get_by_role("group", name="The tree of By severity")
    expect(tree.locator(".node.condition")).to_have_count(3)
    expect(tree.locator(".node.group")).to_have_count(3)
    page.get_by_label("Severity", exact=True).select_option("critical")
    page.get_by_label("Category").select_option("identity")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Told: 3 groups")).to_be_visible()
    expect(tree.locator(".node.group.is-taken")).to_have_count(3)
    expect(page.locator(".steps li")).to_have_count(5)
    page.get_by_label("Severity", exact=True).select_option("informational")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("Nobody would be told")).to_be_visible()
    write(page, "The policy, as YAML or JSON", lambda text: text.replace("min_severity: high", "min_severity: huge"))
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".editor pre .is-wrong")).to_contain_text("min_severity: huge")


def test_a_silence_from_an_alert_and_its_end(site: Running, new_page: NewPage) -> None:
    alert = next(one for one in site.alerts() if one["rule"]["id"] == "role-granted")
    page = new_page(path=f"/alerts/{alert['id']}")
    page.get_by_role("link", name="Silence…").click()
    expect(page.get_by_role("textbox", name="Matchers")).to_have_value(re.compile("rule.id: role-granted"))
    page.get_by_label("Why").fill("Known administrators")
    page.get_by_role("dialog").get_by_role("button", name="Silence", exact=True).click()
    row = page.get_by_role("row", name=re.compile("Known administrators"))
    expect(row).to_contain_text("active")
    row.get_by_role("button", name=re.compile("Expire")).click()
    expect(row).to_contain_text("expired")


def test_a_dead_letter_is_shown_raw_and_sent_again(site: Running, new_page: NewPage) -> None:
    page = new_page(path="/dead-letters")
    page.get_by_role("link", name="action: 7 is not text").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("action: 7 is not text")
    page.get_by_role("tab", name="Bytes").click()
    expect(page.locator("pre.hex")).to_contain_text("7b 22 74 65")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator(".toast")).to_contain_text("Sent again")


def test_a_key_is_made_and_shown_once(site: Running, new_page: NewPage) -> None:
    page = new_page(path="/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    expect(page.locator("dialog .field-error:visible").first).to_be_visible()
    page.get_by_label("Name").fill("collector")
    page.get_by_role("checkbox", name=re.compile("events:write")).check()
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    token = page.locator(".secret code").inner_text()
    assert token.startswith("sp_")
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    row = page.get_by_role("row", name=re.compile("collector"))
    expect(row).to_contain_text("holds")
    row.get_by_role("button", name="Revoke collector").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")


def test_a_new_channel_and_its_errors(site: Running, new_page: NewPage) -> None:
    page = new_page(path="/channels/new")
    page.get_by_role("button", name="PagerDuty").click()
    write(page, "The channel, as YAML or JSON", lambda text: text.replace("alert.triggered", "alert.happened"))
    page.get_by_role("button", name="Create").click()
    expect(page.locator(".editor pre .is-wrong")).to_contain_text("events:")
    write(page, "The channel, as YAML or JSON", lambda text: text.replace("alert.happened", "alert.triggered"))
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="On call", level=1)).to_be_visible()
    page.once("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Channels", level=1)).to_be_visible()
    expect(page.get_by_role("cell", name=re.compile("On call"))).to_have_count(0)
