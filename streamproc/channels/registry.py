"""Every transport, by the name that `ChannelSettings.transport` gives; and the one way to use them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from streamproc import metrics
from streamproc.alerting.content import ContentError, method_of, rendered
from streamproc.alerting.message import Links, no_links
from streamproc.channels.apprise import AppriseTransport
from streamproc.channels.dingtalk import DingTalkTransport
from streamproc.channels.email import EmailTransport
from streamproc.channels.eventbridge import EventBridgeTransport
from streamproc.channels.function_compute import FunctionComputeTransport
from streamproc.channels.http import Http
from streamproc.channels.lark import LarkTransport
from streamproc.channels.message_center import MessageCenterTransport
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason, unusable
from streamproc.channels.pagerduty import PagerDutyTransport
from streamproc.channels.phone import SmsTransport, VoiceTransport
from streamproc.channels.secrets import Environment, SettingError
from streamproc.channels.slack import SlackTransport
from streamproc.channels.teams import TeamsTransport
from streamproc.channels.transport import Transport, message_of
from streamproc.channels.webhook import WebhookTransport
from streamproc.channels.wecom import WeComTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.content_template import ContentTemplate, Method
from streamproc.model.notification import Notification
from streamproc.model.webhook import WebhookSettings, provider_of

TRANSPORTS: Mapping[str, Callable[[Http, Environment, Links], Transport]] = {
    "apprise": AppriseTransport,
    "dingtalk": DingTalkTransport,
    "email": EmailTransport,
    "eventbridge": EventBridgeTransport,
    "function_compute": FunctionComputeTransport,
    "lark": LarkTransport,
    "message_center": MessageCenterTransport,
    "pagerduty": PagerDutyTransport,
    "slack": SlackTransport,
    "sms": SmsTransport,
    "teams": TeamsTransport,
    "voice": VoiceTransport,
    "webhook": WebhookTransport,
    "wecom": WeComTransport,
}

log = logging.getLogger(__name__)


Templates = Callable[[str, str], ContentTemplate | None]
"""(tenant, id) → the content template, if there is one that can be used."""


class Transports:
    """Sends through whatever a notification's channel is."""

    def __init__(
        self,
        http: Http,
        environment: Mapping[str, str],
        templates: Templates | None = None,
        links: Links = no_links,
        *,
        allow_apprise: bool = False,
        variables: Sequence[str] = ("*",),
    ) -> None:
        """`environment`: the variables that settings may name as `${NAME}`, usually `os.environ`.

        `templates` finds content templates; without it there are none. `links` makes the links that show an alert
        without signing in (`AlertLinks`). `allow_apprise`: channels of type apprise may be used.
        `variables`: those of the environment that settings may name (see `Environment`).
        """
        self._environment = Environment(environment, variables)
        self._templates = templates or (lambda tenant, id: None)
        self._links = links
        self._transports = {name: make(http, self._environment, links) for name, make in TRANSPORTS.items()}
        self._transports["apprise"] = AppriseTransport(http, self._environment, links, allowed=allow_apprise)

    async def send(self, notification: Notification, channel: ChannelSettings | None) -> Outcome:
        """One attempt. Raises nothing but `CancelledError`: whatever goes wrong is an outcome.

        `channel` None: it was deleted after the notification was made. A channel of people has the recipients that the
        notification is for (`alerting.addressing.addressed`).
        """
        if channel is None:
            detail = f"{notification.channel} is no longer configured"
            return Outcome(OutcomeKind.PERMANENT, Reason.CHANNEL_GONE, detail=detail)
        if not channel.enabled:
            detail = f"{notification.channel} was disabled"
            return Outcome(OutcomeKind.PERMANENT, Reason.DISABLED, detail=detail)
        try:
            transport = self._transport(channel)
            worded, problem = await self._worded(notification.plain, channel, transport)
            outcome = await self._transports[transport].send(worded, channel)
        except SettingError as error:
            return unusable(str(error))
        except Exception:
            # a fault of ours must not stop the others' deliveries; it is retried like an outage and stands in the log
            log.exception("attempt at %s failed unexpectedly", notification.delivery_id)
            return Outcome(OutcomeKind.RETRY, Reason.INTERNAL, detail="a fault in streamproc; its log says more")
        if problem:
            outcome = replace(outcome, detail="; ".join(part for part in (problem, outcome.detail) if part))
        return outcome

    async def _worded(
        self, notification: Notification, channel: ChannelSettings, transport: str
    ) -> tuple[Notification, str]:
        """The notification with what its content template makes of it; and what is wrong with the template."""
        id, method = notification.template or channel.content_template, method_of(transport)
        if not id or method is None:
            return notification, ""
        template = self._templates(notification.tenant, id)
        if template is None:
            return notification, self._failed(notification, method, id, "is not configured")
        message = message_of(notification, channel, self._links)
        try:
            # in a thread, so that a slow template does not hold up other deliveries
            content = await asyncio.to_thread(rendered, template, method, message)
        except ContentError as error:
            return notification, self._failed(notification, method, id, str(error))
        return replace(notification, content=content), ""

    def _failed(self, notification: Notification, method: Method, id: str, why: str) -> str:
        metrics.TEMPLATE_FAILURES.labels(method).inc()
        log.warning("template %s of %s: %s", id, notification.tenant, why)
        return f"template {id}: {why}; the built-in text was sent"

    def _transport(self, channel: ChannelSettings) -> str:
        """A webhook's address may be in a variable, so only now it shows that it is Slack's or PagerDuty's."""
        if isinstance(channel, WebhookSettings):
            return provider_of(self._environment.text(channel.url)) or channel.transport
        return channel.transport
