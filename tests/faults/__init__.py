"""Harm done to searches on purpose, and what was left of them."""
