"""Losses of the attribute network, each a plain function."""

import torch
from torch import Tensor
from torch.nn import functional


def value_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of one attribute's values with soft targets.

    Args:
        logits: (B, V).
        targets: (B, V), each row a distribution over the values that a photo may have, or zeros where its value is
            not known; such rows do not count.
        smoothing: the share of each target that is spread evenly over all values, since some labels are wrong.

    Returns:
        A scalar: the mean over the rows that count, 0 if there is none.
    """
    known = targets.sum(dim=1) > 0
    smooth = targets * (1 - smoothing) + smoothing / targets.shape[1]
    losses = -(smooth * functional.log_softmax(logits.float(), dim=1)).sum(dim=1)
    return torch.where(known, losses, 0.0).sum() / known.sum().clamp(min=1)


def attributes_cross_entropy(logits: list[Tensor], targets: list[Tensor], smoothing: float = 0.1) -> Tensor:
    """The mean over attributes of `value_cross_entropy`; one (B, V) tensor an attribute in both lists."""
    losses = [value_cross_entropy(of, to, smoothing) for of, to in zip(logits, targets, strict=True)]
    return torch.stack(losses).mean()
