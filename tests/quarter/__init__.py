"""A quarter of a desk's life on a virtual clock, and what should have come of it by a reckoning of its own."""
