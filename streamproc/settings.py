"""Settings: the environment (prefix `STREAMPROC_`), then `streamproc.toml`, then the defaults below.

`load_settings()` is the one way to make them. It raises `SettingsError`, whose text is a single line that
names the variable, its value (never a secret one) and what was expected.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

PREFIX = "STREAMPROC_"
SETTINGS_FILE = "streamproc.toml"

Network = IPv4Network | IPv6Network


class SettingsError(ValueError):
    """A setting that cannot be used; the text is one line fit for a terminal."""


class HostPort(NamedTuple):
    """Where a process listens. Port 0 asks the system for a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _host_port(value: object) -> object:
    if isinstance(value, HostPort) or not isinstance(value, str):
        return value
    host, colon, port = value.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError("is not host:port")
    return HostPort(host, int(port))


def _networks(value: object) -> object:
    if isinstance(value, str):
        value = [part for part in re.split(r"[,\s]+", value) if part]
    if not isinstance(value, list | tuple):
        return value
    try:
        return tuple(ip_network(part) for part in value)
    except ValueError as error:
        raise ValueError(f"is not a list of networks such as 127.0.0.0/8 ({error})") from None


def _origins(value: object) -> object:
    if isinstance(value, str):
        value = [part for part in re.split(r"[,\s]+", value) if part]
    if isinstance(value, list | tuple):
        for part in value:
            if not isinstance(part, str) or not re.fullmatch(r"https?://[^/?#*\s]+", part):
                raise ValueError("is not a list of origins such as https://portal.example.com")
        return tuple(value)
    return value


def _texts(value: object) -> object:
    return tuple(part for part in re.split(r"[,\s]+", value) if part) if isinstance(value, str) else value


def _roles(value: object) -> object:
    """`a=x+y,b=z`, or a table with a list for each role, which may have commas in its name."""
    if isinstance(value, str):
        parts = [part.rpartition("=") for part in value.split(",") if part.strip()]
        pairs: list[tuple[str, Any]] = [(role.strip(), scopes) for role, _, scopes in parts]
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        return value
    found: dict[str, tuple[str, ...]] = {}
    for role, written in pairs:
        scopes = written.split("+") if isinstance(written, str) else written
        if not isinstance(scopes, list) or not all(isinstance(one, str) and one.strip() for one in scopes) or not role:
            raise ValueError("is not a list such as sec-admins=admin,sec-oncall=alerts:read+alerts:write")
        if role in found or not scopes:
            raise ValueError(f"names {role} " + ("twice" if role in found else "without a scope"))
        found[role] = tuple(one.strip() for one in scopes)
    return tuple(found.items())


def is_secure(address: str) -> bool:
    """Whether what is sent there stays between us: over https, or to this machine."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return True
    try:
        return parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


Address = Annotated[HostPort, NoDecode, BeforeValidator(_host_port)]
OptionalPath = Annotated[Path | None, BeforeValidator(_blank_is_none)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_blank_is_none)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=150)]


class Settings(BaseSettings):
    """All an operator can set. A field is `STREAMPROC_<FIELD>` in the environment, lower case in TOML."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True
    )

    kafka: str = ""
    """Bootstrap servers, `host:port[,host:port…]`. Empty: a broker of our own (see `broker`)."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to speak with the brokers; with SSL in its name, over TLS."""
    kafka_security_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How to prove who we are, where the protocol has SASL in its name."""
    kafka_security_username: str | None = None
    """The user of this process on the brokers."""
    kafka_security_password: OptionalSecret = None
    """Its password."""
    kafka_security_cafile: OptionalPath = None
    """PEM file of the authorities that sign the brokers' certificates. Default: the system's."""
    kafka_security_certfile: OptionalPath = None
    """PEM file of our own certificate, with `keyfile` when the key is not in it."""
    kafka_security_keyfile: OptionalPath = None
    """PEM file of the key to that certificate."""

    data_dir: Path = Path(".data")
    """State, the embedded broker's data, the sealing key. Relative paths start at the current directory."""
    http: Address = HostPort("127.0.0.1", 8080)
    """API and dashboard."""
    public_url: str = ""
    """Where people reach the API and the dashboard, such as `https://alerts.example.com`: for links in messages, and
    with https for cookies that are sent over TLS only. Default: `http`."""
    session_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 12.0
    """How long a sign-in to the dashboard lasts."""
    oidc_issuer: str = ""
    """An identity provider (OpenID Connect) with which people may sign in to the dashboard, exactly as it names itself,
    such as `https://login.example.com/realms/acme`. Needs `oidc_client_id`, `oidc_roles`, `public_url`, and
    `oidc_tenant` or `oidc_tenant_claim`. Default: people sign in with keys alone."""
    oidc_client_id: str = ""
    """What the provider calls us."""
    oidc_client_secret: OptionalSecret = None
    """The secret that the provider gave with it. Default: none, as for a public client; PKCE is used either way."""
    oidc_scopes: str = "openid email profile"
    """What we ask the provider for, separated by spaces."""
    oidc_name: str = ""
    """What the sign-in page calls the provider: "Sign in with …". Default: the issuer's host."""
    oidc_tenant: str = ""
    """The tenant of everybody who signs in so; `*`: they are operators."""
    oidc_tenant_claim: str = ""
    """In place of `oidc_tenant`: the claim that names a person's tenant, which never makes operators. Dots lead into
    objects."""
    oidc_roles_claim: str = "roles"
    """The claim with a person's roles or groups. Dots lead into objects, as in `realm_access.roles`."""
    oidc_roles: Annotated[tuple[tuple[str, tuple[str, ...]], ...], NoDecode, BeforeValidator(_roles)] = ()
    """The scopes that each role gives, such as `sec-admins=admin,sec-oncall=alerts:read+alerts:write`; in TOML also a
    table. Whoever has none of these roles is not let in."""
    oidc_name_claim: str = "email"
    """The claim that history and the audit log name a person by. In place of one that is missing, or of an `email` that
    the provider has not verified, stands `sub`."""
    rate_limit: Annotated[float, Field(ge=0, le=1_000_000)] = 50.0
    """Requests a second that a key may make of one API process, in the long run; 0: no limit."""
    rate_burst: Annotated[int, Field(ge=1, le=1_000_000)] = 200
    """Requests that a key may make at once, before `rate_limit` holds."""
    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_origins)] = ()
    """Origins, such as `https://portal.example.com`, whose pages may use the API with a key, separated by commas.
    Default: none."""
    worker_http: Address = HostPort("127.0.0.1", 8081)
    """The worker's /healthz, /readyz and /metrics."""
    delivery_http: Address = HostPort("127.0.0.1", 8082)
    """The delivery process's /healthz, /readyz and /metrics."""

    broker: Literal["auto", "docker", "java"] = "auto"
    """How to run a broker of our own: Docker when its engine answers, else Java; or insist on one of them."""
    broker_port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """Port of our own broker. Default: the last one used when it is free, else a free one."""
    broker_jars: OptionalPath = None
    """Where the broker's jars are cached. Default: `DATA_DIR/kafka/jars`."""

    environment: str = ""
    """Name of the overlay in topics.yaml that holds here, such as `production`."""
    topics_file: OptionalPath = None
    """A topics.yaml to use in place of the one that comes with streamproc."""
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = ""
    """Put before every topic and group name; lets several installations share a cluster."""
    worker_group: Name = "streamproc-worker"
    delivery_group: Name = "streamproc-delivery"
    session_timeout: Annotated[float, Field(ge=1, le=1800)] = 15.0
    """Seconds of silence after which Kafka gives a process's partitions to another."""
    alert_retention_days: Annotated[int, Field(ge=1, le=3650)] = 90
    """Days after which a resolved alert gets its tombstones on `alerts` and `incidents`."""
    stall_timeout: Annotated[float, Field(ge=10, le=86_400)] = 300.0
    """A process that has records waiting and moves none of them for so many seconds ends, with a reason."""
    standby_interval: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """Each worker keeps local copies of the state that others work on, and brings them up to date so many seconds after
    it last did; it then takes over in a moment. 0: no copies."""
    cached_keys: Annotated[int, Field(ge=1000, le=100_000_000)] = 32_000
    """Keys that a worker has in memory, in all its partitions together: some 2 kB each. Others are read from its disk,
    for 20 µs more an event."""
    commit_interval: Annotated[float, Field(ge=0.05, le=60)] = 1.0
    """Seconds between commits of what was read."""

    geoip_db: OptionalPath = None
    """An MMDB file that gives an address its country and coordinates; read again when it changes."""
    allowed_networks: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)] = ()
    """Networks that deliveries may reach though they are private, separated by commas."""
    channel_variables: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_texts)] = ("*",)
    """Environment variables that channels may name as `${NAME}`, separated by commas; `*` and `?` stand for others.
    `STREAMPROC_…` never, and those of cloud accounts (`AWS_…`, `AZURE_…`, `GOOGLE_…`, …) only where named in full."""
    redact: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_texts)] = ()
    """Fields taken out of events before anything of them is stored or sent, such as `actor.email` or
    `raw.**.password`, separated by commas."""
    redact_dead_letters: bool = False
    """Dead letters of source topics without their value: what could not be read cannot be redacted."""
    allow_apprise: bool = False
    """Whether channels of type apprise may be used: the check of outbound addresses does not hold for them."""
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    secret_key: OptionalSecret = None
    """Seals secrets in the config topic: 32 random bytes in base64; several, separated by commas, to rotate
    (the first seals, all open). Default: a key made once in `DATA_DIR/secret.key`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        path = Path(os.environ.get(f"{PREFIX}SETTINGS_FILE", SETTINGS_FILE))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("kafka_security_protocol", "kafka_security_mechanism", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("broker_port", mode="before")
    @classmethod
    def _no_port(cls, value: object) -> object:
        return None if value in ("", "0", 0) else value

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", value):
            raise ValueError("is not an address such as https://alerts.example.com")
        return value.rstrip("/")

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        if value and (not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", value) or not is_secure(value)):
            raise ValueError("is not an address such as https://login.example.com (http only on loopback)")
        return value

    @field_validator("oidc_scopes", "oidc_roles_claim", "oidc_name_claim", mode="before")
    @classmethod
    def _blank_is_default(cls, value: object, info: ValidationInfo) -> object:
        return cls.model_fields[info.field_name or ""].default if value == "" else value

    @field_validator("oidc_scopes")
    @classmethod
    def _openid(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError("is without openid")
        return " ".join(value.split())

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("kafka")
    @classmethod
    def _bootstrap(cls, value: str) -> str:
        servers = [part.strip() for part in value.split(",") if part.strip()]
        for server in servers:
            try:
                _host_port(server)
            except ValueError:
                raise ValueError("is not host:port[,host:port…]") from None
        return ",".join(servers)

    @model_validator(mode="after")
    def _credentials(self) -> Settings:
        if self.kafka_security_protocol.startswith("SASL"):
            for name in ("username", "password"):
                if getattr(self, f"kafka_security_{name}") is None:
                    raise ValueError(
                        f"{PREFIX}KAFKA_SECURITY_{name.upper()}: is not set, but "
                        f"{PREFIX}KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs it"
                    )
        return self

    @model_validator(mode="after")
    def _whole_oidc(self) -> Settings:
        fields = type(self).model_fields
        given = [name for name in fields if name.startswith("oidc_") and getattr(self, name) != fields[name].default]
        if not given:
            return self
        for name in ("oidc_issuer", "oidc_client_id", "oidc_roles", "public_url"):
            if not getattr(self, name):
                raise ValueError(f"{PREFIX}{name.upper()}: is not set, but {PREFIX}{given[0].upper()} needs it")
        if bool(self.oidc_tenant) == bool(self.oidc_tenant_claim):
            both = "are both set" if self.oidc_tenant else "are both not set"
            raise ValueError(f"{PREFIX}OIDC_TENANT, {PREFIX}OIDC_TENANT_CLAIM: {both}; give one of them")
        return self

    def topic(self, name: str) -> str:
        """The name in Kafka of the topic that the product calls `name`."""
        return self.topic_prefix + name

    def group(self, name: str) -> str:
        """The name in Kafka of the consumer group that the product calls `name`."""
        return self.topic_prefix + name

    @property
    def bootstrap_file(self) -> Path:
        """Where a broker of our own writes its address once it accepts clients."""
        return self.data_dir / "bootstrap"


def load_settings(**overrides: Any) -> Settings:
    """Read the environment and `streamproc.toml`; `overrides` win over both. Raises SettingsError."""
    named = os.environ.get(f"{PREFIX}SETTINGS_FILE")
    if named and not Path(named).is_file():
        raise SettingsError(f"{PREFIX}SETTINGS_FILE: {named!r} is not a readable file")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("; ".join(_line(problem, overrides) for problem in error.errors())) from None
    except (OSError, ValueError) as error:  # unreadable or malformed TOML
        raise SettingsError(f"{named or SETTINGS_FILE}: {error}") from None


def _line(problem: Mapping[str, Any], overrides: Mapping[str, Any]) -> str:
    if not problem["loc"]:  # a check across fields says it all itself
        return str(problem["ctx"]["error"])
    field = str(problem["loc"][0])
    variable = PREFIX + field.upper()
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(field.lower(), Settings.model_fields, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"{variable}: is not a setting{hint}"
    shown = "(hidden)" if _is_secret(field) else repr(_given(field, problem, overrides))
    return f"{variable}: {shown} {_expected(problem)}"


def _given(field: str, problem: Mapping[str, Any], overrides: Mapping[str, Any]) -> Any:
    """The value as it was written, found again: errors do not carry their input, which might be a secret."""
    if field in overrides:
        return overrides[field]
    for name, value in os.environ.items():
        if name.upper() == PREFIX + field.upper():
            return value
    return problem.get("input")


def _is_secret(field: str) -> bool:
    known = Settings.model_fields.get(field)
    return known is not None and SecretStr in (known.annotation, *get_args(known.annotation))


def _expected(problem: Mapping[str, Any]) -> str:
    context = problem.get("ctx", {})
    match problem["type"]:
        case "literal_error":
            return f"is not one of {str(context['expected']).replace(chr(39), '').replace(' or ', ', ')}"
        case "int_parsing" | "int_type" | "int_from_float":
            return "is not a whole number"
        case "float_parsing" | "float_type":
            return "is not a number"
        case "greater_than_equal":
            return f"is not at least {context['ge']:g}"
        case "less_than_equal":
            return f"is not at most {context['le']:g}"
        case "string_pattern_mismatch":
            return "has characters other than letters, digits, . _ -"
        case "string_too_long":
            return f"is longer than {context['max_length']} characters"
        case "value_error":
            return str(context["error"])
        case _:
            message = str(problem["msg"])
            return f"is not usable: {message[:1].lower()}{message[1:]}"
