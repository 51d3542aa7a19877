"""Links that show an alert without signing in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting.alert_link import LABEL, MAX_TOKEN, AlertLinks, LinkError, link, verify
from streamproc.alerting.render_chat import MAX_LINK
from streamproc.config.keyring import Keyring

KEY, OTHER = b"k" * 32, b"o" * 32
ALERT = {"id": "alt_4f7a8b9c-0d1e-4f3a-8b5c-6d7e8f9a0b1c", "tenant_id": "acme"}
NOW, DAY = 1_770_733_935_500, 86_400_000


def token(base: str = "https://a.example") -> str:
    return link(base, ALERT, KEY, NOW).removeprefix("https://a.example/a/")


def test_a_link_shows_its_alert_until_it_is_over() -> None:
    assert link("https://a.example/", ALERT, KEY, NOW).startswith("https://a.example/a/")
    assert verify(token(), KEY, NOW) == ("acme", ALERT["id"])
    assert verify(token(), [OTHER, KEY], NOW + 7 * DAY - 1000) == ("acme", ALERT["id"])
    with pytest.raises(LinkError, match="over"):
        verify(token(), KEY, NOW + 7 * DAY)


def test_the_same_alert_at_the_same_time_has_the_same_link() -> None:
    assert link("https://a.example", ALERT, KEY, NOW) == AlertLinks("https://a.example", KEY)(ALERT, NOW)


def test_without_an_address_or_an_id_there_is_no_link() -> None:
    assert AlertLinks("", KEY)(ALERT, NOW) == ""
    assert link("https://a.example", {"id": "a"}, KEY, NOW) == ""
    assert link("https://a.example", {"tenant_id": "a", "id": 5}, KEY, NOW) == ""


@pytest.mark.parametrize("keys", [OTHER, [OTHER], []])
def test_another_key_shows_nothing(keys: bytes | list[bytes]) -> None:
    with pytest.raises(LinkError, match="not one of ours"):
        verify(token(), keys, NOW)


@given(st.integers(0, 400), st.characters(codec="ascii"))
def test_an_altered_token_shows_nothing(place: int, character: str) -> None:
    good = token()
    altered = good[: place % len(good)] + character + good[place % len(good) + 1 :]
    if altered == good:
        return
    with pytest.raises(LinkError):
        verify(altered, KEY, NOW)


@given(st.text(max_size=60) | st.just("a" * (MAX_TOKEN + 1)))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(LinkError):
        verify(text, KEY, NOW)


def test_keys_of_the_keyring_make_and_check_links_also_after_a_rotation() -> None:
    old, new = Keyring([b"1" * 32]), Keyring([b"2" * 32, b"1" * 32])
    made = link("https://a.example", ALERT, old.derived(LABEL)[0], NOW).rpartition("/")[2]
    assert verify(made, new.derived(LABEL), NOW) == ("acme", ALERT["id"])
    with pytest.raises(LinkError):
        verify(made, Keyring([b"2" * 32]).derived(LABEL), NOW)
    assert not set(new.derived(LABEL)) & set(new.derived("other"))


def test_a_link_fits_into_messages() -> None:
    assert len(link("https://alerts.security.example.com", ALERT, KEY, NOW)) < MAX_LINK


def test_the_key_does_not_stand_in_the_representation() -> None:
    assert "kkkk" not in repr(AlertLinks("https://a.example", KEY))
