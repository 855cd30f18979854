"""Compares this project with the original; the search does not know of it."""
