"""All that the dashboard shows, running: worker, delivery and API as processes, a receiver, and one tenant's things."""

from __future__ import annotations

import asyncio
import http.server
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from streamproc.generate import Plan, generate
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import Settings
from streamproc.web.keys import ADMIN_FILE
from tests.faults.harness import Process, produce

TENANT = "acme"
HOSTILE = '<img src=x onerror="window.hacked=1">'
"""A title that would run in a page that took it for markup."""
PATIENCE_S = 45.0
USERS = (
    "ID,Name,Enable,Phone,SMS,Voice,Mailbox\n"
    "alice,Alice,true,,false,false,alice@example.com\n"
    "bob.b,Bob,true,49-15123456789,true,false,bob@example.com\n"
    "carol,Carol,false,,false,false,carol@example.com\n"
)


@dataclass
class Running:
    """`url` of the API; `key` is acme's administrator's, `operator` that of the first start."""

    url: str
    settings: Settings
    operator: str
    key: str = ""
    sent: int = 0
    received: list[dict[str, Any]] = field(default_factory=list)
    receiver: str = ""
    processes: list[Process] = field(default_factory=list)

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str = "", content_type: str = "application/json"
    ) -> Any:
        """What the API answers; raises AssertionError for what is not a success."""
        data = body.encode() if isinstance(body, str) else None if body is None else orjson.dumps(body)
        headers = {"Authorization": f"Bearer {key or self.key}", "Content-Type": content_type}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[:2000]!r}") from None
        return json.loads(text) if text else None

    def until(self, what: str, look: Callable[[], Any]) -> Any:
        """The first answer of `look` that is true."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(0.2)
        tails = "\n".join(process.tail() for process in self.processes)
        raise AssertionError(f"after {PATIENCE_S:g} s there is still not: {what}\n{tails}")

    def events(self, count: int = 1, **fields: Any) -> None:
        """Send events of acme's, now."""
        made = []
        for _ in range(count):
            self.sent += 1
            made.append({"id": f"browser-{self.sent}", "action": "document.read", **fields})
        self.ask("POST", "/v1/events", made)

    def alerts(self, **query: str) -> list[dict[str, Any]]:
        """Acme's alerts, the newest first."""
        text = "&".join(f"{name}={value}" for name, value in query.items())
        found: list[dict[str, Any]] = self.ask("GET", f"/v1/alerts?limit=200&{text}")["items"]
        return found

    def put(self, path: str, document: dict[str, Any]) -> Any:
        """Create a document, as acme's administrator."""
        return self.ask("POST", path, document)


@contextmanager
def running(settings: Settings, directory: Path) -> Iterator[Running]:
    """All of it, with nothing configured yet; ends with the context."""
    asyncio.run(_topics(settings))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {"STREAMPROC_HTTP": f"127.0.0.1:{port}", "STREAMPROC_RATE_LIMIT": "0"}
    processes = [Process([name], settings, directory, name, environment) for name in ("worker", "delivery", "api")]
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    for process in processes:
        process.start()
    try:
        made = Running(f"http://127.0.0.1:{port}", settings, "", processes=processes)
        made.received = _Receiver.received = []
        made.receiver = f"http://127.0.0.1:{receiver.server_port}"
        made.until("an API that is ready", lambda: _ready(made.url))
        made.operator = (directory / ADMIN_FILE).read_text().strip()
        scopes = {"name": "Alice Example", "scopes": ["admin"], "tenant_id": TENANT}
        made.key = made.ask("POST", "/v1/keys", scopes, key=made.operator)["token"]
        yield made
    finally:
        for process in processes:
            process.stop()
        receiver.shutdown()


async def _topics(settings: Settings) -> None:
    await apply_topics(settings, load_topics(settings))


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class _Receiver(http.server.BaseHTTPRequestHandler):
    """Takes what webhooks send; what is sent to /broken is refused."""

    received: list[dict[str, Any]] = []

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.received.append(json.loads(content))
        self.send_response(400 if self.path == "/broken" else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


def furnish(site: Running) -> None:
    """What a tenant of some months has: rules, channels, people, policies, silences, and alerts of an attack."""
    now = datetime.now(UTC)
    site.put("/v1/channels", {"id": "inbox", "type": "message_center", "name": "Inbox of the SOC"})
    site.put(
        "/v1/channels",
        {
            "id": "slack",
            "type": "slack",
            "name": "Security in Slack",
            "url": f"{site.receiver}/slack",
            "enabled": False,
        },
    )
    site.put(
        "/v1/webhooks",
        {
            "id": "security",
            "name": "Security system",
            "url": f"{site.receiver}/hook",
            "events": ["alert.triggered", "alert.resolved"],
        },
    )
    broken = {
        "id": "ticketing",
        "name": "Ticketing",
        "url": f"{site.receiver}/broken",
        "retry_config": {"max_attempts": 1},
    }
    site.put("/v1/webhooks", broken)
    site.ask("POST", "/v1/users/import", USERS, content_type="text/csv")
    site.put("/v1/user-groups", {"id": "soc-team", "name": "SOC", "members": ["alice", "bob.b"]})
    site.put(
        "/v1/templates",
        {
            "id": "short",
            "name": "Short",
            "contents": {"default": {"en": {"subject": "{{ alert.title }}", "text": "{{ alert.reason }}"}}},
        },
    )
    site.put("/v1/policies", _policy())
    times = {"past": (-72, -70), "now": (-1, 5), "soon": (20, 24)}
    for name, (start, end) in times.items():
        site.put(
            "/v1/silences",
            {
                "id": f"window-{name}",
                "matchers": {"category": "network", "severity": {"in": ["low", "medium"]}},
                "starts_at": (now + timedelta(hours=start)).isoformat(),
                "ends_at": (now + timedelta(hours=end)).isoformat(),
                "author": "alice",
                "comment": {"past": "Router upgrade", "now": "Firewall migration", "soon": "Data centre move"}[name],
            },
        )
    for rule in _rules():
        site.put("/v1/rules", rule)
    site.ask("PATCH", "/v1/rules/mass-export", {"severity": "critical", "cooldown_min": 60})


def _policy() -> dict[str, Any]:
    return {
        "id": "default",
        "name": "By severity",
        "groups": [
            {"id": "everybody", "channels": ["inbox", "security"]},
            {
                "id": "on-call",
                "channels": ["security", "ticketing"],
                "recipients": {"user_groups": ["soc-team"]},
                "min_severity": "high",
            },
            {"id": "managers", "channels": ["inbox"], "recipients": {"roles": ["admin"]}},
        ],
        "steps": [
            {
                "condition": {"when": {"severity": {"in": ["high", "critical"]}}},
                "then": [
                    {"group": "on-call"},
                    {
                        "condition": {"match": "any", "when": {"category": "identity"}},
                        "then": [{"group": "managers"}],
                        "otherwise": [],
                    },
                ],
                "otherwise": [{"condition": {"when": {"severity": "informational"}}, "then": [{"end": True}]}],
            },
            {"group": "everybody"},
        ],
        "escalation": [{"after_minutes": 10, "group": "on-call"}, {"after_minutes": 30, "group": "managers"}],
        "repeat": 1,
    }


def _rules() -> list[dict[str, Any]]:
    return [
        {
            "id": "brute-force-login",
            "name": "Brute force from one address",
            "description": "Ten failed logins from one address within a minute",
            "type": "threshold",
            "condition": {
                "action": "user.login",
                "outcome": "failure",
                "count": 10,
                "window_seconds": 60,
                "group_by": "actor.ip",
            },
            "severity": "critical",
            "category": "identity",
            "mitre_tactics": ["Credential Access"],
            "mitre_techniques": ["T1110", "T1110.001"],
            "runbook": "https://runbooks.example.com/brute-force",
            "metadata": {"compliance_control": "SOC2-CC6.3"},
        },
        {
            "id": "mass-deletion-own",
            "name": "Mass deletion",
            "description": "One actor deletes many things within two minutes",
            "type": "threshold",
            "condition": {"action": {"matches": "*.delete"}, "count": 20, "window": "2m", "group_by": "actor.id"},
            "severity": "high",
            "category": "cloud",
            "mitre_tactics": ["Impact"],
            "mitre_techniques": ["T1485"],
        },
        {
            "id": "mass-export",
            "name": "Mass export",
            "description": "One actor exports many data sets within five minutes",
            "type": "threshold",
            "condition": {"action": {"matches": "*.export"}, "count": 15, "window": "5m", "group_by": "actor.id"},
            "severity": "high",
            "category": "cloud",
        },
        {
            "id": "role-granted",
            "name": "Administrator role granted",
            "type": "pattern",
            "condition": {"action": "role.grant", "metadata": {"granted_role": {"in": ["admin", "owner"]}}},
            "severity": "medium",
            "category": "identity",
            "title": "{{ event.actor.email }} granted {{ event.metadata.granted_role }} to {{ event.resource.id }}",
        },
        {
            "id": "first-login-country",
            "name": "Login from a new country",
            "type": "new_country",
            "condition": {"action": "user.login", "outcome": "success"},
            "severity": "low",
            "category": "network",
        },
        {
            "id": "policy-read",
            "name": "Policy looked at",
            "type": "pattern",
            "condition": {"action": "policy.read", "group_by": "actor.id"},
            "severity": "informational",
            "category": "compliance",
            "enabled": True,
        },
        {
            "id": "hostile",
            "name": "Named by an attacker",
            "type": "pattern",
            "condition": {"action": "name.change"},
            "severity": "medium",
            "title": "Renamed to {{ event.metadata.name }}",
            "category": "identity",
        },
        {
            "id": "nightly-backup",
            "name": "No backup for a day",
            "type": "absence",
            "condition": {"action": "backup.finished", "expect_every": "24h"},
            "severity": "low",
            "enabled": False,
        },
    ]


def attack(site: Running) -> None:
    """The example attacks of `events generate`, at once, and some odd business beside them."""
    start = time.time_ns() // 1_000_000 - 600_000
    plan = Plan(
        start_ms=start, seed=7, tenants=1, count=500, rate=1.0, attacks=("brute_force", "mass_deletion", "exfiltration")
    )
    made = [{**event, "tenant_id": TENANT} for event in generate(plan)]
    for place in range(0, len(made), 200):
        site.ask("POST", "/v1/events", made[place : place + 200])
    eve = {"id": "user_eve", "type": "user", "email": "eve@example.com", "ip": "198.51.100.23", "country": "FR"}
    for role, who in (("admin", "user_mallory"), ("owner", "user_trent"), ("admin", "user_peggy")):
        site.events(
            action="role.grant", actor=eve, resource={"type": "user", "id": who}, metadata={"granted_role": role}
        )
    for country in ("DE", "DE", "FR", "BR"):
        site.events(action="user.login", actor={**eve, "country": country})
    site.events(3, action="policy.read", actor=eve)
    site.events(action="name.change", actor=eve, metadata={"name": HOSTILE})
    asyncio.run(_dead(site.settings))


async def _dead(settings: Settings) -> None:
    wrong = [
        (TENANT, b'{"tenant_id": "acme", "action": 7, "actor": {"id": "user_eve"}}', {}),
        (TENANT, b"\x00\x01\xffnot JSON at all\n", {}),
    ]
    await produce(settings, wrong)
