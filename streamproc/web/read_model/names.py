"""Words that repeat in rows, as small numbers."""

from __future__ import annotations

import sqlite3

_REMEMBERED = 200_000


class Names:
    """0 is the empty word. Numbers are given once and never change within a file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, int] = {"": 0}

    def number(self, name: str) -> int:
        """The number of a word; a new one is given in the transaction that is open."""
        known = self._known.get(name)
        if known is None:
            row = self._connection.execute("SELECT number FROM names WHERE name = ?", (name,)).fetchone()
            if row is None:
                row = self._connection.execute(
                    "INSERT INTO names (name) VALUES (?) RETURNING number", (name,)
                ).fetchone()
            if len(self._known) >= _REMEMBERED:
                self.forget()
            known = self._known[name] = int(row[0])
        return known

    def forget(self) -> None:
        """Ask the file again; after a transaction that did not happen."""
        self._known = {"": 0}


def numbers(connection: sqlite3.Connection, names: list[str]) -> list[int]:
    """The numbers of those words that the file knows."""
    found = [0] if "" in names else []
    marks = ",".join("?" * len(names))
    rows = connection.execute(f"SELECT number FROM names WHERE name IN ({marks})", names)  # noqa: S608 - marks only
    return found + [int(row[0]) for row in rows]


def names_of(connection: sqlite3.Connection, numbers: set[int]) -> dict[int, str]:
    """The words behind numbers."""
    found = {0: ""}
    wanted = sorted(numbers)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        marks = ",".join("?" * len(part))
        rows = connection.execute(f"SELECT number, name FROM names WHERE number IN ({marks})", part)  # noqa: S608
        found.update({int(number): str(name) for number, name in rows})
    return found
