"""One attempt at what takes several requests: a batch that is too large for one, or alerts that are sent one by one.

Requests have keys. The `Progress` in the outcome says which need no further attempt, so a retry repeats only what
failed. Unlike with recipients, all must get through: when a part was refused for good, the attempt was.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import orjson

from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.model.content import Content, SendMode
from streamproc.model.notification import Notification
from streamproc.model.progress import Progress

MAX_BYTES = 1_000_000
"""Of the body of a batch; an alert that is larger goes alone."""


@dataclass(frozen=True, slots=True)
class Part:
    """One request. `keys`: what of the batch is in it. `id`: the same on every retry, and no other request's."""

    keys: tuple[str, ...]
    id: str
    body: bytes

    @property
    def name(self) -> str:
        """`11-20`, or `7`."""
        return self.keys[0] if len(self.keys) == 1 else f"{self.keys[0]}-{self.keys[-1]}"


Ask = Callable[[Part], Awaitable[Outcome]]


def parts(
    notification: Notification,
    items: Sequence[bytes],
    *,
    listed: bool,
    max_items: int | None = None,
    max_bytes: int = MAX_BYTES,
) -> list[Part]:
    """The requests of an attempt, without those that need no further one.

    `listed`: lists of items, as JSON; else each item is a body of its own. The places of a request's items, from 1,
    are its key, so the same settings make the same requests again.
    """
    spans = _spans([len(item) + 1 for item in items], (max_items or len(items)) if listed else 1, max_bytes)
    found = []
    for start, end in spans:
        alone = len(spans) == 1
        key = f"{start + 1}-{end}"
        body = b"[" + b",".join(items[start:end]) + b"]" if listed else items[start]
        found.append(Part((key,), notification.delivery_id if alone else f"{notification.delivery_id}.{key}", body))
    left = set(notification.progress.left(part.keys[0] for part in found))
    return [part for part in found if part.keys[0] in left]


def _spans(sizes: Sequence[int], max_items: int, max_bytes: int) -> list[tuple[int, int]]:
    """(start, end) of runs of at most so many items and bytes, one item at least."""
    spans: list[tuple[int, int]] = []
    start, size = 0, 0
    for place, one in enumerate(sizes):
        if place > start and (place - start >= max_items or size + one > max_bytes):
            spans.append((start, place))
            start, size = place, 0
        size += one
    return [*spans, (start, len(sizes))]


async def in_parts(notification: Notification, requests: Sequence[Part], ask: Ask, seconds: float) -> Outcome:
    """Make the requests, one after another, for about so many seconds. Raises what `ask` does.

    What `ask` says in `progress` of its part's keys counts; else they all are as the part is.
    """
    if len(requests) == 1 and not (notification.progress.reached or notification.progress.refused):
        only = await ask(requests[0])
        if only.progress is None or only.kind is OutcomeKind.DELIVERED:
            return replace(only, progress=None)
        return only
    started = time.monotonic()
    progress, words = notification.progress, list[str]()
    later: Outcome | None = None
    gave_up: Outcome | None = None
    last = Outcome(OutcomeKind.DELIVERED, Reason.OK)
    for place, part in enumerate(requests):
        if place and time.monotonic() - started > seconds:
            words.append(f"{len(requests) - place} requests wait for the next attempt")
            later = Outcome(OutcomeKind.RETRY, Reason.TIMEOUT)
            break
        last = await ask(part)
        done = last.progress or _as_a_whole(part, last)
        progress = progress.after(done.reached, done.refused)
        if last.kind is OutcomeKind.DELIVERED:
            continue
        words.append(f"{part.name}: {last.detail or last.excerpt[:100] or last.reason}")
        if last.kind is OutcomeKind.RETRY:
            later = last
            break
        gave_up = last
        if not _about_one(last):
            break
    if later is None and gave_up is None and progress.refused:
        gave_up = replace(last, kind=OutcomeKind.PERMANENT, reason=Reason.PROVIDER_ERROR)
        words.append(f"{', '.join(progress.refused)}: refused by an earlier attempt")
    outcome = later or gave_up or last
    if words and progress.reached:
        words.append(f"{', '.join(progress.reached)} got through")
    latency = round((time.monotonic() - started) * 1000)
    return replace(outcome, progress=progress, detail="; ".join(words), latency_ms=latency)


def _as_a_whole(part: Part, outcome: Outcome) -> Progress:
    if outcome.kind is OutcomeKind.DELIVERED:
        return Progress(reached=part.keys)
    return Progress() if outcome.kind is OutcomeKind.RETRY else Progress(refused=part.keys)


def _about_one(outcome: Outcome) -> bool:
    """Whether a refusal says nothing of the other requests."""
    return outcome.status in (400, 413, 422) or outcome.reason is Reason.PROVIDER_ERROR


def mode_of(content: Content | None, mode: SendMode) -> SendMode:
    """Single or batch: as the template says, else as the channel does."""
    return (content.send_mode if content is not None else None) or mode


def most(content: Content | None, max_items: int | None) -> int | None:
    """The greatest number of items: the template's and the channel's, whichever is smaller."""
    said = [limit for limit in (content.max_items if content is not None else None, max_items) if limit is not None]
    return min(said, default=None)


def content_items(content: Content, *, listed: bool) -> list[bytes]:
    """What a template made of each alert. JSON is sent as JSON; a list in which one is not is a list of texts."""
    values = []
    try:
        values = [orjson.loads(item) for item in content.items]
    except ValueError:
        texts = content.items
        return [orjson.dumps(text) if listed else text.encode("utf-8", "replace") for text in texts]
    return [orjson.dumps(value) for value in values]
