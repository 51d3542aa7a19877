"""Which failures are expected, and the exit status and the one line that each becomes."""

from __future__ import annotations

from streamproc.config.changes import DocumentsError
from streamproc.config.documents import DocumentFileError
from streamproc.config.keyring import SealError
from streamproc.config.quota import QuotaError
from streamproc.config.record import RecordError
from streamproc.kafka.admin import AdminError
from streamproc.kafka.client import BrokerUnavailableError
from streamproc.kafka.topics import TopicMismatchError
from streamproc.settings import SettingsError

FINDINGS = 1
BAD_INPUT = 2
NO_BROKER = 3


class InputError(ValueError):
    """Something the caller gave cannot be used; the text is one line that says what and where."""


class UnrecordedError(Exception):
    """What was asked for is done, and the audit log does not say so."""


_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (BrokerUnavailableError, NO_BROKER),
    (UnrecordedError, NO_BROKER),
    (InputError, BAD_INPUT),
    (SettingsError, BAD_INPUT),
    (DocumentFileError, BAD_INPUT),
    (DocumentsError, BAD_INPUT),
    (QuotaError, BAD_INPUT),
    (RecordError, BAD_INPUT),
    (SealError, BAD_INPUT),
    (TopicMismatchError, BAD_INPUT),
    (AdminError, BAD_INPUT),
)


def explain(error: Exception) -> tuple[int, str] | None:
    """(exit status, line) of an expected failure, None for any other."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status, " ".join(str(error).split())
    return None
