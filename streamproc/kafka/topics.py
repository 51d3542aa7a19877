"""The topics as topics.yaml declares them, and whether the cluster's are the same.

Every process calls `check_topics` before it joins a group, and refuses to start on a mismatch: a topic that
is missing, or has another partition count, is ignored or mis-partitioned for good by what runs on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from streamproc.kafka.admin import ClusterAdmin, TopicState
from streamproc.kafka.topic_file import TopicSpec, declared_topics
from streamproc.settings import Settings

__all__ = [
    "Applied",
    "Difference",
    "Finding",
    "TopicMismatchError",
    "TopicSpec",
    "Topics",
    "apply_topics",
    "check_topics",
    "compare",
    "differences",
    "load_topics",
]


class Topics(Mapping[str, TopicSpec]):
    """Declared topics by the product's own name (without prefix), in the order of the file."""

    def __init__(self, specs: Iterable[TopicSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}

    def __getitem__(self, name: str) -> TopicSpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    @property
    def sources(self) -> tuple[TopicSpec, ...]:
        """The topics that route reads: those with a format."""
        return tuple(spec for spec in self._specs.values() if spec.format is not None)

    def co_partitioned(self, group: str) -> tuple[TopicSpec, ...]:
        return tuple(spec for spec in self._specs.values() if spec.co_partition == group)


def load_topics(settings: Settings) -> Topics:
    """Read topics.yaml with the overlay of `settings.environment`. Raises SettingsError."""
    return Topics(declared_topics(settings))


class Difference(StrEnum):
    """What can differ between a declaration and the cluster."""

    MISSING = "missing"
    PARTITIONS = "partitions"
    REPLICATION = "replication"
    CONFIG = "config"


HARD_CONFIG = frozenset({"cleanup.policy", "message.timestamp.type", "max.message.bytes"})
"""Settings that the product's correctness stands on; others are only reported."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between a declared topic and the cluster's."""

    topic: str
    difference: Difference
    setting: str
    declared: str
    found: str

    @property
    def fatal(self) -> bool:
        """Whether a process must refuse to start."""
        match self.difference:
            case Difference.MISSING | Difference.PARTITIONS:
                return True
            case Difference.CONFIG:
                return self.setting in HARD_CONFIG
            case Difference.REPLICATION:
                return False

    @property
    def repairable(self) -> bool:
        """Whether `topics apply` puts it right."""
        return self.difference in (Difference.MISSING, Difference.CONFIG)

    @property
    def resizable(self) -> bool:
        """Whether more partitions are declared than there are: `topics resize` may put that right."""
        return self.difference is Difference.PARTITIONS and int(self.declared) > int(self.found)

    def __str__(self) -> str:
        if self.difference is Difference.MISSING:
            return f"topic {self.topic} is missing"
        return f"topic {self.topic}: {self.setting} is {self.found}, topics.yaml says {self.declared}"


class TopicMismatchError(RuntimeError):
    """The cluster's topics are not the declared ones. The text is one line that names each difference."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        if all(finding.repairable for finding in findings):
            repair = "run `streamproc topics apply`"
        elif all(finding.resizable for finding in findings if finding.fatal and not finding.repairable):
            repair = "run `streamproc topics resize`, or change topics.yaml"
        else:
            repair = "change topics.yaml or the topic"
        super().__init__(f"{'; '.join(map(str, findings))}: {repair}")


def compare(declared: Iterable[TopicSpec], found: Mapping[str, TopicState]) -> list[Finding]:
    """Every difference, in the order of the declaration."""
    findings: list[Finding] = []
    for spec in declared:
        state = found.get(spec.topic)
        if state is None:
            findings.append(Finding(spec.topic, Difference.MISSING, "", "", ""))
            continue
        counts = (
            (Difference.PARTITIONS, spec.partitions, state.partitions),
            (Difference.REPLICATION, spec.replication, state.replication),
        )
        for difference, wanted, actual in counts:
            if wanted != actual:
                findings.append(Finding(spec.topic, difference, difference.value, str(wanted), str(actual)))
        for setting, value in spec.config.items():
            actual_value = state.config.get(setting, "unknown")
            if not _same(value, actual_value):
                findings.append(Finding(spec.topic, Difference.CONFIG, setting, value, actual_value))
    return findings


def _same(declared: str, found: str) -> bool:
    if declared == found:
        return True
    try:
        return float(declared) == float(found)
    except ValueError:
        return False


@dataclass(slots=True)
class Applied:
    """What `apply_topics` did, and what it could not put right."""

    created: list[str] = field(default_factory=list)
    changed: list[Finding] = field(default_factory=list)
    remaining: list[Finding] = field(default_factory=list)


async def apply_topics(settings: Settings, topics: Topics | None = None) -> Applied:
    """Create the topics that are missing and correct settings that can be; repeating it changes nothing."""
    declared = load_topics(settings) if topics is None else topics
    by_topic = {spec.topic: spec for spec in declared.values()}
    applied = Applied()
    async with ClusterAdmin(settings) as admin:
        findings = compare(declared.values(), await admin.topics(by_topic))
        missing = [by_topic[found.topic] for found in findings if found.difference is Difference.MISSING]
        if missing:
            await admin.create(missing)
            applied.created = [spec.topic for spec in missing]
        wrong = [found for found in findings if found.difference is Difference.CONFIG]
        if wrong:
            await admin.set_config(
                {
                    topic: {found.setting: found.declared for found in wrong if found.topic == topic}
                    for topic in dict.fromkeys(found.topic for found in wrong)
                }
            )
            applied.changed = wrong
        applied.remaining = [found for found in findings if not found.repairable]
    return applied


async def check_topics(
    settings: Settings, topics: Topics | None = None, names: Iterable[str] | None = None
) -> list[Finding]:
    """Compare the cluster with the declaration (of `names` only, when given).

    Returns the differences that a process can live with. Raises TopicMismatchError when there is one that it
    cannot, and BrokerUnavailableError.
    """
    findings = await differences(settings, topics, names)
    fatal = [finding for finding in findings if finding.fatal]
    if fatal:
        raise TopicMismatchError(fatal)
    return findings


async def differences(
    settings: Settings, topics: Topics | None = None, names: Iterable[str] | None = None
) -> list[Finding]:
    """Every difference between the cluster and the declaration."""
    declared = load_topics(settings) if topics is None else topics
    specs = [declared[name] for name in (declared if names is None else names)]
    async with ClusterAdmin(settings) as admin:
        return compare(specs, await admin.topics([spec.topic for spec in specs]))
