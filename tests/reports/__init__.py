"""What an independent review found, so that it isn't found again."""
