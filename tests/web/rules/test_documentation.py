"""The examples of the how-to, run as they stand."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import orjson
import pytest

from tests.web.conftest import Api

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "rules-over-http.md"
EXAMPLES = re.findall(r"```sh example\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.broker
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_the_examples_work(api: Api) -> None:
    assert len(EXAMPLES) >= 8
    environment = {"PATH": os.environ["PATH"], "STREAMPROC_URL": api.url, "STREAMPROC_KEY": api.token}
    said = {}
    for example in EXAMPLES:
        for command in re.split(r"\n(?=curl)", example.strip()):
            process = await asyncio.create_subprocess_exec(
                "sh", "-c", command.replace("curl -sS", "curl -sS -w '\\n%{http_code}'"),
                env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            out, _ = await process.communicate()
            text, _, status = out.decode().rpartition("\n")
            assert status in ("200", "201", "202"), f"{command}\n{out.decode()}"
            said[command] = orjson.loads(text)
    by_path = {re.sub(r".*STREAMPROC_URL(\S*)\".*", r"\1", line.partition("\n")[0]): v for line, v in said.items()}
    assert by_path["/v1/rules/failed-logins/simulate"]["alert_count"] == 1
    assert by_path["/v1/rules/failed-logins"]["condition"]["count"] == 3
    assert {one["path"] for one in by_path["/v1/rules/failed-logins/diff?from=1&to=2"]["changes"]} == {
        "severity", "condition.count", "cooldown_min"}  # fmt: skip
    assert any(one["path"] == "channels[0]" for one in by_path["/v1/rules/validate"]["findings"])
    assert by_path["/v1/rule-templates/mass-export/enable"]["channels"] == ["slack"]
