"""The container's health check: a container runs one of the processes, and one site that answers is enough.

Exit status 0 when a site answers /healthz with 200, else 1. Only the standard library: it runs every fifteen seconds.
"""

import http.client
import os
import sys

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what others bind to
SITES = ("STREAMPROC_HTTP", "STREAMPROC_WORKER_HTTP", "STREAMPROC_DELIVERY_HTTP")
TIMEOUT_S = 2


def healthy(address: str) -> bool:
    """Whether the site at host:port lives; one that listens on all addresses is asked on the loopback one."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    connection = http.client.HTTPConnection(LOOPBACK.get(host, host), int(port), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if any(healthy(os.environ[name]) for name in SITES if os.environ.get(name)) else 1)
