"""Two API processes on one cluster: what `If-Match` keeps from being overwritten, and what it cannot."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from streamproc.settings import Settings
from streamproc.web.server import serving
from tests.faults.harness import read_topic
from tests.web.conftest import Api, running_api

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]

PATH = "/v1/lists/l"


@pytest.fixture
async def both(settings_with_topics: Settings, tmp_path: Path) -> AsyncIterator[tuple[Api, Api]]:
    """Two servers with the same sealing key; a key of acme's opens both."""
    key = SecretStr(base64.b64encode(b"k" * 32).decode())
    settings = settings_with_topics.model_copy(update={"rate_limit": 0.0, "secret_key": key})
    other = settings.model_copy(update={"data_dir": tmp_path / "other"})
    async with running_api(settings) as one, serving(other) as served:
        yield one, replace(one, site=served.site, url=served.url)


async def same(one: Api, two: Api, revision: int) -> None:
    """Both have read the revision, within the time that the documentation gives them."""
    async with asyncio.timeout(2):
        while True:
            found = [await api("GET", PATH, status=(200, 404)) for api in (one, two)]
            if [answer.headers.get("ETag") for answer in found] == [f'"{revision}"'] * 2:
                assert found[0].json == found[1].json
                return
            await asyncio.sleep(0.02)


async def test_a_change_that_was_read_is_not_overwritten(both: tuple[Api, Api]) -> None:
    one, two = both
    await one("PUT", PATH, {"values": ["a"]}, status=201)
    await same(one, two, 1)
    await two("PUT", PATH, {"values": ["b"]}, headers={"If-Match": '"1"'})
    await same(one, two, 2)
    await one("PUT", PATH, {"values": ["c"]}, headers={"If-Match": '"1"'}, status=412)
    await one("PUT", PATH, {"values": ["c"], "revision": 1}, status=409)
    await one("DELETE", PATH, headers={"If-Match": '"1"'}, status=412)
    assert (await two("GET", PATH)).json["values"] == ["b"]


async def test_of_many_at_once_one_process_takes_one(both: tuple[Api, Api]) -> None:
    one, two = both
    await one("PUT", PATH, {"values": ["a"]}, status=201)
    asked = [one("PUT", PATH, {"values": [str(n)]}, headers={"If-Match": '"1"'}, status=(200, 412)) for n in range(8)]
    answers = await asyncio.gather(*asked)
    (taken,) = [answer for answer in answers if answer.status == 200]
    await same(one, two, 2)
    assert (await two("GET", PATH)).json["values"] == taken.json["values"]


async def test_what_two_take_at_once_is_all_in_the_audit_log(both: tuple[Api, Api]) -> None:
    """Kafka has no conditional write: the last one stays. Nothing of it is hidden."""
    one, two = both
    await one("PUT", PATH, {"values": ["a"]}, status=201)
    await same(one, two, 1)
    answers = await asyncio.gather(
        *(
            api("PUT", PATH, {"values": [value]}, headers={"If-Match": '"1"'}, status=(200, 412))
            for api, value in ((one, "b"), (two, "c"))
        )
    )
    taken = [answer.json["values"] for answer in answers if answer.status == 200]
    assert taken
    await same(one, two, 2)
    assert (await one("GET", PATH)).json["values"] in taken
    entries = [orjson.loads(record.value) for record in await read_topic(one.site.settings, "audit")]
    updates = [entry for entry in entries if entry["action"] == "list.update"]
    assert sorted(entry["fields"][0]["after"] for entry in updates) == sorted(taken)
    assert {entry["revision"] for entry in updates} == {2}
