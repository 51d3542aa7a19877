"""The dashboard: its page and its files, as they are, and reading what people write in it as text.

A build is not needed: the browser loads the modules below `static/` themselves. All that they show comes from the API.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from streamproc.config.documents import DocumentFileError, parse_documents
from streamproc.web.problem import ApiError
from streamproc.web.route import Answer, Call, Route

INDEX = "index.html"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".json": "application/manifest+json",
}
"""What kinds of files there are; others below `static/` are not served."""
MAX_TEXT = 512 * 1024
SOURCE = "text"
_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?|0[ox][0-9a-fA-F]+")
"""Text that YAML 1.2 would read as a number; PyYAML quotes what 1.1 would."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file in memory. `etag` is made of its content, so that browsers ask and are told that nothing changed."""

    content: bytes
    content_type: str
    etag: str


class Written(BaseModel):
    """A document as a person writes it, in YAML or JSON."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=MAX_TEXT)


class Unwritten(BaseModel):
    """A document to be written as text."""

    model_config = ConfigDict(extra="forbid")

    document: dict[str, Any]


@cache
def static_files() -> Mapping[str, StaticFile]:
    """Every file of the dashboard by its name."""
    found = {}
    for file in resources.files("streamproc.web").joinpath("static").iterdir():
        content_type = TYPES.get("." + file.name.rpartition(".")[2])
        if content_type is not None and file.is_file():
            content = file.read_bytes()
            etag = hashlib.blake2b(content, digest_size=12).hexdigest()
            found[file.name] = StaticFile(content, content_type, f'"{etag}"')
    return found


async def index(call: Call[Any, None]) -> Answer:
    """The one page; which of its views it shows stands behind the # of the address, which browsers do not send."""
    return _file(call, INDEX)


async def static(call: Call[Any, None]) -> Answer:
    """One of its files. Raises ApiError 404."""
    return _file(call, call.path["name"])


def _file(call: Call[Any, None], name: str) -> web.Response:
    file = static_files().get(name)
    if file is None:
        raise ApiError(404, f"there is no file {name!r:.80}")
    headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
    if call.request.headers.get("If-None-Match") == file.etag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.content, content_type=file.content_type, charset="utf-8", headers=headers)


async def read_text(call: Call[Any, Written]) -> Answer:
    """`{document, lines, error}`: what the text says, and on which line each path stands; or what is wrong where."""
    _signed_in(call)
    try:
        documents = await asyncio.to_thread(parse_documents, call.body.text, SOURCE)
    except DocumentFileError as error:
        where, _, message = str(error).removeprefix(SOURCE).removeprefix(":").partition(":")
        line = int(where) if where.isdigit() else 1
        return {"document": None, "lines": {}, "error": {"line": line, "message": (message or where).strip()}}
    if len(documents) != 1:
        message = "has no document: write its fields" if not documents else "has more than one document"
        line = documents[1].line if documents else 1
        return {"document": None, "lines": {}, "error": {"line": line, "message": message}}
    return {"document": documents[0].content, "lines": documents[0].lines, "error": None}


async def write_text(call: Call[Any, Unwritten]) -> Answer:
    """`{text}`: the document in YAML, its fields in their order."""
    _signed_in(call)
    return {"text": await asyncio.to_thread(text_of, call.body.document)}


def text_of(document: Mapping[str, Any]) -> str:
    """A JSON value in YAML, a field a line, as `parse_documents` reads it back."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)


def _signed_in(call: Call[Any, Any]) -> None:
    if not call.principal.key_id:
        raise ApiError(401, "sign in first")


class _Dumper(yaml.SafeDumper):
    """A field a line, so that an error at it has its own line; text of several lines as a block, plain lists on one."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style: str | None = "|" if "\n" in text else "'" if _NUMBER.fullmatch(text) else None
    if not all(character.isprintable() or character == "\n" for character in text):
        style = '"'  # other line breaks than \n would come back as spaces
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.SequenceNode:
    plain = not any(isinstance(item, dict | list) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=plain)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


ROUTES = (
    Route("GET", "/", "The dashboard", None, index, content_type="text/html", hidden=True),
    Route("GET", "/static/{name}", "Its files", None, static, content_type="text/javascript", hidden=True),
    Route("POST", "/dashboard/read", "Text to a document", None, read_text, body=Written, hidden=True),
    Route("POST", "/dashboard/write", "A document to text", None, write_text, body=Unwritten, hidden=True),
)
