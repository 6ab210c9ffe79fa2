"""What the page asks of retrieval: thumbnails, uploads, labels for training, and where the network looks."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from index.catalog import open_catalog, write_catalog
from index.storage import CatalogError
from retrieval import staff
from retrieval.build import build
from retrieval.data import read_labels
from retrieval.embedder import Embedder
from retrieval.search import Query, SearchService
from retrieval.tables import check_values
from retrieval.thumbnails import drop_thumbnails, read_thumbnail, save_thumbnails, thumbnail_file
from retrieval.uploads import Upload, UploadError, add_uploads, read_upload


def as_bytes(picture: Image.Image, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    picture.save(content, kind)
    return content.getvalue()


def test_a_build_makes_thumbnails(catalog: Path, sample_photos: list[Path]) -> None:
    for photo in open_catalog(catalog).known_photos():
        with Image.open(thumbnail_file(catalog, photo.path)) as small:
            assert max(small.size) == 320
        with Image.open(thumbnail_file(catalog, photo.path, cut_out=True)) as small:
            assert small.mode == "RGBA"
    assert len(list((catalog / "thumbnails").glob("*/*"))) == 2 * len(sample_photos)


def test_thumbnails_of_cut_outs_missing_ones_and_those_no_longer_needed(
    tmp_path: Path, sample_photos: list[Path]
) -> None:
    picture = Image.new("RGB", (600, 800), "red")
    matte = np.zeros((800, 600), np.float32)
    matte[200:600, 100:500] = 1
    save_thumbnails(tmp_path, ["a"], [picture], [matte])
    cut = read_thumbnail(tmp_path, "a", cut_out=True)
    assert cut is not None
    with Image.open(io.BytesIO(cut)) as small:
        assert small.mode == "RGBA"
        assert small.getpixel((0, 0))[3] == 0
    assert read_thumbnail(tmp_path, str(sample_photos[0])) is not None  # made of the photo
    assert read_thumbnail(tmp_path, str(tmp_path / "gone.jpg")) is None
    save_thumbnails(tmp_path, ["b"], [picture], [None])
    drop_thumbnails(tmp_path, ["b"])
    assert read_thumbnail(tmp_path, "a") is None
    assert read_thumbnail(tmp_path, "b") is not None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "photo"),
        (b"no photo", "photo"),
        (as_bytes(Image.new("1", (9000, 9000))), "pixels"),
        (b"x" * 20_000_001, "bytes"),
    ],
)
def test_uploads_that_can_not_be_used(content: bytes, reason: str) -> None:
    with pytest.raises(UploadError) as error:
        read_upload(content)
    assert error.value.reason == reason


def test_uploads_are_made_small_enough() -> None:
    assert max(read_upload(as_bytes(Image.new("RGB", (5000, 2500)))).size) <= 2000


def test_uploads_are_added_under_harmless_names(catalog: Path, embedder: Embedder, sample_photos: list[Path]) -> None:
    photo = sample_photos[0].read_bytes()
    names = ["../../etc/pass wd.jpg", "..\\x.JPG", "半袖.jpg", "", sample_photos[0].name, "bad.jpg"]
    uploads = [Upload(name, photo if name != "bad.jpg" else b"bad") for name in names]
    steps: list[tuple[int, int]] = []
    report, refused = add_uploads(catalog, uploads, embedder, lambda done, total: steps.append((done, total)))
    assert refused == {"bad.jpg": "photo"}
    assert report.embedded == 5
    assert steps[-1] == (5, 5)
    added = {file.name for file in (catalog / "uploads").iterdir()}
    assert added == {"pass-wd.jpg", "x.jpg", "半袖.jpg", "photo.jpg", f"{sample_photos[0].stem}-2.jpg"}
    items = {photo.item for photo in open_catalog(catalog).known_photos()}
    assert {"pass-wd", "x", "半袖", "photo", f"{sample_photos[0].stem}-2"} <= items


def test_an_upload_never_takes_the_place_of_another(
    catalog: Path, embedder: Embedder, sample_photos: list[Path]
) -> None:
    """Tablets name every photo alike; and the catalogue does not know yet what somebody else is adding just now."""
    being_added = catalog / "uploads" / "image.jpg"
    being_added.parent.mkdir()
    being_added.write_bytes(sample_photos[1].read_bytes())
    report, refused = add_uploads(catalog, [Upload("image.jpg", sample_photos[0].read_bytes())], embedder)
    assert (report.embedded, refused) == (1, {})
    assert being_added.read_bytes() == sample_photos[1].read_bytes()
    assert "image-2" in {photo.item for photo in open_catalog(catalog).known_photos()}


def test_uploads_that_can_not_be_added_leave_nothing_behind(
    catalog: Path, embedder: Embedder, sample_photos: list[Path]
) -> None:
    with write_catalog(catalog), pytest.raises(CatalogError, match="another command"):
        add_uploads(catalog, [Upload("image.jpg", sample_photos[0].read_bytes())], embedder)
    assert list((catalog / "uploads").iterdir()) == []


def test_uploads_that_were_added_before_a_failure_stay(
    catalog: Path, embedder: Embedder, sample_photos: list[Path]
) -> None:
    def fail(_done: int, _total: int) -> None:
        raise RuntimeError("the server was stopped")

    by_another_name = catalog.parent / "elsewhere" / ".." / catalog.name
    (catalog.parent / "elsewhere").mkdir()
    with pytest.raises(RuntimeError):
        add_uploads(by_another_name, [Upload("𠮷" * 80 + ".jpg", sample_photos[0].read_bytes())], embedder, fail)
    stored = [Path(photo.path) for photo in open_catalog(catalog).known_photos() if "uploads" in photo.path]
    assert len(stored) == 1
    assert stored[0].is_file()


def test_corrections_are_labels_for_training(catalog: Path, sample_photos: list[Path], tmp_path: Path) -> None:
    from matting.tables import read_table

    service = SearchService.open(catalog)
    one, two = sample_photos[0].stem, sample_photos[1].stem
    staff.correct(service, one, "collar", "crew", "Aoi")
    staff.correct(service, one, "collar", "hood", "Aoi")
    staff.correct(service, two, "color", "red", "Aoi")
    staff.undo(service, staff.all_corrections(service)[0].id)
    file = tmp_path / "labels.csv"
    file.write_text(staff.labels_csv(service))
    table = read_table(file, required=("id", "sender", "split"))
    check_values(file, table, service.schema)
    assert [(row["id"], row["split"], row["collar"]) for row in table.rows] == [(one, "train", "hood")]
    # Training is told that an attribute does not apply, too; an empty cell would say that nobody knows.
    staff.correct(service, one, "collar", "", "Aoi")
    file.write_text(staff.labels_csv(service))
    labelled = read_labels(sample_photos[0].parent, file, service.schema)
    assert labelled.ids == [one]
    assert labelled.targets["collar"][0, -1] == 1
    assert labelled.targets["sleeve"].sum() == 0
    with pytest.raises(ValueError):
        staff.correct(service, one, "collar", "nonsense", "Aoi")


def test_corrections_of_an_item_count_for_each_of_its_photos(
    embedder: Embedder, sample_photos: list[Path], tmp_path: Path
) -> None:
    """Training knows photos by the names of their files, whatever a table calls the item that they show."""
    front, back, other = (photo.stem for photo in sample_photos[:3])
    (tmp_path / "stock.csv").write_text(f"photo,id\n{front},4711\n{back},4711\n")
    build(sample_photos[:3], tmp_path / "catalog", embedder, metadata=tmp_path / "stock.csv")
    service = SearchService.open(tmp_path / "catalog")
    staff.correct(service, "4711", "collar", "hood", "Aoi")
    staff.correct(service, other, "collar", "crew", "Aoi")
    rows = staff.labels_csv(service).splitlines()[1:]
    assert {tuple(row.split(",")[i] for i in (0, 4)) for row in rows} == {
        (front, "hood"),
        (back, "hood"),
        (other, "crew"),
    }


def test_exported_corrections_keep_the_other_labels_and_every_photo(
    embedder: Embedder, sample_photos: list[Path], tmp_path: Path
) -> None:
    photos, catalog = tmp_path / "photos", tmp_path / "catalog"
    for item, photo in zip(("4711", "4712"), sample_photos, strict=False):
        (photos / item).mkdir(parents=True)
        shutil.copy(photo, photos / item / "front.jpg")
    (tmp_path / "stock.csv").write_text("photo,id,color\n4711/front,A,x\n4712/front,B,y\n")
    (tmp_path / "labels.csv").write_text("id,sender,collar,color\nA,9,crew,red\nB,8,hood,navy\n")
    tables = {"labels": tmp_path / "labels.csv", "metadata": tmp_path / "stock.csv"}
    remarks = build([photos], catalog, embedder, **tables).remarks
    assert len(remarks) == 1
    assert "stock.csv: column 'color' is left out" in remarks[0]
    service = SearchService.open(catalog)
    staff.correct(service, "A", "collar", "stand", "Aoi")
    staff.correct(service, "B", "sleeve", "", "Aoi")
    (tmp_path / "export.csv").write_text(staff.labels_csv(service))
    labelled = read_labels(photos, tmp_path / "export.csv", service.schema)
    assert (labelled.ids, labelled.senders) == (["4711/front", "4712/front"], ["9", "8"])
    assert labelled.values(service.schema)["collar"] == ["stand", "hood"]
    assert labelled.targets["sleeve"][1, -1] == 1
    report = build([photos], catalog, embedder, labels=tmp_path / "export.csv")
    assert report.rejected == 0
    assert service.catalog.item("B")[1]["color"] == ("navy", 1.0, True)
    assert service.catalog.item("B")[1]["collar"] == ("hood", 1.0, True)


def test_photos_of_former_builds_are_known_to_tables(
    embedder: Embedder, sample_photos: list[Path], tmp_path: Path
) -> None:
    names = [photo.stem for photo in sample_photos[:3]]
    (tmp_path / "stock.csv").write_text(f"photo,id\n{names[0]},A\n{names[1]},A\n{names[2]},B\nmistyped,A\n")
    build(sample_photos[:2], tmp_path / "catalog", embedder, metadata=tmp_path / "stock.csv")
    build(sample_photos[2:3], tmp_path / "catalog", embedder, metadata=tmp_path / "stock.csv")
    assert list(open_catalog(tmp_path / "catalog").rejected()) == ["mistyped (stock.csv)"]


def test_reasons_for_rejecting_photos_are_told_apart(
    embedder: Embedder, sample_photos: list[Path], tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "empty.jpg").touch()
    (photos / "text.jpg").write_text("no photo")
    (photos / "cut.jpg").write_bytes(sample_photos[0].read_bytes()[:4000])
    Image.new("1", (11_000, 11_000)).save(photos / "large.png")
    shutil.copy(sample_photos[1], photos / "good.jpg")
    (tmp_path / "stock.csv").write_text("id,price\nnowhere,1\n")
    build([photos], tmp_path / "catalog", embedder, metadata=tmp_path / "stock.csv")
    rejected = open_catalog(tmp_path / "catalog").rejected()
    kinds = {Path(path).name.split(" ")[0]: staff.rejection_kind(reason) for path, reason in rejected.items()}
    assert kinds == {
        "empty.jpg": "empty",
        "text.jpg": "kind",
        "cut.jpg": "damaged",
        "large.png": "large",
        "nowhere": "no_photo",
    }
    assert staff.rejection_kind("Input/output error") is None


def test_where_the_network_looks(built: tuple[Path, object], sample_photos: list[Path]) -> None:
    service = SearchService.open(built[0], device="cpu")
    looks = [staff.where_it_looked(service, sample_photos[0], key) for key in ("collar", "color")]
    for look in looks:
        assert look.attention.shape == look.square.shape[:2]
        assert look.attention.min() == 0
        assert look.attention.max() == 1
    assert not np.allclose(looks[0].attention, looks[1].attention)


def test_a_garment_is_searched_with_again_and_again(built: tuple[Path, object], sample_photos: list[Path]) -> None:
    service = SearchService.open(built[0], device="cpu")
    garment = service.look_at(sample_photos[0])
    by_photo = service.search(Query(photo=sample_photos[0], by={"collar": 1}))
    by_garment = service.search(Query(garment=garment, by={"collar": 1}))
    assert [hit.id for hit in by_photo.hits] == [hit.id for hit in by_garment.hits]
    item = service.item(sample_photos[0].stem)
    assert item.confidences["category"] == pytest.approx(garment.confidences["category"], abs=0.05)
    assert sample_photos[0].stem not in [hit.id for hit in service.search(Query(garment=item)).hits]


def test_an_open_service_follows_a_build(
    catalog: Path, embedder: Embedder, sample_photos: list[Path], tmp_path: Path
) -> None:
    service = SearchService.open(catalog, device="cpu")
    shutil.copy(sample_photos[0], tmp_path / "new.jpg")
    content = (tmp_path / "new.jpg").read_bytes()
    added, refused = staff.add_photos(service, [("new.jpg", content)], lambda _done, _total: None)
    assert (added, refused) == (1, {})
    assert service.item("new").values
