"""The network: its shapes, what switches change, and that its faster copy computes the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from matting.inference import look
from matting.network import (
    BACKGROUND,
    FOREGROUND,
    MattingConfig,
    MattingNetwork,
    first_convolution,
    fuse_normalisation,
    normalise,
)
from matting.photo import read_photo
from matting.refine import at_size
from matting.train import TrainConfig, new_network
from matting.trimap import make_trimap, one_hot
from matting.weights import load_model


@pytest.fixture
def photos() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(2, 3, 96, 64)


def test_shapes(photos: torch.Tensor) -> None:
    matting = MattingNetwork(MattingConfig(5)).eval()(photos)
    assert matting.trimap_logits.shape == (2, 3, 96, 64)
    assert matting.alpha.shape == (2, 1, 96, 64)
    assert matting.class_logits.shape == (2, 5)
    assert matting.alpha.min() >= 0
    assert matting.alpha.max() <= 1


def test_training_sees_photos_as_cutting_out_does(samples: Path) -> None:
    """Class and trimap are looked for in a smaller picture, and M-Net finds the alpha in the finer one."""
    network = load_model().network
    photo = read_photo(sorted((samples / "photos").iterdir())[0]).resize((320, 416))
    fine = torch.from_numpy(np.array(photo)).permute(2, 0, 1)
    coarse = at_size(fine, (320, 256))
    seen = look(network, coarse, finer=fine)
    with torch.inference_mode():
        photos, smaller = (normalise(photo[None], network.config) for photo in (fine, coarse))
        matting = network(photos, coarse=smaller)
        alone = network(photos)
    assert matting.trimap_logits.shape == (1, 3, 416, 320)
    assert float((matting.alpha[0, 0] - seen.alpha).abs().mean()) < 1e-3
    assert float((matting.alpha - alone.alpha).abs().mean()) > 1e-3


def test_the_second_look_is_at_the_same_place() -> None:
    """A T-Net that tells red from the rest finds it in its place again, wherever that is; corrections move the box."""

    class RedIsProduct(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[torch.Size] = []

        def forward(self, photos: torch.Tensor, class_features: torch.Tensor | None) -> torch.Tensor:
            self.seen.append(photos.shape)
            red = (photos[:, :1] - photos[:, 1:2] - 0.5) * 20
            return torch.cat([-red, torch.full_like(red, -20), red], dim=1)

    network = MattingNetwork(MattingConfig(0)).eval()
    network.trimap_network = RedIsProduct()
    for top, left in ((0, 0), (40, 150), (300, 10), (200, 230)):
        photo = torch.full((3, 400, 300), 90, dtype=torch.uint8)
        photo[0, top : top + 60, left : left + 50] = 250
        coarse = at_size(photo, (200, 150))
        once, twice = look(network, coarse), look(network, coarse, own=photo)
        assert network.trimap_network.seen[-1][2:] < network.trimap_network.seen[-2][2:]
        for channel in (BACKGROUND, FOREGROUND):
            apart = (once.trimap[channel] - twice.trimap[channel]).abs()
            assert float(apart.mean()) < 0.005
            assert float((apart > 0.3).float().mean()) < 0.005
    far = torch.zeros(200, 150, dtype=torch.bool)
    far[190:, :10] = True
    look(network, at_size(photo, (200, 150)), keep=far, own=photo)
    assert network.trimap_network.seen[-1][2] > network.trimap_network.seen[-3][2]


def test_classes_can_be_switched_off(photos: torch.Tensor) -> None:
    network = MattingNetwork(MattingConfig(0)).eval()
    assert network.class_network is None
    assert network(photos).class_logits is None
    assert first_convolution(network.trimap_network.trunk).in_channels == 3
    with_classes = MattingNetwork(MattingConfig(5))
    assert first_convolution(with_classes.trimap_network.trunk).in_channels == 7
    assert with_classes.matte_network.stem.in_channels == 4 * (3 + 4 + 3)


def test_class_features_change_nothing_until_it_is_learned(photos: torch.Tensor) -> None:
    """The class-aware network starts as the one without classes."""
    network = MattingNetwork(MattingConfig(5)).eval()
    with torch.no_grad():
        before = network(photos)
        for to_map in network.class_network.to_map:
            to_map.weight.mul_(-3)
        after = network(photos)
    assert torch.equal(before.alpha, after.alpha)
    assert torch.equal(before.trimap_logits, after.trimap_logits)
    network(photos).alpha.sum().backward()
    assert first_convolution(network.trimap_network.trunk).weight.grad[:, 3:].abs().sum() > 0


def test_a_given_trimap_is_obeyed(photos: torch.Tensor) -> None:
    network = MattingNetwork(MattingConfig(0)).eval()
    alpha = torch.zeros(2, 1, 96, 64)
    alpha[..., 20:60, 10:50] = 1
    trimaps = make_trimap(alpha, torch.tensor([3, 3]))
    with torch.no_grad():
        given = network(photos, one_hot(trimaps), torch.tensor([True, False]))
        own = network(photos)
    assert (given.alpha[0, 0][trimaps[0] == 2] == 1).all()
    assert (given.alpha[0, 0][trimaps[0] == 0] == 0).all()
    assert torch.equal(given.alpha[1], own.alpha[1])


def test_the_fused_network_computes_the_same(photos: torch.Tensor) -> None:
    network = new_network(TrainConfig(), 5).train()
    with torch.no_grad():
        for _ in range(3):
            network(photos)  # batch normalisation learns statistics
        fused = fuse_normalisation(network)
        network.eval()
        assert torch.allclose(network(photos).alpha, fused(photos).alpha, atol=1e-4)
        assert torch.allclose(network(photos).trimap_logits, fused(photos).trimap_logits, atol=1e-3)


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite1"])
def test_trunks_of_other_kinds_fit(name: str, photos: torch.Tensor) -> None:
    network = MattingNetwork(MattingConfig(4, name)).eval()
    with torch.no_grad():
        expected, fused = network(photos), fuse_normalisation(network)(photos)
    assert expected.alpha.shape == (2, 1, 96, 64)
    assert torch.allclose(expected.alpha, fused.alpha, atol=1e-4)


def test_trimaps_have_bands_of_the_wanted_width() -> None:
    alpha = torch.zeros(2, 1, 32, 32)
    alpha[..., 16:] = 1
    narrow, wide = make_trimap(alpha, torch.tensor([1, 4]))
    assert narrow[0].tolist() == [0] * 15 + [1, 1] + [2] * 15
    assert wide[0].tolist() == [0] * 12 + [1] * 8 + [2] * 12
    soft = torch.full((1, 1, 4, 4), 0.5)
    assert (make_trimap(soft, torch.tensor([0])) == 1).all()
