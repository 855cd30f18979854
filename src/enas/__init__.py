"""ENAS macro search with a search space that can be poisoned."""

__version__ = "0.2.0"
