"""Measures time and memory of the project, with the project's own code."""
