"""`…/test`: a message through channels, to see whether it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.config.snapshot import RULE
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.settings import Settings
from streamproc.web.auditing import entry
from streamproc.web.auditing import record as audit
from streamproc.web.configuring import find
from streamproc.web.paging import TenantQuery
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.route import Call, Route
from streamproc.web.rule_lookup import find_rule, tenant_of
from streamproc.web.trial import SECONDS, Tried, book_of, channels_of, trial_alert, try_channels, unusable

MOST_AT_ONCE = 4
"""Trials under way, over all tenants: each may hold connections for `SECONDS`."""


class TriedChannel(BaseModel):
    """What came of one channel."""

    channel: str = Field(description="`channel/<id>` or `webhook/<id>`; `rule_url/<id>` for an address in the rule.")
    type: str | None = Field(description="null: there is no such channel, or it cannot be used.")
    delivered: bool
    outcome: str = Field(description="delivered, retry (it might succeed later), permanent, disabled.")
    reason: str
    status: int | None = Field(description="The HTTP status, where there was one.")
    latency_ms: int
    detail: str
    excerpt: str = Field(description="The beginning of what was answered, secrets masked.")


class TrialAnswer(BaseModel):
    """What came of a test; nothing of it is recorded as an alert or a delivery."""

    delivered: int
    failed: int
    items: list[TriedChannel]


class Trials:
    """How many are under way."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def run(self, channels: Sequence[ChannelSettings], alert: Mapping[str, Any]) -> list[Tried]:
        """As `try_channels`. Raises ApiError 429 where too many are under way."""
        if self._places.locked():
            detail = f"{MOST_AT_ONCE} tests are under way; try again in a moment"
            raise ApiError(429, detail, headers={"Retry-After": "5"})
        async with self._places:
            return await try_channels(self.settings, channels, alert)

    async def close(self) -> None:
        """Nothing is held."""


async def test_rule(call: Call[TenantQuery, None]) -> TrialAnswer:
    snapshot = call.site.tailer.snapshot
    record = find_rule(snapshot, call.principal, call.path["id"], call.query.tenant_id)
    tenant = tenant_of(call.principal, record, call.query.tenant_id)
    compiled = snapshot.rule(record.tenant, record.id)
    if compiled is None:
        problem = snapshot.problem(record.key)
        raise ApiError(409, f"the rule is not in force: {problem.message if problem else 'it cannot be read'}")
    # addresses in a rule of every tenant are the operators' own
    own = call.principal.sees(record.tenant)
    book = await asyncio.to_thread(book_of, snapshot, call.site.keyring, tenant, record if own else None)
    channels, tried = channels_of(compiled.rule, tenant, book)
    alert = trial_alert(tenant, compiled.rule, record.revision, call.principal.name)
    await audit(call, [entry(call, RULE, tenant, record.id, "test", record.revision)])
    tried = [*await call.site.part(Trials).run(channels, alert), *tried]
    if not tried:
        detail = "the rule names no channel, so nobody would be told"
        none = Outcome(OutcomeKind.PERMANENT, Reason.NO_CHANNEL, detail=detail)
        tried = [Tried(ChannelRef(RULE, record.id), None, none)]
    return _answer(tried)


async def test_channel(call: Call[TenantQuery, None]) -> TrialAnswer:
    return await _test_one(call, "channel")


async def test_webhook(call: Call[TenantQuery, None]) -> TrialAnswer:
    return await _test_one(call, "webhook")


async def _test_one(call: Call[TenantQuery, None], kind: str) -> TrialAnswer:
    tenant = call.tenant(call.query.tenant_id)
    record = find(call, kind, tenant, call.path["id"])
    book = await asyncio.to_thread(book_of, call.site.tailer.snapshot, call.site.keyring, tenant)
    ref = ChannelRef(kind, record.id)
    channel = book.get(tenant, ref)
    if channel is None:
        return _answer([unusable(tenant, ref, book)])
    alert = trial_alert(tenant, None, 1, call.principal.name)
    await audit(call, [entry(call, kind, tenant, record.id, "test", record.revision)])
    return _answer(await call.site.part(Trials).run([channel], alert))


def _answer(tried: Sequence[Tried]) -> TrialAnswer:
    items = [TriedChannel.model_validate(one.answer()) for one in tried]
    delivered = sum(item.delivered for item in items)
    return TrialAnswer(delivered=delivered, failed=len(items) - delivered, items=items)


_DESCRIPTION = (
    f"A message marked as a test goes out, and each outcome is answered, after {SECONDS:g} s at the latest. "
    "One attempt each. Nothing is recorded as an alert or a delivery; the audit log has it."
)

ROUTES = (
    Route(
        "POST",
        "/v1/rules/{id}/test",
        "Test a rule's channels",
        Scope.RULES_WRITE,
        test_rule,
        query=TenantQuery,
        answers=TrialAnswer,
        refuses=(404, 409),
        tag="rules",
        description=f"The condition is not evaluated. {_DESCRIPTION}",
    ),
    Route(
        "POST",
        "/v1/channels/{id}/test",
        "Test a channel",
        Scope.CONFIG_WRITE,
        test_channel,
        query=TenantQuery,
        answers=TrialAnswer,
        refuses=(404,),
        tag="channels",
        description=_DESCRIPTION,
    ),
    Route(
        "POST",
        "/v1/webhooks/{id}/test",
        "Test a webhook",
        Scope.CONFIG_WRITE,
        test_webhook,
        query=TenantQuery,
        answers=TrialAnswer,
        refuses=(404,),
        tag="webhooks",
        description=_DESCRIPTION,
    ),
)
