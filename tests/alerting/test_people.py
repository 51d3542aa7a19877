"""Users and groups: what a document may say; whom recipients mean; quiet hours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting.people import Lacking, PeopleBook, quiet, quiet_until, resolve
from streamproc.config.kinds import KINDS
from streamproc.model.document import DocumentError
from streamproc.model.recipients import DEFAULT_RECIPIENTS, Recipients
from streamproc.model.user import User, parse_user
from streamproc.model.user_group import parse_user_group
from tests.alerting.making import Record

HOUR = 3_600_000
MONDAY = 1_770_595_200_000
"""2026-02-09T00:00Z."""


def user(id: str = "alice", tenant: str = "acme", revision: int = 1, **fields: Any) -> Record:
    return Record("user", id, {"name": id[:20], **fields}, tenant, revision)


def group(id: str, *members: str, **fields: Any) -> Record:
    return Record("user_group", id, {"name": id[:20], "members": list(members), **fields})


def parsed(**fields: Any) -> User:
    return parse_user({"id": "alice", "tenant_id": "acme", "name": "Alice"} | fields)


@pytest.mark.parametrize("id", ["alice", "a1_-.", "Z" * 60, "test01", "o.p-s_1"])
@pytest.mark.parametrize("parse", [parse_user, parse_user_group])
def test_ids_that_are_taken(id: str, parse: Any) -> None:
    assert parse({"id": id, "tenant_id": "acme", "name": "A"}).id == id


@pytest.mark.parametrize("id", ["abcd", "a" * 61, "1alice", "_alice", "alice!", "alicé", "al ice", "", "alice\n"])
@pytest.mark.parametrize("parse", [parse_user, parse_user_group])
def test_ids_that_are_refused(id: str, parse: Any) -> None:
    with pytest.raises(DocumentError, match=r"^id: "):
        parse({"id": id, "tenant_id": "acme", "name": "A"})


@pytest.mark.parametrize("name", ["A", "王小明", "Dr. O-Neil", "x" * 20, "ActionTrail O&M"])
def test_names(name: str) -> None:
    if "&" in name:
        with pytest.raises(DocumentError, match="name: 'ActionTrail O&M' holds '&', which a name cannot"):
            parsed(name=name)
    else:
        assert parsed(name=name).name == name


@pytest.mark.parametrize("name", ["", " ", "x" * 21, "a\tb", *(f"a{character}" for character in "\"\\$|~?&<>{}`'")])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(DocumentError, match=r"^name: "):
        parsed(name=name)


@pytest.mark.parametrize(
    ("phone", "kept"),
    [("86-13800138000", "86-13800138000"), ("+49-30 901820", "49-30901820"), ("1-202-456-1414", "1-2024561414"),
     ("852-2123-4567", "852-21234567"), ("", "")],
)  # fmt: skip
def test_phones_are_kept_in_one_spelling(phone: str, kept: str) -> None:
    assert parsed(phone=phone).phone == kept
    assert parsed(phone=parsed(phone=phone).phone).phone == kept


@pytest.mark.parametrize(
    "phone",
    ["13800138000", "86-138", "999-13800138000", "86-1381111****", "86-", "-1", "a-b", "12345-1", "86-138001380001"],
)
def test_phones_that_are_refused(phone: str) -> None:
    with pytest.raises(DocumentError, match=r"^phone: "):
        parsed(phone=phone)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"email": "a@@b"}, "email: 'a@@b' is not an e-mail address"),
        ({"sms": True}, "phone: is required, as sms is true"),
        ({"voice": True}, "phone: is required, as voice is true"),
        ({"roles": ["Admin"]}, "roles[0]: 'Admin' does not have the form"),
        ({"roles": ["r"] * 17}, "has more than 16 entries"),
        ({"nmae": "x"}, "nmae: is not a known field; did you mean name?"),
        ({"quiet_hours": {"start": "22:00"}}, "quiet_hours.end: is required"),
    ],
)
def test_what_is_wrong_with_a_user_is_told(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parsed(**fields)
    assert problem in str(caught.value)


def test_a_group_has_a_member_once_and_only_ids() -> None:
    base = {"id": "group-01", "tenant_id": "acme", "name": "Ops"}
    for members, problem in ((["alice", "alice"], "has 'alice' twice"), (["x"], "members.0.: 'x' is not an id")):
        with pytest.raises(DocumentError, match=problem):
            parse_user_group({**base, "members": members})
    assert KINDS["user_group"].parse({**base, "members": ["alice"]}) == parse_user_group({**base, "members": ["alice"]})


def test_recipients_mean_users_each_once_in_the_order_of_their_names() -> None:
    people = PeopleBook().fold([
        user("alice", roles=["admin"]),
        user("bobby"),
        user("carol", enabled=False, roles=["owner"]),
        user("daisy", roles=["owner", "admin"]),
        user("alice", tenant="globex", roles=["admin"]),
        user("ernie", name="$"),
        group("ops-team", "daisy", "carol", "alice", "nobody"),
        group("old-team", "bobby", enabled=False),
    ])  # fmt: skip

    def named(**recipients: Any) -> tuple[list[str], dict[str, Lacking]]:
        found = resolve(Recipients(**recipients), "acme", people)
        return [one.id for one in found.users], dict(found.lacking)

    assert named(users=["bobby"], user_groups=["ops-team"], roles=["admin"]) == (
        ["bobby", "daisy", "alice"],
        {"user carol": Lacking.DISABLED, "user nobody": Lacking.UNKNOWN},
    )
    assert named(user_groups=["old-team", "no-group"]) == (
        [],
        {"user_group old-team": Lacking.DISABLED, "user_group no-group": Lacking.UNKNOWN},
    )
    assert named(users=["ernie"], roles=["guest"]) == (
        [],
        {"user ernie": Lacking.UNKNOWN, "role guest": Lacking.UNKNOWN},
    )
    assert named(users=["bobby"], user_groups=["old-team"]) == (["bobby"], {"user_group old-team": Lacking.DISABLED})
    assert [one.id for one in resolve(DEFAULT_RECIPIENTS, "acme", people).users] == ["alice", "daisy"]
    assert [one.tenant_id for one in resolve(DEFAULT_RECIPIENTS, "globex", people).users] == ["globex"]
    assert list(people.problems) == [("acme", "user", "ernie")]


def test_a_book_reads_again_only_what_changed() -> None:
    first = PeopleBook().fold([user("alice"), group("ops-team", "alice")])
    second = first.fold([user("alice", enabled=False, revision=2), group("ops-team", "alice")])
    assert second.groups[("acme", "ops-team")] is first.groups[("acme", "ops-team")]
    assert not second.users[("acme", "alice")].enabled
    assert second.fold([]).users == {}


ids = st.sampled_from(["alice", "bobby", "carol", "daisy", "ernie"])
teams = st.sampled_from(["team-a", "team-b"])


@given(
    st.dictionaries(ids, st.tuples(st.booleans(), st.sets(st.sampled_from(["admin", "owner"])))),
    st.dictionaries(teams, st.tuples(st.booleans(), st.lists(ids, unique=True))),
    st.lists(ids),
    st.lists(teams),
    st.lists(st.sampled_from(["admin", "owner"])),
)
def test_nobody_who_is_disabled_is_told_and_nobody_twice(
    users: dict[str, tuple[bool, set[str]]],
    groups: dict[str, tuple[bool, list[str]]],
    named: list[str],
    named_groups: list[str],
    roles: list[str],
) -> None:
    people = PeopleBook().fold([
        *(user(id, enabled=enabled, roles=sorted(has)) for id, (enabled, has) in users.items()),
        *(group(id, *members, enabled=enabled) for id, (enabled, members) in groups.items()),
    ])  # fmt: skip
    meant = [*named]
    meant += [one for id in named_groups if groups.get(id, (False, []))[0] for one in groups[id][1]]
    meant += [id for role in roles for id in sorted(users) if role in users[id][1]]
    expected = list(dict.fromkeys(id for id in meant if users.get(id, (False, set()))[0]))
    found = resolve(Recipients(users=named, user_groups=named_groups, roles=roles), "acme", people)
    assert [one.id for one in found.users] == expected


def test_quiet_hours_keep_all_but_the_severest_from_a_user() -> None:
    night = {"start": "22:00", "end": "07:00", "timezone": "Europe/Berlin"}
    sleeper = parsed(quiet_hours=night)
    assert [quiet(sleeper, "high", MONDAY + hour * HOUR) for hour in (5, 6, 20, 21)] == [True, False, False, True]
    assert not quiet(sleeper, "critical", MONDAY)
    assert quiet(parsed(quiet_hours=night | {"except_severity": "high"}), "medium", MONDAY)
    assert not quiet(parsed(quiet_hours=night | {"except_severity": "high"}), "high", MONDAY)
    assert not quiet(parsed(), "low", MONDAY)
    assert quiet_until(sleeper, "high", MONDAY) == MONDAY + 6 * HOUR
    assert quiet_until(sleeper, "critical", MONDAY) is None
    assert quiet_until(sleeper, "high", MONDAY + 8 * HOUR) is None
