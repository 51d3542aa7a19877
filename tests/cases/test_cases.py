"""What the words mean, as cases: our own, and those that were written down before the product was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from .runner import cases, check, in_backtest

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("STREAMPROC_TEST_CASES", HERE.parents[2] / "shared" / "cases"))
OURS = list(cases(*sorted(HERE.glob("*.yaml"))))
THEIRS = list(cases(*sorted(SHARED.glob("*.yaml"))))


@pytest.mark.parametrize("case", [case for _, case in OURS], ids=[name for name, _ in OURS])
def test_ours(case: dict[str, Any]) -> None:
    check(case, in_backtest)


@pytest.mark.skipif(not THEIRS, reason=f"no cases in {SHARED} (STREAMPROC_TEST_CASES)")
@pytest.mark.parametrize("case", [case for _, case in THEIRS], ids=[name for name, _ in THEIRS])
def test_theirs(case: dict[str, Any]) -> None:
    check(case, in_backtest)
