"""Connections for channels that do not speak HTTP, under the same guard on the address of the connection."""

from __future__ import annotations

import asyncio
import socket

from streamproc.channels.address import permitted
from streamproc.channels.http import ForbiddenAddressError, Http


async def connected(http: Http, host: str, port: int) -> socket.socket:
    """A connected socket, at the first of the host's addresses that answers. The caller closes it.

    Raises `ForbiddenAddressError` where only addresses that are not permitted are left to try, TimeoutError after the
    time that connecting may take, `socket.gaierror` for a name that is not known, else OSError.
    """
    async with asyncio.timeout(http.connect_seconds):
        failure: OSError = OSError("the host name has no address")
        for found in await http.resolver.resolve(host, port):
            if not permitted(found["host"], http.allowed_networks):
                failure = ForbiddenAddressError()
                continue
            try:
                return await _connect(found["family"], found["host"], found["port"])
            except OSError as error:
                failure = error
        raise failure


async def _connect(family: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    return sock
