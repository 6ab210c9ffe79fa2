"""The colours of garments: counted whatever lies around them, and what they tell."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from matting.weights import read_weights
from retrieval.colour_training import learn_colours
from retrieval.colours import NUMBERS, ColourBranch, count_colours, to_lab
from retrieval.network import normalise
from retrieval.weights import FORMAT, SHIPPED_WEIGHTS, load_model


def garments(colours: list[tuple[int, int, int]], floor: int = 127, shift: int = 0) -> np.ndarray:
    """Squares (N, 64, 64, 4) of a plain garment each, on a grey floor."""
    squares = np.full((len(colours), 64, 64, 4), floor, np.uint8)
    squares[..., 3] = 0
    for square, colour in zip(squares, colours, strict=True):
        square[8 + shift : 40 + shift, 12:48] = (*colour, 255)
    return squares


def counts_of(squares: np.ndarray) -> torch.Tensor:
    return count_colours(*normalise(torch.from_numpy(squares).permute(0, 3, 1, 2)))


def test_lab_of_known_colours() -> None:
    colours = torch.tensor([[1.0, 1, 1], [1, 0, 0], [0, 0, 1], [0, 0, 0]])
    expected = torch.tensor([[100.0, 0, 0], [53.2, 80.1, 67.2], [32.3, 79.2, -107.9], [0, 0, 0]])
    assert torch.allclose(to_lab(colours), expected, atol=0.3)


def test_counts_are_of_the_garment_wherever_it_lies() -> None:
    red, navy = (200, 20, 30), (20, 20, 80)
    own = counts_of(garments([red, navy]))
    assert own.shape == (2, NUMBERS)
    assert torch.allclose(counts_of(garments([red, navy], floor=240, shift=16)), own, atol=1e-4)
    assert (own[0] - own[1]).abs().max() > 0.3
    nothing = garments([red])
    nothing[..., 3] = 0
    assert torch.equal(counts_of(nothing), torch.zeros(1, NUMBERS))


def test_colours_are_learned_from_a_few_garments() -> None:
    random = np.random.default_rng(0)
    is_red = random.random(80) < 0.5
    base = np.where(is_red[:, None], (180, 30, 40), (30, 40, 170))
    squares = garments([tuple(row) for row in (base + random.integers(-25, 25, (80, 3))).tolist()])
    targets = [torch.eye(3)[torch.from_numpy(is_red.astype(np.int64))]]
    branch = ColourBranch((2,))
    learn_colours(branch, squares[:60], [targets[0][:60]], smoothing=0.1, seed=0)
    told = branch(counts_of(squares[60:]))[0]
    assert torch.equal(told.argmax(dim=1), targets[0][60:].argmax(dim=1))


def test_colours_count_for_the_colour_alone() -> None:
    model = load_model()
    photos, foreground = normalise(torch.randint(0, 255, (2, 4, 96, 96), dtype=torch.uint8))
    with torch.inference_mode():
        seen = model.network(photos, foreground).logits
        without = model.network.see(model.network.maps(photos), foreground).logits
    differ = [not torch.equal(one, other) for one, other in zip(seen, without, strict=True)]
    assert differ == [key == "color" for key in model.schema.keys]


def test_weights_of_before_colours_were_counted_can_be_used(tmp_path: Path) -> None:
    header, _ = read_weights(SHIPPED_WEIGHTS, FORMAT)
    before = {name: of for name, of in load_file(SHIPPED_WEIGHTS).items() if not name.startswith("colour_branch.")}
    save_file(before, tmp_path / "before.safetensors", metadata=header)
    assert load_model(tmp_path / "before.safetensors").network.colour_branch.share.tolist() == pytest.approx([0] * 7)
