"""The OpenAPI document, and a page to read it with: plain HTML, without scripts."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from aiohttp import web

from streamproc.web.answering import json_bytes
from streamproc.web.api_page import api_page
from streamproc.web.openapi import openapi_document
from streamproc.web.route import Answer, Call, Route


@cache
def _document(address: str) -> dict[str, Any]:
    from streamproc.web.routes.registry import all_routes  # which lists this module too

    return openapi_document(all_routes(), address)


async def document(call: Call[Any, Any]) -> Answer:
    """The OpenAPI 3.1 document of this API."""
    body = json_bytes(_document(call.site.settings.public_url))
    return web.Response(body=body, content_type="application/json")


async def page(call: Call[Any, Any]) -> Answer:
    """The same for people."""
    return web.Response(text=api_page(_document(call.site.settings.public_url)), content_type="text/html")


async def style(call: Call[Any, Any]) -> Answer:
    """The page's style."""
    text = resources.files("streamproc.web").joinpath("api_page.css").read_text()
    return web.Response(text=text, content_type="text/css", headers={"Cache-Control": "max-age=3600"})


ROUTES = (
    Route("GET", "/openapi.json", "This document", None, document, hidden=True),
    Route("GET", "/docs", "The API, to read", None, page, content_type="text/html", hidden=True),
    Route("GET", "/docs.css", "Its style", None, style, content_type="text/css", hidden=True),
)
