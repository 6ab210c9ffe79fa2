"""What went wrong, in the user's language and without anything of the server in it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from ui.texts import Texts, plain

BYTES, PIXELS = 20, 50  # millions; the limits of `retrieval.uploads`, which the texts name


def say_problem(texts: Texts, kind: str, **fields: str) -> None:
    """Show one line that says what to do next; `kind` names a text of the section "problem"."""
    safe = {name: plain(value) for name, value in fields.items()}
    st.error(texts(f"problem.{kind}", megabytes=BYTES, megapixels=PIXELS, **safe), icon=":material/error:")


@contextmanager
def one_line(texts: Texts, kind: str = "unexpected", **fields: str) -> Iterator[None]:
    """Turn what goes wrong into one line; what exactly it was goes to the server's log.

    Errors that users cause are ValueErrors and OSErrors; what remains is a mistake of ours, and is no use to them.
    """
    try:
        yield
    except Exception as error:
        log_problem(error)
        say_problem(texts, kind, **fields)


def log_problem(error: Exception) -> None:
    """Tell the server's log what went wrong; the whole of it where it is a mistake of ours."""
    log = logging.getLogger("erimoto")
    if isinstance(error, ValueError | OSError):
        log.warning("%s", error)
    else:
        log.error("a mistake in the page, or a damaged catalogue", exc_info=error)
