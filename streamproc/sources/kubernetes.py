"""Kubernetes audit events → events.

Field names are those of ``audit.k8s.io/v1`` Event in the Kubernetes documentation ("kube-apiserver Audit
Configuration"); the beta versions of the group have the same. The API server writes one record per stage of a request.
"""

from typing import Any, Final

from streamproc.model.event import EventError, Reason
from streamproc.sources.native import address, inner, optional_object, picked, present, required, text, texts
from streamproc.sources.shorten import shorten

COMPLETE: Final = "ResponseComplete"
"""The one stage that every request that was answered reaches, once."""
_STAGES: Final = frozenset({"RequestReceived", "ResponseStarted", COMPLETE, "Panic"})
_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_A_RECORD: Final = "an audit event"
_MAX_ADDRESSES: Final = 10
_MAX_AUDIT_ID: Final = 128
"""Characters of an audit id that are used; a client may send one of any length."""


def to_event(record: dict[str, Any]) -> dict[str, Any] | None:
    """The event of one audit record; None for a stage other than ``ResponseComplete``.

    - id: ``auditID``, ``@``, ``requestReceivedTimestamp``: a client may choose the audit id itself (the Audit-ID
      header), and must not be able to make its next request look like one that was counted already · tenant: none,
      as no record names its cluster
    - action: ``objectRef.resource``, with ``/`` and the subresource where there is one, a colon, ``verb``, as RBAC
      words it: ``pods/exec:create``; for a request about no resource ``nonResourceURL:get``
    - event_time: ``stageTimestamp``, when the answer was complete, which for exec, attach and watch may be hours after
      the request; else ``requestReceivedTimestamp``
    - actor: ``user``, the one who authenticated, with its groups; whom it acts as is
      ``metadata.impersonated_user``. actor.ip: the last of ``sourceIPs``, the only one that the client cannot choose
    - outcome: by ``responseStatus.code``: 401 and 403 denied, else from 400 failure, below success; without a code
      denied where the authoriser forbade it, else unknown. ``outcome_raw``: the status's reason, else its code
    - resource: type as in the action; id ``namespace/name``, or the name alone

    Raises EventError ``unmapped`` where ``auditID``, ``stage`` or ``verb`` are no text, the stage is none that there
    is, neither time is text, or ``user`` or ``objectRef`` is no object.
    """
    stage = required(record, "stage", _A_RECORD)
    audit_id = required(record, "auditID", _A_RECORD)
    if stage != COMPLETE:
        if stage not in _STAGES:
            raise EventError(Reason.UNMAPPED, f"stage: {shorten(stage)} is not one of {', '.join(sorted(_STAGES))}")
        return None
    verb = required(record, "verb", _A_RECORD)
    received, done = text(record.get("requestReceivedTimestamp")), text(record.get("stageTimestamp"))
    time = done or received or required(record, "stageTimestamp", _A_RECORD)
    ref = optional_object(record, "objectRef")
    kind = _kind(ref)
    event: dict[str, Any] = {
        "id": f"{audit_id[:_MAX_AUDIT_ID]}@{received or time}",
        "action": f"{kind}:{verb}",
        "event_time": time,
        "source": "kubernetes",
        "resource": _resource(record, ref, kind),
        "metadata": _metadata(record, ref),
    }
    event["outcome"], word = _outcome(record)
    if word is not None:
        event["outcome_raw"] = word
    actor = _actor(record)
    if actor:
        event["actor"] = actor
    return event


def _kind(ref: Any) -> str:
    resource, part = text(ref.get("resource")), text(ref.get("subresource"))
    if resource is None:
        return "nonResourceURL"
    return resource if part is None else f"{resource}/{part}"


def _resource(record: dict[str, Any], ref: Any, kind: str) -> dict[str, Any]:
    if not ref:
        path = text(record.get("requestURI"))
        return present({"type": kind, "id": path and path.partition("?")[0]})
    # a name that the server makes up (generateName) is in its answer only
    made = inner(record, "responseObject", "metadata") if record.get("verb") == "create" else {}
    name = text(ref.get("name")) or text(made.get("name"))
    namespace = text(ref.get("namespace"))
    return present({"type": kind, "id": f"{namespace}/{name}" if namespace and name else name, "name": name})


def _metadata(record: dict[str, Any], ref: Any) -> dict[str, Any]:
    decision = inner(record, "annotations")
    return present(
        {
            "verb": record["verb"],
            **picked(ref, {"namespace": "namespace", "apiGroup": "api_group", "subresource": "subresource"}),
            **picked(record, {"level": "level", "requestURI": "request_uri", "auditID": "audit_id"}),
            "status_code": _code(record),
            "decision": text(decision.get("authorization.k8s.io/decision")),
            "decision_reason": text(decision.get("authorization.k8s.io/reason")),
            "impersonated_user": text(inner(record, "impersonatedUser").get("username")),
            "source_ips": texts(record.get("sourceIPs"))[-_MAX_ADDRESSES:],
        }
    )


def _code(record: dict[str, Any]) -> int | None:
    code = inner(record, "responseStatus").get("code")
    return code if type(code) is int else None


def _outcome(record: dict[str, Any]) -> tuple[str, str | None]:
    """The outcome and the server's own word for it."""
    code = _code(record)
    reason = text(inner(record, "responseStatus").get("reason"))
    if code is None:
        decision = text(inner(record, "annotations").get("authorization.k8s.io/decision"))
        return ("denied" if decision == "forbid" else "unknown"), reason or decision
    word = reason or str(code)
    if code in (401, 403):
        return "denied", word
    return ("failure" if code >= 400 else "success"), word


def _actor(record: dict[str, Any]) -> dict[str, Any]:
    user = optional_object(record, "user")
    name = text(user.get("username"))
    addresses = texts(record.get("sourceIPs"))
    return present(
        {
            "id": name,
            "type": None if name is None else "ServiceAccount" if name.startswith(_SERVICE_ACCOUNT) else "User",
            "ip": address(addresses[-1]) if addresses else None,
            "user_agent": text(record.get("userAgent")),
            "groups": texts(user.get("groups")),
        }
    )
