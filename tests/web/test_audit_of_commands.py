"""What the command line does is in the audit log like what is done over HTTP, and is an event that rules can watch."""

from __future__ import annotations

import asyncio
import getpass
import json
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.kafka.admin import ClusterAdmin
from streamproc.kafka.partition import partition_by
from streamproc.kafka.topics import load_topics
from streamproc.settings import Settings
from streamproc.sources.decode import Decoder
from tests.command_line import STREAMPROC, run_command
from tests.faults.harness import read_topic
from tests.web.conftest import Api
from tests.web.read_model.records import alert, delivery

pytestmark = [pytest.mark.broker, pytest.mark.timeout(120)]

SECRET = "whsec_" + "c2VjcmV0" * 5
WHO = f"cli:{getpass.getuser()}"
DOCUMENTS = f"""
- {{kind: rule, tenant_id: acme, id: r, name: R, type: pattern, condition: {{action: user.login}}, severity: low}}
- {{kind: webhook, tenant_id: acme, id: w, url: "https://soc.example.com/x", secret: {SECRET}}}
- {{kind: list, tenant_id: "*", id: everybodys, values: [a]}}
"""
DEAF = """
import sys
from aiokafka.errors import KafkaTimeoutError
from streamproc.cli.main import run
from streamproc.kafka.producer import AwaitedProducer

async def send(self, records):
    raise KafkaTimeoutError("the broker went away")

AwaitedProducer.send = send
sys.exit(run(sys.argv[1:]))
"""
"""The command line with a broker that takes changes of the configuration, and then nothing more."""


class Cli:
    """Runs command lines in a process of their own."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings, self.directory = settings, directory

    async def __call__(
        self, *arguments: str, stdin: str = "", status: int = 0, deaf: bool = False
    ) -> subprocess.CompletedProcess[str]:
        program = ("-c", DEAF) if deaf else STREAMPROC
        done = await asyncio.to_thread(
            run_command, self.settings, *arguments, directory=self.directory, stdin=stdin, program=program
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done


@pytest.fixture
def cli(settings_with_topics: Settings, tmp_path: Path) -> Cli:
    return Cli(settings_with_topics, tmp_path)


async def entries(settings: Settings) -> list[dict[str, Any]]:
    """The audit topic, in its order."""
    return [orjson.loads(record.value) for record in await read_topic(settings, "audit")]


def said(entry: dict[str, Any]) -> tuple[str, str, str, int | None]:
    return entry["action"], entry["tenant_id"], entry["target_id"], entry["revision"]


async def test_documents_applied_changed_and_deleted(api: Api, tmp_path: Path) -> None:
    settings = api.site.settings
    cli = Cli(settings, tmp_path)
    await cli("config", "apply", "-", stdin=DOCUMENTS)
    await cli("config", "apply", "-", stdin=DOCUMENTS)
    changed = DOCUMENTS.replace("severity: low", "severity: high").replace(SECRET, "whsec_" + "bmV3c2Vj" * 5)
    await cli("config", "apply", "-", stdin=changed)
    await cli("config", "delete", "webhook", "w")
    csv = "ID,Name,Enable,Phone,SMS,Voice,Mailbox\ndave1,Dave,true,,false,false,dave@example.com\n"
    await cli("config", "import-users", "-", "--tenant", "acme", stdin=csv)
    found = await entries(settings)
    assert [said(entry) for entry in found] == [
        ("rule.create", "acme", "r", 1),
        ("webhook.create", "acme", "w", 1),
        ("list.create", "*", "everybodys", 1),
        ("rule.update", "acme", "r", 2),
        ("webhook.update", "acme", "w", 2),
        ("webhook.delete", "acme", "w", None),
        ("user.create", "acme", "dave1", 1),
    ], "what changes nothing leaves nothing"
    assert {json.dumps(entry["actor"]) for entry in found} == {
        json.dumps({"key_id": WHO, "name": WHO, "tenant_id": "*", "ip": None})
    }
    assert found[3]["fields"] == [{"path": "severity", "before": "low", "after": "high"}]
    assert found[4]["fields"] == [{"path": "secret", "before": "(sealed)", "after": "(sealed)"}]

    async with asyncio.timeout(10):
        while len(shown := (await api("GET", f"/v1/audit?key_id={WHO}")).json["items"]) < 6:
            await asyncio.sleep(0.05)
    assert shown == [entry for entry in reversed(found) if entry["tenant_id"] == "acme"]
    assert (await api("GET", "/v1/audit", token=await api.key("other"))).json["items"] == []
    versions = (await api("GET", "/v1/rules/r/versions")).json["items"]
    assert [(one["revision"], one["updated_by"]) for one in versions] == [(2, WHO), (1, WHO)]

    records = await read_topic(settings, "events")
    events = [
        event
        for record in sorted(records, key=lambda record: record.offset)
        for event in Decoder("events").decode(record.value, 0, record.offset, record.timestamp, [])
    ]
    told = [entry for entry in found if entry["tenant_id"] == "acme" and not entry["action"].endswith(".create")]
    assert [(event.id, event.action, event.tenant) for event in events] == [
        (entry["id"], f"streamproc.{entry['action']}", "acme") for entry in told
    ], "each change of what was there is an event of its tenant, which rules can watch"
    assert orjson.loads(records[0].value)["actor"] == {"id": WHO}
    for name in ("audit", "events"):
        raw = b"".join(record.value for record in await read_topic(settings, name))
        assert [
            one for one in (SECRET, SECRET[6:], "bmV3c2Vj", "soc.example.com", "$sealed") if one.encode() in raw
        ] == []


async def test_over_http_and_by_command_an_entry_is_the_same(api: Api, tmp_path: Path) -> None:
    cli = Cli(api.site.settings, tmp_path)
    document = {"kind": "list", "tenant_id": "acme", "id": "by-cli", "values": ["a"]}
    await cli("config", "apply", "-", stdin=json.dumps(document))
    await api("PUT", "/v1/lists/by-http", {"values": ["a"]})
    by_cli, by_http = await entries(api.site.settings)
    assert by_cli.keys() == by_http.keys()
    assert by_cli["actor"].keys() == by_http["actor"].keys()
    own = {"id", "at", "actor", "target_id", "request_id"}
    assert {name: value for name, value in by_cli.items() if name not in own} == {
        name: value for name, value in by_http.items() if name not in own
    }


async def test_keys(cli: Cli, settings_with_topics: Settings) -> None:
    made = json.loads((await cli("keys", "create", "collector", "--tenant", "acme", "--json")).stdout)
    turned = json.loads((await cli("keys", "rotate", made["id"], "--json")).stdout)
    await cli("keys", "revoke", made["id"])
    found = await entries(settings_with_topics)
    assert [said(entry) for entry in found] == [
        ("key.create", "acme", made["id"], 1),
        ("key.rotate", "acme", made["id"], 2),
        ("key.revoke", "acme", made["id"], 3),
    ]
    assert [entry["fields"] for entry in found] == [[], [], []]
    raw = orjson.dumps(found).decode()
    assert made["token"] not in raw
    assert turned["token"] not in raw


async def test_what_is_sent_again(cli: Cli, api: Api) -> None:
    site, one = api.site, delivery(1, 2)
    place = partition_by("acme", site.topics["alerts"].partitions)
    await site.producer.send(
        {(site.topics["alerts"].topic, place): [(alert(2)["id"].encode(), orjson.dumps(alert(2)), [])]}
    )
    await site.producer.send({(site.topics["deliveries"].topic, place): [(one["id"].encode(), orjson.dumps(one), [])]})
    answer = await cli("deliveries", "replay", one["id"], "dlv_none", "--request-id", "t-1", "--json", status=1)
    again = json.loads(answer.stdout)
    headers = [("reason", b"x"), ("by", b"route"), ("origin-topic", site.topics["events"].topic.encode())]
    letter = (b"acme", b'{"tenant_id": "acme", "action": "a"}', headers)
    await site.producer.send({(site.topics["dead-letters"].topic, 0): [letter]})
    assert (await cli("dead-letters", "replay")).stdout == "1 sent again\n"
    delivered, replayed = await entries(site.settings)
    assert said(delivered) == ("delivery.replay", "acme", one["id"], None)
    assert delivered["fields"] == [{"path": "new_id", "before": None, "after": again[0]["new_id"]}]
    assert delivered["request_id"] == "t-1"
    assert said(replayed) == ("dead_letter.replay", "*", "0-0", None)


async def test_what_cannot_be_entered_is_done_and_said(cli: Cli, settings_with_topics: Settings) -> None:
    done = await cli("config", "apply", "-", stdin=DOCUMENTS, status=3, deaf=True)
    assert "created acme/rule/r (revision 1)" in done.stdout
    assert "3 changed, 0 unchanged" in done.stdout
    *lines, last = done.stderr.splitlines()
    assert [said(json.loads(line)) for line in lines] == [
        ("rule.create", "acme", "r", 1), ("webhook.create", "acme", "w", 1), ("list.create", "*", "everybodys", 1),
    ]  # fmt: skip
    assert SECRET not in done.stderr
    for part in ("It is done", "all 3 entries of the audit log", "the broker went away", "Keep those printed above"):
        assert part in last
    assert (await cli("config", "apply", "-", stdin=DOCUMENTS)).stdout == "0 changed, 3 unchanged\n"
    assert await entries(settings_with_topics) == []
    made = await cli("keys", "create", "collector", "--tenant", "acme", status=3, deaf=True)
    assert made.stdout.startswith("sp_"), "a key that is there must be shown: it is not shown again"


async def test_where_nothing_can_be_entered_nothing_is_done(cli: Cli, settings_with_topics: Settings) -> None:
    async with ClusterAdmin(settings_with_topics) as admin:
        await admin.delete([load_topics(settings_with_topics)["audit"].topic])
    done = await cli("config", "apply", "-", stdin=DOCUMENTS, status=2)
    assert "streamproc topics apply" in done.stderr
    assert await read_topic(settings_with_topics, "config") == []
