"""Each process may do on the brokers what topics.yaml says that it does, and no more."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from streamproc.kafka.topics import load_topics
from streamproc.settings import Settings
from tests.deploy.files import DEPLOY

FILE = DEPLOY / "kafka" / "acls"
SETTINGS = Settings.model_construct(environment="", topics_file=None, topic_prefix="")
TOPICS = load_topics(SETTINGS)
PROCESSES = {
    "streamproc-worker": {"route", "detect"},
    "streamproc-delivery": {"notify", "deliver"},
    "streamproc-api": {"api"},
}
"""By user, the parts of it that topics.yaml speaks of."""
OPERATOR = "streamproc-operator"


class Acl(NamedTuple):
    principal: str
    operations: frozenset[str]
    resource: str
    pattern: str
    name: str


def acls() -> Iterator[Acl]:
    for line in FILE.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            principal, operations, resource, pattern, *name = line.split()
            yield Acl(principal, frozenset(operations.split(",")), resource, pattern, "".join(name))


def topics_for(principal: str, operation: str) -> set[str]:
    return {
        one.name
        for one in acls()
        if one.principal == principal and one.resource == "Topic" and operation in one.operations
    }


def test_lines_are_of_words_that_kafka_knows() -> None:
    operations = {"Read", "Write", "Create", "Delete", "Alter", "AlterConfigs", "Describe", "DescribeConfigs"}
    for one in acls():
        assert one.operations <= operations, one
        assert one.resource in ("Topic", "Group", "TransactionalId"), one
        assert one.pattern in ("literal", "prefixed"), one
    assert {one.principal for one in acls()} == {*PROCESSES, OPERATOR}
    assert len(list(acls())) == len(set(acls()))


@pytest.mark.parametrize("principal", PROCESSES)
def test_topics_are_those_of_the_declaration(principal: str) -> None:
    parts = PROCESSES[principal]
    reads = {spec.name for spec in TOPICS.values() if parts & {*spec.readers} or "all" in spec.readers}
    writes = {spec.name for spec in TOPICS.values() if parts & {*spec.writer} or "any" in spec.writer}
    assert topics_for(principal, "Read") == reads
    assert topics_for(principal, "Write") == writes


@pytest.mark.parametrize("principal", [*PROCESSES, OPERATOR])
def test_everybody_may_check_the_topics(principal: str) -> None:
    assert any(
        one.principal == principal
        and {"Describe", "DescribeConfigs"} <= one.operations
        and (one.pattern, one.name) == ("prefixed", "")
        for one in acls()
    )


def test_groups_are_those_of_the_settings() -> None:
    groups = {Settings.model_fields[name].default for name in ("worker_group", "delivery_group")}
    assert {one.name for one in acls() if one.resource == "Group"} == groups
    assert {one.principal: one.name for one in acls() if one.resource == "Group" and "Read" in one.operations} == {
        "streamproc-worker": Settings.model_fields["worker_group"].default,
        "streamproc-delivery": Settings.model_fields["delivery_group"].default,
    }


def test_only_the_owner_of_a_changelog_has_its_transactions() -> None:
    for spec in TOPICS.values():
        if spec.name.endswith("-changelog"):
            named = {
                one.principal for one in acls() if one.resource == "TransactionalId" and one.name == f"{spec.name}-"
            }
            owner = next(user for user, parts in PROCESSES.items() if parts & {*spec.writer})
            assert named == {owner, OPERATOR}


def applied(tmp_path: Path, prefix: str) -> list[list[str]]:
    """What the script asks Kafka's tool to do."""
    fake, said = tmp_path / "kafka-acls.sh", tmp_path / "said"
    fake.write_text(f'#!/bin/sh\nprintf "%s\\037" "$@" >>{said}\nprintf "\\n" >>{said}\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    script = DEPLOY / "kafka" / "apply-acls"
    subprocess.run(
        [script, "--bootstrap-server", "kafka:9092"],
        env={**os.environ, "KAFKA_ACLS": str(fake), "STREAMPROC_TOPIC_PREFIX": prefix},
        check=True,
    )
    return [line.split("\x1f")[:-1] for line in said.read_text().splitlines()]


def test_the_script_hands_every_line_on(tmp_path: Path) -> None:
    calls = applied(tmp_path, "")
    assert len(calls) == len(list(acls()))
    assert all(call[:3] == ["--bootstrap-server", "kafka:9092", "--add"] for call in calls)
    first = ["--allow-principal", "User:streamproc-worker", "--operation", "Describe", "--operation", "DescribeConfigs"]
    assert calls[0][3:] == [*first, "--topic", "*", "--resource-pattern-type", "literal"]
    assert calls[1][-4:] == ["--topic", "events", "--resource-pattern-type", "literal"]


def test_the_script_puts_the_prefix_before_names(tmp_path: Path) -> None:
    calls = applied(tmp_path, "site-")
    assert calls[0][-4:] == ["--topic", "site-", "--resource-pattern-type", "prefixed"]
    assert all(call[-3].startswith("site-") for call in calls)
