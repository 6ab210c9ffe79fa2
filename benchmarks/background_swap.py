"""Does the floor matter? `python benchmarks/background_swap.py PHOTOS LABELS OUT [--split dev]`.

Moves every garment of the split onto the floor of another sender's photo: its cut-out, by the shipped matting network,
with foreground colours estimated, laid over the other photo, whose own garment is painted over first. Writes the
pictures to OUT, embeds photos and pictures with the shipped network, cut-outs on, and prints the MAP of both.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from matting import find_by_name, read_photo
from matting.cutout import compose, cut_out
from matting.data import colours_around
from matting.matter import Matter
from matting.tables import read_table, rows_of_split
from retrieval.attributes import CATEGORY
from retrieval.embed import embed_files
from retrieval.embedder import Embedder, Embeddings
from retrieval.measure import rank_other_senders
from retrieval.tables import known_value


def empty_floor(photo: Image.Image, alpha: NDArray[np.float32]) -> Image.Image:
    """A photo whose product is painted over with what lies around it, nearest first, softly."""
    pixels = np.asarray(photo)
    product = ndimage.binary_dilation(alpha > 0.03, iterations=8)
    if product.all():
        return photo
    filled = colours_around(pixels, product)
    return Image.fromarray(np.where(product[..., None], filled, pixels).round().astype(np.uint8))


def measure(batches: list[Embeddings], rows: list[dict[str, str]]) -> dict[str, float]:
    """MAP in percent of each attribute of embedded photos, whose labels and senders the rows of a table hold."""
    senders = [row["sender"] for row in rows]
    found = {}
    for key in batches[0].vectors:
        vectors = np.concatenate([batch.vectors[key] for batch in batches])
        values = [known_value(row.get(key, "")) for row in rows]
        found[key] = rank_other_senders(vectors, values, senders).mean_average_precision
    found["mean"] = float(np.mean([value for key, value in found.items() if key != CATEGORY]))
    return found


def main(
    photos: Annotated[Path, typer.Argument(help="folder of photos named by id")],
    labels: Annotated[Path, typer.Argument(help="CSV: id, sender, split and the attributes")],
    out: Annotated[Path, typer.Argument(help="folder for the pictures")],
    split: Annotated[str, typer.Option(help="which rows of the labels")] = "dev",
) -> None:
    """Compose the pictures and measure."""
    rows = rows_of_split(labels, read_table(labels, required=("id", "sender")), split)
    file_of = find_by_name(photos)
    matter, embedder = Matter.load(), Embedder.load()
    out.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        others = [other for other in rows if other["sender"] != row["sender"]]
        ground = read_photo(file_of[others[int(np.random.default_rng(number).integers(len(others)))]["id"]])
        photo = read_photo(file_of[row["id"]])
        floor = empty_floor(ground, matter.cut(ground).alpha).resize(photo.size, Image.Resampling.BILINEAR)
        compose(cut_out(photo, matter.cut(photo).alpha), floor).save(out / f"{row['id']}.png")
    own, moved = (
        measure([batch.embeddings for batch in embed_files(embedder, paths)], rows)
        for paths in ([file_of[row["id"]] for row in rows], [out / f"{row['id']}.png" for row in rows])
    )
    figures = {"own floor": own, "another's floor": moved, "change": {key: moved[key] - own[key] for key in own}}
    print(json.dumps({of: {key: round(value, 2) for key, value in at.items()} for of, at in figures.items()}, indent=1))


if __name__ == "__main__":
    typer.run(main)
