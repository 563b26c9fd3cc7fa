"""Mutated mails against the reader: `python -m bench.fuzz --seconds 300`."""
