"""`streamproc rules`: rules as files, and as they are in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from streamproc.cli.applying import apply_documents, print_changes
from streamproc.cli.failures import FINDINGS
from streamproc.cli.lint_report import report
from streamproc.cli.output import print_rows
from streamproc.cli.rule_tests import test, wrong_tests
from streamproc.cli.session import ask, read_snapshot
from streamproc.cli.sigma import import_sigma
from streamproc.cli.templates import templates
from streamproc.config.changes import DocumentsError, check_documents
from streamproc.config.documents import read_documents
from streamproc.config.keyring import load_keyring
from streamproc.config.packs import known_actions
from streamproc.config.snapshot import RULE, Snapshot
from streamproc.rules.lint import Level
from streamproc.rules.lint import lint as lint_rules
from streamproc.settings import load_settings

app = typer.Typer(no_args_is_help=True)

Files = typer.Argument(..., help="YAML or JSON files, directories of them, or - for standard input.")
DefaultTenant = typer.Option(None, "--tenant", "-t", help="Tenant of rules that do not name one.")
AsJson = typer.Option(False, "--json", help="Print JSON.")


@app.command()
def lint(
    files: list[Path] = Files,
    tenant: str | None = DefaultTenant,
    strict: bool = typer.Option(False, "--strict", help="Status 1 for warnings too."),
    hints: bool = typer.Option(False, "--hints", help="Also say what a careful author would add."),
    as_json: bool = AsJson,
) -> None:
    """Check rules without a broker; status 1 when something is wrong. Rules need no tenant here.

    Wrong is what cannot be read, and what can never match. A warning is about a rule that works and will be regretted.
    """
    documents = read_documents(files)
    settings = load_settings()
    try:
        checked = check_documents(documents, load_keyring(settings), kind=RULE, tenant=tenant or "*")
    except DocumentsError as error:
        report(error.problems, [], 0, hints=hints, as_json=as_json)
        raise typer.Exit(FINDINGS) from None
    rules = [(one, document) for one, document in zip(checked, documents, strict=True) if one.kind == RULE]
    places = {(one.tenant, one.id): document for one, document in rules}
    problems = [problem for one, document in rules for problem in wrong_tests(one.meaning, document)]
    if problems:
        report(problems, [], 0, hints=hints, as_json=as_json)
        raise typer.Exit(FINDINGS)
    found = [
        (finding, places[finding.tenant, finding.rule_id].at(finding.path))
        for finding in lint_rules(
            (one.meaning for one, _ in rules), known_actions(), geoip=settings.geoip_db is not None
        )
    ]
    report((), found, len(checked), hints=hints, as_json=as_json)
    levels = {finding.level for finding, _ in found}
    if Level.ERROR in levels or (strict and Level.WARNING in levels):
        raise typer.Exit(FINDINGS)


@app.command()
def apply(
    files: list[Path] = Files,
    tenant: str | None = DefaultTenant,
    prune: bool = typer.Option(
        False, "--prune", help="Also delete rules that the files lack, of the tenants that they name."
    ),
    as_json: bool = AsJson,
) -> None:
    """Make the rules what is in force; workers take them up within seconds.

    Returns when Kafka has acknowledged; repeating it changes nothing.
    """
    apply_documents(
        files,
        tenant=tenant,
        prune=prune,
        kind=RULE,
        only=(RULE,),
        told=lambda changes: print_changes(changes, as_json),
    )


@app.command(name="list")
def list_(
    tenant: str | None = typer.Option(None, "--tenant", "-t", help="Only this tenant."),
    as_json: bool = AsJson,
) -> None:
    """List rules and whether they are in force; an inactive one says why."""
    rows = _rows(ask(read_snapshot(load_settings())), tenant)
    print_rows(("tenant_id", "id", "name", "type", "severity", "revision", "status", "problem"), rows, as_json)


app.command()(test)
app.command()(templates)
app.command(name="import-sigma")(import_sigma)


def _rows(snapshot: Snapshot, tenant: str | None) -> list[dict[str, Any]]:
    rows = []
    for record in snapshot.records(RULE, tenant):
        compiled = snapshot.rule(record.tenant, record.id)
        problem = snapshot.problem(record.key)
        status = "inactive" if compiled is None else "active" if compiled.rule.enabled else "disabled"
        rows.append(
            {
                "tenant_id": record.tenant,
                "id": record.id,
                "name": record.spec.get("name"),
                "type": compiled.rule.type if compiled is not None else record.spec.get("type"),
                "severity": record.spec.get("severity"),
                "revision": record.revision,
                "status": status,
                "problem": problem.message if problem is not None else None,
            }
        )
    listed = {(row["tenant_id"], row["id"]) for row in rows}
    rows += [
        {
            "tenant_id": problem.tenant,
            "id": problem.id,
            "name": None,
            "type": None,
            "severity": None,
            "revision": None,
            "status": "inactive",
            "problem": problem.message,
        }
        for problem in snapshot.problems
        if problem.kind == RULE and tenant in (None, problem.tenant) and (problem.tenant, problem.id) not in listed
    ]
    return rows
