"""Cut products out of photographs, and train and measure the network that does: `python -m matting`."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from matting.console import fail, one_line_errors, progress_bar, say
from matting.cut import CutOptions, cut_files
from matting.cutout import read_background
from matting.data import TrainingPhoto, read_training_photos
from matting.device import choose_device, keep_freed_memory
from matting.evaluate import as_dictionary, find_pairs, measure_each, summarise
from matting.matter import Matter
from matting.pretrain import pretrain
from matting.tables import read_table
from matting.train import TrainConfig, new_network, start_from, train
from matting.weights import Model, save_model

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Weights = Annotated[Path | None, typer.Option(help="weights file; by default the one that erimoto ships")]


@app.command("cut")
def cut_command(
    photos: Annotated[list[Path], typer.Argument(metavar="IN...", help="photos and folders of photos")],
    out: Annotated[Path, typer.Option(help="folder for one PNG a photo")],
    alpha: Annotated[bool, typer.Option("--alpha", help="write grey mattes in place of cut-outs")] = False,
    on: Annotated[str | None, typer.Option(metavar="COLOUR|IMAGE", help="compose on a colour or a picture")] = None,
    mask: Annotated[
        str | None,
        typer.Option(metavar="BOX|FILE|FOLDER", help="coarse mask of the product, whose edge is near the mask's"),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="BOX|FILE|FOLDER", help="what to keep: LEFT,TOP,RIGHT,BOTTOM, a mask or a folder of masks"
        ),
    ] = None,
    drop: Annotated[
        str | None,
        typer.Option(
            metavar="BOX|FILE|FOLDER", help="what to drop: LEFT,TOP,RIGHT,BOTTOM, a mask or a folder of masks"
        ),
    ] = None,
    closed_form: Annotated[bool, typer.Option(help="fill the unknown band by closed-form matting")] = False,
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Cut the product out of each photo."""
    with one_line_errors():
        if alpha and on is not None:
            fail("--alpha and --on can't be given together: a matte has no background", status=2)
        background = None if on is None else read_background(on)
        matter = Matter.load(weights, device)
        report = cut_files(photos, out, matter, CutOptions(alpha, background, mask, keep, drop, closed_form))
        say(f"wrote {report.written} of {report.photos} to {out}")
        if report.written < report.photos:
            raise typer.Exit(1)


@app.command("evaluate")
def evaluate_command(
    photos: Annotated[Path, typer.Option(help="folder of photos")],
    alphas: Annotated[Path, typer.Option(help="folder of true mattes of the same names")],
    grades: Annotated[Path | None, typer.Option(help="CSV: id, grade; only mattes graded good are taken")] = None,
    split: Annotated[str, typer.Option(help="only rows of --grades of this split")] = "",
    mattes: Annotated[Path | None, typer.Option(help="measure the mattes in this folder, made by whomever")] = None,
    each: Annotated[Path | None, typer.Option(help="CSV to write: each photo's figures, the worst first")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    weights: Weights = None,
    device: Device = "auto",
) -> None:
    """Measure mattes of photos against their true ones."""
    with one_line_errors():
        if each is not None and not each.parent.is_dir():
            fail(f"--each {each}: there is no folder {each.parent}; make it first", status=2)
        if split and grades is None:
            fail(f"--split {split}: needs --grades, whose column split is meant", status=2)
        pairs = find_pairs(photos, alphas, grades, split)
        with progress_bar("measuring", len(pairs)) as progress:
            measured = measure_each(pairs, mattes or Matter.load(weights, device), progress)
        if each is not None:
            rows = [as_dictionary(one) for one in sorted(measured, key=lambda one: one.iou)]
            with each.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        found = as_dictionary(summarise(measured))
        if as_json:
            print(json.dumps(found))
            return
        table = Table("measure", "value", "unit", box=None)
        for name, value in found.items():
            table.add_row(name, "" if value is None else str(value), UNITS.get(name, ""))
        Console().print(table)


UNITS = {
    "sad": "thousands, over the whole picture",
    "mse": "thousandths",
    "gradient": "thousands",
    "connectivity": "thousands",
    "iou": "at alpha 0.5",
    "seconds": "a photo, median",
}


@app.command("train")
def train_command(
    photos: Annotated[Path, typer.Option(help="folder of photos named by id")],
    alphas: Annotated[
        list[Path],
        typer.Option(
            help="folder of mattes named by id; may be given several times, and only the last one's are measured on"
        ),
    ],
    run: Annotated[Path, typer.Option(help="folder for the arrays, the checkpoint and the log")],
    out: Annotated[Path, typer.Option(help="weights file to write")],
    labels: Annotated[Path, typer.Option(help="CSV: id, category, sender, split")],
    grades: Annotated[Path | None, typer.Option(help="CSV: id, grade; only mattes graded good are used")] = None,
    split: Annotated[str, typer.Option(help="train on rows of this split; '' for all")] = "train",
    start: Annotated[Path | None, typer.Option(help="weights file of a training or pre-training to start from")] = None,
    class_aware: Annotated[bool, typer.Option(help="let class features help")] = TrainConfig.class_aware,
    trunk: Annotated[str, typer.Option(help="name of a timm model")] = TrainConfig.trunk,
    steps: Annotated[int, typer.Option(min=1)] = TrainConfig.steps,
    batch: Annotated[int, typer.Option(min=4)] = TrainConfig.batch,
    size: Annotated[int, typer.Option(min=64, help="longer side of the last steps' pictures")] = TrainConfig.size,
    grow: Annotated[bool, typer.Option(help="begin with small pictures; else vary their size")] = True,
    rate: Annotated[float, typer.Option(min=0, help="highest learning rate of untrained layers")] = TrainConfig.rate,
    trunk_rate: Annotated[float, typer.Option(min=0, help="the same of the trunks")] = TrainConfig.trunk_rate,
    held_out: Annotated[
        float, typer.Option(min=0, max=0.5, help="share of photos to measure on")
    ] = TrainConfig.held_out,
    twice: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CATEGORY|FOLDER",
            help="category, or folder of mattes, whose photos come once more than others; may be given several times",
        ),
    ] = None,
    seed: Annotated[int, typer.Option()] = TrainConfig.seed,
    device: Device = "auto",
) -> None:
    """Train the network; the same command goes on with a run that was stopped."""
    with one_line_errors():
        keep_freed_memory()
        table = read_table(labels, ("id", "category"))
        classes = tuple(sorted({row["category"] for row in table.rows} - {""}))
        found = read_training_photos(photos, alphas, grades, labels, split, list(classes))
        found = _with_turns(found, classes, twice or [])
        config = TrainConfig(
            trunk=trunk,
            class_aware=class_aware,
            steps=steps,
            batch=batch,
            size=size,
            grow=grow,
            rate=rate,
            trunk_rate=trunk_rate,
            held_out=held_out,
            seed=seed,
        )
        torch.manual_seed(seed)
        network = new_network(config, len(classes))
        if start is not None:
            start_from(network, start)
        trained = train(found, network, config, run, choose_device(device))
        if trained is None:
            fail("stopped; the same command goes on from here")
        notes = {"training": str(config), "mattes": str(sum(photo.matte is not None for photo in found))}
        notes |= {"twice": ", ".join(twice)} if twice else {}
        save_model(Model(trained, classes, size, notes), out)
        say(f"wrote {out}")


def _with_turns(photos: list[TrainingPhoto], classes: Sequence[str], twice: list[str]) -> list[TrainingPhoto]:
    """The photos; those of each category, or with a matte in each folder, that `twice` names come once more."""
    turns = {photo: 1 for photo in photos if photo.matte}
    categories = {photo: classes[photo.class_] for photo in turns if photo.class_ >= 0}
    for name in twice:
        folder = Path(name).resolve()
        within = {photo for photo in turns if photo.matte and folder in (photo.matte.parent / "any").resolve().parents}
        chosen = [photo for photo in turns if categories.get(photo) == name or photo in within]
        if not chosen:
            known = ", ".join(sorted(set(categories.values())))
            fail(f"--twice {name}: neither a category of photos with mattes ({known}) nor a folder of mattes", status=2)
        for photo in chosen:
            turns[photo] += 1
    return [replace(photo, turns=turns.get(photo, 1)) for photo in photos]


@app.command("pretrain")
def pretrain_command(
    photos: Annotated[Path, typer.Option(help="folder of photos; nothing else is known of them")],
    run: Annotated[Path, typer.Option(help="folder for the arrays, the checkpoint and the log")],
    out: Annotated[Path, typer.Option(help="weights file to write; give it to train as --start")],
    labels: Annotated[Path | None, typer.Option(help="CSV: id, category, split, to choose photos by --split")] = None,
    split: Annotated[str, typer.Option(help="only photos of this split of --labels")] = "train",
    trunk: Annotated[str, typer.Option(help="name of a timm model")] = TrainConfig.trunk,
    steps: Annotated[int, typer.Option(min=1)] = 1000,
    batch: Annotated[int, typer.Option(min=4)] = TrainConfig.batch,
    size: Annotated[int, typer.Option(min=64, help="longer side of the last steps' pictures")] = 384,
    classes: Annotated[int, typer.Option(min=0, help="classes of the network to be trained later; 0: no class")] = 17,
    seed: Annotated[int, typer.Option()] = TrainConfig.seed,
    device: Device = "auto",
) -> None:
    """Teach the network foreground, background and alpha from photos without mattes."""
    config = TrainConfig(trunk=trunk, class_aware=classes > 0, steps=steps, batch=batch, size=size, seed=seed)
    with one_line_errors():
        keep_freed_memory()
        found = read_training_photos(photos, [], None, labels, split if labels else "", [])
        torch.manual_seed(seed)
        trained = pretrain(found, new_network(config, classes), config, run, choose_device(device))
        if trained is None:
            fail("stopped; the same command goes on from here")
        save_model(Model(trained, (), size, {"pretraining": str(config), "photos": str(len(found))}), out)
        say(f"wrote {out}")


if __name__ == "__main__":
    app()
