"""What holds for every request: keys, problem documents, headers, limits, answers that are given once."""

from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from streamproc.config.keyring import Keyring
from streamproc.config.record import ConfigRecord
from streamproc.settings import Settings
from streamproc.web.idempotency import Answers, DifferentRequestError, InProgressError, Kept
from streamproc.web.keys import ADMIN_FILE, KIND, key_spec, new_key
from streamproc.web.limits import RateLimits
from tests.web.conftest import Api, running_api

pytestmark = pytest.mark.broker


async def test_it_is_up(api: Api) -> None:
    assert (await api("GET", "/healthz", token=None)).json == {"status": "alive"}
    assert (await api("GET", "/readyz", token=None)).json["status"] == "ready"
    assert "streamproc_http_request_seconds" in (await api("GET", "/metrics", token=None)).text


async def test_the_first_start_makes_an_admin_key_and_the_second_does_not(settings_with_topics: Settings) -> None:
    file = settings_with_topics.data_dir / ADMIN_FILE
    async with running_api(settings_with_topics) as api:
        first = file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert (await api("GET", "/v1/session", token=first.strip())).json["operator"] is True
    file.unlink()
    (file.parent / ADMIN_FILE).write_text(first)
    async with running_api(settings_with_topics) as api:
        assert file.read_text() == first
        keys = (await api("GET", "/v1/keys", token=api.operator)).json["items"]
        assert [key["name"] for key in keys if key["tenant_id"] == "*"] == ["admin"]


async def test_a_key_opens_until_it_expires_or_is_revoked(api: Api) -> None:
    made = (await api("POST", "/v1/keys", {"name": "reader", "scopes": ["config:read"]}, status=201)).json
    assert made["token"].startswith(f"sp_{made['id']}_")
    assert made["last4"] == [made["token"][-4:]]
    await api("GET", "/v1/lists", token=made["token"])
    await api("GET", "/v1/lists", token=made["token"][:-1] + ("a" if made["token"][-1] != "a" else "b"), status=401)
    await api("GET", "/v1/keys", token=made["token"], status=403)
    seen = (await api("GET", f"/v1/keys/{made['id']}")).json
    assert "token" not in seen
    assert "hash" not in orjson.dumps(seen).decode()
    await api("POST", f"/v1/keys/{made['id']}/revoke")
    await api("GET", "/v1/lists", token=made["token"], status=401)
    await api("POST", f"/v1/keys/{made['id']}/rotate", {}, status=409)
    await api("DELETE", f"/v1/keys/{made['id']}")
    await api("GET", f"/v1/keys/{made['id']}", status=404)

    old = new_key(api.site.keyring)
    now = datetime.now(UTC)
    spec = key_spec(old, "old", ["admin"], now - timedelta(seconds=1), now=now)
    offset = await api.site.writer.put([ConfigRecord(KIND, "acme", old.id, 1, spec, "", "")])
    assert offset is not None
    await api.site.tailer.wait_for(offset)
    await api("GET", "/v1/lists", token=old.token, status=401)
    await api("POST", "/v1/keys", {"name": "x", "scopes": ["admin"], "expires_at": "2020-01-01T00:00:00Z"}, status=422)


async def test_a_rotated_key_has_two_texts_for_a_while(api: Api) -> None:
    made = (await api("POST", "/v1/keys", {"name": "r", "scopes": ["config:read"]}, status=201)).json
    path = f"/v1/keys/{made['id']}/rotate"
    new = (await api("POST", path, {"overlapSeconds": 60})).json
    assert new["old_until"] is not None
    assert new["last4"] == [new["token"][-4:], made["token"][-4:]]
    for token in (made["token"], new["token"]):
        await api("GET", "/v1/lists", token=token)
    newest = (await api("POST", path, {"overlap_seconds": 0})).json
    await api("GET", "/v1/lists", token=newest["token"])
    for token in (made["token"], new["token"]):
        await api("GET", "/v1/lists", token=token, status=401)


async def test_a_tenants_admin_makes_no_key_for_others(api: Api) -> None:
    for tenant in ("other", "*"):
        await api("POST", "/v1/keys", {"name": "x", "scopes": ["admin"], "tenant_id": tenant}, status=403)
    made = await api("POST", "/v1/keys", {"name": "x", "scopes": ["admin"], "tenant_id": "new"}, token=api.operator)
    assert made.json["tenant_id"] == "new"
    await api("POST", "/v1/keys", {"name": "x", "scopes": ["admin"]}, token=api.operator, status=422)


async def test_errors_are_problem_documents(api: Api) -> None:
    async def problem(status: int, method: str, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        answer = await api(method, path, *args, status=status, **kwargs)
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert answer.json["status"] == status
        assert answer.json["request_id"] == answer.headers["X-Request-Id"]
        return dict(answer.json)

    assert "WWW-Authenticate" in (await api("GET", "/v1/lists", token=None, status=401)).headers
    await problem(404, "GET", "/v1/nothing")
    await problem(405, "PATCH", "/v1/lists")
    await problem(400, "POST", "/v1/lists", data=b"{", headers={"Content-Type": "application/json"})
    await problem(415, "POST", "/v1/lists", data=b"{}", headers={"Content-Type": "text/plain"})
    await problem(413, "POST", "/v1/lists", {"values": ["x" * (1 << 20)]})
    deep = b'{"a":' * 60 + b"1" + b"}" * 60
    await problem(422, "POST", "/v1/lists", data=deep, headers={"Content-Type": "application/json"})
    found = await problem(422, "GET", "/v1/lists?limit=501&colour=red")
    assert {error["path"] for error in found["errors"]} == {"limit", "colour"}
    found = await problem(422, "POST", "/v1/webhooks", {"id": "w", "url": "ftp://x", "retryConfig": {"maxAttempts": 0}})
    assert {error["path"] for error in found["errors"]} == {"url", "retry_config.max_attempts"}
    found = await problem(422, "POST", "/v1/keys", {"name": "", "scopes": ["all"]})
    assert {error["path"] for error in found["errors"]} == {"name", "scopes[0]"}


async def test_every_answer_has_the_headers_that_browsers_heed(api: Api) -> None:
    for path, status in (("/healthz", 200), ("/v1/nothing", 404), ("/docs", 200), ("/v1/lists", 401)):
        headers = (
            await api("GET", path, token=None, status=status, headers={"Origin": "https://evil.example"})
        ).headers
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Server" not in headers


async def test_other_origins_may_ask_where_operators_say_so(settings_with_topics: Settings) -> None:
    settings = settings_with_topics.model_copy(update={"cors_origins": ("https://portal.example",)})
    async with running_api(settings) as api:
        asked = {"Origin": "https://portal.example"}
        answer = await api("OPTIONS", "/v1/lists", token=None, status=204, headers=asked)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://portal.example"
        assert "Access-Control-Allow-Credentials" not in answer.headers
        other = await api("GET", "/v1/lists", headers={"Origin": "https://other.example"})
        assert "Access-Control-Allow-Origin" not in other.headers


async def test_a_key_that_asks_too_often_waits(settings_with_topics: Settings) -> None:
    async with running_api(settings_with_topics.model_copy(update={"rate_limit": 0.5, "rate_burst": 3})) as api:
        for _ in range(3):
            await api("GET", "/v1/lists")
        refused = await api("GET", "/v1/lists", status=429)
        assert 1 <= int(refused.headers["Retry-After"]) <= 2
        await api("GET", "/v1/lists", token=await api.key("other"))


def test_a_bucket_fills_with_time() -> None:
    limits = RateLimits(2.0, 2)
    assert [limits.wait("a", 0.0) for _ in range(3)] == [0, 0, 1]
    assert limits.wait("b", 0.0) == 0
    assert [limits.wait("a", 0.5), limits.wait("a", 0.5)] == [0, 1]
    assert [limits.wait("a", 100.0) for _ in range(3)] == [0, 0, 1], "no more than the burst is saved up"
    assert RateLimits(0, 1).wait("a") == RateLimits(0, 1).wait("a") == 0


async def test_a_repeated_post_is_done_once(api: Api) -> None:
    async def send(name: str, key: str = "same", status: int = 201, **more: Any) -> Any:
        body = {"name": name, "scopes": ["events:write"]}
        return await api("POST", "/v1/keys", body, headers={"Idempotency-Key": key}, status=status, **more)

    first = await send("collector")
    again = await send("collector")
    assert again.json == first.json, "the key's text too"
    assert "Idempotent-Replayed" in again.headers
    assert "Idempotent-Replayed" not in first.headers
    await send("another", status=422)
    assert (await send("collector", "other")).json["id"] != first.json["id"]
    assert (await send("collector", token=await api.key("other"))).json["tenant_id"] == "other"
    names = [item["name"] for item in (await api("GET", "/v1/keys")).json["items"]]
    assert names.count("collector") == 2
    kept = b"".join(p.read_bytes() for p in (api.site.settings.data_dir / "api").glob("answers.db*"))
    assert first.json["token"].encode() not in kept
    refused = [await send("", "bad", status=422) for _ in range(2)]
    assert refused[0].status == refused[1].status
    async with asyncio.TaskGroup() as group:
        both = [group.create_task(send("at once", "race", status=(201, 409))) for _ in range(2)]
    assert sorted(task.result().status for task in both) in ([201, 201], [201, 409])
    names = [item["name"] for item in (await api("GET", "/v1/keys")).json["items"]]
    assert names.count("at once") == 1


def test_answers_are_kept_by_owner_and_through_restarts(tmp_path: Any) -> None:
    keyring = Keyring([b"k" * 32])
    answers = Answers(tmp_path, keyring)
    assert answers.begin("a", "n", b"1") is None
    with pytest.raises(InProgressError):
        answers.begin("a", "n", b"1")
    with pytest.raises(DifferentRequestError):
        answers.begin("a", "n", b"2")
    assert answers.begin("b", "n", b"2") is None
    answers.finish("a", "n", Kept(201, "{}", {"ETag": "1"}))
    answers.close()
    again = Answers(tmp_path, keyring)
    assert again.begin("a", "n", b"1") == Kept(201, "{}", {"ETag": "1"})
    assert again.begin("b", "n", b"2") is None, "a process that ended gave no answer"
    again.close()
    lost = Answers(tmp_path, Keyring([b"l" * 32]))
    assert lost.begin("a", "n", b"1") is None
    lost.close()


async def test_a_session_stands_for_its_key(api: Api) -> None:
    made = (await api("POST", "/v1/keys", {"name": "alice", "scopes": ["config:read", "config:write"]})).json
    await api("POST", "/v1/session", {"key": "sp_nope_nope"}, token=None, status=401)
    opened = await api("POST", "/v1/session", {"key": made["token"]}, token=None)
    cookie = opened.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie
    assert made["token"] not in cookie
    mine = {"Cookie": cookie.partition(";")[0]}
    csrf = {"X-CSRF-Token": opened.json["csrf_token"]}
    assert (await api("GET", "/v1/session", token=None, headers=mine)).json["name"] == "alice"
    await api("GET", "/v1/lists", token=None, headers=mine)
    await api("GET", "/v1/keys", token=None, headers=mine, status=403)
    body = {"id": "by-session", "values": ["a"]}
    await api("POST", "/v1/lists", body, token=None, headers=mine, status=403)
    await api("POST", "/v1/lists", body, token=None, headers=mine | {"X-CSRF-Token": "x"}, status=403)
    await api("POST", "/v1/lists", body, token=None, headers=mine | csrf, status=201)
    altered = {"Cookie": mine["Cookie"][:-1] + ("A" if mine["Cookie"][-1] != "A" else "B")}
    await api("GET", "/v1/lists", token=None, headers=altered, status=401)
    gone = await api("DELETE", "/v1/session", token=None, headers=mine | csrf)
    assert "Max-Age=0" in gone.headers["Set-Cookie"]
    await api("POST", f"/v1/keys/{made['id']}/revoke")
    await api("GET", "/v1/lists", token=None, headers=mine, status=401)
    await api("GET", "/v1/session", token=None, status=401)
