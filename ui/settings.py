"""How the page was started: `streamlit run ui/app.py -- --catalog DIR [--read-only] [--language en|ja]`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ui.texts import LANGUAGES

DEMO = Path(__file__).parents[1] / "demo" / "catalog-photos"  # what `make demo` writes


class OptionsError(ValueError):
    """Options that the page does not know."""


@dataclass(frozen=True)
class Settings:
    """The catalogue's folder, whether nothing may be changed, and the language for all; None: as the browser asks."""

    catalog: Path
    read_only: bool
    language: str | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionsError(message)


def parse_settings(arguments: Sequence[str]) -> Settings:
    """The settings that the command's arguments say. Raises OptionsError."""
    parser = _Parser(add_help=False)
    parser.add_argument("--catalog", type=Path, default=DEMO)
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--language", choices=LANGUAGES)
    found = parser.parse_args(arguments)
    return Settings(found.catalog, found.read_only, found.language)
