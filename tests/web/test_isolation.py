"""Every declared route, with a key of nobody, of another tenant, and without its scope: nothing is answered or changed.

Generated from the routes themselves: a route that somebody adds is covered here without a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from streamproc.config.record import ConfigRecord
from streamproc.kafka.partition import partition_by
from streamproc.web.principal import Scope
from streamproc.web.route import Route
from streamproc.web.routes.configured import COLLECTIONS
from streamproc.web.routes.registry import all_routes
from tests.faults.harness import read_topic
from tests.web.conftest import Api
from tests.web.read_model.records import alert, delivery, link, uid

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

KEYED = [route for route in all_routes() if route.scope is not None]
MARK = "kept-from-others-7f3a"
"""In everything that acme has; whoever is answered with it sees what is acme's."""
SECRET = "whsec_" + "c2VjcmV0" * 5

DOCUMENTS: dict[str, dict[str, Any]] = {
    "channel": {"type": "slack", "url": f"https://hooks.slack.com/{MARK}", "name": MARK},
    "webhook": {"url": "https://soc.example.com/x", "secret": SECRET, "name": MARK},
    "user": {"name": "Kumer", "email": f"{MARK}@example.net"},
    "user_group": {"name": "Group", "members": ["user-theirs"]},
    "template": {"name": MARK, "contents": {"default": {"en": {"text": MARK}}}},
    "policy": {"name": MARK, "groups": [{"id": "g", "channels": ["slack"]}], "steps": [{"group": "g"}]},
    "silence": {
        "matchers": {"category": "network"},
        "ends_at": "2030-01-01T00:00:00Z",
        "author": "alice",
        "comment": MARK,
    },
    "list": {"values": [MARK]},
}


RULE = {
    "id": "rule-theirs",
    "name": MARK,
    "type": "pattern",
    "condition": {"action": "user.login"},
    "channels": ["slack"],
}
THEIRS = {f"{one.path}/": f"{one.kind.replace('_', '-')}-theirs" for one in COLLECTIONS} | {
    "/v1/rules/": "rule-theirs",
    "/v1/alerts/": uid(1),
    "/api/alerts/": uid(1),
    "/api/v1/alerts/": uid(1),
    "/v1/incidents/": "inc_theirs",
    "/v1/deliveries/": delivery(1, 1)["id"],
}
"""By the beginning of a path, the id of acme's thing under it; for others an id that is nobody's will do."""


@pytest.fixture
async def furnished(api: Api) -> Api:
    """A server where acme has one of everything that can be configured."""
    for one in COLLECTIONS:
        await api("PUT", one.path + "/" + THEIRS[f"{one.path}/"], DOCUMENTS[one.kind])
    await api("POST", "/v1/rules", RULE)
    for topic, document, key in (
        ("alerts", alert(1, title=MARK), "id"),
        ("deliveries", delivery(1, 1, title=MARK), "id"),
        ("incidents", link("inc_theirs", 1), "incident_id"),
    ):
        spec = api.site.topics[topic]
        place = (spec.topic, partition_by("acme", spec.partitions))
        await api.site.producer.send({place: [(document[key].encode(), orjson.dumps(document), [])]})
    async with asyncio.timeout(10):
        for path in ("/v1/alerts", "/v1/deliveries", "/v1/incidents"):
            while not (await api("GET", path)).json["items"]:
                await asyncio.sleep(0.02)
    return api


async def ask(
    api: Api, route: Route, token: str | None, *, query: str = "", named: str | None = None
) -> tuple[int, str]:
    """(status, text) of a request that is as right as it can be made from the declaration; a stream for a moment."""
    path = re.sub(
        r"\{\w+\}", next((id for start, id in THEIRS.items() if route.path.startswith(start)), "theirs"), route.path
    )
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body: bytes | None = None
    if route.body is not None:
        headers["Content-Type"] = route.body_type
        sample = route.example if route.example is not None else sampled(route)
        if named is not None and isinstance(sample, dict):
            sample = {**sample, "tenant_id": named}
        body = sample.encode() if isinstance(sample, str) else orjson.dumps(sample)
    async with api.session.request(route.method, api.url + path + query, headers=headers, data=body) as answer:
        text = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0 if route.content_type == "text/event-stream" else 20.0):
                async for part in answer.content.iter_any():
                    text += part
        return answer.status, text.decode(errors="replace")


def sampled(route: Route) -> Any:
    """A body with the fields that the route's model wants."""
    model = route.body
    if model is None or not issubclass(model, BaseModel):
        return {}
    schema = model.model_json_schema()
    return _sample(schema, schema.get("$defs", {}))


def _sample(schema: dict[str, Any], named: dict[str, Any]) -> Any:
    if "$ref" in schema:
        schema = named[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: _sample(schema["properties"][name], named) for name in schema.get("required", ())}
        case "array":
            return [_sample(schema.get("items", {}), named)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case _:
            return "2030-01-01T00:00:00Z" if schema.get("format") == "date-time" else "x" * schema.get("minLength", 1)


def acmes(api: Api) -> list[ConfigRecord]:
    snapshot = api.site.tailer.snapshot
    return [one for kind in snapshot.kinds if kind != "key" for one in snapshot.records(kind, "acme")]


async def test_acme_itself_sees_what_is_its_own(furnished: Api) -> None:
    """Else the tests below would find nothing because there is nothing."""
    seen = {}
    for route in KEYED:
        if route.method == "GET" and any(route.path.startswith(start) for start in THEIRS):
            status, text = await ask(furnished, route, furnished.token)
            seen[route.path] = (status, "acme" in text or MARK in text)
    known = {f"{start}{{id}}" for start in THEIRS}
    assert {path: got for path, got in seen.items() if path in known and got[0] != 200} == {}
    assert sum(marked for _, marked in seen.values()) >= len(known) - 2


async def test_without_a_key_nothing_is_answered(furnished: Api) -> None:
    before = acmes(furnished)
    for token in (None, "sp_kabc_" + "x" * 43, "no key at all"):
        wrong = [
            (route.method, route.path, got) for route in KEYED if (got := await ask(furnished, route, token))[0] != 401
        ]
        assert wrong == []
    assert acmes(furnished) == before


async def test_without_its_scope_nothing_is_answered(furnished: Api) -> None:
    before = acmes(furnished)
    wrong = []
    for route in KEYED:
        others = sorted(scope.value for scope in Scope if scope not in (route.scope, Scope.ADMIN))
        status, text = await ask(furnished, route, await furnished.key("acme", *others))
        if status != 403 or MARK in text:
            wrong.append((route.method, route.path, status, text))
    assert wrong == []
    assert acmes(furnished) == before


async def test_another_tenants_key_sees_and_changes_nothing(furnished: Api) -> None:
    before = acmes(furnished)
    token = await furnished.key("other")
    wrong = []
    for route in KEYED:
        status, text = await ask(furnished, route, token)
        # what is named by its id is not there; a list is without it; what is made is the other tenant's own
        allowed = status in (403, 404) if "{" in route.path and route.method != "PUT" else status < 500
        if not allowed or MARK in text or "acme" in text:
            wrong.append((route.method, route.path, status, text[:500]))
    assert wrong == []
    assert acmes(furnished) == before


async def test_another_tenant_cannot_be_named(furnished: Api) -> None:
    before = acmes(furnished)
    token = await furnished.key("other")
    wrong = []
    for route in KEYED:
        asked = []
        if route.query is not None and "tenant_id" in route.query.model_fields:
            asked.append(await ask(furnished, route, token, query="?tenant_id=acme"))
            asked.append(await ask(furnished, route, token, query="?tenantId=*"))
        if route.body is not None and (route.body is dict or "tenant_id" in getattr(route.body, "model_fields", ())):
            asked.append(await ask(furnished, route, token, named="acme"))
        for status, text in asked:
            if not 400 <= status < 500 or MARK in text:
                wrong.append((route.method, route.path, status, text[:500]))
    assert wrong == []
    assert acmes(furnished) == before


async def test_no_secret_is_ever_answered(furnished: Api) -> None:
    """Neither to whoever owns it, nor to operators, nor in the audit log, nor on the topics."""
    leaked = []
    for route in KEYED:
        if route.method != "GET":
            continue
        for token, query in ((furnished.token, ""), (furnished.operator, ""), (furnished.operator, "?tenant_id=acme")):
            if query and (route.query is None or "tenant_id" not in route.query.model_fields):
                continue
            _, text = await ask(furnished, route, token, query=query)
            found = [
                one
                for one in (SECRET, SECRET[6:], "hooks.slack.com", "$sealed", *furnished.keys.values())
                if one in text
            ]
            if found:
                leaked.append((route.path, found))
    assert leaked == []
    for name in ("config", "audit", "events"):
        for record in await read_topic(furnished.site.settings, name):
            content = (record.value or b"") + (record.key or b"")
            hidden = [SECRET, "hooks.slack.com", furnished.operator, *furnished.keys.values()]
            assert [one for one in hidden if one.encode() in content] == [], name
