"""Measurements around the search; the search does not depend on them."""
