"""Train the matting network: `python -m matting train`.

Every batch is composed anew (matting/data.py). Weights are averaged exponentially while training, and the average is
what ships. A run can be stopped at any time (Ctrl-C) and goes on, step for step the same, when started again.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from matting.console import say, stop_on_interrupt
from matting.data import LayerCache, TrainingPhoto, class_picture, find_floor, make_example, to_truth
from matting.inference import matte_at
from matting.losses import LossWeights, Truth, class_loss, matting_loss
from matting.metrics import intersection_over_union, mean_squared_error, sum_of_absolute_differences
from matting.network import MattingConfig, MattingNetwork, normalise
from matting.training import (
    Rates,
    TrainError,
    TrainState,
    descend,
    digest_of,
    hold_out_senders,
    load_checkpoint,
    quickest_precision,
    save_checkpoint,
    start_state,
    training_progress,
)
from matting.trimap import one_hot
from matting.trunks import PACKAGED_TRUNK, hub_errors, hub_normalisation, load_packaged_trunk, packaged_weights
from matting.weights import FORMAT, read_weights

BatchT = TypeVar("BatchT")

SECONDS_BETWEEN_CHECKPOINTS = 120
STEPS_BETWEEN_MEASURES = 500
MEASURED_PHOTOS = 100
FINER = 4 / 3
SAME_CLASS = 0.8  # share of the scenes whose own product is of the class of what takes its place, where it is known


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained; kept in the checkpoint and in the weights file."""

    trunk: str = PACKAGED_TRUNK
    class_aware: bool = True
    steps: int = 5000
    batch: int = 8
    size: int = 416
    grow: bool = True
    trunk_rate: float = 4e-4
    rate: float = 1.6e-3
    weight_decay: float = 0.02
    average_decay: float = 0.998
    held_out: float = 0.06
    seed: int = 0

    def shape_at(self, step: int) -> tuple[int, int]:
        """Height and width of a step's pictures: portrait, square or landscape.

        While growing they are small at first, which is quick; else a little smaller or larger than `size`, so that the
        network gets used to other scales.
        """
        random, share = np.random.default_rng((self.seed, step)), step / max(1, self.steps)
        ratio = float(random.choice([4 / 3, 1.0, 3 / 4], p=[0.6, 0.3, 0.1]))
        if self.grow:
            side = self.size * (0.625 if share < 0.45 else 0.75 if share < 0.7 else 1.0)
        else:
            side = self.size * float(random.choice([0.77, 0.88, 1.0, 1.12]))
        area = side * side * 3 / 4
        return round((area * ratio) ** 0.5 / 32) * 32, round((area / ratio) ** 0.5 / 32) * 32

    def fine_shape_at(self, step: int) -> tuple[int, int]:
        """Height and width at which M-Net sees a step's pictures: mostly finer than T-Net does.

        So it is in photos that are larger than what T-Net looks at, but not by much (`matting.inference.look`).
        """
        shape = self.shape_at(step)
        if np.random.default_rng((self.seed, 3, step)).random() < 1 / 3:
            return shape
        height, width = (round(side * FINER / 32) * 32 for side in shape)
        return height, width


@dataclass(frozen=True)
class Batch:
    """A step's pictures: `matted` with their mattes; `classed` (B', 3, H, W) in [0, 1] only with their classes."""

    matted: Truth
    classed: Tensor
    classes: Tensor


class Batches(Dataset[Batch]):
    """The batch of each step; the same for a step whenever it is asked for."""

    def __init__(self, photos: list[TrainingPhoto], cache: LayerCache, config: TrainConfig) -> None:
        self.matted = [photo for photo in photos if photo.matte]
        self.turns = [photo for photo in self.matted for _ in range(photo.turns)]
        self.classed = [photo for photo in photos if not photo.matte and photo.class_ >= 0]
        self.of_class = {
            class_: [photo for photo in self.matted if photo.class_ == class_]
            for class_ in {photo.class_ for photo in self.matted if photo.class_ >= 0}
        }
        self.cache = cache
        self.config = config
        found = [(photo, find_floor(cache.load(photo).alpha[0].numpy())) for photo in self.matted]
        self.floors = [(photo, place) for photo, place in found if place is not None]
        if not self.floors:
            raise TrainError("no photo with a matte shows 64 x 64 pixels of floor to compose on")
        areas = np.array([height * width for _, (_, _, height, width) in self.floors], float)
        self.shares = areas / areas.sum()  # large pieces of floor need no mirror images

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> Batch:
        random = np.random.default_rng((self.config.seed, 1, step))
        height, width = self.config.fine_shape_at(step)
        photos = [self.turns[row] for row in self._rows(step)]
        examples = []
        for photo in photos:
            floors = [self._floor(int(row)) for row in random.choice(len(self.floors), 4, p=self.shares)]
            scene = self.cache.load(self._scene(photo, random))
            examples.append(make_example(self.cache.load(photo), scene, floors, height, width, random))
        matted = to_truth(examples, [photo.class_ for photo in photos], random)
        count = self.config.batch // 2 if self.config.class_aware and self.classed else 0
        others = [self.classed[row] for row in random.integers(max(1, len(self.classed)), size=count)]
        height, width = self.config.shape_at(step)
        pictures = [class_picture(self.cache.load(photo).photo, height, width, random) for photo in others]
        classed = torch.stack(pictures) if pictures else torch.zeros(0, 3, height, width)
        return Batch(matted, classed, torch.tensor([photo.class_ for photo in others], dtype=torch.int64))

    def _rows(self, step: int) -> list[int]:
        """Positions of a step's photos among the turns: each turn once before any comes again."""
        count = len(self.turns)
        rows = []
        for position in range(step * self.config.batch, (step + 1) * self.config.batch):
            order = np.random.default_rng((self.config.seed, 2, position // count)).permutation(count)
            rows.append(int(order[position % count]))
        return rows

    def _scene(self, photo: TrainingPhoto, random: np.random.Generator) -> TrainingPhoto:
        """Another photo, mostly of a product of the same class, which leaves the right hole in its scene."""
        alike = self.of_class.get(photo.class_, []) if random.random() < SAME_CLASS else []
        scenes = alike if len(alike) > 1 else self.matted
        row = int(random.integers(len(scenes)))
        return scenes[row] if scenes[row] != photo else scenes[row - 1]

    def _floor(self, row: int) -> Tensor:
        photo, (top, left, height, width) = self.floors[row]
        return self.cache.load(photo).photo[:, top : top + height, left : left + width]


def new_network(config: TrainConfig, classes: int) -> MattingNetwork:
    """A network with ImageNet trunks and the rest untrained. Raises TrunkError if the trunk can't be had."""
    count = classes if config.class_aware else 0
    if packaged_weights(config.trunk) is None:
        mean, std = hub_normalisation(config.trunk)
        with hub_errors(config.trunk):
            return MattingNetwork(MattingConfig(count, config.trunk, mean, std), pretrained=True)
    network = MattingNetwork(MattingConfig(count, config.trunk))
    for part in (network.class_network, network.trimap_network):
        if part is not None:
            load_packaged_trunk(part.trunk, config.trunk)
    return network


def start_from(network: MattingNetwork, weights: Path) -> None:
    """Give a network the weights in a file, as far as it has layers of their names.

    Raises WeightsError if the file can't be used, TrainError if it is of a network of another shape.
    """
    _, tensors = read_weights(weights, FORMAT)
    fitting = fitting_weights(network, tensors)
    if not fitting:
        raise TrainError(f"{weights}: holds no layer of this network")
    network.load_state_dict(fitting, strict=False)


def fitting_weights(network: MattingNetwork, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of some weights that a network has layers for.

    Where only one of both is class-aware, a convolution that reads class features as well as others takes over the
    weights of the others.
    """
    fitting = {}
    for name, own in network.state_dict().items():
        other = tensors.get(name)
        if other is None:
            continue
        if other.shape == own.shape:
            fitting[name] = other
        elif own.ndim == other.ndim == 4 and own[:, :1].shape == other[:, :1].shape:
            shared = min(own.shape[1], other.shape[1])
            fitting[name] = torch.cat([other[:, :shared].to(own), own[:, shared:]], dim=1)
    return fitting


def start_training(network: MattingNetwork, config: TrainConfig) -> TrainState[MattingNetwork]:
    """Optimizer, schedule and average of a network about to be trained."""
    rates = Rates(config.trunk_rate, config.rate, config.weight_decay, warm_up=0.1)
    return start_state(network, MattingNetwork(network.config), rates, config.steps)


def train_step(state: TrainState[MattingNetwork], config: TrainConfig, batch: Batch, weights: LossWeights) -> float:
    """One step; returns the loss (equation 7)."""
    device = next(state.network.parameters()).device
    truth = Truth(**{name: value.to(device) for name, value in vars(batch.matted).items()})
    photos = normalise(truth.photos * 255, state.network.config).contiguous(memory_format=torch.channels_last)
    # In a part of the pictures M-Net gets the true trimap: users may bring their own, and fine levels refine it.
    given = torch.rand(len(photos), device=device) < 0.25
    trimaps = one_hot(truth.trimaps)
    coarse = None
    if photos.shape[2:] != (shape := config.shape_at(state.step)):
        smaller = functional.interpolate(photos, size=shape, mode="bilinear", antialias=True, align_corners=False)
        coarse = smaller.contiguous(memory_format=torch.channels_last)
    with quickest_precision(device):
        matting = state.network(photos, trimaps, given, coarse)
        loss = matting_loss(matting, truth, weights)
        if len(batch.classed) and state.network.class_network is not None:
            others = normalise(batch.classed.to(device) * 255, state.network.config)
            _, logits = state.network.class_network(others.contiguous(memory_format=torch.channels_last))
            loss = loss + weights.classes * class_loss(logits.float(), batch.classes.to(device))
    descend(state, loss, config.average_decay)
    return float(loss.detach())


def measure(network: MattingNetwork, photos: list[TrainingPhoto], cache: LayerCache, size: int) -> dict[str, float]:
    """Mean IoU, its 10th percentile, SAD and MSE on photos with mattes, looked at in this size."""
    ious, sads, mses = [], [], []
    for photo in photos:
        layers = cache.load(photo)
        true = (layers.alpha[0].float() / 255).numpy()
        alpha = matte_at(network, layers.photo, size).alpha.numpy()
        ious.append(intersection_over_union(alpha, true))
        sads.append(sum_of_absolute_differences(alpha, true))
        mses.append(mean_squared_error(alpha, true))
    return {
        "iou": float(np.mean(ious)),
        "iou_10th_percentile": float(np.percentile(ious, 10)),
        "sad": float(np.mean(sads)),
        "mse": float(np.mean(mses)),
    }


def train(
    photos: list[TrainingPhoto],
    network: MattingNetwork,
    config: TrainConfig,
    run: Path,
    device: torch.device,
) -> MattingNetwork | None:
    """Train a network, or go on with a run that was stopped.

    Args:
        photos: with their mattes or classes; whole senders are held out, and those of their photos that have a
            reference are measured.
        network: with pre-trained trunks.
        config: how to train.
        run: folder for the arrays, the checkpoint and the log (`log.jsonl`, a line every 500 steps).
        device: where to train.

    Returns:
        The averaged network, or None if the user stopped the run; it goes on when called again.
    """
    cache = fill_cache(photos, run)
    # The same senders whatever the seed, so that runs can be compared.
    held_out = hold_out_senders([photo.sender for photo in photos], config.held_out, seed=0)
    unseen = [photo for photo, out in zip(photos, held_out, strict=True) if out and photo.matte and photo.reference][
        :MEASURED_PHOTOS
    ]
    batches = Batches([photo for photo, out in zip(photos, held_out, strict=True) if not out], cache, config)
    say(f"{len(batches.matted)} photos with mattes, {len(batches.classed)} with a class only, {len(unseen)} to measure")
    state = start_training(network.to(device), config)
    weights = LossWeights()
    return run_steps(
        state,
        config,
        batches,
        lambda batch: train_step(state, config, batch, weights),
        lambda average: measure(average, unseen, cache, config.size) if unseen else {},
        photos,
        run,
    )


def fill_cache(photos: list[TrainingPhoto], run: Path) -> LayerCache:
    """The photos' layers, made in the run's folder as far as they are not there."""
    cache = LayerCache(run / "layers")
    with training_progress() as progress:
        task = progress.add_task("reading photos", total=len(photos))
        cache.fill(photos, lambda done: progress.update(task, completed=done))
    return cache


def _from_workers(loader: DataLoader[BatchT]) -> Iterator[BatchT]:
    """The loader's batches; what a worker fails of, told by torch with the worker's traceback, in one line."""
    try:
        yield from loader
    except Exception as error:
        raise TrainError(str(error).strip().splitlines()[-1]) from error


def run_steps(
    state: TrainState[MattingNetwork],
    config: TrainConfig,
    batches: Dataset[BatchT],
    step: Callable[[BatchT], float],
    measure_average: Callable[[MattingNetwork], dict[str, float]],
    photos: list[TrainingPhoto],
    run: Path,
) -> MattingNetwork | None:
    """Take all steps of a run that are still to be taken, with checkpoints and a log.

    Args:
        state: of a run about to start; where there is a checkpoint, it is loaded.
        config: how to train.
        batches: the batch of each step.
        step: takes a step and returns the loss.
        measure_average: what to log of the averaged network.
        photos: what the batches are made of; a checkpoint of other photos, or of another start, is refused.
        run: folder for the checkpoint and the log.

    Returns:
        The averaged network on the processor, or None if the user stopped the run.
    """
    checkpoint = run / "checkpoint.pt"
    data = [
        (of.id, of.sender, of.class_, of.turns, [(at.name, at.stat().st_size) for at in (of.photo, of.matte) if at])
        for of in photos
    ]
    settings = {
        "training": asdict(config),
        "network": asdict(state.network.config),
        "data": digest_of(data, *state.network.state_dict().values()),
    }
    if checkpoint.exists():
        load_checkpoint(state, settings, checkpoint)
        say(f"going on at step {state.step} of {config.steps}")
    state.network.to(memory_format=torch.channels_last).train()
    on_processor = next(state.network.parameters()).device.type == "cpu"
    workers = 1 if on_processor else min(8, os.cpu_count() or 1)
    loader = DataLoader(batches, batch_size=None, sampler=range(state.step, config.steps), num_workers=workers)
    began = saved = time.monotonic()
    losses: list[float] = []
    with stop_on_interrupt() as stop, training_progress() as progress:
        task = progress.add_task("training", total=config.steps, completed=state.step)
        for batch in _from_workers(loader):
            torch.manual_seed(config.seed * 1_000_000 + state.step)  # a resumed run draws the same
            losses.append(step(batch))
            progress.update(task, completed=state.step)
            last = state.step == config.steps
            if last or state.step % STEPS_BETWEEN_MEASURES == 0:
                row = {"step": state.step, "loss": float(np.mean(losses)), "seconds": time.monotonic() - began}
                rounded = {key: round(value, 4) for key, value in (row | measure_average(state.average)).items()}
                say(json.dumps(rounded))
                with (run / "log.jsonl").open("a") as log:
                    log.write(json.dumps(rounded) + "\n")
                losses, began = [], time.monotonic()
            if last or stop() or time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                save_checkpoint(state, settings, checkpoint)
                saved = time.monotonic()
            if stop() and not last:
                return None
    return state.average.cpu()
