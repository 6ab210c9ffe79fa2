"""Alpha from coarse to fine: at each doubling of the size M-Net looks again at the product's edge, in tiles."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from matting.network import BACKGROUND, FOREGROUND, MATTE_STRIDE, UNKNOWN, MattingNetwork, normalise
from matting.trimap import one_hot

TILE = 512  # pixels, without the margin
MARGIN = 16  # pixels beside a tile that M-Net sees as well
BAND = 5  # pixels to either side of the edge that are seen anew at each size
SMALLEST_PART = 0.2  # of the largest part's area: the second shoe is that large, a toy beside the dress is not


@torch.inference_mode()
def refine(network: MattingNetwork, photo: Tensor, class_features: Tensor | None, alpha: Tensor) -> Tensor:
    """Bring an alpha to its photo's size.

    Args:
        network: the matting network.
        photo: (3, H, W), uint8.
        class_features: (1, 4, h', w'), on the network's device, or None if the network has none.
        alpha: (h, w) in [0, 1], of the photo at a smaller size.

    Returns:
        (H, W); the alpha itself if it has that size already.
    """
    height, width = photo.shape[1:]
    while alpha.shape != (height, width):
        # Both sides reach the photo's own together: the last step may be less than a doubling.
        last = 2 * alpha.shape[0] >= height or 2 * alpha.shape[1] >= width
        size = (height, width) if last else (2 * alpha.shape[0], 2 * alpha.shape[1])
        alpha = _refine_at(network, at_size(photo, size), class_features, alpha)
    return alpha


def at_size(photo: Tensor, size: tuple[int, int]) -> Tensor:
    """A photo (3, H, W), uint8, at this height and width."""
    if tuple(photo.shape[1:]) == size:
        return photo
    return functional.interpolate(photo[None], size=size, mode="bilinear", antialias=True, align_corners=False)[0]


def _refine_at(network: MattingNetwork, photo: Tensor, class_features: Tensor | None, alpha: Tensor) -> Tensor:
    """One step: the alpha at the size of this photo (3, H, W), its band seen anew."""
    height, width = photo.shape[1:]
    refined = functional.interpolate(alpha[None, None], size=(height, width), mode="bilinear", align_corners=False)
    # Only the edge itself: where the network was unsure of a whole area, more pixels tell no more.
    all_held, some_held = surroundings((refined[0, 0] > 0.5).numpy(), BAND)
    trimap = torch.from_numpy(np.where(all_held, FOREGROUND, np.where(some_held, UNKNOWN, BACKGROUND)))
    device = next(network.parameters()).device
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            edge = box_of(trimap[top : top + TILE, left : left + TILE] == UNKNOWN)
            if edge is None:
                continue
            own_rows, own_columns = (
                slice(start + own.start, start + own.stop) for start, own in zip((top, left), edge, strict=True)
            )
            rows, columns = _seen(own_rows, height), _seen(own_columns, width)
            seen = normalise(photo[None][:, :, rows][:, :, :, columns].to(device), network.config)
            features = None
            if class_features is not None:
                y, x = ((2 * at + 1) / side - 1 for at, side in ((rows, height), (columns, width)))
                grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)[None].to(device)
                features = functional.grid_sample(class_features, grid, padding_mode="border", align_corners=False)
            tile = network.alpha(
                seen.contiguous(memory_format=torch.channels_last),
                features,
                one_hot(trimap[rows][:, columns][None]).to(device),
            )[0, 0]
            inner = tile[own_rows.start - int(rows[0]) :, own_columns.start - int(columns[0]) :].float().cpu()
            before = refined[0, 0, own_rows, own_columns]
            inner = inner[: before.shape[0], : before.shape[1]]
            refined[0, 0, own_rows, own_columns] = torch.where(trimap[own_rows, own_columns] == UNKNOWN, inner, before)
    return refined[0, 0]


def box_of(held: Tensor) -> tuple[slice, slice] | None:
    """The rows and columns between the first and the last that hold a true pixel of (H, W), bool; None if none does."""
    places = torch.nonzero(held)
    if len(places) == 0:
        return None
    rows, columns = (
        slice(first, last + 1)
        for first, last in zip(places.amin(dim=0).tolist(), places.amax(dim=0).tolist(), strict=True)
    )
    return rows, columns


def _seen(own: slice, end: int) -> Tensor:
    """The rows (or columns) that M-Net sees for some: those of a margin too, and a multiple of its stride in all.

    Where the photo ends its last row is repeated.
    """
    first, last = max(0, own.start - MARGIN), min(end, own.stop + MARGIN)
    return torch.arange(first, last + (first - last) % MATTE_STRIDE).clamp(max=end - 1)


def harden(alpha: NDArray[np.float32], reach: float = 8.0) -> NDArray[np.float32]:
    """An alpha (H, W) in [0, 1] without see-through patches in cloth and without ghosts on the floor.

    Networks that make mattes are unsure of plain areas as well as of edges, but only near an edge is half an alpha
    right: farther than `reach` pixels, to either side, from where the alpha crosses one half it becomes 1 or 0.
    """
    all_held, some_held = surroundings(alpha > 0.5, round(reach))
    return np.where(all_held, 1, np.where(some_held, alpha, 0)).astype(np.float32)


def surroundings(held: NDArray[np.bool_], reach: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where all, and where some, of the pixels of a square that reaches this far to each side are held; (H, W) each."""
    bytes_, side = held.astype(np.uint8), 2 * reach + 1
    # Filters of bytes take a tenth of the time of distances or of pooling.
    return (
        ndimage.minimum_filter(bytes_, side, mode="nearest") > 0,
        ndimage.maximum_filter(bytes_, side, mode="nearest") > 0,
    )


def without_lesser_parts(
    alpha: NDArray[np.float32], kept: NDArray[np.bool_] | None = None, dropped: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """An alpha (H, W) in [0, 1] without the parts that are much smaller than the largest: other things in the picture.

    Parts that touch `kept` (H, W) stay however small they are; so do those that only what was `dropped` (H, W) parts.
    """
    held = alpha > 0.5
    parts, count = ndimage.label(held if dropped is None else held | dropped)
    if count < 2:
        return alpha
    areas = np.bincount(parts[held], minlength=count + 1)
    stays = areas >= SMALLEST_PART * areas[1:].max()
    if kept is not None:
        stays[np.unique(parts[kept])] = True
    stays[0] = False
    lesser = held & ~stays[parts]
    if not lesser.any():
        return alpha
    # A part's soft edge goes with it: whatever is nearer to it than to what stays.
    nearer = ndimage.distance_transform_edt(~lesser) < ndimage.distance_transform_edt(~stays[parts])
    return np.where(nearer, 0, alpha).astype(np.float32)
