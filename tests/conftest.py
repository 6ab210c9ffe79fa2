"""What the tests share: the samples, and one catalogue of them."""

import os
import shutil
from pathlib import Path

import pytest

from retrieval.build import BuildReport, build
from retrieval.embedder import Embedder

os.environ["COLUMNS"] = "200"  # tables and usage errors as on a wide terminal, wherever the tests run

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture(scope="session")
def samples() -> Path:
    return SAMPLES


@pytest.fixture(scope="session")
def sample_photos() -> list[Path]:
    return sorted((SAMPLES / "photos").iterdir())


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return Embedder.load(device="cpu")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> tuple[Path, BuildReport]:
    """The samples' catalogue, without their labels; not to be written to."""
    folder = tmp_path_factory.mktemp("samples") / "catalog"
    return folder, build([SAMPLES / "photos"], folder, embedder)


@pytest.fixture
def catalog(built: tuple[Path, BuildReport], tmp_path: Path) -> Path:
    """A copy of the samples' catalogue to write to."""
    return Path(shutil.copytree(built[0], tmp_path / "catalog"))


@pytest.fixture
def some_photos(sample_photos: list[Path], tmp_path: Path) -> Path:
    """A folder with a few sample photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in sample_photos[:6]:
        shutil.copy(photo, folder)
    return folder
