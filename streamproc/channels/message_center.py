"""The message center: the record of the delivery is the message, so there is nothing to send."""

from __future__ import annotations

from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.transport import BaseTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_inbox import MessageCenterChannel
from streamproc.model.delivery import MAX_EXCERPT_BYTES, cut
from streamproc.model.notification import Notification


class MessageCenterTransport(BaseTransport):
    """Takes a `MessageCenterChannel`. Always delivered, without the network."""

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """Delivered. What a content template made of it is the excerpt, so that the dashboard can show it."""
        assert isinstance(channel, MessageCenterChannel)
        content = notification.content
        text = "" if content is None else "\n\n".join(part for part in (content.subject, content.text) if part)
        return Outcome(OutcomeKind.DELIVERED, Reason.OK, excerpt=cut(text, MAX_EXCERPT_BYTES))
