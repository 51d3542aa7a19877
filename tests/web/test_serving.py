"""What holds for every request: keys, problem documents, headers, limits."""

from __future__ import annotations

import pytest

from tests.web.conftest import Api

pytestmark = pytest.mark.broker


async def test_it_is_up(api: Api) -> None:
    assert (await api("GET", "/healthz", token=None)).json == {"status": "alive"}
    assert (await api("GET", "/readyz", token=None)).json["status"] == "ready"
    assert "streamproc_http_request_seconds" in (await api("GET", "/metrics", token=None)).text
