"""Teaching the colour branch, on the processor in seconds."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from retrieval.colours import NUMBERS, ColourBranch, count_colours
from retrieval.losses import attributes_cross_entropy
from retrieval.network import normalise

EPOCHS = 60
BATCH = 128
NOISE = 0.2  # of each count's deviation


def learn_colours(
    branch: ColourBranch, squares: NDArray[np.uint8], targets: list[Tensor], smoothing: float, seed: int
) -> None:
    """Teach a colour branch by itself, from its first weights on; seconds for some thousand photos.

    Were it taught with the other branches, they would have learned these photos by heart and left it nothing to learn.

    Args:
        branch: is changed; its share stays.
        squares: (N, S, S, 4), uint8, of photos cut out.
        targets, smoothing: as `attributes_cross_entropy` takes them.
        seed: of its first weights, the order of photos and the noise.
    """
    generator, counts = torch.Generator().manual_seed(seed), count_squares(squares)
    with torch.no_grad():
        for layer in branch.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_uniform_(layer.weight, 5**0.5, generator=generator)
                nn.init.zeros_(layer.bias)
        branch.mean.copy_(counts.mean(dim=0))
        branch.deviation.copy_(counts.std(dim=0, correction=0) + 1e-3)
    branch.requires_grad_(True)
    optimizer = torch.optim.Adam(branch.parameters(), lr=1e-3, weight_decay=3e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(counts), generator=generator).split(BATCH):  # type: ignore[no-untyped-call]
            noise = NOISE * branch.deviation * torch.randn(len(rows), NUMBERS, generator=generator)
            told = branch(counts[rows] + noise)
            loss = attributes_cross_entropy(told, [target[rows] for target in targets], smoothing)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def count_squares(squares: NDArray[np.uint8], batch: int = 64) -> Tensor:
    """The colours of garments in squares (N, S, S, 4); see `count_colours`."""
    parts = [
        count_colours(*normalise(torch.from_numpy(np.array(squares[start : start + batch])).permute(0, 3, 1, 2)))
        for start in range(0, len(squares), batch)
    ]
    return torch.cat(parts)
