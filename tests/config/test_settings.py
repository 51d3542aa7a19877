"""Settings: where they come from, and what a wrong one says."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from streamproc.kafka.client import BrokerUnavailableError, bootstrap_servers, client_options
from streamproc.settings import HostPort, Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_need_nothing(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.kafka == ""
    assert settings.data_dir == tmp_path / ".data"
    assert (settings.session_timeout, settings.commit_interval) == (15, 1)
    assert settings.http == HostPort("127.0.0.1", 8080)
    assert all(address.host == "127.0.0.1" for address in (settings.http, settings.worker_http, settings.delivery_http))


def test_the_environment_wins_over_the_file_and_an_argument_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "streamproc.toml").write_text(
        'kafka = "file:1"\nlog_format = "json"\nallowed_networks = ["10.0.0.0/8"]\nhttp = "0.0.0.0:80"\n'
    )
    monkeypatch.setenv("STREAMPROC_KAFKA", "env:1")
    assert load_settings().kafka == "env:1"
    assert load_settings(kafka="here:1").kafka == "here:1"
    assert load_settings().log_format == "json"
    assert load_settings().allowed_networks == (ip_network("10.0.0.0/8"),)
    assert load_settings().http == HostPort("0.0.0.0", 80)


def test_another_file_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('topic_prefix = "x-"\n')
    monkeypatch.setenv("STREAMPROC_SETTINGS_FILE", "other.toml")
    assert load_settings().topic("events") == "x-events"
    monkeypatch.setenv("STREAMPROC_SETTINGS_FILE", "missing.toml")
    with pytest.raises(SettingsError, match=r"STREAMPROC_SETTINGS_FILE: 'missing\.toml'"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("LOG_LEVEL", "loud", "STREAMPROC_LOG_LEVEL: 'loud' is not one of debug, info, warning, error"),
        ("HTTP", "8080", "STREAMPROC_HTTP: '8080' is not host:port"),
        ("HTTP", "host:70000", "STREAMPROC_HTTP: 'host:70000' is not host:port"),
        ("KAFKA", "nohost", "STREAMPROC_KAFKA: 'nohost' is not host:port[,host:port…]"),
        ("BROKER_PORT", "70000", "STREAMPROC_BROKER_PORT: '70000' is not at most 65535"),
        ("BROKER_PORT", "any", "STREAMPROC_BROKER_PORT: 'any' is not a whole number"),
        ("SESSION_TIMEOUT", "0.5", "STREAMPROC_SESSION_TIMEOUT: '0.5' is not at least 1"),
        ("COMMIT_INTERVAL", "soon", "STREAMPROC_COMMIT_INTERVAL: 'soon' is not a number"),
        ("TOPIC_PREFIX", "a b", "STREAMPROC_TOPIC_PREFIX: 'a b' has characters other than"),
        ("ALLOWED_NETWORKS", "10.0.0.1/8", "STREAMPROC_ALLOWED_NETWORKS: '10.0.0.1/8' is not a list of networks"),
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl", "STREAMPROC_KAFKA_SECURITY_USERNAME: is not set"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"STREAMPROC_{variable}", value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_an_unknown_setting_in_the_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "streamproc.toml").write_text("sesion_timeout = 3\n")
    with pytest.raises(SettingsError, match="is not a setting; did you mean session_timeout"):
        load_settings()


def test_a_malformed_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "streamproc.toml").write_text("kafka = \n")
    with pytest.raises(SettingsError, match=r"^streamproc\.toml: "):
        load_settings()


def test_secrets_show_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMPROC_SECRET_KEY", "hush-hush")
    monkeypatch.setenv("STREAMPROC_KAFKA_SECURITY_PASSWORD", "hush-hush")
    settings = load_settings()
    assert settings.kafka_security_password is not None
    for shown in (repr(settings), str(settings), repr(settings.model_dump()), settings.model_dump_json()):
        assert "hush-hush" not in shown
    with pytest.raises(SettingsError) as error:
        load_settings(secret_key=["hush-hush"])
    assert "hush-hush" not in str(error.value)
    assert "STREAMPROC_SECRET_KEY: (hidden)" in str(error.value)


def test_an_address_may_be_ipv6() -> None:
    assert load_settings(http="[::1]:0").http == HostPort("::1", 0)
    assert str(load_settings(http="[::1]:80").http) == "[::1]:80"


def test_client_options_carry_security_for_every_client(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings(
        kafka="a:1,b:2",
        kafka_security_protocol="sasl_ssl",
        kafka_security_mechanism="scram-sha-512",
        kafka_security_username="me",
        kafka_security_password="hush",
    )
    options = client_options(settings)
    context = options.pop("ssl_context")
    assert context.check_hostname
    assert options == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": "hush",
    }


def test_a_certificate_that_is_missing_is_named(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings(kafka="a:1", kafka_security_protocol="SSL", kafka_security_cafile="none.pem")
    with pytest.raises(SettingsError, match=r"STREAMPROC_KAFKA_SECURITY_CAFILE: 'none\.pem'"):
        client_options(settings)


def test_the_address_is_the_settings_or_the_running_brokers(new_settings: Callable[..., Settings]) -> None:
    assert bootstrap_servers(new_settings(kafka="a:1, b:2")) == "a:1,b:2"
    settings = new_settings()
    with pytest.raises(BrokerUnavailableError, match="STREAMPROC_KAFKA is not set"):
        bootstrap_servers(settings)
    settings.data_dir.mkdir()
    settings.bootstrap_file.write_text("127.0.0.1:5\n")
    assert bootstrap_servers(settings) == "127.0.0.1:5"
