"""Apprise: services that have no channel of their own, best effort, by the library of that name.

The library says whether a service took the message, and nothing else: no status, no Retry-After, no difference between
a refusal and an outage; some services' errors it takes for success. It opens its own connections, so the check of
outbound addresses does not hold for them, and an operator has to allow it. It is an extra: `streamproc[apprise]`.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from streamproc.alerting.message import Links, no_links
from streamproc.alerting.render import headline, plain
from streamproc.channels.http import Http
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason, unusable
from streamproc.channels.secrets import Environment, SettingError
from streamproc.channels.transport import BaseTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_apprise import AppriseChannel
from streamproc.model.notification import Notification

THREADS = 4
"""A service that hangs keeps its thread until the library gives up; the others wait meanwhile."""


class AppriseTransport(BaseTransport):
    """Takes an `AppriseChannel`. Every failure is tried again, as nobody can tell which are for good."""

    def __init__(self, http: Http, environment: Environment, links: Links = no_links, *, allowed: bool = False) -> None:
        super().__init__(http, environment, links)
        self._allowed = allowed
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="apprise")

    async def send(self, notification: Notification, channel: ChannelSettings) -> Outcome:
        """One attempt. Raises `SettingError`."""
        assert isinstance(channel, AppriseChannel)
        if not self._allowed:
            raise SettingError("type: apprise is only used where an operator sets STREAMPROC_ALLOW_APPRISE")
        told, content = self._message(notification, channel), notification.content
        title = (content.subject if content is not None else "") or headline(told)
        body = plain(told).partition("\n")[2] if content is None else content.text
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, _notify, self._environment.text(channel.url), title, body
        )
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._http.total_seconds):
                taken = await work
        except TimeoutError:
            return Outcome(OutcomeKind.RETRY, Reason.TIMEOUT, latency_ms=_since(started), detail="no answer in time")
        except ImportError:
            return unusable("type: the library is not installed; install streamproc[apprise]")
        except SettingError:
            raise
        except Exception as error:
            # what a plugin raises may hold the address with its secrets, so only the kind of it is told
            detail = f"Apprise failed: {type(error).__name__}"
            return Outcome(OutcomeKind.RETRY, Reason.PROVIDER_ERROR, latency_ms=_since(started), detail=detail)
        if taken:
            return Outcome(OutcomeKind.DELIVERED, Reason.OK, latency_ms=_since(started))
        detail = "Apprise could not deliver it and does not say why"
        return Outcome(OutcomeKind.RETRY, Reason.PROVIDER_ERROR, latency_ms=_since(started), detail=detail)


def _notify(url: str, title: str, body: str) -> bool:
    """Whether the service took it. Raises ImportError, `SettingError`, and whatever a plugin does."""
    library: Any = importlib.import_module("apprise")
    sender = library.Apprise()
    if not sender.add(url):
        raise SettingError("url: is not an address that Apprise knows")
    return bool(sender.notify(body=body, title=title, body_format="text"))


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
