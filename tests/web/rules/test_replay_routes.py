"""Simulations and backtests on the real server, over events on a real topic."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from streamproc.web.backtest_jobs import BacktestJobs
from tests.web.conftest import Api
from tests.web.rules.making import every_event, failure, login_rule
from tests.web.rules.test_rule_routes import body

pytestmark = pytest.mark.broker


async def sent(api: Api, tenant: str, *documents: dict[str, Any]) -> None:
    """Events onto the topic, spread over its partitions."""
    spec = api.site.topics["events"]
    records: dict[tuple[str, int], list[Any]] = {}
    for n, document in enumerate(documents):
        value = orjson.dumps({"tenant_id": tenant, **document})
        records.setdefault((spec.topic, n % spec.partitions), []).append((tenant.encode(), value, []))
    await api.site.producer.send(records)


async def ended(api: Api, id: str, token: str = "") -> dict[str, Any]:
    """The job when it has ended."""
    job = api.site.part(BacktestJobs).get(id)
    assert job is not None
    assert job.task is not None
    await asyncio.wait_for(asyncio.shield(job.task), 60)
    found: dict[str, Any] = (await api("GET", f"/v1/backtests/{id}", token=token)).json
    return found


async def test_given_events_make_alerts_and_nothing_is_stored(api: Api) -> None:
    await api("POST", "/v1/rules", body(enabled=False), status=201)
    found = (await api("POST", "/v1/rules/failed-logins/simulate", {"events": [failure() for _ in range(5)]})).json
    assert (found["events"], found["alert_count"], found["triggers"], found["truncated"]) == (5, 1, 1, False)
    assert found["alerts"][0]["rule"]["revision"] == 1
    assert (await api("GET", "/v1/rules/failed-logins")).json["revision"] == 1
    draft = login_rule(condition={**login_rule()["condition"], "count": 3})
    found = (await api("POST", "/v1/simulate", {"rule": draft, "events": [failure() for _ in range(6)]})).json
    assert (found["alert_count"], found["matches"]) == (1, 6)
    assert [one["id"] for one in (await api("GET", "/v1/rules")).json["items"]] == ["failed-logins"]


async def test_recent_events_are_the_tenants_own(api: Api) -> None:
    await sent(api, "acme", *(failure(id=f"e{n}") for n in range(5)))
    await sent(api, "globex", *(failure(id=f"g{n}") for n in range(50)))
    await sent(api, "acme", {"action": "data.export"})
    found = (await api("POST", "/v1/simulate", {"rule": body(), "recent": {"minutes": 5}})).json
    assert (found["events"], found["matches"], found["alert_count"], found["read"]) == (6, 5, 1, 56)
    assert found["alerts"][0]["tenant_id"] == "acme"
    assert sum(bucket["alerts"] for bucket in found["timeline"]["buckets"]) == 1
    theirs = await api("POST", "/v1/simulate", {"rule": body(), "recent": {}, "tenant_id": "globex"}, status=403)
    assert "acme" in theirs.json["detail"]
    operators = {"rule": body(), "recent": {}, "tenant_id": "globex"}
    found = (await api("POST", "/v1/simulate", operators, token=api.operator)).json
    assert (found["events"], found["alerts"][0]["tenant_id"]) == (50, "globex")
    await api("POST", "/v1/simulate", {"rule": body(), "recent": {}}, token=api.operator, status=422)


async def test_who_may_not_see_alerts_may_not_see_events_by_playing_them(api: Api) -> None:
    reader = await api.key("acme", "rules:read")
    await api("POST", "/v1/rules", body(), status=201)
    await api("POST", "/v1/simulate", {"rule": body(), "events": []}, token=reader)
    for path, content in (
        ("/v1/simulate", {"rule": body(), "recent": {}}),
        ("/v1/rules/failed-logins/simulate", {"recent": {}}),
        ("/v1/backtests", {"rule": body()}),
    ):
        refused = await api("POST", path, content, token=reader, status=403)
        assert "alerts:read" in refused.json["detail"]


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({}, "rule"),
        ({"rule": {"name": "x", "type": "threshold", "condition": {"count": 0}}, "events": []}, "rule.condition.count"),
        ({"rule": body()}, "events"),
        ({"rule": body(), "events": [], "recent": {}}, "events"),
        ({"rule": body(), "events": [], "format": "nothing"}, "format"),
        ({"rule": body(), "recent": {"minutes": 0}}, "recent.minutes"),
        ({"rules": [body(), body()], "events": []}, "rules[1].id"),
        ({"rule": body(), "events": [0] * 5_001}, "events"),
        ({"rule": body(), "rulez": [], "events": []}, "rulez"),
    ],
)
async def test_what_cannot_be_simulated_names_the_path(api: Api, content: dict[str, Any], path: str) -> None:
    wrong = await api("POST", "/v1/simulate", content, status=422)
    assert path in [error["path"] for error in wrong.json["errors"]]


async def test_a_rule_of_everybody_is_simulated_on_ones_own_events(api: Api) -> None:
    await api("POST", "/v1/rules", body(tenant_id="*"), token=api.operator, status=201)
    events = {"events": [failure() for _ in range(5)]}
    found = (await api("POST", "/v1/rules/failed-logins/simulate", events)).json
    assert found["alerts"][0]["tenant_id"] == "acme"
    await api("POST", "/v1/rules/failed-logins/simulate", events, token=api.operator, status=422)
    await api("POST", "/v1/rules/failed-logins/simulate?tenant_id=globex", events, token=api.operator)
    await api("POST", "/v1/simulate", {"rule": body(tenant_id="*"), **events}, status=403)
    await api("POST", "/v1/rules/nothing/simulate", events, status=404)


async def test_a_backtest_runs_beside_the_api_and_says_how_far_it_is(api: Api) -> None:
    await sent(api, "acme", *(failure(actor={"id": "u", "ip": f"198.51.100.{n % 100}"}) for n in range(1_000)))
    await api("POST", "/v1/rules", body(), status=201)
    started = await api("POST", "/v1/backtests", {"rule_id": "failed-logins", "hours": 1}, status=202)
    assert started.headers["Location"] == f"/v1/backtests/{started.json['id']}"
    assert started.json["state"] in ("queued", "running")
    job = await ended(api, started.json["id"])
    assert (job["state"], job["error"], job["rule_ids"]) == ("done", None, ["failed-logins"])
    # that the rule was created is an event of acme's, too
    assert job["progress"] == {"read": 1_001, "total": 1_001, "events": 1_001, "percent": 100}
    assert (job["result"]["events"], job["result"]["alert_count"]) == (1_001, 100)
    assert len(job["result"]["alerts"]) == 100
    listed = (await api("GET", "/v1/backtests")).json["items"]
    assert [(one["id"], one["result"]) for one in listed] == [(job["id"], None)]

    globex = await api.key("globex")
    assert (await api("GET", "/v1/backtests", token=globex)).json["items"] == []
    await api("GET", f"/v1/backtests/{job['id']}", token=globex, status=404)
    await api("DELETE", f"/v1/backtests/{job['id']}", token=globex, status=404)
    await api("DELETE", f"/v1/backtests/{job['id']}", status=204)
    await api("GET", f"/v1/backtests/{job['id']}", status=404)


async def test_a_backtest_of_a_quiet_tenant_is_empty(api: Api) -> None:
    started = await api("POST", "/v1/backtests", {"rule": every_event(), "hours": 168}, status=202)
    job = await ended(api, started.json["id"])
    assert (job["state"], job["result"]["events"], job["result"]["alerts"]) == ("done", 0, [])


async def test_a_backtest_is_cancelled(api: Api) -> None:
    started = await api("POST", "/v1/backtests", {"rule": every_event(), "hours": 1}, status=202)
    await api("DELETE", f"/v1/backtests/{started.json['id']}", status=204)
    assert (await api("GET", f"/v1/backtests/{started.json['id']}")).json["state"] == "cancelled"


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({"rule": every_event(), "hours": 169}, "hours"),
        ({"rule": every_event(), "hours": 0}, "hours"),
        ({"rule": every_event(), "rule_id": "x"}, "rule"),
        ({}, "rule"),
    ],
)
async def test_what_cannot_be_tested_back_names_the_path(api: Api, content: dict[str, Any], path: str) -> None:
    wrong = await api("POST", "/v1/backtests", content, status=422)
    assert path in [error["path"] for error in wrong.json["errors"]]
