"""Programs and the Python API for runs that exist."""
