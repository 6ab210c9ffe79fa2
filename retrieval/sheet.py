"""Contact sheets of searches: the query, and its hits beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from index.catalog import Hit
from matting import PhotoError, read_photo
from matting.console import printable

CARD = (156, 208)  # a photo's place, pixels
GAP = 14
LINE = 19
PAPER, INK, FAINT, FRAME = "#f6f5f2", "#22211f", "#77736c", "#dedad2"
SAME, OTHER = "#1b6e43", "#b0481e"
# Of Debian and others, Windows and macOS.
JAPANESE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "ipaexg.ttf",
    "ipag.ttf",
    "YuGothM.ttc",
    "meiryo.ttc",
    "msgothic.ttc",
    "ヒラギノ角ゴシック W3.ttc",
    "DroidSansFallbackFull.ttf",
)


@dataclass(frozen=True)
class SheetRow:
    """One search: a title, the query's photo and the values seen in it, those that hits should have, and the hits.

    `attributes` are those that counted; their values stand under each photo.
    """

    title: str
    photo: Image.Image | Path | None
    seen: dict[str, str]
    wanted: dict[str, str]
    attributes: tuple[str, ...]
    hits: list[Hit]


@dataclass(frozen=True)
class SheetWords:
    """What is written on a sheet; `attribute` and `value` name a key, and a value of a key, for people."""

    query: str = "query"
    no_hits: str = "no hits"
    no_photo: str = "photo not found"
    attribute: Callable[[str], str] = lambda key: key
    value: Callable[[str, str], str] = lambda _, value: value or "none"


def read_picture(photo: Image.Image | Path | None) -> Image.Image | None:
    """A photo as it is drawn on a sheet; None if it can't be read."""
    if not isinstance(photo, Path):
        return photo
    try:
        return read_photo(photo, at_least=CARD[1])
    except PhotoError:
        return None


def draw_sheet(
    rows: Sequence[SheetRow],
    columns: int = 7,
    words: SheetWords = SheetWords(),
    read: Callable[[Image.Image | Path | None], Image.Image | None] = read_picture,
    with_ids: bool = False,
) -> Image.Image:
    """Draw searches below one another; each hit has its rank, score and values, in green where they are the query's.

    Args:
        rows: the searches.
        columns: hits beside each other.
        words: what is written.
        read: gives the picture of a photo.
        with_ids: write each hit's id as well.

    Returns:
        The sheet, mode "RGB".
    """
    paper = _Paper(words, read, with_ids, columns)
    heights = [paper.row_height(row) for row in rows]
    width = GAP + (columns + 1) * (CARD[0] + GAP) + GAP
    sheet = Image.new("RGB", (width, sum(heights) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        _draw_row(sheet, paper, row, top)
        top += height
        if row is not rows[-1]:
            draw.line((GAP, top, width - GAP, top), fill=FRAME, width=1)
    return sheet


@dataclass(frozen=True)
class _Paper:
    """What all rows of a sheet share; see `draw_sheet`."""

    words: SheetWords
    read: Callable[[Image.Image | Path | None], Image.Image | None]
    with_ids: bool
    columns: int

    def row_height(self, row: SheetRow) -> int:
        lines = max(1, -(-len(row.hits) // self.columns))
        return GAP + 34 + lines * self.card_height(row) + GAP

    def card_height(self, row: SheetRow) -> int:
        return CARD[1] + 8 + LINE * (1 + self.with_ids + len(row.attributes)) + GAP


def _draw_row(sheet: Image.Image, paper: _Paper, row: SheetRow, top: int) -> None:
    draw, words = ImageDraw.Draw(sheet), paper.words
    _write(draw, (GAP, top + GAP), row.title, INK, 22)
    first = top + GAP + 34
    lines = [(words.query, FAINT)]
    for key in row.attributes:
        seen, wanted = (words.value(key, values.get(key, "")) for values in (row.seen, row.wanted))
        lines.append((f"{words.attribute(key)}: {seen_and_wanted(seen, wanted)}", INK))
    _draw_card(sheet, paper, row.photo, (GAP, first), lines)
    left = 2 * GAP + CARD[0] + GAP
    draw.line((left - GAP - GAP // 2, first, left - GAP - GAP // 2, first + CARD[1]), fill=FRAME, width=2)
    if not row.hits:
        _write(draw, (left, first), words.no_hits, FAINT, 16)
    for number, hit in enumerate(row.hits):
        place = (
            left + number % paper.columns * (CARD[0] + GAP),
            first + number // paper.columns * paper.card_height(row),
        )
        lines = [(f"{number + 1}   {hit.score:.2f}", INK)]
        if paper.with_ids:
            lines.append((printable(hit.id), FAINT))
        for key in row.attributes:
            value = hit.attributes[key].value
            text = f"{words.attribute(key)}: {words.value(key, value)}"
            lines.append((text, SAME if value == row.wanted.get(key, "") else OTHER))
        _draw_card(sheet, paper, Path(hit.photo), place, lines)


def seen_and_wanted(seen: str, wanted: str) -> str:
    """A value seen in a query, and the one that is wanted in its place, if it is another."""
    return seen if seen == wanted else f"{seen} > {wanted}"  # the Latin font has no arrow


def _draw_card(
    sheet: Image.Image,
    paper: _Paper,
    photo: Image.Image | Path | None,
    place: tuple[int, int],
    lines: list[tuple[str, str]],
) -> None:
    draw, (left, top) = ImageDraw.Draw(sheet), place
    draw.rectangle((left, top, left + CARD[0], top + CARD[1]), fill="white", outline=FRAME)
    picture = paper.read(photo)
    if picture is None:
        _write(draw, (left + 12, top + CARD[1] // 2), paper.words.no_photo, FAINT, 14, CARD[0] - 24)
    else:
        fitted = ImageOps.contain(picture.convert("RGBA"), (CARD[0] - 8, CARD[1] - 8), Image.Resampling.LANCZOS)
        corner = (left + (CARD[0] - fitted.width) // 2 + 1, top + (CARD[1] - fitted.height) // 2 + 1)
        sheet.paste(fitted, corner, mask=fitted)
    for number, (text, colour) in enumerate(lines):
        _write(draw, (left, top + CARD[1] + 6 + LINE * number), text, colour, 14, CARD[0])


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: str, size: int, width: int | None = None
) -> None:
    """Write a line, cut off where it would be longer than a width in pixels."""
    font = _font(size, latin=text.isascii())
    while width is not None and len(text) > 1 and draw.textlength(text, font=font) > width:
        text = text[:-2].rstrip() + "…"
    draw.text(place, text, fill=colour, font=font)


def can_write(text: str) -> bool:
    """Whether there is a font for a text: Pillow's own has only Latin letters."""
    return text.isascii() or _system_font() is not None


@cache
def _system_font() -> str | None:
    """The first font of the system that has Japanese letters, Latin ones too."""
    for name in JAPANESE_FONTS:
        try:
            ImageFont.truetype(name)
        except OSError:
            continue
        return name
    return None


@cache
def _font(size: int, latin: bool) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    own = None if latin else _system_font()
    return ImageFont.truetype(own, size) if own else ImageFont.load_default(size)
