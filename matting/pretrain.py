"""Disentangled pre-training from photographs without mattes: `python -m matting pretrain`.

After Y. Li et al., "Disentangled Pre-training for Image Matting" (2023). Two photos are blended by a made-up alpha, and
the network learns to take them apart again before it sees any true matte. Their task is M-Net's: of random patches a
trimap tells which are foreground, background or neither, and the alpha within the rest is to be found. T-Net, which has
to find the product by itself, gets a task of the same kind: a random shape, cut from the middle of one photo, where the
product mostly is, lies on a floor laid from a corner of another, and its trimap is to be found.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from matting.data import Example, LayerCache, TrainingPhoto, cast_shadow, lay_floor, light, take, to_truth, window_grid
from matting.losses import LossWeights, Truth, alpha_loss, composition_loss, gradient_loss, matting_loss
from matting.network import BACKGROUND, FOREGROUND, UNKNOWN, MattingNetwork, normalise
from matting.train import TrainConfig, fill_cache, run_steps, start_training
from matting.training import TrainError, TrainState, descend, quickest_precision
from matting.trimap import one_hot


@dataclass(frozen=True)
class PretrainBatch:
    """A step's pictures: `shapes` for the whole network, `patches` with their random trimaps for M-Net."""

    shapes: Truth
    patches: Truth


class PretrainBatches(Dataset[PretrainBatch]):
    """The batch of each step; the same for a step whenever it is asked for."""

    def __init__(self, photos: list[TrainingPhoto], cache: LayerCache, config: TrainConfig) -> None:
        self.photos = photos
        self.cache = cache
        self.config = config

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> PretrainBatch:
        random = np.random.default_rng((self.config.seed, 3, step))
        height, width = self.config.shape_at(step)
        half = self.config.batch // 2
        shapes = [make_shape_example(*self._two(random), height, width, random) for _ in range(half)]
        patches, trimaps = zip(
            *(make_patch_example(*self._two(random), height, width, random) for _ in range(half)), strict=True
        )
        unknown_class = [-1] * half
        truth = to_truth(list(patches), unknown_class, random)
        return PretrainBatch(
            to_truth(shapes, unknown_class, random),
            Truth(**{**vars(truth), "trimaps": torch.stack(trimaps)}),
        )

    def _two(self, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        first, second = random.choice(len(self.photos), size=2, replace=False)
        return self.cache.load(self.photos[first]).photo, self.cache.load(self.photos[second]).photo


def make_patch_example(
    first: Tensor, second: Tensor, height: int, width: int, random: np.random.Generator
) -> tuple[Example, Tensor]:
    """Two photos (3, H, W), uint8, blended by a pseudo-alpha that a trimap of random patches tells in part.

    Returns the picture with its alpha, and the trimap (height, width), int64.
    """
    patch = int(random.choice([16, 32, 48, 64]))
    rows, columns = math.ceil(height / patch), math.ceil(width / patch)
    kinds = torch.from_numpy(random.choice([BACKGROUND, UNKNOWN, FOREGROUND], size=(rows, columns)))
    trimap = kinds.repeat_interleave(patch, 0).repeat_interleave(patch, 1)[:height, :width].contiguous()
    waves = make_waves(height, width, random)
    alpha = torch.where(trimap == FOREGROUND, 1.0, torch.where(trimap == BACKGROUND, 0.0, waves))[None]
    foreground, background = (
        functional.grid_sample(
            photo.float()[None] / 255,
            window_grid(photo.shape[1:], height, width, random),
            padding_mode="reflection",
            align_corners=False,
        )[0]
        for photo in (first, second)
    )
    photo = alpha * foreground + (1 - alpha) * background
    return Example(take(photo, random), foreground, background, alpha), trimap


def make_shape_example(first: Tensor, second: Tensor, height: int, width: int, random: np.random.Generator) -> Example:
    """A random shape of the first photo's middle on a floor of the second's corner, with a shadow."""
    alpha = make_shape(height, width, random)[None]
    foreground = lay_floor(middle_of(first), height, width, random)
    background = lay_floor(corner_of(second, random), height, width, random)
    background = cast_shadow(background, alpha, random)
    photo = alpha * foreground + (1 - alpha) * background
    photo, foreground, background = light(torch.stack([photo, foreground, background]), random)
    return Example(take(photo, random), foreground, background, alpha)


def make_waves(height: int, width: int, random: np.random.Generator) -> Tensor:
    """A field (height, width) in [0, 1] of random smoothness, with sharp and with soft slopes."""
    cells = int(random.integers(3, 24))
    coarse = torch.from_numpy(random.standard_normal((1, 1, cells, cells), dtype=np.float32))
    field = functional.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False)[0, 0]
    return torch.sigmoid(field * float(np.exp(random.uniform(0, 3))))


def make_shape(height: int, width: int, random: np.random.Generator) -> Tensor:
    """The alpha (height, width) of one to three overlapping blobs about the middle, with a soft edge."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    field = torch.full((height, width), -1.0)
    for _ in range(int(random.integers(1, 4))):
        centre_x, centre_y = random.uniform(-0.35, 0.35, 2)
        angle = torch.atan2(y - centre_y, x - centre_x)
        radius = torch.full_like(angle, random.uniform(0.25, 0.75))
        for wave in range(1, 6):
            radius = radius + random.normal(0, 0.12 / wave) * torch.cos(wave * angle + random.uniform(0, 2 * math.pi))
        field = torch.maximum(field, radius - torch.hypot(x - centre_x, y - centre_y))
    softness = random.uniform(0.5, 2.5) * 2 / max(height, width)
    return torch.sigmoid(2 * field / softness)


def middle_of(photo: Tensor) -> Tensor:
    """The middle of a photo (3, H, W), half as wide and as high."""
    height, width = photo.shape[1:]
    return photo[:, height // 4 : height - height // 4, width // 4 : width - width // 4]


def corner_of(photo: Tensor, random: np.random.Generator) -> Tensor:
    """A corner of a photo (3, H, W), a quarter as wide and as high."""
    height, width = photo.shape[1] // 4, photo.shape[2] // 4
    top, left = random.random() < 0.5, random.random() < 0.5
    rows = photo[:, :height] if top else photo[:, -height:]
    return rows[:, :, :width] if left else rows[:, :, -width:]


def pretrain_step(
    state: TrainState[MattingNetwork], config: TrainConfig, batch: PretrainBatch, weights: LossWeights
) -> float:
    """One step; returns the loss."""
    network, device = state.network, next(state.network.parameters()).device
    shapes, patches = (
        Truth(**{name: value.to(device) for name, value in vars(part).items()})
        for part in (batch.shapes, batch.patches)
    )
    with quickest_precision(device):
        photos = normalise(shapes.photos * 255, network.config).contiguous(memory_format=torch.channels_last)
        loss = matting_loss(network(photos), shapes, weights)
        photos = normalise(patches.photos * 255, network.config).contiguous(memory_format=torch.channels_last)
        class_features, _ = network.class_features(photos)
        alpha = network.alpha(photos, class_features, one_hot(patches.trimaps)).float()
        loss = loss + 0.5 * alpha_loss(alpha, patches.alphas) + weights.gradient * gradient_loss(alpha, patches.alphas)
        loss = loss + 0.5 * composition_loss(alpha, patches.alphas, patches.foregrounds, patches.backgrounds)
    descend(state, loss, config.average_decay)
    return float(loss.detach())


def pretrain(
    photos: list[TrainingPhoto], network: MattingNetwork, config: TrainConfig, run: Path, device: torch.device
) -> MattingNetwork | None:
    """Pre-train a network from photos alone; their mattes and classes are not looked at.

    See `matting.train.train` for the rest.
    """
    if len(photos) < 2:
        raise TrainError("pre-training blends two photos; give two or more")
    bare = [TrainingPhoto(photo.id, photo.photo, None, photo.sender, -1) for photo in photos]
    cache = fill_cache(bare, run)
    state = start_training(network.to(device), config)
    weights = LossWeights()
    batches = PretrainBatches(bare, cache, config)
    return run_steps(
        state, config, batches, lambda batch: pretrain_step(state, config, batch, weights), lambda _: {}, bare, run
    )
