"""Rule types that know what came before: baselines, first-seen values, sequences, absence, travel."""

from __future__ import annotations

from streamproc.model.condition import (
    AbsenceCondition,
    AllOf,
    AnomalyCondition,
    Condition,
    Filter,
    NewValueCondition,
    Op,
    SequenceCondition,
    Test,
    TravelCondition,
)
from streamproc.rules.filter import parse_filter
from streamproc.rules.problems import Problems
from streamproc.rules.reading import (
    MIN_WINDOW_MS,
    read_choice,
    read_filter,
    read_group_by,
    read_number,
    read_path,
    read_span,
    told,
)
from streamproc.rules.settings import Settings

BUCKETS = {"hour": 3_600_000, "day": 86_400_000}
DAY_MS = 86_400_000
MAX_STEPS = 10
MIN_HISTORY_DAYS = 7
MIN_ACTIVE_BUCKETS = 10
"""A baseline needs so many days, and so many buckets with events (see `detect.anomaly`)."""
MAX_BASELINE_DAYS = 90
MAX_EVERY_MS = 366 * DAY_MS


def anomaly(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: `anomaly`, for one actor or for each."""
    where = settings.path("actor_id")
    actor = settings.take("actor_id")
    if actor is not None and (not isinstance(actor, str) or not actor):
        told(problems, where, actor, "an actor's id")
        actor = None
    found = _baseline(settings, problems, "day", 30, 10, 2.0, ("actor.id",))
    return found if actor is None else _of_actor(found, actor)


def ingestion_spike(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: `ingestion_spike`: the tenant's own volume."""
    return _baseline(settings, problems, "hour", 14, 100, 3.0, ())


def _of_actor(found: AnomalyCondition, actor: str) -> AnomalyCondition:
    only = Test(("actor", "id"), Op.EQ, actor)
    tree: Filter = only if found.filter == AllOf(()) else AllOf((only, found.filter))
    return AnomalyCondition(
        tree, found.bucket_ms, found.baseline_days, found.stddev, found.ratio, found.min_count, found.method,
        found.group_by,
    )  # fmt: skip


def _baseline(
    settings: Settings,
    problems: Problems,
    bucket: str,
    days: int,
    min_count: int,
    ratio: float,
    group_by: tuple[str, ...],
) -> AnomalyCondition:
    bucket_ms = BUCKETS[read_choice(settings, "bucket", bucket, tuple(BUCKETS), problems)]
    least_days = MIN_HISTORY_DAYS if bucket_ms < DAY_MS else MIN_ACTIVE_BUCKETS  # with fewer it could never fire
    baseline = int(
        read_number(settings, "baseline_window_days", days, least_days, MAX_BASELINE_DAYS, problems, whole=True)
    )
    stddev = read_number(settings, "threshold_stddev", 3, 0.1, 100, problems)
    ratio = read_number(settings, "ratio", ratio, 1, 1000, problems)
    least = int(read_number(settings, "min_count", min_count, 1, 10**9, problems, whole=True))
    method = read_choice(settings, "method", "stddev", ("stddev", "tail"), problems)
    groups = read_group_by(settings, problems, group_by)
    return AnomalyCondition(read_filter(settings, problems), bucket_ms, baseline, stddev, ratio, least, method, groups)


def new_country(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: `new_country`: each actor's countries."""
    return _new_value(settings, problems, "actor.country", ("actor.id",))


def new_value(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: `new_value`: a `path` of the author's choice."""
    return _new_value(settings, problems, None, ())


def _new_value(
    settings: Settings, problems: Problems, path: str | None, group_by: tuple[str, ...]
) -> NewValueCondition:
    found = read_path(settings, "path", path, problems)
    learning = read_number(settings, "learning_days", 0, 0, 365, problems)
    ttl = read_number(settings, "ttl_days", 90, 1, 3650, problems)
    groups = read_group_by(settings, problems, group_by)
    tree = read_filter(settings, problems)
    return NewValueCondition(tree, found, round(learning * DAY_MS), round(ttl * DAY_MS), groups)


def sequence(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: `sequence`: an event for each of the `steps` `within` a span."""
    where = settings.path("steps")
    written = settings.take("steps")
    steps: list[Filter] = []
    if not isinstance(written, list) or not 2 <= len(written) <= MAX_STEPS:
        told(problems, where, written, f"a list of 2 to {MAX_STEPS} filters")
        written = []
    for place, step in enumerate(written):
        if isinstance(step, dict) and step:
            steps.append(parse_filter(step, f"{where}[{place}]", problems))
        else:
            told(problems, f"{where}[{place}]", step, "a filter: a map of fields")
    ordered = settings.take("ordered", True)
    if not isinstance(ordered, bool):
        told(problems, settings.path("ordered"), ordered, "true or false")
        ordered = True
    within = _required_span(settings, "within", problems, 90 * DAY_MS)
    groups = read_group_by(settings, problems)
    return SequenceCondition(read_filter(settings, problems), tuple(steps), ordered, within, groups)


def absence(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: `absence`: what is expected at least once in a span."""
    every = _required_span(settings, "expect_every", problems, MAX_EVERY_MS)
    groups = read_group_by(settings, problems)
    return AbsenceCondition(read_filter(settings, problems), every, groups)


def impossible_travel(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: `impossible_travel`: places further apart than anyone travels in the time between."""
    speed = read_number(settings, "speed_kmh", 900, 1, 100_000, problems)
    least = read_number(settings, "min_km", 100, 0, 20_000, problems)
    groups = read_group_by(settings, problems, ("actor.id",))
    return TravelCondition(read_filter(settings, problems), speed, least, groups)


def _required_span(settings: Settings, name: str, problems: Problems, most_ms: int) -> int:
    where = settings.path(name)
    written = settings.take(name)
    if written is None:
        problems.add(where, "is required: a span such as 10m")
        return MIN_WINDOW_MS
    if type(written) is int:
        written = f"{written}s"  # a number is of seconds, as in window_seconds
    return read_span(where, written, problems, most_ms)
