"""`streamproc keys` against a running API: what the command makes opens, what it revokes does not."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

import pytest

from streamproc.settings import Settings
from tests.command_line import run_command
from tests.web.conftest import Api

pytestmark = pytest.mark.broker


async def cli(settings: Settings, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = await asyncio.to_thread(run_command, settings, "keys", *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return done


async def answered(api: Api, token: str, status: int) -> None:
    """Soon, as every process reads the config topic for itself: two seconds, but for a busy machine."""
    async with asyncio.timeout(20):
        while (await api("GET", "/v1/lists", token=token, status=(200, 401))).status != status:
            await asyncio.sleep(0.02)


async def test_the_life_of_a_key(api: Api) -> None:
    settings = api.site.settings
    made = await cli(settings, "create", "collector", "--tenant", "acme", "--scope", "config:read", "--expires", "1d")
    token = made.stdout.strip()
    assert token.startswith("sp_")
    assert token not in made.stderr
    await answered(api, token, 200)
    await api("GET", "/v1/keys", token=token, status=403)
    listed: list[dict[str, Any]] = json.loads((await cli(settings, "list", "--tenant", "acme", "--json")).stdout)
    (key,) = [row for row in listed if row["name"] == "collector"]
    assert (key["state"], key["scopes"], key["last4"]) == ("holds", ["config:read"], [token[-4:]])
    turned: dict[str, Any] = json.loads((await cli(settings, "rotate", key["id"], "--overlap", "1h", "--json")).stdout)
    await answered(api, turned["token"], 200)
    await answered(api, token, 200)
    assert "revoked acme/key/" in (await cli(settings, "revoke", key["id"])).stdout
    for one in (token, turned["token"]):
        await answered(api, one, 401)
    assert "is revoked" in (await cli(settings, "rotate", key["id"], status=2)).stderr
    assert "is no key" in (await cli(settings, "revoke", "nobody", status=2)).stderr
    assert "begins with oidc:" in (await cli(settings, "create", "oidc:ann", "--tenant", "acme", status=2)).stderr
    wrong = await cli(settings, "create", "x", "--tenant", "acme", "--scope", "all", status=2)
    assert "--scope: 'all' is not one of" in wrong.stderr
    assert "90d" in (await cli(settings, "create", "x", "-t", "acme", "--expires", "soon", status=2)).stderr
