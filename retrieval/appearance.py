"""A few numbers that tell photos of different garments apart, whatever they show."""

import math

import torch
from torch import Tensor
from torch.nn import functional

AXES = 8


def whole_appearance(photos: Tensor, foreground: Tensor) -> Tensor:
    """Where on garments it is light and dark, as AXES numbers that mean nothing by themselves.

    Two photos of one garment in the same place give nearly the same, whatever lies around it; others differ by chance.
    As perceptual hashes do, it takes the cosine transform's low frequencies (8 by 8 of 16 by 16 cells); a few fixed
    mixtures of all of them are its numbers, so that no number is the largest more often than others.

    Args:
        photos: (B, 3, S, S), as `normalise` gives them.
        foreground: (B, 1, S, S).

    Returns:
        (B, AXES).
    """
    share = functional.adaptive_avg_pool2d(foreground, 16)
    light = functional.adaptive_avg_pool2d(photos.mean(dim=1, keepdim=True) * foreground, 16)
    mean = light.sum(dim=(2, 3), keepdim=True) / share.sum(dim=(2, 3), keepdim=True).clamp(min=1e-6)
    frequency = torch.arange(8, device=photos.device)
    waves = _cosines(16, frequency)  # (8, 16)
    spectrum = torch.einsum("ui,vj,bij->buv", waves, waves, (light - mean * share)[:, 0])
    spectrum = spectrum * (frequency[:, None] ** 2 + frequency**2) ** 0.25  # higher ones are weaker
    return spectrum.flatten(1) @ _cosines(64, torch.arange(1, AXES + 1, device=photos.device)).T


def _cosines(count: int, frequencies: Tensor) -> Tensor:
    """Cosine waves over so many places, (F, count)."""
    places = torch.arange(count, device=frequencies.device) + 0.5
    return torch.cos(math.pi / count * frequencies[:, None] * places)
