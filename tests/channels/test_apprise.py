"""The optional Apprise channel: allowed by an operator, best effort, and never in the way of others."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from streamproc.channels.outcome import Outcome
from streamproc.channels.registry import Transports
from streamproc.model.channel import parse_channel
from streamproc.model.document import DocumentError
from tests.channels.receiver import bundle, http, notification

SENT: list[dict[str, Any]] = []


class Apprise:
    """Stands in for the library."""

    def __init__(self) -> None:
        self.url = ""

    def add(self, url: str) -> bool:
        self.url = url
        return url.startswith("ntfy://")

    def notify(self, **said: Any) -> bool:
        if "slow" in self.url:
            time.sleep(0.5)
        if "raises" in self.url:
            raise RuntimeError(self.url)
        SENT.append({"url": self.url, **said})
        return "refuses" not in self.url


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    SENT.clear()
    monkeypatch.setitem(sys.modules, "apprise", SimpleNamespace(Apprise=Apprise))


async def tried(url: str, *, allowed: bool = True, told: Any = None, **options: Any) -> Outcome:
    channel = parse_channel({"id": "tail", "type": "apprise", "tenant_id": "acme", "url": url})
    async with http(**options) as client:
        transports = Transports(client, {"TOPIC": "s3cret-topic"}, allow_apprise=allowed)
        return await transports.send(told or notification(), channel)


async def test_it_sends_a_title_and_plain_text() -> None:
    assert (await tried("ntfy://${TOPIC}")).kind == "delivered"
    [sent] = SENT
    assert (sent["url"], sent["title"]) == ("ntfy://s3cret-topic", "🚨 Alert Triggered: Excessive Failed Logins")
    assert sent["body"].startswith("Alert: Excessive Failed Logins\nSeverity: High\n")
    assert (await tried("ntfy://t", told=bundle())).kind == "delivered"
    assert SENT[1]["title"] == "🚨 2 Alerts: 1 triggered, 1 resolved"


@pytest.mark.parametrize(
    ("url", "kind", "reason", "detail"),
    [
        ("ntfy://refuses", "retry", "provider_error", "Apprise could not deliver it and does not say why"),
        ("ntfy://raises", "retry", "provider_error", "Apprise failed: RuntimeError"),
        ("nonsense://x", "permanent", "settings", "url: is not an address that Apprise knows"),
    ],
)
async def test_failures(url: str, kind: str, reason: str, detail: str) -> None:
    outcome = await tried(url)
    assert (outcome.kind, outcome.reason, outcome.detail) == (kind, reason, detail)


async def test_a_service_that_hangs_is_tried_again() -> None:
    outcome = await tried("ntfy://slow", total_seconds=0.05)
    assert (outcome.kind, outcome.reason) == ("retry", "timeout")


async def test_an_operator_has_to_allow_it() -> None:
    outcome = await tried("ntfy://t", allowed=False)
    assert (outcome.kind, outcome.reason) == ("permanent", "settings")
    assert "STREAMPROC_ALLOW_APPRISE" in outcome.detail
    assert not SENT


async def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    outcome = await tried("ntfy://t")
    assert (outcome.kind, outcome.reason) == ("permanent", "settings")
    assert outcome.detail == "type: the library is not installed; install streamproc[apprise]"


def test_the_address_is_secret_and_checked() -> None:
    with pytest.raises(DocumentError) as caught:
        parse_channel({"id": "tail", "type": "apprise", "tenant_id": "acme", "url": "s3cret"})
    assert "s3cret" not in str(caught.value)
    assert "url: the value (hidden) is not an address as Apprise has them" in str(caught.value)
