"""The ablation's own networks: what is measured of them is what was trained."""

import importlib.util
from pathlib import Path

import pytest
import torch

from retrieval.network import NetworkConfig

FILE = Path(__file__).parents[2] / "benchmarks" / "ablation.py"
spec = importlib.util.spec_from_file_location("ablation", FILE)
assert spec is not None
assert spec.loader is not None
ablation = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ablation)


@pytest.mark.parametrize("kind", [ablation.OneSpace, ablation.PooledFeatures])
def test_training_and_measuring_see_the_same(kind: type) -> None:
    torch.manual_seed(0)
    network = kind(NetworkConfig((3, 4), patches=False)).eval()
    photos, foreground = torch.randn(2, 3, 64, 64), torch.ones(2, 1, 64, 64)
    measured, trained = network(photos, foreground), network.see(network.maps(photos), foreground)
    assert torch.equal(measured.look, trained.look)
    assert torch.equal(measured.look[:, 0], measured.look[:, 1])  # one vector for all attributes


def test_the_one_space_learns() -> None:
    network = ablation.OneSpace(NetworkConfig((3, 4), patches=False))
    network.see(network.maps(torch.randn(2, 3, 64, 64)), torch.ones(2, 1, 64, 64)).look[:, 0, 0].sum().backward()
    assert all(parameter.grad is not None for parameter in network.pooled.parameters())
