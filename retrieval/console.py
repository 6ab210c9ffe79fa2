"""Errors of the catalogue's database as one line, beside what `matting.console` does for all commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from matting import console
from matting.console import fail


@contextmanager
def one_line_errors() -> Iterator[None]:
    """As `matting.console.one_line_errors`, and what goes wrong in the catalogue's database as one line too."""
    with console.one_line_errors():
        try:
            yield
        except DBAPIError as error:
            fail(f"the catalogue's database: {str(error.orig).splitlines()[0]}")
