"""Errors of the API as problem documents (RFC 9457), raised by handlers and turned into answers in one place."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from streamproc.model.document import DocumentError

CONTENT_TYPE = "application/problem+json"


class ApiError(Exception):
    """An answer that is not a success. `errors`: (path, message) of each thing that is wrong in what was sent."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[tuple[str, str]] = (),
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers or {}
        self.more = more
        """Further members of the problem document, such as `quota`."""

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "errors": [{"path": path, "message": message} for path, message in self.errors],
            **self.more,
        }


def of_document(error: DocumentError, prefix: str = "") -> ApiError:
    """What is wrong in a document, field by field, as 422; `prefix` is put before each path."""
    errors = [(".".join(part for part in (prefix, one.path) if part), one.message) for one in error.problems]
    return ApiError(422, str(error.problems[0]), errors=errors)
