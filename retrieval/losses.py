"""Losses of the attribute network, each a plain function."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from retrieval.network import Seen

NOT_APPLICABLE_WEIGHT = 0.2


def value_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of one attribute's values with soft targets.

    Args:
        logits: (B, V + 1).
        targets: (B, V + 1), each row a distribution over the values that a photo may have, the last of them "does not
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
    """The mean over attributes of `value_cross_entropy`; one (B, V + 1) tensor an attribute in both lists."""
    losses = [value_cross_entropy(of, to, smoothing) for of, to in zip(logits, targets, strict=True)]
    return torch.stack(losses).mean()


def triplet_loss(vectors: Tensor, values: Tensor, margin: float = 0.2) -> Tensor:
    """Triplet ranking loss on cosines, each pair of one value against its hardest negative that is still less alike.

    Negatives that are more alike than the pair itself are left to later steps (Schroff et al., "FaceNet: A Unified
    Embedding for Face Recognition and Clustering", 2015, section 3.2, semi-hard negatives): the hardest of all pull
    every vector to one point before the network can tell anything apart. Where all are more alike, the least alike
    counts.

    Args:
        vectors: (B, D), unit rows of one attribute.
        values: (B,), int64, each photo's value; -1 where it is not known for certain or does not apply.
        margin: by how much a positive's cosine must exceed the negative's.

    Returns:
        A scalar: the mean over all pairs of photos that share a value, 0 if there is none.
    """
    cosine = (vectors @ vectors.T).float()
    positive, negative = _pairs(values, values)
    positive = positive & ~torch.eye(len(values), dtype=torch.bool, device=values.device)
    positive = positive & negative.any(dim=1, keepdim=True)
    of_negatives = cosine[:, None, :].expand(-1, len(values), -1)  # (B anchors, B positives, B negatives)
    less_alike = negative[:, None, :] & (of_negatives < cosine[:, :, None])
    hardest = of_negatives.masked_fill(~less_alike, -2).amax(dim=2)
    easiest = cosine.masked_fill(~negative, 2).amin(dim=1, keepdim=True)
    chosen = torch.where(less_alike.any(dim=2), hardest, easiest)
    losses = functional.relu(margin - cosine + chosen)
    return (losses * positive).sum() / positive.sum().clamp(min=1)


def inter_branch_loss(
    patch: Tensor,
    region: Tensor,
    background: Tensor | None,
    values: Tensor,
    background_weight: float = 24.0,
    temperature: float = 0.07,
) -> Tensor:
    """Contrastive loss between branches: a patch vector agrees with the region vectors of its value and no others.

    After Dong et al. 2023 (see `retrieval.network`); each positive has a term of its own here, and their mean counts.

    Args:
        patch: (B, D), unit rows of one attribute.
        region: (B, D), the same of the region branch.
        background: (B, D), the region branch's vectors of what the attribute does not look at, all of them negatives;
            None leaves them out.
        values: (B,), int64, each photo's value; -1 where it is not known for certain or does not apply.
        background_weight: how much each background counts beside another value's region (the paper's alpha).
        temperature: the paper's tau.

    Returns:
        A scalar: the mean over photos whose value is known, 0 if there is none.
    """
    positive, negative = _pairs(values, values)
    to_region = (patch @ region.T).float() / temperature
    terms = [to_region.masked_fill(~(positive | negative), -torch.inf)]
    if background is not None:
        terms.append((patch @ background.T).float() / temperature + math.log(background_weight))
    all_of_them = torch.cat(terms, dim=1).logsumexp(dim=1, keepdim=True)
    losses = torch.where(positive, all_of_them - to_region, 0).sum(dim=1) / positive.sum(dim=1).clamp(min=1)
    known = values >= 0
    return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)


def _pairs(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs (B, B) of photos share a value, and which have two that differ."""
    known = (one >= 0)[:, None] & (other >= 0)[None]
    same = one[:, None] == other[None]
    return known & same, known & ~same


@dataclass(frozen=True)
class LossWeights:
    """How much each loss counts; 0 switches it off.

    `region`, `patch` and `look` weigh triplets, `inter` the inter-branch loss, for which the paper has 1, 0.1 and 0.04
    (`look` is ours). Beside the values' loss triplets cost more than they give; see the model card's ablation.
    `background` is the weight of a background vector among the inter-branch negatives; 0 leaves them out.
    """

    value: float = 1.0
    region: float = 0.0
    patch: float = 0.0
    look: float = 0.0
    inter: float = 0.04
    background: float = 24.0


def branch_losses(seen: Seen, targets: list[Tensor], weights: LossWeights) -> Tensor:
    """Triplet losses of both branches and of their common look, and the inter-branch loss; mean over attributes.

    Args:
        seen: what a network in training mode saw in B photos.
        targets: for each attribute (B, V + 1), as `value_cross_entropy` takes them.
        weights: those of the losses.
    """
    total = seen.look.new_zeros(())
    for index, target in enumerate(targets):
        best, value = target.max(dim=1)
        value = torch.where((best > 0.5) & (value < target.shape[1] - 1), value, -1)
        for vectors, weight in ((seen.region, weights.region), (seen.patch, weights.patch), (seen.look, weights.look)):
            if weight > 0:
                total = total + weight * triplet_loss(vectors[:, index], value)
        if weights.inter > 0:
            behind = seen.background[:, index] if weights.background > 0 else None
            of_branches = inter_branch_loss(
                seen.patch[:, index], seen.region[:, index], behind, value, weights.background
            )
            total = total + weights.inter * of_branches
    return total / len(targets)
