"""From a document that a person wrote (YAML or JSON) to a frozen model, or to a list of what is wrong in it.

Field names are accepted as `snake_case` and `camelCase`. An unknown field is an error that names the nearest
known one. Each problem reads `path: value is not expected`; the value of a secret is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_args

import orjson
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)

MAX_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `path` is dotted, with `[0]` for places in a list, and empty for the whole."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class DocumentError(ValueError):
    """A document that cannot be used; `problems` is never empty."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def parsed(model: type[Model], doc: Mapping[str, Any], *, strict: bool = False) -> Model:
    """The document as a `model`; raises `DocumentError` with every problem found.

    `strict`: of JSON each field takes its own type only, so that "5" is no number.
    """
    problems: list[Problem] = []
    spelled = _spelled(model, doc, "", problems)
    try:
        if strict:
            result = model.model_validate_json(orjson.dumps(spelled), strict=True)
        else:
            result = model.model_validate(spelled)
    except ValidationError as error:
        problems += [_problem(model, detail) for detail in error.errors(include_url=False)]
        raise DocumentError(tuple(problems)) from None  # the original carries the input, which may hold secrets
    if problems:
        raise DocumentError(tuple(problems))
    return result


def snake_cased(model: type[BaseModel], doc: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the names that `model` has for its fields, also in its parts; what it does not know stays."""
    unknown: list[Problem] = []
    spelled = _spelled(model, doc, "", unknown)
    return spelled if not unknown else dict(doc)


def snake(name: str) -> str:
    """`retryConfig` → `retry_config`; `webhookIDs` → `webhook_ids`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z]+)", r"_\1", name).lower()


def _spelled(model: type[BaseModel], doc: Mapping[str, Any], path: str, problems: list[Problem]) -> dict[str, Any]:
    """The document with snake_case names; unknown and doubled fields become problems and are left out."""
    known = model.model_fields
    result: dict[str, Any] = {}
    for written, value in doc.items():
        name = str(written) if str(written) in known else snake(str(written))
        at = f"{path}{written}"
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}"
            problems.append(Problem(at, f"is not a known field{hint}"))
        elif name in result:
            problems.append(Problem(at, f"is given twice (as {name} too)"))
        else:
            result[name] = _nested(_models_in(known[name].annotation), value, at, problems)
    return result


def _nested(models: list[type[BaseModel]], value: Any, path: str, problems: list[Problem]) -> Any:
    if not models:
        return value
    if isinstance(value, Mapping):
        return _spelled(models[0], value, f"{path}.", problems)
    if isinstance(value, list | tuple):
        return [_nested(models, item, f"{path}[{place}]", problems) for place, item in enumerate(value)]
    return value


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field's type mentions (a field of ours mentions at most one)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _problem(model: type[BaseModel], detail: ErrorDetails) -> Problem:
    kind, context = detail["type"], detail.get("ctx", {})
    path = "".join(_steps(detail["loc"]))
    if kind == "missing":
        return Problem(path, "is required")
    if kind == "value_error":
        expected = str(context["error"])
    else:
        expected = _EXPECTED.get(kind, "is not valid").format(**context)
        if kind not in _EXPECTED:
            expected += f" ({detail['msg']})"
    return Problem(path, f"{_shown(model, detail)} {expected}" if path else expected)


def _steps(loc: tuple[int | str, ...]) -> Iterator[str]:
    for place, step in enumerate(loc):
        if isinstance(step, int):
            yield f"[{step}]"
        else:
            yield f".{step}" if place else step


_EXPECTED = {
    "greater_than_equal": "is not at least {ge}",
    "greater_than": "is not more than {gt}",
    "less_than_equal": "is not at most {le}",
    "string_too_short": "is not at least {min_length} characters long",
    "string_too_long": "is not at most {max_length} characters long",
    "too_long": "has more than {max_length} entries",
    "too_short": "has fewer than {min_length} entries",
    "literal_error": "is not {expected}",
    "enum": "is not {expected}",
    "string_type": "is not text",
    "bool_type": "is not true or false",
    "bool_parsing": "is not true or false",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
    "finite_number": "is not a finite number",
    "dict_type": "is not a map of names to values",
    "tuple_type": "is not a list",
    "list_type": "is not a list",
    "model_type": "is not a map of fields",
    "string_pattern_mismatch": "does not have the form {pattern}",
}


def _shown(model: type[BaseModel], detail: ErrorDetails) -> str:
    """The value as written, unless it may hold a secret or is large."""
    field = model.model_fields.get(str(detail["loc"][0])) if detail["loc"] else None
    if field is not None and _secret(field.annotation):
        return "the value (hidden)"
    text = repr(detail["input"])
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _secret(annotation: Any, within: frozenset[type[BaseModel]] = frozenset()) -> bool:
    """`within`: the models around it, as a model may have itself as a part."""
    if annotation is SecretStr:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation in within:
            return False
        within |= {annotation}
        return any(_secret(field.annotation, within) for field in annotation.model_fields.values())
    return any(_secret(part, within) for part in get_args(annotation))
