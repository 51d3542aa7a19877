"""What each action does to an alert in each status, written down once more and plainly (DESIGN section 3)."""

from __future__ import annotations

NOTHING = "(as it was)"

TABLE: dict[str, dict[str, str]] = {
    "open": {
        "acknowledge": "acknowledged",
        "resolve": "resolved",
        "escalate": "escalated",
        "assign": NOTHING,
        "comment": NOTHING,
        "snooze": "suppressed",
        "suppress": "suppressed",
    },
    "acknowledged": {
        "resolve": "resolved",
        "escalate": "escalated",
        "assign": NOTHING,
        "comment": NOTHING,
        "snooze": "suppressed",
    },
    "escalated": {
        "acknowledge": "acknowledged",
        "resolve": "resolved",
        "escalate": "escalated",
        "assign": NOTHING,
        "comment": NOTHING,
    },
    "suppressed": {
        "resolve": "resolved",
        "assign": NOTHING,
        "comment": NOTHING,
        "snooze": "suppressed",
        "unsuppress": "open",
    },
    "resolved": {"comment": NOTHING, "reopen": "open"},
}
"""Status → action → status after it; what is missing is refused."""
