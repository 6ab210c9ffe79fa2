"""Photographs to vectors of attributes, and search over them."""

import matting  # noqa: F401 - first of all, so that Ctrl-C ends a command in one line while it imports the rest
