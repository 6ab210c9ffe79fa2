"""The page as catalogue staff use it, in a real browser, on the samples' catalogue."""

import csv
import io
import re
import shutil
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from page_browser import PATIENCE, Visits, served_page
from PIL import Image
from playwright.sync_api import Download, Locator, Page, TimeoutError, expect

from retrieval.build import build
from retrieval.embedder import Embedder


@pytest.fixture(scope="session")
def shirt(samples: Path) -> str:
    """The id of a short-sleeved T-shirt."""
    with (samples / "labels.csv").open() as file:
        rows = csv.DictReader(file)
        return next(row["id"] for row in rows if row["sleeve"] == "short" and row["category"] == "t-shirt")


def cards(page: Page) -> Locator:
    return page.locator(".st-key-hits .card")


def names(page: Page) -> list[str]:
    return cards(page).locator(".name").all_text_contents()


def switch(page: Page, attribute: str) -> None:
    page.locator(f".st-key-on-{attribute} label").click()


def values_of(page: Page, line: int) -> list[str]:
    """The line-th value on each card, with its mark."""
    return [card.locator("li").nth(line).inner_text() for card in cards(page).all()]


def by_item(visits: Visits, served: str, item: str, rest: str = "", locale: str = "en-GB") -> Page:
    page = visits.open(f"{served}/?item={item}{rest}", locale)
    expect(cards(page)).to_have_count(12)
    settled(page)  # a click while the page is still being drawn may meet another card
    return page


def settled(page: Page) -> None:
    """Wait until the server has drawn everything that it draws for what was done last."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def with_filters(visits: Visits, served: str, item: str) -> Page:
    """The page with its filters open, in a window so high that nothing scrolls: a list closes when the page does."""
    page = by_item(visits, served, item, "&by=color")
    page.set_viewport_size({"width": 1280, "height": 2200})
    page.get_by_text("Filters", exact=True).click()
    return page


def open_list(page: Page, place: Locator, typed: str = "") -> None:
    """Open a place's list once it stands still and the page is drawn, since it closes when either changes; type."""
    box = place.get_by_role("combobox").last
    box.hover()
    settled(page)
    box.click()
    box.fill(typed)


def choose(page: Page, place: Locator, name: str | re.Pattern[str], typed: str = "") -> str:
    """Choose from a list, once more where a late redraw closed it, as staff would; returns the option's text."""
    option = page.get_by_role("option", name=name)
    for patience in (PATIENCE / 6, PATIENCE / 6, PATIENCE):
        open_list(page, place, typed)
        with suppress(TimeoutError):
            text = option.inner_text(timeout=patience)
            option.click(timeout=patience)
            return text
    raise AssertionError(f"the list offers no {name}")


def saved(download: Download) -> bytes:
    return download.path().read_bytes()


def test_search_by_upload_shows_the_photo_its_cut_out_and_hits(
    visits: Visits, served: str, sample_photos: list[Path]
) -> None:
    page = visits.open(served)
    page.locator("input[type=file]").set_input_files(sample_photos[3])
    expect(cards(page)).to_have_count(12)
    assert names(page)[0] == sample_photos[3].stem
    expect(cards(page).first.locator(".score")).to_have_text(re.compile(r"Match (99|100)"))
    expect(page.get_by_alt_text("The photo that is searched with")).to_be_visible()
    expect(page.get_by_alt_text("The cut-out of the photo")).to_be_visible()
    expect(page.locator(".st-key-attribute-category .seen")).to_contain_text(re.compile(r"\w+ · \d+ %"))
    # The address alone brings the same hits to somebody else, who has not got the photo.
    expect(page).to_have_url(re.compile("seen="))
    other = visits.open(page.url)
    expect(other.get_by_text("The photo of this search is not stored")).to_be_visible()
    expect(cards(other)).to_have_count(12)
    assert names(other)[:3] == names(page)[:3]


def test_the_cut_out_can_be_searched_with(visits: Visits, served: str, sample_photos: list[Path]) -> None:
    page = visits.open(served)
    page.locator("input[type=file]").set_input_files(sample_photos[0])
    expect(page.get_by_alt_text("The cut-out of the photo")).to_be_visible()
    before = parse_qs(urlparse(page.url).query)["seen"]
    page.get_by_text("Search with the cut-out").click()
    page.wait_for_function("(before) => !location.search.includes(before)", arg=before[0][:60])
    expect(cards(page)).to_have_count(12)


def marking(visits: Visits, served: str, photo: Path) -> Page:
    """The page with a photo, and the dialog to mark its garment."""
    page = visits.open(served)
    page.locator("input[type=file]").set_input_files(photo)
    expect(page.get_by_alt_text("The cut-out of the photo")).to_be_visible()
    page.get_by_role("button", name="Mark the garment").click()
    return page


def draw_and_apply(page: Page) -> None:
    """Draw from one place of the canvas to another, and apply that."""
    canvas = page.get_by_role("dialog").locator("canvas").last
    canvas.hover()  # waits until the dialog stands still
    expect(page.get_by_role("button", name="Apply")).to_be_disabled()
    settled(page)
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 40, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 300, steps=5)
    page.mouse.up()
    page.get_by_role("button", name="Apply").click()


@pytest.mark.parametrize("shape", ["Brush", "Box"])
def test_parts_of_the_cut_out_are_dropped(visits: Visits, served: str, sample_photos: list[Path], shape: str) -> None:
    page = marking(visits, served, sample_photos[0])
    cut_out = page.get_by_alt_text("The cut-out of the photo")
    before = cut_out.get_attribute("src")
    page.get_by_role("dialog").get_by_text("Remove parts", exact=True).click()
    page.get_by_role("dialog").get_by_text(shape, exact=True).click()
    settled(page)
    draw_and_apply(page)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(cut_out).not_to_have_attribute("src", before or "")
    expect(cards(page)).to_have_count(12)


def test_a_photo_is_taken_with_the_camera(visits: Visits, served: str) -> None:
    page = visits.open(served)
    page.locator(".st-key-source").get_by_text("Camera").click()
    # As people do: not before the camera shows something.
    page.wait_for_function("() => [...document.querySelectorAll('video')].some((one) => one.videoWidth > 0)")
    page.get_by_test_id("stCameraInputButton").click()
    expect(page.get_by_alt_text("The photo that is searched with")).to_be_visible()
    expect(cards(page)).to_have_count(12)


def test_an_image_is_pasted(visits: Visits, served: str, sample_photos: list[Path]) -> None:
    page = visits.open(served)
    expect(page.get_by_role("button", name="Paste an image")).to_be_visible()
    settled(page)
    paste = """(bytes) => {
      const data = new DataTransfer()
      data.items.add(new File([new Uint8Array(bytes)], "image.jpg", { type: "image/jpeg" }))
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }))
    }"""
    page.evaluate(paste, list(sample_photos[3].read_bytes()))
    expect(cards(page)).to_have_count(12)
    assert names(page)[0] == sample_photos[3].stem


def test_a_box_is_given_without_drawing(visits: Visits, served: str, sample_photos: list[Path]) -> None:
    page = marking(visits, served, sample_photos[0])
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Use sliders instead").click()
    dialog.get_by_role("slider").first.press("PageUp")
    expect(dialog.get_by_role("button", name="Apply")).to_be_enabled()
    dialog.get_by_role("button", name="Apply").press("Enter")
    expect(page.get_by_text("Only a part of the photo is used.")).to_be_visible()


def test_a_box_crops_the_photo(visits: Visits, served: str, sample_photos: list[Path]) -> None:
    page = marking(visits, served, sample_photos[0])
    draw_and_apply(page)
    expect(page.get_by_text("Only a part of the photo is used.")).to_be_visible()
    expect(cards(page)).to_have_count(12)


def test_search_by_item_typed_and_browsed(visits: Visits, served: str, shirt: str) -> None:
    page = visits.open(served)
    page.locator(".st-key-source").get_by_text("Catalogue").click()
    page.get_by_label("Item's ID").fill(shirt)
    page.get_by_label("Item's ID").press("Enter")
    expect(cards(page)).to_have_count(12)
    assert shirt not in names(page)
    page.get_by_role("button", name="Browse the catalogue").click()
    page.locator("[class*='st-key-example-'] button").nth(2).click()
    expect(cards(page)).to_have_count(12)
    expect(page).not_to_have_url(re.compile(shirt))
    page.get_by_label("Item's ID").fill("no such item")
    page.get_by_label("Item's ID").press("Enter")
    expect(page.get_by_text("There is no item “no such item”")).to_be_visible()


def test_two_attributes_with_weights_and_paging(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt)
    switch(page, "collar")
    expect(cards(page).first.locator("li")).to_have_count(1)
    switch(page, "color")
    expect(cards(page).nth(11).locator("li")).to_have_count(2)
    settled(page)
    equal, same_colour = names(page), of_the_same_colour(page)
    slider = page.get_by_role("slider", name="Importance of Colour")
    slider.focus()
    slider.press("End")
    expect(page).to_have_url(re.compile(r"by=color%3A5|by=color:5"))
    settled(page)
    first_page = names(page)
    assert first_page != equal
    assert of_the_same_colour(page) >= same_colour
    page.get_by_role("button", name="Page 2", exact=True).click()
    expect(page).to_have_url(re.compile("page=2"))
    expect(page.get_by_text(re.compile("13–24 of"))).to_be_visible()
    settled(page)
    assert not set(names(page)) & set(first_page)


def of_the_same_colour(page: Page) -> int:
    return page.locator(".st-key-hits li.same[title=Colour]").count()


def test_an_address_of_before_still_leads_to_hits(visits: Visits, served: str, shirt: str) -> None:
    """When there were more hits, and a column that the catalogue has no longer."""
    page = visits.open(f"{served}/?item={shirt}&by=color&page=39&is=gone:x&between=gone:1:2")
    expect(page.get_by_text("145–156 of 156")).to_be_visible()
    expect(cards(page)).to_have_count(12)


def test_the_browser_goes_back(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt, "&by=collar")
    first = names(page)
    page.get_by_role("button", name="More like this").first.click()
    expect(page.get_by_text(f"Item {first[0]}")).to_be_visible()
    settled(page)
    page.go_back()
    expect(page.get_by_text(f"Item {shirt}")).to_be_visible()
    expect(page).to_have_url(re.compile(f"item={shirt}"))
    settled(page)
    assert names(page) == first
    page.go_forward()
    expect(page.get_by_text(f"Item {first[0]}")).to_be_visible()


def test_the_browser_goes_back_to_the_start(visits: Visits, served: str, shirt: str) -> None:
    page = visits.open(served)
    page.locator(".st-key-examples").get_by_role("button", name="More like this").first.click()
    expect(cards(page)).to_have_count(12)
    settled(page)
    page.go_back()
    expect(page.get_by_text("or one of these items")).to_be_visible()
    page = by_item(visits, served, shirt, "&by=collar")
    page.get_by_role("link", name="Catalogue").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("link", name="Search").click()  # the search goes on
    expect(page.get_by_text(f"Item {shirt}")).to_be_visible()
    expect(page).to_have_url(re.compile(f"item={shirt}"))


def test_back_to_ones_own_photo(visits: Visits, served: str, sample_photos: list[Path]) -> None:
    page = visits.open(served)
    page.locator("input[type=file]").set_input_files(sample_photos[3])
    expect(page.get_by_alt_text("The cut-out of the photo")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="More like this").nth(1).click()
    expect(page).to_have_url(re.compile("item="))
    settled(page)
    page.get_by_role("button", name="Back to my photo").click()
    expect(page.get_by_alt_text("The photo that is searched with")).to_be_visible()
    settled(page)
    assert names(page)[0] == sample_photos[3].stem


def test_change_to_another_value(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt, "&by=sleeve")
    choose(page, page.locator(".st-key-set-sleeve"), "Change to: Long")
    expect(page).to_have_url(re.compile("set=sleeve"))
    expect(cards(page).first.locator("li.same", has_text="Long")).to_be_visible()
    sleeves = [text for card in cards(page).all() for text in card.locator("li[title=Sleeve]").all_inner_texts()]
    assert sum("Long" in text for text in sleeves) >= 9
    page.locator("[class*='st-key-card-']").first.get_by_text("Select", exact=True).click()
    expect(page.get_by_text("Selected: 1")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Compare").click()
    # The query keeps what was seen in it, beside what is asked for in its place.
    expect(page.locator("table.compare .plain", has_text=re.compile(r"\w → Long"))).to_have_count(1)


def test_filters_count_and_filter(visits: Visits, served: str, shirt: str) -> None:
    page = with_filters(visits, served, shirt)
    chosen = choose(page, page.locator(".st-key-filter-category"), re.compile("Dress"), "Dress")
    count = int(re.search(r"\((\d+)\)", chosen)[1])  # type: ignore[index]
    expect(page.get_by_text(f"of {count} items")).to_be_visible()
    expect(page).to_have_url(re.compile("is=category"))
    page.keyboard.press("Escape")  # closes the list
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_text("of 156 items")).to_be_visible()


def test_filters_narrow_down_what_there_is_to_begin_with(visits: Visits, served: str) -> None:
    page = visits.open(f"{served}/?is=category:dress")
    dresses = page.locator("[class*='st-key-card-example-']")
    expect(dresses.first).to_be_visible()
    settled(page)
    total = int(re.findall(r"of (\d+) items", page.locator("div.seen[role=status]").inner_text())[0])
    assert 0 < total < 100
    expect(dresses).to_have_count(min(12, total))
    page.locator(".st-key-clear-filters button").click()  # without a query the filters stand open
    expect(page.locator("div.seen[role=status]")).not_to_have_text(re.compile(rf"of {total} items"))


def test_a_range_of_numbers_is_typed(visits: Visits, served: str, shirt: str) -> None:
    page = with_filters(visits, served, shirt)
    expect(page.locator(".bars i")).to_have_count(16)
    assert "10 – 20: " in page.locator(".bars + .unseen").inner_text()
    page.get_by_label("price, to").fill("29")
    page.get_by_label("price, to").press("Enter")
    expect(page).to_have_url(re.compile("between=price%3A10.0%3A29.0"))
    expect(page.locator("div.seen[role=status]")).to_have_text(re.compile(r"of (19|20) items"))


def test_the_garment_is_marked_in_the_photo_of_an_item(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt)
    page.locator(".st-key-mark button").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("canvas").first.wait_for()
    dialog.get_by_text("Use sliders instead").click()
    dialog.get_by_role("slider").first.press("PageUp")
    dialog.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Only a part of the photo is used.")).to_be_visible()


def test_an_item_whose_photo_is_gone_is_searched_with_by_its_cut_out(
    visits: Visits, embedder: Embedder, samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    for photo in sorted((samples / "photos").iterdir())[:14]:
        shutil.copy(photo, tmp_path / "photos")
    build([tmp_path / "photos"], tmp_path / "catalog", embedder)
    gone = min((tmp_path / "photos").iterdir())
    gone.unlink()
    with served_page(tmp_path / "catalog") as address:
        page = visits.open(f"{address}/?item={gone.stem}&whole=1")
        expect(cards(page)).to_have_count(12)
        expect(page.get_by_text("can't be searched with its whole photo")).to_be_visible()
        visits.close()


def test_an_item_is_searched_with_and_without_its_cut_out(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt)
    scores = page.locator(".st-key-hits .score").all_text_contents()
    page.locator(".st-key-use-cut label").click()
    expect(page).to_have_url(re.compile("whole=1"))
    expect(page.locator(".st-key-hits .score")).not_to_have_text(scores)
    page.locator(".st-key-use-cut label").click()
    expect(page.locator(".st-key-hits .score")).to_have_text(scores)
    assert "whole" not in page.url


def test_metadata_filters_are_escaped_and_nothing_left_says_what_to_do(visits: Visits, served: str, shirt: str) -> None:
    page = with_filters(visits, served, shirt)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    choose(page, page.locator(".st-key-filter-brand"), "onerror")
    expect(page.get_by_text("of 78 items")).to_be_visible()
    assert asked == []
    nothing = visits.open(f"{served}/?item={shirt}&between=price:1:2")
    expect(nothing.get_by_text("Nothing in the catalogue passes these filters")).to_be_visible()
    nothing.locator(".st-key-clear-filters-here button").click()
    expect(nothing.get_by_text("of 156 items")).to_be_visible()
    expect(nothing).not_to_have_url(re.compile("between"))


def test_why_shows_where_the_network_looked(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt, "&by=collar&by=color")
    page.get_by_role("button", name="Why?").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_alt_text(re.compile("What counted for Collar"))).to_have_count(2)
    dialog.get_by_text("Colour", exact=True).click()
    expect(dialog.get_by_alt_text(re.compile("What counted for Colour"))).to_have_count(2)


def test_more_like_this_makes_a_hit_the_query(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt, "&by=collar")
    hit = names(page)[0]
    page.get_by_role("button", name="More like this").first.click()
    expect(page).to_have_url(re.compile(f"item={hit}"))
    expect(page.get_by_text(f"Item {hit}")).to_be_visible()
    expect(page).to_have_url(re.compile("by=collar"))


def test_selection_is_compared_exported_and_kept_in_the_address(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt, "&by=collar")
    chosen = names(page)[:2]
    for position in (0, 1):
        cards_of = page.locator("[class*='st-key-card-']").nth(position)
        cards_of.get_by_text("Select", exact=True).click()
        expect(page.get_by_text(f"Selected: {position + 1}")).to_be_visible()
        settled(page)
    with page.expect_download() as table:
        page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader(io.StringIO(saved(table.value).decode("utf-8-sig"))))
    assert [row["id"] for row in rows] == chosen
    assert all(row["collar"] for row in rows)
    with page.expect_download() as sheet:
        page.get_by_role("button", name="Save as picture sheet").click()
    with Image.open(io.BytesIO(saved(sheet.value))) as picture:
        assert picture.format == "PNG"
        assert picture.width > 500
    page.get_by_role("button", name="Compare").click()
    table_shown = page.locator("table.compare")
    expect(table_shown.locator("img")).to_have_count(3)
    expect(table_shown.locator("tr")).to_have_count(8)
    again = visits.open(page.url)
    expect(again.get_by_text("Selected: 2")).to_be_visible()


def test_a_correction_counts_at_once_and_can_be_undone(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt, "&by=category")
    item = names(page)[0]
    page.locator(".st-key-hits").get_by_role("button", name="Fix a value").first.click()
    dialog = page.get_by_role("dialog")
    choose(page, dialog, "Hat", "Hat")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("Enter your name")).to_be_visible()
    dialog.get_by_label("Your name").fill("Aoi <b>")
    dialog.get_by_label("Your name").press("Tab")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. Filters use it from now on")).to_be_visible()
    only_hats = visits.open(f"{served}/?item={shirt}&by=color&is=category:hat")
    expect(cards(only_hats).locator(".name", has_text=item)).to_have_count(1)
    listed = visits.open(f"{served}/corrections")
    expect(listed.get_by_text("Aoi <b>")).to_be_visible()
    with listed.expect_download() as labels:
        listed.get_by_role("button", name="Export as labels.csv").click()
    rows = list(csv.DictReader(io.StringIO(saved(labels.value).decode())))
    assert [(row["id"], row["split"], row["category"], row["collar"]) for row in rows] == [(item, "train", "hat", "")]
    listed.get_by_role("button", name="Undo").click()
    expect(listed.get_by_text(re.compile("^Undone 2"))).to_be_visible()
    only_hats.reload()
    expect(only_hats.get_by_text("Results")).to_be_visible()
    expect(cards(only_hats).locator(".name", has_text=item)).to_have_count(0)


def test_a_correction_given_up_is_not_offered_for_another_item(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt, "&by=category")
    page.get_by_role("button", name="Fix a value", exact=True).nth(1).click()
    dialog = page.get_by_role("dialog")
    choose(page, dialog, "Hat", "Hat")
    expect(dialog.get_by_role("combobox").last).to_have_value("Hat")
    settled(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Fix a value", exact=True).nth(2).click()
    expect(dialog.get_by_role("button", name="Save")).to_be_visible()
    settled(page)
    expect(dialog.get_by_role("combobox").last).not_to_have_value("Hat")


def test_dialogs_are_in_japanese_too(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt, "&by=collar", locale="ja-JP")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    page.get_by_role("button", name="選ばれた理由").first.click()
    expect(page.get_by_role("dialog").get_by_alt_text(re.compile("襟の形の判断で注目した部分"))).to_have_count(2)
    page.keyboard.press("Escape")
    page.get_by_text("選択", exact=True).first.click()
    with page.expect_download() as sheet:
        page.get_by_role("button", name="画像一覧として保存").click()
    with Image.open(io.BytesIO(saved(sheet.value))) as picture:
        # Cut-outs stand on white, the card's own ground.
        assert sum(picture.convert("RGB").crop((16, 50, 170, 256)).getpixel((5, 5))) > 700


def test_both_languages(visits: Visits, served: str, shirt: str) -> None:
    page = by_item(visits, served, shirt, "&by=collar", locale="ja-JP")
    expect(page.locator(".st-key-attributes").get_by_text("襟の形")).to_be_visible()
    expect(page.get_by_text("重視する項目")).to_be_visible()
    page.get_by_text("English", exact=True).click()
    expect(page.get_by_text("What counts")).to_be_visible()
    expect(page.locator(".st-key-attributes").get_by_text("Collar")).to_be_visible()
    expect(page).to_have_url(re.compile("by=collar"))


ENGLISH = """() => {
  const found = []
  const look = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) look(one.shadowRoot)
      if (one.closest("script, style, [aria-hidden=true], [data-testid=stIconMaterial]")) continue
      if (!one.checkVisibility()) continue
      const own = [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)
      found.push(...own.map((node) => node.nodeValue))
      found.push(...["aria-label", "title", "placeholder", "alt"].map((name) => one.getAttribute(name) ?? ""))
    }
  }
  look(document.body)
  return found.filter((text) => /[A-Za-z]{3}/.test(text) && !/[\u3040-\u30ff\u4e00-\u9fff]/.test(text))
}"""
# What is the same in every language.
NAMES = r"English|large\.jpg.*|[0-9a-f.]{8}[-.].*|brand|price|[\d.]+[KM]?B"


def english(page: Page) -> list[str]:
    """What stands in English on the page, to be seen or to be read out."""
    page.wait_for_function("document.documentElement.lang === 'ja'")
    settled(page)
    return [text for text in page.evaluate(ENGLISH) if not re.fullmatch(NAMES, text.strip())]


def test_nothing_is_in_english_on_the_japanese_page(
    visits: Visits, served: str, shirt: str, sample_photos: list[Path], tmp_path: Path
) -> None:
    page = visits.open(served, "ja-JP")
    expect(page.locator(".card").first).to_be_visible()
    assert english(page) == []
    page.get_by_text("カメラ", exact=True).click()
    expect(page.get_by_test_id("stCameraInput").get_by_text("撮影する")).to_be_visible()
    assert english(page) == []
    page.get_by_text("画像", exact=True).click()
    page.locator("input[type=file]").set_input_files(sample_photos[0])
    expect(cards(page)).to_have_count(12)
    page.locator(".st-key-mark button").click()
    expect(page.get_by_role("button", name="すべて消してやり直す")).to_be_visible()
    assert english(page) == []
    page = by_item(visits, served, shirt, "&is=category:t-shirt&by=collar", "ja-JP")
    open_list(page, page.locator(".st-key-filter-collar"), "zzz")  # filters stand open where one of them is on
    expect(page.get_by_text("該当する候補がありません")).to_be_visible()
    page.mouse.move(640, 20)
    assert english(page) == []
    page = visits.open(f"{served}/catalogue", "ja-JP")
    expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible()
    (tmp_path / "large.jpg").write_bytes(bytes(21_000_000))  # Streamlit counts in units of 1,024
    page.locator("input[type=file]").set_input_files(tmp_path / "large.jpg")
    expect(page.get_by_text("以下のファイルを選んでください")).to_be_visible()
    assert english(page) == []


@pytest.mark.parametrize("kind", ["damaged", "text", "huge"])
def test_an_upload_that_is_no_photo(
    visits: Visits, served: str, sample_photos: list[Path], tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "photo.png"
    if kind == "damaged":
        file = tmp_path / "photo.jpg"
        file.write_bytes(sample_photos[0].read_bytes()[:900])
    elif kind == "text":
        file.write_text("no photo")
    else:
        Image.new("1", (9000, 9000)).save(file)
    page = visits.open(served)
    page.locator("input[type=file]").set_input_files(file)
    words = "more than 50 megapixels" if kind == "huge" else "can't be read as a photo"
    expect(page.get_by_text(words)).to_be_visible()
    assert str(tmp_path) not in page.content()
    page.locator("input[type=file]").set_input_files(sample_photos[3])
    expect(cards(page)).to_have_count(12)


def test_two_people_do_not_disturb_each_other(
    visits: Visits, served: str, sample_photos: list[Path], shirt: str
) -> None:
    first = by_item(visits, served, shirt, "&by=collar")
    second = visits.open(served, locale="ja-JP")
    second.locator("input[type=file]").set_input_files(sample_photos[3])
    expect(cards(second)).to_have_count(12)
    switch(first, "color")
    switch(second, "pattern")
    expect(cards(first).nth(11).locator("li")).to_have_count(2)
    expect(cards(second).nth(11).locator("li")).to_have_count(1)
    assert names(second)[0] == sample_photos[3].stem
    expect(first).to_have_url(re.compile(f"item={shirt}"))
    expect(second.get_by_text("重視する項目")).to_be_visible()
    expect(first.get_by_text("What counts")).to_be_visible()


def test_catalogue_page_and_adding_photos(
    visits: Visits, shop: Path, tmp_path: Path, sample_photos: list[Path]
) -> None:
    copy = Path(shutil.copytree(shop, tmp_path / "catalog"))
    good, bad = tmp_path / "new <one>.jpg", tmp_path / "bad.jpg"
    shutil.copy(sample_photos[5], good)
    bad.write_bytes(b"no photo")
    with served_page(copy) as address:
        page = visits.open(f"{address}/catalogue")
        expect(page.get_by_text("How many items have which value")).to_be_visible()
        expect(page.locator("[data-testid=stMetricValue]").first).to_have_text("157")
        page.locator("input[type=file]").set_input_files([good, bad])
        page.get_by_role("button", name="Add (2)").click()
        expect(page.get_by_text("Photos added: 1.")).to_be_visible()
        expect(page.get_by_text(re.compile("Not added: bad.jpg"))).to_be_visible()
        expect(page.locator("[data-testid=stMetricValue]").first).to_have_text("158")
        by_item(visits, address, "new-one")
        visits.close()


def test_read_only_and_the_language_of_the_setting(visits: Visits, shop: Path, shirt: str) -> None:
    with served_page(shop, "--read-only", "--language", "ja") as address:
        page = by_item(visits, address, shirt)
        expect(page.get_by_text("閲覧専用です")).to_be_visible()
        expect(page.get_by_role("button", name="値を修正")).to_have_count(0)
        page.goto(f"{address}/catalogue")
        expect(page.get_by_text("値ごとの商品数")).to_be_visible()
        expect(page.locator("input[type=file]")).to_have_count(0)
        visits.close()


def test_empty_and_missing_catalogues_say_what_to_do(visits: Visits, embedder: Embedder, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "broken.jpg").write_bytes(b"no photo")
    build([photos], tmp_path / "catalog", embedder)
    with served_page(tmp_path / "catalog") as address:
        page = visits.open(address)
        expect(page.get_by_text("The catalogue holds no items yet.")).to_be_visible()
        page.get_by_role("link", name="Catalogue").click()
        expect(page.get_by_text("Photos that could not be used")).to_be_visible()
        assert str(tmp_path) not in page.content()
        visits.close()
    with served_page(tmp_path / "nowhere") as address:
        page = visits.open(address)
        expect(page.get_by_text("There is no catalogue yet.")).to_be_visible()
        assert str(tmp_path) not in page.content()
        visits.close()


def test_the_page_can_be_used_by_keyboard_on_a_tablet(visits: Visits, served: str, shirt: str) -> None:
    page = visits.open(f"{served}/?item={shirt}", width=1024)
    expect(cards(page)).to_have_count(12)
    box = page.locator(".st-key-on-collar input")
    box.focus()
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("by=collar"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert all(page.locator("img").evaluate_all("(all) => all.map((one) => Boolean(one.alt))"))


CONTRAST = """
() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number)
  const over = (top, under) => {
    const share = top[3] ?? 1
    return [0, 1, 2].map((one) => top[one] * share + under[one] * (1 - share))
  }
  const light = (colour) => {
    const [r, g, b] = colour.map((one) => {
      const share = one / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const low = []
  for (const place of document.querySelectorAll("body *")) {
    const words = [...place.childNodes].filter((one) => one.nodeType === 3).map((one) => one.data.trim()).join("")
    const style = getComputedStyle(place)
    if (!words || !place.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue
    if (style.fontFamily.includes("Material")) continue
    // Switched off, or decoration; a slider's number stands above its knob, not on it.
    const exempt = "[disabled], [aria-disabled=true], script, style, [data-testid=stSliderThumbValue]"
    if (place.closest(exempt) || words === "…") continue
    if (!style.color.startsWith("rgb") || parseFloat(style.fontSize) === 0) continue
    const grounds = []
    for (let one = place; one; one = one.parentElement) {
      const ground = getComputedStyle(one).backgroundColor
      if (ground.startsWith("rgb")) grounds.unshift(parts(ground))
    }
    const ground = grounds.reduce((under, top) => over(top, under), [255, 255, 255])
    const [one, other] = [light(over(parts(style.color), ground)), light(ground)].sort((a, b) => b - a)
    const ratio = (one + 0.05) / (other + 0.05)
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700)
    if (ratio < (large ? 3 : 4.5)) low.push(`${ratio.toFixed(1)} ${style.color} "${words.slice(0, 40)}"`)
  }
  return low
}
"""


def test_all_texts_stand_out_from_their_ground(visits: Visits, served: str, shirt: str) -> None:
    """Contrast of 4.5 to 1, of 3 to 1 for large text (WCAG 2.2, 1.4.3), on each page."""
    page = by_item(visits, served, shirt, "&by=collar&set=sleeve:long")
    settled(page)
    assert page.evaluate(CONTRAST) == []
    for name in ("Catalogue", "Corrections"):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        settled(page)
        assert page.evaluate(CONTRAST) == []
