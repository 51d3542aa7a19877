"""`streamproc dead-letters`: records that could not be used, and sending them again once the cause is mended."""

from __future__ import annotations

import base64
from typing import Any

import typer

from streamproc.cli.failures import InputError
from streamproc.cli.output import print_rows
from streamproc.cli.recording import entry, recording
from streamproc.cli.session import ask
from streamproc.kafka.dead_letter_topic import Letter, read_letters, replay
from streamproc.kafka.topics import check_topics, load_topics
from streamproc.model.rule import EVERY_TENANT
from streamproc.model.times import iso
from streamproc.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True)

SHOWN_BYTES = 200

AsJson = typer.Option(False, "--json", help="Print JSON, with the whole record in base64.")
Reason = typer.Option(None, "--reason", help="Only letters with this reason, such as not_json.")


@app.command("list")
def list_letters(reason: str | None = Reason, as_json: bool = AsJson) -> None:
    """List dead letters, the newest last: what was wrong, and where each came from."""
    settings = load_settings()
    letters = [letter for letter in ask(_read(settings)) if reason is None or letter.reason == reason]
    columns = ("id", "at", "by", "reason", "origin", "message", "value")
    print_rows(columns, [_row(letter, as_json) for letter in letters], as_json)


@app.command("replay")
def replay_letters(
    ids: list[str] = typer.Argument(None, help="Ids as listed; none: all (or those of --reason)."),
    reason: str | None = Reason,
) -> None:
    """Send letters to where they came from again; what is still wrong comes back as a new letter.

    The letters stay in the topic until its retention ends. An event that was counted before is recognised by its id.
    """
    settings = load_settings()
    letters = {letter.id: letter for letter in ask(_read(settings)) if reason is None or letter.reason == reason}
    unknown = [id for id in ids or () if id not in letters]
    if unknown:
        raise InputError(f"{unknown[0]}: is no dead letter; `streamproc dead-letters list` shows them")
    chosen = [letters[id] for id in ids] if ids else list(letters.values())
    ask(_replay(settings, chosen))


async def _replay(settings: Settings, letters: list[Letter]) -> None:
    async with recording(settings) as record:
        await replay(settings, load_topics(settings), letters)
        print(f"{len(letters)} sent again")
        # in the operators' log: a letter's tenant is what its sender claims
        await record([entry("dead_letter", EVERY_TENANT, one.id, "replay") for one in letters])


async def _read(settings: Settings) -> list[Letter]:
    topics = load_topics(settings)
    await check_topics(settings, topics, names=["dead-letters"])
    return await read_letters(settings, topics)


def _row(letter: Letter, whole: bool) -> dict[str, Any]:
    value = letter.value or b""
    shown = base64.b64encode(value).decode() if whole else value[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return {
        "id": letter.id,
        "at": iso(letter.timestamp),
        "by": letter.by,
        "reason": letter.reason,
        "origin": f"{letter.origin_topic}/{letter.origin_partition}@{letter.origin_offset}",
        "message": letter.message,
        "value": shown,
    }
