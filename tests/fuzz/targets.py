"""What is fuzzed: each target takes any bytes and raises nothing but what its contract says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml

from streamproc.alerting import outbox_entry
from streamproc.alerting.gathering import Gathering
from streamproc.alerting.notify_state import Climb, Muted, NotifyState, Seen, Told
from streamproc.alerting.outbox_entry import Entry
from streamproc.config.kinds import KINDS, identify
from streamproc.config.record import RecordError, decode, split_key
from streamproc.config.snapshot import ConfigEntry, Snapshot
from streamproc.engine import state as key_state
from streamproc.engine.frame import SignalError, pack_command, pack_tick, unpack
from streamproc.engine.match import Matcher
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Delivery, DeliveryState
from streamproc.model.document import DocumentError
from streamproc.model.event import EventError
from streamproc.model.notification import Notification
from streamproc.rules import RuleIndex, compile_rule, parse_rule
from streamproc.sources.decode import Decoder
from streamproc.sources.registry import FORMATS
from tests.alerting.making import delivery, notification
from tests.engine import stored_v1, stored_v2
from tests.fuzz.samples import COMMAND, DOCUMENTS, EVENTS, NATIVE

PACKS = Path(__file__).parents[2] / "streamproc" / "rules" / "packs"


@dataclass(frozen=True)
class Target:
    """`run` raises only `allowed`."""

    name: str
    samples: tuple[bytes, ...]
    run: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...] = ()


def _pack_rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    for path in sorted(PACKS.rglob("*.yaml")):
        for doc in yaml.safe_load_all(path.read_text()):
            found = doc if isinstance(doc, list) else (doc or {}).get("rules", [doc])
            rules += [rule for rule in found if isinstance(rule, dict) and "condition" in rule]
    return rules


RULES = [{**rule, "tenant_id": "acme", "tests": []} for rule in _pack_rules()]
_COMPILED = [compile_rule(parse_rule(rule), 1) for rule in RULES]


def _decoders() -> list[Decoder]:
    return [Decoder("events", name, None if name == "event" else "acme") for name in FORMATS]


_DECODERS = _decoders()
_MATCHER = Matcher(RuleIndex.empty.with_tenants({"acme": _COMPILED}))


def event(value: bytes) -> None:
    """Decode by every format; what comes out is matched against every rule of the packs."""
    for decoder in _DECODERS:
        try:
            events = decoder.decode(value, 0, 7, 1_770_000_000_000)
        except EventError:
            continue
        for one in events:
            hits: list[Any] = []
            _MATCHER.match(one, 0, hits)
            _MATCHER.tallies(hits)
            orjson.loads(one.raw)


def rule(value: bytes) -> None:
    """Parse and compile a rule, and match an event with it."""
    document = orjson.loads(value)
    if not isinstance(document, dict):
        return
    compiled = compile_rule(parse_rule({**document, "tenant_id": "acme"}), 1)
    for sample in EVENTS[:3]:
        for one in _DECODERS[0].decode(sample, 0, 7, 1_770_000_000_000):
            if compiled.matches(one.doc, one.time):
                compiled.groups(one.doc)


def document(value: bytes) -> None:
    """Any config document, through its kind's parser."""
    content = orjson.loads(value)
    if isinstance(content, dict):
        kind, tenant, id, spec = identify(content, kind=None, tenant="acme")
        KINDS[kind].parse({"id": id, "tenant_id": tenant, **spec})


def record(value: bytes) -> None:
    """A record of the config topic; the fold never raises."""
    key, _, body = value.partition(b"\n")
    Snapshot.empty().fold([ConfigEntry(0, key, body), ConfigEntry(1, b"acme/rule/x", body)])
    split_key(key)
    decode(key, body)


def signal(value: bytes) -> None:
    """A signal, as detect reads it."""
    unpack(value)


def state(value: bytes) -> None:
    """A key's state, with its episode."""
    key_state.decode(b"\x01" * 16, value)


def _config_records() -> tuple[bytes, ...]:
    made = []
    for doc in DOCUMENTS:
        spec = {name: inner for name, inner in doc.items() if name not in ("kind", "id", "tenant_id")}
        value = {"v": 1, "kind": doc["kind"], "tenant_id": "acme", "id": doc.get("id", "x"), "revision": 1}
        value |= {"spec": spec, "updated_at": "2026-01-01T00:00:00Z", "updated_by": "t"}
        key = f"acme/{doc['kind']}/{doc.get('id', 'x')}"
        made.append(key.encode() + b"\n" + orjson.dumps(value))
    return tuple(made)


_ALERT = notification()
_NOTIFY = NotifyState(
    "0f" * 16,
    5,
    1,
    ("dlv_1",),
    6,
    2,
    Muted("dlv_2", "alt_1", "cooldown", 3, 9),
    (Seen("alt_1", 3, 2, "open", (Told(ChannelRef("channel", "c"), "user/alice", "t"),), True),),
    99,
    2,
    Climb("alt_1", "default", 5, 1, 60),
)

TARGETS = (
    Target("event", (*EVENTS, *NATIVE), event),
    Target("rule", tuple(map(orjson.dumps, RULES)), rule, (DocumentError, orjson.JSONDecodeError)),
    Target("document", tuple(map(orjson.dumps, DOCUMENTS)), document, (DocumentError, orjson.JSONDecodeError)),
    Target("config-record", _config_records(), record, (RecordError,)),
    Target("signal", (pack_command(COMMAND), pack_tick({"events-0": 5})), signal, (SignalError,)),
    Target(
        "key-state",
        (stored_v1.ROLLING, stored_v1.FIXED, stored_v1.PATTERN, stored_v2.ESCALATED, stored_v2.SNOOZED),
        state,
        (key_state.StateError,),
    ),
    Target("notify-state", (_NOTIFY.encode(),), NotifyState.decode, (ValueError,)),
    Target("outbox-entry", (Entry(_ALERT, 5).encode(),), outbox_entry.decode, (ValueError,)),
    Target("gathering", (Gathering("grp_1", 7, (1, 2), 3, 9, 44, "p", 99).encode(),), Gathering.decode, (ValueError,)),
    Target("notification", (_ALERT.encode(),), Notification.decode, (ValueError,)),
    Target("delivery", (delivery(_ALERT, DeliveryState.DELIVERED, 5).encode(),), Delivery.decode, (ValueError,)),
)
