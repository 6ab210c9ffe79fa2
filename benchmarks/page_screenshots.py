"""Pictures of the page's main states in both languages: `python benchmarks/page_screenshots.py OUT`.

For looking at after a change, and for reports; a catalogue of the samples with made-up prices and brands is served.
Needs playwright, chromium and, for Japanese letters, fonts-noto-cjk.
"""

import csv
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import typer
from page_browser import Visits, launch_browser, served_page
from playwright.sync_api import Locator, Page, expect, sync_playwright

from retrieval.build import build
from retrieval.embedder import Embedder

SAMPLES = Path(__file__).parents[1] / "samples"
PHOTO = SAMPLES / "photos" / "02ef828a-a7d5-4475-bf44-3907b3a977ff.jpg"
LOCALES = {"en": "en-GB", "ja": "ja-JP"}


def main(out: Path) -> None:
    """Serve, drive and take the pictures."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        catalog = make_catalog(Path(place))
        empty = make_empty(Path(place))
        with sync_playwright() as playwright, launch_browser(playwright) as browser:
            visits = Visits(browser)
            for language, locale in LOCALES.items():
                # A copy each, because one of the states is a correction.
                with served_page(Path(shutil.copytree(catalog, Path(place) / language))) as address:
                    for name, (path, act) in STATES.items():
                        page = visits.open(address + path, locale)
                        act(page)
                        settled(page)
                        page.screenshot(path=out / f"{name}-{language}.png")
                    tablet = visits.open(f"{address}/?item={PHOTO.stem}&by=collar", locale, width=1024)
                    expect(cards(tablet)).to_have_count(12)
                    settled(tablet)
                    tablet.screenshot(path=out / f"tablet-{language}.png")
                    visits.close()
                with served_page(empty) as address:
                    page = visits.open(address, locale)
                    expect(page.locator("[data-testid=stAlert]")).to_be_visible()
                    page.screenshot(path=out / f"empty-{language}.png")
                    visits.close()


def make_catalog(place: Path) -> Path:
    """The samples, with prices and brands."""
    with (place / "stock.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "price", "brand"])
        for number, photo in enumerate(sorted((SAMPLES / "photos").iterdir())):
            writer.writerow([photo.stem, 1900 + 370 * (number % 17), ["Aoi", "Kaze", "Mori"][number % 3]])
    build([SAMPLES / "photos"], place / "catalog", Embedder.load(), metadata=place / "stock.csv")
    return place / "catalog"


def make_empty(place: Path) -> Path:
    """A catalogue whose only photo could not be used."""
    (place / "photos").mkdir()
    (place / "photos" / "broken.jpg").write_bytes(b"no photo")
    build([place / "photos"], place / "empty", Embedder.load())
    return place / "empty"


def cards(page: Page) -> Locator:
    """The cards of the hits."""
    return page.locator(".st-key-hits .card")


def settled(page: Page) -> None:
    """Wait until the server has drawn everything, and the browser all pictures."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_function("() => [...document.images].every((one) => one.complete)")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def start(page: Page) -> None:
    """Nothing is searched with yet."""
    expect(page.locator(".card").first).to_be_visible()


def upload(page: Page) -> None:
    """A photo was uploaded and is cut out."""
    page.locator("input[type=file]").set_input_files(PHOTO)
    expect(cards(page)).to_have_count(12)
    expect(page.get_by_test_id("stImage")).to_have_count(2)


def corrupt(page: Page) -> None:
    """A file that is no photo was uploaded."""
    page.locator("input[type=file]").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no"})
    expect(page.get_by_test_id("stAlert")).to_have_count(2)  # beside how to begin


def mark(page: Page) -> None:
    """The dialog for the box and the brush."""
    upload(page)
    page.locator(".st-key-mark button").click()
    page.get_by_role("dialog").locator("canvas").first.wait_for()


def hits(page: Page) -> None:
    """Hits by two attributes, one of them changed, two selected."""
    expect(cards(page)).to_have_count(12)


def filters(page: Page) -> None:
    """The filters, one of them on."""
    hits(page)
    page.locator(".bars").first.scroll_into_view_if_needed()


def why(page: Page) -> None:
    """Where the network looked."""
    hits(page)
    page.locator("[class*='st-key-why-'] button").first.click()
    expect(page.get_by_role("dialog").get_by_test_id("stImage")).to_have_count(2)


def compare(page: Page) -> None:
    """Two items beside the query."""
    hits(page)
    page.locator(".st-key-compare button").click()
    page.locator("table.compare").wait_for()


def correct(page: Page) -> None:
    """A correction is made, of the second hit's colour."""
    hits(page)
    page.locator(".st-key-hits [class*='st-key-correct-'] button").nth(1).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("Aoi")
    dialog.get_by_role("textbox").press("Tab")
    dialog.get_by_role("combobox").last.click()
    page.get_by_role("option").nth(3).click()


def save(page: Page) -> None:
    """The correction was saved, and is listed."""
    correct(page)
    page.locator(".st-key-save-correction button").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(page.url.split("/?")[0] + "/corrections")
    expect(page.locator("[class*='st-key-correction-']").first).to_be_visible()


def browse(page: Page) -> None:
    """The catalogue to choose an item from, by the button of a search."""
    hits(page)
    page.locator(".st-key-browse button").click()
    start(page)


def charts(page: Page) -> None:
    """The catalogue's page."""
    expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible()


def nothing(page: Page) -> None:
    """No item passes the filters."""
    expect(page.get_by_test_id("stAlert").first).to_be_visible()


SEARCH = f"/?item={PHOTO.stem}&by=collar&by=sleeve:1.5&set=sleeve:long"
SELECTED = SEARCH + "&kept=c5b80186-15fa-4b9a-9ca4-88005b0db7bf&kept=7a11318e-f52c-495d-b337-ad513ef93ed2"
STATES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "1-start": ("/", start),
    "2-upload": ("/", upload),
    "3-corrupt": ("/", corrupt),
    "4-mark": ("/", mark),
    "5-hits": (SELECTED, hits),
    "6-filters": (SEARCH + "&is=category:dress", filters),
    "7-why": (SEARCH, why),
    "8-compare": (SELECTED, compare),
    "9-correct": (SEARCH, correct),
    "10-corrections": (SEARCH, save),
    "11-browse": (SEARCH, browse),
    "12-catalogue": ("/catalogue", charts),
    "13-nothing": (SEARCH + "&between=price:1:2", nothing),
    "14-whole": (SEARCH + "&whole=1", hits),
    "15-filtered": ("/?is=category:dress", start),
    "16-no-such-item": ("/?item=none", nothing),
}

if __name__ == "__main__":
    typer.run(main)
