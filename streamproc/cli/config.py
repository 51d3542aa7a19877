"""`streamproc config`: what is configured, as documents."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer
import yaml

from streamproc.cli.applying import apply_documents, plan_documents, print_changes
from streamproc.cli.content import preview_template
from streamproc.cli.failures import FINDINGS, InputError
from streamproc.cli.output import print_json, print_rows
from streamproc.cli.policies import try_policy
from streamproc.cli.recording import change
from streamproc.cli.session import ask, read_snapshot
from streamproc.cli.users import import_users
from streamproc.config.changes import UNPRUNED, Action, Change
from streamproc.config.kinds import KINDS
from streamproc.config.record import ConfigRecord
from streamproc.config.sealing import hidden
from streamproc.config.snapshot import Snapshot
from streamproc.settings import load_settings

app = typer.Typer(no_args_is_help=True)
app.command(name="import-users")(import_users)
app.command(name="preview-template")(preview_template)
app.command(name="dry-run")(try_policy)

Files = typer.Argument(..., help="YAML or JSON files, directories of them, or - for standard input.")
Tenant = typer.Option(None, "--tenant", "-t", help="Only this tenant.")
DefaultTenant = typer.Option(None, "--tenant", "-t", help="Tenant of documents that do not name one.")
Prune = typer.Option(False, "--prune", help="Also delete what the files lack, of the tenants that they name.")
AsJson = typer.Option(False, "--json", help="Print JSON.")


@app.command()
def apply(
    files: list[Path] = Files,
    tenant: str | None = DefaultTenant,
    prune: bool = Prune,
    as_json: bool = AsJson,
) -> None:
    """Make the documents what is configured. Returns when Kafka has acknowledged; repeating it changes nothing.

    --prune leaves API keys alone, unless the files have some.
    """
    apply_documents(files, tenant=tenant, prune=prune, told=lambda changes: print_changes(changes, as_json))


@app.command()
def diff(
    files: list[Path] = Files,
    tenant: str | None = DefaultTenant,
    prune: bool = Prune,
    exit_code: bool = typer.Option(False, "--exit-code", help="Status 1 when something would change."),
    as_json: bool = AsJson,
) -> None:
    """Show what `apply` would change."""
    changes = plan_documents(files, tenant=tenant, prune=prune)
    print_changes(changes, as_json, planned=True)
    if exit_code and any(one.action is not Action.UNCHANGED for one in changes):
        raise typer.Exit(FINDINGS)


@app.command()
def get(kind: str, id: str, tenant: str | None = Tenant, as_json: bool = AsJson) -> None:
    """Show one thing. Secrets are not shown."""
    record = _one(ask(read_snapshot(load_settings())), kind, id, tenant)
    document = _document(record, hidden(record.kind, record.spec))
    if as_json:
        print_json(
            document
            | {
                "revision": record.revision,
                "updated_at": record.updated_at,
                "updated_by": record.updated_by,
            }
        )
    else:
        _print_yaml([document])


@app.command(name="list")
def list_(kind: str | None = typer.Argument(None), tenant: str | None = Tenant, as_json: bool = AsJson) -> None:
    """List what is configured, with what is wrong with it."""
    snapshot = ask(read_snapshot(load_settings()))
    kinds = [_kind(kind)] if kind is not None else list(snapshot.kinds)
    rows: list[dict[str, Any]] = []
    for name in kinds:
        for record in snapshot.records(name, tenant):
            problem = snapshot.problem(record.key)
            rows.append(
                {
                    "kind": record.kind,
                    "tenant_id": record.tenant,
                    "id": record.id,
                    "revision": record.revision,
                    "updated_at": record.updated_at,
                    "updated_by": record.updated_by,
                    "problem": problem.message if problem is not None else None,
                }
            )
    listed = {(row["tenant_id"], row["kind"], row["id"]) for row in rows}
    for problem in snapshot.problems:
        wanted = kind in (None, problem.kind) and tenant in (None, problem.tenant)
        if wanted and (problem.tenant, problem.kind, problem.id) not in listed:
            rows.append(
                {
                    "kind": problem.kind,
                    "tenant_id": problem.tenant,
                    "id": problem.id or problem.key,
                    "problem": problem.message,
                }
            )
    print_rows(("kind", "tenant_id", "id", "revision", "updated_at", "updated_by", "problem"), rows, as_json)


@app.command()
def delete(
    kind: str,
    ids: list[str] = typer.Argument(..., metavar="ID…"),
    tenant: str | None = Tenant,
) -> None:
    """Delete things. Deleting a rule resolves its alerts."""
    settings = load_settings()

    async def remove() -> None:
        snapshot = await read_snapshot(settings)
        found = {record.key: record for record in (_one(snapshot, kind, id, tenant) for id in ids)}
        changes = [Change(Action.DELETE, record, None) for record in found.values()]
        await change(settings, changes, lambda: print("\n".join(f"deleted {key}" for key in found)))

    ask(remove())


@app.command()
def export(kind: str | None = typer.Argument(None), tenant: str | None = Tenant, as_json: bool = AsJson) -> None:
    """Print documents that `apply` takes again. Secrets stay sealed, so only the same key opens them.

    API keys are left out, unless asked for by kind.
    """
    snapshot = ask(read_snapshot(load_settings()))
    kinds = [_kind(kind)] if kind is not None else [name for name in KINDS if name not in UNPRUNED]
    documents = [_document(record, dict(record.spec)) for name in kinds for record in snapshot.records(name, tenant)]
    if as_json:
        print_json(documents)
    else:
        _print_yaml(documents)


def _kind(name: str) -> str:
    if name not in KINDS:
        raise InputError(f"KIND: {name!r} is not one of {', '.join(KINDS)}")
    return name


def _one(snapshot: Snapshot, kind: str, id: str, tenant: str | None) -> ConfigRecord:
    found = [record for record in snapshot.records(_kind(kind), tenant) if record.id == id]
    if len(found) > 1:
        tenants = ", ".join(record.tenant for record in found)
        raise InputError(f"{kind} {id} is of several tenants; say which with --tenant: {tenants}")
    if not found:
        of = f" of tenant {tenant}" if tenant is not None else ""
        raise InputError(f"{kind} {id}{of} is not configured")
    return found[0]


def _document(record: ConfigRecord, spec: dict[str, Any]) -> dict[str, Any]:
    return {"kind": record.kind, "tenant_id": record.tenant, "id": record.id, **spec}


def _print_yaml(documents: list[dict[str, Any]]) -> None:
    yaml.safe_dump_all(documents, sys.stdout, sort_keys=False, allow_unicode=True, explicit_start=len(documents) > 1)
