"""`streamproc rules templates`: the packs of rules that come with the product."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import typer

from streamproc.cli.failures import InputError
from streamproc.cli.output import note, print_json, print_rows
from streamproc.config.packs import RuleTemplate, rule_templates


def templates(
    ids: list[str] | None = typer.Argument(None, help="Rules to print as YAML; * stands for any text."),
    pack: str | None = typer.Option(None, "--pack", "-p", help="Only rules of this pack."),
    output: Path | None = typer.Option(
        None, "-o", "--output", help="A directory to write them to: one file for each rule; without IDs, all."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """List the rules that come with streamproc, or print some of them, ready for `rules apply`.

    streamproc rules templates 'aws-*' | streamproc rules apply -t acme -
    """
    chosen = _chosen(ids or [], _of_pack(pack))
    if output is not None:
        _write(chosen, output)
    elif as_json:
        print_json([{"pack": one.pack, **one.content} for one in chosen] if ids else [_row(one) for one in chosen])
    elif ids:
        print("---\n".join(one.text for one in chosen), end="")
    else:
        print_rows(("id", "pack", "name", "severity", "type"), [_row(one) for one in chosen], as_json)


def _of_pack(pack: str | None) -> list[RuleTemplate]:
    found = [one for one in rule_templates() if pack in (None, one.pack)]
    if not found:
        packs = dict.fromkeys(one.pack for one in rule_templates())
        raise InputError(f"--pack: {pack!r} is not one of {', '.join(packs)}")
    return found


def _chosen(ids: Sequence[str], templates: Sequence[RuleTemplate]) -> list[RuleTemplate]:
    if not ids:
        return list(templates)
    known = [one.id for one in templates]
    for wanted in ids:
        if not any(fnmatchcase(id, wanted) for id in known):
            near = get_close_matches(wanted, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; `streamproc rules templates` lists them"
            raise InputError(f"{wanted!r} is not a template{hint}")
    return [one for one in templates if any(fnmatchcase(one.id, wanted) for wanted in ids)]


def _write(chosen: Sequence[RuleTemplate], output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for one in chosen:
            (output / f"{one.id}.yaml").write_text(one.text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror or error}") from None
    note(f"{len(chosen)} rules written to {output}")


def _row(one: RuleTemplate) -> dict[str, Any]:
    rule = one.rule
    return {
        "id": rule.id,
        "pack": one.pack,
        "name": rule.name,
        "severity": str(rule.severity),
        "type": rule.type,
        "category": None if rule.category is None else str(rule.category),
        "description": rule.description,
        "mitre_tactics": list(rule.mitre_tactics),
        "mitre_techniques": list(rule.mitre_techniques),
        "runbook": rule.runbook,
    }
