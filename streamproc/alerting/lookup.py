"""The configuration as notify and deliver see it at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from streamproc.alerting.people import PeopleBook
from streamproc.alerting.recipients import ChannelBook, NotifyingRule
from streamproc.model.policy import Policy
from streamproc.model.silence import Silence


class Lookup(Protocol):
    """Each property answers the same object until the configuration changes."""

    @property
    def revision(self) -> int:
        """Grows whenever anything is configured anew."""
        ...

    @property
    def channels(self) -> ChannelBook: ...

    @property
    def people(self) -> PeopleBook: ...

    @property
    def policies(self) -> Mapping[tuple[str, str], Policy]:
        """By tenant and id, those that can be used."""
        ...

    def rule(self, owner: str, rule_id: str) -> NotifyingRule | None: ...

    def silences(self, tenant: str) -> Sequence[Silence]:
        """Those that may concern the tenant's alerts."""
        ...
