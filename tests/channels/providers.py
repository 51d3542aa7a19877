"""Telephone and cloud channels that point to a local receiver, and what their providers answer when all is well."""

from __future__ import annotations

from typing import Any

from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_cloud import EventBridgeChannel, FunctionComputeChannel
from streamproc.model.channels_phone import SmsChannel, VoiceChannel
from streamproc.model.document import parsed
from tests.channels.receiver import answer

TOKEN = "t0ken-of-the-account"
FORM = "application/x-www-form-urlencoded"

TWILIO_OK = answer(201, '{"sid": "SM1", "status": "queued"}')
ALIYUN_OK = answer(200, '{"Code": "OK", "BizId": "9"}')
AWS_OK = answer(200, '{"FailedEntryCount": 0, "Entries": [{"EventId": "e1"}]}')
AWS_TWO_OK = answer(200, '{"FailedEntryCount": 0, "Entries": [{"EventId": "e1"}, {"EventId": "e2"}]}')
ALIYUN_BUS_TWO_OK = answer(200, '{"FailedEntryCount": 0, "EntryList": [{"EventId": "e1"}, {"EventId": "e2"}]}')
ALIYUN_BUS_OK = answer(200, '{"FailedEntryCount": 0, "EntryList": [{"EventId": "e1"}]}')

_TWILIO = {"provider": "twilio", "account_sid": "AC123", "auth_token": TOKEN, "sender": "+15005550006"}
_ALIYUN = {
    "provider": "aliyun",
    "access_key_id": "LTAI5t",
    "access_key_secret": TOKEN,
    "template_code": "SMS_1",
}
_KEY = {"access_key_id": "AKID1234", "access_key_secret": TOKEN}


def _doc(url: str, recipients: list[str] | None = None, **settings: Any) -> dict[str, Any]:
    return {
        "id": "c",
        "tenant_id": "acme",
        "endpoint": url,
        "recipients": recipients or ["+4915112345678"],
        **settings,
    }


def sms_twilio(url: str, **settings: Any) -> ChannelSettings:
    return parsed(SmsChannel, _doc(url, **{**_TWILIO, **settings}))


def sms_aliyun(url: str, **settings: Any) -> ChannelSettings:
    return parsed(SmsChannel, _doc(url, **{**_ALIYUN, "sign_name": "acme", **settings}))


def voice_twilio(url: str, **settings: Any) -> ChannelSettings:
    return parsed(VoiceChannel, _doc(url, **{**_TWILIO, **settings}))


def voice_aliyun(url: str, **settings: Any) -> ChannelSettings:
    return parsed(VoiceChannel, _doc(url, **{**_ALIYUN, **settings}))


def bus(url: str, provider: str = "aws", **settings: Any) -> ChannelSettings:
    doc = {"id": "c", "tenant_id": "acme", "endpoint": url, "provider": provider, "region": "eu-west-1"}
    return parsed(EventBridgeChannel, {**doc, **_KEY, **settings})


def function(url: str, **settings: Any) -> ChannelSettings:
    return parsed(FunctionComputeChannel, {"id": "c", "tenant_id": "acme", "url": url, **_KEY, **settings})
