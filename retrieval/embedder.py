"""The embedder: photographs in, one vector, value and confidence an attribute out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from matting import read_photo
from matting.device import choose_device, one_a_core
from matting.matter import Matter
from matting.weights import WeightsError
from retrieval.appearance import AXES, whole_appearance
from retrieval.attention import attention_map
from retrieval.attributes import CATEGORY, Schema
from retrieval.calibration import certainty
from retrieval.data import Matte, close_up, cut_square, letterbox, with_alpha
from retrieval.network import network_input
from retrieval.vectors import VECTORS, attribute_vectors, probabilities, value_directions, where_it_applies
from retrieval.weights import SHIPPED_WEIGHTS, Model, fingerprint, load_model

CUT_AT = 320  # pixels; garments cut out at this size are found no worse than at 384, in two thirds of the time
SEEN_AT = 640  # pixels; garments are cropped from photos of this size: close-ups and small patterns need it


@dataclass(frozen=True)
class Embeddings:
    """What the embedder sees in N photos; each dictionary has one entry an attribute, in the schema's order.

    `vectors`: (N, D) float32 unit rows. `values`: N values, "" where the attribute does not apply to the garment.
    `confidences`: (N,) float32, the calibrated probability that the value is right.
    """

    vectors: dict[str, NDArray[np.float32]]
    values: dict[str, list[str]]
    confidences: dict[str, NDArray[np.float32]]


class Embedder:
    """Embeds every attribute of photographs in one pass; owns the device, the size and the batching."""

    def __init__(
        self, model: Model, fingerprint: str, device: torch.device, matter: Matter | None = None, batch: int = 16
    ) -> None:
        self.schema: Schema = model.schema
        # Twice what the network reads of a whole garment, if it reads a close-up, too.
        self.size = model.size if model.network.close_up is None else 2 * model.size
        made_by = f"-{VECTORS}" + ("" if matter is None else f"-{matter.fingerprint}-{CUT_AT}-{SEEN_AT}")
        self.fingerprint = fingerprint + made_by
        # Of what the weights were adapted from, and the attributes that have stayed as they were.
        self.adapted_from = model.adapted_from and model.adapted_from + made_by
        self.kept = model.kept
        self.matter = matter
        self.surroundings = model.surroundings
        self._model = model
        self._network = model.network.to(device).to(memory_format=torch.channels_last)
        self._device = device
        self._batch = batch

    @classmethod
    def load(cls, weights: Path | None = None, device: str = "auto", cut_out: bool | None = None) -> "Embedder":
        """Load weights, by default the ones that erimoto ships.

        Args:
            weights: a file that `python -m retrieval.train` wrote.
            device: "auto", "cpu" or "cuda".
            cut_out: whether garments are cut out of their photos first; by default if the network has learned so.

        Raises:
            WeightsError, DeviceError: with one line for the user.
        """
        path = weights or SHIPPED_WEIGHTS
        chosen = choose_device(device)
        model = load_model(path)
        if model.close_up:
            raise WeightsError(f"{path}: reads close-ups alone; add it to a network by retrieval.train --add-close-up")
        matter = Matter.load(device=device) if (model.cut_outs if cut_out is None else cut_out) else None
        return cls(model, fingerprint(path), chosen, matter)

    @property
    def cuts_out(self) -> bool:
        """Whether garments are cut out of their photos first."""
        return self.matter is not None

    @property
    def dimensions(self) -> dict[str, int]:
        """The length of each attribute's vector."""
        return {attribute.key: len(attribute.values) + AXES for attribute in self.schema.attributes}

    def prototypes(self) -> dict[str, dict[str, NDArray[np.float32]]]:
        """For each attribute and value the unit vector around which the value's photos gather."""
        return {
            attribute.key: dict(zip(attribute.values, value_directions(len(attribute.values), AXES), strict=True))
            for attribute in self.schema.attributes
        }

    def read(self, path: Path) -> Image.Image:
        """A photo's file in the size that is needed: the slow part for large photos, which may run in another thread.

        Raises:
            PhotoError: the file can't be read.
        """
        if self.matter is None:
            return read_photo(path, at_least=self.size)
        return self._as_seen(read_photo(path, at_least=SEEN_AT))

    def _as_seen(self, photo: Image.Image) -> Image.Image:
        """A photo of at most SEEN_AT pixels a side, if its garment is cut out."""
        return photo if self.matter is None else _no_larger(photo, SEEN_AT)

    def prepare(self, photo: Image.Image | Path, matte: Matte | None = None) -> NDArray[np.uint8]:
        """The square that the network reads: whole, and a close-up in its full size if it reads one.

        Args:
            photo: an RGB picture, or the file of one.
            matte: (H, W) at the photo's size; if given, the photo is cropped to the garment and its background faded.
                Without one, a network that has learned from cut-outs has it made.

        Returns:
            (size, size, 4), uint8; its alpha is the matte's, or opaque without one.

        Raises:
            PhotoError: the file can't be read.
        """
        if isinstance(photo, Path):
            photo = self.read(photo) if matte is None else read_photo(photo)
        if matte is None:
            photo = self._as_seen(photo)
            matte = self.matte(photo)
        if matte is None:
            return letterbox(with_alpha(photo, None), self.size)
        return cut_square(photo, matte, self.size, self.surroundings)

    def matte(self, photo: Image.Image) -> Matte | None:
        """The matte (H, W) by which `prepare` cuts a photo out; None for a network that is shown whole photos."""
        if self.matter is None:
            return None
        small = _no_larger(photo, CUT_AT)
        alpha = self.matter.cut(small, larger=photo).alpha
        if small.size != photo.size:
            alpha = np.asarray(Image.fromarray(alpha).resize(photo.size, Image.Resampling.BILINEAR))
        return alpha

    def prepare_all(self, photos: Sequence[Image.Image]) -> tuple[list[NDArray[np.uint8]], list[Matte | None]]:
        """What `prepare` and `matte` give for each of several photos; on a processor one photo a core at a time."""

        def both(photo: Image.Image) -> tuple[NDArray[np.uint8], Matte | None]:
            matte = self.matte(photo)
            return self.prepare(photo, matte), matte

        if self.matter is None or self._device.type != "cpu":
            pairs = [both(photo) for photo in photos]
        else:
            pairs = one_a_core(both, photos)
        return [square for square, _ in pairs], [matte for _, matte in pairs]

    def attention(self, square: NDArray[np.uint8], attribute: str) -> NDArray[np.float32]:
        """Where the network looks for an attribute in what `prepare` gave: (size, size), float32 in [0, 1]."""
        return attention_map(self._network, square, self._model.size, self.schema.keys.index(attribute))

    def embed(self, photos: Sequence[Image.Image | Path], mattes: Sequence[Matte | None] | None = None) -> Embeddings:
        """Embed photos; see `prepare` for what each may be."""
        each = mattes if mattes is not None else [None] * len(photos)
        squares = [self.prepare(photo, matte) for photo, matte in zip(photos, each, strict=True)]
        return self.embed_squares(np.stack(squares) if squares else np.zeros((0, self.size, self.size, 4), np.uint8))

    @torch.inference_mode()
    def embed_squares(self, squares: NDArray[np.uint8]) -> Embeddings:
        """Embed what `prepare` gave, stacked to (N, size, size, 4)."""
        vectors: dict[str, list[NDArray[np.float32]]] = {
            key: [np.zeros((0, length), np.float32)] for key, length in self.dimensions.items()
        }
        values: dict[str, list[str]] = {key: [] for key in self.schema.keys}
        confidences: dict[str, list[NDArray[np.float32]]] = {key: [np.zeros(0, np.float32)] for key in self.schema.keys}
        for start in range(0, len(squares), self._batch):
            of_batch = squares[start : start + self._batch]
            photos, foreground = network_input(of_batch, self._model.size, self._device)
            close_ups = None
            if self._network.close_up is not None:
                # On grey: else what is read of a neckline changes with the floor.
                cropped = np.stack([close_up(square, self.surroundings) for square in of_batch])
                close_ups = network_input(cropped, self._model.size, self._device)
            seen = self._network(photos, foreground, close_ups)
            appearance = whole_appearance(photos, foreground).cpu().numpy()
            of_attributes = {
                key: probabilities(logits.float().cpu().numpy(), temperature)
                for key, logits, temperature in zip(
                    self.schema.keys, seen.logits, self._model.temperatures, strict=True
                )
            }
            for attribute in self.schema.attributes:
                of_values = of_attributes[attribute.key]
                vectors[attribute.key].append(attribute_vectors(of_values, appearance))
                # Only what is read in the photo: lowered vectors find held-out photos no better.
                if not attribute.always_applies:
                    category = self.schema[CATEGORY]
                    having = [attribute.applies(name) for name in category.values] + [True]  # or of no category
                    of_values = where_it_applies(of_values, of_attributes[CATEGORY] @ np.array(having, np.float32))
                names = [*attribute.values, ""]
                values[attribute.key] += [names[row] for row in of_values.argmax(axis=1)]
                confidences[attribute.key].append(certainty(of_values.max(axis=1), self._model.curve))
        return Embeddings(
            {key: np.concatenate(of_key) for key, of_key in vectors.items()},
            values,
            {key: np.concatenate(of_key) for key, of_key in confidences.items()},
        )


def _no_larger(photo: Image.Image, side: int) -> Image.Image:
    """A photo whose longer side has at most so many pixels."""
    if max(photo.size) <= side:
        return photo
    small = photo.copy()
    small.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return small
