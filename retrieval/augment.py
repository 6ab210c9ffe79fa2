"""Random changes of a batch of training photographs, computed on the batch's own device."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from retrieval.data import MARGIN_GREY
from retrieval.network import normalise


def show(
    whole: Tensor,
    cut: Tensor,
    cropped: Tensor,
    cut_outs: float,
    swapped: float,
    surroundings: float,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Choose how each garment is shown: cut out, on another photo's floor, or in its whole photo.

    Args:
        whole: whole photos (B, 4, S, S), uint8, whose alpha is the matte.
        cut: the same photos cut out, on grey.
        cropped: the same with all that surrounds the garment.
        cut_outs: the share shown cut out.
        swapped: the share laid on the floor of the photo before it in the batch.
        surroundings: how much of them most cut-outs keep, in [0, 1]; others keep none of them, or any part, unless it
            is 0.
        generator: source of all randomness, on the CPU.

    Returns:
        (B, 4, S, S), uint8, and how much each keeps of its surroundings, (B,) in [0, 1]. Half of the whole photos are
        all opaque, as photos without a matte are.
    """
    draw, kind, part = torch.rand(3, len(whole), generator=generator).to(whole.device)
    kept = torch.where(kind < 0.5, surroundings, torch.where(kind < 0.75, 0, part)) * (surroundings > 0)
    is_cut = draw > 1 - cut_outs
    kept = torch.where(is_cut, kept, 1)
    faded = torch.lerp(cut.float(), cropped.float(), kept[:, None, None, None]).round().to(torch.uint8)
    shown = torch.where(is_cut[:, None, None, None], faded, whole)
    moved = torch.nonzero((draw > 1 - cut_outs - swapped) & ~is_cut)[:, 0]
    shown[moved] = lay_on(cut[moved], floors(whole[moved - 1]))
    shown[draw < (1 - cut_outs - swapped) / 2, 3] = 255
    return shown, kept


def lay_on(cut: Tensor, floor: Tensor) -> Tensor:
    """Lay cut-outs on grey (B, 4, S, S) on floors (B, 3, S, S); their alpha stays. uint8 in and out."""
    behind = 1 - cut[:, 3:].float() / 255
    colours = (cut[:, :3] + (floor.float() - MARGIN_GREY) * behind).round().clamp(0, 255)
    return torch.cat([colours.to(torch.uint8), cut[:, 3:]], dim=1)


def floors(squares: Tensor) -> Tensor:
    """The colours of squares (B, 4, S, S) with garments painted over by the mean colour around them; uint8."""
    around = (squares[:, 3:] < 13) & (squares[:, :3] != MARGIN_GREY).any(dim=1, keepdim=True)
    count = around.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = (squares[:, :3] * around).sum(dim=(2, 3), keepdim=True, dtype=torch.float32) / count
    return torch.where(around, squares[:, :3], mean.round().to(torch.uint8))


def augment(squares: Tensor, kept: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Move, turn, mirror, scale, light and partly cover photos as telephones and floors would.

    Args:
        squares: (B, 4, S, S), uint8.
        kept: (B,), how much of its surroundings each keeps, in [0, 1].
        size: the side of the result.
        generator: source of all randomness, on the CPU.

    Returns:
        Photos (B, 3, size, size) and foreground (B, 1, size, size), float32, as `normalise` gives them.
    """
    grid = random_grid(len(squares), size, generator).to(squares.device)
    together = torch.cat(normalise(squares), dim=1)
    moved = functional.grid_sample(together, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    photos, foreground = moved[:, :3], moved[:, 3:]
    # What is faded changes with the light as much less.
    left = kept[:, None, None, None] * (1 - foreground) + foreground
    photos = random_cover(torch.lerp(photos, random_light(photos, generator), left), generator)
    return photos.contiguous(memory_format=torch.channels_last), foreground


def random_grid(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Sampling grids (count, size, size, 2) of rotations up to 15°, scales 0.77 to 1.14, shifts and mirrorings.

    One in twelve lies on a side, or upside down, besides, as garments do in the photos of people who walk around them.
    Photos are not stretched and hardly cropped: a garment's proportions and its hem tell its length.
    """
    angle = _uniform(count, -math.pi / 12, math.pi / 12, generator)
    lying = torch.rand(count, generator=generator) < 1 / 12
    angle = angle + lying * torch.randint(1, 4, (count,), generator=generator) * (math.pi / 2)
    zoom = torch.exp(_uniform(count, math.log(0.88), math.log(1.3), generator))
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    affine = torch.zeros(count, 2, 3)
    affine[:, 0, 0] = torch.cos(angle) * zoom * mirror
    affine[:, 0, 1] = -torch.sin(angle) * zoom
    affine[:, 1, 0] = torch.sin(angle) * zoom * mirror
    affine[:, 1, 1] = torch.cos(angle) * zoom
    affine[:, :, 2] = torch.stack([_uniform(count, -0.08, 0.08, generator) for _ in range(2)], dim=1)
    return functional.affine_grid(affine, [count, 3, size, size], align_corners=False)


def random_light(photos: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and, a little, the colour of the light; normalised photos in and out.

    The light's colour moves less than the rest: hue is what the colour attribute is about.
    """
    count, device = len(photos), photos.device

    def factor(spread: float, channels: int = 1) -> Tensor:
        return torch.exp(_uniform(count * channels, -spread, spread, generator)).view(count, channels, 1, 1).to(device)

    covered = photos != 0  # the letterbox's margin stays as it is
    light = (photos + 1) * factor(0.25) * factor(0.06, 3)
    grey = light.mean(dim=1, keepdim=True)
    light = grey + (light - grey) * factor(0.2)
    mean = light.mean(dim=(1, 2, 3), keepdim=True)
    light = mean + (light - mean) * factor(0.2)
    return torch.where(covered, light.clamp(0, 2) - 1, photos)


def random_cover(photos: Tensor, generator: torch.Generator, share: float = 0.3) -> Tensor:
    """Cover a random box, 10 to 35 % of the side, in a share of the photos; changes them in place."""
    size = photos.shape[-1]
    for index in range(len(photos)):
        draw = torch.rand(5, generator=generator)
        if draw[0] < share:
            height, width = ((0.1 + 0.25 * draw[1:3]) * size).int().tolist()
            top, left = int(draw[3] * (size - height)), int(draw[4] * (size - width))
            photos[index, :, top : top + height, left : left + width] = 0
    return photos


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low
