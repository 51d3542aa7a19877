"""The OpenAPI 3.1 document, made from the declared routes and their models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from streamproc.web.problem import CONTENT_TYPE
from streamproc.web.reading import may_be_absent
from streamproc.web.route import Route
from streamproc.web.sessions import COOKIE

REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{(\w+)\}")

DESCRIPTION = """\
Events in, alerts out, and everything that is configured.

Show a key as `Authorization: Bearer sp_…`; `streamproc keys create` makes one. It acts for one tenant and within its
scopes; an operator's key (tenant `*`) names the tenant it acts for. Errors are problem documents (RFC 9457), with
`errors` that say what is wrong where. Names are accepted in snake_case and camelCase, and answered in snake_case.
A POST with an `Idempotency-Key` that is sent again within 24 hours is done once. A key that asks too often is answered
429 with `Retry-After`.
"""

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail", "errors", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, for people."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {
                    "path": {"type": "string", "description": "Such as `condition.group_by[0]`; empty for the whole."},
                    "message": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string", "description": "As in the header `X-Request-Id`, and in our log."},
    },
}


def openapi_document(routes: Iterable[Route], address: str = "") -> dict[str, Any]:
    """The document of the routes that are not hidden; `address` is where the API is reached."""
    shown = [route for route in routes if not route.hidden]
    schemas, references = _schemas(shown)
    paths: dict[str, dict[str, Any]] = {}
    for route in shown:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": "streamproc", "version": _version(), "description": DESCRIPTION},
        **({"servers": [{"url": address}]} if address else {}),
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in shown if route.tag)],
        "paths": paths,
        "components": {
            "schemas": {**dict(sorted(schemas.items())), "Problem": PROBLEM},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key, `sp_…`."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": "As `POST /v1/session` sets it. Unsafe methods need `X-CSRF-Token` beside it.",
                },
            },
        },
    }


def statuses_of(route: Route) -> list[int]:
    """Every status that is not a success and that the route may answer with, as documented."""
    found = {500, 503, *route.refuses}
    if route.scope is not None:
        found |= {401, 403, 429}
    if _PARAMETER.search(route.path):
        found.add(404)
    if route.query is not None:
        found.add(422)
    if route.body is not None:
        found |= {400, 408, 413, 415, 422}
    if route.method == "POST" and route.scope is not None:
        found |= {409, 422}
    if route.method != "GET":
        found.add(403)  # a session without its CSRF token
    return sorted(found - {route.status, *route.also_answers})


def operation_id(route: Route) -> str:
    """Unique, and stable as long as method and path are."""
    return re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_")


def _version() -> str:
    try:
        return version("streamproc")
    except PackageNotFoundError:
        return "0"


def _schemas(
    routes: list[Route],
) -> tuple[dict[str, Any], dict[tuple[type[BaseModel], JsonSchemaMode], dict[str, Any]]]:
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {}
    for route in routes:
        if route.answers is not None:
            wanted[route.answers, "serialization"] = None
        for body in (route.body, route.body_schema):
            if isinstance(body, type) and issubclass(body, BaseModel):
                wanted[body, "validation"] = None
    references, definitions = models_json_schema(list(wanted), ref_template=REF)
    schemas: dict[str, Any] = dict(definitions.get("$defs", {}))
    for schema in schemas.values():
        _close(schema)
    return schemas, {(key[0], key[1]): dict(value) for key, value in references.items()}  # type: ignore[misc]  # as asked


def _close(schema: dict[str, Any]) -> None:
    """Fields that are not known are refused, and not answered."""
    if schema.get("type") == "object" and "properties" in schema:
        schema.setdefault("additionalProperties", False)


def _operation(
    route: Route,
    schemas: dict[str, Any],
    references: dict[tuple[type[BaseModel], JsonSchemaMode], dict[str, Any]],
) -> dict[str, Any]:
    text = route.description or _first_lines(route.handler.__doc__)
    if route.scope is not None:
        text = f"{text}\n\nScope: `{route.scope.value}`.".strip()
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": text,
        **({"tags": [route.tag]} if route.tag else {}),
        "parameters": _parameters(route, schemas),
        "responses": {},
        "security": [{"key": []}, {"session": []}] if route.scope is not None else [],
    }
    if route.body is not None:
        documented = route.body_schema or route.body
        schema: dict[str, Any] = {"type": "string"}
        if isinstance(documented, type) and issubclass(documented, BaseModel):
            schema = references[documented, "validation"]
        elif route.body is dict:
            schema = {"type": "object"}
        plain: dict[str, Any] = {"schema": {"type": "string"}}
        content: dict[str, Any] = {
            kind: {"schema": schema} if _is_json(kind) else dict(plain) for kind in (route.body_type, *route.also_takes)
        }
        if route.example is not None:
            content[route.body_type]["example"] = route.example
        operation["requestBody"] = {"required": not may_be_absent(route), "content": content}
    answers = operation["responses"]
    for status in (route.status, *route.also_answers):
        empty = route.answers is None and route.content_type == "application/json"
        code = 204 if empty and status == 200 else status
        answers[str(code)] = {"description": HTTPStatus(code).phrase}
        if not empty and code not in (301, 302, 303, 307):
            made = references[route.answers, "serialization"] if route.answers is not None else {"type": "string"}
            answers[str(code)]["content"] = {route.content_type: {"schema": made}}
    for status in statuses_of(route):
        answers[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {CONTENT_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}},
        }
    return operation


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")


def _parameters(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 256},
        }
        for name in _PARAMETER.findall(route.path)
    ]
    if route.query is not None:
        schema = route.query.model_json_schema(ref_template=REF)
        for name, part in schema.get("$defs", {}).items():
            schemas.setdefault(name, part)
        for name, part in schema.get("properties", {}).items():
            found.append(
                {
                    "name": name,
                    "in": "query",
                    "required": name in schema.get("required", ()),
                    **({"description": part["description"]} if "description" in part else {}),
                    "schema": _without_null({k: v for k, v in part.items() if k not in ("title", "description")}),
                }
            )
    if route.method == "POST" and route.scope is not None:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Sent again with the same request within 24 hours, it gets the same answer.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            }
        )
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out has no value: null cannot be written in an address."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if schema.get("default", "") is None:
        del schema["default"]
    if len(options) == 1 and len(schema["anyOf"]) == 2:
        del schema["anyOf"]
        return {**options[0], **schema}
    return schema


def _first_lines(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())
