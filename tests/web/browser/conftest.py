"""One Chromium and one running installation for all browser tests."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamproc.settings import HostPort, Settings
from tests.conftest import JARS
from tests.web.browser.running import Running, attack, furnish, running

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the dev extra has it)")

CHROMIUM = os.environ.get("STREAMPROC_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = Path(__file__).resolve().parents[3] / "docs" / "images" / "dashboard"
NewPage = Callable[..., "playwright.Page"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser these tests cannot say anything."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.broker)
            item.add_marker(pytest.mark.slow)
            if CHROMIUM is None:
                item.add_marker(
                    pytest.mark.skip(reason="no Chromium: install Debian's, or set STREAMPROC_TEST_CHROMIUM")
                )


@pytest.fixture(scope="package")
def site(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Everything running and furnished, with the alerts of an attack."""
    directory = tmp_path_factory.mktemp("browser")
    free = HostPort("127.0.0.1", 0)
    settings = Settings(
        kafka=broker, data_dir=directory, topic_prefix=f"t-{uuid.uuid4().hex[:8]}-", broker="java", broker_jars=JARS,
        http=free, worker_http=free, delivery_http=free, session_timeout=6.0, commit_interval=0.5,
    )  # fmt: skip
    with running(settings, directory) as made:
        furnish(made)
        attack(made)
        made.until("an alert of every rule that fires", lambda: len({one["rule"]["id"] for one in made.alerts()}) >= 6)
        yield made


@pytest.fixture(scope="package")
def browser(site: Running) -> Iterator[playwright.Browser]:
    """Debian's Chromium, without a window.

    While it is open the thread has a running event loop, in which neither `site` could be made nor asynchronous tests
    run; so it is opened after the one and closed before the others.
    """
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture
def new_page(browser: playwright.Browser, site: Running) -> Iterator[NewPage]:
    """Makes pages; fails the test when one of them reports an error of a script or of the content security policy."""
    contexts = []
    said: list[str] = []

    def make(
        *, width: int = 1440, height: int = 900, dark: bool = False, key: str | None = None, path: str = "/alerts"
    ) -> playwright.Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", locale="en-GB",
            timezone_id="UTC", reduced_motion="reduce", base_url=site.url,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "console",
            lambda line: said.append(line.text) if line.type == "error" and "Failed to load" not in line.text else None,
        )
        if key != "":
            context.request.post("/v1/session", data={"key": key or site.key})
        page.goto(f"/#{path}")
        return page

    yield make
    for context in contexts:
        context.close()
    assert said == []
