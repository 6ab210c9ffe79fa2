"""A real browser, and the real page on a real catalogue of the samples."""

import csv
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_browser import CHROMIUM, Visits, launch_browser, served_page
from playwright.sync_api import Browser, sync_playwright

from retrieval.build import build
from retrieval.embedder import Embedder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the tests of the page need Chromium: apt-get install chromium")
        pytest.skip("no Chromium; on Debian and Ubuntu: sudo apt-get install chromium")
    with sync_playwright() as playwright, launch_browser(playwright) as launched:
        yield launched


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, samples: Path, embedder: Embedder) -> Path:
    """A catalogue of the samples with a price and a brand, one of them a trap; not to be written to."""
    folder = tmp_path_factory.mktemp("shop")
    with (folder / "stock.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "price", "brand"])
        for number, photo in enumerate(sorted((samples / "photos").iterdir())):
            writer.writerow([photo.stem, 10 + number, "<img src=x onerror=alert(1)> *A*" if number % 2 else "B & C"])
    build([samples / "photos"], folder / "catalog", embedder, metadata=folder / "stock.csv")
    return folder / "catalog"


@pytest.fixture(scope="session")
def served(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page on a copy of the shop's catalogue."""
    copy = Path(shutil.copytree(shop, tmp_path_factory.mktemp("served") / "catalog"))
    with served_page(copy) as address:
        yield address


@pytest.fixture
def visits(browser: Browser) -> Iterator[Visits]:
    found = Visits(browser)
    yield found
    found.close()
