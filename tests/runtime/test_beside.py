"""What runs beside an app is a part of it: its end is the app's failure, unless the app ends."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from streamproc.runtime.app import beside


async def for_ever() -> None:
    await asyncio.Event().wait()


async def defect() -> None:
    raise ValueError("a defect")


async def cancelled() -> None:
    raise asyncio.CancelledError  # as a client may let it out, though nobody cancelled us


async def over() -> None:
    pass


@pytest.mark.parametrize(
    ("work", "failure"),
    [(for_ever, []), (defect, ["a defect"]), (cancelled, ["cancelled ended"]), (over, ["over ended"])],
)
async def test_the_end_of_work_fails_the_app(work: Any, failure: list[str]) -> None:
    failed: list[str] = []
    app: Any = SimpleNamespace(fail=lambda error: failed.append(str(error)))
    async with beside(app, work(), for_ever()):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert failed == failure
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert failed == failure
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"for_ever"})
