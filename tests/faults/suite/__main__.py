"""`python -m tests.faults.suite [--runs N] [--seed S] [--only NAME …] [--events N] [--report FILE]`.

Exit status 1 when any run lost or invented anything. What it prints of a run names the seed that makes it again.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import orjson

from tests.faults.suite.cluster import Cluster
from tests.faults.suite.runner import Outcome, run_scenario
from tests.faults.suite.scenarios import SCENARIOS

REPORT = Path(__file__).parents[3] / "docs" / "reference" / "reliability.json"


async def run(given: argparse.Namespace) -> list[Outcome]:
    """Run scenarios, those of one cluster size together; each is in the report as soon as it has ended."""
    main_task = asyncio.current_task()
    assert main_task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main_task.cancel)  # brokers end with us
    chosen = sorted((s for s in SCENARIOS if not given.only or s.name in given.only), key=lambda s: s.brokers)
    outcomes: list[Outcome] = []
    for size, scenarios in groupby(chosen, key=lambda s: s.brokers):
        async with Cluster(size, Path(tempfile.mkdtemp(prefix="streamproc-cluster-"))) as cluster:
            for scenario in scenarios:
                cluster.heal()
                outcome = await run_scenario(scenario, cluster, given.runs, given.seed, given.events, _say, given.keep)
                outcomes.append(outcome)
                _tell(outcome)
                if given.report is not None:
                    _report(given.report, outcome, given.seed)
    return outcomes


def _report(path: Path, outcome: Outcome, seed: int) -> None:
    known = orjson.loads(path.read_bytes()) if path.exists() else {}
    known[outcome.scenario] = asdict(outcome) | {"at": f"{datetime.now(UTC):%Y-%m-%d}", "seed": seed}
    path.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2) + b"\n")


def _say(line: str) -> None:
    print(line, flush=True)


def _tell(outcome: Outcome) -> None:
    if outcome.skipped is not None:
        print(f"{outcome.scenario:<20} skipped: {outcome.skipped}", flush=True)
    for problem in outcome.problems:
        print(f"  {problem}", file=sys.stderr, flush=True)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.suite", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=6000, help="of each run")
    parser.add_argument("--only", nargs="*", default=[], choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("--report", type=Path, help=f"where to merge the figures in, such as {REPORT.name}")
    parser.add_argument("--keep", type=Path, help="where to keep the logs of runs that were wrong or slow")
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # brokers go away here, and it says so at length
    outcomes = asyncio.run(run(given))
    return 0 if all(outcome.passed or outcome.skipped for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
