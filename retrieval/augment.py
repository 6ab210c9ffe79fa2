"""Random changes of a batch of training photographs, computed on the batch's own device."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from retrieval.network import normalise


def augment(photos: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Move, turn, mirror, scale, light and partly cover photos as telephones and floors would.

    Args:
        photos: (B, 3, S, S), uint8.
        size: the side of the result.
        generator: source of all randomness, on the CPU.

    Returns:
        (B, 3, size, size), float32, as `normalise` gives them.
    """
    grid = random_grid(len(photos), size, generator).to(photos.device)
    moved = functional.grid_sample(normalise(photos), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return random_cover(random_light(moved, generator), generator).contiguous(memory_format=torch.channels_last)


def random_grid(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Sampling grids (count, size, size, 2) of rotations up to 15°, scales 0.77 to 1.14, shifts and mirrorings.

    Photos are not stretched and hardly cropped: a garment's proportions and its hem tell its length.
    """
    angle = _uniform(count, -math.pi / 12, math.pi / 12, generator)
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
