"""Settings of the channels that hand alerts to a cloud's services: event buses and functions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from streamproc.model.channel_settings import ChannelSettings, Url

_KeyId = Annotated[str, Field(min_length=4, max_length=128, pattern=r"^[A-Za-z0-9_.-]+$")]
_Region = Annotated[str, Field(max_length=32, pattern=r"^[a-z0-9-]+$")]


class EventBridgeChannel(ChannelSettings):
    """An event bus of AWS EventBridge or of Alibaba Cloud's (Aliyun's) EventBridge.

    `endpoint` replaces the provider's own address, and is required for Aliyun, where it holds the account's id.
    """

    type: Literal["eventbridge"] = "eventbridge"
    provider: Literal["aws", "aliyun"]
    region: _Region
    bus: str = Field(default="default", min_length=1, max_length=1600, pattern=r"^[A-Za-z0-9/_.:-]+$")
    source: str = Field(default="streamproc", min_length=1, max_length=256, pattern=r"^[A-Za-z0-9/_.:-]+$")
    endpoint: Url | None = None
    access_key_id: _KeyId
    access_key_secret: SecretStr = Field(min_length=1, max_length=1024)
    session_token: SecretStr | None = Field(default=None, min_length=1, max_length=4096)
    mode: Literal["single", "batch"] = "single"
    max_items: int | None = Field(default=None, ge=1, le=1_000)
    """Of a batch; more go in further requests. None: as many as the provider takes."""

    @property
    def bundles(self) -> bool:
        """Only a batch can tell of several."""
        return self.mode == "batch"

    @model_validator(mode="after")
    def _complete(self) -> EventBridgeChannel:
        if self.provider == "aliyun" and self.endpoint is None:
            raise ValueError("endpoint: is required for provider aliyun")
        if self.provider == "aws" and self.source.startswith("aws."):
            raise ValueError("source: begins with aws., which is kept for AWS's own services")
        return self


class FunctionComputeChannel(ChannelSettings):
    """A function of Alibaba Cloud's Function Compute, by the `url` of its HTTP trigger.

    With an access key the request is signed, as a trigger with authentication wants it.
    """

    type: Literal["function_compute"] = "function_compute"
    url: Url
    access_key_id: _KeyId | None = None
    access_key_secret: SecretStr | None = Field(default=None, min_length=1, max_length=1024)
    mode: Literal["single", "batch"] = "single"
    max_items: int | None = Field(default=None, ge=1, le=1_000)
    """Of a batch; more go in further requests. None: as many as the provider takes."""

    @property
    def bundles(self) -> bool:
        """Only a batch can tell of several."""
        return self.mode == "batch"

    @model_validator(mode="after")
    def _complete(self) -> FunctionComputeChannel:
        if (self.access_key_id is None) != (self.access_key_secret is None):
            raise ValueError("access_key_id: give access_key_id and access_key_secret, or neither")
        return self
