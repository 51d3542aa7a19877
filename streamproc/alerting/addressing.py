"""From a notification's recipient to the address that its channel uses, as the user has it now.

Addresses are looked up at each attempt: they do not travel on topics, and a user who is disabled meanwhile is not told.
"""

from __future__ import annotations

from streamproc.alerting.people import PeopleBook
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_mail import EmailChannel
from streamproc.model.channels_phone import PhoneChannel, SmsChannel
from streamproc.model.user import User

USER = "user/"
ADDRESS = "address/"


def reachable(channel: ChannelSettings, user: User) -> str | None:
    """The address at which the channel can reach the user; None: it cannot (disabled, no address, not opted in)."""
    if not user.enabled:
        return None
    if isinstance(channel, EmailChannel):
        return user.email or None
    if isinstance(channel, PhoneChannel):
        wanted = user.sms if isinstance(channel, SmsChannel) else user.voice
        return "+" + user.phone.replace("-", "") if wanted and user.phone else None
    return None


def addressed(channel: ChannelSettings, recipient: str, people: PeopleBook) -> ChannelSettings | None:
    """The channel with this one recipient, in the user's language; as it is where the recipient is empty.

    None: the user cannot be reached.
    """
    if not recipient:
        return channel
    if recipient.startswith(ADDRESS):
        return channel.model_copy(update={"recipients": (recipient.removeprefix(ADDRESS),)})
    user = people.users.get((channel.tenant_id, recipient.removeprefix(USER)))
    address = None if user is None else reachable(channel, user)
    if user is None or address is None:
        return None
    language = user.language or channel.content_language
    return channel.model_copy(update={"recipients": (address,), "content_language": language})
