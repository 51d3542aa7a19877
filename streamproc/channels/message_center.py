"""The message center: the record of the delivery is the message, so there is nothing to send."""

from __future__ import annotations

from streamproc.channels.http import Http
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.secrets import Environment
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_inbox import MessageCenterChannel
from streamproc.model.notification import Notification


class MessageCenterTransport:
    """Takes a `MessageCenterChannel`. Always delivered, without the network."""

    def __init__(self, http: Http, environment: Environment) -> None:
        """Needs neither."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """Delivered."""
        assert isinstance(channel, MessageCenterChannel)
        return Outcome(OutcomeKind.DELIVERED, Reason.OK)
