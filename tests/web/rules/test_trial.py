"""Messages for a test: each channel of a rule gets one, it says what it is, and it ends in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from streamproc.model.channel import parse_channel
from streamproc.model.records import AlertRecord
from streamproc.rules import parse_rule
from streamproc.settings import Settings
from streamproc.web.routes.testing import Trials
from streamproc.web.trial import PREFIX, trial_alert, try_channels
from tests.channels.receiver import LOCAL, answer, receiving, webhook
from tests.web.conftest import Api
from tests.web.rules.making import login_rule
from tests.web.rules.test_rule_routes import body


@pytest.fixture
def local(new_settings: Callable[..., Settings]) -> Settings:
    return new_settings(allowed_networks=LOCAL)


def test_the_alert_is_one_as_on_the_topic() -> None:
    rule = parse_rule(login_rule(description="For {{ group }}", metadata={"control": "CC6"}))
    alert = trial_alert("acme", rule, 3, "ann", now=1_770_733_935_000)
    AlertRecord.model_validate(alert)
    assert alert["title"] == f"{PREFIX}Excessive Failed Logins"
    assert (alert["severity"], alert["metadata"]) == ("high", {"control": "CC6", "test": True})
    assert "{{" not in alert["description"]
    AlertRecord.model_validate(trial_alert("acme", None, 1, "ann"))
    assert alert["id"] != trial_alert("acme", rule, 3, "ann")["id"]


async def test_one_attempt_each_and_each_outcome(local: Settings) -> None:
    alert = trial_alert("acme", None, 1, "ann")
    async with receiving(answer(200, "ok")) as good, receiving(answer(500, "no")) as bad:
        channels = [
            webhook(good.url, id="good"),
            webhook(bad.url, id="bad"),
            webhook("http://10.1.2.3/", id="private"),
            webhook("${NOT_SET}", id="unset"),
            webhook(good.url, id="off", enabled=False),
            parse_channel({"id": "message_center", "tenant_id": "acme"}),
        ]
        tried = await try_channels(local, channels, alert, environment={})
    found = [(one.channel.id, str(one.outcome.kind), str(one.outcome.reason)) for one in tried]
    assert found == [
        ("good", "delivered", "ok"),
        ("bad", "retry", "server_error"),
        ("private", "permanent", "forbidden_address"),
        ("unset", "permanent", "settings"),
        ("off", "permanent", "disabled"),
        ("message_center", "delivered", "ok"),
    ]
    assert (len(good.requests), len(bad.requests)) == (1, 1), "nothing is tried again"
    sent = good.requests[0].json
    assert sent["type"] == "alert.triggered"
    assert sent["data"]["title"].startswith(PREFIX)
    assert "does not appear" in tried[5].outcome.detail


async def test_it_ends_in_time_however_many_do_not_answer(local: Settings) -> None:
    async with receiving(None) as silent:
        channels = [webhook(silent.url, id=f"w{n}") for n in range(20)]
        began = time.monotonic()
        tried = await try_channels(local, channels, trial_alert("acme", None, 1, "ann"), seconds=0.5)
    assert time.monotonic() - began < 5
    assert {str(one.outcome.reason) for one in tried} == {"timeout"}
    assert len(tried) == 20


async def test_not_everybody_tests_at_once(local: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamproc.web.problem import ApiError

    trials = Trials(local)
    async with receiving(None) as silent:
        one = [webhook(silent.url)]
        runs = [asyncio.create_task(trials.run(one, trial_alert("acme", None, 1, "ann"))) for _ in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError) as caught:
            await trials.run(one, {})
        assert caught.value.status == 429
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)


async def configured(api: Api, *documents: tuple[str, str, str, dict[str, Any]]) -> None:
    """Things of (kind, tenant, id, spec), sealed, straight to the topic."""
    from streamproc.config.record import ConfigRecord, record_key
    from streamproc.config.sealing import seal

    records = [
        ConfigRecord(kind, tenant, id, 1, seal(kind, record_key(tenant, kind, id), spec, api.site.keyring), "t", "test")
        for kind, tenant, id, spec in documents
    ]
    offset = await api.site.writer.put(records)
    assert offset is not None
    await api.site.tailer.wait_for(offset)


@pytest.mark.broker
async def test_the_channels_of_a_rule_are_tried(api: Api) -> None:
    api.site.settings = api.site.settings.model_copy(update={"allowed_networks": LOCAL})
    async with receiving() as mine, receiving() as theirs, receiving() as chat:
        await configured(
            api,
            ("webhook", "acme", "hook", {"url": mine.url}),
            ("webhook", "globex", "hook", {"url": theirs.url}),
            ("channel", "acme", "ops", {"type": "webhook", "url": chat.url}),
        )
        rule = body(webhook_ids=["hook"], channels=["ops", "nobody"])
        await api("POST", "/v1/rules", rule, status=201)
        found = (await api("POST", "/v1/rules/failed-logins/test")).json
        assert (found["delivered"], found["failed"]) == (2, 1)
        assert [(one["channel"], one["outcome"], one["reason"]) for one in found["items"]] == [
            ("channel/ops", "delivered", "ok"),
            ("webhook/hook", "delivered", "ok"),
            ("channel/nobody", "permanent", "no_channel"),
        ]
        for receiver in (mine, chat):
            (request,) = receiver.requests
            assert request.json["data"]["title"] == f"{PREFIX}Excessive Failed Logins"
        assert theirs.requests == []

        # an operator's rule for everybody goes through the asker's own channels
        everybodys = body(id="everybodys", tenant_id="*", webhook_ids=["hook"])
        await api("POST", "/v1/rules", everybodys, token=api.operator, status=201)
        assert (await api("POST", "/v1/rules/everybodys/test")).json["delivered"] == 1
        assert (len(mine.requests), theirs.requests) == (2, [])
        await api("POST", "/v1/rules/everybodys/test", token=api.operator, status=422)
        await api("POST", "/v1/rules/everybodys/test?tenant_id=globex", token=api.operator)
        assert len(theirs.requests) == 1

        for path in ("/v1/webhooks/hook/test", "/v1/channels/ops/test"):
            one = (await api("POST", path)).json
            assert (one["delivered"], one["items"][0]["status"]) == (1, 200)
        for path in ("/v1/webhooks/nothing/test", "/v1/channels/hook/test", "/v1/rules/nothing/test"):
            await api("POST", path, status=404)
        await api("POST", "/v1/webhooks/hook/test?tenant_id=globex", status=403)
        reader = await api.key("acme", "rules:read", "config:read")
        for path in ("/v1/rules/failed-logins/test", "/v1/webhooks/hook/test", "/v1/channels/ops/test"):
            await api("POST", path, token=reader, status=403)
        assert str(mine.port) not in (await api("GET", "/v1/rules/failed-logins")).text


@pytest.mark.broker
async def test_a_rule_without_channels_says_that_nobody_would_be_told(api: Api) -> None:
    await api("POST", "/v1/rules", body(), status=201)
    found = (await api("POST", "/v1/rules/failed-logins/test")).json
    assert (found["delivered"], found["failed"], found["items"][0]["reason"]) == (0, 1, "no_channel")


@pytest.mark.broker
async def test_private_addresses_stay_out_of_reach(api: Api) -> None:
    async with receiving() as inside:
        await configured(api, ("webhook", "acme", "hook", {"url": inside.url}))
        found = (await api("POST", "/v1/webhooks/hook/test")).json
        assert (found["items"][0]["reason"], inside.requests) == ("forbidden_address", [])


@pytest.mark.broker
async def test_addresses_in_a_rule_are_tried_by_its_owner_alone(api: Api) -> None:
    urls = {"webhook_urls": ["https://127.0.0.1:1/secret"]}
    await api("POST", "/v1/rules", body(**urls), status=201)
    (tried,) = (await api("POST", "/v1/rules/failed-logins/test")).json["items"]
    assert tried["channel"].startswith("rule_url/failed-logins:")
    assert tried["reason"] == "forbidden_address"
    assert "secret" not in str(tried)

    everybodys = body(id="everybodys", tenant_id="*", **urls)
    await api("POST", "/v1/rules", everybodys, token=api.operator, status=201)
    (tried,) = (await api("POST", "/v1/rules/everybodys/test")).json["items"]
    assert (tried["channel"], tried["reason"]) == ("rule/everybodys", "no_channel")
    (tried,) = (await api("POST", "/v1/rules/everybodys/test?tenant_id=acme", token=api.operator)).json["items"]
    assert tried["channel"].startswith("rule_url/everybodys:")
