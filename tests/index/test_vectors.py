"""The vector index finds what a plain comparison of all rows finds."""

from pathlib import Path

import numpy as np
import pytest

from index import vectors as index_vectors
from index.vectors import FaissIndex, IndexFileError, Vectors, recall, sample_queries

ATTRIBUTES, LENGTH = 4, 8
BLOCKS = [(start, start + LENGTH) for start in range(0, ATTRIBUTES * LENGTH, LENGTH)]


def rows_of_garments(count: int) -> Vectors:
    """Rows whose attributes gather around a few values, as embedded garments do."""
    random = np.random.default_rng(0)
    parts = []
    for _ in BLOCKS:
        values = random.normal(size=(9, LENGTH))
        part = values[random.integers(0, 9, count)] + 0.3 * random.normal(size=(count, LENGTH))
        parts.append(part / np.linalg.norm(part, axis=1, keepdims=True))
    return np.concatenate(parts, axis=1).astype(np.float32)


def best(queries: Vectors, rows: Vectors, k: int) -> Vectors:
    return -np.sort(-(queries @ rows.T), axis=1)[:, :k]


@pytest.fixture
def rows() -> Vectors:
    return rows_of_garments(6000)


@pytest.fixture(params=["exact", "ivf", "hnsw"])
def index(request: pytest.FixtureRequest, rows: Vectors, monkeypatch: pytest.MonkeyPatch) -> FaissIndex:
    """An index of each kind over `rows`, under the ids 1, 2, 3, …"""
    monkeypatch.setattr(index_vectors, "choose_kind", lambda *_: request.param)
    index = FaissIndex(rows.shape[1], BLOCKS, exact_limit=10_000 if request.param == "exact" else 1000)
    index.add(np.arange(1, 501), rows[:500])
    index.add(np.arange(501, 6001), rows[500:])
    assert index.kind == request.param
    return index


def test_finds_the_best_rows_by_one_attribute_and_by_three(index: FaissIndex, rows: Vectors) -> None:
    queries = sample_queries(rows, BLOCKS)
    assert (queries == 0).mean() > 0.2
    scores, ids = index.search(queries, 10)
    assert recall(scores, best(queries, rows, 10)) >= (1.0 if index.kind == "exact" else 0.98)
    assert np.allclose((queries[:, None] * rows[ids - 1]).sum(axis=2), scores, atol=1e-4)


def test_few_allowed_rows_are_all_found(index: FaissIndex, rows: Vectors) -> None:
    queries = sample_queries(rows, BLOCKS)[:20]
    allowed = np.array([3, 77, 1234, 5999])
    scores, ids = index.search(queries, 10, allowed)
    for query, found_scores, found in zip(queries, scores, ids, strict=True):
        assert sorted(found[:4]) == allowed.tolist()
        assert (found[4:] == -1).all()
        assert np.allclose(found_scores[:4], best(query[None], rows[allowed - 1], 4)[0], atol=1e-4)


def test_nothing_allowed_and_nothing_stored(index: FaissIndex, rows: Vectors) -> None:
    assert (index.search(rows[:2], 3, np.zeros(0, np.int64))[1] == -1).all()
    assert (FaissIndex(rows.shape[1], BLOCKS).search(rows[:2], 3)[1] == -1).all()


def test_removed_rows_are_not_found_and_others_keep_their_ids(index: FaissIndex, rows: Vectors) -> None:
    gone = np.arange(1, 3001)
    assert index.remove(np.append(gone, 99_999)) == 3000
    assert len(index) == 3000
    queries = sample_queries(rows, BLOCKS)
    scores, ids = index.search(queries, 10)
    assert ids.min() > 3000
    assert recall(scores, best(queries, rows[3000:], 10)) >= (1.0 if index.kind == "exact" else 0.98)
    stored_ids, stored = index.rows()
    assert sorted(stored_ids) == list(range(3001, 6001))
    assert np.allclose(stored, rows[stored_ids - 1])


def test_saved_and_loaded_index_answers_the_same(index: FaissIndex, rows: Vectors, tmp_path: Path) -> None:
    index.save(tmp_path / "index")
    loaded = FaissIndex.load(tmp_path / "index")
    queries = sample_queries(rows, BLOCKS)
    assert loaded.kind == index.kind
    assert (loaded.search(queries, 10)[1] == index.search(queries, 10)[1]).all()


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_damaged_file_is_named(rows: Vectors, tmp_path: Path, keep: int) -> None:
    index = FaissIndex(rows.shape[1], BLOCKS)
    index.add(np.arange(len(rows)), rows)
    index.save(tmp_path / "index")
    whole = (tmp_path / "index").read_bytes()
    (tmp_path / "index").write_bytes(whole[:keep])
    with pytest.raises(IndexFileError, match="damaged"):
        FaissIndex.load(tmp_path / "index")


def test_kind_is_chosen_by_what_it_finds(rows: Vectors) -> None:
    index = FaissIndex(rows.shape[1], BLOCKS, exact_limit=1000)
    index.add(np.arange(len(rows)), rows)
    assert index.kind in {"ivf", "hnsw"}
    queries = sample_queries(rows, BLOCKS)
    assert recall(index.search(queries, 10)[0], best(queries, rows, 10)) >= 0.98
