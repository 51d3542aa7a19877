"""Group values that no 64-bit integer holds still travel."""

from __future__ import annotations

import pytest

from streamproc.engine.frame import Frame, pack_frame, unpack
from streamproc.rules import compile_rule, parse_rule


@pytest.mark.parametrize("value", [1e30, -1e30, 9.3e18, 2.0**63, -(2.0**63), 1e15, 7.0])
def test_a_large_number_is_a_group(value: float) -> None:
    doc = {"id": "r", "tenant_id": "t", "name": "n", "type": "pattern", "condition": {"group_by": "metadata.n"}}
    ((group,),) = compile_rule(parse_rule(doc), 1).groups({"metadata": {"n": value}})
    assert group == value
    row = (0, b"k" * 16, (group,), 1, 1, 1, "e", group, b"{}")
    frame = unpack(pack_frame(Frame("events/0", 0, {}, [row])))
    assert isinstance(frame, Frame)
    assert frame.rows[0][2][0] == value
