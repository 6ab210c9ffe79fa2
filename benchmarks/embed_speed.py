"""What the shared pass saves: `python benchmarks/embed_speed.py [--threads 2]`.

Embeds one photo, already letterboxed, in three ways, on the same processor in one run, and prints the median seconds of
each and the ratios:

- erimoto: all attributes in one pass of the shipped network;
- the paper's way (Dong et al. 2023): for each attribute ResNet-50 with spatial attention finds a region, the box where
  attention exceeds a threshold is cropped from the photo, resized to 224 px and read by ViT-B/16 in 16 px patches;
- CLIP's image encoder, ViT-B/32 at 224 px, one vector for everything.

The last two have random weights: only their speed is asked for.
"""

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Annotated

import numpy as np
import timm
import torch
import typer
from torch import Tensor, nn
from torch.nn import functional

from retrieval.embedder import Embedder

ROUNDS = 9
THRESHOLD = 0.6  # of the highest attention


class RegionThenPatch(nn.Module):
    """The published system's forward pass for one attribute (random weights)."""

    def __init__(self, attributes: int, channels: int = 512) -> None:
        super().__init__()
        self.trunk = timm.create_model("resnet50", features_only=True, out_indices=(3,))
        self.project = nn.Conv2d(1024, channels, 1)
        self.query = nn.Embedding(attributes, channels)
        self.transformer = timm.create_model("vit_base_patch16_224", num_classes=0)

    def forward(self, photo: Tensor, attribute: int) -> tuple[Tensor, Tensor]:
        """Photo (1, 3, S, S) -> region vector (1, C) and patch vector (1, W) of one attribute."""
        level = self.project(self.trunk(photo)[0])
        query = self.query(torch.tensor([attribute]))
        score = torch.einsum("bc,bchw->bhw", query, level) / level.shape[1] ** 0.5
        attention = score.flatten(1).softmax(dim=1).reshape(score.shape)
        region = torch.einsum("bhw,bchw->bc", attention, level)
        rows, columns = torch.nonzero(attention[0] >= THRESHOLD * attention.max(), as_tuple=True)
        scale = photo.shape[-1] // level.shape[-1]
        top, bottom = int(rows.min()) * scale, (int(rows.max()) + 1) * scale
        left, right = int(columns.min()) * scale, (int(columns.max()) + 1) * scale
        crop = functional.interpolate(photo[:, :, top:bottom, left:right], size=(224, 224), mode="bilinear")
        return region, self.transformer(crop)


def timed(work: Callable[[], object]) -> float:
    """The median seconds of a piece of work, after one round that does not count."""
    seconds = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])


@torch.inference_mode()
def main(threads: Annotated[int, typer.Option(min=1)] = 2) -> None:
    """Measure and print one JSON object."""
    torch.set_num_threads(threads)
    embedder = Embedder.load(device="cpu", cut_out=False)
    attributes = len(embedder.schema.keys)
    square = np.random.default_rng(0).integers(0, 256, (1, embedder.size, embedder.size, 4), np.uint8)
    photo = torch.randn(1, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    published = RegionThenPatch(attributes).eval().to(memory_format=torch.channels_last)
    clip = timm.create_model("vit_base_patch32_clip_224", num_classes=512).eval()
    ours = timed(lambda: embedder.embed_squares(square))
    per_attribute = timed(lambda: [published(photo, attribute) for attribute in range(attributes)])
    of_clip = timed(lambda: clip(photo))
    figures = {"threads": threads, "attributes": attributes, "erimoto, seconds": ours}
    figures |= {"region, then patch, an attribute at a time": per_attribute, "CLIP ViT-B/32": of_clip}
    figures |= {"times faster than region, then patch": per_attribute / ours, "than CLIP": of_clip / ours}
    print(json.dumps({key: round(value, 4) for key, value in figures.items()}, indent=1))


if __name__ == "__main__":
    typer.run(main)
