"""What the retrieval model sees and finds, to look at: `python benchmarks/retrieval_pictures.py PHOTOS LABELS OUT`.

With the shipped weights and on one split it writes

- OUT/attention-N.png: where the network looks for each attribute, in twenty photos drawn at random;
- OUT/hits-ATTRIBUTE.png: eight queries drawn at random and their first hits among other senders' photos, framed in
  green where the label is the query's and in red where it is another;
- OUT/confusion-ATTRIBUTE.png: how often each value (rows) is read as each other (columns), in percent of the row.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from matting import find_by_name, read_photo
from matting.tables import read_table
from retrieval.embed import embed_files
from retrieval.embedder import Embedder
from retrieval.tables import known_value

TILE = 150
GAP = 8
LINE = 18
PAPER, INK, FAINT, RIGHT, WRONG = "#f6f5f2", "#22211f", "#77736c", "#1b8e53", "#d0482e"


def tile(picture: Image.Image, frame: str | None = None) -> Image.Image:
    """A picture in a white square, framed in a colour."""
    square = Image.new("RGB", (TILE, TILE), "white")
    fitted = ImageOps.contain(picture, (TILE - 8, TILE - 8))
    square.paste(fitted, ((TILE - fitted.width) // 2, (TILE - fitted.height) // 2))
    if frame is not None:
        ImageDraw.Draw(square).rectangle((0, 0, TILE - 1, TILE - 1), outline=frame, width=4)
    return square


def attention_tile(square: NDArray[np.uint8], attention: NDArray[np.float32]) -> Image.Image:
    """What the network was shown (S, S, 4), darkened where it does not look (S, S)."""
    grey = square[..., :3].astype(np.float32).mean(axis=2, keepdims=True)
    strength = attention[..., None] ** 0.7
    shown = square[..., :3] * strength + (0.35 * grey + 20) * (1 - strength)
    return Image.fromarray(shown.round().astype(np.uint8))


def grid(rows: list[tuple[str, list[tuple[Image.Image, str]]]]) -> Image.Image:
    """Rows of tiles, each row under a title and each tile over a line of text."""
    columns = max(len(tiles) for _, tiles in rows)
    high = TILE + 2 * LINE + 2 * GAP
    sheet = Image.new("RGB", (GAP + columns * (TILE + GAP), GAP + len(rows) * high), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for number, (title, tiles) in enumerate(rows):
        top = GAP + number * high
        draw.text((GAP, top), title, fill=INK, font=font)
        for column, (picture, text) in enumerate(tiles):
            left = GAP + column * (TILE + GAP)
            sheet.paste(picture, (left, top + LINE))
            draw.text((left, top + LINE + TILE), text, fill=FAINT, font=font)
    return sheet


def confusion_sheet(labels: list[str], seen: list[str], values: tuple[str, ...]) -> Image.Image:
    """A table of labels (rows) and values seen (columns), in percent of each row; the last column: "does not apply"."""
    names, side, margin = [*values, ""], 52, 110
    sheet = Image.new("RGB", (margin + side * len(names) + 60, margin + side * len(values)), PAPER)
    draw, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(15), ImageFont.load_default(12)
    for column, name in enumerate(names):
        text = Image.new("L", (margin, 18), 0)
        ImageDraw.Draw(text).text((0, 0), name or "none", fill=255, font=small)
        turned = text.rotate(90, expand=True)
        sheet.paste(INK, (margin + column * side + 16, margin - turned.height - 4), turned)
    for row, value in enumerate(values):
        found = [of for label, of in zip(labels, seen, strict=True) if label == value]
        top = margin + row * side
        draw.text((6, top + 18), value, fill=INK, font=small)
        draw.text((margin + side * len(names) + 8, top + 18), f"{len(found)}", fill=FAINT, font=small)
        for column, name in enumerate(names):
            share = found.count(name) / max(1, len(found))
            good = name == value
            ink = round(255 - 200 * share)
            fill = (ink, 255 - round(60 * share), ink) if good else (255 - round(40 * share), ink, ink)
            left = margin + column * side
            draw.rectangle((left, top, left + side - 2, top + side - 2), fill=fill)
            if share >= 0.005:
                draw.text((left + 12, top + 16), f"{share * 100:.0f}", fill=INK, font=font)
    return sheet


def main(
    photos: Annotated[Path, typer.Argument(help="folder of photos named by id")],
    labels: Annotated[Path, typer.Argument(help="CSV: id, sender, split and the attributes")],
    out: Annotated[Path, typer.Argument(help="folder for the pictures")],
    split: Annotated[str, typer.Option(help="which rows of the labels")] = "dev",
    queries: Annotated[int, typer.Option(min=1, help="queries an attribute")] = 8,
) -> None:
    """Write the pictures."""
    rows = [row for row in read_table(labels, required=("id", "sender", "split")).rows if row["split"] == split]
    file_of = find_by_name(photos)
    paths = [file_of[row["id"]] for row in rows]
    embedder = Embedder.load()
    keys = embedder.schema.keys
    out.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)

    lines: list[tuple[str, list[tuple[Image.Image, str]]]] = []
    for number in random.choice(len(rows), 20, replace=False):
        square = embedder.prepare(paths[number])
        seen = embedder.embed_squares(square[None])
        tiles = [(tile(Image.fromarray(square[..., :3])), rows[number]["category"])]
        for key in keys:
            text = f"{key}: {seen.values[key][0] or 'none'} {seen.confidences[key][0]:.0%}"
            tiles.append((tile(attention_tile(square, embedder.attention(square, key))), text))
        lines.append((rows[number]["id"], tiles))
    for part in range(4):
        grid(lines[5 * part : 5 * part + 5]).save(out / f"attention-{part + 1}.png")

    batches = [batch.embeddings for batch in embed_files(embedder, paths)]
    for key in keys:
        vectors = np.concatenate([batch.vectors[key] for batch in batches])
        values = [known_value(row.get(key, "")) for row in rows]
        known = np.flatnonzero([bool(value) for value in values])
        lines = []
        for query in random.choice(known, min(queries, len(known)), replace=False):
            others = np.array([row for row in known if rows[row]["sender"] != rows[query]["sender"]])
            best = others[np.argsort(-(vectors[others] @ vectors[query]))[:9]]
            tiles = [(tile(read_photo(paths[query])), values[query])]
            for hit in best:
                frame = RIGHT if values[hit] == values[query] else WRONG
                tiles.append(
                    (tile(read_photo(paths[hit]), frame), f"{values[hit]} {vectors[hit] @ vectors[query]:.2f}")
                )
            lines.append((f"{key} of {rows[query]['id']}", tiles))
        grid(lines).save(out / f"hits-{key}.png")
        seen_values = [value for batch in batches for value in batch.values[key]]
        confusion_sheet(values, seen_values, embedder.schema[key].values).save(out / f"confusion-{key}.png")


if __name__ == "__main__":
    typer.run(main)
