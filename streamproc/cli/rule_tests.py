"""`streamproc rules test`: runs the tests that stand in rules, and shows what came of them as pytest does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typer

from streamproc.backtest.rule_tests import Outcome, differences, field_of, read_tests, run
from streamproc.cli.failures import FINDINGS, InputError
from streamproc.cli.output import note, print_json
from streamproc.config.changes import DocumentsError, Wanted, check_documents
from streamproc.config.documents import Document, read_documents
from streamproc.config.keyring import Keyring
from streamproc.config.kinds import KINDS
from streamproc.config.snapshot import LIST, RULE
from streamproc.model.document import DocumentError
from streamproc.model.rule import EVERY_TENANT, Rule

if TYPE_CHECKING:
    from rich.text import Text

MAX_SHOWN_ALERTS = 10
ALWAYS_SHOWN = ("group", "count", "trigger_count", "trigger_event")


@dataclass(slots=True)
class _Run:
    """Rules of one file, and what their tests came to, by rule."""

    source: str
    rules: list[tuple[Rule, Document, list[Outcome]]] = field(default_factory=list)

    @property
    def outcomes(self) -> Iterator[tuple[Rule, Document, Outcome]]:
        return ((rule, document, one) for rule, document, outcomes in self.rules for one in outcomes)


def test(
    files: list[Path] = typer.Argument(..., help="YAML or JSON files, directories of them, or - for standard input."),
    tenant: str | None = typer.Option(None, "--tenant", "-t", help="Tenant of rules that do not name one."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="A line for each test."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Run the tests in rules, without a broker; status 1 when one fails.

    Named lists in the same files are used. Rules need no tenant here.
    """
    started = time.perf_counter()
    documents = [document for document in read_documents(files) if not _other(document)]
    try:
        wanted = check_documents(documents, Keyring([]), kind=RULE, tenant=tenant or EVERY_TENANT)
    except DocumentsError as error:
        _refuse(error.problems)
    runs = _run_all(wanted, documents)
    total = sum(len(outcomes) for run in runs for _, _, outcomes in run.rules)
    if not total:
        raise InputError(f"{', '.join(map(str, files))}: there is no test in any rule, so there is nothing to run")
    if as_json:
        print_json(_report(runs))
    else:
        _show(runs, verbose, time.perf_counter() - started)
    if any(not outcome.passed for run in runs for _, _, outcome in run.outcomes):
        raise typer.Exit(FINDINGS)


def wrong_tests(rule: Rule, document: Document) -> list[str]:
    """What is wrong in the tests of a rule, each with its `file:line`."""
    try:
        read_tests(rule)
    except DocumentError as error:
        return [f"{document.at(problem.path)}: {problem}" for problem in error.problems]
    return []


def _other(document: Document) -> bool:
    kind = document.content.get("kind")
    return isinstance(kind, str) and kind in KINDS and kind not in (RULE, LIST)


def _refuse(problems: Sequence[str]) -> None:
    for problem in problems[:-1]:
        note(problem)
    raise InputError(problems[-1])


def _run_all(wanted: Sequence[Wanted], documents: Sequence[Document]) -> list[_Run]:
    """Tests are read before any is run: a mistake in the last is told as quickly as one in the first."""
    lists: dict[str, dict[str, Sequence[Any]]] = {}
    for one in wanted:
        if one.kind == LIST:
            lists.setdefault(one.tenant, {})[one.id] = one.spec["values"]
    problems: list[str] = []
    read = []
    for one, document in zip(wanted, documents, strict=True):
        if one.kind != RULE:
            continue
        try:
            read.append((one.meaning, document, read_tests(one.meaning)))
        except DocumentError as error:
            problems += [f"{document.at(problem.path)}: {problem}" for problem in error.problems]
    if problems:
        _refuse(problems)
    runs: dict[str, _Run] = {}
    for rule, document, tests in read:
        own = lists.get(rule.tenant_id)
        outcomes = [run(rule, one, own) for one in tests]
        runs.setdefault(document.source, _Run(document.source)).rules.append((rule, document, outcomes))
    return list(runs.values())


def _show(runs: Sequence[_Run], verbose: bool, seconds: float) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    if verbose:
        for run in runs:
            for rule, _, outcome in run.outcomes:
                mark = Text("✓ ", "green") if outcome.passed else Text("✗ ", "bold red")
                console.print(Text.assemble(f"{run.source}::{rule.id} ", mark, outcome.test.name))
    else:
        for run in runs:
            marks = [Text(".", "green") if one.passed else Text("F", "bold red") for _, _, one in run.outcomes]
            console.print(Text.assemble(f"{run.source} ", *(marks or [Text("no tests", "dim")])))
    failed = [(rule, document, one) for run in runs for rule, document, one in run.outcomes if not one.passed]
    if failed:
        console.print()
    for rule, document, outcome in failed:
        console.print(Text(f"✗ {rule.id}: {outcome.test.name}", "bold red"))
        console.print(Text(f"  {document.at(outcome.test.path)}", "dim"))
        for line in _explained(outcome):
            console.print(line)
    console.print(_summary(runs, seconds))
    untested = [rule.id for run in runs for rule, _, outcomes in run.rules if not outcomes]
    if untested:
        note(f"{_number(len(untested), 'rule')} without a test: {', '.join(untested[:5])}{', …' * (len(untested) > 5)}")


def _explained(outcome: Outcome) -> Iterator[Text]:
    """What was expected beside what came, and what of it differs."""
    from rich.text import Text

    names = list(dict.fromkeys([*ALWAYS_SHOWN, *(name for one in outcome.test.expect for name in one)]))
    wanted, got = list(outcome.missing), list(outcome.unexpected)
    for place in range(min(max(len(wanted), len(got)), MAX_SHOWN_ALERTS)):
        expected = wanted[place] if place < len(wanted) else None
        alert = got[place] if place < len(got) else None
        yield Text.assemble(("  expected ", "green"), _line(expected) if expected is not None else "no such alert")
        if alert is None:
            yield Text.assemble(("  got      ", "red"), "no other alert" if outcome.alerts else "no alert")
            continue
        yield Text.assemble(("  got      ", "red"), _line({name: field_of(alert, name) for name in names}))
        if expected is not None:
            for name, right, found in differences(expected, alert):
                yield Text(f"           {name}: {_line(found)} is not {_line(right)}", "dim")
    more = max(len(wanted), len(got)) - MAX_SHOWN_ALERTS
    if more > 0:
        yield Text(f"  … and {more} more", "dim")


def _line(value: Any) -> str:
    """A value as one could write it in a test."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_line(item)}" for name, item in value.items()) + "}"
    return value if isinstance(value, str) and value else orjson.dumps(value).decode()


def _summary(runs: Iterable[_Run], seconds: float) -> Text:
    from rich.text import Text

    counts = Counter(one.passed for run in runs for _, _, one in run.outcomes)
    failed = f"{counts[False]} failed, " if counts[False] else ""
    text = f"{failed}{counts[True]} passed in {seconds:.1f} s"
    return Text(text, "bold red" if failed else "bold green")


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _report(runs: Sequence[_Run]) -> dict[str, Any]:
    tests = [_row(rule, document, one) for run in runs for rule, document, one in run.outcomes]
    return {
        "passed": sum(test["passed"] for test in tests),
        "failed": sum(not test["passed"] for test in tests),
        "untested": [rule.id for run in runs for rule, _, outcomes in run.rules if not outcomes],
        "tests": tests,
    }


def _row(rule: Rule, document: Document, outcome: Outcome) -> dict[str, Any]:
    return {
        "rule_id": rule.id,
        "name": outcome.test.name,
        "at": document.at(outcome.test.path),
        "passed": outcome.passed,
        "missing": [dict(wanted) for wanted in outcome.missing],
        "unexpected": [
            {name: field_of(alert, name) for name in (*ALWAYS_SHOWN, "severity", "title", "status")}
            for alert in outcome.unexpected
        ],
    }
