"""What the ops of a child do, found by probing them; no name plays a part."""
