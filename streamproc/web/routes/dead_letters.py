"""Dead letters: records that could not be used, raw, with the reason; and sending them again."""

from __future__ import annotations

import base64
from typing import Any

from aiokafka.errors import KafkaError
from pydantic import BaseModel, Field

from streamproc.model.times import iso
from streamproc.web.alert_filters import Values, next_cursor, scope_of, split_values, start_of
from streamproc.web.auditing import entry
from streamproc.web.auditing import record as audit
from streamproc.web.paging import Page, PageQuery
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.read_model import queries
from streamproc.web.read_model.lists import Filters
from streamproc.web.read_model.queries import StoredLetter
from streamproc.web.route import Answer, Call, Route
from streamproc.web.routes.alerts import Nothing

TAG = "dead letters"
LISTED_CHARACTERS = 500
_ORIGINAL = "original-"


class Origin(BaseModel):
    """Where the record stood."""

    topic: str
    partition: int
    offset: int


class DeadLetterSummary(BaseModel):
    """A record that could not be used."""

    id: str = Field(description="Its place in the topic: partition-offset.")
    tenant_id: str | None = Field(description="Whose it is, if that is known: what a source topic or the record says.")
    at: str
    by: str = Field(description="Who could not use it: route, detect, notify, deliver.")
    reason: str
    message: str
    origin: Origin
    size: int = Field(description="Bytes.")
    text: str | None = Field(description="The record, where it is printable; in lists its beginning.")


class DeadLetter(DeadLetterSummary):
    """The whole of it."""

    value_base64: str | None
    key_base64: str | None
    headers: dict[str, str] = Field(description="The original's, in base64.")


class LetterQuery(PageQuery):
    """What dead letters to list."""

    reason: Values = Field(default=[])
    topic: Values = Field(default=[], description="The topic they came from.")


class Replayed(BaseModel):
    """It was sent again; if it is still wrong it comes back as a new letter."""

    id: str
    topic: str
    partition: int


def summary(letter: StoredLetter, most: int | None = LISTED_CHARACTERS) -> dict[str, Any]:
    """A letter as lists show it; `most`: characters of its text."""
    headers = dict(letter.headers)

    def text(name: str) -> str:
        return headers.get(name, b"").decode("utf-8", "replace")

    return {
        "id": letter.id,
        "tenant_id": letter.tenant,
        "at": iso(letter.timestamp),
        "by": text("by"),
        "reason": text("reason"),
        "message": text("message"),
        "origin": {
            "topic": text("origin-topic"),
            "partition": int(text("origin-partition") or 0),
            "offset": int(text("origin-offset") or 0),
        },
        "size": len(letter.value or b""),
        "text": _printable(letter.value or b"", most),
    }


def _printable(value: bytes, most: int | None) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    if not all(character.isprintable() or character in "\n\r\t" for character in text):
        return None
    return text if most is None else text[:most]


def _whole(letter: StoredLetter) -> dict[str, Any]:
    return {
        **summary(letter, None),
        "value_base64": _base64(letter.value),
        "key_base64": _base64(letter.key),
        "headers": {
            name.removeprefix(_ORIGINAL): base64.b64encode(raw).decode()
            for name, raw in letter.headers
            if name.startswith(_ORIGINAL)
        },
    }


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


async def list_letters(call: Call[LetterQuery, None]) -> Answer:
    tenant = call.tenant_filter(call.query.tenant_id)
    facets = {"reason": split_values(call.query.reason), "origin": split_values(call.query.topic)}
    filters = Filters(tenant, {name: values for name, values in facets.items() if values})
    scope = scope_of(call, tenant)
    start = start_of(call.query, scope)
    letters, more = await call.site.store.read(queries.list_letters, filters, start, call.query.limit)
    return {"items": [summary(letter) for letter in letters], "next_cursor": next_cursor(more, scope)}


async def _letter_of(call: Call[Any, Any]) -> StoredLetter:
    letter = await call.site.store.read(queries.get_letter, call.path["id"])
    seen = letter is not None and (call.principal.operator or letter.tenant == call.principal.tenant)
    if letter is None or not seen:
        raise ApiError(404, f"there is no dead letter {call.path['id']!r:.80}")
    return letter


async def get_letter(call: Call[Nothing, None]) -> Answer:
    return _whole(await _letter_of(call))


async def replay(call: Call[Nothing, None]) -> Answer:
    letter = await _letter_of(call)
    origin = summary(letter)["origin"]
    known = {spec.topic: spec.partitions for spec in call.site.topics.values()}
    if origin["partition"] >= known.get(origin["topic"], 0):
        raise ApiError(409, f"{origin['topic']}/{origin['partition']}, where it came from, is no longer there")
    headers = [("replayed-from", letter.id.encode())]
    headers += [(name, raw) for name, raw in letter.headers if name.startswith(_ORIGINAL)]
    headers = [(name.removeprefix(_ORIGINAL), raw) for name, raw in headers]
    target = (origin["topic"], origin["partition"])
    try:
        await call.site.producer.send({target: [(letter.key, letter.value, headers)]})
    except (KafkaError, OSError, TimeoutError):
        raise ApiError(503, "Kafka did not acknowledge the record; it may still have been sent") from None
    # in the log of who asks: a letter's tenant is what its sender claims
    await audit(call, [entry(call, "dead_letter", call.principal.tenant, letter.id, "replay")])
    return Replayed(id=letter.id, topic=target[0], partition=target[1])


ROUTES = (
    Route(
        "GET",
        "/v1/dead-letters",
        "List dead letters",
        Scope.ALERTS_READ,
        list_letters,
        query=LetterQuery,
        answers=Page[DeadLetterSummary],
        tag=TAG,
        description="The newest first. A tenant's key sees events of its tenant; operators see all.",
    ),
    Route(
        "GET",
        "/v1/dead-letters/{id}",
        "Get a dead letter, whole",
        Scope.ALERTS_READ,
        get_letter,
        answers=DeadLetter,
        refuses=(404,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/v1/dead-letters/{id}/replay",
        "Send a dead letter to where it came from again",
        Scope.EVENTS_WRITE,
        replay,
        answers=Replayed,
        refuses=(404, 409),
        tag=TAG,
        description="As it was. The letter stays in its topic until its retention ends.",
    ),
)
