"""How long do people wait for the page? `python benchmarks/page_speed.py [ITEMS]`.

Made-up items, whose vectors lie around those of the sample photographs, are stored in a real catalogue; the page is
then driven in Debian's Chromium. Timed in the browser: from an upload to the drawn hits, every picture included; and
from switching one more attribute on or off to the newly drawn hits. Needs playwright and chromium.
"""

import json
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from page_browser import launch_browser, served_page
from playwright.sync_api import Page, sync_playwright

from index.catalog import NewPhoto, open_catalog, write_catalog
from retrieval.build import build
from retrieval.embedder import Embedder
from retrieval.thumbnails import thumbnail_file

PHOTOS = Path(__file__).parents[1] / "samples" / "photos"
UPLOADS, SWITCHES = 12, 20

# Resolves with the milliseconds from the moment when it was armed to a page whose 12 cards show what is expected.
WATCH = """
([lines, first]) => new Promise((resolve, reject) => {
  const began = window.began, called = performance.now()
  const look = () => {
    const cards = [...document.querySelectorAll(".st-key-hits .card")]
    const pictures = [...document.querySelectorAll(".st-key-hits .picture img")]
    const drawn = cards.length === 12
      && cards.every((card) => lines === null || card.querySelectorAll("li").length === lines)
      && pictures.length === 12 && pictures.every((picture) => picture.complete)
      && (!first || cards[0].querySelector(".name").textContent === first)
      && !document.querySelector('[data-stale="true"] .card')
    if (drawn) resolve(performance.now() - began)
    else if (performance.now() - called > 60000) reject(new Error("the hits are not drawn after a minute"))
    else requestAnimationFrame(look)
  }
  look()
})
"""
ARM = (
    """() => { document.addEventListener('{event}', () => { window.began = performance.now() }, { capture: true }) }"""
)


def main(count: Annotated[int, typer.Argument(min=1, metavar="ITEMS")] = 5000) -> None:
    """Build, drive the page and print one JSON object."""
    with tempfile.TemporaryDirectory() as place:
        catalog = Path(place) / "catalog"
        make_catalog(catalog, count)
        with served_page(catalog) as address, sync_playwright() as playwright, launch_browser(playwright) as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB")
            page.set_default_timeout(120_000)
            page.goto(address)
            page.locator(".card").first.wait_for()
            for event in ("change", "click"):
                page.evaluate(ARM.replace("{event}", event))
            uploads = time_uploads(page)
            switches = time_switches(page)
        print(json.dumps({"items": count, "upload to hits": summary(uploads), "another attribute": summary(switches)}))


def make_catalog(catalog: Path, count: int) -> None:
    """A catalogue of the samples and of made-up items around them, with thumbnails."""
    random = np.random.default_rng(0)
    build([PHOTOS], catalog, Embedder.load(device="cpu"))
    read = open_catalog(catalog)
    known, model = read.known_photos(), read.model
    with write_catalog(catalog) as writer:
        photos = []
        for number in range(count - len(known)):
            like = known[number % len(known)]
            rows, seen, path = read.item(like.item)
            values = {name: value for name, (value, _, _) in seen.items()}
            row = rows[0] + 0.1 * random.normal(size=rows.shape[1]).astype(np.float32)
            for start, stop in model.spans().values():
                row[start:stop] /= np.linalg.norm(row[start:stop])
            made_up = f"{path}#{number}"
            for cut_out in (False, True):
                file = thumbnail_file(catalog, made_up, cut_out)
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(thumbnail_file(catalog, path, cut_out), file)
            photos.append(NewPhoto(f"item-{number}", made_up, 0, 0, row, values, dict.fromkeys(values, 0.9)))
        writer.store(photos, model.fingerprint)
        writer.finish(model)


def time_uploads(page: Page) -> list[float]:
    """Seconds from the choice of a file to the drawn hits, a new photo each time; the first is not counted."""
    found = []
    for photo in sorted(PHOTOS.iterdir())[: UPLOADS + 1]:
        page.locator("input[type=file]").set_input_files(photo)
        # The photo itself is in the catalogue and comes first.
        found.append(float(page.evaluate(WATCH, [None, photo.stem])) / 1000)
        page.get_by_alt_text("The cut-out of the photo").wait_for()
    return found[1:]


def time_switches(page: Page) -> list[float]:
    """Seconds from a click on a second attribute's switch to the newly drawn hits."""
    page.locator(".st-key-on-color label").click()
    page.evaluate(WATCH, [1, None])
    found = []
    for number in range(SWITCHES):
        page.locator(".st-key-on-pattern label").click()
        found.append(float(page.evaluate(WATCH, [1 if number % 2 else 2, None])) / 1000)
    return found


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and the slowest, in seconds."""
    return {"median s": round(statistics.median(seconds), 2), "slowest s": round(max(seconds), 2)}


if __name__ == "__main__":
    typer.run(main)
