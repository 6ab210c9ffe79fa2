"""Weights files: safetensors, with everything needed to use them in the header."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from matting.weights import of_this_version, read_weights, write_weights
from retrieval.attributes import Schema
from retrieval.calibration import AS_IT_IS, Curve
from retrieval.network import NetworkConfig, RegionPatchNet

SHIPPED_WEIGHTS = Path(__file__).with_name("weights") / "attributes.safetensors"
FORMAT = "erimoto-attributes-2"
ADDED_LATER = ("colour_branch.", "close_up_share")


@dataclass(frozen=True)
class Model:
    """A trained network with what its vectors and logits mean.

    `size` is the side in pixels of the squares it reads. `temperatures` hold one number an attribute, by which logits
    are divided to give probabilities; `curve` tells how often values of a probability are right. `cut_outs`: whether it
    has learned from cut-outs and is shown them; `surroundings`: how much of what lies around the garment it is shown
    then, in [0, 1]. `close_up`: whether it is shown close-ups alone, and is to be a part of another network.
    `temperatures_alone`: what `temperatures` would be if only the whole garment were read, as teachers read it; none
    where that is how it is.
    `adapted_from`: the fingerprint of the weights whose attributes `kept` it has left as they are, if there are such.
    """

    network: RegionPatchNet
    schema: Schema
    size: int
    temperatures: tuple[float, ...]
    notes: dict[str, str]
    cut_outs: bool = False
    surroundings: float = 0.0
    adapted_from: str = ""
    kept: tuple[str, ...] = ()
    curve: Curve = AS_IT_IS
    close_up: bool = False
    temperatures_alone: tuple[float, ...] = ()


def save_model(model: Model, path: Path) -> None:
    """Write a model as one safetensors file; an existing file is replaced whole."""
    header = {
        "format": FORMAT,
        "network": json.dumps(asdict(model.network.config)),
        "schema": model.schema.to_json(),
        "size": str(model.size),
        "temperatures": json.dumps(model.temperatures),
        "notes": json.dumps(model.notes, ensure_ascii=False),
        "cut_outs": json.dumps(model.cut_outs),
        "surroundings": json.dumps(model.surroundings),
        "adapted_from": model.adapted_from,
        "kept": json.dumps(model.kept),
        "curve": json.dumps(model.curve),
        "close_up": json.dumps(model.close_up),
        "temperatures_alone": json.dumps(model.temperatures_alone),
    }
    write_weights(model.network, header, path)


def load_model(path: Path = SHIPPED_WEIGHTS) -> Model:
    """Read a file that `save_model` wrote; the network is in evaluation mode, on the CPU, in 32 bits.

    Raises WeightsError, with one line that names the file, if it is missing, damaged or of another format.
    """
    header, tensors = read_weights(path, FORMAT)
    with of_this_version(path):
        network = RegionPatchNet(NetworkConfig.from_fields(json.loads(header["network"])))
        # Files of before colours were counted and close-ups read say nothing of them.
        of_before = {name: of for name, of in network.state_dict().items() if name.startswith(ADDED_LATER)}
        network.load_state_dict(of_before | tensors)
        return Model(
            network.eval(),
            Schema.from_json(header["schema"]),
            int(header["size"]),
            tuple(json.loads(header["temperatures"])),
            json.loads(header["notes"]),
            json.loads(header.get("cut_outs", "false")),
            json.loads(header.get("surroundings", "0.0")),
            header.get("adapted_from", ""),
            tuple(json.loads(header.get("kept", "[]"))),
            tuple(json.loads(header.get("curve", json.dumps(AS_IT_IS)))),
            json.loads(header.get("close_up", "false")),
            tuple(json.loads(header.get("temperatures_alone", "[]"))),
        )


def fingerprint(path: Path) -> str:
    """What tells a weights file from all others: 16 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
