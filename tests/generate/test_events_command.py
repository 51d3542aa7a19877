"""`streamproc events`: what it says, and how it ends; with a real broker, what arrives."""

import asyncio
import gzip

import orjson
import pytest
from aiokafka import AIOKafkaConsumer
from typer.testing import CliRunner

from streamproc.cli.events import app
from streamproc.kafka.client import client_options
from streamproc.settings import Settings
from streamproc.sources.decode import Decoder

GOOD = b'{"id":"e%d","tenant_id":"t%d","action":"user.login"}'
TRAIL = {
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "eventTime": "2026-02-10T14:32:15Z",
    "recipientAccountId": "123456789012",
}


def run(*arguments, settings: Settings | None = None, stdin: bytes = b""):
    environment = {"STREAMPROC_KAFKA": "127.0.0.1:1"}
    if settings is not None:
        environment = {"STREAMPROC_KAFKA": settings.kafka, "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix}
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin, env=environment)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["send", "nowhere.jsonl"], "nowhere.jsonl: is not a file that can be read"),
        (["send", "-", "--format", "cloudtral"], "--format: 'cloudtral' is not a format (event, cloudtrail, "),
        (["send", "-", "--tenant", "a/b"], '--tenant: "a/b" is not a tenant'),
        (["send", "-", "--topic", "alerts"], "--topic: alerts is not a source topic of topics.yaml (events)"),
        (["generate", "--attack", "flood"], "attack: 'flood' is not one of brute_force"),
        (["generate", "--start", "noon"], '--start: "noon" is not an ISO 8601 time'),
        (["generate", "--tenants", "0"], "tenants: 0 is not between 1 and 1000"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments, says):
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(says)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["send", "-"], ["generate", "--count", "3"]])
def test_no_broker_is_one_line_and_status_3(arguments):
    result = run(*arguments, stdin=GOOD % (1, 1))
    assert result.exit_code == 3
    assert result.stderr == "No broker answers at 127.0.0.1:1. Check STREAMPROC_KAFKA, and that the broker runs.\n"


def test_generate_prints_json_lines():
    arguments = ["generate", "--stdout", "--start", "2026-02-10T12:00:00Z", "--count", "20", "--attack", "brute_force"]
    result = run(*arguments)
    events = [orjson.loads(line) for line in result.stdout_bytes.splitlines()]
    assert (result.exit_code, len(events)) == (0, 33)
    assert events[0]["event_time"] == "2026-02-10T12:00:00.000Z"
    assert run(*arguments).stdout_bytes == result.stdout_bytes


async def arrived(settings: Settings) -> list:
    """Every record of the events topic, by partition and offset."""
    topic = settings.topic("events")
    consumer = AIOKafkaConsumer(topic, **client_options(settings), auto_offset_reset="earliest")
    await consumer.start()
    try:
        wanted = sum((await consumer.end_offsets(consumer.assignment())).values())
        records: list = []
        while len(records) < wanted:
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                records += batch
        return sorted(records, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()


@pytest.fixture
def there(settings_with_topics: Settings) -> Settings:
    return settings_with_topics


async def in_thread(*arguments, **options):
    # the command runs an event loop of its own, which it cannot inside ours
    return await asyncio.to_thread(lambda: run(*arguments, **options))


@pytest.mark.broker
async def test_each_record_arrives_as_it_was_written(there, tmp_path):
    lines = [GOOD % (i, i % 5) for i in range(500)]
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.json"
    plain.write_bytes(b"\n".join(lines[:250]))
    packed.write_bytes(gzip.compress(b"[" + b",\n".join(lines[250:]) + b"]"))
    result = await in_thread("send", plain, packed, settings=there)
    assert (result.exit_code, result.stderr) == (
        0,
        f"500 events sent to {there.topic('events')} (5 tenants), all acknowledged\n",
    )
    records = await arrived(there)
    assert sorted(record.value for record in records) == sorted(lines)
    assert all(record.key.decode() == orjson.loads(record.value)["tenant_id"] for record in records)
    assert all(record.headers == () for record in records)
    partitions = {}
    for record in records:
        assert partitions.setdefault(record.key, record.partition) == record.partition


@pytest.mark.broker
async def test_bad_records_are_named_and_the_others_sent(there):
    content = b"\n".join([GOOD % (1, 1), b'{"tenant_id":"a"}', b"oops", GOOD % (2, 1)])
    result = await in_thread("send", "-", settings=there, stdin=content)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "-:2: action: nothing is not an action; every event says what was done",
        "-:3: value: line 1 column 1 is not JSON: unexpected character, expected a JSON value",
        f"2 events sent to {there.topic('events')} (1 tenant), all acknowledged",
        "2 bad records left out",
    ]
    assert len(await arrived(there)) == 2


@pytest.mark.broker
async def test_unchecked_records_are_sent_whatever_they_are(there):
    result = await in_thread("send", "-", "--no-validate", settings=there, stdin=b"oops\n" + GOOD % (1, 1))
    assert result.exit_code == 0
    assert sorted(record.value for record in await arrived(there)) == sorted([b"oops", GOOD % (1, 1)])


@pytest.mark.broker
async def test_native_records_tell_their_format_and_tenant(there):
    content = orjson.dumps({"Records": [{**TRAIL, "eventID": "a"}, {**TRAIL, "eventID": "b"}]})
    result = await in_thread("send", "-", "--format", "cloudtrail", "--tenant", "acme", settings=there, stdin=content)
    assert result.exit_code == 0
    records = await arrived(there)
    assert [record.key for record in records] == [b"acme", b"acme"]
    events, errors = Decoder("events").decode_batch(records)
    assert errors == []
    assert [(e.id, e.tenant, e.action) for e in events] == [
        ("a", "acme", "s3:GetObject"),
        ("b", "acme", "s3:GetObject"),
    ]
    assert events[0].doc["raw"] == {**TRAIL, "eventID": "a"}


@pytest.mark.broker
async def test_a_tenant_for_events_that_name_none(there):
    content = b'{"id":"a","action":"x"}\n{"id":"b","action":"x","tenant_id":"acme"}\n{"action":"x","tenant_id":"else"}'
    result = await in_thread("send", "-", "--tenant", "acme", settings=there, stdin=content)
    assert result.exit_code == 2
    assert result.stderr.startswith('-:3: tenant_id: "else" is not "acme", the only tenant allowed here\n')
    events, errors = Decoder("events").decode_batch(await arrived(there))
    assert ([(e.id, e.tenant) for e in events], errors) == ([("a", "acme"), ("b", "acme")], [])


@pytest.mark.broker
async def test_generated_events_are_sent(there):
    result = await in_thread(
        "generate", "--count", "50", "--rate", "100", "--attack", "mass_deletion,brute_force", settings=there
    )
    assert result.exit_code == 0
    events, errors = Decoder("events").decode_batch(await arrived(there))
    assert (len(events), errors) == (50 + 25 + 13, [])


@pytest.mark.broker
async def test_a_missing_topic_is_status_2(settings):
    result = await in_thread("send", "-", settings=settings, stdin=GOOD % (1, 1))
    assert result.exit_code == 2
    assert result.stderr == (
        f"There is no topic {settings.topic('events')}: create it with `streamproc topics apply`.\n"
    )
