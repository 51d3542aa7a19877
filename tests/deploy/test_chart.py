"""The Helm chart: its values fit its schema, and what it renders is right and hangs together."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from streamproc.kafka.topics import load_topics
from streamproc.settings import PREFIX, Settings
from tests.deploy.files import CHART, LEAST, MOST, helm, rendered
from tests.deploy.test_compose import exists, image_settings

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())

both = pytest.mark.parametrize("values", [LEAST, MOST], ids=["least", "most"])


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def templates(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pods, by the process they run."""
    pods = [one["spec"]["template"] for one in objects if one["kind"] in ("StatefulSet", "Deployment", "Job")]
    return {pod["spec"]["containers"][0]["name"]: pod for pod in pods}


def test_the_defaults_fit_the_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


def test_the_schema_knows_every_value_and_no_other() -> None:
    def differ(values: Any, schema: dict[str, Any], path: str) -> list[str]:
        if not isinstance(values, dict) or "properties" not in schema or not values:
            return []
        known, given = schema["properties"].keys() - {"global"}, values.keys()
        inner = [
            found
            for name in known & given
            for found in differ(values[name], schema["properties"][name], f"{path}.{name}")
        ]
        return [f"{path}.{name}" for name in known ^ given] + inner

    assert differ(VALUES, SCHEMA, "") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"kafka": {"bootstrapServers": "no port"}},
        {"worker": {"replica": 3}},
        {"worker": {"storage": {"size": "ten"}}},
        {"logLevel": "loud"},
        {"kafka": {"securityProtocol": "TLS"}},
    ],
    ids=str,
)
def test_the_schema_refuses(wrong: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_choices_are_those_of_the_settings() -> None:
    def choices(field: str) -> list[str]:
        return list(Settings.model_fields[field].annotation.__args__)  # type: ignore[union-attr]  # a Literal

    kafka = SCHEMA["properties"]["kafka"]["properties"]
    assert kafka["securityProtocol"]["enum"] == choices("kafka_security_protocol")
    assert kafka["saslMechanism"]["enum"] == choices("kafka_security_mechanism")
    assert SCHEMA["properties"]["logLevel"]["enum"] == choices("log_level")


def test_scaling_stays_within_the_partitions() -> None:
    topics = load_topics(Settings.model_construct(environment=VALUES["environment"], topics_file=None, topic_prefix=""))
    keda = VALUES["worker"]["keda"]
    assert keda["maxReplicas"] <= min(topics[name].partitions for name in [*keda["topics"], "signals"])


@both
def test_helm_finds_nothing_to_say(values: dict[str, str]) -> None:
    run = helm("lint", str(CHART), "--strict", values=values, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_helm_insists_on_what_cannot_be_guessed() -> None:
    for name in LEAST:
        rest = {other: value for other, value in LEAST.items() if other != name}
        run = helm("template", "release", str(CHART), values=rest, check=False)
        assert run.returncode != 0
        assert name in run.stderr
    without_user = {name: value for name, value in MOST.items() if name != "kafka.credentials.delivery"}
    run = helm("template", "release", str(CHART), values=without_user, check=False)
    assert "kafka.credentials.delivery is required with SASL_SSL" in run.stderr


@both
def test_objects_fit_kubernetes_schemas(values: dict[str, str]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    checked = 0
    for one in rendered(values):
        if one["kind"] not in ("PodMonitor", "ScaledObject", "TriggerAuthentication"):  # others' kinds
            kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
            checked += 1
    assert checked >= 14


@both
def test_pods_run_commands_and_settings_that_exist(values: dict[str, str]) -> None:
    pods = templates(rendered(values))
    assert pods.keys() == {"worker", "delivery", "api", "topics"}
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    for name, pod in pods.items():
        [container] = pod["spec"]["containers"]
        assert exists(container["args"]), name
        variables = [one["name"] for one in container["env"]]
        assert set(variables) - known == set()
        assert len(variables) == len(set(variables))
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounted["state"] == image_settings()["STREAMPROC_DATA_DIR"]
        claimed = {"state"} if name in ("worker", "delivery") else set()
        assert mounted.keys() == {volume["name"] for volume in pod["spec"]["volumes"]} | claimed


@both
def test_pods_have_few_rights(values: dict[str, str]) -> None:
    for pod in templates(rendered(values)).values():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["automountServiceAccountToken"] is False
        [container] = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"limits", "requests"} <= container["resources"].keys()


@both
def test_probes_and_ports(values: dict[str, str]) -> None:
    ports = {name: int(value.rpartition(":")[2]) for name, value in image_settings().items() if "HTTP" in name}
    wanted = {"api": "STREAMPROC_HTTP", "worker": "STREAMPROC_WORKER_HTTP", "delivery": "STREAMPROC_DELIVERY_HTTP"}
    for name, setting in wanted.items():
        [container] = templates(rendered(values))[name]["spec"]["containers"]
        assert container["ports"] == [{"name": "http", "containerPort": ports[setting]}]
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
        startup = container["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 150, "the configuration may take 120 s to load"


@both
def test_names_and_selectors_meet(values: dict[str, str]) -> None:
    objects = rendered(values)
    pods = {name: pod["metadata"]["labels"] for name, pod in templates(objects).items()}

    def selected(labels: dict[str, str]) -> list[str]:
        return [name for name, own in pods.items() if labels.items() <= own.items()]

    selectors = {
        **{name: one["spec"]["selector"] for name, one in of_kind(objects, "Service").items()},
        **{
            f"pdb {n}": one["spec"]["selector"]["matchLabels"]
            for n, one in of_kind(objects, "PodDisruptionBudget").items()
        },
        **{
            f"net {n}": one["spec"]["podSelector"]["matchLabels"]
            for n, one in of_kind(objects, "NetworkPolicy").items()
        },
    }
    for name, labels in selectors.items():
        process = name.rpartition("-")[2]
        assert selected(labels) == ["topics" if process == "config" else process], name
    for name, one in of_kind(objects, "StatefulSet").items():
        assert one["spec"]["serviceName"] in of_kind(objects, "Service"), name
    secrets = {*of_kind(objects, "Secret"), "worker", "delivery", "api", "oidc", "operator", "authority", "certificate"}
    asked = {
        one["valueFrom"]["secretKeyRef"]["name"]
        for pod in templates(objects).values()
        for one in pod["spec"]["containers"][0]["env"]
        if "valueFrom" in one
    }
    assert asked <= secrets
    for one in of_kind(objects, "ScaledObject").values():
        target = one["spec"]["scaleTargetRef"]["name"]
        assert "replicas" not in of_kind(objects, "StatefulSet")[target]["spec"], "two would set it against each other"
        group = Settings.model_fields["worker_group"].default
        assert {trigger["metadata"]["consumerGroup"] for trigger in one["spec"]["triggers"]} == {group}


def test_what_is_not_asked_for_is_not_there() -> None:
    kinds = {one["kind"] for one in rendered(LEAST)}
    assert kinds & {"ScaledObject", "TriggerAuthentication", "PodMonitor", "Ingress", "ConfigMap"} == set()


def test_each_process_has_its_own_user() -> None:
    users = {
        name: next(
            e["valueFrom"]["secretKeyRef"]["name"]
            for e in pod["spec"]["containers"][0]["env"]
            if "USERNAME" in e["name"]
        )
        for name, pod in templates(rendered(MOST)).items()
    }
    assert users == {"worker": "worker", "delivery": "delivery", "api": "api", "topics": "operator"}
