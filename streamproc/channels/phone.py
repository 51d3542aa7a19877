"""Text messages and calls: a request per number, at the provider that the settings name."""

from __future__ import annotations

import orjson

from streamproc.alerting.render_phone import sms, twiml, variables
from streamproc.channels import aliyun, twilio
from streamproc.channels.fanout import each
from streamproc.channels.http import Http
from streamproc.channels.outcome import Outcome
from streamproc.channels.secrets import Environment
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_phone import PhoneChannel, SmsChannel, VoiceChannel
from streamproc.model.notification import Notification

SMS_API = "https://dysmsapi.aliyuncs.com"
VOICE_API = "https://dyvmsapi.aliyuncs.com"
API_VERSION = "2017-05-25"


class _Phone:
    def __init__(self, http: Http, environment: Environment) -> None:
        self._http = http
        self._environment = environment

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt, at the recipients that `notification.progress` leaves. Raises `SettingError`."""
        assert isinstance(channel, PhoneChannel)
        recipients = (notification.recipient,) if notification.recipient else channel.recipients
        provider = self._twilio if channel.provider == "twilio" else self._aliyun

        async def ask(number: str) -> Outcome:
            return await provider(notification, channel, number)

        return await each(notification, recipients, ask, self._http.total_seconds)

    async def _twilio(self, notification: Notification, channel: PhoneChannel, number: str) -> Outcome:
        raise NotImplementedError

    async def _aliyun(self, notification: Notification, channel: PhoneChannel, number: str) -> Outcome:
        raise NotImplementedError

    async def _call(
        self, notification: Notification, channel: PhoneChannel, api: str, action: str, parameters: dict[str, str]
    ) -> Outcome:
        assert channel.access_key_id is not None
        assert channel.access_key_secret is not None
        key = aliyun.AccessKey(channel.access_key_id, self._environment.text(channel.access_key_secret))
        endpoint = self._environment.text(channel.endpoint) if channel.endpoint else api
        return await aliyun.call(self._http, key, endpoint, action, API_VERSION, parameters, notification.delivery_id)


class SmsTransport(_Phone):
    """Takes an `SmsChannel`."""

    async def _twilio(self, notification: Notification, channel: PhoneChannel, number: str) -> Outcome:
        assert channel.sender is not None
        text = sms(orjson.loads(notification.alert), notification.purpose)
        origin = "MessagingServiceSid" if channel.sender.startswith("MG") and len(channel.sender) == 34 else "From"
        form = {"To": number, origin: channel.sender, "Body": text}
        return await twilio.post(self._http, self._environment, notification, channel, "Messages", form)

    async def _aliyun(self, notification: Notification, channel: PhoneChannel, number: str) -> Outcome:
        assert isinstance(channel, SmsChannel)
        assert channel.sign_name is not None
        assert channel.template_code is not None
        parameters = {
            "PhoneNumbers": aliyun_number(number),
            "SignName": channel.sign_name,
            "TemplateCode": channel.template_code,
            "TemplateParam": orjson.dumps(variables(orjson.loads(notification.alert), notification.purpose)).decode(),
            "OutId": notification.delivery_id,
        }
        return await self._call(notification, channel, SMS_API, "SendSms", parameters)


class VoiceTransport(_Phone):
    """Takes a `VoiceChannel`. That the call was placed is the success; nobody may have taken it."""

    async def _twilio(self, notification: Notification, channel: PhoneChannel, number: str) -> Outcome:
        assert isinstance(channel, VoiceChannel)
        assert channel.sender is not None
        words = twiml(orjson.loads(notification.alert), notification.purpose, channel.language)
        form = {"To": number, "From": channel.sender, "Twiml": words}
        return await twilio.post(self._http, self._environment, notification, channel, "Calls", form)

    async def _aliyun(self, notification: Notification, channel: PhoneChannel, number: str) -> Outcome:
        assert channel.template_code is not None
        parameters = {
            "CalledNumber": aliyun_number(number),
            "TtsCode": channel.template_code,
            "TtsParam": orjson.dumps(variables(orjson.loads(notification.alert), notification.purpose)).decode(),
            "OutId": notification.delivery_id[-15:],  # the longest that calls take
        }
        if channel.sender is not None:
            parameters["CalledShowNumber"] = channel.sender
        return await self._call(notification, channel, VOICE_API, "SingleCallByTts", parameters)


def aliyun_number(number: str) -> str:
    """Without the plus sign; of numbers in mainland China without the country too."""
    return number.removeprefix("+86") if number.startswith("+86") else number.removeprefix("+")
