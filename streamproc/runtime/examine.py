"""Looks at everything that `streamproc doctor` judges: the cluster, the processes, files, and endpoints if asked."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import maxminddb
from aiokafka.errors import KafkaError

from streamproc.config.keyring import KEY_FILE, SealError, load_keyring
from streamproc.config.sealing import has_sealed, open_sealed
from streamproc.config.snapshot import Snapshot
from streamproc.geoip import GeoIp, GeoIpError
from streamproc.kafka.group_progress import broker_clock, group_progress
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import Difference, Topics, check_topics, differences, load_topics
from streamproc.model.channel import parse_channel, parse_webhook
from streamproc.model.document import DocumentError
from streamproc.runtime import doctor
from streamproc.runtime.doctor import Check
from streamproc.settings import HostPort, Settings

CHECKS = ("topics", "config", "lag", "clocks", "geoip", "channels", "health", "disk", "keyring")
"""What is looked at, in this order; `endpoints` comes after `channels` where it is asked for."""
_HTTP_S = 3.0
_CONNECT_S = 5.0
_AT_ONCE = 16
_PARSE = {"webhook": parse_webhook, "channel": parse_channel}
_READS = {"worker": ("signals",), "delivery": ("alerts", "deliveries", "notifications")}


async def examine(settings: Settings, *, endpoints: bool = False, skip: Collection[str] = ()) -> list[Check]:
    """Every check that is not in `skip`. Raises BrokerUnavailableError, without which there is little to look at."""
    topics = load_topics(settings)
    found = await differences(settings, topics)
    missing = {finding.topic for finding in found if finding.difference is Difference.MISSING}
    snapshot = await _snapshot(settings, topics, missing)
    members: dict[str, int] = {}
    checks = [Check("broker", settings.kafka or "our own", doctor.State.FINE, "answers")]

    async def lag() -> list[Check]:
        reading = {
            settings.worker_group: ("worker", [spec.name for spec in topics.sources] + [*_READS["worker"]]),
            settings.delivery_group: ("delivery", [*_READS["delivery"]]),
        }
        there = {
            group: [name for name in names if topics[name].topic not in missing]
            for group, (_, names) in reading.items()
        }
        judged = []
        for progress, (process, _) in zip(await group_progress(settings, there, topics), reading.values(), strict=True):
            members[process] = progress.members
            judged += doctor.lag(progress, process, int(time.time() * 1000))
        return judged

    async def config() -> list[Check]:
        return doctor.config(len(snapshot.rules), snapshot.problems)

    async def clocks() -> list[Check]:
        try:
            return [doctor.clock(await broker_clock(settings, topics))]
        except KafkaError as error:
            return [doctor.unknown("clocks", "this machine", f"the broker does not tell its time: {error}")]

    async def channels() -> list[Check]:
        return await _channels(settings, snapshot, endpoints)

    async def health() -> list[Check]:
        return await _health(settings, members)

    async def files(judge: Callable[[], Check]) -> list[Check]:
        return [await asyncio.to_thread(judge)]

    async def topics_() -> list[Check]:
        return doctor.topics(len(topics), found)

    looks: dict[str, Callable[[], Awaitable[list[Check]]]] = {
        "topics": topics_,
        "config": config,
        "lag": lag,
        "clocks": clocks,
        "geoip": lambda: files(lambda: _geoip(settings.geoip_db, snapshot.rules.needing_place)),
        "channels": channels,
        "health": health,
        "disk": lambda: files(lambda: _disk(settings.data_dir)),
        "keyring": lambda: files(lambda: _keyring(settings, snapshot)),
    }
    for name in CHECKS:
        if name not in skip:
            checks += await looks[name]()
    return checks


async def _snapshot(settings: Settings, topics: Topics, missing: Collection[str]) -> Snapshot:
    if topics["config"].topic in missing:
        return Snapshot.empty()
    await check_topics(settings, topics, ["config"])
    tailer = ConfigTailer(settings)
    await tailer.start()
    await tailer.stop()
    return tailer.snapshot


async def _channels(settings: Settings, snapshot: Snapshot, connect: bool) -> list[Check]:
    keyring = load_keyring(settings)
    unusable: dict[str, str] = {}
    disabled: dict[str, str] = {}
    addresses: list[tuple[str, str, int]] = []
    usable = 0
    for kind, parse in _PARSE.items():
        for record in snapshot.records(kind):
            name = f"{kind} {record.tenant}/{record.id}"
            if record.spec.get("enabled") is False:
                disabled[name] = f"by {record.updated_by}"
                continue
            try:
                channel = parse(open_sealed(record, keyring))
            except (DocumentError, SealError) as error:
                unusable[name] = " ".join(str(error).split())
                continue
            usable += 1
            address = _address(channel)
            if address is not None:
                addresses.append((name, *address))
    checks = doctor.channels(usable, unusable, disabled)
    if connect:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(name: str, host: str, port: int) -> Check:
            async with gate:
                return doctor.endpoint(name, f"{host}:{port}", await _refused(host, port))

        checks += await asyncio.gather(*(one(*address) for address in addresses))
    return checks


def _address(channel: Any) -> tuple[str, int] | None:
    """Host and port of a channel that names them; never more of its address, which may be a secret."""
    url = getattr(channel, "url", None)
    if url is not None:
        parts = urlsplit(url.get_secret_value())
        if parts.hostname and "$" not in parts.netloc:
            return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    host, port = getattr(channel, "host", None), getattr(channel, "port", None)
    return (host, port) if isinstance(host, str) and isinstance(port, int) else None


async def _refused(host: str, port: int) -> str | None:
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"no answer within {_CONNECT_S:g} s"
    except OSError as error:
        return error.strerror or str(error)
    writer.close()
    return None


async def _health(settings: Settings, members: dict[str, int]) -> list[Check]:
    sites = {"worker": settings.worker_http, "delivery": settings.delivery_http, "api": settings.http}
    checks = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_HTTP_S)) as http:
        for process, address in sites.items():
            if not address.port:
                checks.append(doctor.unknown("health", process, "listens on a port that the system chose"))
                continue
            url = f"http://{_reached(address)}/readyz"
            status, answer = await _asked(http, url)
            checks.append(doctor.site(process, url, status, answer, members.get(process)))
    return checks


async def _asked(http: aiohttp.ClientSession, url: str) -> tuple[int | None, dict[str, Any]]:
    try:
        async with http.get(url) as response:
            try:
                answer = await response.json()
            except ValueError:
                answer = {}
            return response.status, answer if isinstance(answer, dict) else {}
    except (aiohttp.ClientError, OSError, TimeoutError):
        return None, {}


def _reached(address: HostPort) -> HostPort:
    """Where to find what listens everywhere."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to
    return HostPort(here.get(address.host, address.host), address.port)


def _geoip(path: Path | None, needing: int) -> Check:
    problem, days = None, None
    if path is not None:
        try:
            GeoIp(path).require()
            with maxminddb.open_database(path) as reader:
                days = max(0.0, (time.time() - reader.metadata().build_epoch) / 86_400)
        except (GeoIpError, OSError, ValueError) as error:
            problem = str(error)
    return doctor.geoip(path, needing, problem, days)


def _disk(path: Path) -> Check:
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    usage = shutil.disk_usage(there)
    return doctor.disk(path, usage.free, usage.total)


def _keyring(settings: Settings, snapshot: Snapshot) -> Check:
    path = settings.data_dir / KEY_FILE
    sealed = sum(1 for kind in snapshot.kinds for record in snapshot.records(kind) if has_sealed(record.spec))
    mode = path.stat().st_mode & 0o777 if path.exists() else None
    return doctor.keyring(path, settings.secret_key is not None, mode, sealed)
