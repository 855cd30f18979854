"""Comparison with the reference programs: recordings, checkpoints, logs."""
