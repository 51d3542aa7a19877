"""Addresses that only we can reach stay unreachable for tenants, however they are written."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from streamproc.channels import http as http_module
from streamproc.channels.address import networks, permitted
from streamproc.channels.registry import Transports
from tests.channels.receiver import http, notification, receiving, webhook


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.0.9",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "not an address",
        "",
        "0x7f.1",
    ],
)
def test_forbidden(address: str) -> None:
    assert not permitted(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.255.255",
        "198.20.0.1",
        "223.255.255.255",
        "2001:200::1",
        "2606:4700::1111",
        "2a00:1450::1",
        "3ffe::1",
        "::ffff:8.8.8.8",
    ],
)
def test_permitted(address: str) -> None:
    assert permitted(address)


@pytest.mark.parametrize(
    ("address", "allowed", "answer"),
    [
        ("127.0.0.1", ["127.0.0.0/8"], True),
        ("::ffff:127.0.0.1", ["127.0.0.0/8"], True),
        ("10.0.0.1", ["127.0.0.0/8"], False),
        ("::1", ["127.0.0.0/8"], False),
        ("::1", ["::1/128"], True),
        ("fd00::5", ["10.0.0.0/8", "fd00::/8"], True),
    ],
)
def test_an_operator_can_allow_networks(address: str, allowed: list[str], answer: bool) -> None:
    assert permitted(address, networks(allowed)) is answer


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0x7f.0.0.1",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::1]",
    ],
)
async def test_no_spelling_of_this_machine_gets_through(host: str) -> None:
    async with receiving() as receiver, http(allowed_networks=()) as client:
        outcome = await Transports(client, {}).send(notification(), webhook(f"http://{host}:{receiver.port}/"))
    assert outcome.kind != "delivered"
    # a spelling that the URL parser or the system refuses is refused for another reason
    assert outcome.reason in ("forbidden_address", "settings", "connection")
    assert not receiver.requests


class Names(AbstractResolver):
    """Answers whatever a hostile name server would."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


async def test_a_name_for_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "Resolver", lambda: Names("127.0.0.1", "10.0.0.1", "169.254.169.254"))
    async with receiving() as receiver, http(allowed_networks=()) as client:
        outcome = await Transports(client, {}).send(notification(), webhook(f"http://x.example:{receiver.port}/"))
    assert (outcome.kind, outcome.reason) == ("permanent", "forbidden_address")
    assert not receiver.requests


async def test_of_several_addresses_the_permitted_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "Resolver", lambda: Names("10.0.0.1", "127.0.0.1"))
    async with receiving() as receiver, http() as client:
        outcome = await Transports(client, {}).send(notification(), webhook(f"http://x.example:{receiver.port}/"))
    assert outcome.kind == "delivered"


async def test_a_name_that_cannot_be_resolved_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any, **__: Any) -> list[ResolveResult]:
        raise OSError(None, "Name or service not known")

    names = Names()
    monkeypatch.setattr(names, "resolve", fails)
    monkeypatch.setattr(http_module, "Resolver", lambda: names)
    async with http() as client:
        outcome = await Transports(client, {}).send(notification(), webhook("http://x.example/"))
    assert (outcome.kind, outcome.reason) == ("retry", "connection")


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with http() as client:
            outcome = await Transports(client, {}).send(notification(), webhook(receiver.url))
    assert outcome.kind == "delivered"
    assert len(receiver.requests) == 1
    assert not proxy.requests
