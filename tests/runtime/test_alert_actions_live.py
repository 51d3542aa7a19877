"""What people ask of alerts, through the command line, a real broker and a running worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import orjson
import pytest

from streamproc.kafka.partition import partition_by
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.model.records import AlertRecord, IncidentLink
from streamproc.settings import Settings
from tests.faults.harness import apply_config, read_topic
from tests.runtime.test_live import Site, rule

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
async def site(broker: str, new_settings: Callable[..., Settings], tmp_path: Path) -> AsyncIterator[Site]:
    """A worker alone: nobody is told."""
    settings = new_settings(kafka=broker, session_timeout=6.0, commit_interval=0.5)
    await apply_topics(settings, load_topics(settings))
    made = Site(settings, tmp_path)
    worker = made.processes[0]
    worker.start()
    yield made
    assert worker.stop() == 0, worker.tail()


async def test_an_alert_is_escalated_assigned_snoozed_and_shown(site: Site) -> None:
    await apply_config(site.settings, [rule("seen"), rule("other")])
    await asyncio.sleep(2)
    await site.events(1, action="seen")
    await site.events(1, action="other")
    found = await site.alerts(lambda found: len(found) == 2)
    seen, other = found["seen"]["id"], found["other"]["id"]

    escalated = await site.cli("alerts", "escalate", seen, "--note", "is it?", "--json")
    incident = escalated["incident_id"]
    assert (escalated["status"], escalated["event_type"]) == ("escalated", "alert.escalated")
    await site.cli("alerts", "escalate", other, "--incident", incident)
    await site.cli("alerts", "assign", seen, "bob")
    await site.cli("alerts", "comment", seen, "looks real")
    await site.cli("alerts", "resolve", seen, "--resolution", "mitigated")
    refused = await site.cli("alerts", "snooze", seen, "--for", "1h", "--json", status=1)
    assert refused["last_command"]["result"] == "refused: the alert is resolved at revision 3"
    AlertRecord.model_validate(refused)

    records = await read_topic(site.settings, "incidents")
    links = {record.key: orjson.loads(record.value) for record in records}
    assert {key: link["alert_status"] for key, link in links.items()} == {
        f"{incident}/{seen}".encode(): "resolved",
        f"{incident}/{other}".encode(): "escalated",
    }
    for link in links.values():
        IncidentLink.model_validate(link)
    assert links[f"{incident}/{seen}".encode()]["note"] == "is it?"
    spec = load_topics(site.settings)["incidents"]
    assert {record.partition for record in records} == {partition_by("acme", spec.partitions)}

    shown = await site.cli("alerts", "show", seen)
    lines = [line.split("  ", 1)[1] for line in shown.split("\n\n")[-1].splitlines()]
    assert [line.split(" by ")[0] for line in lines] == [
        "triggered",
        f"escalate ({incident})",
        "assign (bob)",
        "comment",
        "resolve (mitigated)",
    ]
    assert "is it?" in lines[1]
    assert "looks real" in lines[3]


async def test_a_snooze_ends_by_itself(site: Site) -> None:
    await apply_config(site.settings, [rule("seen")])
    await asyncio.sleep(2)
    await site.events(1, action="seen")
    alert = (await site.alerts(lambda found: "seen" in found))["seen"]["id"]
    began = time.time()
    snoozed = await site.cli("alerts", "snooze", alert, "--for", "4s", "--json")
    assert (snoozed["status"], snoozed["suppressed_by"]) == ("suppressed", "snooze")
    opened = (await site.alerts(lambda found: found["seen"]["status"] == "open"))["seen"]
    assert (opened["status"], opened["snoozed_until"]) == ("open", None)
    assert time.time() - began >= 4
    await site.cli("alerts", "snooze", alert, "--until", "yesterday", status=2)
    await site.cli("alerts", "assign", alert, status=2)
