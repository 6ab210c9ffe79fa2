"""Data sets of the field, measured by the published protocol: FashionAI, DARN, DeepFashion.

    python -m retrieval.published DIR --split test --weights WEIGHTS

DIR is a data set in the files that the authors of ASEN (Ma et al. 2020) and RPF (Dong et al. 2023) publish:

    meta.json                         ATTRIBUTES, names in their order; ATTRIBUTES_NUM, how many values each has;
                                      ATTRIBUTES_VALUES, if given, their names. The file may also stand beside DIR and
                                      hold several data sets by their folders' names.
    filenames_train|valid|test.txt    a photo a line, relative to DIR
    label_train.txt                   file_index attribute value [attribute value ...], integers
    query_valid|test.txt              the same, indices into filenames_valid|test.txt
    candidate_valid|test.txt          the same

Protocol: an attribute's candidates are ranked for each of its queries by cosine; relevant are those of the same value.
MAP averages over all queries. A query without a relevant candidate counts as 0.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray

from matting.console import fail, progress_bar, warn
from matting.tables import TableError
from retrieval.attributes import Attribute, Schema
from retrieval.console import one_line_errors
from retrieval.data import LabelledPhotos
from retrieval.evaluate import as_json_figures, figures, print_figures
from retrieval.measure import Rankings, rank_query

Split = Literal["valid", "test"]


@dataclass(frozen=True)
class RankingTask:
    """One attribute's queries and candidates: positions in the list of photos, and their values."""

    queries: NDArray[np.int64]  # (Q,)
    query_values: NDArray[np.int64]  # (Q,)
    candidates: NDArray[np.int64]  # (C,)
    candidate_values: NDArray[np.int64]  # (C,)


def read_published_schema(folder: Path) -> Schema:
    """The attributes of a data set. Raises TableError, naming the file, if meta.json is not as above."""
    places = [folder / "meta.json", folder.parent / "meta.json"]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise TableError(f"{folder}: has no meta.json, and there is none beside it")
    try:
        meta: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        meta = meta.get(folder.name, meta)
        attributes = []
        for name in meta["ATTRIBUTES"]:
            count = int(meta["ATTRIBUTES_NUM"][name])
            titles = meta.get("ATTRIBUTES_VALUES", {}).get(name) or [str(value) for value in range(count)]
            if len(titles) != count or len(set(titles)) != count:
                raise TableError(f"{path}: {name} has {count} values, but ATTRIBUTES_VALUES lists others")
            key = re.sub(r"\W", "_", str(name))
            both = {title: {"en": title, "ja": title} for title in titles}
            attributes.append(Attribute(key, tuple(titles), {"en": str(name), "ja": str(name)}, both))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise TableError(f"{path}: not a JSON file that can be read") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{path}: lacks ATTRIBUTES or ATTRIBUTES_NUM for {folder.name}") from error
    return Schema(tuple(attributes))


def read_published_photos(folder: Path, schema: Schema) -> LabelledPhotos:
    """The photos to train on. Attributes without a label are not known.

    Photos whose file is missing are left out, with a warning that counts them: of DARN not all can be had any more.

    Raises:
        TableError: a file is missing or not as it should be, or no photo is there.
    """
    paths = _read_names(folder, "train")
    rows: dict[int, list[tuple[int, int]]] = {}
    for file, attribute, value in _read_labels(folder / "label_train.txt", len(paths), schema):
        rows.setdefault(file, []).append((attribute, value))
    there = [file for file in sorted(rows) if paths[file].is_file()]
    if not there:
        raise TableError(f"{folder}: none of the photos in filenames_train.txt is there")
    if len(there) < len(rows):
        warn(f"{folder}: {len(rows) - len(there)} of {len(rows)} photos are missing and left out")
    targets = {
        attribute.key: np.zeros((len(there), len(attribute.values) + 1), np.float32) for attribute in schema.attributes
    }
    for row, file in enumerate(there):
        for attribute, value in rows[file]:
            targets[schema.keys[attribute]][row, value] = 1
    return LabelledPhotos(
        [paths[file].relative_to(folder).with_suffix("").as_posix() for file in there],
        [paths[file] for file in there],
        # Nobody is named as sender, so single photos are held out.
        [str(file) for file in there],
        targets,
    )


def read_ranking_tasks(folder: Path, split: Split, schema: Schema) -> tuple[list[Path], dict[str, RankingTask]]:
    """The photos that a split's queries and candidates name, and each attribute's task.

    Photos whose file is missing are left out, with a warning.

    Raises:
        TableError: a file is missing or not as it should be, or nothing is left to rank.
    """
    names = _read_names(folder, split)
    listed = [_read_labels(folder / f"{kind}_{split}.txt", len(names), schema) for kind in ("query", "candidate")]
    used = sorted({file for rows in listed for file, _, _ in rows})
    there = [file for file in used if names[file].is_file()]
    if len(there) < len(used):
        warn(f"{folder}: {len(used) - len(there)} of {len(used)} photos are missing and left out")
    position = {file: row for row, file in enumerate(there)}
    tasks = {}
    for number, key in enumerate(schema.keys):
        (queries, query_values), (candidates, candidate_values) = (
            _columns([(position[file], value) for file, of, value in rows if of == number and file in position])
            for rows in listed
        )
        if len(queries) and len(candidates):
            tasks[key] = RankingTask(queries, query_values, candidates, candidate_values)
    if not tasks:
        raise TableError(f"{folder}: no query of split {split} has a candidate, or the photos are missing")
    return [names[file] for file in there], tasks


def rank_published(task: RankingTask, vectors: NDArray[np.float32]) -> Rankings:
    """Rank an attribute's candidates for each query, by unit vectors (N, d) of all photos."""
    candidates = vectors[task.candidates]
    ranked = [
        rank_query(candidates @ vectors[query], task.candidate_values == value)
        for query, value in zip(task.queries, task.query_values, strict=True)
    ]
    each = np.array(ranked, dtype=np.float64).reshape(-1, 2)
    return Rankings(np.nan_to_num(each[:, 0]), each[:, 1])


def _columns(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _read_names(folder: Path, split: str) -> list[Path]:
    return [folder / line for line in _read_lines(folder / f"filenames_{split}.txt")]


def _read_labels(path: Path, files: int, schema: Schema) -> list[tuple[int, int, int]]:
    """Every (file, attribute, value) of a file of labels, in order."""
    rows = []
    for number, line in enumerate(_read_lines(path), start=1):
        try:
            numbers = [int(word) for word in line.split()]
        except ValueError as error:
            raise TableError(f"{path}: line {number} holds something else than integers") from error
        if len(numbers) % 2 == 0 or len(numbers) < 3:
            raise TableError(f"{path}: line {number} is not 'file_index attribute value [attribute value ...]'")
        for attribute, value in zip(numbers[1::2], numbers[2::2], strict=True):
            if not 0 <= numbers[0] < files:
                raise TableError(f"{path}: line {number}: there is no file {numbers[0]}; the list has {files}")
            if not 0 <= attribute < len(schema.keys):
                raise TableError(f"{path}: line {number}: there is no attribute {attribute} in meta.json")
            if not 0 <= value < len(schema.attributes[attribute].values):
                raise TableError(f"{path}: line {number}: {schema.keys[attribute]} has no value {value}")
            rows.append((numbers[0], attribute, value))
    return rows


def _read_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise TableError(f"{path}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: not a text in UTF-8") from error
    return [line.strip() for line in lines if line.strip()]


def main(
    folder: Annotated[Path, typer.Argument(help="the data set's folder", metavar="DIR")],
    weights: Annotated[Path, typer.Option(help="weights trained on the data set")],
    split: Annotated[str, typer.Option(help="valid or test")] = "test",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Measure weights on a published data set."""
    with one_line_errors():
        if split not in ("valid", "test"):
            fail(f"--split {split}: valid or test", status=2)
        schema = read_published_schema(folder)
        photos, tasks = read_ranking_tasks(folder, "valid" if split == "valid" else "test", schema)
        from retrieval.embed import embed_files
        from retrieval.embedder import Embedder

        embedder = Embedder.load(weights, device)
        if embedder.schema != schema:
            fail(f"{weights}: has other attributes than {folder}; train with --data-set {folder}")
        vectors = {key: np.zeros((len(photos), size), np.float32) for key, size in embedder.dimensions.items()}
        with progress_bar("embedding", len(photos)) as advance:
            for batch in embed_files(embedder, photos):
                for place, reason in batch.rejected.items():
                    warn(f"{photos[place]}: {reason}; it matches nothing")
                for key, rows in batch.embeddings.vectors.items():
                    vectors[key][batch.positions] = rows
                advance(len(batch.positions) + len(batch.rejected))
        rankings = {key: rank_published(task, vectors[key]) for key, task in tasks.items()}
        measured = {key: figures(of) for key, of in rankings.items()}
        over_all = float(np.concatenate([of.precisions for of in rankings.values()]).mean() * 100)
        if as_json:
            print(json.dumps({"attributes": as_json_figures(measured), "map": over_all}))
        else:
            print_figures(measured, "over all queries", over_all)


if __name__ == "__main__":
    typer.run(main)
