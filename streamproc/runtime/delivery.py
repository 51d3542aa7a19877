"""The delivery process: agents `notify` and `deliver` on one Faust app."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from typing import Any

import structlog

from streamproc.alerting.alert_link import LABEL, AlertLinks
from streamproc.alerting.message import no_links
from streamproc.alerting.outbox_entry import SwitchedOff
from streamproc.channels.http import Http
from streamproc.channels.registry import Transports
from streamproc.config.keyring import load_keyring
from streamproc.kafka.client import client_options
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.kafka.ledger import LedgerSettings
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import check_topics, load_topics
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Reason
from streamproc.model.times import iso
from streamproc.runtime.app import LaneApp, beside, instance_dir, until_stopped
from streamproc.runtime.deliver import Deliver
from streamproc.runtime.health import HealthSite
from streamproc.runtime.lookup import ConfigLookup
from streamproc.runtime.notify import Notify
from streamproc.runtime.watchdog import watch
from streamproc.settings import Settings

log = structlog.get_logger(__name__)

IN_FORCE_S = 10.0
"""A change of the configuration is read back within this, or somebody may ask for it again."""


async def run_delivery(settings: Settings, stop: asyncio.Event) -> BaseException | None:
    """Run until `stop` is set or something fails; answers the failure.

    Raises TopicMismatchError before joining the group when the cluster's topics are not as declared.
    """
    topics = load_topics(settings)
    await check_topics(settings, topics)
    directory, lock = instance_dir(settings, "delivery")
    client = client_options(settings)
    deadline = settings.session_timeout * 0.8
    tailer = ConfigTailer(settings)
    dead = topics["dead-letters"]
    producer = AwaitedProducer(client, deadline, dead.topic, dead.partitions)
    app = LaneApp(settings, settings.group(settings.delivery_group))
    keyring = load_keyring(settings)
    lookup = ConfigLookup(tailer, keyring)
    disabling: dict[tuple[str, ChannelRef], asyncio.Task[None]] = {}

    def disable(off: SwitchedOff) -> None:
        key = (off.tenant, off.channel)
        if key not in disabling:
            task = disabling[key] = asyncio.create_task(_disable(settings, tailer, off))
            task.add_done_callback(lambda _: disabling.pop(key))

    def readiness() -> tuple[bool, dict[str, Any]]:
        return app.ready, {
            "assigned": sorted(f"{tp.topic}/{tp.partition}" for tp in app.lanes),
            "config_offset": tailer.snapshot.offset,
            "unusable_channels": [f"{tenant}/{ref}" for tenant, ref in lookup.channels.problems],
        }

    site = HealthSite(settings.delivery_http, readiness)
    async with Http(allowed_networks=settings.allowed_networks) as http:
        await tailer.start()
        await producer.start()
        try:
            ledgers = LedgerSettings(client, deadline)
            links = AlertLinks(settings.public_url, keyring.derived(LABEL)[0]) if settings.public_url else no_links
            transports = Transports(
                http,
                os.environ,
                lookup.template,
                links,
                allow_apprise=settings.allow_apprise,
                variables=settings.channel_variables,
            )
            notify = Notify(app, lookup, producer, topics, ledgers, directory)
            deliver = Deliver(app, lookup, transports, producer, topics, ledgers, directory, disable)
            # Alerts and deliveries of a partition feed one table, so one lane.
            app.openers[notify.alerts.topic] = notify.open_lane
            app.openers[notify.deliveries.topic] = notify.open_lane
            app.openers[deliver.notifications.topic] = deliver.open_lane
            app.deliver_from("notify", notify.alerts.topic, notify.deliveries.topic)
            app.deliver_from("deliver", deliver.notifications.topic)
            await site.start()
            log.info("delivery.starting", health=f"http://{settings.delivery_http.host}:{site.port}/readyz")
            await app.start()
            async with beside(app, watch(app, settings.stall_timeout)):
                await until_stopped(app, stop)
        finally:
            await app.stop()
            await producer.stop()
            await tailer.stop()
            await site.stop()
            lock.close()
    return app.failure


async def _disable(settings: Settings, tailer: ConfigTailer, off: SwitchedOff) -> None:
    """Switch the channel off in the configuration, until somebody switches it on. A rule's own address has no record
    of its own: the outbox remembers it.
    """
    tenant, channel = off.tenant, str(off.channel)
    why = "the endpoint answered 410 Gone"
    if off.reason is not Reason.GONE:
        why = f"the endpoint has failed since {iso(off.since)} without a success"
    record = tailer.snapshot.record(off.channel.config, tenant, off.channel.id)
    if record is None:
        log.warning("channel.disabled", tenant=tenant, channel=channel, reason=why)
        return
    if record.spec.get("enabled") is False:
        return
    changed = replace(
        record,
        revision=record.revision + 1,
        spec={**record.spec, "enabled": False},
        updated_at=iso(int(time.time() * 1000)),
        updated_by=f"streamproc: {why}",
    )
    try:
        async with ConfigWriter(settings) as writer:
            offset = await writer.put([changed])
        log.warning("channel.disabled", tenant=tenant, channel=channel, reason=why)
        if offset is not None:
            async with asyncio.timeout(IN_FORCE_S):
                await tailer.wait_for(offset)
    except OSError as error:  # the next notification to it asks again
        log.warning("channel.disable_failed", tenant=tenant, channel=channel, error=str(error) or type(error).__name__)
