"""Settings of a channel that the Apprise library speaks to: the long tail of services, best effort."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from streamproc.model.channel_settings import ENV_MARK, ChannelSettings


def _url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if ENV_MARK not in text and ("://" not in text or any(character <= " " for character in text)):
        raise ValueError("is not an address as Apprise has them, such as ntfy://topic")
    return value


class AppriseChannel(ChannelSettings):
    """An Apprise `url`, such as `ntfy://topic`. Only used where an operator allows it (`ALLOW_APPRISE`)."""

    type: Literal["apprise"] = "apprise"
    url: Annotated[SecretStr, Field(min_length=1, max_length=4096), AfterValidator(_url)]
