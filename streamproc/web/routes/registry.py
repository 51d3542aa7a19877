"""Every route of the API: the modules that declare some, each with `ROUTES`."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache

from streamproc.web.route import Route

MODULES = (
    "routes.health",
    "routes.openapi",
    "routes.session",
    "routes.oidc",
    "routes.events",
    "routes.alerts",
    "routes.incidents",
    "routes.deliveries",
    "routes.dead_letters",
    "routes.stats",
    "routes.stream",
    "routes.rules",
    "routes.rule_versions",
    "routes.rule_templates",
    "routes.simulate",
    "routes.backtests",
    "routes.testing",
    "routes.configured",
    "routes.webhooks",
    "routes.users",
    "routes.policies",
    "routes.previews",
    "routes.keys",
    "routes.audit",
    "routes.compat",
    "routes.shared",
    "pages",
)


@cache
def all_routes() -> tuple[Route, ...]:
    """In the order of the modules; of two that could match, the first does."""
    found: list[Route] = []
    for name in MODULES:
        if importlib.util.find_spec(f"streamproc.web.{name}") is not None:
            found += importlib.import_module(f"streamproc.web.{name}").ROUTES
    return tuple(found)
