"""How `rules lint` shows what it found: in colour on a terminal, a line each into a pipe, JSON when asked."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from streamproc.cli.output import note, print_json
from streamproc.rules.lint import Finding, Level

_STYLES = {Level.ERROR: "bold red", Level.WARNING: "yellow", Level.HINT: "cyan"}


def report(
    problems: Sequence[str], found: Sequence[tuple[Finding, str]], checked: int, *, hints: bool, as_json: bool
) -> None:
    """`problems` are of documents that cannot be used; of `found` each has its `file:line`."""
    if as_json:
        print_json({"problems": list(problems), "findings": [_row(finding, at) for finding, at in found]})
        return
    shown = [(finding, at) for finding, at in found if hints or finding.level is not Level.HINT]
    if sys.stdout.isatty():
        _print_pretty(problems, shown)
    else:
        for problem in problems:
            print(problem)
        for finding, at in shown:
            print(f"{at}: {finding} [{finding.rule_id}]")
    _summary(problems, found, checked, hints)


def _summary(problems: Sequence[str], found: Sequence[tuple[Finding, str]], checked: int, hints: bool) -> None:
    if problems:
        return
    counts = Counter(finding.level for finding, _ in found)
    grave = {(f.tenant, f.rule_id) for f, _ in found if f.level is not Level.HINT}
    remarks = [_number(counts[level], level) for level in (Level.ERROR, Level.WARNING) if counts[level]]
    print(", ".join([f"{checked - len(grave)} fine", *remarks]))
    if counts[Level.HINT] and not hints:
        note(f"{_number(counts[Level.HINT], Level.HINT)} more; --hints shows them")


def _number(count: int, level: Level) -> str:
    return f"{count} {level}" if count == 1 else f"{count} {level}s"


def _row(finding: Finding, at: str) -> dict[str, str]:
    return {
        "level": finding.level.value,
        "tenant_id": finding.tenant,
        "rule_id": finding.rule_id,
        "path": finding.path,
        "message": finding.message,
        "at": at,
    }


def _print_pretty(problems: Sequence[str], found: Sequence[tuple[Finding, str]]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for problem in problems:
        console.print(Text.assemble(("✗ ", _STYLES[Level.ERROR]), problem))
    rule = None
    for finding, at in found:
        if rule != (finding.tenant, finding.rule_id):
            rule = (finding.tenant, finding.rule_id)
            console.print(Text.assemble((finding.rule_id, "bold"), ("  " + at.rpartition(":")[0], "dim")))
        line = at.rpartition(":")[2]
        console.print(
            Text.assemble(
                (f"{line:>6} ", "dim"),
                (f"{finding.level:<8}", _STYLES[finding.level]),
                (f"{finding.path}: " if finding.path else "", "bold"),
                finding.message,
            )
        )
