"""topics.yaml: its form, its environment overlays, and the topics it declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

import streamproc
from streamproc.settings import Settings, SettingsError
from streamproc.sources.registry import FORMATS, unknown_format

FILE = "topics.yaml"
FOREVER = -1

_TIMES = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20}


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as declared. `name` is the product's name for it, `topic` Kafka's (with the prefix)."""

    name: str
    topic: str
    partitions: int
    replication: int
    config: Mapping[str, str]
    key: str
    partition_by: str
    schema: str
    writer: tuple[str, ...]
    readers: tuple[str, ...]
    co_partition: str | None
    format: str | None
    tenant: str | None
    about: str

    @property
    def cleanup(self) -> str:
        return self.config["cleanup.policy"]

    @property
    def retention_ms(self) -> int:
        """Milliseconds; -1 is forever."""
        return int(self.config["retention.ms"])

    @property
    def max_message_bytes(self) -> int:
        return int(self.config["max.message.bytes"])


def _milliseconds(value: object) -> object:
    if value == "forever":
        return FOREVER
    match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", str(value))
    if match is None:
        raise ValueError("is not a time such as 30m, 6h, 7d, or forever")
    return int(match[1]) * _TIMES[match[2]]


def _bytes(value: object) -> object:
    match = re.fullmatch(r"(\d+)(KiB|MiB|)", str(value))
    if match is None:
        raise ValueError("is not a size such as 512KiB or 1MiB")
    return int(match[1]) * _SIZES[match[2]]


Retention = Annotated[int, BeforeValidator(_milliseconds)]
Size = Annotated[int, BeforeValidator(_bytes)]
Count = Annotated[int, Field(ge=1)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Topic(_Form):
    about: str = ""
    partitions: Count
    replication: Count = 1
    cleanup: Literal["delete", "compact", "compact,delete"]
    retention: Retention
    max_message: Size
    timestamp: Literal["create", "append"]
    key: str
    partition_by: str
    schema_: str = Field(alias="schema")
    writer: tuple[str, ...]
    readers: tuple[str, ...]
    co_partition: str | None = None
    format: str | None = None
    tenant: str | None = None
    kafka: dict[str, str | int | float | bool] = {}


class _Overlay(_Form):
    partitions: Count | None = None
    replication: Count | None = None
    retention: Retention | None = None


class _Environment(_Form):
    defaults: _Overlay = _Overlay()
    topics: dict[str, _Overlay] = {}


class _File(_Form):
    topics: dict[str, _Topic]
    environments: dict[str, _Environment] = {}


def declared_topics(settings: Settings) -> list[TopicSpec]:
    """The topics of `settings.topics_file`, else of the file shipped with the product. Or SettingsError."""
    path = settings.topics_file or shipped_file()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"STREAMPROC_TOPICS_FILE: {str(path)!r} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    try:
        form = _File.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{path}: {where}: {first.get('input')!r}: {first['msg']}") from None
    for name, topic in form.topics.items():
        if topic.format is not None and topic.format not in FORMATS:
            raise SettingsError(f"{path}: topics.{name}.format: {unknown_format(topic.format)}")
    specs = [_spec(name, topic, settings) for name, topic in _with_overlay(form, settings, path).items()]
    _check_groups(specs, path)
    return specs


def shipped_file() -> Path:
    """topics.yaml inside the installed package, or at the root of a checkout."""
    package = Path(streamproc.__file__).parent
    inside = package / FILE
    return inside if inside.is_file() else package.parent / FILE


def _with_overlay(form: _File, settings: Settings, path: Path) -> dict[str, _Topic]:
    if not settings.environment:
        return form.topics
    environment = form.environments.get(settings.environment)
    if environment is None:
        known = ", ".join(sorted(form.environments)) or "none"
        raise SettingsError(f"STREAMPROC_ENVIRONMENT: {settings.environment!r} is not in {path} (which has: {known})")
    for name in environment.topics:
        if name not in form.topics:
            raise SettingsError(f"{path}: environments.{settings.environment}: {name!r} is not a topic")
    result = {}
    for name, topic in form.topics.items():
        changes: dict[str, Any] = environment.defaults.model_dump(exclude_none=True)
        if name in environment.topics:
            changes |= environment.topics[name].model_dump(exclude_none=True)
        result[name] = topic.model_copy(update=changes)
    return result


def _spec(name: str, topic: _Topic, settings: Settings) -> TopicSpec:
    config = {
        "cleanup.policy": topic.cleanup,
        "retention.ms": str(topic.retention),
        "max.message.bytes": str(topic.max_message),
        "message.timestamp.type": "LogAppendTime" if topic.timestamp == "append" else "CreateTime",
    }
    for setting, value in topic.kafka.items():
        config[setting] = str(value).lower() if isinstance(value, bool) else str(value)
    return TopicSpec(
        name=name,
        topic=settings.topic(name),
        partitions=topic.partitions,
        replication=topic.replication,
        config=config,
        key=topic.key,
        partition_by=topic.partition_by,
        schema=topic.schema_,
        writer=topic.writer,
        readers=topic.readers,
        co_partition=topic.co_partition,
        format=topic.format,
        tenant=topic.tenant,
        about=topic.about,
    )


def _check_groups(specs: list[TopicSpec], path: Path) -> None:
    first: dict[str, TopicSpec] = {}
    for spec in specs:
        if spec.co_partition is None:
            continue
        other = first.setdefault(spec.co_partition, spec)
        if other.partitions != spec.partitions:
            raise SettingsError(
                f"{path}: {spec.name} has {spec.partitions} partitions and {other.name} {other.partitions}, "
                f"but both are of co_partition group {spec.co_partition!r}"
            )
