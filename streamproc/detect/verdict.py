"""What a detector says of one hit."""

from __future__ import annotations

from typing import Final

# Plain integers, because one is made per hit: positive is the count that was reached, and a trigger.
COUNTED: Final = 0
LATE: Final = -1
DUPLICATE: Final = -2
CLEARED: Final = -3
"""What had triggered holds no more: an open alert is resolved."""
GREW: Final = -4
"""No trigger, but the count that the latest trigger's alert tells went up."""
INSUFFICIENT: Final = -5
"""A count that might have triggered, had there been enough history to say."""
