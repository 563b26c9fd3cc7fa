"""The terminal's door: the same calls as everybody's, and what only an operator does."""
