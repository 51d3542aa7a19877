"""Text messages and calls: a request per number, at the provider that the settings name."""

from __future__ import annotations

import orjson

from streamproc.alerting.render_phone import content_text, sms, spoken, twiml, variables
from streamproc.channels import aliyun, twilio
from streamproc.channels.fanout import each
from streamproc.channels.outcome import Outcome
from streamproc.channels.transport import BaseTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_phone import PhoneChannel, SmsChannel, VoiceChannel
from streamproc.model.notification import Notification

SMS_API = "https://dysmsapi.aliyuncs.com"
VOICE_API = "https://dyvmsapi.aliyuncs.com"
API_VERSION = "2017-05-25"


class _Phone(BaseTransport):
    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt, at the recipients that `notification.progress` leaves. Raises `SettingError`."""
        assert isinstance(channel, PhoneChannel)
        provider = self._twilio if channel.provider == "twilio" else self._aliyun

        async def ask(number: str) -> Outcome:
            return await provider(notification, channel, number)

        return await each(notification, channel.recipients, ask, self._http.total_seconds)

    async def _twilio(self, notification: Notification, channel: PhoneChannel, number: str) -> Outcome:
        raise NotImplementedError

    async def _aliyun(self, notification: Notification, channel: PhoneChannel, number: str) -> Outcome:
        raise NotImplementedError

    def _variables(self, notification: Notification, channel: PhoneChannel) -> str:
        return orjson.dumps(variables(self._message(notification, channel), notification.content)).decode()

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
        content = notification.content
        text = sms(self._message(notification, channel)) if content is None else content_text(content)
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
            "TemplateParam": self._variables(notification, channel),
            "OutId": notification.delivery_id,
        }
        return await self._call(notification, channel, SMS_API, "SendSms", parameters)


class VoiceTransport(_Phone):
    """Takes a `VoiceChannel`. That the call was placed is the success; nobody may have taken it."""

    async def _twilio(self, notification: Notification, channel: PhoneChannel, number: str) -> Outcome:
        assert isinstance(channel, VoiceChannel)
        assert channel.sender is not None
        content = notification.content
        said = spoken(self._message(notification, channel)) if content is None else content_text(content)
        words = twiml(said, channel.language)
        form = {"To": number, "From": channel.sender, "Twiml": words}
        return await twilio.post(self._http, self._environment, notification, channel, "Calls", form)

    async def _aliyun(self, notification: Notification, channel: PhoneChannel, number: str) -> Outcome:
        assert channel.template_code is not None
        parameters = {
            "CalledNumber": aliyun_number(number),
            "TtsCode": channel.template_code,
            "TtsParam": self._variables(notification, channel),
            "OutId": notification.delivery_id[-15:],  # the longest that calls take
        }
        if channel.sender is not None:
            parameters["CalledShowNumber"] = channel.sender
        return await self._call(notification, channel, VOICE_API, "SingleCallByTts", parameters)


def aliyun_number(number: str) -> str:
    """Without the plus sign; of numbers in mainland China without the country too."""
    return number.removeprefix("+86") if number.startswith("+86") else number.removeprefix("+")
