"""Which people recipients mean: users, user groups and roles of a tenant, as users.

Disabled users, and those named only by a disabled group, are told nothing. Pure: configuration is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from streamproc.alerting.hours import is_open, next_change
from streamproc.alerting.recipients import Record
from streamproc.model.alert_filter import RANKS
from streamproc.model.recipients import Recipients
from streamproc.model.user import User, parse_user
from streamproc.model.user_group import UserGroup, parse_user_group

KINDS = ("user", "user_group")
"""The config kinds that a book is made of."""
Key = tuple[str, str]
"""Tenant and id."""


class Lacking(StrEnum):
    """Why somebody, or a group or role, who was named is not told."""

    DISABLED = "disabled"
    UNKNOWN = "unknown"
    """Not configured, or so that it cannot be used; of a role, nobody has it."""


@dataclass(frozen=True, slots=True)
class PeopleBook:
    """Every configured user and user group. `problems` is by tenant, kind and id."""

    users: Mapping[Key, User] = field(default_factory=dict)
    groups: Mapping[Key, UserGroup] = field(default_factory=dict)
    by_role: Mapping[Key, tuple[User, ...]] = field(default_factory=dict)
    """By tenant and role, in the order of ids; the disabled too."""
    problems: Mapping[tuple[str, str, str], ValueError] = field(default_factory=dict)
    revisions: Mapping[tuple[str, str, str], int] = field(default_factory=dict)

    def fold(self, records: Iterable[Record]) -> PeopleBook:
        """The book of exactly these records (other kinds are ignored); what has not changed is not parsed again."""
        users: dict[Key, User] = {}
        groups: dict[Key, UserGroup] = {}
        problems: dict[tuple[str, str, str], ValueError] = {}
        revisions: dict[tuple[str, str, str], int] = {}
        for record in records:
            if record.kind not in KINDS:
                continue
            key, name = (record.tenant, record.id), (record.tenant, record.kind, record.id)
            revisions[name] = record.revision
            same = self.revisions.get(name) == record.revision
            try:
                if record.kind == "user":
                    known = self.users.get(key) if same else None
                    users[key] = known or parse_user(record.document())
                else:
                    known_group = self.groups.get(key) if same else None
                    groups[key] = known_group or parse_user_group(record.document())
            except ValueError as error:
                problems[name] = error
        by_role: dict[Key, list[User]] = {}
        for (tenant, _), user in sorted(users.items()):
            for role in dict.fromkeys(user.roles):
                by_role.setdefault((tenant, role), []).append(user)
        return PeopleBook(users, groups, {key: tuple(found) for key, found in by_role.items()}, problems, revisions)


@dataclass(frozen=True, slots=True)
class Resolved:
    """The users whom recipients mean, each once, in the order in which they were named; and who is not told.

    `lacking`: (`user alice`, `user_group ops`, `role admin`; why).
    """

    users: tuple[User, ...] = ()
    lacking: tuple[tuple[str, Lacking], ...] = ()


def resolve(recipients: Recipients, tenant: str, book: PeopleBook) -> Resolved:
    """Users as named, then groups' members in their order, then those of each role by id."""
    found: dict[str, User] = {}
    lacking: dict[str, Lacking] = {}
    for name, meant in _meant(recipients, tenant, book):
        if isinstance(meant, Lacking):
            lacking[name] = meant
        elif not meant.enabled:
            lacking[f"user {meant.id}"] = Lacking.DISABLED
        else:
            found.setdefault(meant.id, meant)
    return Resolved(tuple(found.values()), tuple(lacking.items()))


def _meant(recipients: Recipients, tenant: str, book: PeopleBook) -> Iterator[tuple[str, User | Lacking]]:
    for id in recipients.users:
        yield f"user {id}", book.users.get((tenant, id), Lacking.UNKNOWN)
    for id in recipients.user_groups:
        group = book.groups.get((tenant, id))
        if group is None or not group.enabled:
            yield f"user_group {id}", Lacking.UNKNOWN if group is None else Lacking.DISABLED
            continue
        for member in group.members:
            yield f"user {member}", book.users.get((tenant, member), Lacking.UNKNOWN)
    for role in recipients.roles:
        users = book.by_role.get((tenant, role), ())
        if not users:
            yield f"role {role}", Lacking.UNKNOWN
        for user in users:
            yield f"user {user.id}", user


def quiet(user: User, severity: str, now: int) -> bool:
    """Whether the user's quiet hours keep an alert of this severity from them at `now` (ms)."""
    hours = user.quiet_hours
    if hours is None or RANKS.get(severity, 0) >= RANKS[hours.except_severity]:
        return False
    return is_open(hours, now)


def quiet_until(user: User, severity: str, now: int) -> int | None:
    """When the quiet hours that hold at `now` end; None when none hold, or when they never end."""
    if user.quiet_hours is None or not quiet(user, severity, now):
        return None
    return next_change(user.quiet_hours, now)
