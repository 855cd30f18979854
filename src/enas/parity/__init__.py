"""Comparisons with the original program, by what it leaves behind."""
