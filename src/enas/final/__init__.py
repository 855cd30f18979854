"""One architecture trained from scratch."""
