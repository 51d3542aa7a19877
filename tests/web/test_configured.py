"""What tenants configure, through the API: made, read, changed, deleted; secrets; the audit log; events of it."""

from __future__ import annotations

import orjson
import pytest

from streamproc.config.sealing import HIDDEN, open_sealed
from streamproc.sources.decode import Decoder
from streamproc.web.routes.configured import COLLECTIONS, Collection
from tests.faults.harness import read_topic
from tests.web.conftest import Api
from tests.web.test_isolation import DOCUMENTS, SECRET

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("one", COLLECTIONS, ids=lambda one: one.kind)
async def test_each_kind_is_made_read_changed_and_deleted(api: Api, one: Collection) -> None:
    document = {**DOCUMENTS[one.kind], "id": "first-one"}
    made = await api("POST", one.path, document, status=201)
    assert made.headers["Location"] == f"{one.path}/first-one"
    assert (made.json["tenant_id"], made.json["revision"]) == ("acme", 1)
    await api("POST", one.path, document, status=409)
    read = await api("GET", f"{one.path}/first-one")
    assert read.json == made.json
    assert read.headers["ETag"] == '"1"'
    same = await api("PUT", f"{one.path}/first-one", read.json, status=200)
    assert same.json == read.json, "what was read and is sent back changes nothing"
    shown = "comment" if one.kind == "silence" else "values" if one.kind == "list" else "name"
    value = ["x"] if shown == "values" else "Changed"
    patched = await api("PATCH", f"{one.path}/first-one", {shown: value})
    assert (patched.json[shown], patched.json["revision"]) == (value, 2)
    assert {**patched.json, shown: 0, "revision": 0, "updated_at": 0} == {
        **read.json, shown: 0, "revision": 0, "updated_at": 0,
    }  # fmt: skip
    await api("PUT", f"{one.path}/first-one", document, headers={"If-Match": '"1"'}, status=412)
    stale = await api("PUT", f"{one.path}/first-one", read.json, status=409)
    assert stale.json["errors"][0]["path"] == "revision"
    second = await api("PUT", f"{one.path}/second-one", {**document, "id": "second-one"}, status=201)
    await api("PUT", f"{one.path}/third-one", document, status=422)
    page = await api("GET", f"{one.path}?limit=1")
    assert [item["id"] for item in page.json["items"]] == ["first-one"]
    rest = await api("GET", f"{one.path}?limit=1&cursor={page.json['next_cursor']}")
    assert rest.json == {"items": [second.json], "next_cursor": None}
    await api("DELETE", f"{one.path}/first-one", status=204)
    await api("GET", f"{one.path}/first-one", status=404)
    await api("DELETE", f"{one.path}/first-one", status=404)
    await api("PATCH", f"{one.path}/first-one", {shown: value}, status=404)


async def test_an_operator_names_the_tenant(api: Api) -> None:
    body = {"id": "vips", "values": ["a"]}
    await api("POST", "/v1/lists", body, token=api.operator, status=422)
    await api("POST", "/v1/lists?tenant_id=one", body, token=api.operator, status=201)
    await api("POST", "/v1/lists", {**body, "tenantId": "two"}, token=api.operator, status=201)
    await api("POST", "/v1/lists?tenant_id=one", {**body, "tenant_id": "two"}, token=api.operator, status=422)
    everybodys = (await api("GET", "/v1/lists", token=api.operator)).json["items"]
    assert [item["tenant_id"] for item in everybodys] == ["one", "two"]
    assert len((await api("GET", "/v1/lists?tenant_id=one", token=api.operator)).json["items"]) == 1
    await api("GET", "/v1/lists/vips", token=api.operator, status=422)
    await api("DELETE", "/v1/lists/vips?tenant_id=one", token=api.operator)
    assert (await api("GET", "/v1/lists", token=await api.key("two"))).json["items"][0]["tenant_id"] == "two"


def clear(api: Api, kind: str, id: str) -> dict[str, object]:
    record = api.site.tailer.snapshot.record(kind, "acme", id)
    assert record is not None
    assert SECRET not in orjson.dumps(record.spec).decode()
    return open_sealed(record, api.site.keyring)


async def test_a_secret_stays_until_another_is_sent(api: Api) -> None:
    headers = {"Authorization": "Bearer abc", "X-Team": "soc"}
    document = {"url": "https://soc.example.com/x", "secret": SECRET, "headers": headers}
    made = (await api("PUT", "/v1/webhooks/w", document)).json
    assert (made["url"], made["secret"], made["headers"]) == (HIDDEN, HIDDEN, dict.fromkeys(headers, HIDDEN))
    await api("PUT", "/v1/webhooks/w", {**made, "name": "Masked"})
    await api("PUT", "/v1/webhooks/w", {"name": "Left out"})
    await api("PATCH", "/v1/webhooks/w", {"headers": {"X-Team": "ops"}, "retryConfig": {"maxAttempts": 3}})
    found = clear(api, "webhook", "w")
    assert (found["secret"], found["url"], found["name"]) == (SECRET, document["url"], "Left out")
    assert found["headers"] == {**headers, "X-Team": "ops"}
    assert found["retry_config"] == {"max_attempts": 3}
    await api("PATCH", "/v1/webhooks/w", {"secret": None, "headers": {"X-Team": None}})
    found = clear(api, "webhook", "w")
    assert "secret" not in found
    assert found["headers"] == {"Authorization": "Bearer abc"}
    await api("PATCH", "/v1/webhooks/w", {"secret": HIDDEN}, status=422)
    sealed = api.site.tailer.snapshot.record("webhook", "acme", "w")
    assert sealed is not None
    await api("PATCH", "/v1/webhooks/w", {"name": sealed.spec["url"]}, status=422)
    wrong = await api("PATCH", "/v1/webhooks/w", {"url": "ftp://user:secret-word@soc.example.com"}, status=422)
    assert "secret-word" not in wrong.text


async def test_a_kept_secret_does_not_go_to_another_address(api: Api) -> None:
    document = {"url": "https://soc.example.com/x", "secret": SECRET, "headers": {"Authorization": "Bearer abc"}}
    made = (await api("PUT", "/v1/webhooks/moved", document)).json
    mine = "https://mine.example.net/x"
    for method, change in (
        ("PATCH", {"url": mine}),
        ("PUT", {"url": mine}),
        ("PUT", {**made, "url": mine}),
        ("PATCH", {"url": mine, "secret": SECRET}),
        ("PATCH", {"url": "https://soc.example.com:8443/x"}),
    ):
        refused = await api(method, "/v1/webhooks/moved", change, status=422)
        assert "to be sent again" in refused.text
        assert "headers" in {error["path"] for error in refused.json["errors"]}
    assert clear(api, "webhook", "moved")["url"] == document["url"]
    await api("PATCH", "/v1/webhooks/moved", {"url": "https://soc.example.com/y"})  # the same host keeps them
    await api("PUT", "/v1/webhooks/moved", {**document, "url": mine})
    await api("PATCH", "/v1/webhooks/moved", {"url": "https://other.example.net/", "secret": None, "headers": None})
    found = clear(api, "webhook", "moved")
    assert (found["url"], found.get("secret"), found.get("headers")) == ("https://other.example.net/", None, None)


async def test_a_webhooks_secret_is_rotated_with_overlap(api: Api) -> None:
    await api("PUT", "/v1/webhooks/w", {"url": "https://soc.example.com/x", "secret": SECRET})
    turned = (await api("POST", "/v1/webhooks/w/rotate-secret", {"overlap_seconds": 3600})).json
    assert turned["secret"].startswith("whsec_")
    assert turned["signs_with_both"] is True
    found = clear(api, "webhook", "w")
    assert found["secret"] == turned["secret"]
    (old,) = found["secrets"]  # type: ignore[misc]
    assert old == {"value": SECRET, "expires_at": old["expires_at"]}
    assert (await api("GET", "/v1/webhooks/w")).json["secret"] == HIDDEN
    again = (await api("POST", "/v1/webhooks/w/rotate-secret", {"overlapSeconds": 0})).json
    found = clear(api, "webhook", "w")
    assert (found["secret"], found.get("secrets")) == (again["secret"], None)
    await api("POST", "/v1/webhooks/none/rotate-secret", status=404)


async def test_users_are_imported_all_or_none(api: Api) -> None:
    rows = ["# ID, Name, Enable, Phone, SMS, Voice, Mailbox"]
    rows += [f"user{n:02}, User {n}, true, 86-13800138000, true, false, u{n}@example.net" for n in range(1, 31)]
    csv = {"Content-Type": "text/csv"}
    wrong = [*rows[:2], "user99, Nobody, perhaps, 12, true, true, no-address", *rows[2:], "short, row"]
    refused = await api("POST", "/v1/users/import", data="\n".join(wrong), headers=csv, status=422)
    assert {error["path"] for error in refused.json["errors"]} == {"line 3", "line 33"}
    assert (await api("GET", "/v1/users")).json["items"] == []
    tried = await api("POST", "/v1/users/import?dry_run=true", data="\n".join(rows), headers=csv)
    assert tried.json == {"users": 30, "created": 30, "updated": 0, "unchanged": 0, "dry_run": True}
    assert (await api("GET", "/v1/users")).json["items"] == []
    await api("PUT", "/v1/users/user01", {"name": "Before", "roles": ["admin"]})
    done = await api("POST", "/v1/users/import", data="\n".join(rows), headers=csv)
    assert done.json == {"users": 30, "created": 29, "updated": 1, "unchanged": 0, "dry_run": False}
    first = (await api("GET", "/v1/users/user01")).json
    assert (first["name"], first["roles"]) == ("User 1", ["admin"])
    again = await api("POST", "/v1/users/import", data="\n".join(rows), headers=csv)
    assert again.json["unchanged"] == 30


async def test_a_policy_is_tried(api: Api) -> None:
    await api("PUT", "/v1/users/alice-1", {"name": "Alice", "email": "alice@example.net"})
    policy = {
        "name": "Default",
        "groups": [{"id": "soc", "channels": ["slack"], "recipients": {"users": ["alice-1"]}, "min_severity": "high"}],
        "steps": [{"group": "soc"}],
    }
    await api("PUT", "/v1/policies/default", policy)
    told = (await api("POST", "/v1/policies/default/dry-run", {"alert": {"severity": "high"}})).json
    assert [(one["group"], one["users"]) for one in told["told"]] == [("soc", ["alice-1"])]
    low = (await api("POST", "/v1/policies/default/dry-run", {"alerts": [{"severity": "low"}]})).json
    assert (low["told"], low["withheld"][0]["group"]) == ([], "soc")
    other = {**policy, "groups": [{"id": "soc", "channels": ["email"]}]}
    body = {"alert": {"severity": "low"}, "policy": other}
    assert (await api("POST", "/v1/policies/new/dry-run", body)).json["told"][0]["channels"] == ["email"]
    await api("POST", "/v1/policies/none/dry-run", {"alert": {}}, status=404)
    await api("POST", "/v1/policies/default/dry-run", {}, status=422)


@pytest.mark.parametrize("one", COLLECTIONS, ids=lambda one: one.kind)
async def test_each_kind_is_checked_without_being_kept(api: Api, one: Collection) -> None:
    path, document = f"{one.path}/validate", DOCUMENTS[one.kind]
    reader = await api.key("acme", "config:read")
    assert (await api("POST", path, document, token=reader)).json == {"valid": True, "errors": []}
    assert (await api("POST", path, {**document, "id": "first-one"}, token=reader)).json["valid"]
    assert (await api("GET", one.path)).json["items"] == []
    field = "values" if one.kind == "list" else "nonsense"
    wrong = {**document, "id": "first-one", field: 1}
    said = (await api("POST", path, wrong, token=reader)).json
    refused = await api("PUT", f"{one.path}/first-one", wrong, status=422)
    assert said == {"valid": False, "errors": refused.json["errors"]}
    assert [error["path"] for error in said["errors"]] == [field]
    assert (await api("POST", path, {**document, "id": 7})).json["errors"][0]["path"] == "id"
    await api("POST", path, {**document, "tenant_id": "other"}, status=403)


async def test_checking_knows_the_secrets_that_are_kept_and_does_not_say_them(api: Api) -> None:
    hook = {"id": "w", "url": "https://soc.example.com/x", "secret": "hunter2", "signature": {"header": "X-Sig"}}
    masked = {**hook, "url": HIDDEN, "secret": HIDDEN}
    assert not (await api("POST", "/v1/webhooks/validate", masked)).json["valid"], "there is none yet"
    await api("PUT", "/v1/webhooks/w", hook)
    assert (await api("POST", "/v1/webhooks/validate", masked)).json["valid"]
    said = await api("POST", "/v1/webhooks/validate", {**masked, "signature": None})
    assert "is not a Standard Webhooks secret" in said.json["errors"][0]["message"]
    assert "hunter2" not in said.text
    elsewhere = await api("POST", "/v1/webhooks/validate", {**masked, "url": "https://evil.example.com/x"})
    assert "is to be sent again" in elsewhere.json["errors"][0]["message"]
    assert (await api("GET", "/v1/webhooks/w")).json["revision"] == 1


async def test_each_change_is_in_the_audit_log_and_an_event(api: Api) -> None:
    await api("PUT", "/v1/webhooks/w", {"url": "https://soc.example.com/x", "secret": SECRET})
    await api("PATCH", "/v1/webhooks/w", {"name": "New", "secret": "whsec_" + "bmV3" * 8})
    await api("PATCH", "/v1/webhooks/w", {"name": "New"})
    await api("DELETE", "/v1/webhooks/w")
    log = (await api("GET", "/v1/audit?kind=webhook")).json["items"]
    assert [entry["action"] for entry in log] == ["webhook.delete", "webhook.update", "webhook.create"]
    update = log[1]
    assert update["actor"]["name"] == "acme test"
    assert {field["path"]: (field["before"], field["after"]) for field in update["fields"]} == {
        "name": (None, "New"),
        "secret": (HIDDEN, HIDDEN),
    }
    page = (await api("GET", "/v1/audit?kind=webhook&limit=2")).json
    rest = (await api("GET", f"/v1/audit?kind=webhook&limit=2&cursor={page['next_cursor']}")).json
    assert [*page["items"], *rest["items"]] == log
    assert rest["next_cursor"] is None
    assert (await api("GET", "/v1/audit", token=await api.key("other"))).json["items"] == []
    assert len((await api("GET", "/v1/audit?target_id=w", token=api.operator)).json["items"]) == 3
    events = [
        event
        for record in await read_topic(api.site.settings, "events")
        for event in Decoder("events").decode(record.value, 0, record.offset, record.timestamp, [])
    ]
    assert [event.action for event in events] == [f"streamproc.webhook.{w}" for w in ("create", "update", "delete")]
    assert {event.tenant for event in events} == {"acme"}
    assert [event.id for event in events] == [entry["id"] for entry in reversed(log)]


async def test_plans_are_answered_with_their_use(api: Api) -> None:
    assert (await api("GET", "/v1/plans")).json["items"] == [
        {"tenant_id": "acme", "plan": None, "quota": None, "rules": 0}
    ]
