"""`/v1/rules` on the real server: create, change, lose nothing, versions, quotas, tenants."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streamproc.config.record import ConfigRecord
from streamproc.web.versions import FILE, Versions
from tests.web.conftest import Api
from tests.web.rules.making import every_event, login_rule

pytestmark = pytest.mark.broker


def body(**more: Any) -> dict[str, Any]:
    """A rule without a tenant, unless it is given one."""
    return {name: value for name, value in login_rule().items() if name != "tenant_id"} | more


async def test_a_rule_lives_and_dies(api: Api) -> None:
    made = await api("POST", "/v1/rules", body(), status=201)
    assert made.headers["ETag"] == '"1"'
    assert made.headers["Location"] == "/v1/rules/failed-logins"
    assert (made.json["tenant_id"], made.json["revision"], made.json["status"]) == ("acme", 1, "active")
    assert (made.json["managed"], made.json["problem"], made.json["enabled"]) == (False, None, True)
    assert (await api("GET", "/v1/rules/failed-logins")).json == made.json

    changed = await api("PATCH", "/v1/rules/failed-logins", {"condition": {"count": 3}, "cooldownMin": 60})
    assert changed.json["condition"] == {**body()["condition"], "count": 3}
    assert (changed.json["cooldown_min"], changed.json["revision"]) == (60, 2)

    off = await api("PATCH", "/v1/rules/failed-logins", {"enabled": False})
    assert (off.json["status"], off.json["enabled"]) == ("disabled", False)
    same = await api("PATCH", "/v1/rules/failed-logins", {"enabled": False})
    assert same.json["revision"] == off.json["revision"] == 3, "what means the same changes nothing"

    assert (await api("DELETE", "/v1/rules/failed-logins", status=204)).text == ""
    await api("GET", "/v1/rules/failed-logins", status=404)
    await api("DELETE", "/v1/rules/failed-logins", status=404)
    await api("PATCH", "/v1/rules/failed-logins", {"enabled": True}, status=404)


async def test_what_was_answered_can_be_sent_back(api: Api) -> None:
    urls = ["https://hooks.example.com/secret-1", "https://hooks.example.com/secret-2"]
    await api("POST", "/v1/rules", body(webhook_urls=urls), status=201)
    shown = await api("GET", "/v1/rules/failed-logins")
    assert shown.json["webhook_urls"] == ["(sealed)", "(sealed)"]
    same = await api("PUT", "/v1/rules/failed-logins", shown.json)
    assert same.json["revision"] == 1
    renamed = await api("PUT", "/v1/rules/failed-logins", {**shown.json, "name": "Another"})
    assert (renamed.json["name"], renamed.json["webhook_urls"]) == ("Another", ["(sealed)", "(sealed)"])
    gone = await api("PATCH", "/v1/rules/failed-logins", {"webhook_urls": None})
    assert "webhook_urls" not in gone.json
    for path in ("", "/versions", "/diff?from=2&to=3"):
        assert "secret-1" not in (await api("GET", f"/v1/rules/failed-logins{path}")).text
    diff = await api("GET", "/v1/rules/failed-logins/diff?from=2&to=3")
    assert diff.json["changes"] == [{"path": "webhook_urls", "before": ["(sealed)", "(sealed)"], "after": None}]


async def test_a_rule_without_an_id_gets_one_and_a_second_of_the_name_another(api: Api) -> None:
    nameless = {name: value for name, value in body().items() if name != "id"}
    first = (await api("POST", "/v1/rules", nameless, status=201)).json["id"]
    second = (await api("POST", "/v1/rules", nameless, status=201)).json["id"]
    assert first != second
    assert first.startswith("rule_")
    assert second.startswith("rule_")
    taken = await api("POST", "/v1/rules", body(id=first), status=409)
    assert first in taken.json["detail"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"condition": {"count": 0, "window_seconds": 300}}, "condition.count"),
        ({"severity": "urgent"}, "severity"),
        ({"sevrity": "high"}, "sevrity"),
        ({"id": 7}, "id"),
        ({"id": "../x"}, "id"),
        ({"tenant_id": 7}, "tenant_id"),
        ({"revision": "1"}, "revision"),
    ],
)
async def test_errors_name_the_path(api: Api, change: dict[str, Any], path: str) -> None:
    wrong = await api("POST", "/v1/rules", {**body(), **change}, status=422)
    assert path in [error["path"] for error in wrong.json["errors"]]
    await api("POST", "/v1/rules", body(), status=201)
    if path not in ("id", "tenant_id"):
        wrong = await api("PATCH", "/v1/rules/failed-logins", change, status=422)
        assert path in [error["path"] for error in wrong.json["errors"]]
    assert (await api("GET", "/v1/rules/failed-logins")).json["revision"] == 1


async def test_neither_id_nor_tenant_can_be_changed(api: Api) -> None:
    await api("POST", "/v1/rules", body(), status=201)
    for change in ({"id": "other"}, {"tenant_id": "globex"}):
        await api("PATCH", "/v1/rules/failed-logins", change, status=422)
    await api("PATCH", "/v1/rules/failed-logins", {"id": "failed-logins", "tenantId": "acme", "severity": "low"})


async def test_an_overtaken_change_is_refused_and_says_who_changed_what(api: Api) -> None:
    await api("POST", "/v1/rules", body(), status=201)
    await api("PATCH", "/v1/rules/failed-logins", {"severity": "critical"}, headers={"If-Match": '"1"'})
    await api("PATCH", "/v1/rules/failed-logins", {"condition": {"count": 9}})
    stale = await api("PATCH", "/v1/rules/failed-logins", {"severity": "low"}, headers={"If-Match": '"1"'}, status=412)
    assert (stale.json["revision"], stale.headers["ETag"]) == (3, '"3"')
    assert "acme test" in stale.json["detail"]
    assert "severity" in stale.json["detail"]
    assert [one["revision"] for one in stale.json["changed"]] == [3, 2]
    assert [one["changes"][0]["path"] for one in stale.json["changed"]] == ["condition.count", "severity"]
    assert stale.json["changed"][1]["changes"] == [{"path": "severity", "before": "high", "after": "critical"}]
    whole = {**body(), "revision": 2}
    assert (await api("PUT", "/v1/rules/failed-logins", whole, status=409)).json["revision"] == 3
    await api("DELETE", "/v1/rules/failed-logins", headers={"If-Match": '"2"'}, status=412)
    await api("PUT", "/v1/rules/failed-logins", {**body(), "revision": 3})
    await api("DELETE", "/v1/rules/failed-logins", headers={"If-Match": '"4"'}, status=204)


async def test_changes_at_once_are_all_kept(api: Api) -> None:
    await api("POST", "/v1/rules", body(), status=201)
    await asyncio.gather(
        *(api("PATCH", "/v1/rules/failed-logins", {"metadata": {f"m{n}": n}}) for n in range(4)),
        *(api("PATCH", "/v1/rules/failed-logins", {"condition": {f"metadata.f{n}": n}}) for n in range(4)),
    )
    rule = (await api("GET", "/v1/rules/failed-logins")).json
    assert rule["metadata"] == {f"m{n}": n for n in range(4)}
    assert {f"metadata.f{n}" for n in range(4)} <= rule["condition"].keys()
    assert rule["revision"] == 9


async def test_versions_survive_a_rebuild_and_a_deletion(api: Api) -> None:
    await api("POST", "/v1/rules", body(), status=201)
    for count in (6, 7, 8):
        await api("PATCH", "/v1/rules/failed-logins", {"condition": {"count": count}})
    page = (await api("GET", "/v1/rules/failed-logins/versions?limit=3")).json
    assert [one["revision"] for one in page["items"]] == [4, 3, 2]
    assert [one["current"] for one in page["items"]] == [True, False, False]
    assert page["items"][0]["changes"] == [{"path": "condition.count", "before": 7, "after": 8}]
    assert page["items"][2]["rule"]["condition"]["count"] == 6
    last = (await api("GET", f"/v1/rules/failed-logins/versions?limit=3&cursor={page['next_cursor']}")).json
    assert [one["revision"] for one in last["items"]] == [1]
    assert (last["items"][0]["changes"], last["next_cursor"]) == (None, None)

    await api.site.parts.pop(Versions).close()
    for file in (api.site.settings.data_dir / "api").glob(f"{FILE}*"):
        file.unlink()
    again = (await api("GET", "/v1/rules/failed-logins/versions")).json["items"]
    assert [one["revision"] for one in again] == [4, 3, 2, 1]

    await api("DELETE", "/v1/rules/failed-logins", status=204)
    gone = (await api("GET", "/v1/rules/failed-logins/versions")).json["items"]
    assert [(one["revision"], one["current"]) for one in gone] == [(4, False), (3, False), (2, False), (1, False)]
    await api("POST", "/v1/rules", body(name="Anew"), status=201)
    anew = (await api("GET", "/v1/rules/failed-logins/versions")).json["items"]
    assert [(one["revision"], one["rule"]["name"]) for one in anew] == [(1, "Anew")], "its former life is not its own"


async def test_two_versions_are_compared(api: Api) -> None:
    await api("POST", "/v1/rules", body(), status=201)
    await api("PATCH", "/v1/rules/failed-logins", {"severity": "low", "runbook": "https://wiki.example.com/x"})
    await api("PATCH", "/v1/rules/failed-logins", {"severity": "medium"})
    assert (await api("GET", "/v1/rules/failed-logins/diff")).json == {
        "from": 2,
        "to": 3,
        "changes": [{"path": "severity", "before": "low", "after": "medium"}],
    }
    far = (await api("GET", "/v1/rules/failed-logins/diff?from=1")).json["changes"]
    assert {"path": "runbook", "before": None, "after": "https://wiki.example.com/x"} in far
    assert (await api("GET", "/v1/rules/failed-logins/diff?from=3&to=3")).json["changes"] == []
    await api("GET", "/v1/rules/failed-logins/diff?to=9", status=404)
    await api("GET", "/v1/rules/failed-logins/diff?from=0", status=422)
    await api("GET", "/v1/rules/nothing/diff", status=404)


async def test_lists_filter_search_and_page(api: Api) -> None:
    for n in range(5):
        await api("POST", "/v1/rules", body(id=f"r{n}", name=f"Logins {n}"), status=201)
    export = {name: value for name, value in every_event().items() if name != "tenant_id"}
    await api("POST", "/v1/rules", {**export, "severity": "low", "enabled": False}, status=201)

    async def ids(query: str) -> list[str]:
        return [one["id"] for one in (await api("GET", f"/v1/rules?{query}")).json["items"]]

    everything = ["exports", "r0", "r1", "r2", "r3", "r4"]
    assert await ids("") == everything
    assert await ids("type=pattern") == ["exports"]
    assert await ids("severity=low&severity=high") == everything
    assert await ids("filter[severity]=low") == ["exports"]
    assert await ids("enabled=false") == await ids("status=disabled") == ["exports"]
    assert await ids("q=LOGINS 3") == ["r3"]
    assert await ids("q=nothing") == []
    found: list[str] = []
    cursor = ""
    while True:
        page = (await api("GET", f"/v1/rules?limit=2{cursor}")).json
        found += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == everything
    for wrong in ("limit=0", "limit=501", "cursor=x", "cursor=W10", "type=nothing", "severity=urgent", "what=1"):
        await api("GET", f"/v1/rules?{wrong}", status=422)


async def test_a_rule_that_is_not_in_force_says_why_and_can_be_mended(api: Api) -> None:
    spec = {"name": "Odd", "type": "threshold", "condition": {"count": 0, "window_seconds": 60}}
    offset = await api.site.writer.put([ConfigRecord("rule", "acme", "odd", 1, spec, "2026-01-01T00:00:00Z", "cli")])
    assert offset is not None
    await api.site.tailer.wait_for(offset)
    shown = (await api("GET", "/v1/rules/odd")).json
    assert shown["status"] == "inactive"
    assert "condition.count" in shown["problem"]
    assert [one["id"] for one in (await api("GET", "/v1/rules?status=inactive")).json["items"]] == ["odd"]
    mended = (await api("PATCH", "/v1/rules/odd", {"condition": {"count": 2}})).json
    assert (mended["status"], mended["problem"], mended["revision"]) == ("active", None, 2)


async def test_over_the_quota_is_409_with_the_quota_named(api: Api) -> None:
    plan = ConfigRecord("plan", "acme", "plan", 1, {"plan": "free"}, "2026-01-01T00:00:00Z", "cli")
    offset = await api.site.writer.put([plan])
    assert offset is not None
    await api.site.tailer.wait_for(offset)
    for n in range(2):
        await api("POST", "/v1/rules", body(id=f"r{n}"), status=201)
    refused = await api("POST", "/v1/rules", body(id="r2"), status=409)
    assert "quota of 2 rules" in refused.json["detail"]
    await api("PATCH", "/v1/rules/r1", {"severity": "low"})
    await api("POST", "/v1/rule-templates/mass-export/enable", {}, status=409)


async def test_tenants_see_their_own_rules_and_those_of_everybody(api: Api) -> None:
    await api("POST", "/v1/rules", body(), status=201)
    globex = await api.key("globex")
    await api("POST", "/v1/rules", body(id="theirs"), token=globex, status=201)
    everybodys = body(id="everybodys", tenant_id="*")
    await api("POST", "/v1/rules", everybodys, status=403)
    await api("POST", "/v1/rules", body(tenant_id="globex"), status=403)
    await api("POST", "/v1/rules", everybodys, token=api.operator, status=201)

    mine = (await api("GET", "/v1/rules")).json["items"]
    assert [(one["id"], one["managed"]) for one in mine] == [("everybodys", True), ("failed-logins", False)]
    assert [one["id"] for one in (await api("GET", "/v1/rules", token=api.operator)).json["items"]] == [
        "everybodys", "failed-logins", "theirs"]  # fmt: skip
    assert (await api("GET", "/v1/rules/everybodys")).json["managed"] is True
    for method, content in (("PATCH", {"enabled": False}), ("PUT", body(id="everybodys")), ("DELETE", None)):
        refused = await api(method, "/v1/rules/everybodys", content, status=403)
        assert "every tenant" in refused.json["detail"]
        await api(method, "/v1/rules/theirs", None if content is None else {"enabled": False}, status=404)
    for path in ("", "/versions", "/diff"):
        reply = await api("GET", f"/v1/rules/theirs{path}", status=404)
        assert "globex" not in reply.text
        await api("GET", f"/v1/rules/theirs{path}?tenant_id=globex", status=403)
    await api("GET", "/v1/rules?tenant_id=globex", status=403)

    # an operator names the tenant where it is not clear
    await api("POST", "/v1/rules", body(), token=globex, status=201)
    assert (await api("GET", "/v1/rules/theirs", token=api.operator)).json["tenant_id"] == "globex"
    await api("GET", "/v1/rules/failed-logins", token=api.operator, status=422)
    named = await api("GET", "/v1/rules/failed-logins?tenant_id=globex", token=api.operator)
    assert named.json["tenant_id"] == "globex"
    await api("PATCH", "/v1/rules/everybodys", {"severity": "low"}, token=api.operator)


async def test_scopes_are_needed(api: Api) -> None:
    reader = await api.key("acme", "rules:read")
    other = await api.key("acme", "alerts:read", "config:write")
    await api("POST", "/v1/rules", body(), token=reader, status=403)
    await api("GET", "/v1/rules", token=reader)
    await api("POST", "/v1/rules/validate", body(), token=reader)
    for path in ("/v1/rules", "/v1/rules/x", "/v1/rules/x/versions", "/v1/rules/x/diff", "/v1/rule-templates"):
        await api("GET", path, token=other, status=403)


async def test_validation_as_one_types(api: Api) -> None:
    wrong = (await api("POST", "/v1/rules/validate", {"name": "x", "type": "threshold", "condition": {}})).json
    assert wrong["valid"] is False
    assert "condition.count" in [error["path"] for error in wrong["errors"]]
    fine = (await api("POST", "/v1/rules/validate", body(channels=["slack"]))).json
    assert (fine["valid"], fine["errors"], fine["id"]) == (True, [], "failed-logins")
    assert fine["normal"]["cooldown_min"] == 5
    assert {"level": "warning", "path": "channels[0]"}.items() <= next(
        one for one in fine["findings"] if one["path"].startswith("channels")
    ).items()
    await api("POST", "/v1/rules", body(id="first"), status=201)
    twice = (await api("POST", "/v1/rules/validate", body())).json["findings"]
    assert any("says the same as rule first" in one["message"] for one in twice)
    await api("POST", "/v1/rules/validate", {"tenant_id": "globex"}, status=403)
    assert (await api("GET", "/v1/rules/failed-logins", status=404)).status == 404, "nothing was stored"


async def test_templates_become_rules(api: Api) -> None:
    page = (await api("GET", "/v1/rule-templates?pack=generic&limit=500")).json["items"]
    assert "mass-export" in [one["id"] for one in page]
    assert {one["pack"] for one in page} == {"generic"}
    assert {one["enabled"] for one in page} == {None}
    one = (await api("GET", "/v1/rule-templates/mass-export")).json
    assert one["rule"]["id"] == "mass-export"
    assert "id: mass-export" in one["yaml"]
    made = await api(
        "POST",
        "/v1/rule-templates/mass-export/enable",
        {"overrides": {"severity": "critical", "condition": {"count": 7}}},
        status=201,
    )
    assert (made.json["severity"], made.json["condition"]["count"]) == ("critical", 7)
    assert made.json["condition"].items() > {k: v for k, v in one["rule"]["condition"].items() if k != "count"}.items()
    assert (await api("GET", "/v1/rule-templates/mass-export")).json["enabled"] is True
    taken = await api("POST", "/v1/rule-templates/mass-export/enable", {}, status=409)
    assert "PATCH /v1/rules/mass-export" in taken.json["detail"]
    await api("POST", "/v1/rule-templates/mass-export/enable", {"id": "second"}, status=201)
    await api("POST", "/v1/rule-templates/nothing/enable", {}, status=404)
    wrong = await api(
        "POST",
        "/v1/rule-templates/mass-export/enable",
        {"overrides": {"condition": {"count": 0}}, "id": "z"},
        status=422,
    )
    assert "condition.count" in [error["path"] for error in wrong.json["errors"]]
    await api("POST", "/v1/rule-templates/mass-export/enable", {"overrides": {"id": "x"}}, status=422)
    everything: list[str] = []
    cursor = ""
    while True:
        page = (await api("GET", f"/v1/rule-templates?limit=50{cursor}")).json
        everything += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(everything) == len(set(everything)) > 100
