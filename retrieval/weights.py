"""Weights files: safetensors, with everything needed to use them in the header."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from retrieval.attributes import Schema
from retrieval.network import AttributeNetwork, NetworkConfig

SHIPPED_WEIGHTS = Path(__file__).with_name("weights") / "attributes.safetensors"
FORMAT = "erimoto-attributes-1"


class WeightsError(ValueError):
    """A weights file that can't be used; the message is one line that names the file."""


@dataclass(frozen=True)
class Model:
    """A trained network with what its vectors and logits mean.

    `size` is the side in pixels of the squares it reads. `temperatures` hold one number an attribute, by which logits
    are divided to give calibrated confidences.
    """

    network: AttributeNetwork
    schema: Schema
    size: int
    temperatures: tuple[float, ...]
    notes: dict[str, str]


def save_model(model: Model, path: Path) -> None:
    """Write a model as one safetensors file, floating-point numbers in 16 bits; an existing file is replaced whole."""
    tensors = {
        name: tensor.detach().cpu().to(torch.float16 if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in model.network.state_dict().items()
    }
    header = {
        "format": FORMAT,
        "network": json.dumps(asdict(model.network.config)),
        "schema": model.schema.to_json(),
        "size": str(model.size),
        "temperatures": json.dumps(model.temperatures),
        "notes": json.dumps(model.notes, ensure_ascii=False),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    save_file(tensors, unfinished, metadata=header)
    unfinished.replace(path)


def load_model(path: Path = SHIPPED_WEIGHTS) -> Model:
    """Read a file that `save_model` wrote; the network is in evaluation mode, on the CPU, in 32 bits.

    Raises WeightsError, with one line that names the file, if it is missing, damaged or of another format.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such weights file; name one with --weights")
    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a weights file, or damaged ({error})") from error
    if header.get("format") != FORMAT:
        found = header.get("format", "none")
        raise WeightsError(f"{path}: weights of format '{found}'; this version of erimoto reads '{FORMAT}'")
    fields = json.loads(header["network"])
    network = AttributeNetwork(NetworkConfig(**{**fields, "value_counts": tuple(fields["value_counts"])}))
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return Model(
        network.eval(),
        Schema.from_json(header["schema"]),
        int(header["size"]),
        tuple(json.loads(header["temperatures"])),
        json.loads(header["notes"]),
    )
