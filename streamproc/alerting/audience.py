"""Who is told of an alert: through a policy's action groups, or as its rule itself names them. Pure.

A channel that reaches people one by one (e-mail, text messages, calls) is told once per person. Those are, in this
order: the group's recipients, where it names any; the rule's own e-mail addresses; the channel's own recipients; else
every user with the role admin or owner (CONTRACT "Delivery").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streamproc.alerting.addressing import ADDRESS, USER, reachable
from streamproc.alerting.lookup import Lookup
from streamproc.alerting.people import PeopleBook, quiet, resolve
from streamproc.alerting.policy import Taken, chosen, severity_of, walk
from streamproc.alerting.recipients import NotifyingRule, by_names, named
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.channels_mail import EmailChannel
from streamproc.model.delivery import Reason
from streamproc.model.policy import ActionGroup, Policy
from streamproc.model.recipients import DEFAULT_RECIPIENTS, Recipients

GROUP = "group/"


@dataclass(frozen=True, slots=True)
class Target:
    """One who is told. `recipient` and `template` are a notification's."""

    channel: ChannelSettings
    recipient: str = ""
    template: str = ""


@dataclass(frozen=True, slots=True)
class Untold:
    """One who is not, and why; `recipient` may also be `group/<id>`. `detail` is for people."""

    channel: ChannelRef | None
    recipient: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """`policy`: by which one; None: by the rule alone. `missing`: names that mean no configured channel."""

    policy: Policy | None
    targets: tuple[Target, ...] = ()
    untold: tuple[Untold, ...] = ()
    missing: tuple[ChannelRef, ...] = ()


def policy_of(rule: NotifyingRule, tenant: str, lookup: Lookup) -> Policy | None:
    """The policy that the rule's alerts of this tenant go by."""
    return chosen(lookup.policies, tenant, rule.policy)


def audience(alert: Mapping[str, Any], rule: NotifyingRule, lookup: Lookup, now: int) -> Audience:
    """Who is told of the alert record at `now`."""
    policy = policy_of(rule, alert["tenant_id"], lookup)
    gathered = _Gathered(alert, rule, lookup, now)
    if policy is None:
        gathered.tell(None)
        return gathered.answer(None)
    path = walk(policy, alert, now)
    for group in path.groups:
        gathered.tell(group)
    for withheld in path.withheld:
        reason = Reason.BELOW_SEVERITY if withheld.reason is Taken.BELOW_SEVERITY else Reason.QUIET_HOURS
        gathered.untold.append(Untold(None, GROUP + withheld.group.id, reason, withheld.reason.value))
    if not path.groups and not path.withheld:
        gathered.untold.append(Untold(None, "", Reason.NO_GROUP, f"policy {policy.id}"))
    return gathered.answer(policy)


def group_audience(
    alert: Mapping[str, Any], rule: NotifyingRule, policy: Policy, group: ActionGroup, lookup: Lookup, now: int
) -> Audience:
    """Who one group means, such as that of an escalation step."""
    gathered = _Gathered(alert, rule, lookup, now)
    gathered.tell(group)
    return gathered.answer(policy)


class _Gathered:
    def __init__(self, alert: Mapping[str, Any], rule: NotifyingRule, lookup: Lookup, now: int) -> None:
        self.tenant: str = alert["tenant_id"]
        self.severity = severity_of((alert,))
        self.rule = rule
        self.lookup = lookup
        self.now = now
        self.targets: dict[tuple[ChannelRef, str], Target] = {}
        self.untold: list[Untold] = []
        self.missing: dict[ChannelRef, None] = {}

    def answer(self, policy: Policy | None) -> Audience:
        untold = tuple(dict.fromkeys(one for one in self.untold if (one.channel, one.recipient) not in self.targets))
        return Audience(policy, tuple(self.targets.values()), untold, tuple(self.missing))

    def tell(self, group: ActionGroup | None) -> None:
        """A group, or the rule's own channels."""
        book = self.lookup.channels
        if group is not None and group.channels:
            channels, missing = by_names(group.channels, self.tenant, book)
        else:
            channels, missing = named(self.rule, self.tenant, book)
        self.missing.update(dict.fromkeys(missing))
        recipients = Recipients() if group is None else group.recipients
        template = "" if group is None else group.template or ""
        for channel in channels:
            for recipient in self._recipients(channel, recipients):
                self.targets.setdefault((channel.ref, recipient), Target(channel, recipient, template))

    def _recipients(self, channel: ChannelSettings, recipients: Recipients) -> Iterable[str]:
        if not channel.PERSONAL:
            return ("",)
        if recipients.named:
            return self._users(channel, recipients, self.lookup.people)
        if isinstance(channel, EmailChannel) and self.rule.email_recipients:
            return [ADDRESS + address for address in self.rule.email_recipients]
        if getattr(channel, "recipients", ()):
            return ("",)
        return self._users(channel, DEFAULT_RECIPIENTS, self.lookup.people)

    def _users(self, channel: ChannelSettings, recipients: Recipients, people: PeopleBook) -> list[str]:
        found = []
        resolved = resolve(recipients, self.tenant, people)
        for user in resolved.users:
            recipient = USER + user.id
            if reachable(channel, user) is None:
                self.untold.append(Untold(channel.ref, recipient, Reason.NO_RECIPIENT, "has no address for it"))
            elif quiet(user, self.severity, self.now):
                self.untold.append(Untold(channel.ref, recipient, Reason.QUIET_HOURS, "the user's quiet hours"))
            else:
                found.append(recipient)
        for name, why in resolved.lacking:
            kind, _, id = name.partition(" ")
            self.untold.append(Untold(channel.ref, f"{kind}/{id}", Reason.NO_RECIPIENT, why.value))
        return found
