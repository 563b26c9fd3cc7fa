"""The HTTP door: a JSON API (`api.py`) and, of pages, the one that confirms a stranger's report."""
