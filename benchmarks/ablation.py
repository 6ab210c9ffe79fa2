"""What each ingredient of the retrieval model gives: `make ablation DATA=clothing MATTES=mattes`.

    python benchmarks/ablation.py CLOTHING MATTES RUN [--row NAME ...] [--seed N ...] [--epochs N] [--size N]

CLOTHING holds photos/, labels.csv and readings.csv; MATTES the mattes of its train and dev photos, as
`python -m matting cut CLOTHING/photos --out MATTES --alpha` makes them. Every row is trained by `retrieval.train` on
the same photos, in the same order, for as many epochs, and measured on the dev split: MAP in percent. RUN/ablation.csv
gets a line for each row and seed; those that it holds already are not run again, so a stopped run goes on.
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor
from torch.nn import functional

from matting import find_by_name
from matting.console import fail, one_line_errors
from matting.device import choose_device, keep_freed_memory
from matting.trunks import load_packaged_trunk
from retrieval.attributes import CATEGORY, Schema, load_schema
from retrieval.data import LabelledPhotos, load_squares, read_labels
from retrieval.held_out import run_network
from retrieval.losses import LossWeights
from retrieval.measure import rank_other_senders
from retrieval.network import AttributeProjection, NetworkConfig, RegionPatchNet, Seen
from retrieval.train import CACHE_SIZE, TrainConfig, train
from retrieval.vectors import attribute_vectors, probabilities


class OneSpace(RegionPatchNet):
    """One vector of the whole photo for all attributes, as before there were attribute-specific embeddings."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        alone = replace(config, value_counts=(1,))
        self.pooled = AttributeProjection(1, self.trunk.feature_info.channels()[-1], alone)

    def see(self, maps: list[Tensor], foreground: Tensor, with_background: bool = False) -> Seen:
        """The photos' maps -> the same vector for each attribute."""
        one = self.pooled(maps[-1].mean(dim=(2, 3))[:, None])
        each = one.expand(-1, len(self.config.value_counts), -1)
        nothing = torch.zeros_like(each)
        logits = [head(torch.cat([each[:, 0], nothing[:, 0]], dim=-1)) for head in self.heads]
        return Seen(each, nothing, nothing, each, logits)


class PooledFeatures(RegionPatchNet):
    """The mean of the trunk's deepest map, as ImageNet left it."""

    def see(self, maps: list[Tensor], foreground: Tensor, with_background: bool = False) -> Seen:
        """The photos' maps -> the same unit vector of features for each attribute."""
        one = functional.normalize(maps[-1].mean(dim=(2, 3)), dim=-1)
        each = one[:, None].expand(-1, len(self.config.value_counts), -1)
        return Seen(each, each, each, each, [one.new_zeros(len(one), count + 1) for count in self.config.value_counts])


ANY = NetworkConfig(())  # each row gets the schema's values
ALL = LossWeights()


@dataclass(frozen=True)
class Row:
    """One row of the table: a network, losses, whether vectors have their value part, and whether colours count."""

    name: str
    kind: type[RegionPatchNet] = RegionPatchNet
    network: NetworkConfig = ANY
    losses: LossWeights = ALL
    mattes: bool = True
    mixing: float = TrainConfig.mixing
    surroundings: float = TrainConfig.surroundings
    trained: bool = True
    values: bool = True
    colours: bool = True


TRIPLETS = LossWeights(value=0, region=1, patch=0, look=1, inter=0)
PAPER = LossWeights(region=1, patch=0.1, look=0.5)
WIDE = NetworkConfig((), patches=False, look=16)
ROWS = (
    Row("pooled ImageNet features", PooledFeatures, trained=False, values=False),
    Row("one triplet space for all", OneSpace, WIDE, TRIPLETS, mixing=0, values=False),
    Row("attention without patches, triplets (ASEN-like)", network=WIDE, losses=TRIPLETS, mixing=0, values=False),
    Row("region only", network=NetworkConfig((), patches=False), losses=LossWeights(inter=0)),
    Row("patch only", network=NetworkConfig((), region=False), losses=LossWeights(inter=0)),
    Row("without the inter-branch loss", losses=LossWeights(inter=0)),
    Row("without background negatives", losses=LossWeights(background=0)),
    Row("with triplets of the paper's weights", losses=PAPER),
    Row("without colours", colours=False),
    Row("without matte", mattes=False),
    Row("without surroundings", surroundings=0.0),
    Row("without values in the vectors", network=NetworkConfig((), look=16), losses=PAPER, values=False),
    Row("full"),
)


def run_row(
    row: Row,
    config: TrainConfig,
    taught: LabelledPhotos,
    asked: LabelledPhotos,
    schema: Schema,
    mattes: Path,
    folder: Path,
) -> dict[str, float]:
    """Train a row's network and measure it on `asked`: MAP in percent of each attribute."""
    torch.manual_seed(config.seed)
    network = row.kind(replace(row.network, value_counts=tuple(len(one.values) for one in schema.attributes)))
    load_packaged_trunk(network.trunk)
    own = replace(config, losses=row.losses, mixing=row.mixing, surroundings=row.surroundings, colours=row.colours)
    temperatures: tuple[float, ...] = (1.0,) * len(schema.keys)
    matte_of = find_by_name(mattes)

    def files(photos: LabelledPhotos) -> list[Path | None] | None:
        return [matte_of.get(id_) for id_ in photos.ids] if row.mattes else None

    if row.trained:
        name = row.name.replace(" ", "-").replace(",", "")
        run = folder / f"{name}-{config.seed}-{config.epochs}-{config.size}"
        run.mkdir(exist_ok=True)
        load_squares(taught.paths, CACHE_SIZE, folder, mattes=files(taught))  # once for all rows
        for file in folder.glob("*.npy"):
            if not (run / file.name).exists():
                (run / file.name).symlink_to(file.resolve())
        model = train(taught, schema, network, own, run, choose_device("auto"), mattes if row.mattes else None)
        if model is None:
            raise typer.Exit(1)
        network, temperatures = model.network, model.temperatures
    squares = load_squares(asked.paths, CACHE_SIZE, folder, mattes=files(asked)).cut_with(own.surroundings)
    looks, logits, appearance = run_network(network.eval(), squares, own.size)
    values = asked.values(schema)
    found = {}
    for index, key in enumerate(schema.keys):
        vectors = looks[:, index]
        if row.values:
            vectors = attribute_vectors(probabilities(logits[index], temperatures[index]), appearance)
        found[key] = rank_other_senders(vectors, values[key], asked.senders).mean_average_precision
    return found


def main(
    clothing: Annotated[Path, typer.Argument(help="folder of photos/, labels.csv and readings.csv")],
    mattes: Annotated[Path, typer.Argument(help="folder of mattes of its photos")],
    run: Annotated[Path, typer.Argument(help="folder for the runs and ablation.csv")],
    row: Annotated[list[str] | None, typer.Option(help="a row's name; default: all")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="may be given several times")] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 6,
    size: Annotated[int, typer.Option(min=64)] = 160,
) -> None:
    """Train and measure the rows, and write each to RUN/ablation.csv."""
    if unknown := sorted(set(row or []) - {one.name for one in ROWS}):
        fail(f"--row {unknown[0]}: give one of {', '.join(one.name for one in ROWS)}", status=2)
    with one_line_errors():
        run_rows(clothing, mattes, run, row, seed or [0], epochs, size)


def run_rows(
    clothing: Path, mattes: Path, run: Path, row: list[str] | None, seeds: list[int], epochs: int, size: int
) -> None:
    """Train and measure the rows that RUN/ablation.csv lacks; all rows where `row` is None."""
    keep_freed_memory()
    schema = load_schema()
    taught = read_labels(clothing / "photos", clothing / "labels.csv", schema, "train", clothing / "readings.csv")
    asked = read_labels(clothing / "photos", clothing / "labels.csv", schema, "dev")
    run.mkdir(parents=True, exist_ok=True)
    table = run / "ablation.csv"
    done = set()
    if table.exists():
        with table.open() as file:
            done = {(of["row"], *(int(of[key]) for key in ("seed", "epochs", "size"))) for of in csv.DictReader(file)}
    for of_seed in seeds:
        for one in ROWS:
            if (row and one.name not in row) or (one.name, of_seed, epochs, size) in done:
                continue
            config = TrainConfig(epochs=epochs, size=size, seed=of_seed)
            found = run_row(one, config, taught, asked, schema, mattes, run)
            mean = float(np.mean([value for key, value in found.items() if key != CATEGORY]))
            cells = {"row": one.name, "seed": of_seed, "epochs": epochs, "size": size, "mean": round(mean, 2)}
            cells |= {key: round(value, 2) for key, value in found.items()}
            with table.open("a") as file:
                writer = csv.DictWriter(file, list(cells))
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(cells)
            print(", ".join(f"{key} {value}" for key, value in cells.items()), flush=True)


if __name__ == "__main__":
    typer.run(main)
