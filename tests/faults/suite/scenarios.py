"""The faults. Each is given a running site and a source of chance, hurts it once, and leaves it as it was."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.suite.site import SESSION_S, Site

Hurt = Callable[[Site, random.Random], Awaitable[None]]
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@dataclass(frozen=True)
class Scenario:
    """`brokers`: of the cluster. `by`: how events come in and what is checked. `needs`: what the machine must have."""

    name: str
    about: str
    hurt: Hurt
    brokers: int = 1
    by: str = "topic"
    poison: float = 0.0
    step_ms: int = 20
    needs: Callable[[], str | None] = lambda: None
    small_disk: bool = False
    clock: bool = False
    limited: bool = False
    """Half of the tenants send far more than their plans say."""


async def nothing(site: Site, rng: random.Random) -> None:
    """No fault: what the others are compared with."""


async def worker_kill(site: Site, rng: random.Random) -> None:
    for _ in range(2):
        await asyncio.sleep(rng.uniform(0.2, 1.5))
        site.processes[rng.choice(site.workers)].kill()


async def workers_kill(site: Site, rng: random.Random) -> None:
    """All at once, so that what comes meanwhile is a backlog; and one of them while it works that off."""
    await asyncio.sleep(rng.uniform(0.2, 1))
    for name in site.workers:
        site.processes[name].kill()
    await asyncio.sleep(rng.uniform(2.5, 8))
    site.processes[rng.choice(site.workers)].kill()


async def worker_pause(site: Site, rng: random.Random) -> None:
    victim = site.processes[rng.choice(site.workers)]
    await asyncio.sleep(rng.uniform(0.2, 1))
    victim.signal(signal.SIGSTOP)
    await asyncio.sleep(SESSION_S * 2 + rng.uniform(0, 1))
    victim.signal(signal.SIGCONT)


async def delivery_kill(site: Site, rng: random.Random) -> None:
    for _ in range(2):
        await asyncio.sleep(rng.uniform(0.2, 2))
        site.processes["delivery"].kill()


async def api_kill(site: Site, rng: random.Random) -> None:
    for _ in range(2):
        await asyncio.sleep(rng.uniform(0.2, 2))
        site.processes["api"].kill()


async def broker_kill(site: Site, rng: random.Random) -> None:
    node = site.cluster.nodes[rng.randrange(len(site.cluster.nodes))]
    await asyncio.sleep(rng.uniform(0.2, 1))
    await asyncio.to_thread(node.kill)
    await asyncio.sleep(rng.uniform(0.1, 2))
    node.start()
    await node.ready()


async def network_cut(site: Site, rng: random.Random) -> None:
    await asyncio.sleep(rng.uniform(0.2, 1))
    for node in site.cluster.nodes:
        node.proxy.cut()
    await asyncio.sleep(rng.uniform(0.5, SESSION_S * 1.5))
    site.cluster.heal()


async def network_stall(site: Site, rng: random.Random) -> None:
    await asyncio.sleep(rng.uniform(0.2, 1))
    for node in site.cluster.nodes:
        node.proxy.stall()
    await asyncio.sleep(SESSION_S * 2 + rng.uniform(0, 1))
    site.cluster.heal()


async def network_slow(site: Site, rng: random.Random) -> None:
    for node in site.cluster.nodes:
        node.proxy.delay_s = rng.uniform(0.02, 0.15)
    await asyncio.sleep(rng.uniform(2, 5))
    site.cluster.heal()


async def disk_full(site: Site, rng: random.Random) -> None:
    directory = site.directory / site.workers[0]
    filler = directory / "filler"
    await asyncio.sleep(rng.uniform(0.2, 1))
    with contextlib.suppress(OSError), filler.open("wb") as out:
        while True:
            out.write(bytes(1 << 16))
            out.flush()
    await asyncio.sleep(rng.uniform(2, 4))
    filler.unlink()


async def state_deleted(site: Site, rng: random.Random) -> None:
    name = rng.choice(site.workers)
    await asyncio.sleep(rng.uniform(0.2, 1))
    running = rng.random() < 0.5
    if not running:
        site.down.add(name)
        site.processes[name].kill()
    for path in site.state_of(name).glob("detect*"):
        shutil.rmtree(path, ignore_errors=True)
    await asyncio.sleep(rng.uniform(0.2, 1))
    if running:
        site.processes[name].kill()
    site.down.discard(name)


async def state_damaged(site: Site, rng: random.Random) -> None:
    name = rng.choice(site.workers)
    await asyncio.sleep(rng.uniform(0.5, 1.5))
    site.down.add(name)
    site.processes[name].kill()
    files = [file for file in site.state_of(name).rglob("*") if file.is_file() and file.stat().st_size > 16]
    for file in rng.sample(files, min(3, len(files))):
        content = bytearray(file.read_bytes())
        at = rng.randrange(len(content) - 8)
        content[at : at + 8] = rng.randbytes(8)
        file.write_bytes(content)
    site.down.discard(name)


async def clock_step(site: Site, rng: random.Random) -> None:
    clock = site.directory / "clock"
    for offset in (rng.choice((3600, -3600)), 0):
        await asyncio.sleep(rng.uniform(0.5, 1.5))
        clock.write_text(f"{offset:+d}\n")
    await asyncio.sleep(1)


async def rebalance_storm(site: Site, rng: random.Random) -> None:
    extra = [site.add(f"worker-extra-{n}", "worker") for n in range(2)]
    for _ in range(3):
        await asyncio.sleep(rng.uniform(1.0, 2.5))
        victim = rng.choice(extra)
        if rng.random() < 0.5:
            victim.kill()
        else:
            victim.signal(signal.SIGTERM)
    for process in extra:
        site.down.add(process.name)
    await asyncio.gather(*(asyncio.to_thread(process.stop) for process in extra))
    for process in extra:
        del site.processes[process.name]
        site.down.discard(process.name)


async def config_unavailable(site: Site, rng: random.Random) -> None:
    name = rng.choice(site.workers)
    await asyncio.sleep(rng.uniform(0.2, 1))
    for node in site.cluster.nodes:
        node.proxy.cut()
    site.processes[name].kill()  # the supervisor starts it while nothing can be read
    await asyncio.sleep(rng.uniform(2, 4))
    site.cluster.heal()


def _can_mount() -> str | None:
    return None if os.geteuid() == 0 and shutil.which("mount") else "needs root, to mount a small file system"


def _has_faketime() -> str | None:
    return None if FAKETIME.exists() else "needs libfaketime (Debian: faketime)"


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("none", "no fault", nothing),
    Scenario("worker-kill", "two SIGKILLs of workers", worker_kill),
    Scenario("worker-pause", "SIGSTOP of a worker beyond its session, then SIGCONT", worker_pause),
    Scenario("delivery-kill", "two SIGKILLs of the delivery process", delivery_kill, by="delivery"),
    Scenario("api-kill", "two SIGKILLs of the API while it takes events", api_kill, by="api"),
    Scenario("broker-kill", "SIGKILL of the only broker, and its restart", broker_kill),
    Scenario("cluster-loses-one", "SIGKILL of one of three brokers, and its restart", broker_kill, brokers=3),
    Scenario("network-cut", "every connection to the broker broken, new ones refused", network_cut),
    Scenario("network-stall", "connections stay open and nothing goes through, beyond the session", network_stall),
    Scenario("network-slow", "20 to 150 ms on every packet", network_slow),
    Scenario("disk-full", "no space left for a worker's state", disk_full, needs=_can_mount, small_disk=True),
    Scenario("state-deleted", "a worker's tables deleted, running or not", state_deleted),
    Scenario("state-damaged", "bytes of a worker's tables overwritten", state_damaged),
    Scenario("clock-step", "a worker's clock steps by an hour and back", clock_step, needs=_has_faketime, clock=True),
    Scenario("rebalance-storm", "workers join and leave, in order or not", rebalance_storm),
    Scenario("config-unavailable", "a worker starts while the config topic cannot be read", config_unavailable),
    Scenario("poison-storm", "every fifth record is garbage", nothing, poison=0.25),
    Scenario(
        "hot-tenants",
        "half of the tenants are over their limits; SIGKILL of all workers, and of one",
        workers_kill,
        limited=True,
    ),
    Scenario("soak", "a day of events in seconds, with a SIGKILL", worker_kill, step_ms=8_000),
)


def small_disk(directory: Path, megabytes: int) -> Callable[[], None]:
    """Mount a small file system there; answers how to take it away."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "streamproc", str(directory)], check=True)
    return lambda: subprocess.run(["umount", "-l", str(directory)], check=False) and None
