"""Layers that the candidate ops and the child are made of."""
