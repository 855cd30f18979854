"""Macro search on 32x32 images: child, controller, search space, search."""
