"""How fast is a search in a large catalogue, and does it find the best? `python benchmarks/search_speed.py [ITEMS]`.

Made-up garments whose attributes gather around values, as embedded ones do, are stored in a real catalogue; then
searches by item, which need no network, are timed from the question to the answer with all its values, by one
attribute and by three. Recall is counted against a plain comparison of all rows.
"""

import json
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from index.catalog import NewPhoto, write_catalog
from index.storage import ModelInfo
from retrieval.attributes import load_schema
from retrieval.search import Query, SearchService

LENGTH = 16
SEARCHES = 200


def main(count: Annotated[int, typer.Argument(min=1, metavar="ITEMS")] = 100_000) -> None:
    """Build, search and print one JSON object."""
    random = np.random.default_rng(0)
    schema = load_schema()
    prototypes = {attribute.key: random.normal(size=(len(attribute.values), LENGTH)) for attribute in schema.attributes}
    values = {attribute.key: random.integers(0, len(attribute.values), count) for attribute in schema.attributes}
    parts = []
    for key in schema.keys:
        part = prototypes[key][values[key]] + 0.3 * random.normal(size=(count, LENGTH))
        parts.append(part / np.linalg.norm(part, axis=1, keepdims=True))
    rows = np.concatenate(parts, axis=1).astype(np.float32)
    model = ModelInfo("benchmark", dict.fromkeys(schema.keys, LENGTH), {}, schema.to_json())
    measured: dict[str, object] = {"items": count, "machine": f"{platform.machine()}, {platform.processor()}"}
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder) / "catalog"
        began = time.perf_counter()
        with write_catalog(catalog) as writer:
            for start in range(0, count, 1000):
                photos = [
                    NewPhoto(
                        f"item {n}",
                        f"{n}.jpg",
                        0,
                        0,
                        rows[n],
                        {key: schema[key].values[values[key][n]] for key in schema.keys},
                        dict.fromkeys(schema.keys, 0.9),
                    )
                    for n in range(start, min(count, start + 1000))
                ]
                writer.store(photos, model.fingerprint)
            writer.finish(model)
        measured["store and index, seconds"] = round(time.perf_counter() - began, 1)
        began = time.perf_counter()
        service = SearchService.open(catalog)
        service.search(Query(item="item 0", by={"collar": 1.0}))
        measured["open and first search, seconds"] = round(time.perf_counter() - began, 3)
        measured["index"] = service.catalog.info()["index"]
        measured["bytes an item"] = round(sum(file.stat().st_size for file in catalog.iterdir()) / count)
        for keys in (("collar",), ("collar", "sleeve", "color")):
            seconds, recalls = [], []
            for item in random.integers(0, count, SEARCHES).tolist():
                began = time.perf_counter()
                answer = service.search(Query(item=f"item {item}", by=dict.fromkeys(keys, 1.0)))
                seconds.append(time.perf_counter() - began)
                scores = sum(
                    rows[:, start:stop] @ rows[item, start:stop]
                    for key, (start, stop) in model.spans().items()
                    if key in keys
                ) / len(keys)
                scores[item] = -np.inf
                tenth = np.partition(scores, -10)[-10]
                recalls.append(np.mean([hit.score >= tenth - 1e-5 for hit in answer.hits]))
            measured[f"{len(keys)} attributes"] = {
                "median ms": round(1000 * statistics.median(seconds), 2),
                "95th percentile ms": round(1000 * float(np.percentile(seconds, 95)), 2),
                "recall@10": round(float(np.mean(recalls)), 4),
            }
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    typer.run(main)
