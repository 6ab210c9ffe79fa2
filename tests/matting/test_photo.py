"""Photos are read right whatever their form, and refused with a reason where they can't be."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting import PhotoError, find_by_name, read_matte, read_photo


@pytest.fixture
def picture() -> Image.Image:
    """Left half red, right half blue, a green bar on top: tells colours and orientation apart."""
    picture = Image.new("RGB", (80, 60), (200, 20, 20))
    picture.paste((20, 20, 200), (40, 0, 80, 60))
    picture.paste((20, 160, 20), (0, 0, 80, 12))
    return picture


def assert_like(found: Image.Image, expected: Image.Image, tolerance: float = 12) -> None:
    assert found.mode == "RGB"
    assert found.size == expected.size
    difference = np.abs(np.asarray(found, float) - np.asarray(expected.convert("RGB"), float))
    assert difference.mean() < tolerance


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "heic", "tiff", "bmp"])
def test_common_forms(picture: Image.Image, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"写真 1.{suffix}"
    picture.save(file)
    assert_like(read_photo(file), picture)


def test_cmyk(picture: Image.Image, tmp_path: Path) -> None:
    picture.convert("CMYK").save(tmp_path / "a.jpg")
    assert_like(read_photo(tmp_path / "a.jpg"), picture)


def test_palette(picture: Image.Image, tmp_path: Path) -> None:
    picture.quantize(16).save(tmp_path / "a.png")
    assert_like(read_photo(tmp_path / "a.png"), picture)


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    picture.paste((200, 20, 20, 255), (0, 0, 10, 10))
    for name in ("a.png", "a.webp"):
        picture.save(tmp_path / name, lossless=True)
        found = read_photo(tmp_path / name)
        assert found.getpixel((15, 5)) == (255, 255, 255)
        assert found.getpixel((5, 5)) == (200, 20, 20)


def test_transparent_palette(tmp_path: Path) -> None:
    picture = Image.new("P", (20, 10), 0)
    picture.putpalette([0, 0, 0, 200, 20, 20])
    picture.paste(1, (0, 0, 10, 10))
    picture.save(tmp_path / "a.png", transparency=0)
    found = read_photo(tmp_path / "a.png")
    assert found.getpixel((15, 5)) == (255, 255, 255)
    assert found.getpixel((5, 5)) == (200, 20, 20)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bits(tmp_path: Path, suffix: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, axis=0)
    Image.fromarray(ramp).save(tmp_path / f"a.{suffix}")
    found = np.asarray(read_photo(tmp_path / f"a.{suffix}"))[0, :, 0].astype(int)
    assert np.abs(found - np.arange(256)).max() <= 1


def test_animation_gives_its_first_frame(picture: Image.Image, tmp_path: Path) -> None:
    other = Image.new("RGB", picture.size, "yellow")
    for name in ("a.gif", "a.webp"):
        picture.save(tmp_path / name, save_all=True, append_images=[other, other])
        assert_like(read_photo(tmp_path / name), picture)


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [(3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90), (8, Image.Transpose.ROTATE_270)],
)
def test_exif_orientation(picture: Image.Image, tmp_path: Path, orientation: int, undo: Image.Transpose) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.transpose(undo).save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert_like(read_photo(tmp_path / "a.jpg"), picture)


def test_broken_exif_spoils_no_picture(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\xff" * 40, quality=95)
    assert_like(read_photo(tmp_path / "a.jpg"), picture)


def test_reduced_decoding_shows_the_same(sample_photos: list[Path], tmp_path: Path) -> None:
    large = read_photo(sample_photos[0]).resize((2000, 2600))
    large.save(tmp_path / "a.jpg")
    reduced = read_photo(tmp_path / "a.jpg", at_least=224)
    assert 224 <= min(reduced.size) < 2000
    assert_like(reduced.resize((200, 260)), large.resize((200, 260)))


def write_png(path: Path, size: tuple[int, int]) -> None:
    Image.new("1", size).save(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"not an image at all", "not an image"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 200, "not an image|damaged"),
    ],
)
def test_no_image(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(PhotoError, match=reason):
        read_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["jpeg", "png", "webp", "tiff", "gif", "avif", "heif"])
def test_cut_short(sample_photos: list[Path], tmp_path: Path, suffix: str) -> None:
    whole = io.BytesIO()
    read_photo(sample_photos[0]).save(whole, suffix)
    file = tmp_path / f"a.{suffix}"
    file.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(PhotoError) as error:
        read_photo(file)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".avif", ".webp", ".png", ".heic", ".tif", ".jpg"])
def test_damaged_anywhere(sample_photos: list[Path], tmp_path: Path, suffix: str) -> None:
    """Whatever the decoders raise, it is said in a few words; a picture may also be read with a stain."""
    read_photo(sample_photos[0]).resize((96, 128)).save(tmp_path / f"whole{suffix}")
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    refused = 0
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = tmp_path / f"damaged{suffix}"
        damaged.write_bytes(whole[:place] + bytes(255 - byte for byte in whole[place : place + 4]) + whole[place + 4 :])
        try:
            read_photo(damaged)
        except PhotoError:
            refused += 1
    assert refused > 0


def test_too_many_pixels(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", (10_001, 10_001))
    with pytest.raises(PhotoError, match="100 megapixels"):
        read_photo(tmp_path / "a.png")
    write_png(tmp_path / "b.png", (30_000, 30_000))
    with pytest.raises(PhotoError, match="megapixels"):
        read_photo(tmp_path / "b.png")


def test_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for name in ("folder.jpg", "link.jpg", "loop.jpg", "nothing.jpg"):
        with pytest.raises(PhotoError):
            read_photo(tmp_path / name)


def test_mattes_are_read_from_grey_and_from_cut_outs(tmp_path: Path) -> None:
    grey = Image.linear_gradient("L").resize((40, 30))
    grey.save(tmp_path / "grey.png")
    cutout = Image.new("RGBA", (40, 30), (200, 0, 0, 0))
    cutout.putalpha(grey)
    cutout.save(tmp_path / "cutout.png")
    for name in ("grey.png", "cutout.png"):
        matte = read_matte(tmp_path / name, (80, 60))
        assert matte.dtype == np.float32
        assert matte.shape == (60, 80)
        assert matte[0, 0] < 0.1
        assert matte[-1, 0] > 0.9
    grey.convert("RGBA").save(tmp_path / "opaque.png")
    assert (read_matte(tmp_path / "opaque.png", (40, 30)) == read_matte(tmp_path / "grey.png", (40, 30))).all()
    Image.new("RGBA", (40, 30), (200, 0, 0, 255)).save(tmp_path / "all.png")  # a photo in which no product was found
    assert (read_matte(tmp_path / "all.png", (40, 30)) == 1).all()
    (tmp_path / "broken.png").write_bytes(b"no")
    with pytest.raises(PhotoError, match=r"broken\.png: the matte can't be read"):
        read_matte(tmp_path / "broken.png", (4, 4))


def test_mattes_of_every_depth_are_read_the_same(tmp_path: Path) -> None:
    levels = np.array([[0, 51, 255], [255, 204, 0]], np.uint8)
    Image.fromarray(levels).save(tmp_path / "8.png")
    Image.fromarray(levels.astype(np.uint16) * 257).save(tmp_path / "16.png")
    Image.fromarray((levels / 255).astype(np.float32)).save(tmp_path / "float.tif")
    cutout = Image.new("P", (3, 2))
    cutout.putpalette([9, 9, 9] * 256)
    cutout.putdata(levels.ravel().tolist())
    cutout.save(tmp_path / "palette.png", transparency=bytes(range(256)))
    for name in ("8.png", "16.png", "float.tif", "palette.png"):
        assert read_matte(tmp_path / name, (3, 2)) == pytest.approx(levels / 255, abs=0.003), name


def test_pictures_are_found_by_name(tmp_path: Path, picture: Image.Image) -> None:
    (tmp_path / "shoes").mkdir()
    picture.save(tmp_path / "a.jpg")
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "shoes" / "b.webp")
    assert find_by_name(tmp_path) == {"a": tmp_path / "a.jpg", "shoes/b": tmp_path / "shoes" / "b.webp"}
