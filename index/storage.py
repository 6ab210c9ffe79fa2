"""Files that are replaced whole or not at all, and the manifest that says which of them belong together."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"


class CatalogError(ValueError):
    """A catalogue that can't be used as asked; the message is one line that names it and says what to do."""


class VersionError(CatalogError):
    """Another version of erimoto made the catalogue."""


class BusyError(CatalogError):
    """Another command is writing to the catalogue."""


@dataclass(frozen=True)
class ModelInfo:
    """What the catalogue keeps of the network that made its vectors.

    `blocks` maps each attribute to the length of its vector, in the order in which a row holds them. `prototypes` maps
    an attribute and a value to the vector that stands for it. `schema` is the network's own text and not read here.
    """

    fingerprint: str
    blocks: dict[str, int]
    prototypes: dict[str, dict[str, list[float]]]
    schema: str

    @property
    def dimensions(self) -> int:
        """Numbers in a row."""
        return sum(self.blocks.values())

    def spans(self) -> dict[str, tuple[int, int]]:
        """The (start, stop) columns of each attribute."""
        spans, start = {}, 0
        for key, length in self.blocks.items():
            spans[key] = (start, start + length)
            start += length
        return spans


@dataclass(frozen=True)
class Manifest:
    """The last finished state of a catalogue. `index_*` describe the vector index's file."""

    generation: int
    index_file: str
    index_bytes: int
    index_sha256: str
    photos: int
    built: str
    model: ModelInfo
    database: str | None = None
    format: int = field(default=FORMAT)


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a catalogue's folder, None if it has none. Raises CatalogError if it can't be used."""
    path = folder / MANIFEST
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        found = stored["format"]
        if found == FORMAT:
            return Manifest(**{**stored, "model": ModelInfo(**stored["model"])})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise CatalogError(
            f"{path}: damaged; delete this file and run build again, no photo is embedded anew"
        ) from error
    raise VersionError(
        f"{folder}: a catalogue of format {found}, this erimoto reads format {FORMAT}; "
        "use the erimoto that made it, or build into another folder"
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest, which makes the state that it describes the current one."""
    text = json.dumps(asdict(manifest), ensure_ascii=False)
    replace_file(folder / MANIFEST, lambda path: path.write_text(text, encoding="utf-8"))


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name, force it to the disk, and only then give it its name."""
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        write(unfinished)
        _force_to_disk(unfinished)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        _force_to_disk(path.parent)


def is_there(path: str) -> bool:
    """Whether a file is at its place, or may be: in a folder that can't be entered now nothing counts as gone."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _force_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
