"""A content template shown over HTTP, before anybody is told with it."""

from __future__ import annotations

import pytest

from tests.web.conftest import Api

pytestmark = pytest.mark.broker

TEMPLATE = {"contents": {"email": {"en": {"subject": "[{{ severity }}] {{ alert_name }}", "text": "{{ reason }}"}}}}


async def test_a_template_is_shown_as_written_or_as_configured(api: Api) -> None:
    shown = (await api("POST", "/v1/templates/short/preview", {"template": TEMPLATE})).json
    assert shown["message"]["subject"] == "[high] Excessive Failed Logins"
    assert shown["message"]["text"].strip() == "5 events in 300 s for actor.ip 203.0.113.7"
    assert shown["problem"] is None
    await api("POST", "/v1/templates/short/preview", {}, status=404)
    made = (await api("PUT", "/v1/templates/short", TEMPLATE)).json
    assert (await api("POST", "/v1/templates/short/preview", {})).json == shown
    assert (await api("POST", "/v1/templates/short/preview", {"template": made})).json == shown


async def test_what_fails_is_shown_as_what_would_be_sent_instead_with_the_reason(api: Api) -> None:
    endless = {"contents": {"email": {"en": {"subject": "x", "text": "{% for i in (1..100000000) %}x{% endfor %}"}}}}
    shown = (await api("POST", "/v1/templates/bad/preview", {"template": endless})).json
    assert shown["problem"]
    assert "Excessive Failed Logins" in shown["message"]["text"]
    other = (await api("POST", "/v1/templates/bad/preview", {"template": TEMPLATE, "method": "sms"})).json
    assert other["problem"] == "the template has nothing for sms"
    wrong = {"contents": {"email": {"en": {"text": "{% if %}"}}}}
    await api("POST", "/v1/templates/bad/preview", {"template": wrong}, status=422)
    await api("POST", "/v1/templates/bad/preview", {"template": TEMPLATE, "alert_id": "alt_none"}, status=404)
