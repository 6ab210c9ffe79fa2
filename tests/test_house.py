"""The house: imports go one way, and the packages hold what they ship."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "matting": {"matting"},
    "index": {"index"},
    "retrieval": {"retrieval", "matting", "index"},
    "ui": {"ui", "retrieval"},
}


def imported_packages(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        ours = imported_packages(file) & set(MAY_IMPORT)
        assert ours <= MAY_IMPORT[package], f"{file} imports {ours - MAY_IMPORT[package]}"


def test_index_knows_no_images_or_networks() -> None:
    for file in (ROOT / "index").rglob("*.py"):
        assert not imported_packages(file) & {"torch", "timm", "PIL"}, file


def test_weights_are_small_enough_to_ship() -> None:
    files = list(ROOT.glob("*/weights/*.safetensors"))
    assert len(files) >= 2
    for file in files:
        assert file.stat().st_size <= 25_000_000
