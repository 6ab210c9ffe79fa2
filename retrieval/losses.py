"""Losses of the attribute network, each a plain function."""

import torch
from torch import Tensor
from torch.nn import functional

NOT_APPLICABLE_WEIGHT = 0.2


def value_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of one attribute's values with soft targets.

    Args:
        logits: (B, V).
        targets: (B, V), each row a distribution over the values that a photo may have, the last of them "does not
            apply", or zeros where its value is not known; such rows do not count.
        smoothing: the share of each target that is spread evenly over all values, since some labels are wrong.

    Returns:
        A scalar: the mean over the rows that count, 0 if there is none. Rows to which the attribute does not apply
        weigh less: there are many of them, and they are easily told.
    """
    known = targets.sum(dim=1) > 0
    weights = known * torch.where(targets[:, -1] == 1, NOT_APPLICABLE_WEIGHT, 1.0)
    smooth = targets * (1 - smoothing) + smoothing / targets.shape[1]
    losses = -(smooth * functional.log_softmax(logits.float(), dim=1)).sum(dim=1)
    return (losses * weights).sum() / weights.sum().clamp(min=1e-6)


def attributes_cross_entropy(logits: list[Tensor], targets: list[Tensor], smoothing: float = 0.1) -> Tensor:
    """The mean over attributes of `value_cross_entropy`; one (B, V) tensor an attribute in both lists."""
    losses = [value_cross_entropy(of, to, smoothing) for of, to in zip(logits, targets, strict=True)]
    return torch.stack(losses).mean()
