"""Users from CSV, in ActionTrail's columns: all of a file, or nothing and what is wrong with each row.

    # ID, Name, Enable, Mobile phone number, Receive text messages, Receive voice calls, Mailbox
    test01,Kumer,true,86-13800138000,true,true,kumer@example.net

ActionTrail's page has `Enable` third in its rows and last in the heading above them, so both are read: a third column
that is `true` or `false` is `Enable`, any other is the phone, and `Enable` is last. Lines that begin with `#`, empty
ones, and a heading whose first column is `ID` are passed over.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streamproc.model.document import DocumentError, snake
from streamproc.model.user import User, parse_user

MAX_ROWS = 10_000
MAX_CHARACTERS = 4_000_000
MAX_PROBLEMS = 1000
COLUMNS = ("id", "name", "enabled", "phone", "sms", "voice", "email")
"""The order of ActionTrail's rows; that of its heading has `enabled` last."""
_ENABLED_LAST = ("id", "name", "phone", "sms", "voice", "email", "enabled")
_TRUTHS = {"true": True, "false": False}
_FLAGS = frozenset({"enabled", "sms", "voice"})


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong in one row; `line` is counted from 1, and is 0 for the whole file."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class UserCsvError(ValueError):
    """A file of which nothing is imported; `problems` is never empty, and in the order of rows."""

    def __init__(self, problems: tuple[RowProblem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ImportedUser:
    """A row as a document of kind `user` (without kind and tenant_id), and as what it means."""

    line: int
    document: Mapping[str, Any]
    user: User


def read_users(
    text: str, tenant: str, known: Callable[[str], Mapping[str, Any] | None] = lambda id: None
) -> tuple[ImportedUser, ...]:
    """The users of a file, in its order. Raises UserCsvError.

    `known`: by id the spec of a user who is configured already, or None; what CSV has no column for, such as roles,
    stays as it is there.
    """
    if len(text) > MAX_CHARACTERS:
        raise UserCsvError((RowProblem(0, f"has {len(text)} characters, which is more than {MAX_CHARACTERS}"),))
    found: dict[str, ImportedUser] = {}
    problems: list[RowProblem] = []
    # Line by line, so that a quote that is never closed spoils its own row only; no column of ours holds line breaks.
    for line, row in enumerate(re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff")), 1):
        if row.lstrip().startswith("#"):
            continue
        try:
            cells = [cell.strip() for cell in next(csv.reader([row], strict=True, skipinitialspace=True), [])]
        except csv.Error as error:
            problems.append(RowProblem(line, f"is not CSV: {error}"))
            continue
        if not any(cells) or (cells[0].lower() == "id" and not found):
            continue
        if len(found) >= MAX_ROWS:
            problems.append(RowProblem(line, f"is one too many: a file has at most {MAX_ROWS} users"))
            break
        if len(problems) >= MAX_PROBLEMS:
            problems.append(RowProblem(line, "and further rows; mend these first"))
            break
        _take(cells, line, tenant, known, found, problems)
    if not found and not problems:
        problems.append(RowProblem(0, "has no users"))
    if problems:
        raise UserCsvError(tuple(problems))
    return tuple(found.values())


def _take(
    cells: list[str],
    line: int,
    tenant: str,
    known: Callable[[str], Mapping[str, Any] | None],
    found: dict[str, ImportedUser],
    problems: list[RowProblem],
) -> None:
    if len(cells) != len(COLUMNS):
        problems.append(RowProblem(line, f"has {len(cells)} columns, not {len(COLUMNS)}: {', '.join(COLUMNS)}"))
        return
    columns = COLUMNS if cells[2].lower() in _TRUTHS else _ENABLED_LAST
    written: dict[str, Any] = {}
    wrong: list[str] = []
    for name, cell in zip(columns, cells, strict=True):
        if name in _FLAGS:
            if cell.lower() not in _TRUTHS:
                wrong.append(f"{name}: {cell!r:.80} is not true or false")
            written[name] = _TRUTHS.get(cell.lower(), False)
        else:
            written[name] = cell
    id = written["id"]
    document = {**{snake(name): value for name, value in (known(id) or {}).items()}, **written}
    try:
        user = parse_user({**document, "tenant_id": tenant})
    except DocumentError as error:
        wrong += [str(problem) for problem in error.problems]
    else:
        if id in found:
            wrong.append(f"id: {id!r} is in line {found[id].line} already")
        elif not wrong:
            found[id] = ImportedUser(line, document, user)
    problems += [RowProblem(line, message) for message in wrong]
