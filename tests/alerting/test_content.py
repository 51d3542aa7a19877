"""Content templates: how they are written, which text a notification gets, and what events cannot do in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given

from streamproc.alerting.addressing import addressed
from streamproc.alerting.content import ContentError, check, rendered
from streamproc.alerting.message import Message, language_of
from streamproc.alerting.people import PeopleBook
from streamproc.alerting.template_book import TemplateBook
from streamproc.config.kinds import KINDS
from streamproc.model.channel import parse_channel
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.content_template import ContentTemplate, parse_content_template
from streamproc.model.document import DocumentError
from streamproc.model.notification import Purpose
from streamproc.model.user import parse_user
from tests.alerting.making import Record
from tests.channels.receiver import ALERT, bundle, notification

BASE: dict[str, Any] = {"id": "soc", "tenant_id": "acme"}


def template(**contents: Any) -> ContentTemplate:
    made = parse_content_template({**BASE, "contents": contents})
    check(made)
    return made


def message(**change: Any) -> Message:
    return Message.of(notification(Purpose.TRIGGERED, 0, {**ALERT, **change}))


# how they are written


def test_spellings_mean_the_same() -> None:
    ours = template(slack={"en": {"subject": "t", "text": "c"}}, webhook={"send_mode": "batch", "any": {"text": "{}"}})
    theirs = template(slack={"en": {"title": "t", "content": "c"}}, webhook={"sendingMode": "Batch", "content": "{}"})
    assert ours == theirs
    assert template(sms="x") == template(sms={"text": "x"}) == template(sms={"any": "x"})
    assert template(functionCompute="x") == template(function_compute="x")
    assert template(webhook={"max_items": "Unlimited", "text": "x"}) == template(webhook="x")


@pytest.mark.parametrize(
    ("contents", "problem"),
    [
        ({}, "contents: {} has no content; give one for email, sms"),
        ({"fax": "x"}, "contents.fax: is not a known field"),
        ({"email": {"en": {"subject": "x"}}}, "text: is required beside subject"),
        ({"email": {"fr": "x"}}, "contents.email.fr"),
        ({"slack": {"html": "<b>"}}, "slack.html: is for email only"),
        ({"slack": {"send_mode": "batch", "text": "x"}}, "slack.send_mode: is for eventbridge"),
        ({"webhook": {"send_mode": "all", "text": "x"}}, "'all' is not 'single' or 'batch'"),
        ({"sms": {"en": "{{ a"}}, "contents.sms.en.text: is not a Liquid template: {{ without }}"),
        ({"email": {"subject": "{% if %}", "text": "x"}}, "contents.email.subject: is not a Liquid template"),
        ({"sms": "x" * 40_000}, "32000"),
    ],
)
def test_what_is_wrong_is_named(contents: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        KINDS["template"].parse({**BASE, "contents": contents})
    assert problem in str(caught.value)


# which text


def test_the_language_of_the_message_else_any_else_the_other() -> None:
    both = template(sms={"en": "en", "zh": "zh"})
    assert _text(both, "zh") == "zh"
    assert _text(both, "en") == "en"
    assert _text(template(sms={"en": "en"}), "zh") == "en"
    assert _text(template(sms={"zh": "zh"}), "en") == "zh"
    assert _text(template(sms={"any": "any", "zh": "zh"}), "en") == "any"


def _text(made: ContentTemplate, language: Any) -> str:
    content = rendered(made, "sms", replace(message(), language=language))
    assert content is not None
    return content.text


def test_default_is_for_people_not_for_machines() -> None:
    made = template(default="{{ alert_name }}")
    for method in ("slack", "email", "sms", "message_center"):
        content = rendered(made, method, message())  # type: ignore[arg-type]
        assert content is not None
        assert content.text == "Excessive Failed Logins"
    for method in ("webhook", "eventbridge", "function_compute"):
        assert rendered(made, method, message()) is None  # type: ignore[arg-type]


def test_the_variables() -> None:
    source = (
        "{{ alert_id }}|{{ alertId }}|{{ alert_name }}|{{ severity }}|{{ status }}|{{ reason }}|{{ group }}|"
        "{{ count }}|"
        "{{ trigger_count }}|{{ tenant_id }}|{{ project }}|{{ region }}|{{ fire_time }}|{{ event.actor.id }}|"
        "{{ alert.rule.name }}|{{ event_type }}|{{ alerts.size }}"
    )
    event = {**ALERT["event"], "raw": {"awsRegion": "eu-west-1"}}
    content = rendered(template(sms=source), "sms", message(event=event))
    assert content is not None
    assert content.text.split("|") == [
        *(ALERT["id"], ALERT["id"], "Excessive Failed Logins", "high", "open", ALERT["reason"]),
        *("actor.ip=203.0.113.7", "5", "3", "acme", "acme", "eu-west-1", "2026-02-10T14:32:15.123Z", "user_alice"),
        *("Excessive Failed Logins", "alert.triggered", "1"),
    ]


def test_a_bundle_goes_through_alerts_or_repeats_the_text() -> None:
    told = Message.of(bundle())
    once = rendered(template(slack="{% for one in alerts %}{{ one.severity }} {% endfor %}"), "slack", told)
    each = rendered(template(slack="{{ severity }}: {{ alert_name }}"), "slack", told)
    assert once is not None
    assert each is not None
    assert once.text == "low high"
    assert each.text == "low: Excessive Failed Logins\n\nhigh: Root login"


# ActionTrail's example: two alerts, single and batch


def test_single_and_batch_of_the_documents_example() -> None:
    source = '{ "project": "{{project}}", "alert_name": "{{alert_name}}"}'
    told = Message.of(
        bundle(
            ({"title": "alert-1", "metadata": {"project": "project-1"}}, Purpose.TRIGGERED),
            ({"title": "alert-2", "metadata": {"project": "project-2"}}, Purpose.TRIGGERED),
        )
    )
    content = rendered(template(webhook={"send_mode": "batch", "max_items": 7, "text": source}), "webhook", told)
    assert content is not None
    assert (content.send_mode, content.max_items) == ("batch", 7)
    assert [orjson.loads(item) for item in content.items] == [
        {"project": "project-1", "alert_name": "alert-1"},
        {"project": "project-2", "alert_name": "alert-2"},
    ]


# what events cannot do

HOSTILE = ['","admin":"yes', "\\", '"}', "<script>alert(1)</script>", "<!channel>", "[x](http://e)", "<@all>", "{{a}}"]
anything = st.text(max_size=200).filter(lambda text: text.isprintable()) | st.sampled_from([*HOSTILE, "\n"])


@given(anything)
def test_an_event_cannot_leave_its_place_in_json(title: str) -> None:
    made = template(webhook='{"name": "{{ event.action }}", "all": {{ event.action | json }}, "n": {{ count }}}')
    content = rendered(made, "webhook", message(event={"action": title}))
    assert content is not None
    assert orjson.loads(content.items[0]) == {"name": title, "all": title, "n": 5}


@given(anything)
def test_an_event_cannot_leave_its_place_in_html_or_markup(text: str) -> None:
    told = message(event={"action": text})
    mail = rendered(template(email={"text": "x", "html": "<p title='{{ event.action }}'>"}), "email", told)
    assert mail is not None
    assert mail.html.count("<") == 1
    assert mail.html.count("'") == 2
    slack = rendered(template(slack="_{{ event.action }}_"), "slack", told)
    assert slack is not None
    assert "<" not in slack.text
    for method in ("dingtalk", "wecom"):
        chat = rendered(template(**{method: "**{{ event.action }}**"}), method, told)  # type: ignore[arg-type]
        assert chat is not None
        assert not set("[]<>`") & set(chat.text)


def test_a_subject_is_one_line() -> None:
    content = rendered(template(email={"subject": "a\r\nBcc: x\n{{ event.action }}", "text": "x"}), "email", message())
    assert content is not None
    assert content.subject == "a Bcc: x user.login"


def test_what_fails_names_its_part() -> None:
    with pytest.raises(ContentError) as caught:
        rendered(template(sms="{{ 1 | divided_by: 0 }}"), "sms", message())
    assert str(caught.value).startswith("contents.sms.text: ")


# whose language


def test_the_users_language_comes_before_the_channels() -> None:
    channel = parse_channel(
        {"id": "mail", "type": "email", "tenant_id": "acme", "host": "x.example", "sender": "a@x.example"}
    )
    chinese = channel.model_copy(update={"content_language": "zh"})
    doc = {"tenant_id": "acme", "name": "A", "email": "a@acme.example"}
    users = [parse_user({"id": "alice", **doc}), parse_user({"id": "bobby", "language": "en", **doc})]
    people = PeopleBook(users={("acme", user.id): user for user in users})

    def language(settings: ChannelSettings, recipient: str) -> str:
        found = addressed(settings, recipient, people)
        assert found is not None
        return language_of(found)

    assert language(channel, "user/alice") == "en"
    assert language(chinese, "user/alice") == "zh"
    assert language(chinese, "user/bobby") == "en"
    assert language(chinese, "address/x@acme.example") == "zh"
    voice = {"id": "v", "type": "voice", "provider": "twilio", "account_sid": "A", "auth_token": "t", "sender": "+1"}
    assert language_of(parse_channel({**voice, "tenant_id": "acme", "language": "zh-CN"})) == "zh"


# the book


def test_the_book_keeps_what_has_not_changed_and_names_what_cannot_be_used() -> None:
    first = TemplateBook().fold(
        [
            Record("template", "good", {"contents": {"sms": "{{ alert_name }}"}}),
            Record("template", "bad", {"contents": {"sms": "{{ a"}}),
            Record("webhook", "hook", {"url": "https://x.example"}),
        ]
    )
    assert list(first.problems) == [("acme", "bad")]
    assert first.get("acme", "bad") is None
    assert first.get("other", "good") is None
    again = first.fold([Record("template", "good", {"contents": {"sms": "changed without a revision"}})])
    assert again.get("acme", "good") is first.get("acme", "good")
    newer = again.fold([Record("template", "good", {"contents": {"sms": "new"}}, revision=2)])
    assert newer.get("acme", "good") != first.get("acme", "good")
    assert newer.fold([]).get("acme", "good") is None
