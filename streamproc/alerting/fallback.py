"""Which channel stands in for one that gave up, and what it is told. Pure.

A channel's `fallback` names another, whose own `fallback` is next; `MAX_CHANNELS` are tried in all, each once. The
channel that gave up first stays known as `fallback_for`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from streamproc.alerting.addressing import ADDRESS, USER, reachable
from streamproc.alerting.audience import Target
from streamproc.alerting.people import PeopleBook, resolve
from streamproc.alerting.recipients import ChannelBook
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.channels_mail import EmailChannel
from streamproc.model.notification import OPENING, Member, Notification, Purpose, delivery_id
from streamproc.model.progress import NONE_YET
from streamproc.model.recipients import DEFAULT_RECIPIENTS

MAX_CHANNELS = 3
"""With the first."""


def stand_ins(notification: Notification, book: ChannelBook, people: PeopleBook) -> list[Target]:
    """Who is told in place of the notification's recipient; nobody where no channel is left to try."""
    tenant = notification.tenant
    following = _following(tenant, notification.channel, book)
    tried = _tried(notification, book)
    if notification.replay_of or following is None or following.ref in tried or len(tried) >= MAX_CHANNELS:
        return []
    return [Target(following, recipient) for recipient in recipients_of(following, notification.recipient, people)]


def in_place_of(off: ChannelSettings, recipient: str, book: ChannelBook, people: PeopleBook) -> list[Target]:
    """Who is told in place of a channel that is switched off: the first on its way that is not."""
    tried, channel = {off.ref}, off
    while len(tried) < MAX_CHANNELS:
        following = _following(off.tenant_id, channel.ref, book)
        if following is None or following.ref in tried:
            return []
        if following.enabled:
            return [Target(following, one) for one in recipients_of(following, recipient, people)]
        tried.add(following.ref)
        channel = following
    return []


def recipients_of(channel: ChannelSettings, recipient: str, people: PeopleBook) -> list[str]:
    """Whom a channel is to reach that nobody named recipients for: `recipient`, if it can; else its own; else the
    users with the role admin or owner. A channel that is its own recipient has the empty one.
    """
    if not channel.PERSONAL:
        return [""]
    if recipient.startswith(ADDRESS) and isinstance(channel, EmailChannel):
        return [recipient]
    user = people.users.get((channel.tenant_id, recipient.removeprefix(USER))) if recipient.startswith(USER) else None
    if user is not None and reachable(channel, user) is not None:
        return [recipient]
    if getattr(channel, "recipients", ()):
        return [""]
    users = resolve(DEFAULT_RECIPIENTS, channel.tenant_id, people).users
    return [USER + user.id for user in users if reachable(channel, user) is not None]


def stand_in(notification: Notification, target: Target) -> Iterator[Notification]:
    """What the channel that stands in is told: the same, or each alert of a bundle where it cannot tell of several."""
    if notification.members and not target.channel.bundles:
        for member in notification.members:
            if member.purpose in OPENING or notification.purpose not in OPENING:
                yield _copy(replace(notification, members=(member,)).plain, target, notification.channel)
    else:
        yield _copy(notification, target, notification.channel)


def _copy(one: Notification, target: Target, failed: ChannelRef) -> Notification:
    ref, recipient = target.channel.ref, target.recipient

    def id_of(alert_id: str, revision: int, purpose: Purpose) -> str:
        return delivery_id(alert_id, revision, ref, recipient, f"{purpose} fallback", one.step, one.repeat)

    def copied(member: Member) -> Member:
        return replace(member, delivery_id=id_of(member.alert_id, member.revision, member.purpose))

    return replace(
        one,
        delivery_id=id_of(one.alert_id, one.revision, one.purpose),
        channel=ref,
        recipient=recipient,
        members=tuple(map(copied, one.members)),
        fallback_for=one.fallback_for or failed,
        progress=NONE_YET,
        content=None,
    )


def _following(tenant: str, ref: ChannelRef, book: ChannelBook) -> ChannelSettings | None:
    channel = book.get(tenant, ref)
    if channel is None or channel.fallback is None:
        return None
    return book.get(tenant, ChannelRef("channel", channel.fallback)) or book.get(
        tenant, ChannelRef("webhook", channel.fallback)
    )


def _tried(notification: Notification, book: ChannelBook) -> list[ChannelRef]:
    """The channels from the first to the notification's own."""
    first = notification.fallback_for or notification.channel
    tried = [first]
    while tried[-1] != notification.channel:
        following = _following(notification.tenant, tried[-1], book)
        if following is None or following.ref in tried:
            return [first, notification.channel]  # it was configured otherwise meanwhile
        tried.append(following.ref)
    return tried
