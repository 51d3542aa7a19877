"""`streamproc broker`: a broker of our own, alone."""

from __future__ import annotations

import signal
import threading

import typer

from streamproc.cli.failures import InputError
from streamproc.cli.output import note
from streamproc.kafka.broker.resolve import start_broker
from streamproc.kafka.client import BrokerUnavailableError
from streamproc.settings import load_settings

app = typer.Typer()


@app.command()
def broker() -> None:
    """Run a Kafka broker of our own until it is told to stop, and print its address.

    Its records are kept in DATA_DIR. When one runs there already, print that one's address and end.
    """
    settings = load_settings()
    if settings.kafka:
        raise InputError(f"STREAMPROC_KAFKA: is set to {settings.kafka}; unset it to run a broker of our own")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    started = start_broker(settings, note)
    try:
        print(started.bootstrap, flush=True)
        if started.kind == "shared":
            note(f"It runs already, for {settings.data_dir}.")
            return
        note(f"Kafka takes requests; records are kept in {settings.data_dir}. Ctrl-C stops it.")
        while not stop.wait(1.0):
            if not started.alive:
                raise BrokerUnavailableError(f"The broker ended; see {settings.data_dir}/kafka/broker.log")
    finally:
        started.stop()
