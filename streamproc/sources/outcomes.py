"""The four outcomes, and the words that sources use for them."""

from typing import Final

OUTCOMES: Final = frozenset({"success", "failure", "denied", "unknown"})

_WORDS: Final[dict[str, str]] = {
    word: outcome
    for outcome, words in {
        "success": "success succeeded successful succeed ok okay pass passed allow allowed permit permitted "
        "grant granted accepted completed complete",
        "failure": "failure failed fail failing error errored exception invalid timeout timed_out aborted",
        "denied": "denied deny access_denied accessdenied permission_denied forbid forbidden unauthorized "
        "unauthorised not_authorized blocked block reject rejected refused disallowed",
        "unknown": "unknown",
    }.items()
    for word in words.split()
}


def map_outcome(word: str) -> str:
    """The outcome that a source's word means, whatever its case; ``unknown`` for a word that says nothing to
    us."""
    return _WORDS.get(word.strip().lower().replace("-", "_").replace(" ", "_"), "unknown")
