"""Contact sheets of searches: the query, and its hits beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from index.catalog import Hit
from matting import PhotoError, read_photo

CARD = (156, 208)  # a photo's place, pixels
GAP = 14
LINE = 19
PAPER, INK, FAINT, FRAME = "#f6f5f2", "#22211f", "#77736c", "#dedad2"
SAME, OTHER = "#1b6e43", "#b0481e"


@dataclass(frozen=True)
class SheetRow:
    """One search: a title, the query's photo and values (with those asked for in their place), and its hits.

    `attributes` are those that counted; their values stand under each photo.
    """

    title: str
    photo: Image.Image | Path | None
    wanted: dict[str, str]
    attributes: tuple[str, ...]
    hits: list[Hit]


def draw_sheet(rows: Sequence[SheetRow], columns: int = 7) -> Image.Image:
    """Draw searches below one another; each hit shows its rank, score and values, in green where they are the query's.

    Args:
        rows: the searches.
        columns: hits beside each other.

    Returns:
        The sheet, mode "RGB".
    """
    heights = [_row_height(row, columns) for row in rows]
    width = GAP + (columns + 1) * (CARD[0] + GAP) + GAP
    sheet = Image.new("RGB", (width, sum(heights) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        _draw_row(sheet, draw, row, top, columns)
        top += height
        if row is not rows[-1]:
            draw.line((GAP, top, width - GAP, top), fill=FRAME, width=1)
    return sheet


def _row_height(row: SheetRow, columns: int) -> int:
    lines = max(1, -(-len(row.hits) // columns))
    return GAP + 34 + lines * _card_height(row) + GAP


def _card_height(row: SheetRow) -> int:
    return CARD[1] + 8 + LINE * (1 + len(row.attributes)) + GAP


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, row: SheetRow, top: int, columns: int) -> None:
    draw.text((GAP, top + GAP), row.title, fill=INK, font=_font(22))
    first = top + GAP + 34
    wanted = [(key, row.wanted.get(key, ""), INK) for key in row.attributes]
    _draw_card(sheet, draw, row.photo, (GAP, first), ("query", FAINT), wanted)
    left = 2 * GAP + CARD[0] + GAP
    draw.line((left - GAP - GAP // 2, first, left - GAP - GAP // 2, first + CARD[1]), fill=FRAME, width=2)
    if not row.hits:
        draw.text((left, first), "no hits", fill=FAINT, font=_font(16))
    for number, hit in enumerate(row.hits):
        place = (
            left + number % columns * (CARD[0] + GAP),
            first + number // columns * _card_height(row),
        )
        values = []
        for key in row.attributes:
            value = hit.attributes[key].value
            values.append((key, value, SAME if value == row.wanted.get(key, "") else OTHER))
        _draw_card(sheet, draw, Path(hit.photo), place, (f"{number + 1}   {hit.score:.2f}", INK), values)


def _draw_card(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    photo: Image.Image | Path | None,
    place: tuple[int, int],
    heading: tuple[str, str],
    values: list[tuple[str, str, str]],
) -> None:
    left, top = place
    draw.rectangle((left, top, left + CARD[0], top + CARD[1]), fill="white", outline=FRAME)
    picture = _open(photo)
    if picture is None:
        draw.text((left + 12, top + CARD[1] // 2), "photo not found", fill=FAINT, font=_font(14))
    else:
        fitted = ImageOps.contain(picture, (CARD[0] - 8, CARD[1] - 8), Image.Resampling.LANCZOS)
        sheet.paste(fitted, (left + (CARD[0] - fitted.width) // 2 + 1, top + (CARD[1] - fitted.height) // 2 + 1))
    line = top + CARD[1] + 6
    draw.text((left, line), heading[0], fill=heading[1], font=_font(14))
    for key, value, colour in values:
        line += LINE
        draw.text((left, line), f"{key}: {value or 'none'}", fill=colour, font=_font(14))


def _open(photo: Image.Image | Path | None) -> Image.Image | None:
    if not isinstance(photo, Path):
        return photo
    try:
        return read_photo(photo, at_least=CARD[1])
    except PhotoError:
        return None


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
