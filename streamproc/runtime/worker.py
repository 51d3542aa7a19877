"""The worker process: agents `route` and `detect` on one Faust app."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import structlog

from streamproc import metrics
from streamproc.geoip import GeoIp
from streamproc.kafka.client import client_options
from streamproc.kafka.ledger import LedgerSettings
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import check_topics, load_topics
from streamproc.runtime.app import LaneApp, beside, instance_dir, until_stopped
from streamproc.runtime.detect import Detect
from streamproc.runtime.health import HealthSite
from streamproc.runtime.redaction import redactor_of
from streamproc.runtime.route import Route
from streamproc.runtime.watchdog import watch
from streamproc.settings import Settings

log = structlog.get_logger(__name__)


async def run_worker(settings: Settings, stop: asyncio.Event) -> BaseException | None:
    """Run until `stop` is set or something fails; answers the failure.

    Raises TopicMismatchError before joining the group when the cluster's topics are not as declared.
    """
    topics = load_topics(settings)
    redactor = redactor_of(settings)
    await check_topics(settings, topics)
    directory, lock = instance_dir(settings, "worker")
    client = client_options(settings)
    deadline = settings.session_timeout * 0.8
    tailer = ConfigTailer(settings)
    geoip = GeoIp(settings.geoip_db)
    dead = topics["dead-letters"]
    producer = AwaitedProducer(client, deadline, dead.topic, dead.partitions)
    app = LaneApp(settings, settings.group(settings.worker_group))
    started = False

    def readiness() -> tuple[bool, dict[str, Any]]:
        snapshot = tailer.snapshot
        detail = {
            "assigned": sorted(f"{tp.topic}/{tp.partition}" for tp in app.lanes),
            "recovering": {str(p): ledger.remaining for p, ledger in detect.opening.items()} if started else {},
            "config_offset": snapshot.offset,
            "rule_problems": [str(problem) for problem in snapshot.problems],
            "geoip": geoip.detail(snapshot.rules.needing_place),
        }
        return app.ready, detail

    site = HealthSite(settings.worker_http, readiness)
    await asyncio.to_thread(geoip.refresh)
    await tailer.start()
    await producer.start()
    try:
        enrich = None if geoip.path is None else geoip.enrich
        route = Route(
            app,
            tailer,
            producer,
            topics.sources,
            topics["signals"],
            enrich,
            redactor,
            bury_values=not settings.redact_dead_letters,
        )
        detect = Detect(app, tailer, producer, topics, LedgerSettings(client, deadline), directory)
        for spec in topics.sources:
            app.openers[spec.topic] = partial(route.open_lane, spec.topic)
        app.openers[detect.signals.topic] = detect.open_lane
        app.deliver_from("route", *(spec.topic for spec in topics.sources))
        app.deliver_from("detect", detect.signals.topic)
        started = True
        await site.start()
        log.info(
            "worker.starting", health=f"http://{settings.worker_http.host}:{site.port}/readyz", state=str(directory)
        )
        _export(tailer, geoip)
        await app.start()
        work = [route.tick_forever(), geoip.keep_fresh(), watch(app, settings.stall_timeout)]
        if settings.standby_interval:
            work.append(detect.standby.keep(settings.standby_interval))
        async with beside(app, *work):
            await until_stopped(app, stop)
    finally:
        await app.stop()
        await producer.stop()
        await tailer.stop()
        await site.stop()
        lock.close()
    return app.failure


def _export(tailer: ConfigTailer, geoip: GeoIp) -> None:
    """Count the rules that see nothing for want of a GeoIP file."""
    metrics.RULES_WITHOUT_GEOIP.set_function(lambda: 0 if geoip.loaded else tailer.snapshot.rules.needing_place)
