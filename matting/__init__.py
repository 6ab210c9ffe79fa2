"""Photographs and their mattes. Knows nothing of retrieval."""

import os
import signal
import sys


def leave_in_one_line(*_: object) -> None:
    """End a command that is still importing its libraries, when the user presses Ctrl-C."""
    sys.exit("error: stopped")


# Python names the program "-m" only while it imports the package of a command, as in python -m matting.
if sys.argv[:1] == ["-m"]:
    signal.signal(signal.SIGINT, leave_in_one_line)

# pymatting's numba would start a thread a core and, as both use OpenMP, have torch do so whatever the user asks for.
if asked := os.environ.get("OMP_NUM_THREADS"):
    os.environ.setdefault("NUMBA_NUM_THREADS", asked.split(",")[0])

from matting.photo import PHOTO_SUFFIXES, PhotoError, find_by_name, find_photos, read_matte, read_photo  # noqa: E402

__all__ = ["PHOTO_SUFFIXES", "PhotoError", "find_by_name", "find_photos", "read_matte", "read_photo"]
