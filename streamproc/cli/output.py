"""How commands print: tables on a terminal, tab-separated lines into a pipe, JSON when asked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import orjson


def print_json(value: Any) -> None:
    """One JSON document, indented where a person may look at it."""
    option = orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0
    sys.stdout.write(orjson.dumps(value, option=option).decode() + "\n")


def print_rows(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Rows by column name. JSON has all of a row, the table and the lines only `columns`."""
    if as_json:
        print_json(list(rows))
    elif sys.stdout.isatty():
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        # a terminal has little width for columns that say nothing
        shown = [column for column in columns if not rows or any(_cell(row.get(column)) for row in rows)]
        for column in shown:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in rows:
            table.add_row(*(Text(_cell(row.get(column))) for column in shown))
        Console().print(table)
    else:
        print("\t".join(columns))
        for row in rows:
            print("\t".join(_cell(row.get(column)).replace("\t", " ") for column in columns))


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def note(line: str) -> None:
    """Progress and remarks, which are not a command's output."""
    print(line, file=sys.stderr, flush=True)
