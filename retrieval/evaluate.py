"""Measure vectors against labels: `python -m retrieval.evaluate --vectors vectors.npz --labels labels.csv`."""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from matting.console import fail
from matting.tables import read_table
from retrieval.attributes import CATEGORY
from retrieval.console import one_line_errors
from retrieval.measure import Rankings, bootstrap_maps, expected_calibration_error, rank_other_senders
from retrieval.tables import known_value

NOT_ATTRIBUTES = ("id", "sender", "split", "view")


def evaluate(vectors: Path, labels: Path) -> dict[str, dict[str, float]]:
    """Measure each attribute that is a column of the labels and a key of the vectors.

    Args:
        vectors: a file that `python -m retrieval.embed` wrote.
        labels: CSV with the columns id, sender and attributes.

    Returns:
        For each attribute what `figures` holds, and, where the file holds values and confidences, `accuracy` and
        `calibration_error` in percent.

    Raises:
        ValueError: a file is not what it should be, in one line that names it.
    """
    table = read_table(labels, required=("id", "sender"))
    arrays = _read_vectors(vectors)
    rows = {row["id"]: row for row in table.rows}
    ids = [str(name) for name in arrays["id"]]
    known = np.array([row for row, name in enumerate(ids) if name in rows], dtype=np.int64)
    if len(known) == 0:
        raise ValueError(f"{labels}: none of its ids is in {vectors}")
    senders = [rows[ids[row]]["sender"] for row in known]
    measured: dict[str, dict[str, float]] = {}
    for key in table.columns:
        if key in NOT_ATTRIBUTES or key not in arrays:
            continue
        values = [known_value(rows[ids[row]][key]) for row in known]
        measured[key] = figures(rank_other_senders(arrays[key][known].astype(np.float32), values, senders))
        if f"{key}.value" in arrays and f"{key}.confidence" in arrays:
            labelled = np.array([bool(value) for value in values])
            right = (arrays[f"{key}.value"][known] == np.array(values, dtype=np.str_))[labelled]
            confidence = arrays[f"{key}.confidence"][known][labelled]
            measured[key]["accuracy"] = float(right.mean() * 100) if len(right) else float("nan")
            measured[key]["calibration_error"] = expected_calibration_error(confidence, right) * 100
    if not measured:
        raise ValueError(f"{vectors}: holds no attribute that is a column of {labels}")
    if not any(of["queries"] for of in measured.values()):
        raise ValueError(f"{labels}: no photo in {vectors} has a value that another sender's photo has, too")
    return measured


def figures(rankings: Rankings) -> dict[str, float]:
    """`map` and its 95 % confidence interval, `map_low` to `map_high`, recall@1, @5, @10, in percent; `queries`."""
    low, high = np.percentile(bootstrap_maps(rankings.precisions), (2.5, 97.5))
    recalls = {f"recall@{k}": rankings.recall(k) for k in (1, 5, 10)}
    count = len(rankings.precisions)
    return {"map": rankings.mean_average_precision, "map_low": low, "map_high": high, **recalls, "queries": count}


def print_figures(measured: dict[str, dict[str, float]], last: str, mean: float) -> None:
    """Print a table, an attribute a row, and the mean MAP in a `last` row."""
    names = {"map": "MAP %", "interval": "95 %", "recall@1": "R@1 %", "recall@5": "R@5 %", "recall@10": "R@10 %"}
    names |= {"queries": "queries", "accuracy": "values right %", "calibration_error": "ECE %"}
    out = Table("attribute", *names.values())
    for key, of in measured.items():
        cells = {name: f"{value:.0f}" if name == "queries" else f"{value:.1f}" for name, value in of.items()}
        cells["interval"] = f"{of['map_low']:.1f}-{of['map_high']:.1f}"
        out.add_row(key, *(cells.get(name, "") for name in names))
    out.add_section()
    out.add_row(last, f"{mean:.1f}")
    Console().print(out)


def as_json_figures(measured: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """The figures as JSON can hold them: it knows no nan, so what could not be measured is None."""
    return {
        key: {name: float(value) if np.isfinite(value) else None for name, value in of.items()}
        for key, of in measured.items()
    }


def mean_map(measured: dict[str, dict[str, float]]) -> float:
    """The mean MAP over all attributes but the category, which helps but is not what people search by."""
    return float(np.nanmean([of["map"] for key, of in measured.items() if key != CATEGORY]))


def _read_vectors(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no such file") from error
    except Exception as error:  # numpy and zipfile raise many kinds of errors on damaged files
        raise ValueError(f"{path}: not a file of vectors, or damaged") from error
    if "id" not in arrays:
        raise ValueError(f"{path}: has no key 'id'; write it with python -m retrieval.embed")
    count = len(arrays["id"])
    for name, array in arrays.items():
        if len(array) != count:
            raise ValueError(f"{path}: '{name}' has {len(array)} rows, 'id' has {count}")
    return arrays


def main(
    vectors: Annotated[Path, typer.Option(help="file that python -m retrieval.embed wrote")],
    labels: Annotated[Path, typer.Option(help="CSV: id, sender and the attributes")],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Mean average precision in percent: every photo asks for its value of an attribute among other senders' photos."""
    with one_line_errors():
        measured = evaluate(vectors, labels)
        if not any(key != CATEGORY for key in measured):
            fail(f"{vectors}: holds no attribute but the category")
        mean = mean_map(measured)
        if as_json:
            print(
                json.dumps({"attributes": as_json_figures(measured), "mean_map": mean if np.isfinite(mean) else None})
            )
        else:
            print_figures(measured, f"mean without {CATEGORY}", mean)


if __name__ == "__main__":
    typer.run(main)
