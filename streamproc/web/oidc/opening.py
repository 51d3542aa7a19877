"""Sessions of people whom an identity provider knows.

Each has a key of its own that nobody has the text of: a record that says whose session it is, what it may do, and when
it ends. So it is listed, revoked and named in the audit log as keys are, and ends everywhere when it ends.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from streamproc.config.keyring import SealError
from streamproc.config.record import ConfigRecord
from streamproc.model.document import DocumentError
from streamproc.model.key import SESSION, Key, parse_key
from streamproc.web import configuring
from streamproc.web.keys import KIND
from streamproc.web.oidc.grants import Person
from streamproc.web.principal import Principal
from streamproc.web.problem import ApiError
from streamproc.web.route import Call
from streamproc.web.sessions import Session
from streamproc.web.site import Site

log = structlog.get_logger(__name__)

SIGN_IN, SIGN_OUT = "sign_in", "sign_out"
"""What the audit log calls it."""
FAILURES = (ApiError, SealError, KafkaError, TimeoutError, ConnectionError)
"""What keeping a session fails with when Kafka does not answer, or there is no key to seal with."""
FORGOTTEN = 100
"""Sessions that are over and taken out at once."""


async def open_session(call: Call[Any, Any], person: Person, issuer: str) -> Session:
    """A session for somebody; it is in force when this returns.

    Raises one of FAILURES.
    """
    site, now = call.site, datetime.now(UTC)
    # The same person has the same beginning, whatever they are called: the name may change, and be given to others.
    who = hashlib.blake2b(f"{issuer} {person.subject}".encode(), digest_size=6).hexdigest()
    id = f"{SESSION}{who}-{secrets.token_hex(6)}"
    ends_at = now + timedelta(hours=site.settings.session_hours)
    spec = {
        "name": person.name,
        "scopes": sorted(scope.value for scope in person.scopes),
        "hashes": [{"hash": "none", "last4": "none", "expires_at": now.isoformat()}],
        "created_at": now.isoformat(),
        "expires_at": ends_at.isoformat(),
    }
    principal = Principal(id, person.name, person.tenant, person.scopes)
    await configuring.put(
        replace(call, principal=principal), KIND, person.tenant, id, spec, must_exist=False, action=SIGN_IN
    )
    log.info("oidc.signed_in", key=id, name=person.name, subject=person.subject, tenant=person.tenant)
    await _forget(site, now)
    return site.sessions.open(principal)


async def end_session(call: Call[Any, Any], session: Session) -> None:
    """End it everywhere, where it is one of these; without Kafka it ends with its time."""
    if not session.key_id.startswith(SESSION) or call.principal.key_id != session.key_id:
        return
    try:
        await configuring.delete(call, KIND, session.tenant, session.key_id, action=SIGN_OUT)
    except FAILURES as error:
        log.warning("oidc.session_left", key=session.key_id, error=str(error) or type(error).__name__)


async def _forget(site: Site, now: datetime) -> None:
    """Take some out that are over; the next sign-in does what this one cannot."""
    over = [record.key for record in islice(_over(site, now), FORGOTTEN)]
    if over:
        with suppress(*FAILURES):
            await site.writer.delete(over)


def _over(site: Site, now: datetime) -> Iterator[ConfigRecord]:
    for record in site.tailer.snapshot.records(KIND):
        if record.id.startswith(SESSION):
            try:
                key: Key = parse_key(record.document())
            except DocumentError:
                continue
            if key.expires_at is not None and key.expires_at <= now:
                yield record
