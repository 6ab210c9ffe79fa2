"""The demo draws something for every folder that holds garments, and says what is wrong with others."""

import shutil
import subprocess
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner

from retrieval import demo
from ui.settings import parse_settings


def run_demo(photos: Path, out: Path) -> tuple[int, str]:
    program = demo.typer.Typer()
    program.command()(demo.main)
    result = CliRunner().invoke(program, [str(photos), "--out", str(out)])
    return result.exit_code, result.stderr


def test_demo_draws_and_embeds_once(samples: Path, tmp_path: Path) -> None:
    status, words = run_demo(samples / "photos", tmp_path / "demo")
    assert status == 0, words
    assert words.count("7 hits") == 3
    with Image.open(tmp_path / "demo" / "results.png") as drawn:
        assert drawn.width > 1000
        assert drawn.height > 800
    assert "0 photos embedded" in run_demo(samples / "photos", tmp_path / "demo")[1]


def test_folders_of_the_same_name_do_not_share_a_catalogue(sample_photos: list[Path], tmp_path: Path) -> None:
    for place, photos in (("one", sample_photos[:6]), ("other", sample_photos[6:12])):
        folder = tmp_path / place / "photos"
        folder.mkdir(parents=True)
        for photo in photos:
            shutil.copy(photo, folder)
        assert "6 items, 6 photos embedded" in run_demo(folder, tmp_path / "demo")[1]


def test_the_page_starts_with_the_catalogue_of_the_demo(samples: Path, tmp_path: Path) -> None:
    page = subprocess.run(["make", "-n", "ui"], cwd=samples.parent, capture_output=True, text=True, check=True)
    assert f'--catalog "demo/{demo.catalog_name(samples / "photos")}"' in page.stdout
    assert parse_settings([]).catalog == samples.parent / "demo" / demo.catalog_name(samples / "photos")


def test_few_photos_and_none(samples: Path, some_photos: Path, tmp_path: Path) -> None:
    assert run_demo(some_photos, tmp_path / "demo")[0] == 0
    for name, photos in {"no folder": tmp_path / "nowhere", "no photos": tmp_path / "empty"}.items():
        if name == "no photos":
            photos.mkdir()
        status, words = run_demo(photos, tmp_path / "demo")
        assert status == 1
        assert photos.name in words
    shutil.rmtree(tmp_path / "empty")
