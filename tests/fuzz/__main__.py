"""`python -m tests.fuzz [--inputs N] [--seed S] [--target T]`: exit status 1, and the input, when one is mishandled."""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import sys
import time

from tests.fuzz.mutate import inputs
from tests.fuzz.targets import TARGETS, Target

HANG_S = 20.0


def run(target: Target, count: int, seed: int) -> tuple[int, bytes | None, Exception | None]:
    """(inputs that were refused as they should be, the input that was mishandled, what it raised)."""
    refused = 0
    for value in itertools.islice(inputs(target.samples, seed), count):
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        try:
            target.run(value)
        except target.allowed:
            refused += 1
        except Exception as error:
            return refused, value, error
        finally:
            faulthandler.cancel_dump_traceback_later()
    return refused, None, None


def main() -> int:
    """Fuzz every target, `--inputs` in all."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", choices=[target.name for target in TARGETS])
    given = parser.parse_args()
    chosen = [target for target in TARGETS if given.target in (None, target.name)]
    failed = 0
    for target in chosen:
        started, count = time.process_time(), given.inputs // len(chosen)
        refused, value, error = run(target, count, given.seed)
        seconds = time.process_time() - started
        print(f"{target.name:<14} {count:>9,} inputs  {refused:>9,} refused  {seconds:7.1f} CPU-s", flush=True)
        if error is not None:
            failed = 1
            print(f"  {type(error).__name__}: {error}\n  input: {value!r}", file=sys.stderr, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
