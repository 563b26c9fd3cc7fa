"""The words that people read, a file for each kind and language: `desk.de.toml` holds `key = "text with {gaps}"`.

Each language has each of English's keys. A text that depends on a number stands twice: `key_one` and `key_other`.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


@cache
def load(kind: str) -> dict[str, dict[str, str]]:
    """Return the texts of a kind ("desk"), by language and key."""
    found = (one for one in files(__name__).iterdir() if one.name.startswith(f"{kind}."))
    return {one.name.split(".")[1]: tomllib.loads(one.read_text("utf-8")) for one in found}
