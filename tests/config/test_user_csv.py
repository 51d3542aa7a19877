"""Users from CSV: ActionTrail's columns, in both its orders; a report for each row, and nothing half imported."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.config.user_csv import COLUMNS, MAX_ROWS, UserCsvError, read_users

KUMER = "test01,Kumer,true,86-13800138000,true,true,kumer@example.net"
ALICE = "test02,Alice,86-13800138001,true,false,,false"


def problems(text: str) -> list[str]:
    with pytest.raises(UserCsvError) as caught:
        read_users(text, "acme")
    return [str(problem) for problem in caught.value.problems]


def test_rows_of_either_order_are_read() -> None:
    heading = "# ID, Name, Mobile phone number, Receive text messages, Receive voice calls, Mailbox, Enable"
    first, second = read_users(f"\ufeff{heading}\r\n{KUMER}\r\n\r\n{ALICE}\r\n", "acme")
    assert dict(first.document) == {
        "id": "test01", "name": "Kumer", "enabled": True, "phone": "86-13800138000", "sms": True, "voice": True,
        "email": "kumer@example.net",
    }  # fmt: skip
    assert first.user.tenant_id == "acme"
    assert (second.line, second.user.id, second.user.enabled, second.user.sms, second.user.voice) == (
        4, "test02", False, True, False,
    )  # fmt: skip
    assert second.user.phone == "86-13800138001"


def test_a_heading_spaces_and_quotes_are_taken_as_people_write_them() -> None:
    (one,) = read_users('ID,Name,Enable,Phone,SMS,Voice,Mail\n test03 , "O, Neil",TRUE,,False,false,\n', "acme")
    assert (one.user.name, one.user.enabled, one.user.phone, one.user.email) == ("O, Neil", True, "", "")


def test_every_problem_of_every_row_is_told_with_its_line() -> None:
    text = f"{KUMER}\nab,Ku$er,true,86-138,true,maybe,a@@x\n{KUMER}\ntest04,A\ntest05,Bob,true,,true,false,\n"
    found = problems(text)
    assert [line.split(":")[0:2] for line in found] == [
        ["line 2", " voice"], ["line 2", " id"], ["line 2", " name"], ["line 2", " phone"], ["line 2", " email"],
        ["line 3", " id"], ["line 4", " has 2 columns, not 7"], ["line 5", " phone"],
    ]  # fmt: skip
    assert found[5] == "line 3: id: 'test01' is in line 1 already"
    assert found[6] == f"line 4: has 2 columns, not 7: {', '.join(COLUMNS)}"


@pytest.mark.parametrize("text", ["", "\n\n", '# only a "remark\n', "ID,Name\n"])
def test_a_file_without_users_is_a_mistake(text: str) -> None:
    assert problems(text) == ["has no users"]


def test_what_is_no_csv_is_told_and_spoils_no_other_row() -> None:
    found = problems(f'test02,"Bob\n{KUMER}\ntest05,"A"x,true,,false,false,\nab,A,true,,false,false,')
    assert found[:2] == ["line 1: is not CSV: unexpected end of data", "line 3: is not CSV: ',' expected after '\"'"]
    assert [line[:10] for line in found[2:]] == ["line 4: id"]


def test_a_file_has_bounds() -> None:
    assert problems("x" * 5_000_000) == ["has 5000000 characters, which is more than 4000000"]
    rows = "\n".join(f"u{number:05},A,true,,false,false," for number in range(MAX_ROWS + 5))
    assert problems(rows) == [f"line {MAX_ROWS + 1}: is one too many: a file has at most {MAX_ROWS} users"]
    assert len(problems("a,b\n" * 5000)) == 1001


def test_what_csv_has_no_column_for_stays_as_it_is() -> None:
    known = {"test01": {"name": "Old", "roles": ["admin"], "quietHours": {"start": "22:00", "end": "06:00"}}}
    (one,) = read_users(KUMER, "acme", known.get)
    assert one.user.roles == ("admin",)
    assert one.user.quiet_hours is not None
    assert one.user.name == "Kumer"


row = st.tuples(st.sampled_from([KUMER, ALICE, "bad1,X", "test09,$,true,,false,false,", "# no", ""]), st.integers())


@given(st.lists(row))
def test_all_or_nothing(rows: list[tuple[str, int]]) -> None:
    lines = [line for line, _ in rows]
    good = [line for line in lines if line in (KUMER, ALICE)]
    bad = any(line.startswith(("bad1", "test09")) for line in lines) or len(set(good)) < len(good)
    try:
        users = read_users("\n".join(lines), "acme")
    except UserCsvError:
        assert bad or not good
    else:
        assert not bad
        assert [one.user.id for one in users] == [line[:6] for line in good]


@given(st.text(alphabet=st.sampled_from('a1,"\n\r# \x00é\ud800true-'), max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        read_users(text, "acme")
    except UserCsvError as error:
        assert error.problems
