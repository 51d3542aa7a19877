"""A *user*: a person who can be told, as ActionTrail has them (id, name, mobile phone, mailbox, opt-ins, enabled)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from streamproc.model.channel_settings import Frozen, Language
from streamproc.model.document import parsed
from streamproc.model.hours import WeeklyHours
from streamproc.model.rule import Severity

FORBIDDEN = "\"\\$|~?&<>{}`'"
"""Characters that a name cannot have."""
MAX_ROLES = 16


def _id(text: str) -> str:
    rest = text[1:].replace("_", "").replace("-", "").replace(".", "")
    if not 5 <= len(text) <= 60 or not text.isascii() or not text[0].isalpha() or (rest and not rest.isalnum()):
        raise ValueError("is not an id: 5 to 60 letters, digits, _ - or ., the first a letter")
    return text


def _name(text: str) -> str:
    wrong = next((character for character in text if character in FORBIDDEN), None)
    if wrong is not None:
        raise ValueError(f"holds {wrong!r}, which a name cannot; nor any of {FORBIDDEN}")
    if not text.strip() or not text.isprintable():
        raise ValueError("is not made of printable characters")
    return text


def _phone(text: str) -> str:
    """`<country>-<number>` as the phonenumbers library writes them; "" for none."""
    if not text:
        return ""
    country, dash, number = text.removeprefix("+").partition("-")
    shaped = country.isascii() and country.isdigit() and 1 <= len(country) <= 4 and bool(dash)
    try:
        parsed_number = phonenumbers.parse(f"+{country} {number}") if shaped else None
    except phonenumbers.NumberParseException:
        parsed_number = None
    if parsed_number is None or parsed_number.extension or str(parsed_number.country_code) != country:
        raise ValueError("is not a phone number of the form <country>-<number>, such as 86-13800138000")
    if not phonenumbers.is_valid_number(parsed_number):
        raise ValueError(f"is not a number that is in use in country {country}")
    return f"{country}-{phonenumbers.national_significant_number(parsed_number)}"


def _email(text: str) -> str:
    """As the e-mail library writes it; nothing is looked up. "" for none."""
    if not text:
        return ""
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"is not an e-mail address: {error}") from None


def _roles(value: object) -> object:
    roles = [value] if isinstance(value, str) else value
    if isinstance(roles, list | tuple) and len(roles) > MAX_ROLES:
        raise ValueError(f"has more than {MAX_ROLES} entries")
    return roles


PersonId = Annotated[str, Field(max_length=60), AfterValidator(_id)]
PersonName = Annotated[str, Field(min_length=1, max_length=20), AfterValidator(_name)]
Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class QuietHours(WeeklyHours):
    """When a user is not to be told, unless the alert is of `except_severity` or higher."""

    except_severity: Severity = Severity.CRITICAL


class User(Frozen):
    """A document of config kind `user`."""

    id: PersonId
    tenant_id: Annotated[str, Field(min_length=1, max_length=128)]
    name: PersonName
    enabled: bool = True
    phone: Annotated[str, Field(max_length=40), AfterValidator(_phone)] = ""
    sms: bool = False
    """Whether text messages may be sent to the phone, as `voice` says of calls."""
    voice: bool = False
    email: Annotated[str, Field(max_length=320), AfterValidator(_email)] = ""
    roles: Annotated[tuple[Role, ...], BeforeValidator(_roles)] = ("member",)
    quiet_hours: QuietHours | None = None
    language: Language | None = None
    """Of messages to this user. None: as the channel has it."""

    @model_validator(mode="after")
    def _reachable(self) -> User:
        if not self.phone and (self.sms or self.voice):
            raise ValueError(f"phone: is required, as {'sms' if self.sms else 'voice'} is true")
        return self


def parse_user(doc: Mapping[str, Any]) -> User:
    """A document of config kind `user`. Raises DocumentError."""
    return parsed(User, {name: value for name, value in doc.items() if name != "kind"})
