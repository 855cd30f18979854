"""The run directory: everything that a run writes and reads back."""
