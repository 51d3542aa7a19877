"""Signed links show one alert, to whoever has one, for a while; and nothing else."""

from __future__ import annotations

import asyncio
import time

import orjson
import pytest

from streamproc.alerting.alert_link import DAYS, LABEL, link
from streamproc.config.keyring import Keyring
from streamproc.kafka.partition import partition_by
from tests.web.conftest import Api
from tests.web.read_model.records import alert, uid

pytestmark = pytest.mark.broker
HOSTILE = "<script>alert(1)</script>"


async def test_a_link_shows_its_alert_and_ends(api: Api) -> None:
    spec = api.site.topics["alerts"]
    for document in (alert(1, title=HOSTILE), alert(2, tenant_id="globex", title="Theirs")):
        place = (spec.topic, partition_by(document["tenant_id"], spec.partitions))
        await api.site.producer.send({place: [(document["id"].encode(), orjson.dumps(document), [])]})
    async with asyncio.timeout(10):
        while len((await api("GET", "/v1/alerts", token=api.operator)).json["items"]) < 2:
            await asyncio.sleep(0.02)
    now = time.time_ns() // 1_000_000
    key = api.site.keyring.derived(LABEL)[0]

    def path(tenant: str, number: int, at: int = now, by: bytes = key) -> str:
        return link("", {"tenant_id": tenant, "id": uid(number)}, by, at)

    page = await api("GET", path("acme", 1), token=None)
    assert HOSTILE not in page.text
    assert "&lt;script&gt;" in page.text
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    for wrong in (
        path("acme", 2),
        path("globex", 1),
        path("acme", 7),
        path("acme", 1, now - DAYS * 86_400_000 - 1000),
        path("acme", 1, by=b"k" * 32),
        path("acme", 1)[:-2],
        "/a/x",
        "/a/.",
    ):
        assert "Theirs" not in (await api("GET", wrong, token=None, status=404)).text
    await api("POST", path("acme", 1), token=None, status=405)


def test_keys_are_derived_by_label_from_every_key() -> None:
    both, first = Keyring([b"a" * 32, b"b" * 32]), Keyring([b"a" * 32])
    assert both.derived("x")[0] == first.derived("x")[0] != first.derived("y")[0]
    assert len(both.derived("x")) == 2
    assert both.verifies(first.mac(b"m", "p"), b"m", "p")
    assert not both.verifies(first.mac(b"m", "p"), b"m", "q")
    assert not first.verifies(Keyring([b"b" * 32]).mac(b"m", "p"), b"m", "p")
    assert not first.verifies("", b"m", "p")
