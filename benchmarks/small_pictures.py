"""What do a catalogue's small pictures cost? `python benchmarks/small_pictures.py PHOTOS LABELS OUT [--split dev]`.

A new attribute of an existing catalogue is read in the small cut-outs that it keeps (see `retrieval.adapt`). Embeds the
photos of a split with the shipped network, cut-outs on, and once more from small pictures as a build writes them, to
OUT, and prints the MAP of both.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from background_swap import measure

from matting import find_by_name
from matting.tables import read_table, rows_of_split
from retrieval.embed import embed_files
from retrieval.embedder import Embedder
from retrieval.thumbnails import save_thumbnails, thumbnail_square


def main(
    photos: Annotated[Path, typer.Argument(help="folder of photos named by id")],
    labels: Annotated[Path, typer.Argument(help="CSV: id, sender, split and the attributes")],
    out: Annotated[Path, typer.Argument(help="folder for the small pictures")],
    split: Annotated[str, typer.Option(help="which rows of the labels")] = "dev",
) -> None:
    """Make the small pictures and measure."""
    rows = rows_of_split(labels, read_table(labels, required=("id", "sender")), split)
    by_id = find_by_name(photos)
    paths = [by_id[row["id"]] for row in rows]
    embedder = Embedder.load()
    large, small = [], []
    for batch in embed_files(embedder, paths):
        names = [str(paths[position]) for position in batch.positions]
        save_thumbnails(out, names, batch.photos, batch.mattes)
        squares = [
            thumbnail_square(out, name, embedder.cuts_out, embedder.size, embedder.surroundings) for name in names
        ]
        large.append(batch.embeddings)
        small.append(embedder.embed_squares(np.stack([square for square in squares if square is not None])))
    for name, batches in (("photos", large), ("small pictures", small)):
        print(json.dumps({"shown": name} | {key: round(value, 2) for key, value in measure(batches, rows).items()}))


if __name__ == "__main__":
    typer.run(main)
