"""topics.yaml against a cluster: what apply makes, what check finds, and when a process refuses to start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from aiokafka import AIOKafkaProducer

from streamproc.kafka.admin import ClusterAdmin, TopicState
from streamproc.kafka.client import client_options
from streamproc.kafka.topics import (
    Difference,
    TopicMismatchError,
    Topics,
    apply_topics,
    check_topics,
    compare,
    differences,
    load_topics,
)
from streamproc.settings import Settings, SettingsError

NewSettings = Callable[..., Settings]


def test_the_declaration_is_what_the_design_says(new_settings: NewSettings) -> None:
    topics = load_topics(new_settings(topic_prefix="x."))
    cleanup = {name: spec.cleanup for name, spec in topics.items()}
    assert cleanup == {
        "events": "delete",
        "signals": "delete",
        "detectors-changelog": "compact",
        "alerts": "compact",
        "notify-state-changelog": "compact",
        "deliveries": "compact,delete",
        "notifications": "delete",
        "outbox-changelog": "compact",
        "incidents": "compact",
        "config": "compact",
        "config-history": "compact,delete",
        "audit": "delete",
        "dead-letters": "delete",
    }
    assert topics["events"].topic == "x.events"
    assert topics["events"].config["message.timestamp.type"] == "LogAppendTime"
    assert topics["config"].partitions == 1
    assert [spec.name for spec in topics.sources] == ["events"]
    assert topics["dead-letters"].max_message_bytes > max(spec.max_message_bytes for spec in topics.sources)
    together = [{spec.name for spec in topics.co_partitioned(group)} for group in ("detect", "notify", "deliver")]
    assert together == [
        {"signals", "detectors-changelog"},
        {"alerts", "notify-state-changelog", "deliveries"},
        {"notifications", "outbox-changelog"},
    ]


@pytest.mark.parametrize("environment", ["", "production"])
def test_co_partitioned_topics_have_equal_counts_in_every_environment(
    environment: str, new_settings: NewSettings
) -> None:
    topics = load_topics(new_settings(environment=environment))
    for group in ("detect", "notify", "deliver"):
        assert len({spec.partitions for spec in topics.co_partitioned(group)}) == 1


def test_an_environment_changes_partitions_replication_and_retention(new_settings: NewSettings, tmp_path: Path) -> None:
    content = yaml.safe_load(yaml.safe_dump(_small_file()))
    content["environments"] = {
        "site": {"defaults": {"replication": 3}, "topics": {"in": {"partitions": 9, "retention": "2h"}}}
    }
    spec = load_topics(new_settings(topics_file=_write(tmp_path, content), environment="site"))["in"]
    assert (spec.partitions, spec.replication, spec.retention_ms) == (9, 3, 7_200_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"retention": "soon"}, "topics.in.retention: 'soon'"),
        ({"max_message": "1 cow"}, "topics.in.max_message: '1 cow'"),
        ({"partitions": 0}, "topics.in.partitions: 0"),
        ({"cleanup": "burn"}, "topics.in.cleanup: 'burn'"),
        ({"colour": "red"}, "topics.in.colour: 'red'"),
        ({"format": "cloudtrial"}, "topics.in.format: 'cloudtrial' is not a format"),
        ({"co_partition": "pair", "partitions": 3}, "other has 1 partitions and in 3"),
    ],
)
def test_a_bad_file_is_one_line_that_says_where(
    change: dict[str, object], message: str, new_settings: NewSettings, tmp_path: Path
) -> None:
    content = _small_file()
    content["topics"]["in"].update(change)
    with pytest.raises(SettingsError) as error:
        load_topics(new_settings(topics_file=_write(tmp_path, content)))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_further_sources_have_a_format_and_may_fix_the_tenant(new_settings: NewSettings, tmp_path: Path) -> None:
    content = _small_file()
    content["topics"]["in"] |= {"format": "event"}
    content["topics"]["other"] |= {"format": "cloudtrail", "tenant": "acme"}
    topics = load_topics(new_settings(topics_file=_write(tmp_path, content)))
    assert [(spec.name, spec.format, spec.tenant) for spec in topics.sources] == [
        ("in", "event", None),
        ("other", "cloudtrail", "acme"),
    ]


def test_an_unknown_environment_names_the_known_ones(new_settings: NewSettings) -> None:
    with pytest.raises(SettingsError, match=r"STREAMPROC_ENVIRONMENT: 'prod' .*production"):
        load_topics(new_settings(environment="prod"))


@pytest.mark.parametrize(
    ("setting", "value", "fatal", "repairable"),
    [
        ("cleanup.policy", "compact", True, True),
        ("message.timestamp.type", "CreateTime", True, True),
        ("max.message.bytes", "1000", True, True),
        ("retention.ms", "1000", False, True),
        ("partitions", 3, True, False),
        ("replication", 2, False, False),
        ("missing", None, True, True),
    ],
)
def test_what_a_process_refuses_and_what_apply_repairs(
    setting: str, value: str | int | None, fatal: bool, repairable: bool, new_settings: NewSettings
) -> None:
    spec = load_topics(new_settings())["events"]
    state = TopicState(spec.partitions, spec.replication, dict(spec.config), dict(spec.config))
    assert compare([spec], {spec.topic: state}) == []
    match value:
        case None:
            found = {}
        case int():
            found = {spec.topic: replace(state, **{setting: value})}
        case str():
            found = {spec.topic: replace(state, config={**spec.config, setting: value})}
    (finding,) = compare([spec], found)
    assert (finding.fatal, finding.repairable) == (fatal, repairable)
    assert spec.topic in str(finding)
    assert setting in str(finding)


@pytest.mark.broker
async def test_apply_creates_all_and_repeating_it_changes_nothing(settings: Settings) -> None:
    topics = load_topics(settings)
    with pytest.raises(TopicMismatchError, match=f"topic {settings.topic('events')} is missing"):
        await check_topics(settings)
    assert {found.difference for found in await differences(settings)} == {Difference.MISSING}

    first = await apply_topics(settings)
    assert first.created == [spec.topic for spec in topics.values()]
    second = await apply_topics(settings)
    assert (second.created, second.changed, second.remaining) == ([], [], [])
    assert await check_topics(settings) == []


@pytest.mark.broker
async def test_looking_for_a_missing_topic_does_not_create_it(settings: Settings) -> None:
    for _ in range(2):
        assert all(found.difference is Difference.MISSING for found in await differences(settings))


@pytest.mark.broker
async def test_apply_repairs_settings_and_keeps_the_operators_own(settings_with_topics: Settings) -> None:
    settings = settings_with_topics
    events = settings.topic("events")
    async with ClusterAdmin(settings) as admin:
        await admin.set_config({events: {"message.timestamp.type": "CreateTime", "segment.bytes": "1048576"}})
    with pytest.raises(TopicMismatchError, match=r"timestamp\.type is CreateTime.*`streamproc topics apply`"):
        await check_topics(settings)
    assert await check_topics(settings, names=["config"]) == []

    applied = await apply_topics(settings)
    assert [(found.topic, found.setting) for found in applied.changed] == [(events, "message.timestamp.type")]
    async with ClusterAdmin(settings) as admin:
        state = (await admin.topics([events]))[events]
    assert state.config["message.timestamp.type"] == "LogAppendTime"
    assert state.overrides["segment.bytes"] == "1048576"


@pytest.mark.broker
async def test_a_wrong_partition_count_is_left_to_people(settings: Settings) -> None:
    topics = load_topics(settings)
    wrong = Topics([replace(topics["signals"], partitions=3)])
    await apply_topics(settings, wrong)
    applied = await apply_topics(settings, Topics([topics["signals"]]))
    assert [found.difference for found in applied.remaining] == [Difference.PARTITIONS]
    with pytest.raises(TopicMismatchError, match=r"partitions is 3, topics\.yaml says 4"):
        await check_topics(settings, names=["signals"])


@pytest.mark.broker
async def test_arrival_is_the_brokers_time_on_events(settings_with_topics: Settings) -> None:
    settings = settings_with_topics
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        sent = await producer.send_and_wait(settings.topic("events"), b"{}", timestamp_ms=1)
    assert sent.timestamp_type == 1
    assert sent.timestamp > 1_700_000_000_000


def _small_file() -> dict[str, dict[str, dict[str, object]]]:
    common = {
        "partitions": 1,
        "cleanup": "delete",
        "retention": "1d",
        "max_message": "1MiB",
        "timestamp": "create",
        "key": "none",
        "partition_by": "any",
        "schema": "event",
        "writer": ["a"],
        "readers": ["b"],
    }
    return {"topics": {"in": dict(common), "other": {**common, "co_partition": "pair"}}}


def _write(directory: Path, content: object) -> Path:
    path = directory / "topics.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
