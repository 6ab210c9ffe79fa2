"""Embed photographs to a file of vectors: `python -m retrieval.embed PHOTOS... --out vectors.npz`."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from matting import PhotoError, find_photos
from matting.console import fail, progress_bar, stop_on_interrupt, warn
from retrieval.console import one_line_errors
from retrieval.data import Matte
from retrieval.embedder import Embedder, Embeddings


@dataclass(frozen=True)
class EmbeddedBatch:
    """Some photos' embeddings, row for row with `positions`, and the reasons why others could not be read.

    `photos` are the pictures as they were read; `mattes` what they were cut out by, None where they were not.
    """

    positions: list[int]
    embeddings: Embeddings
    rejected: dict[int, str]
    photos: list[Image.Image]
    mattes: list[Matte | None]


def embed_files(embedder: Embedder, paths: Sequence[Path], batch: int = 32) -> Iterator[EmbeddedBatch]:
    """Embed files batch by batch, decoding the next batch while the network works on this one.

    Args:
        embedder: the embedder.
        paths: the files; a result's positions count in them.
        batch: how many files a result covers.

    Raises KeyboardInterrupt after the batch in which Ctrl-C was pressed.
    """

    def read(path: Path) -> Image.Image | str:
        try:
            return embedder.read(path)
        except PhotoError as error:
            return str(error)

    starts = range(0, len(paths), batch)
    # An interrupt within the threads' own locks would leave one of them held, and the program waiting for ever.
    with stop_on_interrupt() as stop, ThreadPoolExecutor(max_workers=2) as threads:
        ahead = [threads.submit(read, path) for path in paths[:batch]]
        for start in starts:
            results = [future.result() for future in ahead]
            ahead = [threads.submit(read, path) for path in paths[start + batch : start + 2 * batch]]
            rejected = {start + row: reason for row, reason in enumerate(results) if isinstance(reason, str)}
            photos = [photo for photo in results if not isinstance(photo, str)]
            squares, mattes = embedder.prepare_all(photos)
            positions = [start + row for row in range(len(results)) if start + row not in rejected]
            stacked = np.stack(squares) if squares else np.zeros((0, embedder.size, embedder.size, 4), np.uint8)
            yield EmbeddedBatch(positions, embedder.embed_squares(stacked), rejected, photos, mattes)
            if stop():
                raise KeyboardInterrupt


def photo_ids(places: Sequence[Path], paths: Sequence[Path]) -> list[str]:
    """Each photo's id: its path relative to the folder given, without the suffix; a file given itself: its stem."""
    folders = [place for place in places if place.is_dir()]
    ids = []
    for path in paths:
        folder = next((folder for folder in folders if path.is_relative_to(folder)), path.parent)
        within = path.relative_to(folder)
        ids.append((within if within.name else Path(path.name)).with_suffix("").as_posix())
    return ids


def main(
    photos: Annotated[list[Path], typer.Argument(help="photo files and folders")],
    out: Annotated[Path, typer.Option(help="file to write, .npz")],
    weights: Annotated[Path | None, typer.Option(help="weights file; default: the one that erimoto ships")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    cut_out: Annotated[
        bool | None, typer.Option(help="cut garments out first; default: as the network learned")
    ] = None,
) -> None:
    """Embed every attribute of photos.

    The file's keys: id (N,) str; for each attribute ATTR: ATTR (N, d) float32 unit rows, ATTR.value (N,) str ("" where
    it does not apply), ATTR.confidence (N,) float32.
    """
    with one_line_errors():
        paths = find_photos(photos)
        if not paths:
            fail(f"{photos[0]}: no photos there")
        embedder = Embedder.load(weights, device, cut_out)
        ids = photo_ids(photos, paths)
        batches: list[EmbeddedBatch] = []
        with progress_bar("embedding", len(paths)) as advance:
            for batch in embed_files(embedder, paths):
                for position, reason in batch.rejected.items():
                    warn(f"{paths[position]}: {reason}; skipped")
                batches.append(replace(batch, photos=[], mattes=[]))  # thousands of pictures would fill the memory
                advance(len(batch.positions) + len(batch.rejected))
        arrays = _join(embedder, ids, batches)
        if len(arrays["id"]) == 0:
            fail(f"{photos[0]}: none of the {len(paths)} photos can be read")
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = out.with_name(out.name + ".unfinished")
        with unfinished.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        unfinished.replace(out)
        print(f"{out}: {len(arrays['id'])} photos")


def _join(embedder: Embedder, ids: list[str], batches: list[EmbeddedBatch]) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {
        "id": np.array([ids[position] for batch in batches for position in batch.positions], dtype=np.str_)
    }
    for key in embedder.schema.keys:
        arrays[key] = np.concatenate([batch.embeddings.vectors[key] for batch in batches])
        arrays[f"{key}.value"] = np.array(
            [value for batch in batches for value in batch.embeddings.values[key]], dtype=np.str_
        )
        arrays[f"{key}.confidence"] = np.concatenate([batch.embeddings.confidences[key] for batch in batches])
    return arrays


if __name__ == "__main__":
    typer.run(main)
