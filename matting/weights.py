"""Weights files: safetensors, with everything needed to use them in the header."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from matting.network import MattingConfig, MattingNetwork

SHIPPED_WEIGHTS = Path(__file__).with_name("weights") / "matting.safetensors"
FORMAT = "erimoto-matting-1"


class WeightsError(ValueError):
    """A weights file that can't be used; the message is one line that names the file."""


@dataclass(frozen=True)
class Model:
    """A trained network with what is needed to use it.

    `classes`: the names of its classes, in order. `size`: the longest side in pixels at which it has learned to look at
    whole photos. `notes`: on its training.
    """

    network: MattingNetwork
    classes: tuple[str, ...]
    size: int
    notes: dict[str, str]


def save_model(model: Model, path: Path) -> None:
    """Write a model as one safetensors file; an existing file is replaced whole."""
    header = {
        "format": FORMAT,
        "network": json.dumps(asdict(model.network.config)),
        "classes": json.dumps(model.classes, ensure_ascii=False),
        "size": str(model.size),
        "notes": json.dumps(model.notes, ensure_ascii=False),
    }
    write_weights(model.network, header, path)


def load_model(path: Path = SHIPPED_WEIGHTS) -> Model:
    """Read a file that `save_model` wrote; the network is in evaluation mode, on the CPU, in 32 bits.

    Raises WeightsError, with one line that names the file, if it is missing, damaged or of another format.
    """
    header, tensors = read_weights(path, FORMAT)
    with of_this_version(path):
        network = MattingNetwork(MattingConfig(**json.loads(header["network"])))
        network.load_state_dict(tensors)
        classes = tuple(json.loads(header["classes"]))
        return Model(network.eval(), classes, int(header["size"]), json.loads(header["notes"]))


@contextmanager
def of_this_version(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a header or tensors that do not fit into WeightsError."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: damaged, or written by another version of erimoto") from error


def write_weights(network: nn.Module, header: dict[str, str], path: Path) -> None:
    """Write a network's tensors, floating-point numbers in 16 bits, under a header that names the format."""
    tensors = {
        name: tensor.detach().cpu().to(torch.float16 if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    save_file(tensors, unfinished, metadata=header)
    unfinished.replace(path)


def read_weights(path: Path, expected_format: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The header and the tensors, in 32 bits, of a file that `write_weights` wrote.

    Raises WeightsError if the file is missing, damaged or of another format.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such weights file")
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a weights file, or damaged ({error})") from error
    if header.get("format") != expected_format:
        found = header.get("format", "none")
        raise WeightsError(f"{path}: weights of format '{found}'; this version of erimoto reads '{expected_format}'")
    return header, {name: tensor.float() for name, tensor in tensors.items()}
