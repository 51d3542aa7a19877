"""Alerts over HTTP on a real broker, with a real worker: lists, actions, timeline, stream, other products' shapes."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.kafka.partition import partition_by
from streamproc.model.times import iso
from streamproc.settings import Settings
from tests.faults.harness import Process, read_topic
from tests.web.conftest import Api
from tests.web.read_model.records import alert, delivery, link, uid

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]


async def send(api: Api, topic: str, docs: list[dict[str, Any]], key: str = "id") -> None:
    """Records on a topic as their writers put them."""
    spec = api.site.topics[topic]
    records: dict[tuple[str, int], list[Any]] = {}
    for doc in docs:
        place = (spec.topic, partition_by(doc["tenant_id"], spec.partitions))
        records.setdefault(place, []).append((doc[key].encode(), orjson.dumps(doc), []))
    await api.site.producer.send(records)


async def until(api: Api, path: str, holds: Any, token: str = "") -> Any:
    """The answer of a GET, once it holds."""
    async with asyncio.timeout(10):
        while True:
            answer = (await api("GET", path, token=token)).json
            if holds(answer):
                return answer
            await asyncio.sleep(0.05)


@pytest.fixture
async def stocked(api: Api) -> Api:
    """acme with five alerts of two rules, globex with one."""
    docs = [
        alert(1, severity="low", status="resolved", acknowledged_at="2026-01-01T00:00:10.000Z"),
        alert(2, severity="critical", rule="travel", group={"actor.id": "alice"}),
        alert(3, status="acknowledged", acknowledged_at="2026-01-01T00:00:10.000Z"),
        alert(4, assignee="ann", title="Odd hours"),
        alert(5, category=None),
        alert(6, tenant_id="globex"),
    ]
    await send(api, "alerts", docs)
    suppressed = delivery(2, 2, state="suppressed", reason="cooldown", channel=None, attempts=[], count=4)
    await send(api, "deliveries", [delivery(1, 2), suppressed, delivery(3, 6, tenant_id="globex")])
    await send(
        api,
        "incidents",
        [link("inc_a", 3), link("inc_a", 4, at=5), link("inc_g", 6, tenant_id="globex")],
        "incident_id",
    )
    await until(api, "/v1/alerts", lambda page: len(page["items"]) == 5)
    await until(api, "/v1/deliveries", lambda page: len(page["items"]) == 2)
    await until(api, "/v1/incidents", lambda page: len(page["items"]) == 1)
    return api


def ids(answer: Any) -> list[str]:
    return [item["id"] for item in answer["items"]]


async def test_an_alert_is_visible_within_a_second(api: Api) -> None:
    for number in range(3):
        began = time.monotonic()
        await send(api, "alerts", [alert(number)])
        await until(api, "/v1/alerts", lambda page, n=number: uid(n) in ids(page))
        assert time.monotonic() - began < 1


async def test_lists_are_filtered_however_that_is_spelled(stocked: Api) -> None:
    async def found(query: str) -> list[int]:
        answer = (await stocked("GET", f"/v1/alerts?{query}")).json
        known = {uid(n): n for n in range(10)}
        return [known[id] for id in ids(answer)]

    assert await found("") == [5, 4, 3, 2, 1]
    assert await found("status=FIRING") == await found("filter[status]=open") == [5, 4, 2]
    assert await found("status=ACKNOWLEDGED,RESOLVED") == await found("status=acknowledged&status=resolved") == [3, 1]
    assert await found("ruleId=travel") == await found("filter[rule_id]=travel") == [2]
    assert await found("ruleType=threshold&filter[severity]=critical,low") == [2, 1]
    assert await found("category=identity&assignee=ann") == [4]
    assert await found("createdAfter=2026-01-01T00:00:02Z&created_before=2026-01-01T00:00:04Z") == [3, 2]
    assert await found("q=odd") == [4]
    assert await found("q=203.0.113.5") == [5]
    assert await found("tenant_id=acme") == [5, 4, 3, 2, 1]
    first = (await stocked("GET", "/v1/alerts?limit=3")).json
    second = (await stocked("GET", f"/v1/alerts?limit=3&cursor={first['next_cursor']}")).json
    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (3, 2, None)
    for bad in ("status=odd", "severity=odd", "created_after=x", "cursor=abc", "limit=0", "nope=1"):
        answer = await stocked("GET", f"/v1/alerts?{bad}", status=422)
        assert answer.json["errors"][0]["path"] == bad.partition("=")[0], bad
    await stocked("GET", f"/v1/alerts?status=open&cursor={first['next_cursor']}", status=422)


async def test_nothing_of_another_tenant_is_shown(stocked: Api) -> None:
    globex = await stocked.key("globex", "alerts:read", "alerts:write", "events:write", "sentinel:respond")
    assert ids((await stocked("GET", "/v1/alerts", token=globex)).json) == [uid(6)]
    await stocked("GET", "/v1/alerts?tenant_id=acme", token=globex, status=403)
    for path in ("", "/timeline", "/related", "/series"):
        await stocked("GET", f"/v1/alerts/{uid(2)}{path}", token=globex, status=404)
    for action, body in (("acknowledge", {}), ("escalate", {}), ("comment", {"note": "x"})):
        await stocked("POST", f"/v1/alerts/{uid(2)}/{action}", body, token=globex, status=404)
    bulk = {"action": "acknowledge", "ids": [uid(2)]}
    assert (await stocked("POST", "/v1/alerts/bulk", bulk, token=globex)).json["items"][0]["status"] == "not_found"
    await stocked("GET", f"/v1/deliveries/{delivery(1, 2)['id']}", token=globex, status=404)
    await stocked("GET", "/v1/incidents/inc_a", token=globex, status=404)
    stats = (await stocked("GET", "/v1/stats?hours=8784", token=globex)).json
    assert (stats["alerts"], stats["deliveries"][0]["deliveries"]) == (1, 1)
    everybody = (await stocked("GET", "/v1/alerts", token=stocked.operator)).json
    assert len(everybody["items"]) == 6
    assert ids((await stocked("GET", "/v1/alerts?tenant_id=globex", token=stocked.operator)).json) == [uid(6)]


async def test_timeline_series_related(stocked: Api) -> None:
    entries = (await stocked("GET", f"/v1/alerts/{uid(2)}/timeline")).json["items"]
    assert [entry["kind"] for entry in entries] == ["notification", "attempt", "triggered", "notification"]
    told, silent = (entry for entry in entries if entry["kind"] == "notification")
    assert (told["told"], told["channel"]) == (True, "slack/security")
    assert (silent["told"], silent["reason"], silent["triggers"]) == (False, "cooldown", 4)
    series = (await stocked("GET", f"/v1/alerts/{uid(2)}/series")).json
    assert [point["count"] for point in series["points"]] == [1, 5]
    related = (await stocked("GET", f"/v1/alerts/{uid(3)}/related")).json["items"]
    assert related
    assert uid(6) not in [one["alert"]["id"] for one in related]


async def test_incidents_and_deliveries(stocked: Api) -> None:
    (listed,) = (await stocked("GET", "/v1/incidents")).json["items"]
    assert (listed["id"], listed["alert_count"], listed["status"]) == ("inc_a", 2, "open")
    incident = (await stocked("GET", "/v1/incidents/inc_a")).json
    assert [one["id"] for one in incident["alerts"]] == [uid(3), uid(4)]
    found = (await stocked("GET", f"/v1/deliveries?alert_id={uid(2)}&state=suppressed")).json["items"]
    assert [one["reason"] for one in found] == ["cooldown"]
    one = (await stocked("GET", f"/v1/deliveries/{delivery(1, 2)['id']}")).json
    assert one["attempts"][0]["status"] == 200
    assert (await stocked("GET", "/v1/deliveries?channel=slack/security&reason=ok")).json["items"] == [one]


async def test_a_notification_is_sent_again(stocked: Api) -> None:
    sent = delivery(1, 2)["id"]
    answer = (await stocked("POST", f"/v1/deliveries/{sent}/replay")).json
    assert answer["replay_of"] == sent
    (message,) = await read_topic(stocked.site.settings, "notifications")
    told = orjson.loads(message.value)
    assert (told["delivery_id"], told["replay_of"], told["alert"]["id"]) == (answer["id"], sent, uid(2))
    (entry,) = (await stocked("GET", "/v1/audit?kind=delivery")).json["items"]
    assert (entry["action"], entry["target_id"]) == ("delivery.replay", sent)
    assert entry["fields"] == [{"path": "new_id", "before": None, "after": answer["id"]}]
    refused = await stocked("POST", f"/v1/deliveries/{delivery(2, 2)['id']}/replay", status=409)
    assert "names no channel" in refused.json["detail"]
    globex = await stocked.key("globex", "alerts:write")
    await stocked("POST", f"/v1/deliveries/{sent}/replay", token=globex, status=404)


async def test_statistics(stocked: Api) -> None:
    stats = (await stocked("GET", "/v1/stats?hours=8784")).json
    assert (stats["alerts"], stats["acknowledged"], stats["acknowledgement_rate"]) == (5, 2, 0.4)
    assert "40%" in stats["warning"]
    assert stats["by_status"] == {"open": 3, "acknowledged": 1, "escalated": 0, "suppressed": 0, "resolved": 1}
    assert stats["noisiest_rules"][0] == "failed-logins"
    assert stats["suppressions"] == [{"reason": "cooldown", "notifications": 1, "triggers": 4}]
    assert stats["health"]["read_model"] == "current"
    assert stats["health"]["events_per_second"] is None
    assert stats["health"]["last_alert_at"] == "2026-01-01T00:00:05.000Z"
    operators = (await stocked("GET", "/v1/stats?hours=8784", token=stocked.operator)).json
    assert operators["alerts"] == 6
    assert operators["health"]["events_per_second"] == 0


async def test_other_products_shapes(stocked: Api) -> None:
    alerts = (await stocked("GET", "/api/alerts?status=FIRING&severity=critical&ruleId=travel")).json["alerts"]
    assert [(a["id"], a["name"], a["status"], a["triggerCount"]) for a in alerts] == [
        (uid(2), "Excessive Failed Logins", "FIRING", 1)
    ]
    assert alerts[0]["context"]["count"] == 5
    assert alerts[0]["triggeredAt"] == "2026-01-01T00:00:02.000Z"
    answer = (await stocked("GET", "/api/v1/alerts?rule_type=threshold&limit=2")).json
    assert [one["id"] for one in answer["data"]] == [uid(5), uid(4)]
    assert answer["data"][0]["triggered_at"] == "2026-01-01T00:00:05.000000Z"
    assert answer["data"][0]["event"] == {
        "id": "evt_5_0",
        "action": "user.login",
        "actor_id": "alice",
        "ip_country": None,
    }
    assert answer["has_more"] is True


class Listener:
    """Reads a stream of server-sent events."""

    def __init__(self, api: Api, query: str = "", token: str = "", last: str | None = None) -> None:
        self._headers = {"Authorization": f"Bearer {token or api.token}"} | ({"Last-Event-ID": last} if last else {})
        self._url = f"{api.url}/v1/stream{query}"
        self._session = api.session

    async def __aenter__(self) -> Listener:
        self._response = await self._session.get(self._url, headers=self._headers)
        assert self._response.status == 200, await self._response.text()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._response.close()

    async def next(self, wait_s: float = 5) -> tuple[str, str, Any]:
        """(event, id, data)"""
        fields: dict[str, str] = {}
        async with asyncio.timeout(wait_s):
            while True:
                line = (await self._response.content.readline()).decode().rstrip("\n")
                if not line and fields:
                    return fields["event"], fields["id"], json.loads(fields["data"])
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value


async def test_the_stream_tells_of_ones_own_alerts_and_goes_on_where_it_was(stocked: Api) -> None:
    async with Listener(stocked) as listener, Listener(stocked, "?severity=critical") as critical:
        kind, last, _ = await listener.next()
        assert kind == "hello"
        await critical.next()
        await send(stocked, "alerts", [alert(7, tenant_id="globex"), alert(8), alert(9, severity="critical")])
        seen = [await listener.next(), await listener.next()]
        assert [(one[0], one[2]["id"]) for one in seen] == [("alert", uid(8)), ("alert", uid(9))]
        assert (await critical.next())[2]["id"] == uid(9)
    await send(stocked, "alerts", [alert(8, 2), alert(10)])
    async with Listener(stocked, last=seen[0][1]) as listener:
        await listener.next()
        told = {(await listener.next())[2]["id"] for _ in range(3)}
        assert told == {uid(8), uid(9), uid(10)}
    async with Listener(stocked, last="0123456789ab-5") as listener:
        assert (await listener.next())[0] == "reset"
    async with Listener(stocked, last=last.replace(last[-1], "999999", 1)) as listener:
        assert (await listener.next())[0] == "reset"


async def test_dead_letters(api: Api) -> None:
    events = api.site.topics["events"]
    dead = api.site.topics["dead-letters"]
    values = [b'{"tenant_id": "acme", "action": 7}', b"\xff\x00", b'{"tenant_id": "globex"}']
    for offset, value in enumerate(values):
        headers = [
            ("reason", b"bad_field"),
            ("message", b"action: 7 is not text"),
            ("by", b"route"),
            ("origin-topic", events.topic.encode()),
            ("origin-partition", b"1"),
            ("origin-offset", str(offset).encode()),
            ("original-x", b"y"),
        ]
        await api.site.producer.send({(dead.topic, 0): [(b"acme", value, headers)]})
    page = await until(api, "/v1/dead-letters", lambda page: len(page["items"]) == 1)
    letter = (await api("GET", f"/v1/dead-letters/{page['items'][0]['id']}")).json
    assert (letter["text"], letter["tenant_id"], letter["reason"]) == (values[0].decode(), "acme", "bad_field")
    assert letter["origin"] == {"topic": events.topic, "partition": 1, "offset": 0}
    everything = (await api("GET", "/v1/dead-letters", token=api.operator)).json["items"]
    assert [one["text"] for one in everything] == [values[2].decode(), None, values[0].decode()]
    for one in everything[:2]:
        await api("GET", f"/v1/dead-letters/{one['id']}", status=404)
        await api("POST", f"/v1/dead-letters/{one['id']}/replay", status=404)
    answer = (await api("POST", f"/v1/dead-letters/{letter['id']}/replay")).json
    assert answer == {"id": letter["id"], "topic": events.topic, "partition": 1}
    (sent,) = [one for one in await read_topic(api.site.settings, "events") if one.headers]
    assert (sent.partition, sent.key, sent.value) == (1, b"acme", values[0])
    assert sent.headers == (("replayed-from", letter["id"].encode()), ("x", b"y"))
    (entry,) = (await api("GET", "/v1/audit")).json["items"]
    assert (entry["action"], entry["target_id"]) == ("dead_letter.replay", letter["id"])


async def test_no_worker_is_202(stocked: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamproc.web.commanding.WAIT_S", 0.3)
    answer = await stocked("POST", f"/v1/alerts/{uid(2)}/acknowledge", {"note": "mine"}, status=202)
    assert answer.json["status"] == "pending"
    assert uuid.UUID(answer.json["command_id"])
    for action, body in (
        ("snooze", {"until": "2020-01-01T00:00:00Z"}),
        ("comment", {"note": " "}),
        ("escalate", {"incident_id": "x"}),
        ("assign", {}),
        ("acknowledge", {"note": "x" * 1001}),
    ):
        await stocked("POST", f"/v1/alerts/{uid(2)}/{action}", body, status=422)


@pytest.fixture
async def worked(api: Api, tmp_path: Path) -> AsyncIterator[Api]:
    """A server beside a worker."""
    settings: Settings = api.site.settings
    process = Process(["worker"], settings.model_copy(update={"session_timeout": 6.0}), tmp_path / "worker", "worker")
    process.start()
    yield api
    assert process.stop() == 0, process.tail()


async def triggered(api: Api, rule: str, count: int) -> list[dict[str, Any]]:
    """Alerts of a pattern rule, one for each of so many actors."""
    spec = {"id": rule, "name": rule, "type": "pattern", "condition": {"action": rule, "group_by": "actor.id"}}
    await api("POST", "/v1/rules", spec)
    await asyncio.sleep(2.5)
    events = [
        {"id": f"{rule}-{n}", "action": rule, "event_time": iso(int(time.time() * 1000)), "actor": {"id": f"a{n}"}}
        for n in range(count)
    ]
    spec_ = api.site.topics["events"]
    for event in events:
        raw = orjson.dumps({**event, "tenant_id": "acme"})
        await api.site.producer.send({(spec_.topic, partition_by("acme", spec_.partitions)): [(b"acme", raw, [])]})
    async with asyncio.timeout(40):
        while True:
            found = (await api("GET", f"/v1/alerts?rule_id={rule}&limit=500")).json["items"]
            if len(found) == count:
                return list(found)
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_people_act_on_alerts(worked: Api) -> None:
    one, *others = await triggered(worked, "thing.happened", 12)
    at = f"/v1/alerts/{one['id']}"
    done = (await worked("POST", f"{at}/acknowledge", {"note": "on it"})).json
    assert (done["status"], done["notes"][0]["text"]) == ("acknowledged", "on it")
    assert (await worked("GET", at)).json == done, "a read after one's own write sees it"
    again = await worked("POST", f"{at}/acknowledge", {"revision": 1}, status=409)
    assert "acknowledged by" in again.json["detail"]
    assert (again.json["alert"]["status"], again.json["alert"]["revision"]) == ("acknowledged", done["revision"])
    assert (await worked("POST", f"{at}/assign", {"assignee": "ann"})).json["assignee"] == "ann"
    assert (await worked("POST", f"{at}/comment", {"note": "seen before"})).json["notes"][-1]["text"] == "seen before"
    escalated = (await worked("POST", f"{at}/escalate", {"note": "help"})).json
    assert escalated["status"] == "escalated"
    incident = escalated["incident_id"]
    second = (await worked("POST", f"/v1/alerts/{others[0]['id']}/escalate", {"incident_id": incident})).json
    assert second["incident_id"] == incident
    found = await until(worked, "/v1/incidents", lambda page: page["items"] and page["items"][0]["alert_count"] == 2)
    assert found["items"][0]["id"] == incident
    resolved = (await worked("POST", f"{at}/resolve", {"resolution": "mitigated"})).json
    assert (resolved["status"], resolved["resolution"]) == ("resolved", "mitigated")
    assert (await worked("POST", f"{at}/reopen")).json["status"] == "open"
    until_then = iso(int(time.time() * 1000) + 3_600_000)
    snoozed = (await worked("POST", f"{at}/snooze", {"until": until_then})).json
    assert (snoozed["status"], snoozed["snoozed_until"]) == ("suppressed", until_then)
    entries = (await worked("GET", f"{at}/timeline")).json["items"]
    actions = [entry["action"] for entry in entries if entry["kind"] == "action"]
    assert (
        actions[:7] == ["acknowledge", "assign", "comment", "escalate", "resolve", "reopen", "snooze"][: len(actions)]
    )
    bulk = {"action": "acknowledge", "ids": [*(doc["id"] for doc in others), "alt_nobody"], "note": "all"}
    items = (await worked("POST", "/v1/alerts/bulk", bulk)).json["items"]
    assert [item["status"] for item in items] == ["done"] * 11 + ["not_found"]
    by_filter = {"action": "resolve", "filter": {"rule_id": ["thing.happened"], "status": ["acknowledged"]}}
    answer = (await worked("POST", "/v1/alerts/bulk", by_filter)).json
    assert {item["status"] for item in answer["items"]} == {"done"}
    assert (len(answer["items"]), answer["more"]) == (11, False)
    trailbase = (await worked("POST", f"/api/alerts/{one['id']}/resolve")).json
    assert (trailbase["id"], trailbase["status"]) == (one["id"], "RESOLVED")
    stats = (await worked("GET", "/v1/stats")).json
    assert (stats["alerts"], stats["acknowledged"], stats["warning"]) == (12, 12, None)
    (worker,) = (one for one in stats["health"]["lag"] if one["process"] == "worker")
    assert worker["topics"]["events"] is not None
