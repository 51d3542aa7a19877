"""Every transport, by the name that `ChannelSettings.transport` gives; and the one way to use them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

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
from streamproc.channels.transport import Transport
from streamproc.channels.webhook import WebhookTransport
from streamproc.channels.wecom import WeComTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.notification import Notification
from streamproc.model.webhook import WebhookSettings, provider_of

TRANSPORTS: Mapping[str, Callable[[Http, Environment], Transport]] = {
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


class Transports:
    """Sends through whatever a notification's channel is."""

    def __init__(self, http: Http, environment: Mapping[str, str]) -> None:
        """`environment`: the variables that settings may name as `${NAME}`, usually `os.environ`."""
        self._environment = Environment(environment)
        self._transports = {name: make(http, self._environment) for name, make in TRANSPORTS.items()}

    async def send(self, notification: Notification, channel: ChannelSettings | None) -> Outcome:
        """One attempt. Raises nothing but `CancelledError`: whatever goes wrong is an outcome.

        `channel` None: it was deleted after the notification was made.
        """
        if channel is None:
            detail = f"{notification.channel} is no longer configured"
            return Outcome(OutcomeKind.PERMANENT, Reason.CHANNEL_GONE, detail=detail)
        if not channel.enabled:
            detail = f"{notification.channel} was disabled"
            return Outcome(OutcomeKind.PERMANENT, Reason.DISABLED, detail=detail)
        try:
            return await self._transports[self._transport(channel)].send(notification, channel)
        except SettingError as error:
            return unusable(str(error))
        except Exception:
            # a fault of ours must not stop the others' deliveries; it is retried like an outage and stands in the log
            log.exception("attempt at %s failed unexpectedly", notification.delivery_id)
            return Outcome(OutcomeKind.RETRY, Reason.INTERNAL, detail="a fault in streamproc; its log says more")

    def _transport(self, channel: ChannelSettings) -> str:
        """A webhook's address may be in a variable, so only now it shows that it is Slack's or PagerDuty's."""
        if isinstance(channel, WebhookSettings):
            return provider_of(self._environment.text(channel.url)) or channel.transport
        return channel.transport
