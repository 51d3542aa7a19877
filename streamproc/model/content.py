"""*Content*: what a tenant's content template made of a notification, ready for one method of telling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SendMode = Literal["single", "batch"]


@dataclass(frozen=True, slots=True)
class Content:
    """Rendered texts; what is empty is left to the channel's own layout.

    `items`: for methods that hand alerts to machines, one text for each alert, oldest first, `text` being empty.
    `send_mode`, `max_items`: as the template has them; None: as the channel has them.
    """

    subject: str = ""
    text: str = ""
    html: str = ""
    items: tuple[str, ...] = ()
    send_mode: SendMode | None = None
    max_items: int | None = None
