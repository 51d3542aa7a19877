"""Settings of the message center, the inbox in the dashboard."""

from __future__ import annotations

from typing import Literal

from streamproc.model.channel_settings import ChannelSettings


class MessageCenterChannel(ChannelSettings):
    """It has nothing to set: what is delivered to it stands in `deliveries`, and the dashboard shows it."""

    type: Literal["message_center"] = "message_center"

    @property
    def bundles(self) -> bool:
        """Each alert is an entry of its own."""
        return False
