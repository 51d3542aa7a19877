"""What an HTTP status means for the next attempt (CONTRACT "Delivery", the table of outcomes)."""

from __future__ import annotations

from streamproc.model.delivery import Outcome, OutcomeKind, Reason

__all__ = ["Outcome", "OutcomeKind", "Reason", "of_status", "unusable"]


def of_status(status: int) -> tuple[OutcomeKind, Reason]:
    """The class of an HTTP status, before a provider's own code in the body is looked at."""
    if 200 <= status < 300:
        return OutcomeKind.DELIVERED, Reason.OK
    if 300 <= status < 400:
        return OutcomeKind.PERMANENT, Reason.REDIRECT
    if status == 410:
        return OutcomeKind.DISABLED, Reason.GONE
    if status == 429:
        return OutcomeKind.RETRY, Reason.RATE_LIMITED
    if status in (408, 425):
        return OutcomeKind.RETRY, Reason.TIMEOUT
    if 400 <= status < 500:
        return OutcomeKind.PERMANENT, Reason.CLIENT_ERROR
    return OutcomeKind.RETRY, Reason.SERVER_ERROR


def unusable(detail: str) -> Outcome:
    """The settings cannot be used as they are; `detail` says what to change."""
    return Outcome(OutcomeKind.PERMANENT, Reason.SETTINGS, detail=detail)
