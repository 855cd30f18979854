"""What the ops of a child do, found by probing them; names do not count."""
