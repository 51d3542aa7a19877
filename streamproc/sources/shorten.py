"""How a value is shown in an error message."""

from typing import Any, Final

import orjson

_MAX: Final = 60


def shorten(value: Any) -> str:
    """The JSON of a scalar, cut to about 60 characters; lists and objects are only named, as they may be
    huge."""
    if type(value) is dict:
        return "an object"
    if type(value) is list:
        return f"a list of {len(value)}"
    text = orjson.dumps(value[: _MAX + 1] if type(value) is str else value).decode()
    return text if len(text) <= _MAX else text[:_MAX] + "…"
