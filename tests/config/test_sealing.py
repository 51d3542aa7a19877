"""Secrets: sealed in the topic, opened only by the right key for the right record, never shown."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.config.keyring import Keyring, SealError, load_keyring
from streamproc.config.record import ConfigRecord, encode
from streamproc.config.sealing import HIDDEN, hidden, is_sealed, open_sealed, seal
from streamproc.settings import Settings, SettingsError

NewSettings = Callable[..., Settings]

KEY = "acme/webhook/w"
SECRET = "whsec_" + base64.b64encode(b"s" * 24).decode()


def keyring() -> Keyring:
    return Keyring([b"k" * 32])


def record(spec: dict[str, Any], id: str = "w") -> ConfigRecord:
    return ConfigRecord("webhook", "acme", id, 1, spec, "", "")


WEBHOOK: dict[str, Any] = {
    "name": "To the SOC",
    "url": "https://hooks.slack.com/services/T0/B0/token-in-the-path",
    "secret": SECRET,
    "secrets": [{"value": "older", "expires_at": "2026-01-01T00:00:00Z"}, "oldest"],
    "headers": {"Authorization": "Bearer abc", "X-Team": "${TEAM}"},
    "enabled": True,
}


def test_every_secret_is_sealed_and_opens_again() -> None:
    spec = seal("webhook", KEY, WEBHOOK, keyring())
    raw = encode(record(spec))
    for secret in (SECRET, "token-in-the-path", "older", "oldest", "Bearer abc"):
        assert secret.encode() not in raw
    assert spec["name"] == "To the SOC"
    assert is_sealed(spec["secret"])
    assert open_sealed(record(spec), keyring()) == {"id": "w", "tenant_id": "acme", **WEBHOOK}


@pytest.mark.parametrize(
    ("kind", "spec", "sealed"),
    [
        ("webhook", {"secret": "s"}, True),
        ("webhook", {"Secret": "s"}, True),
        ("webhook", {"name": "s"}, False),
        ("webhook", {"secret": "${NAME}"}, False),
        ("webhook", {"secret": "x${NAME}"}, True),
        ("channel", {"token": "s"}, True),
        ("channel", {"url": "s"}, True),
        ("channel", {"channel": "s"}, False),
        ("rule", {"secret": "s"}, False),
        ("webhook", {"secret": None}, False),
    ],
)
def test_what_counts_as_secret(kind: str, spec: dict[str, Any], sealed: bool) -> None:
    (value,) = seal(kind, f"acme/{kind}/w", spec, keyring()).values()
    assert is_sealed(value) is sealed
    if not sealed:
        assert value == next(iter(spec.values()))


def test_sealing_twice_seals_once_and_differs_each_time() -> None:
    once = seal("webhook", KEY, WEBHOOK, keyring())
    assert seal("webhook", KEY, once, keyring()) == once
    assert seal("webhook", KEY, WEBHOOK, keyring())["secret"] != once["secret"]


def test_people_see_references_and_no_secret() -> None:
    for spec in (WEBHOOK, seal("webhook", KEY, WEBHOOK, keyring())):
        shown = hidden("webhook", spec)
        assert shown["secret"] == shown["url"] == HIDDEN
        assert shown["headers"] == {"Authorization": HIDDEN, "X-Team": "${TEAM}"}
        assert shown["name"] == "To the SOC"
        assert SECRET.encode() not in orjson.dumps(shown)


def test_a_sealed_value_does_not_open_in_another_record() -> None:
    spec = seal("webhook", KEY, {"secret": "s"}, keyring())
    with pytest.raises(SealError, match="secret: was sealed for another record, or altered"):
        open_sealed(record(spec, id="other"), keyring())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-4] + ("AAAA" if text[-4:] != "AAAA" else "BBBB"), "altered"),
        (lambda text: "v9" + text[2:], "not a sealed value that this release reads"),
        (lambda text: "v1.00000000." + text.rpartition(".")[2], "key 00000000, which this process does not have"),
        (lambda text: text[:14], "altered"),
        (lambda _: "", "not a sealed value"),
    ],
)
def test_an_altered_box_does_not_open(change: Callable[[str], str], message: str) -> None:
    box = keyring().seal("s", KEY)
    with pytest.raises(SealError, match=message):
        keyring().open(change(box), KEY)


def test_keys_rotate() -> None:
    old, new = b"o" * 32, b"n" * 32
    box = Keyring([old]).seal("s", KEY)
    both = Keyring([new, old])
    assert both.open(box, KEY) == "s"
    assert Keyring([new]).open(both.seal("s", KEY), KEY) == "s"
    with pytest.raises(SealError, match="does not have"):
        Keyring([new]).open(box, KEY)


def test_the_default_key_is_made_once_and_only_ours_to_read(new_settings: NewSettings) -> None:
    settings = new_settings()
    path = settings.data_dir / "secret.key"
    first, second = load_keyring(settings), load_keyring(settings)
    assert not path.exists(), "nothing to seal, nothing to keep"
    box = first.seal("s", KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    made = path.read_bytes()
    assert second.open(box, KEY) == "s", "a process that was there before the key finds it"
    assert load_keyring(settings).open(second.seal("t", KEY), KEY) == "t"
    assert path.read_bytes() == made
    assert [file.name for file in settings.data_dir.iterdir()] == ["secret.key"]


def test_a_key_from_the_settings_makes_no_file(new_settings: NewSettings) -> None:
    text = base64.b64encode(os.urandom(32)).decode()
    settings = new_settings(secret_key=text)
    ring = load_keyring(settings)
    assert ring.open(ring.seal({"a": 1}, KEY), KEY) == {"a": 1}
    assert not settings.data_dir.exists()
    assert text not in repr(ring)


@pytest.mark.parametrize("text", ["hush", "hush!" * 20, base64.b64encode(b"x" * 31).decode(), ","])
def test_a_key_that_is_none_is_refused_without_showing_it(text: str, new_settings: NewSettings) -> None:
    with pytest.raises(SettingsError, match=r"STREAMPROC_SECRET_KEY: \(hidden\) is not 32 bytes") as error:
        load_keyring(new_settings(secret_key=text))
    assert text == "," or text not in str(error.value)


def test_a_key_file_that_is_damaged_is_named(new_settings: NewSettings, tmp_path: Path) -> None:
    settings = new_settings(data_dir=tmp_path)
    (tmp_path / "secret.key").write_text("damaged")
    with pytest.raises(SealError, match=r"secret\.key does not hold a key"):
        load_keyring(settings).seal("s", KEY)
