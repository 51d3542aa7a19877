"""Loaded by schemathesis: what it must not do, because it would take away its own key."""

from __future__ import annotations

import os
from typing import Any

import schemathesis

OWN_KEY = os.environ.get("STREAMPROC_TEST_OWN_KEY", "")


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Whether to send the request."""
    return (case.path_parameters or {}).get("id") != OWN_KEY
