"""Data sets of the field, on small trees in their published form."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from matting.tables import TableError
from retrieval.published import main as published_main
from retrieval.published import (
    rank_published,
    read_published_photos,
    read_published_schema,
    read_ranking_tasks,
)
from retrieval.train import main as train_main
from retrieval.weights import SHIPPED_WEIGHTS

VALUES = {"skirt_length": 3, "sleeve length": 4}


@pytest.fixture
def data_set(tmp_path: Path, samples: Path) -> Path:
    """Twelve sample photos, each with one attribute labelled, as FashionAI has it."""
    folder = tmp_path / "FashionAI"
    (folder / "images").mkdir(parents=True)
    meta = {"ATTRIBUTES": list(VALUES), "ATTRIBUTES_NUM": VALUES}
    (tmp_path / "meta.json").write_text(json.dumps({"FashionAI": meta}))
    for number, photo in enumerate(sorted((samples / "photos").glob("*.jpg"))[:12]):
        (folder / f"images/{number}.jpg").symlink_to(photo)
    names = "".join(f"images/{number}.jpg\n" for number in range(12))
    for split in ("train", "valid", "test"):
        (folder / f"filenames_{split}.txt").write_text(names)
    (folder / "label_train.txt").write_text("".join(f"{n} {n % 2} {n // 2 % 3}\n" for n in range(12)))
    for split in ("valid", "test"):
        (folder / f"query_{split}.txt").write_text("0 0 1\n1 1 3\n")
        (folder / f"candidate_{split}.txt").write_text("2 0 1\n3 0 2 1 0\n4 0 1\n5 1 0\n")
    return folder


def test_attributes_keep_their_order_and_get_keys(data_set: Path) -> None:
    schema = read_published_schema(data_set)
    assert schema.keys == ("skirt_length", "sleeve_length")
    assert schema["sleeve_length"].values == ("0", "1", "2", "3")


def test_value_names_are_used_where_they_are_given(data_set: Path) -> None:
    meta = {"ATTRIBUTES": ["neck"], "ATTRIBUTES_NUM": {"neck": 2}, "ATTRIBUTES_VALUES": {"neck": ["round", "deep V"]}}
    (data_set / "meta.json").write_text(json.dumps(meta))
    assert read_published_schema(data_set)["neck"].values == ("round", "deep V")


def test_what_has_no_label_is_not_known(data_set: Path) -> None:
    labelled = read_published_photos(data_set, read_published_schema(data_set))
    assert labelled.ids[3] == "images/3"
    assert labelled.targets["sleeve_length"][3].tolist() == [0, 1, 0, 0, 0]
    assert labelled.targets["skirt_length"][3].sum() == 0


def test_missing_photos_are_left_out_and_counted(data_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data_set / "images/3.jpg").unlink()
    labelled = read_published_photos(data_set, read_published_schema(data_set))
    assert "images/3" not in labelled.ids
    assert "1 of 12 photos are missing" in capsys.readouterr().err


def test_ranking_is_by_attribute_and_counts_queries_without_a_match_as_zero(data_set: Path) -> None:
    photos, tasks = read_ranking_tasks(data_set, "test", read_published_schema(data_set))
    assert [path.stem for path in photos] == list("012345")
    vectors = np.eye(6, dtype=np.float32)
    vectors[0] = np.array([0, 0, 0.8, 0.6, 0, 0])  # nearest to 2, which has its value, then to 3, which has not
    found = rank_published(tasks["skirt_length"], vectors)
    assert found.precisions.tolist() == [pytest.approx((1 + 2 / 3) / 2)]
    assert found.recall(1) == 100
    assert rank_published(tasks["sleeve_length"], vectors).precisions.tolist() == [0]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("label_train.txt", "0 0 1\n0 zero 1\n", "line 2 holds something else than integers"),
        ("label_train.txt", "0 0\n", "line 1 is not"),
        ("label_train.txt", "12 0 1\n", "there is no file 12"),
        ("label_train.txt", "0 2 1\n", "there is no attribute 2"),
        ("label_train.txt", "0 0 3\n", "skirt_length has no value 3"),
        ("filenames_train.txt", "none.jpg\n" * 12, "none of the photos"),
    ],
)
def test_wrong_files_are_named(data_set: Path, file: str, text: str, message: str) -> None:
    (data_set / file).write_text(text)
    with pytest.raises(TableError, match=message):
        read_published_photos(data_set, read_published_schema(data_set))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"ATTRIBUTES": ["a"], "ATTRIBUTES_NUM": {}}'])
def test_wrong_meta_is_named(data_set: Path, text: str) -> None:
    (data_set / "meta.json").write_text(text)
    with pytest.raises(TableError, match=r"meta\.json"):
        read_published_schema(data_set)


def command(function: Callable[..., None]) -> typer.Typer:
    app = typer.Typer()
    app.command()(function)
    return app


def test_training_on_a_data_set_and_measuring_on_it(data_set: Path, tmp_path: Path) -> None:
    weights = str(tmp_path / "weights.safetensors")
    options = ["--data-set", str(data_set), "--run", str(tmp_path / "run"), "--out", weights]
    options += ["--epochs", "1", "--batch", "4", "--size", "64"]
    trained = CliRunner().invoke(command(train_main), options)
    assert trained.exit_code == 0, trained.output
    answer = CliRunner().invoke(command(published_main), [str(data_set), "--weights", weights, "--json"])
    assert answer.exit_code == 0, answer.output
    figures = json.loads(answer.stdout)
    assert list(figures["attributes"]) == ["skirt_length", "sleeve_length"]
    assert 0 < figures["map"] <= 100


def test_training_says_what_it_needs(tmp_path: Path) -> None:
    answer = CliRunner().invoke(command(train_main), ["--run", str(tmp_path), "--out", str(tmp_path / "w")])
    assert answer.exit_code == 2
    assert "--data-set" in answer.stderr


def test_weights_of_other_attributes_are_refused(data_set: Path) -> None:
    answer = CliRunner().invoke(command(published_main), [str(data_set), "--weights", str(SHIPPED_WEIGHTS)])
    assert answer.exit_code == 1
    assert "other attributes" in answer.stderr
