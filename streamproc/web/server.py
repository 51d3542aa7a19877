"""The API process: what it has at hand is opened, served from, and closed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
from aiohttp import web

from streamproc.config.keyring import load_keyring
from streamproc.kafka.client import client_options
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import Topics, check_topics, load_topics
from streamproc.settings import Settings, SettingsError
from streamproc.web.app import build_app
from streamproc.web.audit_log import AuditLog
from streamproc.web.idempotency import Answers
from streamproc.web.keys import KeyBook, first_key, show_once
from streamproc.web.limits import RateLimits
from streamproc.web.oidc.signing_in import OidcSignIn
from streamproc.web.read_model.store import Store, StoreInUseError
from streamproc.web.routes.registry import all_routes
from streamproc.web.sessions import Sessions
from streamproc.web.site import Site

log = structlog.get_logger(__name__)

ACKNOWLEDGED_S = 15.0
"""A write that Kafka has not acknowledged by then is answered with 503."""
SHUTDOWN_S = 5.0
MAX_LINE = 1 << 16
"""Bytes of an address, and of a header; aiohttp itself refuses longer ones."""


async def run_api(settings: Settings, stop: asyncio.Event) -> BaseException | None:
    """Serve until `stop` is set. Raises TopicMismatchError, BrokerUnavailableError; SettingsError for an address or
    a data directory that another process has."""
    try:
        async with serving(settings) as served:
            log.info("api.ready", address=served.url)
            await stop.wait()
    except StoreInUseError as error:
        raise SettingsError(str(error)) from None
    return None


@dataclass(frozen=True, slots=True)
class Served:
    """A server that listens."""

    site: Site
    url: str


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Served]:
    """The whole server, listening on `settings.http`."""
    async with AsyncExitStack() as stack:
        site = await _open(settings, stack)
        stack.push_async_callback(site.close)
        stack.push_async_callback(site.close)
        if settings.oidc_issuer:
            site.part(OidcSignIn)  # its settings are looked at before anybody comes
        await _first_key(site)
        # What cannot be parsed is the client's mistake; what fails in a handler, the application logs itself.
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
        runner = web.AppRunner(
            build_app(site, all_routes()),
            access_log=None,
            shutdown_timeout=SHUTDOWN_S,
            handler_cancellation=False,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(site.closing.set)  # first of all: streams would hold the cleanup up
        listener = web.TCPSite(runner, settings.http.host, settings.http.port)
        try:
            await listener.start()
        except OSError as error:
            raise SettingsError(f"STREAMPROC_HTTP: cannot listen on {settings.http}: {error.strerror}") from None
        host, port = runner.addresses[0][:2]
        yield Served(site, f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")


async def _open(settings: Settings, stack: AsyncExitStack) -> Site:
    topics = load_topics(settings)
    await check_topics(settings, topics)
    keyring = load_keyring(settings)
    directory = settings.data_dir / "api"
    dead = topics["dead-letters"]
    producer = AwaitedProducer(client_options(settings), ACKNOWLEDGED_S, dead.topic, dead.partitions)
    await producer.start()
    stack.push_async_callback(_stopped, producer)
    writer = await stack.enter_async_context(ConfigWriter(settings))
    tailer = ConfigTailer(settings)
    await tailer.start()
    stack.push_async_callback(tailer.stop)
    keys = KeyBook(tailer, keyring)
    audit = AuditLog(settings, topics, directory)
    stack.push_async_callback(audit.stop)
    await audit.start()
    answers = Answers(directory, keyring)
    stack.callback(answers.close)
    return Site(
        settings=settings,
        topics=topics,
        tailer=tailer,
        keyring=keyring,
        producer=producer,
        writer=writer,
        store=await _open_store(settings, topics, stack),
        keys=keys,
        sessions=Sessions(keyring, keys, settings.session_hours),
        answers=answers,
        rates=RateLimits(settings.rate_limit, settings.rate_burst),
        audit=audit,
    )


async def _first_key(site: Site) -> None:
    """Operators' first key, when nobody has made one: without it nobody could ask anything."""
    made = first_key(site.settings, site.tailer.snapshot, site.keyring)
    if made is None:
        return
    record, token = made
    offset = await site.writer.put([record])
    if offset is not None:
        async with asyncio.timeout(ACKNOWLEDGED_S):
            await site.tailer.wait_for(offset)
    await asyncio.to_thread(show_once, site.settings, token)


async def _stopped(producer: AwaitedProducer) -> None:
    """Everything that was answered has been acknowledged: what a broker that has gone never takes is let go."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(producer.stop(), SHUTDOWN_S)


async def _open_store(settings: Settings, topics: Topics, stack: AsyncExitStack) -> Store:
    store = Store(settings, topics)
    stack.push_async_callback(store.stop)
    await store.start()
    return store
