"""The fault suite: `python -m tests.faults.suite`, which `make test-faults` runs."""
