"""The redactor that the settings ask for."""

from __future__ import annotations

from streamproc.model.document import DocumentError
from streamproc.rules.paths import parse_path
from streamproc.rules.problems import Problems
from streamproc.settings import Settings, SettingsError
from streamproc.sources.redact import Redactor


def redactor_of(settings: Settings) -> Redactor | None:
    """None when nothing is to be redacted. Raises SettingsError."""
    if not settings.redact:
        return None
    problems = Problems()
    paths = [parse_path(text, "STREAMPROC_REDACT", problems) for text in settings.redact]
    try:
        problems.check()
        return Redactor(paths)
    except DocumentError as error:
        raise SettingsError(str(error)) from None
    except ValueError as error:
        raise SettingsError(f"STREAMPROC_REDACT: {error}") from None
