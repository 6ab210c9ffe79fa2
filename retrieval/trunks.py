"""New networks on pre-trained trunks: weights from an installed package where there is one, else from timm's hub."""

from matting.trunks import PACKAGED_TRUNK, hub_errors, hub_normalisation, load_packaged_trunk, packaged_weights
from retrieval.network import NetworkConfig, RegionPatchNet


def new_network(value_counts: tuple[int, ...], trunk: str = PACKAGED_TRUNK) -> RegionPatchNet:
    """A network with an ImageNet trunk and untrained heads.

    Args:
        value_counts: the number of values of each attribute.
        trunk: name of a timm model with four or more levels of feature maps. `tf_efficientnet_lite0` needs no network
            connection, nor do lite1 and lite2 where their packages are installed (the extra `trunks`); others are
            fetched from timm's hub once.

    Raises:
        TrunkError: timm has no such model, or its weights can't be fetched.
    """
    if packaged_weights(trunk) is not None:
        network = RegionPatchNet(NetworkConfig(value_counts, trunk))
        load_packaged_trunk(network.trunk, trunk)
        return network
    mean, std = hub_normalisation(trunk)
    with hub_errors(trunk):
        return RegionPatchNet(NetworkConfig(value_counts, trunk, mean, std), pretrained_trunk=True)
