"""The colours of a garment, counted: what they alone tell of its values.

A network that is to tell a collar learns to look past colour, and the word for a colour depends on little else. So the
garment's colours are counted, wherever they lie, and a small perceptron of its own reads the counts.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

EVERY = 4  # pixels are counted in rows and columns of this distance
SURELY_GARMENT = 0.9
SHARES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
STEPS = (4, 6, 6)  # of lightness, green to red and blue to yellow
NUMBERS = 4 * len(SHARES) + 2 * 3 + STEPS[0] * STEPS[1] * STEPS[2]


def count_colours(photos: Tensor, foreground: Tensor) -> Tensor:
    """What colours garments have, and how much of each.

    Args:
        photos: (B, 3, S, S), as `normalise` gives them.
        foreground: (B, 1, S, S) in [0, 1].

    Returns:
        (B, NUMBERS): percentiles, mean and deviation of lightness, a and b (CIELAB, in units of 100), percentiles of
        chroma, and the square roots of the shares that fall into each cell of a coarse grid of them; zeros where
        nothing is surely garment.
    """
    lab = to_lab((photos[..., ::EVERY, ::EVERY] * 128 + 127) / 255).flatten(2) / 100  # (B, 3, N)
    garment = foreground[:, 0, ::EVERY, ::EVERY].flatten(1) > SURELY_GARMENT  # (B, N)
    rows = [_count(one[:, where]) for one, where in zip(lab, garment, strict=True)]
    return torch.stack(rows)


def _count(lab: Tensor) -> Tensor:
    """Colours (3, N) of one garment -> (NUMBERS,)."""
    if lab.shape[1] == 0:
        return lab.new_zeros(NUMBERS)
    each = torch.cat([lab, lab[1:].norm(dim=0, keepdim=True)])
    percentiles = torch.quantile(each, lab.new_tensor(SHARES), dim=1).flatten()
    first, second, third = (
        ((of + shift) * scale).long().clamp(0, steps - 1)
        for of, shift, scale, steps in zip(lab, (0, 0.45, 0.45), (4, 1 / 0.15, 1 / 0.15), STEPS, strict=True)
    )
    cells = (first * STEPS[1] + second) * STEPS[2] + third
    shares = torch.bincount(cells, minlength=STEPS[0] * STEPS[1] * STEPS[2]) / len(cells)
    return torch.cat([percentiles, lab.mean(dim=1), lab.std(dim=1, correction=0), shares.sqrt()])


def to_lab(colours: Tensor) -> Tensor:
    """sRGB (B, 3, …) in [0, 1] -> CIELAB under D65 (IEC 61966-2-1; CIE 15), lightness in [0, 100]."""
    colours = colours.clamp(0, 1)
    linear = torch.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    matrix = colours.new_tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    white = matrix.sum(dim=1)
    xyz = torch.einsum("kc,bc...->kb...", matrix, linear) / white.view(3, *[1] * (colours.ndim - 1))
    root = torch.where(xyz > 0.008856, xyz.clamp(min=1e-9) ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.stack([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])], dim=1)


class ColourBranch(nn.Module):
    """What a garment's colours alone tell of each attribute's value.

    `share` (A,) is how much that counts beside what the other branches see, 0 until that is found out.
    """

    mean: Tensor
    deviation: Tensor
    share: Tensor

    def __init__(self, value_counts: tuple[int, ...], hidden: int = 128) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(NUMBERS))
        self.register_buffer("deviation", torch.ones(NUMBERS))
        self.register_buffer("share", torch.zeros(len(value_counts)))
        self.hidden = nn.Linear(NUMBERS, hidden)
        self.heads = nn.ModuleList(nn.Linear(hidden, values + 1) for values in value_counts)

    def forward(self, counts: Tensor) -> list[Tensor]:
        """Counts (B, NUMBERS), as `count_colours` gives them -> A log-probabilities (B, V + 1)."""
        hidden = functional.relu(self.hidden((counts - self.mean) / self.deviation))
        return [head(hidden).log_softmax(dim=1) for head in self.heads]

    def add_to(self, logits: list[Tensor], photos: Tensor, foreground: Tensor) -> list[Tensor]:
        """Other branches' logits with what the colours tell.

        Args:
            logits: A tensors (B, V + 1).
            photos: (B, 3, S, S), as `normalise` gives them.
            foreground: (B, 1, S, S) in [0, 1].
        """
        if not self.share.any():
            return logits
        told = self(count_colours(photos, foreground))
        return [of + share * by for of, share, by in zip(logits, self.share, told, strict=True)]
