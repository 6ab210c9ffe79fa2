"""Starting the page and Debian's Chromium for tests, benchmarks and screenshots."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

ROOT = Path(__file__).parents[1]
PATIENCE = 60_000  # milliseconds; how long a busy machine may take
expect.set_options(timeout=PATIENCE)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def launch_browser(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    arguments += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # a camera of coloured bars
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def served_page(catalog: Path, *options: str) -> Iterator[str]:
    """The page on a catalogue, on a free port; yields its address and stops it at the end."""
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "ui" / "app.py")]
    command += ["--server.headless", "true", "--server.port", "0", "--", "--catalog", str(catalog), *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=catalog.parent
    )
    try:
        yield _address(server)
    finally:
        server.terminate()
        server.wait()


def _address(server: "subprocess.Popen[str]") -> str:
    assert server.stdout is not None
    lines = []
    for line in server.stdout:
        lines.append(line)
        if found := re.search(r"URL: (http://localhost:\d+)", line):
            # A pipe that nobody reads would stop the server once it is full.
            Thread(target=server.stdout.read, daemon=True).start()
            return found[1]
    raise RuntimeError("the page did not start:\n" + "".join(lines))


class Visits:
    """Opens pages in contexts of their own; at the end none of them may show an error of ours."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []

    def open(self, address: str, locale: str = "en-GB", width: int = 1280) -> Page:
        """A page in a browser that knows nothing of the others."""
        context = self._browser.new_context(
            locale=locale, viewport={"width": width, "height": 900}, accept_downloads=True
        )
        context.set_default_timeout(PATIENCE)
        self._contexts.append(context)
        page = context.new_page()
        page.goto(address)
        return page

    def close(self) -> None:
        """Close all pages. Raises AssertionError if one of them shows a traceback."""
        with ExitStack() as stack:
            for context in self._contexts:
                stack.callback(context.close)
            for context in self._contexts:
                for page in context.pages:
                    assert page.locator(".stException").count() == 0
                    assert "Traceback" not in page.content()
            self._contexts = []
