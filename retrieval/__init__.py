"""Photographs to vectors of attributes, and search over them."""
