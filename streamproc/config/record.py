"""One record of the config topic: what it says, its key, and its bytes.

The key is `tenant/kind/id`; a `/` or `%` inside a part is percent-encoded. The value is JSON with a version;
what people wrote is under `spec`, with its secrets sealed (see `sealing`). No value is a deletion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

VERSION = 1
MAX_BYTES = 512 * 1024
"""Limit of a record's value; the topic takes twice that."""


class RecordError(ValueError):
    """A record that cannot be read; the text is one line."""


@dataclass(frozen=True, slots=True)
class ConfigRecord:
    """A thing that people configured. `spec` is to be left as it is: snapshots share it."""

    kind: str
    tenant: str
    id: str
    revision: int
    """From 1; grows by one with each change."""
    spec: Mapping[str, Any]
    """The document without kind, tenant_id and id."""
    updated_at: str
    """ISO 8601, UTC."""
    updated_by: str

    @property
    def key(self) -> str:
        return record_key(self.tenant, self.kind, self.id)

    def document(self) -> dict[str, Any]:
        """As people write it: `spec` with tenant_id and id, but without kind."""
        return {"id": self.id, "tenant_id": self.tenant, **self.spec}


def record_key(tenant: str, kind: str, id: str) -> str:
    """The key of the record, and the name of the thing in messages."""
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (tenant, kind, id))


def split_key(key: bytes | None) -> tuple[str, str, str]:
    """(tenant, kind, id). Raises RecordError."""
    try:
        parts = (key or b"").decode().split("/")
    except UnicodeDecodeError:
        raise RecordError(f"key {key!r} is not text") from None
    if len(parts) != 3 or not all(parts):
        raise RecordError(f"key {key!r} is not tenant/kind/id")
    tenant, kind, id = (unquote(part) for part in parts)
    return tenant, kind, id


def encode(record: ConfigRecord) -> bytes:
    """The value for the topic. Raises RecordError when it is too large."""
    value = orjson.dumps(
        {
            "v": VERSION,
            "kind": record.kind,
            "tenant_id": record.tenant,
            "id": record.id,
            "revision": record.revision,
            "spec": record.spec,
            "updated_at": record.updated_at,
            "updated_by": record.updated_by,
        }
    )
    if len(value) > MAX_BYTES:
        raise RecordError(f"{record.key}: {len(value)} bytes is more than {MAX_BYTES}")
    return value


def decode(key: bytes | None, value: bytes) -> ConfigRecord:
    """Read a record. Raises RecordError."""
    tenant, kind, id = split_key(key)
    try:
        content = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise RecordError(f"value is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise RecordError("value is not a JSON object")
    version = content.get("v")
    if version != VERSION:
        raise RecordError(f"version {version!r} is not {VERSION}, which is what this release reads")
    if (content.get("tenant_id"), content.get("kind"), content.get("id")) != (tenant, kind, id):
        raise RecordError("value names another tenant, kind or id than the key")
    revision, spec = content.get("revision"), content.get("spec")
    if not isinstance(revision, int) or isinstance(revision, bool) or revision < 1:
        raise RecordError(f"revision: {revision!r} is not a whole number from 1")
    if not isinstance(spec, dict):
        raise RecordError("spec: is not an object")
    return ConfigRecord(
        kind=kind,
        tenant=tenant,
        id=id,
        revision=revision,
        spec=spec,
        updated_at=str(content.get("updated_at", "")),
        updated_by=str(content.get("updated_by", "")),
    )
