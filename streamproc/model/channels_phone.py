"""Settings of the channels that reach telephones: text messages and calls, through Twilio or Alibaba Cloud (Aliyun)."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

import phonenumbers
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from streamproc.model.channel_settings import ChannelSettings, Url

MAX_RECIPIENTS = 50
_WRITTEN = re.compile(r"\+?\d{1,3}-?\d{4,14}")
_Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.-]+$")]


def _number(text: str) -> str:
    """`+4915112345678` from that or `49-15112345678`, where it is a number that can exist."""
    compact = text.replace(" ", "")
    if _WRITTEN.fullmatch(compact) and (compact[0] == "+" or "-" in compact):
        try:
            number = phonenumbers.parse("+" + compact.lstrip("+").replace("-", ""))
        except phonenumbers.NumberParseException:
            number = None
        if number is not None and phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    raise ValueError("is not a telephone number with its country: +4915112345678 or 49-15112345678")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _each_once(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value))


Number = Annotated[str, Field(max_length=32), AfterValidator(_number)]
Numbers = Annotated[tuple[Number, ...], BeforeValidator(_listed), AfterValidator(_each_once)]


class PhoneChannel(ChannelSettings):
    """What both have in common. `endpoint` replaces the provider's own address (a region's, or a proxy's).

    Twilio needs `account_sid`, `auth_token` and `sender`; Aliyun `access_key_id`, `access_key_secret` and a template
    that is approved there, which may use `severity`, `title`, `status`, `time` and `count`.
    """

    PERSONAL: ClassVar[bool] = True

    provider: Literal["twilio", "aliyun"]
    recipients: Numbers = Field(default=(), max_length=MAX_RECIPIENTS)
    endpoint: Url | None = None
    account_sid: _Name | None = None
    auth_token: SecretStr | None = Field(default=None, min_length=1, max_length=1024)
    sender: str | None = Field(default=None, min_length=1, max_length=64, pattern=r"^[ -~]+$")
    access_key_id: _Name | None = None
    access_key_secret: SecretStr | None = Field(default=None, min_length=1, max_length=1024)
    template_code: _Name | None = None

    @model_validator(mode="after")
    def _complete(self) -> PhoneChannel:
        for name in self.required:
            if getattr(self, name) is None:
                raise ValueError(f"{name}: is required for provider {self.provider}")
        return self

    @property
    def required(self) -> tuple[str, ...]:
        """The fields that the provider cannot do without."""
        if self.provider == "twilio":
            return ("account_sid", "auth_token", "sender")
        return ("access_key_id", "access_key_secret", "template_code")


class SmsChannel(PhoneChannel):
    """Text messages. `sender`: a number, a name, or a Twilio messaging service (`MG…`); `sign_name`: Aliyun's."""

    type: Literal["sms"] = "sms"
    sign_name: str | None = Field(default=None, min_length=1, max_length=64)

    @property
    def required(self) -> tuple[str, ...]:
        """The fields that the provider cannot do without."""
        return (*super().required, *(("sign_name",) if self.provider == "aliyun" else ()))


class VoiceChannel(PhoneChannel):
    """Calls that read the alert out. `sender` is the number that is shown; Aliyun may be left to choose it."""

    type: Literal["voice"] = "voice"
    language: str = Field(default="en-US", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$")
