"""From what a person types into a search box to an FTS5 expression.

Every word must be there: as a whole (`203.0.113.7`, `excessive-failed-logins`), or, for a name made of words, all of
its parts. An asterisk at the end finds what begins so.
"""

from __future__ import annotations

import re

from streamproc.web.read_model.rows import MAX_WORD, split

MAX_TERMS = 10
_KNOWN = re.compile(r"[\w.\-@:/]+")
_PLAIN_WORD = re.compile(r"[^\W\d_]\w*")


def expression(text: str) -> str | None:
    """The expression for the words of `text`; None when there is none in it."""
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


def _all(parts: list[str]) -> str:
    return "(" + " AND ".join(map(_quoted, parts[:MAX_TERMS])) + ")" if parts else ""


def _quoted(word: str) -> str:
    return '"' + word[:MAX_WORD].replace('"', "") + '"'
