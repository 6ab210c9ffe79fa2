"""The losses of class-aware matting, with the equation numbers of S. Yamaguchi et al., "Class-Aware Image Matting for
Product Images" (section 3.2). Alphas are (B, 1, H, W) in [0, 1], pictures (B, 3, H, W) in [0, 1]; each loss is a mean,
so that weights hold for any size.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from matting.network import Matting


@dataclass(frozen=True)
class LossWeights:
    """The weights w of equation 7, and that of the overlap, which is not in it."""

    trimap_alpha_composition: float = 1.0
    variation: float = 0.02
    gradient: float = 1.0
    gabor: float = 0.2
    classes: float = 0.1
    overlap: float = 0.5


@dataclass(frozen=True)
class Truth:
    """What is known of a batch.

    `photos`, `foregrounds`, `backgrounds`: (B, 3, H, W), colours in [0, 1]; a foreground or background is any picture
    that could be there. `alphas`: (B, 1, H, W). `trimaps`: (B, H, W), the trimap's channel of each pixel. `classes`:
    (B,), -1 where it is not known.
    """

    photos: Tensor
    foregrounds: Tensor
    backgrounds: Tensor
    alphas: Tensor
    trimaps: Tensor
    classes: Tensor


def trimap_loss(logits: Tensor, trimaps: Tensor) -> Tensor:
    """L_t of equation 2: cross-entropy of the trimap; logits (B, 3, H, W), trimaps (B, H, W)."""
    return functional.cross_entropy(logits, trimaps)


def alpha_loss(alpha: Tensor, true_alpha: Tensor) -> Tensor:
    """The second term of equation 2: L1 of the alphas."""
    return (alpha - true_alpha).abs().mean()


def composition_loss(alpha: Tensor, true_alpha: Tensor, foregrounds: Tensor, backgrounds: Tensor) -> Tensor:
    """The third term of equation 2: L1 between the pictures that both alphas compose."""
    composed = alpha * foregrounds + (1 - alpha) * backgrounds
    true_composed = true_alpha * foregrounds + (1 - true_alpha) * backgrounds
    return (composed - true_composed).abs().mean()


def weighted_variation_loss(alpha: Tensor, photos: Tensor, sigma: float = 0.1) -> Tensor:
    """Equations 3 and 4: total variation of the alpha, less where the photo itself changes.

    The equations as printed measure the variation of the picture that gives the weights; it is taken here of the
    alpha that is to be smooth, which is what can be learned.
    """
    total = alpha.new_zeros(())
    for dim in (2, 3):
        weight = torch.exp(-difference(photos, dim).abs().sum(dim=1, keepdim=True) / sigma)
        total = total + (weight * difference(alpha, dim).abs()).mean()
    return total


def gradient_loss(alpha: Tensor, true_alpha: Tensor) -> Tensor:
    """Equation 5: squared difference of the alphas' gradients."""
    error = alpha - true_alpha
    return difference(error, 2).square().mean() + difference(error, 3).square().mean()


def gabor_loss(alpha: Tensor, true_alpha: Tensor) -> Tensor:
    """Equation 6: squared difference of the alphas seen through a bank of Gabor filters.

    The filters are linear, so they are applied once, to the difference.
    """
    bank = gabor_bank().to(alpha)
    seen: Tensor = functional.conv2d(alpha - true_alpha, bank, padding=bank.shape[-1] // 2)
    total: Tensor = seen.square().sum(dim=1).mean()
    return total


def gabor_bank(orientations: int = 4, size: int = 7, wavelength: float = 5.0, aspect: float = 0.5) -> Tensor:
    """Gabor filters (orientations, 1, size, size), each of zero mean and unit norm.

    The loss comes from Li et al., "Inductive Guided Filter" (2019), who use more orientations.
    """
    deviation = 0.56 * wavelength  # a bandwidth of one octave
    steps = torch.arange(size, dtype=torch.float32) - size // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    angles = torch.arange(orientations, dtype=torch.float32)[:, None, None] * math.pi / orientations
    along = x * torch.cos(angles) + y * torch.sin(angles)
    across = y * torch.cos(angles) - x * torch.sin(angles)
    envelope = torch.exp(-(along**2 + (aspect * across) ** 2) / (2 * deviation**2))
    bank = envelope * torch.sin(2 * math.pi * along / wavelength)
    bank = bank - bank.mean(dim=(1, 2), keepdim=True)
    normed: Tensor = bank / bank.flatten(1).norm(dim=1)[:, None, None]
    return normed[:, None]


def overlap_loss(alpha: Tensor, true_alpha: Tensor) -> Tensor:
    """1 - soft IoU, the mean over pictures that hold a product: a small piece of floor kept costs what it costs in IoU.

    M. Rahman and Y. Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation" (2016).
    """
    held = true_alpha.sum(dim=(1, 2, 3)) > 1
    if not bool(held.any()):
        return alpha.new_zeros(())
    both, either = torch.minimum(alpha, true_alpha), torch.maximum(alpha, true_alpha)
    return (1 - both.sum(dim=(1, 2, 3)) / either.sum(dim=(1, 2, 3)).clamp(min=1))[held].mean()


def class_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """L_class of equation 7: cross-entropy of the product's class over the photos whose class is known."""
    if not bool((classes >= 0).any()):
        return logits.new_zeros(())
    loss: Tensor = functional.cross_entropy(logits, classes, ignore_index=-1, label_smoothing=0.1)
    return loss


def matting_loss(matting: Matting, truth: Truth, weights: LossWeights) -> Tensor:
    """Equation 7: the weighted total, and beside it the loss of overlap."""
    alpha = matting.alpha.float()
    trimap_alpha_composition = (
        trimap_loss(matting.trimap_logits.float(), truth.trimaps)
        + 0.5 * alpha_loss(alpha, truth.alphas)
        + 0.5 * composition_loss(alpha, truth.alphas, truth.foregrounds, truth.backgrounds)
    )  # equation 2
    loss = (
        weights.trimap_alpha_composition * trimap_alpha_composition
        + weights.variation * weighted_variation_loss(alpha, truth.photos)
        + weights.gradient * gradient_loss(alpha, truth.alphas)
        + weights.gabor * gabor_loss(alpha, truth.alphas)
    )
    loss = loss + weights.overlap * overlap_loss(alpha, truth.alphas)
    if matting.class_logits is not None:
        loss = loss + weights.classes * class_loss(matting.class_logits.float(), truth.classes)
    return loss


def difference(maps: Tensor, dim: int) -> Tensor:
    """Forward differences along a dimension."""
    return maps.narrow(dim, 1, maps.shape[dim] - 1) - maps.narrow(dim, 0, maps.shape[dim] - 1)
