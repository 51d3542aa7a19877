"""What is wrong with an installation, and what to do about it: judgements on what `examine` found.

Nothing here asks anyone anything: time, files and answers are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from streamproc.config.snapshot import ConfigProblem
from streamproc.kafka.group_progress import Clocks, GroupProgress
from streamproc.kafka.topics import Finding

BEHIND_S = 60
"""A group is behind when a record has waited for longer."""
GEOIP_OLD_DAYS = 60
CLOCKS_APART_MS = 2000
"""What a clock may differ from the broker's: stream time waits a second, so more shows."""
DISK_FREE_SHARE, DISK_FREE_BYTES = 0.1, 1 << 30
"""A disk is short of room below both."""


class State(StrEnum):
    """What a check came to; only `wrong` asks for anything."""

    FINE = "fine"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `advice` says what to do where the state is not fine."""

    check: str
    subject: str
    state: State
    said: str
    advice: str = ""

    def row(self) -> dict[str, str]:
        return {name: str(value) for name, value in asdict(self).items()}


def fine(check: str, subject: str, said: str) -> Check:
    return Check(check, subject, State.FINE, said)


def wrong(check: str, subject: str, said: str, advice: str) -> Check:
    return Check(check, subject, State.WRONG, said, advice)


def unknown(check: str, subject: str, said: str, advice: str = "") -> Check:
    return Check(check, subject, State.UNKNOWN, said, advice)


def topics(declared: int, findings: Sequence[Finding]) -> list[Check]:
    """The cluster's topics against topics.yaml."""
    if not findings:
        return [fine("topics", "all", f"{declared} topics are as topics.yaml says")]
    return [
        wrong(
            "topics",
            finding.topic,
            str(finding),
            "run `streamproc topics apply`"
            if finding.repairable
            else "raise the replication by reassigning its partitions, or change topics.yaml"
            if not finding.fatal
            else "change topics.yaml to what is there, or `streamproc topics resize`",
        )
        for finding in findings
    ]


def lag(progress: GroupProgress, command: str, now_ms: int) -> list[Check]:
    """One consumer group: whether somebody reads, and how far behind."""
    checks = []
    if not progress.members:
        checks.append(wrong("lag", progress.group, "nobody is a member of the group", f"start `streamproc {command}`"))
    for topic in progress.lags:
        subject = f"{progress.group} on {topic.topic}"
        waiting = 0 if topic.oldest is None else (now_ms - topic.oldest) / 1000
        if topic.oldest is None:
            checks.append(fine("lag", subject, "nothing waits"))
        elif waiting <= BEHIND_S:
            checks.append(fine("lag", subject, f"{topic.records} records wait, the oldest for {waiting:.0f} s"))
        else:
            checks.append(
                wrong(
                    "lag",
                    subject,
                    f"{topic.records} records wait, the oldest for {_span(waiting)}",
                    f"look at the log and the /metrics of `streamproc {command}`; when its CPU is busy, start another"
                    if progress.members
                    else f"start `streamproc {command}`: it goes on where the group stopped",
                )
            )
    return checks


def config(rules: int, problems: Iterable[ConfigProblem]) -> list[Check]:
    """Records that are not in force."""
    found = [
        wrong(
            "config",
            problem.key or "a record without a key",
            problem.message,
            f"mend it and apply it again, or `streamproc config delete {problem.kind} {problem.id} "
            f"--tenant {problem.tenant}`"
            if problem.id
            else "delete the record; its key is not tenant/kind/id",
        )
        for problem in problems
    ]
    return found or [fine("config", "all", f"{rules} rules are in force, and no record has a problem")]


def channels(usable: int, unusable: Mapping[str, str], disabled: Mapping[str, str]) -> list[Check]:
    """Channels and webhooks by name, with why they tell nobody."""
    found = [
        wrong("channels", name, f"cannot be used: {why}", "mend it and `streamproc config apply` it again")
        for name, why in sorted(unusable.items())
    ]
    found += [
        wrong("channels", name, f"is disabled ({why})", "set `enabled: true` once the endpoint works, or delete it")
        for name, why in sorted(disabled.items())
    ]
    return found or [fine("channels", "all", f"{usable} channels and webhooks can be used")]


def endpoint(name: str, address: str, refused: str | None) -> Check:
    """A connection to a channel's endpoint, without a request."""
    if refused is None:
        return fine("endpoints", name, f"{address} takes connections")
    return wrong("endpoints", name, f"{address}: {refused}", "mend the address, the network or the proxy between")


def geoip(path: Path | None, needing: int, problem: str | None, built_days: float | None) -> Check:
    """The MMDB file, for `needing` rules that read what it adds."""
    subject = "none" if path is None else str(path)
    if path is None:
        if not needing:
            return fine("geoip", subject, "no rule needs a place")
        return wrong(
            "geoip", subject, f"{needing} rules need places of addresses", "set STREAMPROC_GEOIP_DB to an MMDB file"
        )
    if problem is not None:
        return wrong("geoip", subject, problem, "put a usable MMDB file in its place")
    if built_days is not None and built_days > GEOIP_OLD_DAYS:
        return wrong("geoip", subject, f"is {built_days:.0f} days old", "get a newer one; addresses move")
    return fine("geoip", subject, "usable" if built_days is None else f"usable, {built_days:.0f} days old")


def clock(clocks: Clocks) -> Check:
    """Our clock against the broker's, as exactly as the round trip lets us see."""
    ahead = 0
    if clocks.broker < clocks.before:
        ahead = clocks.before - clocks.broker
    elif clocks.broker > clocks.after:
        ahead = clocks.after - clocks.broker
    if abs(ahead) <= CLOCKS_APART_MS:
        return fine("clocks", "this machine", f"within {abs(ahead) + clocks.after - clocks.before} ms of the broker's")
    return wrong(
        "clocks",
        "this machine",
        f"is {_span(abs(ahead) / 1000)} {'ahead of' if ahead > 0 else 'behind'} the broker's",
        "let both follow the same time servers (chrony, systemd-timesyncd)",
    )


def site(process: str, url: str, status: int | None, answer: Mapping[str, Any], members: int | None) -> Check:
    """A process's /readyz. `status` None: nobody answers; `members` are those of its group, None: it has none."""
    if status == 200:
        return fine("health", process, f"{url} is ready")
    if status is not None:
        said = ", ".join(f"{name}: {value}" for name, value in answer.items() if value not in ({}, [], "", None))
        return wrong(
            "health", process, f"{url} answers {status} ({said or 'no reason given'})"[:400], "look at its log"
        )
    setting = "STREAMPROC_HTTP" if process == "api" else f"STREAMPROC_{process.upper()}_HTTP"
    if members:
        return unknown(
            "health",
            process,
            f"nobody answers at {url}, but the group has {members} members",
            f"elsewhere? set {setting}",
        )
    return wrong(
        "health", process, f"nobody answers at {url}", f"start `streamproc {process}`, or set {setting} to where it is"
    )


def disk(path: Path, free: int, total: int) -> Check:
    """The disk of DATA_DIR."""
    said = f"{free / 2**30:.1f} GiB of {total / 2**30:.1f} GiB are free"
    if free < DISK_FREE_BYTES and free < total * DISK_FREE_SHARE:
        return wrong("disk", str(path), said, "make room, or move DATA_DIR: state is rebuilt from the changelogs")
    return fine("disk", str(path), said)


def keyring(path: Path, in_settings: bool, mode: int | None, sealed: int) -> Check:
    """The key that seals secrets, where `sealed` records have some; `mode` None: there is no file."""
    if in_settings:
        return fine("keyring", "STREAMPROC_SECRET_KEY", "is set")
    if mode is None:
        if not sealed:
            return fine("keyring", str(path), "not made yet, and nothing is sealed")
        return wrong(
            "keyring",
            str(path),
            f"is missing, and {sealed} records have sealed secrets",
            "copy it from the machine that sealed them, or set STREAMPROC_SECRET_KEY to its text",
        )
    if mode & 0o077:
        return wrong("keyring", str(path), f"has mode {mode & 0o777:04o}", f"chmod 600 {path}")
    return fine("keyring", str(path), "only its owner may read it")


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
