"""Bringing the cluster to the partition counts that topics.yaml declares: what can be done, and doing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError

from streamproc.kafka.admin import AdminError, ClusterAdmin, TopicState
from streamproc.kafka.client import unreachable
from streamproc.kafka.ledger import Fenced
from streamproc.kafka.resize_plan import ResizePlan, unfinished
from streamproc.kafka.topic_file import TopicSpec
from streamproc.kafka.topics import Topics, load_topics
from streamproc.runtime.resize_groups import groups
from streamproc.runtime.resize_table import Progress, TableResize
from streamproc.runtime.takeover import nobody_runs
from streamproc.settings import Settings

ONE_PARTITION = "one partition"
"""What topics.yaml says of topics whose readers want one order over all."""
TABLE_GROUPS = ("detect", "deliver")


@dataclass(frozen=True, slots=True)
class Step:
    """Some topics (by the product's names) that get more partitions together. `group`: rows move with them."""

    topics: tuple[str, ...]
    old: int
    new: int
    group: str | None = None
    begun: bool = False
    """A run before this one was cut off in it."""


@dataclass(slots=True)
class Resize:
    """`steps` are to be done; while there is anything `refused`, none is. `done` has a plan per step with a group."""

    steps: list[Step] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    done: dict[str, ResizePlan] = field(default_factory=dict)


async def planned(settings: Settings, topics: Topics | None = None) -> Resize:
    """What is to be done; changes nothing. Raises BrokerUnavailableError and SettingsError."""
    declared = load_topics(settings) if topics is None else topics
    async with ClusterAdmin(settings) as admin:
        found = await admin.topics([spec.topic for spec in declared.values()])
    made = plan(declared, found)
    for group in TABLE_GROUPS:
        changelog = _changelog(settings, declared, group)
        if changelog is None or changelog.topic not in found:
            continue
        begun = await unfinished(settings, changelog)
        if begun is not None:
            made.steps = [step for step in made.steps if step.group != group]
            made.refused = [line for line in made.refused if not line.startswith(f"group {group}:")]
            names = tuple(spec.name for spec in declared.co_partitioned(group))
            made.steps.insert(0, Step(names, begun.old, begun.new, group, begun=True))
            if begun.new != changelog.partitions:
                made.refused.append(
                    f"group {group}: a resize from {begun.old} to {begun.new} partitions was begun and not finished, "
                    f"and {changelog.partitions} are declared: declare {begun.new} and finish it first"
                )
    return made


def plan(declared: Topics, found: Mapping[str, TopicState]) -> Resize:
    """The steps from what is there to what is declared. Pure."""
    made = Resize()
    grown: dict[str, list[TopicSpec]] = {}
    for spec in declared.values():
        state = found.get(spec.topic)
        if state is None:
            made.refused.append(f"{spec.topic}: is missing; run `streamproc topics apply` first")
        elif spec.partitions < state.partitions:
            made.refused.append(
                f"{spec.topic}: has {state.partitions} partitions and cannot be given {spec.partitions}: Kafka cannot "
                "take partitions away from a topic"
            )
        elif spec.partitions > state.partitions:
            if spec.co_partition is not None:
                grown.setdefault(spec.co_partition, []).append(spec)
            elif spec.cleanup != "delete" or spec.partition_by == ONE_PARTITION:
                made.refused.append(
                    f"{spec.topic}: has {state.partitions} partitions and cannot be given {spec.partitions}: its "
                    + ("readers want one order" if spec.partition_by == ONE_PARTITION else "compacted keys would move")
                )
            else:
                made.steps.append(Step((spec.name,), state.partitions, spec.partitions))
    for group, specs in grown.items():
        counts = {found[spec.topic].partitions for spec in declared.co_partitioned(group) if spec.topic in found}
        names = tuple(spec.name for spec in declared.co_partitioned(group))
        if group not in TABLE_GROUPS:
            made.refused.append(
                f"group {group}: {', '.join(names)} have {min(counts)} partitions and cannot be given "
                f"{specs[0].partitions}: `alerts` is public, and whoever reads it would see every alert that moves "
                "deleted; see docs/how-to/resize-topics.md"
            )
        elif len(counts) > 1 or len(specs) < len(names):
            made.refused.append(
                f"group {group}: {', '.join(names)} have {' and '.join(map(str, sorted(counts)))} partitions, and "
                "must have the same number: something else than `topics resize` has changed them"
            )
        else:
            made.steps.insert(0, Step(names, counts.pop(), specs[0].partitions, group))
    return made


async def resize(settings: Settings, progress: Progress, topics: Topics | None = None) -> Resize:
    """Do what is planned; nothing while something is refused. May be run again after it was cut off.

    Raises StillRunningError, ResizeError, AdminError and BrokerUnavailableError.
    """
    declared = load_topics(settings) if topics is None else topics
    made = await planned(settings, declared)
    if made.refused or not made.steps:
        return made
    progress("looking who runs")
    await nobody_runs(settings, declared)
    known = groups(settings, declared)
    for step in made.steps:
        try:
            if step.group is None:
                progress(f"{declared[step.topics[0]].topic}: from {step.old} to {step.new} partitions")
                async with ClusterAdmin(settings) as admin:
                    await admin.grow({declared[step.topics[0]].topic: step.new})
                continue
            group = known[step.group]
            both = (declared[group.input], declared[group.changelog])
            made.done[step.group] = await TableResize(settings, group, both, step.old, progress).run()
        except Fenced as error:
            raise AdminError(f"{error}: somebody else started to work on it; stop them and run this again") from error
        except (OSError, TimeoutError):
            raise unreachable(settings) from None
        except KafkaError as error:
            raise AdminError(f"the cluster refused a step ({error}); run this again") from error
    return made


def _changelog(settings: Settings, declared: Topics, group: str) -> TopicSpec | None:
    name = groups(settings, declared)[group].changelog
    return declared.get(name)
