"""Defences of a search against a poisoned search space: docs/DEFENCE.md."""
