"""Measurements around the search; the search does not know of them."""
