"""`streamproc config import-users`: users from a CSV file, all of them or none."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from streamproc.cli.applying import print_changes
from streamproc.cli.failures import InputError
from streamproc.cli.output import note
from streamproc.cli.recording import change
from streamproc.cli.session import ask, author, read_snapshot
from streamproc.config.changes import check_documents, plan
from streamproc.config.documents import STANDARD_INPUT, Document
from streamproc.config.keyring import load_keyring
from streamproc.config.user_csv import UserCsvError, read_users
from streamproc.model.times import iso
from streamproc.settings import load_settings

USER = "user"


def import_users(
    file: Path = typer.Argument(..., help="A CSV file in UTF-8, or - for standard input."),
    tenant: str = typer.Option(..., "--tenant", "-t", help="Whose users they are."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check the file and show what would change; write nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Create and change users from ActionTrail's CSV columns: ID, name, enable, phone, SMS, voice, mailbox.

    One wrong row and nothing is imported; each is told with its line. Users whom the file lacks stay as they are, and
    so does what CSV has no column for, such as roles.
    """
    text = _text(file)
    settings = load_settings()

    async def run() -> None:
        snapshot = await read_snapshot(settings)

        def known(id: str) -> Mapping[str, Any] | None:
            record = snapshot.record(USER, tenant, id)
            return None if record is None else record.spec

        try:
            users = read_users(text, tenant, known)
        except UserCsvError as error:
            for problem in error.problems:
                note(f"{file}: {problem}")
            raise InputError(f"{file}: {len(error.problems)} problems, nothing was imported") from None
        documents = [
            Document(str(file), one.line, {**one.document, "kind": USER, "tenant_id": tenant}, {}) for one in users
        ]
        keyring = load_keyring(settings)
        now = iso(time.time_ns() // 1_000_000)
        changes = plan(snapshot, check_documents(documents, keyring), keyring, now=now, by=author())
        if dry_run:
            print_changes(changes, as_json, planned=True)
        else:
            await change(settings, changes, lambda: print_changes(changes, as_json))

    ask(run())


def _text(file: Path) -> str:
    try:
        content = sys.stdin.buffer.read() if str(file) == STANDARD_INPUT else file.read_bytes()
        return content.decode("utf-8")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: is not UTF-8 text") from None
