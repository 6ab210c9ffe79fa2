"""Refinement: hardening of see-through areas, and edges at the size of the photo."""

import numpy as np
import torch

from matting.network import MattingConfig, MattingNetwork
from matting.refine import harden, refine, without_lesser_parts


def test_see_through_patches_are_filled_and_edges_kept() -> None:
    alpha = np.zeros((80, 80), np.float32)
    alpha[10:70, 10:70] = 1
    alpha[35:45, 35:45] = 0.6  # a patch that shines through
    alpha[10:70, 10] = 0.55  # a soft edge
    alpha[2, 78] = 0.3  # a ghost
    hardened = harden(alpha)
    assert (hardened[35:45, 35:45] == 1).all()
    assert (hardened[10:70, 10] == np.float32(0.55)).all()
    assert hardened[2, 78] == 0


def test_only_the_edge_is_seen_anew() -> None:
    """Away from the edge the alpha of the smaller size stays, through several doublings and across tiles."""
    torch.manual_seed(0)
    network = MattingNetwork(MattingConfig(3)).eval()
    alpha = torch.zeros(100, 150)
    alpha[30:70, 40:110] = 1
    photo = torch.randint(0, 256, (3, 700, 1050), dtype=torch.uint8)
    refined = refine(network, photo, torch.zeros(1, 4, 96, 160), alpha)
    assert refined.shape == (700, 1050)
    assert (refined[260:440, 330:720] == 1).all()
    assert (refined[:180] == 0).all()
    assert (refined[:, 800:] == 0).all()
    edge = refined[205:215, 350:700]
    assert 0 < edge.mean() < 1


def test_an_alpha_of_the_photos_size_stays() -> None:
    network = MattingNetwork(MattingConfig(0)).eval()
    alpha = torch.rand(40, 60)
    assert torch.equal(refine(network, torch.zeros(3, 40, 60, dtype=torch.uint8), None, alpha), alpha)


def test_lesser_parts_go_with_their_edge_and_a_second_shoe_stays() -> None:
    alpha = np.zeros((60, 100), np.float32)
    alpha[10:50, 5:30] = 1  # a shoe
    alpha[20:50, 40:60] = 1  # the other, a little smaller
    alpha[10:20, 80:90] = 1  # a toy
    alpha[9, 80:90] = 0.4  # its soft edge
    alpha[9, 5:30] = 0.4
    cleared = without_lesser_parts(alpha)
    assert (cleared[:, :70] == alpha[:, :70]).all()
    assert (cleared[:, 70:] == 0).all()
    touched = np.zeros((60, 100), bool)
    touched[12, 85] = True
    assert (without_lesser_parts(alpha, touched) == alpha).all()
    assert (without_lesser_parts(alpha[:, :70]) == alpha[:, :70]).all()


def test_a_part_that_only_a_dropped_stroke_cuts_off_stays() -> None:
    alpha = np.zeros((60, 100), np.float32)
    alpha[10:50, 5:60] = 1  # a body
    alpha[20:30, 64:80] = 1  # its sleeve
    stroke = np.zeros((60, 100), bool)
    stroke[15:35, 60:64] = True
    assert (without_lesser_parts(alpha, dropped=stroke) == alpha).all()
    assert (without_lesser_parts(alpha)[:, 64:] == 0).all()
