"""Search over vectors with FAISS.

A row holds the unit vectors of all attributes, one after another. A weighted sum of several attributes' cosines is
then one inner product: the query holds each wanted attribute's vector times its weight, and zeros elsewhere.

While there are few rows they are all compared. Beyond that an approximate index is chosen by what it finds of the
true best rows, measured on queries for one attribute and for several.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]

EXACT_LIMIT = 300_000
RECALL_WANTED = 0.99
RECALL_AT = 10
SAMPLE_ROWS = 50_000
SAMPLE_QUERIES = 128
GPU_MOST = 2048  # rows found, and lists probed, that FAISS's GPU indexes allow


class IndexFileError(ValueError):
    """An index file that can't be used; the message is one line that names the file."""


class FaissIndex:
    """Rows of numbers under integer ids, searched by inner product; on the GPU where there is one.

    It is exact, inverted lists or a graph, see `choose_kind`.

    `blocks` are the (start, stop) columns of each attribute; they matter only for choosing an approximate index.
    """

    def __init__(self, dimensions: int, blocks: list[tuple[int, int]], exact_limit: int = EXACT_LIMIT) -> None:
        self.dimensions = dimensions
        self.blocks = blocks
        self.exact_limit = exact_limit
        self._index: faiss.Index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimensions))
        self._effort = 0
        self._chosen_at = 0
        self._gpu: faiss.Index | None = None

    @property
    def kind(self) -> str:
        """ "exact", "ivf" or "hnsw"."""
        return _kind(self._inner())

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def rows(self) -> tuple[Ids, Vectors]:
        """All ids (N,) and rows (N, D), in no particular order."""
        if self.kind == "ivf":
            return _rows_of_lists(self._inner())
        vectors: Vectors = self._index.index.reconstruct_n(0, len(self)).reshape(-1, self.dimensions)
        return self.ids(), vectors

    def ids(self) -> Ids:
        """All ids, in no particular order."""
        if self.kind == "ivf":
            return _rows_of_lists(self._inner())[0]
        ids: Ids = faiss.vector_to_array(self._index.id_map).astype(np.int64)
        return ids

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add rows (N, D) under ids (N,) that are not there yet.

        Beyond `exact_limit` rows, and at every fourfold growth, the index is chosen anew.
        """
        if len(ids) == 0:
            return
        self._gpu = None
        ids, vectors = np.ascontiguousarray(ids, np.int64), np.ascontiguousarray(vectors, np.float32)
        total = len(self) + len(ids)
        outgrown = self.exact_limit if self.kind == "exact" else 4 * self._chosen_at
        if total > outgrown:
            known, rows = self.rows()
            self._rebuild(np.concatenate([known, ids]), np.concatenate([rows, vectors]))
        else:
            self._index.add_with_ids(vectors, ids)

    def remove(self, ids: Ids) -> int:
        """Remove rows; unknown ids are ignored. Returns how many were removed.

        A graph can't lose nodes, so it is built anew.
        """
        self._gpu = None
        known = self.ids()
        gone = np.intersect1d(ids, known)
        if len(gone) == 0:
            return 0
        if self.kind == "hnsw":
            left = ~np.isin(known, gone)
            known, rows = self.rows()
            self._rebuild(known[left], rows[left])
        else:
            self._index.remove_ids(gone)
        return len(gone)

    def search(self, queries: Vectors, k: int, allowed: Ids | None = None) -> tuple[Vectors, Ids]:
        """The k rows with the largest inner product for each query (M, D), best first, among `allowed` ids if given.

        Exact among few allowed rows, whatever the kind of index.

        Returns:
            Scores (M, k), float32, and ids (M, k), int64; where fewer rows are left, the rest have id -1.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        if self.kind == "exact":
            # Rows are compared at the speed of memory; waking other threads takes longer than they save.
            faiss.omp_set_num_threads(1)
        else:
            faiss.omp_set_num_threads(os.cpu_count() or 1)
        if len(self) == 0 or (allowed is not None and len(allowed) == 0):
            return np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64)
        if allowed is None:
            # FAISS's GPU indexes take no selection of ids, so filtered searches stay on the processor.
            gpu = self._on_gpu() if max(k, self._effort) <= GPU_MOST else None
            if gpu is not None:
                return gpu.search(queries, k)  # type: ignore[no-any-return]
            return self._index.search(queries, k, params=self._parameters(self._effort))  # type: ignore[no-any-return]
        if self.kind == "hnsw" and len(allowed) < self.exact_limit:
            return self._search_rows(queries, k, allowed)
        share = max(1, len(self) // len(allowed))
        selector = _bitmap(allowed)
        return self._index.search(queries, k, params=self._parameters(self._effort * share, selector))  # type: ignore[no-any-return]

    def save(self, path: Path) -> None:
        """Write the index to one file. Raises OSError where it can't be written whole."""
        # FAISS reports a full disk as a RuntimeError without its reason; Python's own writing tells.
        content = faiss.serialize_index(self._index)
        with path.open("wb") as file:
            np.save(file, np.array([self.dimensions, self.exact_limit, self._effort, self._chosen_at], np.int64))
            np.save(file, np.array(self.blocks, np.int64).reshape(-1, 2))
            np.save(file, content)

    @classmethod
    def load(cls, path: Path) -> "FaissIndex":
        """Read an index that `save` wrote. Raises IndexFileError."""
        try:
            with path.open("rb") as file:
                dimensions, exact_limit, effort, chosen_at = (int(number) for number in np.load(file))
                blocks = [(int(start), int(stop)) for start, stop in np.load(file)]
                inner = faiss.deserialize_index(np.load(file))
        except (OSError, ValueError, RuntimeError, EOFError) as error:
            raise IndexFileError(f"{path}: missing or damaged") from error
        index = cls(dimensions, blocks, exact_limit)
        index._index, index._effort, index._chosen_at = inner, effort, chosen_at
        return index

    def _inner(self) -> faiss.Index:
        inner = getattr(self._index, "index", None) if isinstance(self._index, faiss.IndexIDMap) else self._index
        return faiss.downcast_index(inner)

    def _parameters(self, effort: int, selector: faiss.IDSelector | None = None) -> faiss.SearchParameters:
        return _parameters(self._inner(), effort, selector)

    def _on_gpu(self) -> faiss.Index | None:
        if self._gpu is None and self.kind != "hnsw" and getattr(faiss, "get_num_gpus", int)() > 0:
            self._gpu = faiss.index_cpu_to_all_gpus(self._index)
            if self.kind == "ivf":
                faiss.GpuParameterSpace().set_index_parameter(self._gpu, "nprobe", self._effort)
        return self._gpu

    def _search_rows(self, queries: Vectors, k: int, allowed: Ids) -> tuple[Vectors, Ids]:
        """Compare all allowed rows; for graphs, whose walk may never meet a few rows far apart."""
        known, rows = self.rows()
        there = np.isin(known, allowed)
        few = faiss.IndexIDMap2(faiss.IndexFlatIP(self.dimensions))
        few.add_with_ids(rows[there], known[there])
        return few.search(queries, k)  # type: ignore[no-any-return]

    def _rebuild(self, ids: Ids, vectors: Vectors) -> None:
        if len(ids) <= self.exact_limit:
            inner, self._effort = faiss.IndexFlatIP(self.dimensions), 0
        else:
            inner = _train(choose_kind(vectors, self.blocks), vectors)
        # Inverted lists keep ids themselves; a map around them would go wrong when rows are removed.
        self._index = inner if _kind(inner) == "ivf" else faiss.IndexIDMap2(inner)
        self._index.add_with_ids(vectors, ids)
        self._chosen_at = len(ids)
        if _kind(inner) != "exact":
            self._effort = find_effort(inner, vectors, self.blocks)


def sample_queries(vectors: Vectors, blocks: list[tuple[int, int]], count: int = SAMPLE_QUERIES) -> Vectors:
    """Rows as users would ask for them: the vectors of one attribute, or of three with weights, and zeros elsewhere."""
    random = np.random.default_rng(0)
    rows = vectors[random.choice(len(vectors), min(count, len(vectors)), replace=False)]
    queries = np.zeros_like(rows)
    for number, row in enumerate(rows):
        wanted = random.choice(len(blocks), min(len(blocks), 1 if number % 2 == 0 else 3), replace=False)
        for start, stop in (blocks[block] for block in wanted):
            queries[number, start:stop] = row[start:stop] * random.uniform(0.5, 1)
    return queries


def recall(scores: Vectors, exact: Vectors) -> float:
    """The share of found rows that score as well as the last of the truly best; equal scores are equally good.

    Args:
        scores: (M, k), of the rows found.
        exact: (M, k), of the best rows there are.
    """
    return float((scores >= exact[:, -1:] - 1e-5).mean())


def choose_kind(vectors: Vectors, blocks: list[tuple[int, int]]) -> str:
    """ "ivf" or "hnsw": whichever finds RECALL_WANTED of the best rows in less time, on a sample of the rows."""
    random = np.random.default_rng(0)
    sample = vectors[random.choice(len(vectors), min(SAMPLE_ROWS, len(vectors)), replace=False)]
    queries = sample_queries(sample, blocks)
    seconds: dict[str, float] = {}
    for kind in ("ivf", "hnsw"):
        inner = _train(kind, sample)
        inner.add(sample)
        effort = find_effort(inner, sample, blocks)
        began = time.perf_counter()
        scores, _ = inner.search(queries, RECALL_AT, params=_parameters(inner, effort))
        seconds[kind] = time.perf_counter() - began
        if recall(scores, _exact_scores(queries, sample)) < RECALL_WANTED:
            seconds[kind] = float("inf")
    return min(seconds, key=lambda kind: seconds[kind])


def find_effort(inner: faiss.Index, vectors: Vectors, blocks: list[tuple[int, int]]) -> int:
    """The least effort (lists probed, or nodes kept while walking) that finds RECALL_WANTED of the best rows."""
    queries = sample_queries(vectors, blocks)
    exact = _exact_scores(queries, vectors)
    effort = 1
    for effort in _efforts(inner):
        scores, _ = inner.search(queries, RECALL_AT, params=_parameters(inner, effort))
        if recall(scores, exact) >= RECALL_WANTED:
            break
    return effort


def _efforts(inner: faiss.Index) -> Iterator[int]:
    most = inner.nlist if _kind(inner) == "ivf" else 2048
    effort = 4 if _kind(inner) == "ivf" else 32
    while effort < most:
        yield effort
        effort = int(effort * 1.5)
    yield most


def _exact_scores(queries: Vectors, vectors: Vectors) -> Vectors:
    scores, _ = faiss.knn(queries, vectors, RECALL_AT, metric=faiss.METRIC_INNER_PRODUCT)
    return scores  # type: ignore[no-any-return]


def _kind(inner: faiss.Index) -> str:
    if isinstance(inner, faiss.IndexHNSW):
        return "hnsw"
    return "ivf" if isinstance(inner, faiss.IndexIVF) else "exact"


def _train(kind: str, vectors: Vectors) -> faiss.Index:
    dimensions = vectors.shape[1]
    if kind == "hnsw":
        return faiss.IndexHNSWFlat(dimensions, 32, faiss.METRIC_INNER_PRODUCT)
    lists = max(1, int(2 * np.sqrt(len(vectors))))
    inner = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimensions), dimensions, lists, faiss.METRIC_INNER_PRODUCT)
    random = np.random.default_rng(0)
    inner.train(vectors[random.choice(len(vectors), min(len(vectors), 64 * lists), replace=False)])
    return inner


def _rows_of_lists(inner: faiss.IndexIVF) -> tuple[Ids, Vectors]:
    lists = inner.invlists
    ids, rows = [np.zeros(0, np.int64)], [np.zeros((0, inner.d), np.float32)]
    for number in range(inner.nlist):
        size = lists.list_size(number)
        if size:
            codes = faiss.rev_swig_ptr(lists.get_codes(number), size * inner.code_size)
            ids.append(faiss.rev_swig_ptr(lists.get_ids(number), size).copy())
            rows.append(codes.view(np.float32).reshape(size, inner.d).copy())
    return np.concatenate(ids), np.concatenate(rows)


def _parameters(inner: faiss.Index, effort: int, selector: faiss.IDSelector | None = None) -> faiss.SearchParameters:
    if _kind(inner) == "ivf":
        return faiss.SearchParametersIVF(sel=selector, nprobe=min(inner.nlist, max(1, effort)))
    if _kind(inner) == "hnsw":
        return faiss.SearchParametersHNSW(sel=selector, efSearch=max(1, effort))
    return faiss.SearchParameters(sel=selector)


def _bitmap(ids: Ids) -> faiss.IDSelector:
    bits = np.zeros(int(ids.max()) + 1, np.bool_)
    bits[ids] = True
    return faiss.IDSelectorBitmap(np.packbits(bits, bitorder="little"))
