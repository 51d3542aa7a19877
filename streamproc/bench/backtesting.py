"""How fast `streamproc backtest` goes through CloudTrail records: events per second of CPU time, start-up left out.

The records are drawn, or those of a file; either way they are repeated, with ids of their own, until there are
enough. The rules are the AWS pack's, or those of a directory.
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from streamproc.bench.child import plain_environment
from streamproc.bench.contestant import BenchError
from streamproc.model.times import iso

AWS_PACK = Path(__file__).parents[1] / "rules" / "packs" / "aws"
START_MS = 1_770_724_800_000
_CALLS = (
    *(("ec2", name) for name in ("DescribeInstances", "DescribeVolumes", "RunInstances", "DescribeSecurityGroups")),
    *(("s3", name) for name in ("GetObject", "PutObject", "ListObjects", "GetBucketPolicy", "HeadObject")),
    *(("iam", name) for name in ("GetUser", "ListRoles", "GetRole", "ListAccessKeys", "CreateAccessKey")),
    *(("sts", name) for name in ("AssumeRole", "GetCallerIdentity")),
    *(("kms", name) for name in ("Decrypt", "GenerateDataKey", "DescribeKey")),
    *(("logs", name) for name in ("CreateLogStream", "DescribeLogGroups")),
    *(("lambda", name) for name in ("Invoke", "GetFunction20150331v2")),
    *(("ssm", name) for name in ("GetParameter", "DescribeInstanceInformation", "SendCommand")),
    *(("secretsmanager", name) for name in ("GetSecretValue", "ListSecrets")),
    *(("cloudtrail", name) for name in ("LookupEvents", "DescribeTrails", "StopLogging")),
)


@dataclass(frozen=True, slots=True)
class BacktestFigure:
    """One set of rules over the records."""

    label: str
    events: int
    cpu_s: float
    """Without start-up."""
    alerts: int

    @property
    def events_per_s(self) -> float:
        """On one core."""
        return self.events / self.cpu_s if self.cpu_s else 0.0


async def measure_backtest(
    directory: Path, count: int, records: Path | None, rules: Sequence[Path]
) -> list[BacktestFigure]:
    """One figure for each path of rules. Raises BenchError."""
    events, one = directory / "cloudtrail.jsonl", directory / "one.jsonl"
    source = _drawn(count) if records is None else _repeated(records, count)
    with events.open("wb") as file:
        for record in source:
            file.write(orjson.dumps(record) + b"\n")
    with events.open("rb") as file:
        one.write_bytes(file.readline())
    found = []
    for path in rules:
        idle, _ = await _run(directory, path, one)
        cpu, alerts = await _run(directory, path, events)
        found.append(BacktestFigure(f"rules of {path.name}", count, cpu - idle, alerts))
    return found


async def _run(directory: Path, rules: Path, events: Path) -> tuple[float, int]:
    """CPU seconds of a backtest, and how many alerts it found."""
    output = directory / "alerts.jsonl"
    command = [sys.executable, "-m", "streamproc", "backtest", "--rules", str(rules), "--events", str(events)]
    command += ["--format", "cloudtrail", "--tenant", "bench", "-o", str(output)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = await asyncio.create_subprocess_exec(
        *command, env=plain_environment() | {"PATH": os.environ.get("PATH", "")}, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    if process.returncode:
        raise BenchError(f"backtest ended with status {process.returncode}: {errors.decode(errors='replace')[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, output.read_bytes().count(b"\n")


def _repeated(path: Path, count: int) -> Iterator[dict[str, Any]]:
    """The file's records, again and again, each time with other ids and an hour later than the last was late."""
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines() if line]
    if not lines:
        raise BenchError(f"{path} has no records")
    for number in range(count):
        record = lines[number % len(lines)]
        yield {**record, "eventID": f"{record.get('eventID')}-{number // len(lines)}"}


def _drawn(count: int) -> Iterator[dict[str, Any]]:
    """Records of the size and shape that CloudTrail delivers, 1.2 kB each."""
    rng = random.Random(20260210)
    for number in range(count):
        service, name = _CALLS[int(rng.random() ** 2 * len(_CALLS))]
        user = f"user-{rng.randrange(200)}"
        account = "123456789012"
        arn = f"arn:aws:sts::{account}:assumed-role/operator/{user}"
        yield {
            "eventVersion": "1.08",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": f"AROAEXAMPLE:{user}",
                "arn": arn,
                "accountId": account,
                "accessKeyId": f"ASIA{rng.randrange(10**12):012d}",
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": "AROAEXAMPLE",
                        "arn": f"arn:aws:iam::{account}:role/operator",
                        "accountId": account,
                        "userName": "operator",
                    },
                    "attributes": {"creationDate": "2026-02-10T09:00:00Z", "mfaAuthenticated": "true"},
                },
            },
            "eventTime": iso(START_MS + number * 50)[:19] + "Z",
            "eventSource": f"{service}.amazonaws.com",
            "eventName": name,
            "awsRegion": "eu-central-1",
            "sourceIPAddress": f"198.51.100.{rng.randrange(250)}",
            "userAgent": "aws-cli/2.15.0 Python/3.11 Linux/6.1",
            "requestParameters": {"instanceId": f"i-{rng.randrange(16**8):08x}", "maxResults": 100},
            "responseElements": None,
            "requestID": f"{rng.randrange(16**16):016x}",
            "eventID": f"{number:08d}-{rng.randrange(16**12):012x}",
            "readOnly": name.startswith(("Describe", "Get", "List", "Head")),
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": account,
            "eventCategory": "Management",
            "tlsDetails": {
                "tlsVersion": "TLSv1.3",
                "clientProvidedHostHeader": f"{service}.amazonaws.com",
            },
            **({"errorCode": "AccessDenied", "errorMessage": "not allowed"} if rng.random() < 0.02 else {}),
        }
