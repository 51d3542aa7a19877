"""What the files under `deploy/` say, read by the tests of this folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram

from streamproc import metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "streamproc"
TEXTS = sorted(path for path in DEPLOY.rglob("*") if path.is_file())

KUBERNETES = "1.31.0"
"""The version that the chart is rendered for."""
LEAST = {"kafka.bootstrapServers": "kafka:9092", "secretKey.value": "c2VjcmV0"}
"""What the chart insists on."""
MOST = LEAST | {
    "worker.keda.enabled": "true",
    "kafka.securityProtocol": "SASL_SSL",
    "kafka.credentials.worker": "worker",
    "kafka.credentials.delivery": "delivery",
    "kafka.credentials.api": "api",
    "kafka.credentials.operator": "operator",
    "kafka.caSecret": "authority",
    "api.ingress.enabled": "true",
    "api.ingress.host": "alerts.example.com",
    "api.ingress.tlsSecret": "certificate",
    "api.oidc.issuer": "https://login.example.com",
    "api.oidc.clientId": "streamproc",
    "api.oidc.clientSecret": "oidc",
    "api.oidc.tenant": "acme",
    "api.oidc.roles": "sec-admins=admin",
    "podMonitor.enabled": "true",
    "topicsFile": "topics: {}",
}
"""Every part of the chart switched on."""


def tool(name: str, how: str) -> str:
    """The path of a program, or a skip that says how to get it."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed ({how})")
    return found


def helm(*arguments: str, values: Mapping[str, str], check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart."""
    program = tool("helm", "go install helm.sh/helm/v3/cmd/helm@v3.19.0")
    given = [part for name, value in values.items() for part in ("--set-string", f"{name}={value}")]
    # what the schema wants to be true or false cannot be given as text
    given = ["--set" if part == "--set-string" and "enabled" in given[n + 1] else part for n, part in enumerate(given)]
    command = [program, *arguments, "--kube-version", KUBERNETES, *given]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=check)


@cache
def _rendered(values: tuple[tuple[str, str], ...]) -> str:
    return helm("template", "release", str(CHART), values=dict(values)).stdout


def rendered(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """The chart's objects."""
    return [one for one in yaml.safe_load_all(_rendered(tuple(values.items()))) if one]


def series() -> dict[str, tuple[str, ...]]:
    """Every series that the processes export, with its labels."""
    found: dict[str, tuple[str, ...]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            (family,) = metric.describe()
            labels = tuple(metric._labelnames)
            if isinstance(metric, Counter):
                found[f"{family.name}_total"] = labels
            elif isinstance(metric, Gauge):
                found[family.name] = labels
            else:
                found |= {f"{family.name}_{part}": labels for part in ("sum", "count")}
                found[f"{family.name}_bucket"] = (*labels, "le")
    return found


def expressions() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of every panel and every alert rule."""
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]
    for panel in json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}", target["expr"]


def settings_named() -> Iterator[tuple[str, str]]:
    """(file, variable) of every setting that a file mentions."""
    for path in TEXTS:
        for name in re.findall(r"\bSTREAMPROC_[A-Z_]*[A-Z]\b", path.read_text()):
            yield str(path.relative_to(DEPLOY)), name
