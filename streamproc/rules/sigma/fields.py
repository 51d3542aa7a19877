"""How the fields of a Sigma log source are named in our events, and what kind of source it is.

Sigma names fields as the source's own record does, so that they are found under `raw`. Some rules use the names of
another system's schema instead; those are brought back to the record's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sigma.rule import SigmaLogSource

from streamproc.rules.sigma.refusal import NotCarriedError

RAW = "raw"
_GCP = "gcp.audit."

_OF_FORMAT = {
    ("aws", "cloudtrail"): "cloudtrail",
    ("gcp", "gcp.audit"): "gcp",
    ("gcp", "google_workspace.admin"): "gcp",
    ("gcp", "google_workspace.login"): "gcp",
    ("github", "audit"): "github",
    ("kubernetes", "audit"): "kubernetes",
    ("m365", "audit"): "m365",
    ("okta", "okta"): "okta",
}
"""(product, service) → what the events' `source` is, for the formats that streamproc maps."""

_WORKSPACE = {
    "eventService": "protoPayload.serviceName",
    "eventName": "protoPayload.metadata.event.eventName",
    "protoPayload.Servicename": "protoPayload.serviceName",  # as some rules misspell it
}
_WORKSPACE_PARAMETERS = ("setting_name", "new_value", "old_value", "application_name", "org_unit_name", "user_email")
"""Which in a Google log entry are elements {name, value} of one list."""

_IDENTITY_SERVICES = ("signinlogs", "riskdetection", "pim", "google_workspace.login", "duo")
_IDENTITY_PRODUCTS = ("okta", "onelogin")
_CLOUD = ("aws", "azure", "gcp", "m365", "kubernetes", "github", "bitbucket", "alibaba", "oci")
_NETWORK = ("zeek", "fortios", "fortigate", "juniper", "huawei", "paloalto")
_NETWORK_CATEGORIES = ("firewall", "proxy", "dns", "webserver", "network_connection")
_ENDPOINT = ("windows", "linux", "macos")


def source_of(logsource: SigmaLogSource) -> str | None:
    """The `source` of the events that the rule is about, where streamproc maps them."""
    return _OF_FORMAT.get((logsource.product or "", logsource.service or ""))


def category_of(logsource: SigmaLogSource) -> str | None:
    """Our category for the log source; None where there is none that fits."""
    if logsource.product in _IDENTITY_PRODUCTS or logsource.service in _IDENTITY_SERVICES:
        return "identity"
    if logsource.product in _NETWORK or logsource.category in _NETWORK_CATEGORIES:
        return "network"
    if logsource.product in _CLOUD:
        return "cloud"
    return "endpoint" if logsource.product in _ENDPOINT else None


def paths_of(logsource: SigmaLogSource) -> Callable[[str], str]:
    """The function from a Sigma field name to our field path; it raises NotCarriedError."""
    service = logsource.service or ""
    if logsource.product == "gcp" and service.startswith("google_workspace"):
        return _workspace
    if logsource.product == "gcp":
        return _gcp
    return _raw


def _raw(name: str) -> str:
    if not all(name.split(".")):
        raise NotCarriedError(f"{name}: is no name of a field")
    return f"{RAW}.{name}"


def _gcp(name: str) -> str:
    """`gcp.audit.method_name`, as the Elastic schema has it, is `protoPayload.methodName` of a log entry."""
    if not name.startswith(_GCP):
        return _raw(name)
    return f"{RAW}.protoPayload.{re.sub(r'_([a-z0-9])', lambda m: m[1].upper(), name.removeprefix(_GCP))}"


def _workspace(name: str) -> str:
    if name in _WORKSPACE_PARAMETERS:
        raise NotCarriedError(
            f"{name}: is a {{name, value}} in the list of the event's parameters, and a filter cannot ask for one "
            "element that passes two tests"
        )
    return _raw(_WORKSPACE.get(name, name))
