"""Pages in a browser (Debian's chromium, driven by playwright)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")

# As root and without a network of its own.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

BROWSER_SECONDS = 120
"""How long a page may take to show something."""

SCHEMES = ("light", "dark")

FAULTS_OF_TEXTS = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
"""What is wrong with texts of a page: cut off, squeezed, hard to read."""


@contextmanager
def open_browser() -> Iterator[Any]:
    """A browser; playwright runs an event loop in this thread until it is closed."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS, chromium_sandbox=False
        )
        yield started
        started.close()


class Shown:
    """A page in the browser, with what it has requested and complained about."""

    def __init__(self, browser: Any, url: str, *, width: int = 1280, **context: Any) -> None:
        self.page = browser.new_context(
            viewport={"width": width, "height": 900},
            # Nothing is half transparent while it appears.
            reduced_motion="reduce",
            **context,
        ).new_page()
        self.page.set_default_timeout(BROWSER_SECONDS * 1000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def take_picture(self, file: Path) -> None:
        """Take a picture of the whole page, and assert that all of it can be read."""
        self.page.screenshot(path=file, full_page=True)
        faults = self.page.evaluate(FAULTS_OF_TEXTS)
        assert not faults, "\n".join(faults)
        assert self.complaints == []
