"""Train the attribute network: `python -m retrieval.train`.

Photos are decoded and resized once, whole and cut out. The trunk starts from ImageNet weights; its
shallow part can stay frozen, which halves the time of a step on a processor. Weights are averaged exponentially while
training, and the average is what ships. Networks trained before can teach: what they read in the photos is mixed into
the labels, and stands in where there is none. A second network of the same kind can be trained on close-ups of the
garments' upper parts (`--close-up`), to become a part of the first (`--add-close-up`). A run can be stopped at any time
(Ctrl-C) and goes on, step for step the same, when started again.
"""

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor, nn

from matting import PhotoError, find_by_name
from matting.console import fail, stop_on_interrupt, warn
from matting.cut import CutOptions, cut_file, write_png
from matting.device import choose_device, keep_freed_memory
from matting.matter import Matter
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
from matting.trunks import PACKAGED_TRUNK
from retrieval.adapt import extended_network, merged_schema, teach_only, unchanged
from retrieval.attributes import DEFAULT_SCHEMA, Schema, load_schema
from retrieval.augment import augment, show
from retrieval.calibration import AS_IT_IS
from retrieval.colour_training import learn_colours
from retrieval.console import one_line_errors
from retrieval.data import LabelledPhotos, Squares, load_squares, read_labels
from retrieval.held_out import Calibration, calibrate, fit_close_up_shares, fit_colour_shares, measure_held_out
from retrieval.losses import LossWeights, attributes_cross_entropy, branch_losses
from retrieval.network import RegionPatchNet
from retrieval.published import read_published_photos, read_published_schema
from retrieval.trunks import new_network
from retrieval.weights import SHIPPED_WEIGHTS, Model, fingerprint, load_model, save_model

CACHE_SIZE = 288
SECONDS_BETWEEN_CHECKPOINTS = 120


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained; kept in the checkpoint and in the weights file.

    Where there are mattes, `cut_outs` is the share of photos that are shown cut out, `swapped` the share laid on
    another photo's floor; most cut-outs keep the share `surroundings` of theirs, others none or any part, unless it
    is 0. `close_up`: whether it is shown close-ups of garments' upper parts, to become a part of another network.
    `colours`: whether the colours of cut-outs are counted and learned from at the end; `weigh_close_ups`: whether it
    is found out then how much close-ups count, where another network reads them. `mixing` is the parameter
    of mixup's Beta distribution, for every other batch; the others stay unmixed for the losses that compare photos.
    `taught` is the teachers' share, where there are any, of the values' loss.
    """

    trunk: str = PACKAGED_TRUNK
    epochs: int = 30
    batch: int = 32
    size: int = 224
    trunk_rate: float = 4e-4
    rate: float = 2e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    mixing: float = 0.2
    average_decay: float = 0.998
    freeze_shallow: bool = True
    cut_outs: float = 0.7
    swapped: float = 0.15
    surroundings: float = 0.15
    taught: float = 0.5
    held_out: float = 0.08
    colours: bool = True
    close_up: bool = False
    weigh_close_ups: bool = True
    seed: int = 0
    losses: LossWeights = field(default_factory=LossWeights)

    def size_at(self, epoch: int) -> int:
        """Side of the training squares in an epoch: small at first, where it is quick and detail matters little."""
        share = epoch / max(1, self.epochs)
        factor = 0.72 if share < 0.45 else 0.86 if share < 0.7 else 1.0
        return round(self.size * factor / 32) * 32


def start_training(network: RegionPatchNet, config: TrainConfig, steps: int) -> TrainState[RegionPatchNet]:
    """Optimizer, schedule and average of a network about to be trained for this many steps."""
    if config.freeze_shallow:
        freeze_shallow(network)
    rates = Rates(config.trunk_rate, config.rate, config.weight_decay, warm_up=0.15)
    return start_state(network, type(network)(network.config), rates, steps)


def load_trained(weights: Path, schema: Schema, close_up: bool = False) -> Model:
    """A network trained before, to teach another, to be trained further or, of close-ups, to become a part of another.

    Raises WeightsError if the file can't be used, TrainError if it is of other attributes or shown something else.
    """
    model = load_model(weights)
    if model.schema != schema:
        raise TrainError(f"{weights}: has other attributes or values than --schema names")
    if model.close_up != close_up:
        shown = ("whole garments", "close-ups")
        raise TrainError(f"{weights}: was trained on {shown[model.close_up]}, not on {shown[close_up]}")
    return model


def load_close_up(weights: Path, schema: Schema, config: TrainConfig) -> RegionPatchNet:
    """A network trained on close-ups, to become a part of another that is trained or calibrated so.

    Raises WeightsError or TrainError as `load_trained` does, TrainError also if it reads other sizes, or may have
    learned from the photos that are held out.
    """
    model = load_trained(weights, schema, close_up=True)
    if model.size != config.size:
        raise TrainError(f"{weights}: reads close-ups of {model.size} px, the other network {config.size} px")
    if "training" not in model.notes:
        raise TrainError(f"{weights}: does not say how it was trained; train it with --close-up")
    learned = json.loads(model.notes["training"])
    if (learned["seed"], learned["held_out"]) != (config.seed, config.held_out):
        given = f"--seed {learned['seed']} --held-out {learned['held_out']:g}"
        raise TrainError(f"{weights}: was trained with {given}; give the same, or it has seen what is held out")
    return model.network


def with_close_up(network: RegionPatchNet, close_up: RegionPatchNet) -> RegionPatchNet:
    """A trained network that reads close-ups, too, by another; how much they count is still to be found out."""
    joined = RegionPatchNet(replace(network.config, close_up=close_up.config))
    own = {name: of for name, of in network.state_dict().items() if not name.startswith("close_up.")}
    tensors = own | {f"close_up.{name}": tensor for name, tensor in close_up.state_dict().items()}
    joined.load_state_dict(tensors)
    joined.close_up_share.zero_()
    return joined


def freeze_shallow(network: RegionPatchNet) -> None:
    """Keep the trunk's weights up to its first, stride-4 map as they are: their gradients cost most and teach least."""
    last = str(network.trunk.feature_info.module_name()[0]).replace(".", "_")
    names = [name for name, _ in network.trunk.named_parameters()]
    upto = max(i for i, name in enumerate(names) if name.replace(".", "_").startswith(last + "_"))
    for name in names[: upto + 1]:
        network.trunk.get_parameter(name).requires_grad_(False)


def set_training_mode(network: RegionPatchNet) -> None:
    """Training mode, but frozen batch normalisation keeps the statistics that fit its frozen weights."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


def train_step(
    state: TrainState[RegionPatchNet],
    config: TrainConfig,
    photos: Tensor,
    foreground: Tensor,
    targets: list[Tensor],
    teachers: list[Model],
) -> float:
    """One step on a batch as `augment` gives it (B, 3, S, S), (B, 1, S, S); returns the loss.

    In every other batch each photo is mixed with another, and must show the values of both (Zhang et al., "mixup:
    Beyond Empirical Risk Minimization", 2018); this keeps the network from learning wrong labels by heart. The losses
    that compare photos are taken on the unmixed batches, twice as heavily.
    """
    order, share = torch.randperm(len(photos)), 1.0
    mixed = config.mixing > 0 and state.step % 2 == 1
    if mixed:
        share = float(torch.distributions.Beta(config.mixing, config.mixing).sample())
        photos = torch.lerp(photos[order], photos, share)
        foreground = torch.lerp(foreground[order], foreground, share)
    with quickest_precision(photos.device):
        maps = state.network.maps(photos)
    # What is made of the maps is little work, and its logits and cosines need more digits than bfloat16 has.
    seen = state.network.see([level.float() for level in maps], foreground, with_background=not mixed)
    loss = share * attributes_cross_entropy(seen.logits, targets, config.smoothing)
    if mixed:
        others = [target[order.to(target.device)] for target in targets]
        loss = loss + (1 - share) * attributes_cross_entropy(seen.logits, others, config.smoothing)
    if teachers:
        readings = read_by_teachers(teachers, photos, foreground)
        taught = attributes_cross_entropy(seen.logits, readings, smoothing=0)
        loss = (1 - config.taught) * loss + config.taught * taught
    loss = config.losses.value * loss
    if not mixed:
        loss = loss + (2 if config.mixing > 0 else 1) * branch_losses(seen, targets, config.losses)
    descend(state, loss, config.average_decay)
    return float(loss.detach())


@torch.no_grad()
def read_by_teachers(teachers: list[Model], photos: Tensor, foreground: Tensor) -> list[Tensor]:
    """What teachers read in the very pictures that the network is shown, mixed ones too.

    A teacher that reads the changed picture, not the photo that it may know by heart, tells what can be seen in it
    (Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", 2022).

    Args:
        teachers: networks of the same attributes.
        photos, foreground: (B, 3, S, S) and (B, 1, S, S) as `augment` gives them.

    Returns:
        For each attribute (B, V + 1), the mean of their calibrated readings.
    """
    each = []
    for teacher in teachers:
        with quickest_precision(photos.device):
            maps = teacher.network.maps(photos)
        seen = teacher.network.see([level.float() for level in maps], foreground)
        each.append(
            [
                (logits / of).softmax(dim=1)
                for logits, of in zip(seen.logits, teacher.temperatures_alone or teacher.temperatures, strict=True)
            ]
        )
    return [torch.stack(of_attribute).mean(dim=0) for of_attribute in zip(*each, strict=True)]


def train(
    labelled: LabelledPhotos,
    schema: Schema,
    network: RegionPatchNet,
    config: TrainConfig,
    run: Path,
    device: torch.device,
    mattes: Path | None = None,
    teachers: list[Model] | None = None,
    known: Model | None = None,
) -> Model | None:
    """Train a network, or go on with a run that was stopped.

    Args:
        labelled: the photos and what is known of them; whole senders of them are held out for calibration.
        schema: the attributes.
        network: new on a pre-trained trunk, trained before, or extended for `adapt`.
        config: how to train.
        run: folder for the photos' arrays, the checkpoint and the log (`log.jsonl`, a line an epoch).
        device: where to train.
        mattes: folder of mattes named like the photos; photos are then shown cut out as well, and measured so.
        teachers: networks trained before, of the same attributes, from which it learns beside the labels.
        known: the model whose network is trained further; its calibration is kept where no photos are held out.

    Returns:
        The averaged network with its calibration, or None if the user stopped the run; it goes on when called again.

    Raises:
        TrainError: nobody is left to train on, or held out to weigh close-ups by; no matte is found; the checkpoint is
            of another run.
    """
    run.mkdir(parents=True, exist_ok=True)
    held_out = hold_out_senders(labelled.senders, config.held_out, config.seed)
    matte_files = None if mattes is None else _find_mattes(labelled, mattes)
    squares = _read_squares(labelled, run, matte_files, config)
    taught_rows = np.flatnonzero(~held_out)
    taught, unseen = labelled.subset(taught_rows), labelled.subset(np.flatnonzero(held_out))
    unseen_squares = squares.subset(held_out).cut_with(config.surroundings)
    targets = [torch.from_numpy(taught.targets[key]) for key in schema.keys]

    if len(taught.ids) == 0:
        raise TrainError("--held-out leaves no photo to train on; give 0")
    unweighed = network.close_up is not None and not network.close_up_share.any()
    if config.weigh_close_ups and unweighed and len(unseen.ids) == 0:
        raise TrainError(
            "--add-close-up: too few senders to hold any out, whose photos would tell how much close-ups count; "
            "give more photos, or a larger --held-out"
        )
    if config.held_out > 0 and len(unseen.ids) == 0:
        warn("too few senders to hold any out: nothing is measured, and confidences are not calibrated")
    batches = len(taught.ids) // min(config.batch, len(taught.ids))
    teachers = teachers or []
    weights = [of for one in (network, *(teacher.network for teacher in teachers)) for of in one.state_dict().values()]
    for one in (network, *(teacher.network for teacher in teachers)):
        one.to(device).to(memory_format=torch.channels_last)
    state = start_training(network, config, max(1, config.epochs * batches))
    checkpoint = run / "checkpoint.pt"
    settings = {
        "training": asdict(config),
        "network": asdict(network.config),
        "data": digest_of(
            taught.ids,
            [(path.name, path.stat().st_size) for path in taught.paths],
            [file and (file.name, file.stat().st_size) for file in matte_files or []],
            [teacher.temperatures for teacher in teachers],
            schema.to_json(),
            *taught.targets.values(),
            *weights,
        ),
    }
    if checkpoint.exists():
        load_checkpoint(state, settings, checkpoint)
        print(f"going on at step {state.step} of {config.epochs * batches}")

    saved = time.monotonic()
    with stop_on_interrupt() as stop, training_progress() as progress:
        for epoch in range(state.step // batches, config.epochs):
            began, losses = time.monotonic(), []
            size = config.size_at(epoch)
            order = torch.randperm(len(taught.ids), generator=torch.Generator().manual_seed(config.seed * 1000 + epoch))
            task = progress.add_task(f"epoch {epoch + 1}/{config.epochs}, {size} px", total=batches)
            set_training_mode(network)
            for batch in range(state.step - epoch * batches, batches):
                rows = order[batch * config.batch : (batch + 1) * config.batch]
                random = torch.Generator().manual_seed(config.seed * 1_000_000 + state.step)
                of_batch = squares.subset(taught_rows[rows.numpy()])
                shown, kept = _as_pictures(of_batch.whole, device), torch.ones(len(rows), device=device)
                if mattes is not None:
                    shown, kept = show(
                        shown,
                        _as_pictures(of_batch.cut, device),
                        _as_pictures(of_batch.cropped, device),
                        config.cut_outs,
                        config.swapped,
                        config.surroundings,
                        random,
                    )
                photos, foreground = augment(shown, kept, size, random)
                # Dropout and mixing draw from here, so that a resumed run is the same.
                torch.manual_seed(config.seed * 1_000_000 + state.step)
                targets_of_batch = [target[rows].to(device) for target in targets]
                losses.append(train_step(state, config, photos, foreground, targets_of_batch, teachers))
                progress.update(task, completed=batch + 1)
                if stop() or time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                    save_checkpoint(state, settings, checkpoint)
                    saved = time.monotonic()
                if stop() and batch + 1 < batches:
                    return None
            progress.remove_task(task)
            save_checkpoint(state, settings, checkpoint)
            row: dict[str, float] = {
                "epoch": epoch + 1,
                "loss": float(np.mean(losses)),
                "seconds": time.monotonic() - began,
            }
            if len(unseen.ids):
                row |= measure_held_out(state.average, unseen_squares, unseen, schema, config.size)
            # JSON knows no nan, which an attribute has that nobody labelled.
            rounded = {key: round(value, 3) for key, value in row.items() if np.isfinite(value)}
            print(json.dumps(rounded), flush=True)
            with (run / "log.jsonl").open("a") as log:
                log.write(json.dumps(rounded) + "\n")
            if stop() and epoch + 1 < config.epochs:
                return None
    average = state.average.to("cpu")
    # Who only calibrates a network anew keeps what it knows.
    if config.colours and mattes is not None and (config.epochs > 0 or not average.colour_branch.share.any()):
        learn_colours(average.colour_branch, squares.cut[taught_rows], targets, config.smoothing, config.seed)
        if len(unseen.ids):
            fit_colour_shares(average, unseen_squares, unseen, schema, config.size)
    if len(unseen.ids):
        close_ups = None
        if average.close_up is not None and matte_files is not None:
            unseen_mattes = [file for file, out in zip(matte_files, held_out, strict=True) if out]
            close_ups = _read_squares(unseen, run, unseen_mattes, replace(config, close_up=True)).cut
            if config.weigh_close_ups and (config.epochs > 0 or not average.close_up_share.any()):
                fit_close_up_shares(average, unseen_squares, close_ups, unseen, schema, config.size)
        calibration = calibrate(average, unseen_squares, close_ups, unseen, schema, config.size)
    elif known is not None:
        calibration = Calibration(known.temperatures, known.curve, known.temperatures_alone)
    else:
        calibration = Calibration((1.0,) * len(schema.keys), AS_IT_IS, ())
    return Model(
        average,
        schema,
        config.size,
        calibration.temperatures,
        notes={"training": json.dumps(asdict(config)), "photos": str(len(taught.ids))},
        cut_outs=mattes is not None,
        surroundings=config.surroundings,
        curve=calibration.curve,
        close_up=config.close_up,
        temperatures_alone=calibration.temperatures_alone,
    )


def adapt(
    labelled: LabelledPhotos,
    wanted: Schema,
    known: Path,
    config: TrainConfig,
    run: Path,
    device: torch.device,
    mattes: Path | None = None,
) -> Model | None:
    """Teach a trained network attributes that it lacks; see `retrieval.adapt`.

    Args:
        labelled: photos labelled by `wanted`.
        wanted: attributes; those that the network has with the same values are left alone.
        known: weights of the trained network.
        config: how to train.
        run, device: as in `train`.
        mattes: folder of the photos' mattes; made by the shipped matting network if the model is shown cut-outs.

    Returns:
        The network of all attributes, or None if the user stopped the run; new ones get temperatures of their own, and
        the curve is the known network's. Raises TrainError if nothing is new.
    """
    model = load_model(known)
    if model.close_up:
        raise TrainError(f"{known}: reads close-ups alone; give the network that it was added to")
    schema = merged_schema(model.schema, wanted)
    same = unchanged(model.schema, schema)
    new = [index for index, key in enumerate(schema.keys) if key not in same]
    if not new:
        raise TrainError("--adapt: the network has all attributes of --schema already, with the same values")
    if mattes is None and model.cut_outs:
        mattes = run / "mattes"
        _cut_photos(labelled, mattes, Matter.load(device=device.type))
    count = len(labelled.ids)
    nothing = {key: np.zeros((count, len(schema[key].values) + 1), np.float32) for key in schema.keys}
    targets = {key: labelled.targets[key] if index in new else nothing[key] for index, key in enumerate(schema.keys)}
    network = extended_network(model, schema)
    for share in (network.colour_branch.share, network.close_up_share):
        share[new] = 0
    teach_only(network, new)
    still = replace(
        config,
        trunk=model.network.config.trunk,
        size=model.size,
        surroundings=model.surroundings,
        freeze_shallow=False,
        weight_decay=0,
        colours=False,
        weigh_close_ups=False,
    )
    taught = train(replace(labelled, targets=targets), schema, network, still, run, device, mattes)
    if taught is None:
        return None

    def as_known(own: tuple[float, ...], anew: tuple[float, ...]) -> tuple[float, ...]:
        numbers = zip(schema.keys, anew, strict=True)
        return tuple(own[model.schema.keys.index(key)] if key in same else number for key, number in numbers)

    alone = model.temperatures_alone and taught.temperatures_alone
    return replace(
        taught,
        temperatures=as_known(model.temperatures, taught.temperatures),
        temperatures_alone=as_known(model.temperatures_alone, alone) if alone else (),
        curve=model.curve,
        cut_outs=model.cut_outs,
        adapted_from=fingerprint(known),
        kept=tuple(same),
    )


def _cut_photos(labelled: LabelledPhotos, mattes: Path, matter: Matter) -> None:
    """Write the mattes of photos under their ids, as far as they are not there."""
    with training_progress() as progress:
        task = progress.add_task("cutting photos out", total=len(labelled.ids))
        for id_, path in zip(labelled.ids, labelled.paths, strict=True):
            target = mattes / f"{id_}.png"
            if not target.exists():
                try:
                    write_png(cut_file(path, matter, CutOptions(alpha=True)), target)
                except PhotoError as error:
                    warn(f"{path}: {error}; it is left grey")
            progress.advance(task)


def _find_mattes(labelled: LabelledPhotos, mattes: Path) -> list[Path | None]:
    matte_of = find_by_name(mattes)
    files = [matte_of.get(id_) for id_ in labelled.ids]
    if not any(files):
        raise TrainError(f"{mattes}: holds no matte that is named like one of the photos")
    return files


def _as_pictures(squares: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Squares (B, S, S, C) as (B, C, S, S) on a device."""
    return torch.from_numpy(squares).permute(0, 3, 1, 2).to(device)


def _read_squares(labelled: LabelledPhotos, run: Path, files: list[Path | None] | None, config: TrainConfig) -> Squares:
    # Close-ups are kept in the size in which they are read: the photos hold no more detail of them.
    size = config.size if config.close_up else CACHE_SIZE
    with training_progress() as progress:
        task = progress.add_task("reading photos", total=len(labelled.paths))

        def tell(done: int) -> None:
            progress.update(task, completed=done)

        return load_squares(labelled.paths, size, run, tell, files, config.close_up)


def main(
    run: Annotated[Path, typer.Option(help="folder for the cache, the checkpoint and the log")],
    out: Annotated[Path, typer.Option(help="weights file to write")],
    photos: Annotated[Path | None, typer.Option(help="folder of photos named by id")] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV: id, sender, split and the attributes")] = None,
    data_set: Annotated[
        Path | None, typer.Option(help="folder of FashionAI, DARN or DeepFashion, in place of --photos and --labels")
    ] = None,
    readings: Annotated[Path | None, typer.Option(help="CSV of all readings, where labels are empty")] = None,
    schema: Annotated[Path, typer.Option(help="attributes file")] = DEFAULT_SCHEMA,
    split: Annotated[str, typer.Option(help="train on rows of this split; '' for all")] = "train",
    mattes: Annotated[Path | None, typer.Option(help="folder of mattes; photos are then shown cut out as well")] = None,
    start: Annotated[Path | None, typer.Option(help="weights file to start from, in place of a bare trunk")] = None,
    only_new: Annotated[
        bool, typer.Option("--adapt", help="teach the shipped network (or --start) only attributes that it lacks")
    ] = False,
    teacher: Annotated[
        list[Path] | None, typer.Option(help="weights file of a network trained before; may be given several times")
    ] = None,
    close_up: Annotated[
        bool, typer.Option("--close-up", help="teach a network that is shown close-ups of garments' upper parts")
    ] = False,
    add_close_up: Annotated[
        Path | None, typer.Option(help="weights file that --close-up wrote, to become a part of --start")
    ] = None,
    trunk: Annotated[str, typer.Option(help="name of a timm model")] = TrainConfig.trunk,
    epochs: Annotated[int, typer.Option(min=0, help="0: only calibrate --start anew")] = TrainConfig.epochs,
    batch: Annotated[int, typer.Option(min=2)] = TrainConfig.batch,
    size: Annotated[
        int | None,
        typer.Option(min=64, max=CACHE_SIZE, help="side of the squares; default: as --start, or 224"),
    ] = None,
    rate: Annotated[float, typer.Option(min=0, help="highest learning rate of the heads")] = TrainConfig.rate,
    trunk_rate: Annotated[float, typer.Option(min=0, help="the same of the trunk")] = TrainConfig.trunk_rate,
    surroundings: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="how much of what surrounds them cut-outs keep; default: as --start, or 0.15"),
    ] = None,
    freeze_shallow: Annotated[
        bool, typer.Option(help="keep the trunk's shallow part as it is")
    ] = TrainConfig.freeze_shallow,
    held_out: Annotated[
        float, typer.Option(min=0, max=0.5, help="share of photos for calibration")
    ] = TrainConfig.held_out,
    seed: Annotated[int, typer.Option()] = TrainConfig.seed,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
) -> None:
    """Train the attribute network; start it again to go on with a run that was stopped."""
    config = TrainConfig(
        trunk=trunk,
        epochs=epochs,
        batch=batch,
        size=size or TrainConfig.size,
        surroundings=TrainConfig.surroundings if surroundings is None else surroundings,
        rate=rate,
        trunk_rate=trunk_rate,
        freeze_shallow=freeze_shallow,
        held_out=held_out,
        seed=seed,
        colours=not close_up,
        close_up=close_up,
    )
    with one_line_errors():
        others = (close_up, add_close_up, teacher, size, surroundings)
        if only_new and any(option not in (None, False, []) for option in others):
            fail(
                "--adapt: keeps size, surroundings and close-ups as they are, and has no teachers; leave out "
                "--close-up, --add-close-up, --teacher, --size and --surroundings",
                status=2,
            )
        if close_up and (mattes is None or add_close_up is not None):
            fail(
                "--close-up: give --mattes, by which the garments' upper parts are found, and no --add-close-up",
                status=2,
            )
        if add_close_up is not None and (start is None or mattes is None or held_out == 0):
            fail(
                "--add-close-up: give --start, the network whose part it is to be, --mattes, and no --held-out 0",
                status=2,
            )
        if data_set is not None:
            attributes = read_published_schema(data_set)
            labelled = read_published_photos(data_set, attributes)
        elif photos is not None and labels is not None:
            attributes = load_schema(schema)
            labelled = read_labels(photos, labels, attributes, split, readings)
        else:
            fail("give --photos and --labels, or --data-set", status=2)
        keep_freed_memory()
        torch.manual_seed(seed)
        if only_new:
            known = start or SHIPPED_WEIGHTS
            _write(adapt(labelled, attributes, known, config, run, choose_device(device), mattes), out)
            return
        known_model = None
        if start is not None:
            known_model = load_trained(start, attributes, close_up)
            if known_model.cut_outs and mattes is None:
                fail(
                    f"--start {start}: is shown cut-outs; give --mattes as well "
                    "(python -m matting cut PHOTOS --alpha --out MATTES)",
                    status=2,
                )
            network = known_model.network
            config = replace(
                config,
                trunk=network.config.trunk,
                size=size or known_model.size,
                surroundings=known_model.surroundings if surroundings is None else surroundings,
            )
            if add_close_up is not None:
                network = with_close_up(network, load_close_up(add_close_up, attributes, config))
        elif epochs == 0:
            fail("--epochs 0 only calibrates --start anew; give it", status=2)
        else:
            network = new_network(tuple(len(attribute.values) for attribute in attributes.attributes), trunk)
        teachers = [load_trained(path, attributes, close_up) for path in teacher or []]
        model = train(labelled, attributes, network, config, run, choose_device(device), mattes, teachers, known_model)
        _write(model, out)


def _write(model: Model | None, out: Path) -> None:
    if model is None:
        fail("stopped; the same command goes on from here")
    save_model(model, out)
    print(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
