"""One attempt at a channel that takes a request per recipient, as one outcome.

What a provider says of one recipient (400, or a code of its own) is about that one; anything else (no connection, 401,
429, 5xx) is about the channel, so the recipients behind it are not asked. The `Progress` in the outcome says who needs
no further attempt, and a retry asks the others alone.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.model.notification import Notification

Ask = Callable[[str], Awaitable[Outcome]]


async def each(notification: Notification, recipients: Sequence[str], ask: Ask, seconds: float) -> Outcome:
    """Ask for every recipient that is left, one after another, for about so many seconds. Raises what `ask` does."""
    started = time.monotonic()
    reached: list[str] = []
    refused: list[str] = []
    words: list[str] = []
    last = Outcome(OutcomeKind.PERMANENT, Reason.SETTINGS, detail="nobody is left to be told")
    left = notification.progress.left(recipients)
    later = False
    for place, recipient in enumerate(left):
        if place and time.monotonic() - started > seconds:
            detail = f"{len(left) - place} recipients wait for the next attempt"
            last, later = Outcome(OutcomeKind.RETRY, Reason.TIMEOUT, detail=detail), True
            break
        last = await ask(recipient)
        if last.kind is OutcomeKind.DELIVERED:
            reached.append(recipient)
            continue
        words.append(f"{recipient}: {last.detail or last.excerpt[:100] or last.reason}")
        if last.kind is OutcomeKind.RETRY:
            later = True
            break
        refused.append(recipient)
        if not _about_one(last):
            break
    progress = notification.progress.after(reached, refused)
    several = len(left) > 1
    outcome = replace(
        last,
        progress=progress,
        latency_ms=round((time.monotonic() - started) * 1000),
        detail="; ".join(words) if several and words else last.detail,
    )
    if later or not progress.reached:
        return outcome
    detail = f"refused: {'; '.join(words)}" if words else ""
    return replace(outcome, kind=OutcomeKind.DELIVERED, reason=Reason.OK, detail=detail)


def _about_one(outcome: Outcome) -> bool:
    return outcome.status == 400 or outcome.reason is Reason.PROVIDER_ERROR
