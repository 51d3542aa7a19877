"""`streamproc up`: a broker, a worker, a delivery process and the API as one command, for a laptop or a small site."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import aiohttp
import structlog
from rich.console import Console

from streamproc.kafka.broker.resolve import Broker, start_broker
from streamproc.kafka.topics import apply_topics, check_topics, load_topics
from streamproc.runtime.demo.play import Demo
from streamproc.runtime.supervisor import Child
from streamproc.settings import HostPort, Settings

log = structlog.get_logger(__name__)

READY_S = 60.0
LOOK_S = 0.2
LOOPBACK = "127.0.0.0/8"


async def run_up(settings: Settings, stop: asyncio.Event, *, demo: bool, console: Console) -> int:
    """Run until `stop` is set; answers the exit status. What it starts ends with it."""
    broker = await asyncio.to_thread(start_broker, settings, lambda text: console.print(text, style="dim"))
    try:
        return await _run(_with_broker(settings, broker), broker, stop, demo, console)
    finally:
        await asyncio.to_thread(broker.stop)


def _with_broker(settings: Settings, broker: Broker) -> Settings:
    return settings.model_copy(update={"kafka": broker.bootstrap})


async def _run(settings: Settings, broker: Broker, stop: asyncio.Event, demo: bool, console: Console) -> int:
    topics = load_topics(settings)
    await apply_topics(settings, topics)
    await check_topics(settings, topics)
    environment = {"STREAMPROC_KAFKA": broker.bootstrap, "STREAMPROC_DATA_DIR": str(settings.data_dir)}
    show = Demo(settings, topics, console) if demo else None
    if show is not None:
        # The receiver listens on loopback, which deliveries may not reach unless the operator says so.
        networks = [*map(str, settings.allowed_networks), LOOPBACK]
        environment["STREAMPROC_ALLOWED_NETWORKS"] = ",".join(dict.fromkeys(networks))
        await show.prepare()
    children = [Child(command, environment) for command in ("worker", "delivery", "api")]
    running = [asyncio.create_task(child.run()) for child in children]
    stopping, broken = asyncio.create_task(stop.wait()), asyncio.create_task(_watch(broker))
    showing = asyncio.create_task(_show(settings, show, console))
    try:
        done, _ = await asyncio.wait([*running, stopping, broken], return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            if task in done:
                return task.result()
        if broken in done:
            log.error("broker.ended", log=str(settings.data_dir / "kafka" / "broker.log"))
            return 70
        return 0
    finally:
        for other in (showing, stopping, broken):
            other.cancel()
        await asyncio.gather(showing, stopping, broken, return_exceptions=True)
        console.print("Stopping …", style="dim")
        await asyncio.gather(*(child.stop() for child in children))
        await asyncio.gather(*running, return_exceptions=True)
        if show is not None:
            await show.close()


async def _show(settings: Settings, show: Demo | None, console: Console) -> None:
    """Say where things are, once they work; then the demonstration, if it is the first start."""
    sites = (("worker", settings.worker_http), ("delivery", settings.delivery_http), ("api", settings.http))
    for name, address in sites:
        if not await _ready(address):
            console.print(
                f"The {name} process is not ready after {READY_S:.0f} s; its log above says why.", style="red"
            )
            return
    console.print(
        f"streamproc is up: Kafka at {settings.kafka}, worker http://{settings.worker_http}/readyz, "
        f"delivery http://{settings.delivery_http}/readyz, data in {settings.data_dir}",
        style="bold",
    )
    console.print(
        f"API and dashboard: http://{settings.http} (sign in with the key in {settings.data_dir / 'admin.key'})",
        style="bold",
    )
    if show is not None and show.is_first:
        await show.play()
        console.print(
            "Next: `streamproc alerts list`, `streamproc rules apply FILE`, `streamproc events send FILE`. "
            "Ctrl-C stops everything; data stays.",
            style="dim",
        )


async def _ready(address: HostPort) -> bool:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        for _ in range(int(READY_S / LOOK_S)):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"http://{address}/readyz") as response:
                    if response.status == 200:
                        return True
            await asyncio.sleep(LOOK_S)
    return False


async def _watch(broker: Broker) -> None:
    """Return when the broker has ended by itself."""
    while await asyncio.to_thread(lambda: broker.alive):  # noqa: ASYNC110 - a process has no event to wait for
        await asyncio.sleep(2.0)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end everything in order."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
