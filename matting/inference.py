"""From a photo to its matte: a look at the whole, one at the product's box, then the edge at the photo's own size."""

from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from matting.network import BACKGROUND, FOREGROUND, MATTE_STRIDE, STRIDE, UNKNOWN, MattingNetwork, normalise
from matting.photo import PhotoError
from matting.refine import MARGIN, at_size, box_of, harden, refine, without_lesser_parts
from matting.trimap import dilate, make_trimap, one_hot

Matte = NDArray[np.float32]

SMALLER_BY_ENOUGH = 0.9  # photos are not made smaller for the sake of a few pixels
SMALLER_FOR_TRIMAP = 0.69  # down to this only class and trimap are looked for in the smaller photo, alpha in the photo
BESIDE_PRODUCT = 0.1  # of the product's longer side, seen around it in the second look
UNSURE = 0.01  # M-Net looks where "unknown" is more probable
MASK_BAND = 0.015  # half the width of the band around a given mask's edge, of the coarse photo's longest side
SOFT_BAND = 0.015  # how far from the edge an alpha may be between 0 and 1, of the coarse photo's longest side
CORRECTION_BORDER = 2  # pixels around a correction, of the coarse photo, that its border has spoiled
CLOSED_FORM_SIDE = 1024  # pixels; closed-form matting takes minutes and gigabytes beyond


@dataclass(frozen=True)
class Look:
    """What the network sees in one photo: `trimap` probabilities (3, h, w), on the processor, `alpha` (H, W), there too
    and of the same size or a larger one, and the class features (1, 4, h, w), on the network's device.
    """

    trimap: Tensor
    alpha: Tensor
    class_features: Tensor | None


@torch.inference_mode()
def look(
    network: MattingNetwork,
    photo: Tensor,
    mask: Tensor | None = None,
    keep: Tensor | None = None,
    drop: Tensor | None = None,
    finer: Tensor | None = None,
    own: Tensor | None = None,
) -> Look:
    """Let the network look at a whole photo (3, h, w), uint8.

    Args:
        network: the matting network.
        photo: the photo.
        mask: (1, 1, h, w) in [0, 1], on the processor: a coarse mask of the product; T-Net is asked near its edge.
        keep: (h, w), bool; where true the trimap is foreground.
        drop: (h, w), bool; where true the trimap is background.
        finer: the same photo (3, H, W), uint8, at a larger size, for M-Net, whose alpha has that size then.
        own: the same photo (3, H, W), uint8, at its own size or the largest there is, for a second look at the
            product; without it there is none.
    """
    height, width = photo.shape[1:]
    batch = _as_batch(network, photo)
    class_features, _ = network.class_features(batch)
    used = network.trimap_network(batch, class_features).softmax(dim=1)[:, :, :height, :width]
    if own is not None:
        used = _with_second_look(network, own, used, keep, drop)
    if mask is not None:
        used = _near_mask_edge(mask, used)
    for region, channel in ((keep, FOREGROUND), (drop, BACKGROUND)):
        if region is not None:
            sure = functional.one_hot(torch.tensor(channel), 3).to(used)[None, :, None, None]
            used = torch.where(region.to(used.device), sure, used)
    features = None if class_features is None else class_features[:, :, :height, :width]
    seen = photo if finer is None else finer
    alpha = _alpha_where_unsure(
        network,
        batch if finer is None else _as_batch(network, finer),
        None if features is None else _padded(_fit(features, seen)),
        _padded(_fit(used, seen)),
    )
    return Look(used[0].float().cpu(), alpha[0, 0, : seen.shape[1], : seen.shape[2]].float().cpu(), features)


def _with_second_look(
    network: MattingNetwork, photo: Tensor, trimap: Tensor, keep: Tensor | None, drop: Tensor | None
) -> Tensor:
    """T-Net's trimap (1, 3, h, w) of a photo (3, H, W), its mean with what T-Net sees of the product's box alone.

    The box is mirrored, and larger where the photo has the pixels for it: what the network is wrong about in one look
    it often is not in another. What lies outside is background in the second look.
    """
    product = trimap[0, FOREGROUND] + trimap[0, UNKNOWN] / 2 > 0.5
    if keep is not None:
        product = product | keep.to(product.device)
    if drop is not None:
        product = product & ~drop.to(product.device)
    box = box_of(product)
    if box is None:
        return trimap
    beside = max(MARGIN, round(BESIDE_PRODUCT * max(side.stop - side.start for side in box)))
    rows, columns = (
        slice(max(0, side.start - beside), min(end, side.stop + beside))
        for side, end in zip(box, trimap.shape[2:], strict=True)
    )
    own_rows, own_columns = (
        slice(*(round(at * own / coarse) for at in (side.start, side.stop)))
        for side, own, coarse in zip((rows, columns), photo.shape[1:], trimap.shape[2:], strict=True)
    )
    cropped = photo[:, own_rows, own_columns]
    scale = min(1.0, max(trimap.shape[2:]) / max(cropped.shape[1:]))
    height, width = (max(1, round(side * scale)) for side in cropped.shape[1:])
    batch = _as_batch(network, at_size(cropped, (height, width)).flip(2))
    class_features, _ = network.class_features(batch)
    mirrored = network.trimap_network(batch, class_features).softmax(dim=1)[:, :, :height, :width]
    second = torch.zeros_like(trimap)
    second[:, BACKGROUND] = 1
    second[:, :, rows, columns] = functional.interpolate(
        mirrored.flip(3).contiguous(),
        size=(rows.stop - rows.start, columns.stop - columns.start),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    return (trimap + second) / 2


def _near_mask_edge(mask: Tensor, trimap: Tensor) -> Tensor:
    """A mask (1, 1, h, w) as a trimap (1, 3, h, w), in which T-Net's (1, 3, h, w) is used near the mask's edge.

    Where T-Net contradicts the mask the band around the edge stays unknown: a person gives a mask because of what the
    network keeps or loses.
    """
    band = max(2, round(MASK_BAND * max(mask.shape[2:])))
    given = one_hot(make_trimap(mask, torch.tensor([band]))).to(trimap)
    inside = mask.to(trimap) > 0.5
    product, floor = trimap[:, FOREGROUND, None] > 0.5, trimap[:, BACKGROUND, None] > 0.5
    contradicted = (
        (product & (given[:, BACKGROUND, None] > 0.5))
        | (floor & (given[:, FOREGROUND, None] > 0.5))
        # Of what is thinner than the band the trimap is sure nowhere.
        | (product & ~inside & ~dilate(~product, band))
        | (floor & inside & ~dilate(~floor, band))
    )
    ask = (given[:, UNKNOWN, None] > 0.5) & ~dilate(contradicted, 2 * band + 1)
    return torch.where(ask, trimap, given)


def _as_batch(network: MattingNetwork, photo: Tensor) -> Tensor:
    """A photo (3, H, W), uint8, as the network reads it: (1, 3, H', W'), on its device, of its stride's multiples."""
    padded = _padded(photo[None].float()).to(next(network.parameters()).device)
    return normalise(padded, network.config).contiguous(memory_format=torch.channels_last)


def _padded(maps: Tensor) -> Tensor:
    """Maps (1, C, H, W) whose last row and column are repeated up to a multiple of the network's stride."""
    return functional.pad(maps, (0, -maps.shape[3] % STRIDE, 0, -maps.shape[2] % STRIDE), mode="replicate")


def _alpha_where_unsure(
    network: MattingNetwork, photo: Tensor, class_features: Tensor | None, trimap: Tensor
) -> Tensor:
    """`MattingNetwork.alpha` of one photo (1, 3, H, W), where M-Net sees no more than the box of the unsure pixels.

    Elsewhere the trimap tells the alpha alone.
    """
    alpha = trimap[:, FOREGROUND, None].clone()
    unsure = box_of(trimap[0, UNKNOWN] > UNSURE)
    if unsure is None:
        return alpha
    rows, columns = (
        slice(_down(max(0, own.start - MARGIN)), min(end, _down(own.stop - 1 + MARGIN) + MATTE_STRIDE))
        for own, end in zip(unsure, trimap.shape[2:], strict=True)
    )
    box = (slice(None), slice(None), rows, columns)
    features = None if class_features is None else class_features[box]
    alpha[box] = network.alpha(photo[box], features, trimap[box])
    return alpha


def _down(place: int) -> int:
    """The last multiple of M-Net's stride that is not beyond a place."""
    return place // MATTE_STRIDE * MATTE_STRIDE


def matte_at(
    network: MattingNetwork,
    photo: Tensor,
    size: int,
    mask: Matte | None = None,
    keep: Matte | None = None,
    drop: Matte | None = None,
    closed_form: bool = False,
    larger: Tensor | None = None,
) -> Look:
    """The matte of a photo that is first looked at in a given size, then refined to its own.

    Args:
        network: the matting network.
        photo: (3, H, W), uint8.
        size: the longest side in pixels at which the network looks at the whole photo, and at the product's box.
        mask, keep, drop, closed_form: see `Matter.cut`.
        larger: the same photo with more pixels, (3, H', W'), uint8, for the look at the product's box alone.

    Returns:
        The alpha at the photo's size, but for what `keep` and `drop` make of it where they speak; the trimap and the
        class features at the smaller one.

    Raises:
        PhotoError: closed-form matting finds no solution.
    """
    height, width = photo.shape[1:]
    scale = size / max(height, width)
    scale = 1.0 if scale > SMALLER_BY_ENOUGH else scale
    coarse_size = (max(1, round(height * scale)), max(1, round(width * scale)))
    coarse = at_size(photo, coarse_size)
    coarse_mask = None if mask is None else _shrunk(mask, coarse_size)
    kept, dropped = (None if region is None else region_of(region, coarse_size) for region in (keep, drop))
    finer = photo if 1 > scale >= SMALLER_FOR_TRIMAP else None
    looked = look(network, coarse, coarse_mask, kept, dropped, finer=finer, own=photo if larger is None else larger)
    alpha = _closed_form(photo, looked.trimap) if closed_form else looked.alpha
    size_now = (alpha.shape[0], alpha.shape[1])  # closed-form matting gives a larger one
    hardened = harden(alpha.numpy(), SOFT_BAND * max(size_now))
    spoken = [None if region is None else region_of(region, size_now).numpy() for region in (keep, drop)]
    if mask is None:
        hardened = without_lesser_parts(hardened, *spoken)
    if corrected := [region for region in spoken if region is not None]:
        hardened = continued_into(hardened, np.any(corrected, axis=0))
    alpha = torch.from_numpy(hardened)
    if closed_form:
        alpha = functional.interpolate(alpha[None, None], size=(height, width), mode="bilinear")[0, 0]
    else:
        alpha = refine(network, photo, looked.class_features, alpha)
    alpha = torch.where(alpha < 0.03, 0.0, torch.where(alpha > 0.97, 1.0, alpha))
    return Look(looked.trimap, alpha, looked.class_features)


def _fit(maps: Tensor, photo: Tensor) -> Tensor:
    """Maps (1, C, h, w) at the size of a photo (3, H, W)."""
    if maps.shape[2:] == photo.shape[1:]:
        return maps
    return functional.interpolate(maps, size=photo.shape[1:], mode="bilinear", align_corners=False)


def _shrunk(mask: Matte, size: tuple[int, int]) -> Tensor:
    """A mask (H, W) as (1, 1, height, width)."""
    return functional.interpolate(torch.from_numpy(mask)[None, None].float(), size=size, mode="area")


def region_of(correction: Matte, size: tuple[int, int]) -> Tensor:
    """Where a correction (H, W) in [0, 1] speaks, at this height and width."""
    return _shrunk(correction, size)[0, 0] > 0.5


def continued_into(alpha: Matte, region: NDArray[np.bool_]) -> Matte:
    """An alpha (H, W) that goes on within a region (H, W), and a little around it, as it is beside that.

    A correction's border is no product's edge: nothing must be looked for there, nor be left of what was found.
    """
    nearby = ndimage.binary_dilation(region, iterations=CORRECTION_BORDER)
    if nearby.all():
        return alpha
    rows, columns = ndimage.distance_transform_edt(nearby, return_distances=False, return_indices=True)
    continued: Matte = alpha[rows, columns]
    return continued


def _closed_form(photo: Tensor, trimap: Tensor) -> Tensor:
    """Closed-form matting of a photo (3, H, W), uint8, within a trimap (3, h, w), at up to 1,024 pixels a side.

    A. Levin et al., "A Closed-Form Solution to Natural Image Matting" (2008), by pymatting.
    """
    from pymatting import estimate_alpha_cf  # takes a second, and is rarely needed

    height, width = photo.shape[1:]
    scale = min(1.0, CLOSED_FORM_SIDE / max(height, width))
    picture = at_size(photo, (max(1, round(height * scale)), max(1, round(width * scale)))).double() / 255
    channel = functional.interpolate(trimap[None], size=picture.shape[1:], mode="bilinear").argmax(dim=1)[0]
    levels = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)[channel]  # background, unknown, foreground
    if not bool((levels == 0).any()) or not bool((levels == 1).any()):
        return levels.float()  # there is nothing to start from
    try:
        # A solver that fails divides by zero first, and one that tries again prints advice for its programmer.
        with np.errstate(all="ignore"), redirect_stdout(StringIO()):
            return torch.from_numpy(estimate_alpha_cf(picture.permute(1, 2, 0).numpy(), levels.numpy())).float()
    except ValueError as error:
        raise PhotoError("closed-form matting finds no solution for it") from error
