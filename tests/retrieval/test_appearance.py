"""Numbers that tell photos apart: the same for one garment, spread over all."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from matting import read_photo
from retrieval.appearance import AXES, whole_appearance
from retrieval.data import cut_square
from retrieval.network import normalise


def appearance_of(photos: list[Path], alphas: Path, size: int, floor: int | None = None) -> torch.Tensor:
    """The appearance of photos, cut out with some of their floor, or of a plain one, in squares of a size."""
    squares = []
    for path in photos:
        matte = np.asarray(Image.open(alphas / f"{path.stem}.webp").convert("L"), np.float32) / 255
        photo = read_photo(path)
        if floor is not None:
            plain = Image.new("RGB", photo.size, (floor,) * 3)
            photo = Image.composite(photo, plain, Image.fromarray((matte * 255).astype(np.uint8)))
        squares.append(cut_square(photo, matte, size, 0.15))
    return whole_appearance(*normalise(torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)))


def test_garments_differ_and_neither_floor_nor_size_matters(samples: Path, sample_photos: list[Path]) -> None:
    photos = [path for path in sample_photos if (samples / "alphas" / f"{path.stem}.webp").exists()]
    own = appearance_of(photos, samples / "alphas", 224)
    assert own.shape == (len(photos), AXES)
    farthest = own.abs().argmax(dim=1)
    assert torch.bincount(farthest, minlength=AXES).max() < 0.3 * len(photos)
    smaller = appearance_of(photos, samples / "alphas", 160).abs().argmax(dim=1)
    assert (smaller == farthest).float().mean() > 0.95
    on_white = appearance_of(photos, samples / "alphas", 224, floor=250).abs().argmax(dim=1)
    assert (on_white == farthest).float().mean() > 0.8
