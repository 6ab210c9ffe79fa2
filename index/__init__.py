"""Vectors and rows on disk, and search over them. Knows nothing of images or networks."""
