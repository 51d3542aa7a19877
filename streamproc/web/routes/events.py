"""`POST /v1/events`: events into Kafka; answered when the broker has acknowledged them, each by itself."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Literal

import orjson
from pydantic import AfterValidator, BaseModel, Field

from streamproc.kafka.ledger import Record
from streamproc.kafka.partition import partition_by
from streamproc.model.event import EventError
from streamproc.model.rule import EVERY_TENANT
from streamproc.sources.canonical import check_tenant
from streamproc.sources.decode import FORMAT_HEADER, TENANT_HEADER, Decoder
from streamproc.sources.json_text import parse_json
from streamproc.sources.registry import CANONICAL, FORMATS
from streamproc.web.paging import TenantQuery
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.route import Answer, Call, Route

TOPIC = "events"
MAX_BODY = 16 << 20
MAX_ITEMS = 10_000
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")


def _format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"is not one of {', '.join(FORMATS)}")
    return name


class EventsQuery(TenantQuery):
    """What is sent, and whose it is."""

    format: Annotated[str, AfterValidator(_format), Field(json_schema_extra={"enum": list(FORMATS)})] | None = Field(
        default=None, description="Of native records, mapped as on a source topic of that format."
    )


class ItemError(BaseModel):
    """What is wrong with an item."""

    path: str
    message: str


class EventAnswer(BaseModel):
    """What became of one item."""

    index: int
    status: Literal["accepted", "rejected"]
    ids: list[str] = Field(description="Of its events: one, or those of a native record's envelope.")
    errors: list[ItemError]


class EventsAnswer(BaseModel):
    """What became of each, in the order in which they were sent."""

    accepted: int
    rejected: int
    items: list[EventAnswer]


@dataclass(slots=True)
class _Reading:
    """Items on their way to records."""

    tenant: str | None
    format: str | None
    decoder: Decoder
    partitions: int
    topic: str
    records: dict[tuple[str, int], list[Record]] = field(default_factory=dict)
    answers: list[EventAnswer] = field(default_factory=list)

    def take(self, value: bytes) -> None:
        """One item: its record, or what is wrong with it."""
        index = len(self.answers)
        try:
            ids = self._canonical(value) if self.format is None else self._native(value, self.format)
        except EventError as error:
            path, _, message = error.message.partition(": ")
            wrong = ItemError(path="" if path == "value" else path, message=message)
            self.answers.append(EventAnswer(index=index, status="rejected", ids=[], errors=[wrong]))
        else:
            self.answers.append(EventAnswer(index=index, status="accepted", ids=ids, errors=[]))

    def _canonical(self, value: bytes) -> list[str]:
        document = parse_json(value)
        if isinstance(document, dict) and document.get("id") is None:
            document["id"] = f"evt_{uuid.uuid4()}"
            value = orjson.dumps(document)
        elif isinstance(document, list):
            value = b'"a list within a list"'  # which the decoder refuses as what is no object
        (event,) = self.decoder.decode(value, 0, 0, time.time_ns() // 1_000_000)
        self._add(event.tenant, event.raw, [])
        return [event.id]

    def _native(self, value: bytes, format: str) -> list[str]:
        events = self.decoder.decode(value, 0, len(self.answers), time.time_ns() // 1_000_000)
        headers = [(FORMAT_HEADER, format.encode())]
        if self.tenant is not None:
            headers.append((TENANT_HEADER, self.tenant.encode()))
        for tenant in {event.tenant for event in events}:
            self._add(tenant, value, headers)
            break  # an envelope is one record, whoever its events belong to
        return [event.id for event in events]

    def _add(self, tenant: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        place = (self.topic, partition_by(tenant, self.partitions))
        self.records.setdefault(place, []).append((tenant.encode(), value, headers))


async def send_events(call: Call[EventsQuery, bytes]) -> Answer:
    """One event, a list of events, or NDJSON (one a line). The tenant is the key's; an event that names another is
    rejected. What is not an event is answered with its errors and not written; the others are accepted. When none is,
    the answer is 422. After a 503 some may have been written: send them again, with the same ids they count once."""
    spec = call.site.topics[TOPIC]
    tenant = _tenant(call)
    format = call.query.format if call.query.format not in (None, CANONICAL) else None
    decoder = Decoder(spec.topic, format or CANONICAL, tenant)
    reading = _Reading(tenant, format, decoder, spec.partitions, spec.topic)
    items = _items(call.request.content_type, call.body)
    if len(items) > MAX_ITEMS:
        raise ApiError(422, f"the body has {len(items)} items, which is more than {MAX_ITEMS}")
    for item in items:
        reading.take(item)
    accepted = sum(answer.status == "accepted" for answer in reading.answers)
    answer = EventsAnswer(accepted=accepted, rejected=len(items) - accepted, items=reading.answers)
    if not accepted:
        errors = [
            (f"[{one.index}].{error.path}".rstrip("."), error.message) for one in answer.items for error in one.errors
        ]
        detail = f"{errors[0][0]}: {errors[0][1]}" if errors else "the body has no events"
        raise ApiError(422, detail, errors=errors[:100], **answer.model_dump())
    if reading.records:
        await call.site.producer.send(reading.records)
    return answer


def _tenant(call: Call[EventsQuery, bytes]) -> str | None:
    """The only tenant whose events these may be; None: operators' events name theirs."""
    named = call.query.tenant_id
    if call.principal.operator and named in (None, EVERY_TENANT):
        if call.query.format not in (None, CANONICAL):
            raise ApiError(422, "tenant_id: is required with a format", errors=[("tenant_id", "is required")])
        return None
    try:
        return check_tenant(call.tenant(named))
    except EventError as error:
        raise ApiError(422, error.message, errors=[("tenant_id", error.message)]) from None


def _items(content_type: str, body: bytes) -> list[bytes]:
    if content_type in NDJSON:
        return [line for line in body.splitlines() if line.strip()]
    stripped = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not stripped.startswith(b"["):
        return [body]
    try:
        content = orjson.loads(stripped)
        return [orjson.dumps(item) for item in content]
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not JSON: line {error.lineno} column {error.colno}: {error.msg}") from None
    except TypeError:  # nested deeper than can be written again
        raise ApiError(422, "the body nests too deep") from None


ROUTES = (
    Route(
        "POST", "/v1/events", "Send events", Scope.EVENTS_WRITE, send_events, query=EventsQuery, body=bytes,
        also_takes=NDJSON, answers=EventsAnswer, tag="events", max_bytes=MAX_BODY,
        example={"action": "user.login", "outcome": "failure", "actor": {"id": "alice", "ip": "203.0.113.7"}},
    ),
)  # fmt: skip
