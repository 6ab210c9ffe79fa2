"""The commands as users and programs call them, on real photographs."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import typer
from click.testing import Result
from PIL import Image
from sqlalchemy import make_url
from typer.testing import CliRunner

from index.catalog import open_catalog
from index.corrections import correct
from index.database import without_password
from index.storage import is_there
from matting import PhotoError, find_photos, read_photo
from retrieval import embed, evaluate
from retrieval.build import BuildReport
from retrieval.index import app


def run(*arguments: object, program: typer.Typer = app) -> Result:
    return CliRunner().invoke(program, [str(argument) for argument in arguments])


def run_main(main: object, *arguments: object) -> Result:
    program = typer.Typer()
    program.command()(main)  # type: ignore[arg-type]
    return run(*arguments, program=program)


def search(catalog: Path, *arguments: object) -> dict:  # type: ignore[type-arg]
    result = run("search", "--catalog", catalog, "--json", *arguments)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def assert_one_line(result: Result, *words: str, status: int = 1) -> None:
    """The command failed with one line that holds these words, and no traceback."""
    assert result.exit_code == status, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in lines[0]


def rejected(catalog: Path) -> dict[str, str]:
    with (catalog / "rejected.csv").open(newline="", encoding="utf-8") as file:
        return {Path(row["path"]).name: row["reason"] for row in csv.DictReader(file)}


def test_all_samples_are_in_the_catalogue(built: tuple[Path, BuildReport], sample_photos: list[Path]) -> None:
    folder, report = built
    assert report.embedded == report.items == len(sample_photos)
    info = json.loads(run("info", "--catalog", folder, "--json").stdout)
    assert info["items"] == info["photos"] == len(sample_photos)
    assert sum(info["values"]["pattern"].values()) == len(sample_photos)
    assert info["values"]["sleeve"][""] > 20  # shoes, hats, trousers
    assert run("verify", "--catalog", folder).exit_code == 0


def test_search_by_photo_finds_the_photo_itself_and_explains(
    built: tuple[Path, BuildReport], sample_photos: list[Path]
) -> None:
    found = search(built[0], "--image", sample_photos[3], "--by", "collar", "--by", "color=0.5", "-k", 5)
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3, 4, 5]
    first = found["hits"][0]
    assert first["id"] == sample_photos[3].stem
    assert first["score"] == pytest.approx(1, abs=0.01)
    assert set(first["attributes"]) >= {"collar", "sleeve", "length", "pattern", "closure", "color", "category"}
    for hit in found["hits"]:
        parts = hit["attributes"]
        combined = (parts["collar"]["score"] + 0.5 * parts["color"]["score"]) / 1.5
        assert hit["score"] == pytest.approx(combined, abs=1e-4)
    assert found["query"]["by"] == {"collar": 1.0, "color": 0.5}


def test_search_by_item_leaves_the_item_out(built: tuple[Path, BuildReport], sample_photos: list[Path]) -> None:
    found = search(built[0], "--item", sample_photos[3].stem, "--by", "collar")
    assert len(found["hits"]) == 10
    assert sample_photos[3].stem not in [hit["id"] for hit in found["hits"]]


def test_set_changes_what_is_found(built: tuple[Path, BuildReport], samples: Path) -> None:
    with (samples / "labels.csv").open() as file:
        short = next(
            row["id"] for row in csv.DictReader(file) if row["sleeve"] == "short" and row["category"] == "t-shirt"
        )
    as_it_is = search(built[0], "--item", short, "--by", "sleeve", "-k", 8)["hits"]
    changed = search(built[0], "--item", short, "--by", "sleeve", "--by", "color", "--set", "sleeve=long", "-k", 8)[
        "hits"
    ]
    assert [hit["attributes"]["sleeve"]["value"] for hit in as_it_is].count("short") >= 6
    assert [hit["attributes"]["sleeve"]["value"] for hit in changed].count("long") >= 6


def test_where_filters_before_ranking(built: tuple[Path, BuildReport], sample_photos: list[Path]) -> None:
    only = sample_photos[40].stem
    found = search(built[0], "--item", sample_photos[3].stem, "--by", "collar", "--where", f"id={only}")
    assert [hit["id"] for hit in found["hits"]] == [only]
    dresses = search(built[0], "--item", sample_photos[3].stem, "--by", "color", "--where", "category=dress", "-k", 50)
    assert 5 < len(dresses["hits"]) < 50
    assert {hit["attributes"]["category"]["value"] for hit in dresses["hits"]} == {"dress"}


def test_table_and_sheet(built: tuple[Path, BuildReport], sample_photos: list[Path], tmp_path: Path) -> None:
    sheet = tmp_path / "new folder" / "sheet.png"
    result = run(
        "search", "--catalog", built[0], "--item", sample_photos[3].stem, "--by", "pattern", "-k", 4, "--sheet", sheet
    )
    assert result.exit_code == 0
    assert "pattern" in result.stdout
    with Image.open(sheet) as drawn:
        pixels = np.asarray(drawn.convert("RGB"))
    assert pixels.shape[1] > 5 * 156
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 5000  # photographs, not only paper and letters


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (["--by", "collr"], ["collr", "collar, sleeve"], 1),
        (["--by", "collar=x"], ["collar=x", "number"], 1),
        (["--by", "collar=-1"], ["above 0"], 1),
        (["--set", "sleeve=log"], ["log", "sleeveless, short"], 1),
        (["--set", "sleeve"], ["--set sleeve", "ATTRIBUTE=VALUE"], 1),
        (["--by", "collar", "--where", "category=dres"], ["dres", "dress"], 1),
        (["--by", "collar", "--where", "price<3"], ["price"], 1),
        (["--by", "collar", "--where", "category"], ["--where"], 1),
        (["--by", "collar", "-k", "0"], ["-k 0"], 1),
        (["--by", "collar", "--sheet", "a.bmp"], ["a.bmp", ".png"], 2),
        (["--image", "b.jpg"], ["--image", "--item"], 2),
    ],
)
def test_wrong_questions_get_one_line(
    built: tuple[Path, BuildReport], sample_photos: list[Path], arguments: list[str], words: list[str], status: int
) -> None:
    result = run("search", "--catalog", built[0], "--item", sample_photos[3].stem, *arguments)
    assert_one_line(result, *words, status=status)


def test_unknown_items_photos_and_catalogues(built: tuple[Path, BuildReport], tmp_path: Path) -> None:
    assert_one_line(run("search", "--catalog", built[0], "--item", "nobody", "--by", "collar"), "nobody")
    (tmp_path / "bad.jpg").write_bytes(b"no")
    bad = run("search", "--catalog", built[0], "--image", tmp_path / "bad.jpg", "--by", "collar")
    assert_one_line(bad, "bad.jpg", "not an image")
    for command in (["info"], ["verify"], ["remove", "x"], ["search", "--item", "x"]):
        assert_one_line(run(*command, "--catalog", tmp_path / "none"), "none", "no catalogue")
    assert_one_line(run("build", tmp_path / "nowhere", "--catalog", tmp_path / "c"), "nowhere")
    (tmp_path / "empty").mkdir()
    assert_one_line(run("build", tmp_path / "empty", "--catalog", tmp_path / "c"), "empty", "no photos")
    assert run("search", "--nonsense").exit_code == 2


def test_bad_photos_are_skipped_listed_and_do_no_harm(some_photos: Path, tmp_path: Path) -> None:
    good = len(list(some_photos.iterdir()))
    whole = next(some_photos.iterdir()).read_bytes()
    bad = {
        "empty.jpg": b"",
        "cut.jpg": whole[: len(whole) // 3],
        "text.png": b"hello",
    }
    for name, content in bad.items():
        (some_photos / name).write_bytes(content)
    Image.new("1", (10_001, 10_001)).save(some_photos / "huge.png")
    (some_photos / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (some_photos / "round").symlink_to(some_photos)
    odd = ["it's.jpg", 'say "hi".jpg', "two\nlines.jpg", "襟の形 2.jpg", "[bold].jpg", "SHOUT.JPG"]
    for name in odd:
        (some_photos / name).write_bytes(whole)
    (some_photos / os.fsdecode(b"latin-\xe9.jpg")).write_bytes(whole)
    shutil.copy(some_photos / "SHOUT.JPG", some_photos / "SHOUT.webp")

    catalog = tmp_path / "catalog"
    result = run("build", some_photos, "--catalog", catalog)
    assert result.exit_code == 0, result.output
    assert "rejected.csv" in result.stderr
    reasons = rejected(catalog)
    assert set(reasons) == {*bad, "huge.png", "dangling.jpg", "latin-\\xe9.jpg", "SHOUT.webp"}
    assert "duplicate id 'SHOUT'" in reasons["SHOUT.webp"]
    assert "megapixels" in reasons["huge.png"]
    info = json.loads(run("info", "--catalog", catalog, "--json").stdout)
    assert info["items"] == good + len(odd)
    # The photo that all of these are copies of is the sixth that is alike.
    found = search(catalog, "--item", "two\nlines", "--by", "collar", "-k", 6)
    assert {hit["id"] for hit in found["hits"]} >= {"襟の形 2", "[bold]", 'say "hi"', "it's", "SHOUT"}
    table = run("search", "--catalog", catalog, "--item", "SHOUT", "--by", "collar", "-k", 6).stdout
    assert "[bold]" in table
    assert "two\\nlines" in table


def test_what_may_not_be_read_is_refused_by_name_and_stays_stored(sample_photos: list[Path]) -> None:
    """As a user without rights, also where the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name) / "photos"
        (photos / "locked").mkdir(parents=True)
        (photos / "listed").mkdir()
        for target in ("a.jpg", "secret.jpg", "locked/b.jpg", "listed/c.jpg"):
            shutil.copy(sample_photos[0], photos / target)
        for path, mode in {
            name: 0o755,
            photos / "secret.jpg": 0,
            photos / "locked": 0,
            photos / "listed": 0o444,
        }.items():
            Path(path).chmod(mode)
        own = os.geteuid()
        if own == 0:
            os.seteuid(65534)
        try:
            found = find_photos([photos])
            reasons = {}
            for path in found:
                try:
                    read_photo(path)
                except PhotoError as error:
                    reasons[path.name] = str(error)
            stored = is_there(str(photos / "locked" / "b.jpg"))
        finally:
            os.seteuid(own)
            for folder in ("locked", "listed"):
                (photos / folder).chmod(0o755)
    assert [path.name for path in found] == ["a.jpg", "listed", "locked", "secret.jpg"]
    assert set(reasons) == {"listed", "locked", "secret.jpg"}
    assert "no permission" in reasons["secret.jpg"]
    assert "no permission" in reasons["locked"]
    assert "folder" in reasons["listed"]
    assert stored


def test_second_build_embeds_only_what_is_new_or_changed(some_photos: Path, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    assert "6 photos embedded" in run("build", some_photos, "--catalog", catalog).stderr
    assert "0 photos embedded, 6 unchanged" in run("build", some_photos, "--catalog", catalog).stderr
    photos = sorted(some_photos.iterdir())
    shutil.copy(photos[1], photos[0])
    os.utime(photos[0], ns=(1, 1))
    assert "1 photos embedded, 5 unchanged" in run("build", some_photos, "--catalog", catalog).stderr
    twin = search(catalog, "--item", photos[0].stem, "--by", "color", "-k", 1)["hits"][0]
    assert (twin["id"], round(twin["score"], 3)) == (photos[1].stem, 1)
    moved = some_photos.rename(tmp_path / "moved")
    assert "0 photos embedded, 6 unchanged" in run("build", moved, "--catalog", catalog).stderr
    assert run("verify", "--catalog", catalog).exit_code == 0
    (moved / photos[2].name).unlink()
    kept = run("build", moved, "--catalog", catalog)
    assert "6 items" in kept.stderr
    assert "--prune" in kept.stderr
    assert "5 items" in run("build", moved, "--catalog", catalog, "--prune").stderr


def test_add_and_remove(catalog: Path, some_photos: Path, sample_photos: list[Path], tmp_path: Path) -> None:
    before = json.loads(run("info", "--catalog", catalog, "--json").stdout)["items"]
    new = tmp_path / "new"
    new.mkdir()
    shutil.copy(sample_photos[0], new / "newcomer.jpg")
    assert run("add", new, "--catalog", catalog).exit_code == 0
    assert search(catalog, "--item", "newcomer", "--by", "collar", "-k", 1)["hits"][0]["id"] == sample_photos[0].stem
    assert run("add", some_photos, "--catalog", catalog).exit_code == 0
    assert "duplicate id" in rejected(catalog)[sample_photos[0].name]
    assert json.loads(run("info", "--catalog", catalog, "--json").stdout)["items"] == before + 1
    assert run("remove", "newcomer", "--catalog", catalog).exit_code == 0
    assert_one_line(run("remove", "newcomer", "--catalog", catalog), "newcomer")
    assert json.loads(run("info", "--catalog", catalog, "--json").stdout)["items"] == before
    assert (new / "newcomer.jpg").exists()


def test_labels_and_metadata(some_photos: Path, tmp_path: Path) -> None:
    names = sorted(path.stem for path in some_photos.iterdir())
    labels, metadata = tmp_path / "labels.csv", tmp_path / "metadata.csv"
    labels.write_text(
        f"id,sender,collar\n{names[0]},9,turtleneck\n{names[1]},9,hood\nmissing,9,crew\n", encoding="utf-8"
    )
    rows = [f"{name}.jpg,{'set 1' if name in names[1:3] else name},{index * 100}" for index, name in enumerate(names)]
    metadata.write_bytes(("photo,id,値段\n" + "\n".join(rows) + f"\n{names[0]}.jpg,x,1\n").encode("cp932"))
    catalog = tmp_path / "catalog"
    result = run("build", some_photos, "--catalog", catalog, "--labels", labels, "--metadata", metadata)
    assert result.exit_code == 0, result.output
    assert "5 items" in result.stderr
    assert "there is no such photo" in rejected(catalog)["missing (labels.csv)"]
    assert "earlier row" in rejected(catalog)["metadata.csv, row 8"]
    turtlenecks = search(catalog, "--item", "set 1", "--by", "collar", "--where", "collar=turtleneck")["hits"]
    assert [hit["id"] for hit in turtlenecks] == [names[0]]
    assert turtlenecks[0]["attributes"]["collar"]["labelled"] is True
    hoods = search(catalog, "--item", names[0], "--by", "collar", "--where", "collar=hood")["hits"]
    assert "set 1" in [hit["id"] for hit in hoods if hit["attributes"]["collar"]["labelled"]]
    again = run("build", some_photos, "--catalog", catalog)
    assert "5 items; 0 photos embedded, 6 unchanged" in again.stderr
    assert rejected(catalog) == {}
    dear = search(catalog, "--item", names[0], "--by", "color", "--where", "値段>=300")["hits"]
    assert {hit["id"] for hit in dear} == set(names[3:])


def test_numbered_photos_and_numbered_items_are_not_taken_for_each_other(
    sample_photos: list[Path], tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, photo in zip(("1", "2", "3.a"), sample_photos, strict=False):
        shutil.copy(photo, photos / f"{name}.jpg")
    (tmp_path / "metadata.csv").write_text("photo,id,price\n1,1,10\n2.jpg,1,\n3.a,2,20\n")
    (tmp_path / "labels.csv").write_text("id,color\n1,grey\n2,grey\n3.a,black\n")
    catalog = tmp_path / "catalog"
    tables = ("--metadata", tmp_path / "metadata.csv", "--labels", tmp_path / "labels.csv")
    result = run("build", photos, "--catalog", catalog, *tables)
    assert result.exit_code == 0, result.output
    assert rejected(catalog) == {}
    for where, item in (("price=10", "1"), ("price=20", "2"), ("color=grey", "1"), ("color=black", "2")):
        hits = search(catalog, "--image", sample_photos[0], "--by", "color", "--where", where)["hits"]
        assert [hit["id"] for hit in hits] == [item], where


def test_items_that_are_named_later_keep_what_people_said(some_photos: Path, tmp_path: Path) -> None:
    catalog, photo = tmp_path / "catalog", min(some_photos.iterdir())
    (tmp_path / "labels.csv").write_text(f"id,collar,season\n{photo.stem},hood,winter\n")
    assert run("build", some_photos, "--catalog", catalog, "--labels", tmp_path / "labels.csv").exit_code == 0
    correct(open_catalog(catalog).engine, photo.stem, "color", "navy", "me")
    (tmp_path / "metadata.csv").write_text(f"photo,id\n{photo.name},coat\n")
    result = run("build", some_photos, "--catalog", catalog, "--metadata", tmp_path / "metadata.csv")
    assert "0 photos embedded" in result.stderr
    found = search(
        catalog, "--image", photo, "--by", "color", "--where", "season=winter and color=navy and collar=hood"
    )
    assert [hit["id"] for hit in found["hits"]] == ["coat"]


def test_a_catalogue_among_its_photos_does_not_hold_its_own_small_pictures(
    sample_photos: list[Path], tmp_path: Path
) -> None:
    shutil.copy(sample_photos[0], tmp_path)
    for embedded in (1, 0):
        result = run("build", tmp_path, "--catalog", tmp_path / "shop")
        assert f"1 items; {embedded} photos embedded" in result.stderr


def test_bad_tables_leave_the_catalogue_as_it_was(catalog: Path, samples: Path, tmp_path: Path) -> None:
    before = (catalog / "manifest.json").read_bytes()
    (tmp_path / "labels.csv").write_text("id,collar\nx,crwe\n")
    result = run("build", samples / "photos", "--catalog", catalog, "--labels", tmp_path / "labels.csv")
    assert_one_line(result, "labels.csv", "crwe")
    (tmp_path / "labels.csv").write_text("name,collar\nx,crew\n")
    result = run("add", samples / "photos", "--catalog", catalog, "--labels", tmp_path / "labels.csv")
    assert_one_line(result, "labels.csv", "'id'")
    assert (catalog / "manifest.json").read_bytes() == before


def test_other_weights_and_devices(catalog: Path, some_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"no weights")
    photo = next(some_photos.iterdir())
    for weights in ("w.safetensors", "nowhere.safetensors"):
        result = run("search", "--catalog", catalog, "--image", photo, "--weights", tmp_path / weights)
        assert_one_line(result, weights)
    assert_one_line(run("build", some_photos, "--catalog", tmp_path / "c", "--device", "tpu"), "--device tpu")
    manifest = catalog / "manifest.json"
    stored = json.loads(manifest.read_text())
    stored["model"]["fingerprint"] = "another"
    manifest.write_text(json.dumps(stored))
    assert_one_line(run("search", "--catalog", catalog, "--image", photo), "other weights")
    assert_one_line(run("add", some_photos, "--catalog", catalog), "other weights")


@pytest.mark.parametrize("url", ["nonsense://x", "no url", "mssql+nothing://x"])
def test_databases_that_can_not_be_used(some_photos: Path, tmp_path: Path, url: str) -> None:
    assert_one_line(run("build", some_photos, "--catalog", tmp_path / "c", "--database", url), f"--database {url}")


def test_another_database_is_remembered_without_its_password(some_photos: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    assert run("build", some_photos, "--catalog", tmp_path / "c", "--database", url).exit_code == 0
    assert not (tmp_path / "c" / "catalog.db").exists()
    assert run("verify", "--catalog", tmp_path / "c").exit_code == 0
    assert without_password(make_url("postgresql://me:secret@host/db")) == "postgresql://me@host/db"


def start_build(photos: Path, catalog: Path) -> subprocess.Popen[str]:
    """A build in a process of its own, returned when it has stored some photos."""
    command = [sys.executable, "-m", "retrieval.index", "build", str(photos), "--catalog", str(catalog)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("embedding: "):
            return process
    raise AssertionError("the build ended before it had embedded anything")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_build_goes_on_where_it_was(
    samples: Path, sample_photos: list[Path], tmp_path: Path, how: signal.Signals
) -> None:
    catalog = tmp_path / "catalog"
    process = start_build(samples / "photos", catalog)
    process.send_signal(how)
    _, last_words = process.communicate()
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 1)
    assert "Traceback" not in last_words
    assert ("the same command goes on" in last_words) == (how == signal.SIGINT)
    assert_one_line(run("info", "--catalog", catalog), "same build command")
    result = run("build", samples / "photos", "--catalog", catalog)
    assert result.exit_code == 0
    counts = result.stderr.split(" items; ")[1]
    embedded, unchanged = (int(part.split()[0]) for part in counts.split(", ")[:2])
    assert unchanged >= 16
    assert embedded + unchanged == len(sample_photos)
    assert run("verify", "--catalog", catalog).exit_code == 0


def test_interrupt_while_libraries_are_imported_is_one_line(samples: Path, tmp_path: Path) -> None:
    # A library that takes for ever, and tells when its import has begun.
    (tmp_path / "timm.py").write_text("print('importing', flush=True)\nwhile True: pass\n")
    command = [sys.executable, "-m", "retrieval.embed", str(samples / "photos"), "--out", str(tmp_path / "v.npz")]
    paths = os.pathsep.join([str(tmp_path), str(samples.parent)])
    environment = {**os.environ, "PYTHONPATH": paths}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, words = process.communicate()
    assert (process.returncode, words) == (1, "error: stopped\n")


def test_a_full_disk_leaves_the_last_good_state(catalog: Path, some_photos: Path, tmp_path: Path) -> None:
    before = search(catalog, "--item", next(some_photos.iterdir()).stem, "--by", "collar")["hits"]
    for index, photo in enumerate(sorted(some_photos.iterdir())):
        photo.rename(some_photos / f"new{index}.jpg")
    # No file may grow beyond what the catalogue's files have now: as on a full disk, writing fails half way.
    limit = max(file.stat().st_size for file in catalog.iterdir())
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); "
        "import runpy; runpy.run_module('retrieval.index', run_name='__main__')"
    )
    command = [sys.executable, "-c", program, "add", str(some_photos), "--catalog", str(catalog)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert any(line.startswith("error: ") for line in ended.stderr.splitlines())
    kept = search(catalog, "--item", before[0]["id"], "--by", "collar", "-k", 200)["hits"]
    assert not [hit for hit in kept if hit["id"].startswith("new")]
    assert run("add", some_photos, "--catalog", catalog).exit_code == 0
    assert run("search", "--catalog", catalog, "--item", "new0", "--by", "collar").exit_code == 0


def test_embed_and_evaluate(samples: Path, sample_photos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "vectors.npz"
    result = run_main(embed.main, samples / "photos", "--out", out)
    assert result.exit_code == 0, result.output
    with np.load(out) as arrays:
        assert sorted(arrays["id"].tolist()) == [path.stem for path in sample_photos]
        total = 0
        for key in ("category", "collar", "sleeve", "length", "pattern", "closure", "color"):
            vectors = arrays[key]
            assert vectors.dtype == arrays[f"{key}.confidence"].dtype == np.float32
            assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
            assert arrays[f"{key}.value"].dtype.kind == "U"
            assert 0 <= arrays[f"{key}.confidence"].min() <= arrays[f"{key}.confidence"].max() <= 1
            total += vectors.shape[1]
        assert total <= 128
    result = run_main(evaluate.main, "--vectors", out, "--labels", samples / "labels.csv", "--json")
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)
    # People whom the network has never seen; random vectors reach about 30.
    assert measured["mean_map"] > 60
    assert measured["attributes"]["sleeve"]["map"] > 75
    table = run_main(evaluate.main, "--vectors", out, "--labels", samples / "labels.csv").stdout
    assert f"{measured['mean_map']:.1f}" in table


def test_evaluate_names_what_is_wrong(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "v.npz").write_bytes(b"no")
    labels = samples / "labels.csv"
    assert_one_line(run_main(evaluate.main, "--vectors", tmp_path / "v.npz", "--labels", labels), "v.npz")
    assert_one_line(run_main(evaluate.main, "--vectors", tmp_path / "none.npz", "--labels", labels), "none.npz")
    np.savez(tmp_path / "other.npz", id=np.array(["x"]), collar=np.ones((1, 3), np.float32))
    assert_one_line(run_main(evaluate.main, "--vectors", tmp_path / "other.npz", "--labels", labels), "none of its ids")
    np.savez(tmp_path / "odd.npz", id=np.array(["x"]), collar=np.ones((2, 3), np.float32))
    assert_one_line(
        run_main(evaluate.main, "--vectors", tmp_path / "odd.npz", "--labels", labels), "'collar'", "2 rows"
    )
    (tmp_path / "mine.csv").write_text("id,sender,collar\na,me,crew\nb,me,crew\n")
    np.savez(tmp_path / "mine.npz", id=np.array(["a", "b"]), collar=np.ones((2, 3), np.float32))
    result = run_main(evaluate.main, "--vectors", tmp_path / "mine.npz", "--labels", tmp_path / "mine.csv")
    assert_one_line(result, "mine.csv", "another sender")
