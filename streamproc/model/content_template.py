"""A *content template*: what a tenant wants notifications to say, by method and language, as Liquid.

The methods are ActionTrail's, with Teams and `default` beside them; its names of the parts (Title, Content, Sending
Mode, Maximum number of items) are accepted for ours (subject, text, send_mode, max_items).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from streamproc.model.channel_settings import Language
from streamproc.model.content import SendMode
from streamproc.model.document import parsed, snake
from streamproc.model.frozen import Frozen

MAX_SOURCE = 32_000
"""Characters of one part."""
LANGUAGES: tuple[Language, ...] = ("en", "zh")

Method = Literal[
    "email",
    "sms",
    "voice",
    "dingtalk",
    "wecom",
    "lark",
    "slack",
    "teams",
    "webhook",
    "eventbridge",
    "function_compute",
    "message_center",
    "default",
]
METHODS: tuple[Method, ...] = Method.__args__  # type: ignore[attr-defined]  # a Literal's own
MACHINES: frozenset[Method] = frozenset({"webhook", "eventbridge", "function_compute"})
"""They take JSON, one item for each alert; they have no language, and `default` is not for them."""

_SPELLINGS = {"title": "subject", "content": "text", "sending_mode": "send_mode", "maximum_items": "max_items"}
_PARTS = frozenset({"subject", "text", "html"})

Source = Annotated[str, Field(max_length=MAX_SOURCE)]


class Wording(Frozen):
    """The Liquid sources of one message. `subject` is an e-mail's, and the title of a chat message."""

    subject: Source = ""
    text: Source = ""
    html: Source = ""
    """E-mail only."""

    @model_validator(mode="after")
    def _says_something(self) -> Wording:
        if not self.text and not self.html:
            raise ValueError("text: is required" + (" beside subject" if self.subject else ""))
        return self

    def sources(self) -> Iterator[tuple[str, str]]:
        """(name, source) of each part that is there."""
        for name in ("subject", "text", "html"):
            if source := getattr(self, name):
                yield name, source


class MethodContent(Frozen):
    """One method's content: by language, or `any` for both."""

    en: Wording | None = None
    zh: Wording | None = None
    any: Wording | None = None
    send_mode: SendMode | None = None
    max_items: int | None = Field(default=None, ge=1, le=1_000)
    """Of a batch. None: as the channel has it."""

    @model_validator(mode="after")
    def _has_content(self) -> MethodContent:
        if self.en is None and self.zh is None and self.any is None:
            raise ValueError("text: is required")
        return self

    def wording(self, language: Language) -> Wording:
        """In this language if there is one; else for any; else in the other."""
        by_language = {"en": self.en, "zh": self.zh}
        found = by_language[language] or self.any or self.en or self.zh
        assert found is not None
        return found


def _method(value: Any) -> Any:
    """`text`, `{text: …}`, `{en: text, zh: {…}}` as the fields of a `MethodContent`."""
    if isinstance(value, str):
        return {"any": {"text": value}}
    if not isinstance(value, Mapping):
        return value
    fields: dict[str, Any] = {}
    words: dict[str, Any] = {}
    for written, content in value.items():
        name = _name(written)
        if name in _PARTS:
            words[name] = content
        elif name in ("en", "zh", "any"):
            fields[name] = _wording(content)
        elif name == "send_mode" and isinstance(content, str):
            fields[name] = content.lower()
        elif name == "max_items" and str(content).lower() == "unlimited":
            fields[name] = None
        else:
            fields[name] = content
    if words and "any" not in fields:
        fields["any"] = words
    return fields


def _wording(value: Any) -> Any:
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, Mapping):
        return {_name(written): content for written, content in value.items()}
    return value


def _name(written: object) -> str:
    name = snake(str(written))
    return _SPELLINGS.get(name, name)


class Contents(Frozen):
    """A content for each method that has one."""

    email: MethodContent | None = None
    sms: MethodContent | None = None
    voice: MethodContent | None = None
    dingtalk: MethodContent | None = None
    wecom: MethodContent | None = None
    lark: MethodContent | None = None
    slack: MethodContent | None = None
    teams: MethodContent | None = None
    webhook: MethodContent | None = None
    eventbridge: MethodContent | None = None
    function_compute: MethodContent | None = None
    message_center: MethodContent | None = None
    default: MethodContent | None = None

    def of(self, method: Method) -> MethodContent | None:
        """The method's own."""
        found: MethodContent | None = getattr(self, method)
        return found

    @model_validator(mode="after")
    def _usable(self) -> Contents:
        given = [(method, content) for method in METHODS if (content := self.of(method)) is not None]
        if not given:
            raise ValueError(f"has no content; give one for {', '.join(METHODS)}")
        for method, content in given:
            words = (content.en, content.zh, content.any)
            if method not in ("email", "default") and any(one is not None and one.html for one in words):
                raise ValueError(f"{method}.html: is for email only; write text")
            if method not in MACHINES and (content.send_mode is not None or content.max_items is not None):
                raise ValueError(f"{method}.send_mode: is for {', '.join(sorted(MACHINES))} only")
        return self


class ContentTemplate(Frozen):
    """A document of config kind `template`."""

    id: str = Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")
    tenant_id: str = Field(min_length=1, max_length=256)
    name: str = Field(default="", max_length=128)
    contents: Contents

    def content(self, method: Method) -> MethodContent | None:
        """What it has for a method: its own, else the default; None: the channel's own layout is wanted."""
        own = self.contents.of(method)
        return own if own is not None or method in MACHINES else self.contents.default

    def sources(self) -> Iterator[tuple[str, Method, str]]:
        """(path, method, source) of each part."""
        for method in METHODS:
            content = self.contents.of(method)
            for language in ("en", "zh", "any") if content is not None else ():
                wording: Wording | None = getattr(content, language)
                for part, source in wording.sources() if wording is not None else ():
                    place = "" if language == "any" else f".{language}"
                    yield f"contents.{method}{place}.{part}", method, source


def parse_content_template(doc: Mapping[str, Any]) -> ContentTemplate:
    """A document of config kind `template`. Raises DocumentError."""
    body = {name: value for name, value in doc.items() if name != "kind"}
    contents = body.get("contents")
    if isinstance(contents, Mapping):
        # short forms are written out before anybody looks at the names of fields
        body["contents"] = {written: _method(value) for written, value in contents.items()}
    return parsed(ContentTemplate, body)
