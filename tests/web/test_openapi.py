"""The OpenAPI document is valid, says all, and is kept: schemathesis asks the real server what it allows, and more."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from streamproc.web.openapi import openapi_document, operation_id
from streamproc.web.routes.registry import all_routes
from tests.web.conftest import Api

EXAMPLES = int(os.environ.get("STREAMPROC_TEST_API_EXAMPLES", "1"))
"""Random requests for each operation, beside those that schemathesis derives from each limit in the document."""
HERE = Path(__file__).parent
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
    "unsupported_method",
    "missing_required_header",
)
"""All but `positive_data_acceptance`: that a filter or a template is right, no JSON Schema can say."""


def test_the_document_is_valid_and_says_all() -> None:
    document = openapi_document(all_routes())
    validate(document)
    shown = [route for route in all_routes() if not route.hidden]
    assert {(path, method) for path, found in document["paths"].items() for method in found} == {
        (route.path, route.method.lower()) for route in shown
    }
    assert len({operation_id(route) for route in shown}) == len(shown)
    silent = [
        (path, method)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if not operation["summary"] or not operation.get("tags")
    ]
    assert silent == []


@pytest.mark.broker
async def test_the_document_and_its_page_are_served(api: Api) -> None:
    document = (await api("GET", "/openapi.json", token=None)).json
    assert document["openapi"] == "3.1.0"
    page = (await api("GET", "/docs", token=None)).text
    assert "<script" not in page
    assert "style=" not in page
    assert all(path in page for path in document["paths"])
    assert "body {" in (await api("GET", "/docs.css", token=None)).text


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_schemathesis_finds_nothing(api: Api, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        "PYTHONPATH": str(HERE),
        "STREAMPROC_TEST_OWN_KEY": api.token.split("_")[1],
    }

    async def run(name: str, *paths: str) -> tuple[int | None, str]:
        (tmp_path / name).mkdir()
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", f"{api.url}/openapi.json", "--header", f"Authorization: Bearer {api.token}"),
            *("--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES), "--phases", "examples,coverage,fuzzing"),
            *("--exclude-path", "/v1/stream", *paths),
            *("--workers", "1", "--no-color", "--continue-on-failure", "--seed", "1", "--request-timeout", "20"),
            cwd=tmp_path / name,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    half = r"^/v1/[a-l]"  # in processes, as CPython 3.11's parser, which Hypothesis uses, fails in threads
    runs = await asyncio.gather(run("a", "--include-path-regex", half), run("b", "--exclude-path-regex", half))
    for status, output in runs:
        assert status == 0, output[-20_000:]
