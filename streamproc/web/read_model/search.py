"""From what a person types into a search box to an FTS5 expression.

Every word must be there: as a whole (`203.0.113.7`, `excessive-failed-logins`), or, for a name made of words, all of
its parts. An asterisk at the end finds what begins so.
"""

from __future__ import annotations

import re
import sqlite3

from streamproc.web.read_model.rows import MAX_WORD, split
from streamproc.web.read_model.schema import PREFIX

MAX_TERMS = 10
MAX_WORDS = 200
_PREFIX = re.compile(r'"([^"]+)"\*')
_KNOWN = re.compile(r"[\w.\-@:/]+")
_PLAIN_WORD = re.compile(r"[^\W\d_]\w*")


def expression(text: str) -> str | None:
    """The expression for the words of `text`; None when there is none in it. Prefixes stand in it as `"word"*`."""
    terms = []
    for chunk in text.split()[:MAX_TERMS]:
        found = list(split(chunk))
        if not found:
            continue
        whole, parts = found[0], found[1:]
        if chunk.rstrip("\"')").endswith("*"):
            terms.append(f"{_quoted(whole)}*" if _KNOWN.fullmatch(whole) else _all(parts))
        elif not _KNOWN.fullmatch(whole):
            terms.append(_all(parts))
        elif parts and all(_PLAIN_WORD.fullmatch(part) for part in parts):
            terms.append(f"({_quoted(whole)} OR {_all(parts)})")
        else:
            terms.append(_quoted(whole))
    terms = [term for term in terms if term]
    return " AND ".join(terms) or None


def with_prefixes(connection: sqlite3.Connection, words: str) -> str:
    """The expression with the words that there are in place of prefixes, if these are not very many.

    Of a prefix longer than `PREFIX`, the search index gathers all that begins so before it answers; short ones, and
    words by themselves, it walks from the newest.
    """

    def words_of(found: re.Match[str]) -> str:
        prefix = found[1]
        if len(prefix) <= PREFIX:
            return found[0]
        rows = connection.execute(
            "SELECT word FROM vocabulary WHERE word >= ? AND word < ? LIMIT ?",
            (prefix, prefix + "\U0010ffff", MAX_WORDS + 1),
        ).fetchall()
        known = [word for (word,) in rows if _KNOWN.fullmatch(word)]
        if not 0 < len(rows) <= MAX_WORDS or not known:
            return found[0]
        return "(" + " OR ".join(map(_quoted, known)) + ")"

    return _PREFIX.sub(words_of, words)


def _all(parts: list[str]) -> str:
    return "(" + " AND ".join(map(_quoted, parts[:MAX_TERMS])) + ")" if parts else ""


def _quoted(word: str) -> str:
    return '"' + word[:MAX_WORD].replace('"', "") + '"'
