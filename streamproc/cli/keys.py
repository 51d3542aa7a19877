"""`streamproc keys`: API keys, made and revoked straight on the config topic."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from streamproc.cli.failures import InputError
from streamproc.cli.output import note, print_json, print_rows
from streamproc.cli.recording import change
from streamproc.cli.session import ask, author, read_snapshot
from streamproc.config.changes import check_document, plan
from streamproc.config.keyring import Keyring, load_keyring
from streamproc.config.record import ConfigRecord
from streamproc.config.snapshot import Snapshot
from streamproc.model.document import DocumentError
from streamproc.model.key import PERSON, Key, Scope, parse_key
from streamproc.model.times import iso
from streamproc.settings import load_settings
from streamproc.web.keys import KIND, key_spec, new_key

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("id", "tenant_id", "name", "scopes", "last4", "created_at", "expires_at", "state")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_TENANT = typer.Option(..., "--tenant", "-t", help="Whose key; `*` for operators, who see every tenant.")
_JSON = typer.Option(False, "--json", help="Print JSON.")


@app.command()
def create(
    name: str = typer.Argument(..., help="For people: what or who uses it."),
    tenant: str = _TENANT,
    scope: list[str] = typer.Option(["admin"], "--scope", "-s", help=f"One of {', '.join(Scope)}; may be repeated."),
    expires: str = typer.Option("", help="After so long, such as 90d or 12h; default: never."),
    as_json: bool = _JSON,
) -> None:
    """Make a key and print it, this once: only a hash of it is kept."""
    if name.startswith(PERSON):
        raise InputError(f"{name!r}: begins with {PERSON}, as the names of people do who sign in; take another")
    scopes = _scopes(scope)
    expires_at = None if not expires else datetime.now(UTC) + _span("--expires", expires)

    def make(snapshot: Snapshot, keyring: Keyring) -> tuple[str, str, dict[str, Any]]:
        made = new_key(keyring)
        made_keys.append(made.token)
        return tenant, made.id, key_spec(made, name, scopes, expires_at, now=datetime.now(UTC))

    made_keys: list[str] = []
    _change(make, lambda record: _print_new(record, made_keys[0], as_json))


@app.command(name="list")
def list_(
    tenant: str = typer.Option("", "--tenant", "-t", help="Only this tenant's."),
    as_json: bool = _JSON,
) -> None:
    """Every key, without its text: the last four characters tell keys apart."""
    snapshot = ask(read_snapshot(load_settings()))
    print_rows(COLUMNS, [_row(record) for record in snapshot.records(KIND, tenant or None)], as_json)


@app.command()
def revoke(
    id: str = typer.Argument(..., help="As `streamproc keys list` shows it."),
    tenant: str = typer.Option("", "--tenant", "-t", help="Whose, where two tenants have the same id."),
) -> None:
    """A key opens nothing any more, within two seconds and everywhere; nor do sessions that were opened with it."""

    def make(snapshot: Snapshot, keyring: Keyring) -> tuple[str, str, dict[str, Any]]:
        record = _found(snapshot, id, tenant)
        return record.tenant, record.id, {"revoked_at": datetime.now(UTC).isoformat(), **record.spec}

    _change(make, lambda record: print(f"revoked {record.key}"), "revoke")


@app.command()
def rotate(
    id: str = typer.Argument(..., help="As `streamproc keys list` shows it."),
    overlap: str = typer.Option("1d", help="For so long the old text opens too; 0s: not at all."),
    tenant: str = typer.Option("", "--tenant", "-t", help="Whose, where two tenants have the same id."),
    as_json: bool = _JSON,
) -> None:
    """A new text for the same key, printed this once; the old one opens too for a while."""
    until = datetime.now(UTC) + _span("--overlap", overlap)

    def make(snapshot: Snapshot, keyring: Keyring) -> tuple[str, str, dict[str, Any]]:
        record = _found(snapshot, id, tenant)
        key = parse_key(record.document())
        if key.is_session:
            raise InputError(f"{record.key}: is of a session; it can only be revoked")
        if not key.opens_at(datetime.now(UTC)):
            raise InputError(f"{record.key}: is revoked or has expired; create another")
        made = new_key(keyring, record.id)
        made_keys.append(made.token)
        return record.tenant, record.id, {**record.spec, "hashes": key.rotated(made.hash, until, datetime.now(UTC))}

    made_keys: list[str] = []
    _change(make, lambda record: _print_new(record, made_keys[0], as_json), "rotate")


def _change(
    make: Callable[[Snapshot, Keyring], tuple[str, str, dict[str, Any]]],
    told: Callable[[ConfigRecord], None],
    action: str | None = None,
) -> None:
    """`told` is called when Kafka has acknowledged the key: its text is shown even if the audit log cannot be."""
    settings = load_settings()
    keyring = load_keyring(settings)

    async def run() -> None:
        snapshot = await read_snapshot(settings)
        tenant, id, spec = make(snapshot, keyring)
        try:
            wanted = check_document({**spec, "id": id}, keyring, KIND, tenant)
        except DocumentError as error:
            raise InputError(str(error)) from None
        changes = plan(snapshot, [wanted], keyring, now=iso(time.time_ns() // 1_000_000), by=author())
        await change(settings, changes, lambda: told(changes[0].record), action)

    ask(run())


def _found(snapshot: Snapshot, id: str, tenant: str) -> ConfigRecord:
    found = [record for record in snapshot.records(KIND, tenant or None) if record.id == id]
    if len(found) != 1:
        raise InputError(f"{id}: " + ("is no key" if not found else "more than one tenant has it; give --tenant"))
    return found[0]


def _scopes(given: list[str]) -> list[str]:
    names = [name.strip() for one in given for name in one.split(",") if name.strip()]
    for name in names:
        if name not in list(Scope):
            raise InputError(f"--scope: {name!r} is not one of {', '.join(Scope)}")
    return list(dict.fromkeys(names))


def _span(option: str, text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if match is None:
        raise InputError(f"{option}: {text!r} is not a span such as 90d, 12h or 30m")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _row(record: ConfigRecord) -> dict[str, Any]:
    try:
        key: Key = parse_key(record.document())
    except DocumentError:
        return {"id": record.id, "tenant_id": record.tenant, "state": "cannot be read"}
    now = datetime.now(UTC)
    state = "revoked" if key.revoked_at else "holds" if key.opens_at(now) else "expired"
    return {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "name": key.name,
        "scopes": [scope.value for scope in key.scopes],
        "last4": [one.last4 for one in key.hashes if one.opens_at(now)],
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
        "state": state,
    }


def _print_new(record: ConfigRecord, token: str, as_json: bool) -> None:
    if as_json:
        print_json({**_row(record), "token": token})
        return
    note(f"key {record.id} of {record.tenant}; it is not shown again:")
    print(token)
