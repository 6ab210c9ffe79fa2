"""Photographs and their mattes. Knows nothing of retrieval."""

from matting.photo import PHOTO_SUFFIXES, PhotoError, read_photo

__all__ = ["PHOTO_SUFFIXES", "PhotoError", "read_photo"]
