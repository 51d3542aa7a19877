"""A short run of each target; `python -m tests.fuzz` does the long one."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.__main__ import run
from tests.fuzz.targets import TARGETS, Target

INPUTS = int(os.environ.get("STREAMPROC_FUZZ_INPUTS", "1500"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_input_is_mishandled(target: Target) -> None:
    refused, value, error = run(target, INPUTS, seed=INPUTS)
    assert (error, value) == (None, None)
    if target.allowed:
        assert refused > 0, "some inputs must be wrong, or nothing is tried"
