"""Cutting products out of files of photographs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from matting.console import progress_bar, warn
from matting.corrections import NO_CORRECTION, CorrectionError, is_correction, mask_in, read_correction
from matting.cutout import compose, cut_out
from matting.matter import Matter
from matting.photo import PhotoError, find_photos, read_photo


class CutError(ValueError):
    """Files that can't be cut; the message is one line."""


@dataclass(frozen=True)
class CutOptions:
    """What is written for a photo, and what people said of its matte.

    `alpha`: the grey matte instead of the cut-out. `background`: what to compose the cut-out on, or None. `mask`,
    `keep` and `drop`: boxes, masks or folders of masks (see `read_correction`). `closed_form`: fill the unknown band by
    closed-form matting.
    """

    alpha: bool = False
    background: Image.Image | None = None
    mask: str | None = None
    keep: str | None = None
    drop: str | None = None
    closed_form: bool = False


@dataclass(frozen=True)
class CutReport:
    """How many photos there were, and for how many a file was written."""

    photos: int
    written: int


def cut_files(places: list[Path], out: Path, matter: Matter, options: CutOptions) -> CutReport:
    """Write one PNG a photo, named like it; photos in a folder's subfolders get the same subfolders.

    A photo that can't be read, or what was said of it, is named in a warning, and it is left out. One without a product
    is named, too, and written whole.

    Raises:
        CutError: two photos would be written to the same file, or there are no photos, or none that a folder of masks
            names, or what was said of all is no box, mask or folder.
    """
    target_of = plan(places, out)
    within = {path: target.relative_to(out).with_name(path.name) for path, target in target_of.items()}
    for option, name in (("--mask", options.mask), ("--keep", options.keep), ("--drop", options.drop)):
        if name is not None and not is_correction(name):
            raise CutError(f"{option} {name}: {NO_CORRECTION}")
        if name is not None and Path(name).is_dir() and not any(mask_in(Path(name), of) for of in within.values()):
            raise CutError(f"{option} {name}: holds no mask that is named like one of the photos")
    written = 0
    with progress_bar("cutting", len(target_of)) as progress:
        for path, target in target_of.items():
            try:
                picture = cut_file(path, matter, options, within[path])
            except (PhotoError, CorrectionError) as error:
                reason = str(error) if isinstance(error, CorrectionError) else f"{path}: {error}"
                warn(f"{reason}; {path.name} is left out")
            else:
                write_png(picture, target)
                written += 1
            progress(1)
    return CutReport(len(target_of), written)


def plan(places: list[Path], out: Path) -> dict[Path, Path]:
    """The file to write for each photo in these files and folders. Raises CutError as `cut_files` does."""
    target_of: dict[Path, Path] = {}
    photo_of: dict[Path, Path] = {}
    for place in places:
        made_within = place.resolve() in out.resolve().parents
        for path in find_photos([place]):
            if path in target_of or (made_within and out.resolve() in path.resolve().parents):
                continue  # given twice, or made by an earlier run
            within = path.relative_to(place) if place.is_dir() else Path(path.name)
            target = (out / within).with_suffix(".png")
            if target in photo_of:
                raise CutError(f"{path} and {photo_of[target]} would both be written to {target}; cut them separately")
            if target.exists() and target.samefile(path):
                raise CutError(f"{path}: would be overwritten; give another folder with --out")
            target_of[path], photo_of[target] = target, path
    if not target_of:
        raise CutError(f"{', '.join(str(place) for place in places)}: no photos found")
    return target_of


def cut_file(path: Path, matter: Matter, options: CutOptions, within: Path | None = None) -> Image.Image:
    """What shall be written for one photo, whose path in its folder is `within`, its name by default.

    Raises:
        PhotoError, CorrectionError: the photo or what was said of it can't be read.
    """
    photo = read_photo(path)
    mask, keep, drop = (
        None if name is None else read_correction(name, path, photo.size, within)
        for name in (options.mask, options.keep, options.drop)
    )
    cutting = matter.cut(photo, mask, keep, drop, options.closed_form)
    if not cutting.product_found:
        warn(f"{path}: no product found; the whole photo is kept (a box or mask can be given with --mask)")
    if options.alpha:
        return Image.fromarray((cutting.alpha * 255).round().astype(np.uint8))
    cutout = cut_out(photo, cutting.alpha)
    return cutout if options.background is None else compose(cutout, options.background)


def write_png(picture: Image.Image, target: Path) -> None:
    """Write a picture whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".unfinished")
    picture.save(unfinished, format="PNG")
    unfinished.replace(target)
