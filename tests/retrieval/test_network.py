"""RegionPatchNet: what its branches see, and the losses that teach them."""

import numpy as np
import pytest
import torch

from retrieval.losses import LossWeights, branch_losses, inter_branch_loss, triplet_loss
from retrieval.network import NetworkConfig, RegionPatchNet, normalise, turned_away
from retrieval.vectors import attribute_vectors, probabilities, value_directions


def network(**switches: bool) -> RegionPatchNet:
    torch.manual_seed(0)
    return RegionPatchNet(NetworkConfig((3, 2), **switches))  # type: ignore[arg-type]


def squares(count: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (count, 4, 128, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_every_attribute_has_a_vector_of_each_branch() -> None:
    seen = network().eval()(*normalise(squares()))
    for of in (seen.region, seen.patch):
        assert of.shape == (3, 2, 16)
        assert torch.allclose(of.norm(dim=-1), torch.ones(3, 2), atol=1e-4)
    assert torch.allclose(seen.look.norm(dim=-1), torch.ones(3, 2), atol=1e-4)
    assert [values.shape for values in seen.logits] == [(3, 4), (3, 3)]


@pytest.mark.parametrize(("switches", "off"), [({"patches": False}, "patch"), ({"region": False}, "region")])
def test_a_branch_can_be_switched_off(switches: dict[str, bool], off: str) -> None:
    seen = network(**switches).eval()(*normalise(squares()))
    assert getattr(seen, off).abs().max() == 0
    assert seen.logits[0].abs().max() > 0


def test_patches_behind_the_garment_hardly_count() -> None:
    """With all that is behind the matte changed, the patch vectors move less than if it were taken for the garment."""
    one = network().eval()
    photos, _ = normalise(squares(1))
    foreground = torch.zeros(1, 1, 128, 128)
    foreground[:, :, :64] = 1
    maps = one.maps(photos)
    changed = [level.clone() for level in maps]
    for level in changed:
        level[:, :, level.shape[2] // 2 :] = 0
    assert one.patch_branch is not None
    one.patch_branch.blocks = torch.nn.Sequential()  # where patches look at each other, all of them change
    attended = one.region_branch.attend(maps)

    def move(where: torch.Tensor) -> float:
        assert one.patch_branch is not None
        with torch.no_grad():
            return float((one.patch_branch(maps, where, attended) - one.patch_branch(changed, where, attended)).norm())

    assert move(foreground) < 0.3 * move(torch.ones_like(foreground))


def test_attention_is_turned_away_from_where_it_was_and_onto_the_background() -> None:
    attention = torch.zeros(1, 1, 1, 4, 4)
    attention[..., 1, 1] = 1
    background = torch.zeros(1, 1, 4, 4)
    background[..., 3] = 1
    away = turned_away(attention, background)
    assert away.sum() == pytest.approx(1)
    assert away[..., 3].sum() > 0.99
    nowhere = turned_away(attention, torch.zeros(1, 1, 4, 4))
    assert nowhere[..., 1, 1] < 0.001
    assert nowhere[..., 0, 0] > 0.05


def unit(*rows: list[float]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows), dim=1)


def test_triplets_want_positives_nearer_than_negatives() -> None:
    values = torch.tensor([0, 0, 1, 1, -1])
    apart = unit([1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0], [1.0, 1.0])
    mixed = unit([1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0], [1.0, 1.0])
    assert triplet_loss(apart, values) == 0
    # two pairs with cosines 0 and 0.198, whose negatives have 0.0995 and 0.995
    assert triplet_loss(mixed, values) == pytest.approx((0.2 - 0 + 0.0995 + 0.2 - 0.198 + 0.0995) / 2, abs=1e-3)
    assert triplet_loss(mixed, torch.full((5,), -1)) == 0
    # one pair, by hand: cosine 0.6 with the positive, 0.8 with the negative; the other way round 0.6 and 0
    by_hand = triplet_loss(unit([1.0, 0.0], [0.6, 0.8], [0.8, -0.6]), torch.tensor([0, 0, 1]))
    assert by_hand == pytest.approx((0.2 - 0.6 + 0.8) / 2, abs=1e-5)


def test_triplets_leave_negatives_that_are_more_alike_than_the_pair_to_later() -> None:
    anchor, positive = [1.0, 0.0, 0.0], [0.6, 0.8, 0.0]
    more_alike, less_alike, far = [0.9, 0.0, 0.19**0.5], [0.5, 0.0, -(0.75**0.5)], [0.0, 0.0, -1.0]
    values = torch.tensor([0, 0, 1, 2, 3])
    # anchor to positive: 0.6 against 0.5, not 0.9; the other way round 0.6 against 0.54
    by_hand = triplet_loss(unit(anchor, positive, more_alike, less_alike, far), values)
    assert by_hand == pytest.approx((0.2 - 0.6 + 0.5 + 0.2 - 0.6 + 0.54) / 2, abs=1e-5)


def test_triplets_alone_teach_a_network_to_tell_values_apart() -> None:
    """The hardest negatives of all would pull every vector to one point, where the loss stays at its margin."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 8))
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    centres = torch.randn(6, 16)

    def see(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        values = torch.randint(6, (count,))
        inputs = centres[values] + 2 * torch.randn(count, 16)
        return torch.nn.functional.normalize(network(inputs), dim=1), values

    for _ in range(150):
        optimizer.zero_grad()
        triplet_loss(*see(32)).backward()
        optimizer.step()
    vectors, values = see(400)
    cosine, same = vectors @ vectors.T, values[:, None] == values
    assert cosine[same].mean() > cosine[~same].mean() + 0.4


def test_patches_agree_with_regions_of_their_value_and_not_with_backgrounds() -> None:
    values = torch.tensor([0, 1])
    one = unit([1.0, 0.0], [0.0, 1.0])
    other = one.flip(0)
    nowhere = unit([-1.0, -1.0], [-1.0, -1.0])
    right = inter_branch_loss(one, one, nowhere, values)
    assert right < 0.01
    assert inter_branch_loss(one, other, nowhere, values) > 5
    assert inter_branch_loss(one, one, one, values) > right + 2  # the background looks like the garment
    more = inter_branch_loss(one, one, one, values, background_weight=48)
    assert more > inter_branch_loss(one, one, one, values, background_weight=12)
    # by hand: -log(e / (e + 1)) at temperature 1, without background
    by_hand = inter_branch_loss(one, one, None, values, temperature=1.0)
    assert by_hand == pytest.approx(np.log(1 + np.exp(-1)), abs=1e-5)


def test_losses_reach_every_part_of_the_network() -> None:
    torch.manual_seed(0)
    one = network().train()
    photos, foreground = normalise(squares(4))
    seen = one.see(one.maps(photos), foreground, with_background=True)
    targets = [torch.eye(4)[[0, 0, 1, 3]], torch.eye(3)[[0, 1, 1, 0]]]
    paper = LossWeights(region=1, patch=0.1, look=0.5)
    branch_losses(seen, targets, paper).backward()
    assert one.patch_branch is not None
    for part in (one.region_branch, one.patch_branch, one.trunk):
        assert any(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in part.parameters())
    no_loss = branch_losses(seen, [torch.zeros(4, 4), torch.zeros(4, 3)], paper)
    assert no_loss == 0


def test_vectors_rank_by_how_probably_two_photos_show_the_same_value() -> None:
    of_values = probabilities(np.array([[9.0, 0, 0], [8.0, 0, 0], [0, 9.0, 0], [0, 0, 9.0]], np.float32), 1.0)
    appearance = np.array([[1.0, 0.2], [-2, 1], [1, 0.5], [0.3, 1]], np.float32)
    vectors = attribute_vectors(of_values, appearance)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosine = vectors @ vectors.T
    assert cosine[0, 1] > 0.95
    assert cosine[0, 2:].max() < 0.2  # another value; the attribute does not apply
    directions = value_directions(2, 2)
    assert (directions @ vectors.T).argmax(axis=0).tolist()[:3] == [0, 0, 1]


def test_an_unsure_garment_finds_the_surest_first_and_not_what_is_unsure_too() -> None:
    of_values = np.array([[0.6, 0.4, 0, 0], [1, 0, 0, 0], [0.6, 0.4, 0, 0], [0.6, 0.4, 0, 0], [0, 0, 1, 0]], np.float32)
    appearance = np.array([[0.1, 0.9], [0.5, 0.3], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]], np.float32)
    cosine = attribute_vectors(of_values, appearance) @ attribute_vectors(of_values, appearance)[0]
    assert cosine[0] == pytest.approx(1)
    assert cosine[3] == pytest.approx(1)  # the same garment, photographed again
    assert cosine[1] > cosine[2] > cosine[4]
