"""GitHub audit log entries → events."""

import pytest

from streamproc.model.event import EventError, Reason
from tests.sources.samples import GITHUB, changed, decoded


def test_the_whole_event():
    assert decoded("github", GITHUB).doc == {
        "id": "xJJFlFOhQ6b-5vaAFy9Rjw",
        "tenant_id": "octo-org",
        "action": "repo.add_member",
        "outcome": "success",
        "event_time": "2026-02-10T14:32:15.123Z",
        "source": "github",
        "actor": {
            "id": "octocat",
            "type": "user",
            "ip": "198.51.100.7",
            "country": "DE",
            "user_agent": "Mozilla/5.0",
        },
        "resource": {"type": "repo", "id": "octo-org/rockets"},
        "resources": [
            {"type": "repo", "id": "octo-org/rockets"},
            {"type": "user", "id": "hubot"},
            {"type": "org", "id": "octo-org"},
        ],
        "metadata": {
            "operation_type": "modify",
            "business": "octo-corp",
            "org": "octo-org",
            "repo": "octo-org/rockets",
            "user": "hubot",
            "visibility": "private",
            "programmatic_access_type": "Fine-grained personal access token",
            "external_identity": "octocat@example.com",
        },
        "raw": GITHUB,
    }


@pytest.mark.parametrize(
    ("fields", "outcome", "word"),
    [
        ({}, "success", None),
        ({"action": "api.request", "status_code": 200}, "success", "200"),
        ({"action": "api.request", "status_code": 401}, "denied", "401"),
        ({"action": "api.request", "status_code": 403}, "denied", "403"),
        ({"action": "api.request", "status_code": 404}, "failure", "404"),
        ({"action": "user.failed_login"}, "failure", None),
        ({"action": "protected_branch.rejected_ref_update"}, "denied", None),
    ],
)
def test_outcomes(fields, outcome, word):
    doc = decoded("github", GITHUB | fields).doc
    assert (doc["outcome"], doc.get("outcome_raw")) == (outcome, word)


def test_an_entry_of_the_enterprise_belongs_to_it():
    record = changed(GITHUB, org=..., org_id=..., action="business.add_admin")
    assert decoded("github", record).tenant == "octo-corp"
    with pytest.raises(EventError, match="tenant_id"):
        decoded("github", changed(record, business=...))
    assert decoded("github", changed(record, business=...), "acme").tenant == "acme"


def test_a_git_event_has_little():
    event = decoded("github", {"@timestamp": 1_770_733_935_123, "action": "git.clone", "org": "o", "actor_id": 5})
    assert event.id == "native-0-7"
    assert event.doc["actor"] == {"id": "5"}


@pytest.mark.parametrize("country", ["Germany", "de", "D1", "", None, 7, "ÄÖ"])
def test_what_is_no_country_code_is_left_out(country):
    assert "country" not in decoded("github", changed(GITHUB, actor_location__country_code=country)).doc["actor"]


@pytest.mark.parametrize("fields", [{"action": ...}, {"action": 5}, {"action": ""}, {"@timestamp": True}])
def test_what_cannot_be_read_is_unmapped(fields):
    with pytest.raises(EventError) as caught:
        decoded("github", changed(GITHUB, **fields))
    assert caught.value.reason == Reason.UNMAPPED


def test_without_its_time_the_time_of_writing_counts():
    assert decoded("github", changed(GITHUB, **{"@timestamp": None})).time == 1_770_733_935_123
    with pytest.raises(EventError, match="@timestamp: null is not the time"):
        decoded("github", changed(GITHUB, **{"@timestamp": None, "created_at": None}))
