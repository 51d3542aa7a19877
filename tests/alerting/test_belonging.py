"""Whose the stored rows of notify and deliver are."""

from __future__ import annotations

import orjson

from streamproc.alerting.belonging import in_notify, in_outbox
from streamproc.alerting.gathering import Gathering
from streamproc.alerting.notifier import CLIMBING, GATHERING, HELD, STATE
from streamproc.alerting.notify_state import NotifyState
from streamproc.alerting.outbox_entry import Entry, Mark
from streamproc.alerting.watch import QUIET, SOURCE
from streamproc.model.delivery import DeliveryState
from tests.alerting.making import alert, delivery, notification

OWN, OTHER = "a1" * 16, "b2" * 16


def test_rows_of_notify_by_fingerprint_tenant_or_what_they_hold() -> None:
    number = (0).to_bytes(8, "big")
    rows: dict[bytes, bytes] = {}
    for tenant, fingerprint in (("acme", OWN), ("else", OTHER)):
        record = orjson.dumps(alert(1, 1) | {"tenant_id": tenant})
        rows |= {
            STATE + fingerprint.encode(): NotifyState(fingerprint).encode(),
            CLIMBING + fingerprint.encode(): record,
            QUIET + tenant.encode() + b"\0alt_1": record,
            SOURCE + tenant.encode() + b"\0alt_1": record,
            GATHERING + tenant.encode(): Gathering(tenant, next=1).encode(),
            HELD + tenant.encode() + b"\0" + number: notification(tenant=tenant).encode(),
        }
    rows[GATHERING + b"empty"] = Gathering("empty").encode()
    mine = in_notify(rows.items(), "acme", {OWN})
    assert sorted(mine) == sorted(
        [
            STATE + OWN.encode(),
            CLIMBING + OWN.encode(),
            QUIET + b"acme\0alt_1",
            SOURCE + b"acme\0alt_1",
            GATHERING + b"acme",
            HELD + b"acme\0" + number,
        ]
    )
    unknown = set(mine) - set(in_notify(rows.items(), "acme", set()))
    assert unknown == {STATE + OWN.encode()}, "what escalates names its tenant; a state alone does not"


def test_a_tenant_whose_name_begins_like_another_is_another() -> None:
    rows = {QUIET + b"acme2\0alt_1": b"{}", SOURCE + b"acme\0alt_2": b"{}"}
    assert in_notify(rows.items(), "acme", set()) == [SOURCE + b"acme\0alt_2"]


def test_rows_of_the_outbox_pending_and_settled() -> None:
    rows: dict[bytes, bytes] = {}
    for tenant in ("acme", "else"):
        told = notification(tenant=tenant)
        rows[b"o" + tenant.encode() + b"1"] = Entry(told, at=5).encode()
        rows[b"o" + tenant.encode() + b"2"] = Mark(delivery(told, DeliveryState.DELIVERED, 9), 10, False).encode()
    assert in_outbox(rows.items(), "acme") == [b"oacme1", b"oacme2"]
