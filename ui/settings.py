"""How the page was started: `streamlit run ui/app.py -- --catalog DIR …`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ui.texts import LANGUAGES

DEMO = Path(__file__).parents[1] / "demo" / "catalog-samples-photos"  # what `make demo` writes


class OptionsError(ValueError):
    """Options that the page does not know."""


@dataclass(frozen=True)
class Settings:
    """How the page was started.

    `catalog`: the catalogue's folder. `weights`: those that it was built with, None for the ones that erimoto ships.
    `read_only`: nothing may be changed. `language`: for all; None: as each browser asks.
    """

    catalog: Path
    weights: Path | None
    read_only: bool
    language: str | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionsError(message)


def parse_settings(arguments: Sequence[str]) -> Settings:
    """The settings that the command's arguments say. Raises OptionsError."""
    parser = _Parser(add_help=False)
    parser.add_argument("--catalog", type=Path, default=DEMO)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--language", choices=LANGUAGES)
    found = parser.parse_args(arguments)
    return Settings(found.catalog, found.weights, found.read_only, found.language)
