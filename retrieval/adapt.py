"""Teaching a trained network further attributes, which leaves all others as they are, but for rounding.

Trunk and patches stay as they are and are shared by all attributes; each attribute has rows of its own in the layers
above, and only those of the new ones change. So two hundred labelled photos and a few minutes are enough, and vectors,
values and confidences of the attributes that were there before do not move.
"""

from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from retrieval.attributes import Schema
from retrieval.network import RegionPatchNet
from retrieval.weights import Model

# Parameters with a row an attribute, by the end of their names; the heads have a module an attribute.
ROWS = ("query", "squeeze", "excite", "first", "first_bias", "second", "look")


def merged_schema(own: Schema, wanted: Schema) -> Schema:
    """The attributes of both: those of `own`, in the words and values of `wanted` where it names them, then the new."""
    of_key = {attribute.key: attribute for attribute in wanted.attributes}
    kept = [of_key.get(attribute.key, attribute) for attribute in own.attributes]
    new = [attribute for attribute in wanted.attributes if attribute.key not in own.keys]
    return Schema((*kept, *new))


def unchanged(own: Schema, merged: Schema) -> list[str]:
    """Keys of the attributes whose values are the same in both."""
    return [key for key in own.keys if own[key].values == merged[key].values]


def extended_network(model: Model, schema: Schema) -> RegionPatchNet:
    """A network of more attributes, whose shared layers and known attributes are those of a trained one.

    Args:
        model: the trained network.
        schema: its attributes in their order, then new ones; see `merged_schema`.
    """
    counts = tuple(len(attribute.values) for attribute in schema.attributes)
    network = RegionPatchNet(replace(model.network.config, value_counts=counts))
    own, tensors = model.network.state_dict(), network.state_dict()
    for name, tensor in own.items():
        if name in tensors and tensors[name].shape[1:] == tensor.shape[1:]:
            if "heads." in name and tensors[name].shape != tensor.shape:
                continue  # other values: learned anew
            if tensor.ndim == 0:
                tensors[name].copy_(tensor)
            else:
                tensors[name][: len(tensor)].copy_(tensor)
    return network


def teach_only(network: RegionPatchNet, attributes: list[int]) -> None:
    """Let gradients reach only what belongs to the attributes at these positions."""
    count = len(network.config.value_counts)
    for name, parameter in network.named_parameters():
        of_rows = name.rsplit(".", maxsplit=1)[-1] in ROWS and not name.startswith("close_up.")
        parameter.requires_grad_(of_rows)
        if of_rows:
            taught = parameter.new_zeros(count)
            taught[attributes] = 1
            mask = taught.view(-1, *[1] * (parameter.ndim - 1))
            parameter.register_hook(partial(_masked, mask))  # type: ignore[no-untyped-call]
    for position in attributes:
        head: nn.Module = network.heads[position]
        head.requires_grad_(True)


def _masked(mask: Tensor, gradient: Tensor) -> Tensor:
    return gradient * mask.to(gradient.device)
