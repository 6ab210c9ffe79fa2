"""What class features and pre-training are worth when few photographs have mattes.

    python benchmarks/matting_experiments.py class-aware PHOTOS ALPHAS --labels CSV --grades CSV --run DIR \\
        --measure IMAGES:TRUE_ALPHAS
    python benchmarks/matting_experiments.py pseudo-mattes PHOTOS ALPHAS ... (the same)
    python benchmarks/matting_experiments.py pretraining PHOTOS ALPHAS ... (the same)

Each trains a network an arm from the same photographs with the same seed, measures it on the pictures given with
--measure (which may be given again), and prints a table. Arms that are done are not run again: the results stand in
RUN/results.jsonl.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import typer
from PIL import Image
from torch import nn

from matting.console import fail, one_line_errors, say
from matting.data import TrainingPhoto, read_training_photos
from matting.device import choose_device, keep_freed_memory
from matting.evaluate import find_pairs, measure_each, summarise
from matting.matter import Matter
from matting.network import CLASS_FEATURES, MattingNetwork, first_convolution
from matting.photo import read_photo
from matting.pretrain import pretrain
from matting.tables import read_table
from matting.train import TrainConfig, fitting_weights, new_network, train
from matting.weights import Model

STOPPED = "stopped; the same command goes on from here"
SURE = 0.3  # of a pseudo-matte's pixels at most so many, for each of the product, may be unsure


@dataclass(frozen=True)
class Arm:
    """One training: `mattes` of the photos keep theirs. The rest is what the arms differ in."""

    name: str
    mattes: int
    class_aware: bool = True
    from_zero: bool = True
    start: MattingNetwork | None = None
    pseudo_mattes: Path | None = None


@dataclass(frozen=True)
class Bench:
    """What all arms of an experiment share."""

    photos: list[TrainingPhoto]
    classes: int
    config: TrainConfig
    run: Path
    measured: list[str]
    pretraining_steps: int


def open_bench(
    photos: Path,
    alphas: Path,
    labels: Path,
    grades: Path,
    run: Path,
    measured: list[str],
    config: TrainConfig,
    pretraining_steps: int,
) -> Bench:
    """Read what there is to train on."""
    keep_freed_memory()
    classes = sorted({row["category"] for row in read_table(labels, ("id", "category")).rows} - {""})
    found = read_training_photos(photos, [alphas], grades, labels, "train", classes)
    run.mkdir(parents=True, exist_ok=True)
    return Bench(found, len(classes), config, run, measured, pretraining_steps)


def with_mattes(photos: list[TrainingPhoto], count: int, seed: int) -> list[TrainingPhoto]:
    """The photos, of which only `count`, chosen at random, keep their mattes; fewer are among the more."""
    matted = [row for row, photo in enumerate(photos) if photo.matte]
    chosen = set(np.random.default_rng(seed).permutation(matted)[:count].tolist())
    return [photo if row in chosen else replace(photo, matte=None) for row, photo in enumerate(photos)]


def run_arm(bench: Bench, arm: Arm) -> MattingNetwork:
    """Train an arm and note its figures; an arm whose figures are noted is only loaded."""
    folder = bench.run / f"{arm.name}-{arm.mattes}-{bench.config.seed}".replace(" ", "-")
    config = replace(bench.config, class_aware=arm.class_aware, held_out=0.0)
    torch.manual_seed(config.seed)
    network = new_network(config, bench.classes)
    if arm.class_aware and not arm.from_zero:
        start_class_weights_at_random(network)
    if arm.start is not None:
        network.load_state_dict(fitting_weights(network, arm.start.state_dict()), strict=False)
    photos = with_mattes(bench.photos, arm.mattes, config.seed)
    if arm.pseudo_mattes is not None:
        made = {path.stem: path for path in arm.pseudo_mattes.glob("*.png")}
        photos = [photo if photo.matte else replace(photo, matte=made.get(photo.id)) for photo in photos]
    (folder / "layers").parent.mkdir(parents=True, exist_ok=True)
    if not (folder / "layers").exists():
        (bench.run / "layers").mkdir(exist_ok=True)
        (folder / "layers").symlink_to((bench.run / "layers").resolve())
    trained = train(photos, network, config, folder, choose_device("auto"))
    if trained is None:
        fail(STOPPED)
    results = bench.run / "results.jsonl"
    done = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    if not any((row["arm"], row["mattes"], row["seed"]) == (arm.name, arm.mattes, config.seed) for row in done):
        row: dict[str, object] = {"arm": arm.name, "mattes": arm.mattes, "seed": config.seed}
        matter = Matter(Model(trained, (), config.size, {}), "", choose_device("auto"))
        for place in bench.measured:
            images, alphas = (Path(folder) for folder in place.split(":"))
            figures = asdict(summarise(measure_each(find_pairs(images, alphas, None, ""), matter)))
            row[images.parent.name if images.name == "images" else images.name] = figures
        say(json.dumps(row))
        with results.open("a") as file:
            file.write(json.dumps(row) + "\n")
    return trained


def start_class_weights_at_random(network: MattingNetwork) -> None:
    """As the paper has it: the weights that read class features start like all others, not at zero."""
    with torch.no_grad():
        for layer, inputs in (
            (first_convolution(network.trimap_network.trunk), CLASS_FEATURES),
            (network.matte_network.stem, CLASS_FEATURES * 4),
        ):
            fresh = nn.Conv2d(layer.in_channels, layer.out_channels, layer.kernel_size)
            layer.weight[:, -inputs:] = fresh.weight[:, -inputs:]


def make_pseudo_mattes(bench: Bench, network: MattingNetwork, mattes: int, folder: Path) -> None:
    """Mattes that a network makes of the photos that have none, as far as it is sure of them."""
    if folder.exists():
        return
    matter = Matter(Model(network, (), bench.config.size, {}), "", choose_device("auto"))
    unfinished = folder.with_name(folder.name + ".unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    for photo in with_mattes(bench.photos, mattes, bench.config.seed):
        if photo.matte is None:
            cutting = matter.cut(read_photo(photo.photo))
            alpha, trimap = cutting.alpha, cutting.trimap
            # The trimap, which nothing has hardened yet, tells how sure the network is.
            unsure = float(((trimap > 0.1) & (trimap < 0.9)).sum()) / max(1.0, float((trimap > 0.5).sum()))
            if cutting.product_found and unsure < SURE:
                Image.fromarray((alpha * 255).round().astype(np.uint8)).save(unfinished / f"{photo.id}.png")
    unfinished.rename(folder)


def shares(bench: Bench) -> tuple[int, int]:
    """A tenth and a twentieth of the photos."""
    return round(len(bench.photos) / 10), round(len(bench.photos) / 20)


def class_aware(bench: Bench) -> None:
    """Class features at 10:90 and 5:95 shares of matted and class-only photos (the paper's table 2)."""
    for mattes in shares(bench):
        run_arm(bench, Arm("no class", mattes, class_aware=False))
        run_arm(bench, Arm("class from random", mattes, from_zero=False))
        run_arm(bench, Arm("class from zero", mattes))


def pseudo_mattes(bench: Bench) -> None:
    """The same shares, where the class-aware network has made mattes of the photos that have none."""
    for mattes in shares(bench):
        teacher = run_arm(bench, Arm("class from zero", mattes))
        made = bench.run / f"pseudo-{mattes}-{bench.config.seed}"
        make_pseudo_mattes(bench, teacher, mattes, made)
        run_arm(bench, Arm("class from zero, pseudo-mattes", mattes, pseudo_mattes=made))
        run_arm(bench, Arm("no class, pseudo-mattes", mattes, class_aware=False, pseudo_mattes=made))


def pretraining(bench: Bench) -> None:
    """With and without pre-training at 50, 200 and all mattes."""
    config = replace(bench.config, steps=bench.pretraining_steps)
    torch.manual_seed(config.seed)
    network = new_network(config, bench.classes)
    start = pretrain(bench.photos, network, config, bench.run / "start", choose_device("auto"))
    if start is None:
        fail(STOPPED)
    for mattes in (50, 200, sum(photo.matte is not None for photo in bench.photos)):
        run_arm(bench, Arm("from ImageNet", mattes))
        run_arm(bench, Arm("pre-trained", mattes, start=start))


EXPERIMENTS = {"class-aware": class_aware, "pseudo-mattes": pseudo_mattes, "pretraining": pretraining}


def main(
    experiment: Annotated[Literal["class-aware", "pseudo-mattes", "pretraining"], typer.Argument()],
    photos: Annotated[Path, typer.Argument(help="folder of training photos")],
    alphas: Annotated[Path, typer.Argument(help="folder of their mattes")],
    labels: Annotated[Path, typer.Option(help="CSV: id, category, sender, split")],
    grades: Annotated[Path, typer.Option(help="CSV: id, grade")],
    run: Annotated[Path, typer.Option(help="folder for arrays, checkpoints and results")],
    measure: Annotated[list[str], typer.Option(help="PHOTOS:ALPHAS, folders to measure on; may be given again")],
    steps: Annotated[int, typer.Option(help="steps an arm")] = 400,
    pretraining_steps: Annotated[int | None, typer.Option(help="steps of pre-training; default: as an arm")] = None,
    size: Annotated[int, typer.Option(help="longer side of the pictures")] = 256,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Train and measure an experiment's arms."""
    config = TrainConfig(steps=steps, size=size, seed=seed)
    with one_line_errors():
        bench = open_bench(photos, alphas, labels, grades, run, measure, config, pretraining_steps or steps)
        EXPERIMENTS[experiment](bench)
        print_table(run)


def print_table(run: Path) -> None:
    """The results as a Markdown table."""
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    places = [name for name in rows[0] if name not in {"arm", "mattes", "seed"}]
    print("| arm | mattes | seed | " + " | ".join(f"{name}: SAD, MSE, IoU, 10th" for name in places) + " |")
    print("|" + "---|" * (3 + len(places)))
    for row in rows:
        shown = ("sad", "mse", "iou", "iou_10th_percentile")
        figures = [", ".join(f"{row[name][figure]:.3f}" for figure in shown) for name in places]
        print(f"| {row['arm']} | {row['mattes']} | {row['seed']} | " + " | ".join(figures) + " |")


if __name__ == "__main__":
    typer.run(main)
