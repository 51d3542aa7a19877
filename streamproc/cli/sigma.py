"""`streamproc rules import-sigma`: Sigma rules as rule files of ours."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
import yaml

from streamproc.cli.failures import FINDINGS, InputError
from streamproc.cli.output import note, print_json
from streamproc.config.documents import DocumentFileError, parse_documents
from streamproc.model.event import EventError
from streamproc.model.rule import EVERY_TENANT
from streamproc.sources.canonical import check_tenant

if TYPE_CHECKING:
    from streamproc.rules.sigma import Refused, Report

SUFFIXES = (".yml", ".yaml")
SIGMAHQ = "https://github.com/SigmaHQ/sigma"


def import_sigma(
    paths: list[Path] = typer.Argument(..., help="Files of Sigma rules, and directories of them."),
    output: Path = typer.Option(..., "-o", "--output", help="The directory to write to: one file for each rule."),
    tenant: str | None = typer.Option(
        None, "--tenant", "-t", help="Tenant to write into the rules; without it, it is said when they are applied."
    ),
    source: str | None = typer.Option(
        None, "--source", help="What the events have as `source`, for log sources that streamproc does not map itself."
    ),
    link: str = typer.Option(SIGMAHQ, "--link", help="Where the rules are from, kept in each rule's metadata."),
    license: str | None = typer.Option(
        None, "--license", help="Of rules that do not name theirs; default: the Detection Rule License of SigmaHQ."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print what was imported and what was not as JSON."),
) -> None:
    """Write Sigma rules as rules of ours; status 1 when one could not be carried over.

    A rule that cannot be carried over whole is left out, and named with the reason. Needs the extra `sigma`.
    """
    if importlib.util.find_spec("sigma") is None:
        raise InputError("import-sigma: pySigma is not installed; install streamproc[sigma]")
    from streamproc.rules.sigma import Origin, import_documents

    if tenant is not None and tenant != EVERY_TENANT:
        try:
            check_tenant(tenant, "--tenant")
        except EventError as error:
            raise InputError(str(error)) from None
    origin = Origin(link) if license is None else Origin(link, license)
    unread: list[Refused] = []
    report = import_documents(list(_documents(paths, unread)), tenant=tenant, source=source, origin=origin)
    report.refused[:0] = unread
    if not report.imported and not report.refused:
        raise InputError(f"{', '.join(map(str, paths))}: there is no Sigma rule")
    files = _write(report, output)
    _tell(report, files, output, as_json)
    if report.refused:
        raise typer.Exit(FINDINGS)


def _documents(paths: Iterable[Path], unread: list[Refused]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(file, place, content) of each; a file that is no YAML is one refusal, and the others are read."""
    from streamproc.rules.sigma import Refused

    for path in paths:
        for file in _files(path):
            try:
                found = parse_documents(_text(file), str(file))
            except DocumentFileError as error:
                unread.append(Refused(str(file), None, None, str(error).removeprefix(f"{file}:").strip()))
                continue
            yield from ((str(file), document.at(), document.content) for document in found)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DocumentFileError("is not UTF-8 text") from None


def _write(report: Report, output: Path) -> list[Path]:
    files = []
    try:
        output.mkdir(parents=True, exist_ok=True)
        for one in report.imported:
            file = output / f"{one.document['id']}.yaml"
            text = yaml.safe_dump(one.document, sort_keys=False, allow_unicode=True, width=120)
            file.write_text(text, encoding="utf-8")
            files.append(file)
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from None
    return files


def _tell(report: Report, files: list[Path], output: Path, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "imported": [
                    {"id": one.document["id"], "name": one.document["name"], "source": one.source, "file": str(file)}
                    for one, file in zip(report.imported, files, strict=True)
                ],
                "within_correlations": report.within,
                "refused": [
                    {"source": one.source, "id": one.id, "title": one.title, "reason": one.reason}
                    for one in report.refused
                ],
            }
        )
    for refused in report.refused:
        what = f" {refused.title}:" if refused.title else ""
        note(f"{refused.source}:{what} {refused.reason}")
    within = f", {len(report.within)} within correlations" if report.within else ""
    total = len(report.imported) + len(report.within) + len(report.refused)
    note(f"{len(report.imported):,} of {total:,} rules imported to {output}{within}; {len(report.refused):,} not")
