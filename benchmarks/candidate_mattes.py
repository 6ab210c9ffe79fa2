"""Several mattes of each photograph that networks cut out differently, for a person to choose from.

    python benchmarks/candidate_mattes.py make PHOTOS OUT --weights WEIGHTS [--weights …] [--others MATTES]
    python benchmarks/candidate_mattes.py take OUT benchmarks/chosen_mattes.csv MATTES

`make` writes candidates to OUT/candidates and sheets to look at, OUT/sheets, four photographs each: a matte of each
weights file, of the first one at other sizes, the other program's, and what the last weights' and that hold both or
either; of those that are nearly the same only one. `take` writes the chosen mattes without the boxes that were named.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from matting.device import choose_device
from matting.matter import Matter
from matting.metrics import intersection_over_union
from matting.photo import find_by_name, read_matte, read_photo
from matting.tables import read_table
from matting.weights import load_model

OTHER_SIZES = (320, 512)
SAME = 0.985  # IoU of candidates of which one is enough
ROWS, TILE = 4, 232
GROUND = (0, 200, 80)

app = typer.Typer()


@app.command()
def make(
    photos: Path,
    out: Path,
    weights: Annotated[list[Path], typer.Option(help="of our networks; the first looks at other sizes as well")],
    others: Annotated[Path | None, typer.Option(help="mattes of another program")] = None,
    without: Annotated[list[Path] | None, typer.Option(help="folders of mattes; their photos are left out")] = None,
) -> None:
    """Write candidates and sheets."""
    models, device = [load_model(file) for file in weights], choose_device("auto")
    matters = {str(number): Matter(models[number], "", device) for number in reversed(range(len(models)))}
    matters |= {f"0 at {size}": Matter(replace(models[0], size=size), "", device) for size in OTHER_SIZES}
    other_of = find_by_name(others) if others else {}
    done = {id_ for folder in without or [] for id_ in find_by_name(folder)}
    todo = {id_: path for id_, path in find_by_name(photos).items() if id_ not in done}
    for folder in ("candidates", "sheets"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for id_, path in todo.items():
        photo = read_photo(path)
        found = {name: matter.cut(photo).alpha for name, matter in matters.items()}
        if id_ in other_of:
            found["other"] = read_matte(other_of[id_], photo.size)
        last = found[str(len(models) - 1)]
        found["both"] = np.minimum(last, found.get("other", found[f"0 at {OTHER_SIZES[0]}"]))
        found["either"] = np.maximum(last, found.get("other", found[f"0 at {OTHER_SIZES[1]}"]))
        kept: dict[str, NDArray[np.float32]] = {}
        for name, alpha in found.items():
            if all(intersection_over_union(alpha, of) < SAME for of in kept.values()):
                kept[name] = alpha
                Image.fromarray((alpha * 255).round().astype(np.uint8)).save(out / "candidates" / f"{id_}.{name}.png")
        rows.append((id_, photo, kept))
        if len(rows) == ROWS or id_ == list(todo)[-1]:
            _sheet(rows).save(out / "sheets" / f"{rows[0][0]}.png")
            rows = []


def _sheet(rows: list[tuple[str, Image.Image, dict[str, NDArray[np.float32]]]]) -> Image.Image:
    columns = 1 + max(len(kept) for _, _, kept in rows)
    sheet = Image.new("RGB", (columns * TILE, len(rows) * (TILE + 16)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (id_, photo, kept) in enumerate(rows):
        shown = {id_: photo}
        for name, alpha in kept.items():
            mask = Image.fromarray((alpha * 255).round().astype(np.uint8))
            shown[name] = Image.composite(photo, Image.new("RGB", photo.size, GROUND), mask)
        for column, (name, picture) in enumerate(shown.items()):
            picture.thumbnail((TILE - 6, TILE - 2))
            draw.text((column * TILE + 2, row * (TILE + 16) + 2), name, fill="black")
            sheet.paste(picture, (column * TILE, row * (TILE + 16) + 16))
    return sheet


@app.command()
def take(out: Path, choices: Path, mattes: Path) -> None:
    """Write the chosen mattes; a box is "left top right bottom" in shares of the photo's sides, several by ";"."""
    mattes.mkdir(parents=True, exist_ok=True)
    for row in read_table(choices, ("id", "candidate", "drop")).rows:
        alpha = np.array(Image.open(out / "candidates" / f"{row['id']}.{row['candidate']}.png"))
        height, width = alpha.shape
        for box in filter(None, row["drop"].split(";")):
            left, top, right, bottom = (float(share) for share in box.split())
            alpha[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 0
        Image.fromarray(alpha).save(mattes / f"{row['id']}.png")


if __name__ == "__main__":
    app()
